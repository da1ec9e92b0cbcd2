package io.palimpsest.server.backup;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.RelationFile;
import io.palimpsest.protocol.TarEntry;
import io.palimpsest.protocol.TarReader;
import io.palimpsest.wal.WalPage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A data directory as archives: {@code base.tar}, beside it {@code pg_wal.tar} and one named by the
 * OID of each tablespace, each of them plain or {@code .gz}. Or a single one of any name.
 */
record BackupArchives(Path base) implements StoredBackup {
    BackupArchives {
        if (!Files.isRegularFile(base)) {
            throw PageserverException.of(ErrorCode.NOT_FOUND, "%s: no such file", base);
        }
    }

    /** The archive of that name in a directory, plain or not; null if there is none. */
    static @Nullable Path find(Path directory, String name) {
        for (String suffix : List.of("", ".gz", ".zst", ".lz4")) {
            Path path = directory.resolve(name + suffix);
            if (Files.isRegularFile(path)) {
                return path;
            }
        }
        return null;
    }

    private Path directory() {
        return Objects.requireNonNull(base.toAbsolutePath().getParent());
    }

    /** Does it belong to what lies beside it? */
    private boolean isOfSeveral() {
        return String.valueOf(base.getFileName()).startsWith("base.tar");
    }

    @Override
    public void files(FileVisitor to) {
        ArchiveFile.tar(base, new Members("", to));
        if (!isOfSeveral()) {
            return;
        }
        for (Path archive : tablespaces()) {
            String name = String.valueOf(archive.getFileName());
            String oid = name.substring(0, name.indexOf('.'));
            to.hasTablespace(RelationFile.number(oid));
            ArchiveFile.tar(archive, new Members(BackupNames.TABLESPACES + oid + "/", to));
        }
    }

    private List<Path> tablespaces() {
        try (Stream<Path> beside = Files.list(directory())) {
            return beside.filter(
                            path -> {
                                String name = String.valueOf(path.getFileName());
                                int dot = name.indexOf('.');
                                return dot > 0
                                        && name.substring(dot).matches("\\.tar(\\.\\w+)?")
                                        && RelationFile.number(name.substring(0, dot)) != 0;
                            })
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new PageserverException(ErrorCode.IO, directory() + ": " + e.getMessage(), e);
        }
    }

    @Override
    public void archivedWal(FileVisitor to) {
        ArchiveFile.tar(base, new Segments(BackupNames.WAL, to));
        Path wal = isOfSeveral() ? find(directory(), "pg_wal.tar") : null;
        if (wal != null) {
            ArchiveFile.tar(wal, new Segments("", to));
        }
    }

    @Override
    public @Nullable Path walDirectory() {
        return null;
    }

    @Override
    public Path manifest() {
        return directory().resolve(isOfSeveral() ? "backup_manifest" : "no-manifest");
    }

    private static PageserverException link(TarEntry entry) {
        return PageserverException.badRequest(
                "%s is a link to '%s'; in a base backup there are links for tablespaces only, pg_tblspc/OID",
                entry.name(), entry.link());
    }

    /** Passes on those members of an archive that are wanted. */
    private abstract static class Wanted implements TarReader.Visitor {
        final String prefix;
        final FileVisitor to;
        boolean wanted;

        Wanted(String prefix, FileVisitor to) {
            this.prefix = prefix;
            this.to = to;
        }

        @Override
        public void content(byte[] bytes, int offset, int length) {
            if (wanted) {
                to.content(bytes, offset, length);
            }
        }

        @Override
        public void entryEnd() {
            if (wanted) {
                to.end();
            }
        }
    }

    /** Members of an archive as files of the data directory. */
    private static final class Members extends Wanted {
        Members(String prefix, FileVisitor to) {
            super(prefix, to);
        }

        @Override
        public void entry(TarEntry entry) {
            String name = prefix + entry.name();
            wanted = false;
            switch (entry.type()) {
                case DIRECTORY -> {
                    int oid = BackupNames.tablespace(name);
                    if (oid != 0) {
                        to.hasTablespace(oid);
                    }
                }
                case FILE -> wanted = BackupNames.isTaken(name) && to.file(name, entry.size());
                case SYMBOLIC_LINK -> {
                    int oid = BackupNames.tablespace(name);
                    if (oid == 0) {
                        throw link(entry);
                    }
                    to.tablespace(oid, entry.link());
                }
                case HARD_LINK -> throw link(entry);
            }
        }
    }

    /** Members of an archive that are WAL segments. */
    private static final class Segments extends Wanted {
        Segments(String prefix, FileVisitor to) {
            super(prefix, to);
        }

        @Override
        public void entry(TarEntry entry) {
            String name =
                    entry.name().startsWith(prefix) ? entry.name().substring(prefix.length()) : "";
            if (WalPage.isSegmentName(name) && entry.type() != TarEntry.Type.FILE) {
                throw link(entry);
            }
            wanted = WalPage.isSegmentName(name) && to.file(name, entry.size());
        }
    }
}
