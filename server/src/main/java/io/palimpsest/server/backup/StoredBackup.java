package io.palimpsest.server.backup;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A base backup: the directory that pg_basebackup makes, a data directory that was shut down, or
 * tar archives of one. None is trusted: links lead nowhere but to tablespaces.
 */
public sealed interface StoredBackup permits BackupDirectory, BackupArchives {
    /**
     * Gives all files but WAL, those of a tablespace as {@code pg_tblspc/<oid>/...}.
     *
     * @throws PageserverException BAD_REQUEST for a link or a name that leads out; CORRUPTION for a
     *     damaged archive
     */
    void files(FileVisitor to);

    /** Gives the WAL segments that only an archive has, by their names, in its order. */
    void archivedWal(FileVisitor to);

    /** Where WAL segments lie as files; null if nowhere. */
    @Nullable Path walDirectory();

    /** The backup's manifest, if it lies beside. */
    Path manifest();

    /**
     * What there is at that place.
     *
     * @throws PageserverException NOT_FOUND if that is no backup
     */
    static StoredBackup at(Path path) {
        if (!Files.isDirectory(path)) {
            return new BackupArchives(path);
        }
        if (Files.exists(path.resolve("PG_VERSION"))) {
            return new BackupDirectory(path);
        }
        Path archive = BackupArchives.find(path, "base.tar");
        if (archive != null) {
            return new BackupArchives(archive);
        }
        throw PageserverException.of(
                ErrorCode.NOT_FOUND,
                "%s has neither PG_VERSION nor base.tar: expected a directory that pg_basebackup has made, or a tar archive",
                path);
    }

    /** Where the backup ends, if a manifest says so. */
    default OptionalLong endByManifest() {
        if (!Files.exists(manifest())) {
            return OptionalLong.empty();
        }
        return ManifestEnd.read(manifest());
    }

    /** The few bytes at a manifest's end that tell of WAL; before them may be millions of files. */
    final class ManifestEnd {
        private static final int TAIL = 8192;
        private static final Pattern END = Pattern.compile("\"End-LSN\":\\s*\"([0-9A-F/]+)\"");

        private ManifestEnd() {}

        static OptionalLong read(Path manifest) {
            try (SeekableByteChannel channel = Files.newByteChannel(manifest)) {
                channel.position(Math.max(0, channel.size() - TAIL));
                ByteBuffer tail = ByteBuffer.allocate(TAIL);
                for (int n = 0; n >= 0 && tail.hasRemaining(); ) {
                    n = channel.read(tail);
                }
                return parse(new String(tail.array(), 0, tail.position(), StandardCharsets.UTF_8));
            } catch (IOException e) {
                throw new PageserverException(
                        ErrorCode.IO, manifest + " cannot be read: " + e.getMessage(), e);
            }
        }

        private static OptionalLong parse(String tail) {
            Matcher end = END.matcher(tail);
            if (!end.find()) {
                return OptionalLong.empty();
            }
            long lsn = Lsn.parse(end.group(1)).value();
            if (end.find()) {
                throw PageserverException.badRequest(
                        "the backup_manifest has several ranges of WAL: a standby was promoted while the backup was taken; take another");
            }
            return OptionalLong.of(lsn);
        }
    }
}
