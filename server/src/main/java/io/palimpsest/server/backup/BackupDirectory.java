package io.palimpsest.server.backup;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A data directory as files. Of its links those of tablespaces are followed, and that of pg_wal.
 */
record BackupDirectory(Path root) implements StoredBackup {
    private static final int PIECE = 128 << 10;

    @Override
    public void files(FileVisitor to) {
        Path running = root.resolve("postmaster.pid");
        if (Files.exists(running)) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "%s is there: a server runs on that directory, or was killed; take a backup by pg_basebackup, or stop the server",
                    running);
        }
        try {
            walk(root, "", to, new byte[PIECE]);
        } catch (IOException e) {
            throw new PageserverException(ErrorCode.IO, root + " cannot be read: " + e, e);
        }
    }

    private static void walk(Path directory, String prefix, FileVisitor to, byte[] piece)
            throws IOException {
        List<Path> all;
        try (Stream<Path> list = Files.list(directory)) {
            all = list.sorted().toList();
        }
        for (Path path : all) {
            String name = prefix + path.getFileName();
            if (name.equals("pg_wal")) {
                continue;
            }
            BasicFileAttributes is =
                    Files.readAttributes(
                            path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
            if (is.isSymbolicLink()) {
                tablespace(path, name, to, piece);
            } else if (is.isDirectory()) {
                walk(path, name + "/", to, piece);
            } else if (!is.isRegularFile()) {
                throw PageserverException.badRequest("%s is neither a file nor a directory", path);
            } else if (BackupNames.isTaken(name) && to.file(name, is.size())) {
                content(path, is.size(), to, piece);
            }
        }
    }

    private static void tablespace(Path link, String name, FileVisitor to, byte[] piece)
            throws IOException {
        int oid = BackupNames.tablespace(name);
        if (oid == 0) {
            throw PageserverException.badRequest(
                    "%s is a link; in a base backup there are links for tablespaces only, pg_tblspc/OID",
                    link);
        }
        if (!Files.isDirectory(link)) {
            throw PageserverException.badRequest(
                    "%s leads to %s, which is no directory here: the tablespace's files are missing",
                    link, Files.readSymbolicLink(link));
        }
        to.tablespace(oid, Files.readSymbolicLink(link).toString());
        to.hasTablespace(oid);
        walk(link, name + "/", to, piece);
    }

    private static void content(Path path, long size, FileVisitor to, byte[] piece)
            throws IOException {
        long left = size;
        try (InputStream in = Files.newInputStream(path)) {
            while (left > 0) {
                int n = in.read(piece, 0, (int) Math.min(piece.length, left));
                if (n < 0) {
                    throw PageserverException.badRequest(
                            "%s became shorter while it was read: is a server running on it?",
                            path);
                }
                to.content(piece, 0, n);
                left -= n;
            }
        }
        to.end();
    }

    @Override
    public void archivedWal(FileVisitor to) {
        // It lies there as files.
    }

    @Override
    public @Nullable Path walDirectory() {
        Path wal = root.resolve("pg_wal");
        return Files.isDirectory(wal) ? wal : null;
    }

    @Override
    public Path manifest() {
        return root.resolve("backup_manifest");
    }
}
