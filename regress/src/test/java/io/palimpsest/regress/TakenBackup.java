package io.palimpsest.regress;

import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.protocol.BaseBackupOptions;
import io.palimpsest.protocol.BaseBackupRange;
import io.palimpsest.protocol.BaseBackupVisitor;
import io.palimpsest.protocol.ReplicationConnection;
import io.palimpsest.protocol.ReplicationSettings;
import io.palimpsest.server.runtime.SecureIds;
import io.palimpsest.server.runtime.SocketNet;
import io.palimpsest.server.runtime.SystemClock;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;

/**
 * A base backup of a running PostgreSQL as tar archives in a directory: by pg_basebackup of a
 * version that can where one is installed, else by what it does, BASE_BACKUP, written down as it
 * comes.
 *
 * @param tool which of the two
 */
record TakenBackup(Path directory, String tool) {
    private static final Path INSTALLED = Path.of("/usr/lib/postgresql");

    /**
     * Takes one, compressed by gzip.
     *
     * @param directory is made
     */
    static TakenBackup take(EmbeddedPostgres postgres, Path directory) throws IOException {
        Path tool = pgBaseBackup(postgres.major());
        if (tool != null) {
            Path made = postgres.writableDirectory("taken-" + directory.getFileName());
            String _ =
                    postgres.run(
                            Map.of("PGPASSWORD", postgres.password()),
                            tool.toString(),
                            "--host=127.0.0.1",
                            "--port=" + postgres.port(),
                            "--username=" + EmbeddedPostgres.USER,
                            "--pgdata=" + made,
                            "--format=tar",
                            "--gzip",
                            "--checkpoint=fast",
                            "--wal-method=stream");
            return new TakenBackup(made, tool.toString());
        }
        Files.createDirectories(directory);
        try (ReplicationConnection connection =
                ReplicationConnection.open(
                        new SocketNet(),
                        new SystemClock(),
                        new SecureIds(),
                        new ReplicationSettings(
                                "127.0.0.1",
                                postgres.port(),
                                EmbeddedPostgres.USER,
                                postgres.password()))) {
            BaseBackupRange _ =
                    connection.baseBackup(
                            new BaseBackupOptions(
                                    "import test", true, true, true, false, 0, 600_000_000_000L),
                            new Written(directory));
        }
        return new TakenBackup(directory, "BASE_BACKUP");
    }

    /** Newest first; one of a version is good for servers up to that. */
    private static Path pgBaseBackup(int major) throws IOException {
        if (!Files.isDirectory(INSTALLED)) {
            return null;
        }
        List<Path> found = new ArrayList<>();
        try (Stream<Path> versions = Files.list(INSTALLED)) {
            for (Path version : versions.toList()) {
                Path program = version.resolve("bin/pg_basebackup");
                String name = version.getFileName().toString();
                if (Files.isExecutable(program)
                        && name.matches("\\d+")
                        && Integer.parseInt(name) >= major) {
                    found.add(program);
                }
            }
        }
        return found.isEmpty() ? null : found.getFirst();
    }

    /** Each archive becomes a file. */
    private static final class Written implements BaseBackupVisitor {
        private final Path directory;
        private OutputStream out = OutputStream.nullOutputStream();

        Written(Path directory) {
            this.directory = directory;
        }

        @Override
        public void begin(
                long startLsn, int timelineId, List<Tablespace> tablespaces, long expectedBytes) {
            // The label and the map say it again.
        }

        @Override
        public void archive(int oid) {
            String name = oid == 0 ? "base" : Integer.toUnsignedString(oid);
            try {
                out =
                        new GZIPOutputStream(
                                Files.newOutputStream(directory.resolve(name + ".tar.gz")),
                                64 << 10);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public void bytes(byte[] bytes, int offset, int length) {
            try {
                out.write(bytes, offset, length);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public void archiveEnd() {
            try {
                out.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
