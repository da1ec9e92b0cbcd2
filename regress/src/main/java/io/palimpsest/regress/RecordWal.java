package io.palimpsest.regress;

import io.palimpsest.wal.WalPage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import org.tukaani.xz.LZMA2Options;
import org.tukaani.xz.XZOutputStream;

/**
 * Records the WAL sections of {@code io.palimpsest.fixtures.RecordedWal} from real servers.
 *
 * <pre>
 * RecordWal &lt;binaries&gt; &lt;output&gt; [section...]     (regress/record-wal.sh fetches the binaries and calls it)
 *   binaries  holds a directory for each major version: 14/bin/postgres ... 18/bin/postgres,
 *             and 15-compression/bin/postgres, built with lz4 and zstd
 *   output    fixtures/src/main/resources/wal
 *   section   names of sections to record anew; all without
 * </pre>
 *
 * Postgres does not run as root: started by root, this runs it as the user {@code postgres} (or
 * what the environment's PGUSER_OS names). Every section starts at a checkpoint's redo position, so
 * a page's first change in it carries an image, and ends at the shutdown checkpoint's record.
 */
public final class RecordWal {
    /**
     * What to record.
     *
     * @param hints how hint bits get into WAL: "none", "checksums" or "log_hints"
     * @param settings of the server, besides the usual
     * @param all the whole workload with wal_consistency_checking, else the short one about images
     */
    private record Section(
            String name,
            int major,
            int segmentMiB,
            String hints,
            List<String> settings,
            boolean all) {
        /** Directory of its binaries: those on Maven Central know no lz4 and zstd. */
        String build() {
            boolean full =
                    settings.stream().anyMatch(s -> s.endsWith("=lz4") || s.endsWith("=zstd"));
            return full ? major + "-compression" : Integer.toString(major);
        }
    }

    private static final List<Section> SECTIONS =
            List.of(
                    new Section("pg14", 14, 1, "none", List.of(), true),
                    new Section(
                            "pg15",
                            15,
                            16,
                            "checksums",
                            List.of("track_commit_timestamp=on"),
                            true),
                    new Section("pg16", 16, 1, "log_hints", List.of(), true),
                    new Section("pg17", 17, 1, "none", List.of(), true),
                    new Section(
                            "pg18",
                            18,
                            16,
                            "checksums",
                            List.of("track_commit_timestamp=on"),
                            true),
                    new Section(
                            "pg14-pglz", 14, 1, "checksums", List.of("wal_compression=on"), false),
                    new Section(
                            "pg15-lz4", 15, 1, "checksums", List.of("wal_compression=lz4"), false),
                    new Section(
                            "pg15-zstd",
                            15,
                            1,
                            "checksums",
                            List.of("wal_compression=zstd"),
                            false),
                    new Section("pg17-plain", 17, 4, "none", List.of("wal_level=logical"), false),
                    new Section(
                            "pg18-pglz", 18, 1, "none", List.of("wal_compression=pglz"), false));

    private final Path binaries;
    private final Path output;
    private final Path work;

    private RecordWal(Path binaries, Path output, Path work) {
        this.binaries = binaries;
        this.output = output;
        this.work = work;
    }

    public static void main(String[] args) throws Exception {
        if (args.length < 2) {
            throw new IllegalArgumentException("RecordWal <binaries> <output> [section...]");
        }
        List<String> only = List.of(args).subList(2, args.length);
        Path work = Files.createTempDirectory("record-wal");
        own(work);
        RecordWal recorder = new RecordWal(Path.of(args[0]), Path.of(args[1]), work);
        try {
            for (Section section : SECTIONS) {
                if (only.isEmpty() || only.contains(section.name())) {
                    recorder.record(section);
                }
            }
        } finally {
            deleteTree(work);
        }
    }

    private void record(Section section) throws Exception {
        Path bin = binaries.resolve(section.build()).resolve("bin");
        Path data = work.resolve(section.name());
        Path tablespace = Files.createDirectory(work.resolve(section.name() + "-tablespace"));
        own(tablespace);
        List<String> initdb = new ArrayList<>();
        initdb.addAll(
                List.of(
                        bin.resolve("initdb").toString(),
                        "-D",
                        data.toString(),
                        "-U",
                        "postgres",
                        "-A",
                        "trust",
                        "-N",
                        "-E",
                        "UTF8",
                        "--locale=C",
                        "--wal-segsize=" + section.segmentMiB()));
        if (section.hints().equals("checksums")) {
            initdb.add("--data-checksums");
        } else if (section.major() >= 18) {
            initdb.add("--no-data-checksums");
        }
        run(initdb);
        int port = freePort();
        start(section, bin, data, port);
        long startLsn;
        try {
            String url =
                    "jdbc:postgresql://127.0.0.1:"
                            + port
                            + "/postgres?user=postgres&preferQueryMode=simple";
            RecordingWorkload workload =
                    new RecordingWorkload(
                            section.major(), () -> DriverManager.getConnection(url), tablespace);
            startLsn = checkpoint(url);
            if (section.all()) {
                workload.run();
            } else {
                workload.runImages();
            }
        } finally {
            run(
                    List.of(
                            bin.resolve("pg_ctl").toString(),
                            "-D",
                            data.toString(),
                            "-m",
                            "fast",
                            "-w",
                            "stop"));
        }
        ByteBuffer control =
                ByteBuffer.wrap(Files.readAllBytes(data.resolve("global/pg_control")))
                        .order(ByteOrder.LITTLE_ENDIAN);
        long endLsn = control.getLong(32);
        byte[] wal = readWal(data.resolve("pg_wal"), section.segmentMiB() << 20, startLsn, endLsn);
        write(section, startLsn, control.getLong(0), wal);
    }

    private void start(Section section, Path bin, Path data, int port)
            throws IOException, InterruptedException {
        List<String> settings = new ArrayList<>();
        settings.addAll(
                List.of(
                        "port=" + port,
                        "listen_addresses='127.0.0.1'",
                        "unix_socket_directories=''",
                        "fsync=off",
                        "autovacuum=off",
                        "max_prepared_transactions=10",
                        "max_wal_size=4GB",
                        "wal_keep_size=2GB",
                        "checkpoint_timeout=1h",
                        "bgwriter_lru_maxpages=0",
                        "shared_buffers=64MB",
                        "jit=off"));
        if (section.all()) {
            settings.add("wal_consistency_checking=all");
        }
        if (section.hints().equals("log_hints")) {
            settings.add("wal_log_hints=on");
        }
        settings.addAll(section.settings());
        Files.writeString(
                data.resolve("postgresql.conf"),
                String.join("\n", settings) + "\n",
                java.nio.file.StandardOpenOption.APPEND);
        run(
                List.of(
                        bin.resolve("pg_ctl").toString(),
                        "-D",
                        data.toString(),
                        "-l",
                        data.resolve("log").toString(),
                        "-w",
                        "start"));
    }

    private static long checkpoint(String url) throws SQLException {
        try (Connection c = DriverManager.getConnection(url);
                Statement s = c.createStatement()) {
            s.execute("checkpoint");
            try (ResultSet r =
                    s.executeQuery("select redo_lsn - '0/0' from pg_control_checkpoint()")) {
                r.next();
                return r.getLong(1);
            }
        }
    }

    private static byte[] readWal(Path directory, int segmentSize, long start, long end)
            throws IOException {
        ByteArrayOutputStream wal = new ByteArrayOutputStream();
        for (long at = start; at < end; ) {
            long segment = at / segmentSize;
            Path file = directory.resolve(WalPage.segmentName(1, segment, segmentSize));
            byte[] bytes = Files.readAllBytes(file);
            int from = (int) (at % segmentSize);
            int n = (int) Math.min(segmentSize - from, end - at);
            wal.write(bytes, from, n);
            at += n;
        }
        return wal.toByteArray();
    }

    private void write(Section section, long startLsn, long systemIdentifier, byte[] wal)
            throws IOException {
        Path file = output.resolve(section.name() + ".wal.xz");
        LZMA2Options options = new LZMA2Options(9);
        options.setDictSize(64 << 20);
        try (OutputStream out = new XZOutputStream(Files.newOutputStream(file), options)) {
            out.write(wal);
        }
        String facts =
                String.format(
                        "major=%d%nstartLsn=%X%nsegmentSize=%d%nsystemIdentifier=%d%nhintBitsLogged=%s%n"
                                + "consistencyImages=%s%nbytes=%d%n",
                        section.major(),
                        startLsn,
                        section.segmentMiB() << 20,
                        systemIdentifier,
                        !section.hints().equals("none"),
                        section.all(),
                        wal.length);
        Files.writeString(
                output.resolve(section.name() + ".properties"), facts, StandardCharsets.UTF_8);
        System.out.printf(
                "%s: %d bytes of WAL from %X, %d compressed%n",
                section.name(), wal.length, startLsn, Files.size(file));
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    private static boolean isRoot() {
        return "root".equals(System.getProperty("user.name"));
    }

    private static String user() {
        String user = System.getenv("PGUSER_OS");
        return user == null ? "postgres" : user;
    }

    private static void own(Path path) throws IOException, InterruptedException {
        if (isRoot()) {
            exec(List.of("chown", user(), path.toString()));
        }
    }

    private void run(List<String> command) throws IOException, InterruptedException {
        List<String> all = new ArrayList<>();
        if (isRoot()) {
            all.addAll(List.of("runuser", "-u", user(), "--"));
        }
        all.addAll(command);
        exec(all);
    }

    private static void exec(List<String> command) throws IOException, InterruptedException {
        Path log = Files.createTempFile("record-wal", ".log");
        try {
            int status =
                    new ProcessBuilder(command)
                            .directory(Path.of("/").toFile())
                            .redirectErrorStream(true)
                            .redirectOutput(log.toFile())
                            .start()
                            .waitFor();
            if (status != 0) {
                throw new IOException(
                        command + " ended with " + status + ": " + Files.readString(log));
            }
        } finally {
            Files.delete(log);
        }
    }

    private static void deleteTree(Path root) throws IOException {
        Files.walkFileTree(
                root,
                new SimpleFileVisitor<>() {
                    @Override
                    public FileVisitResult visitFile(Path file, BasicFileAttributes a)
                            throws IOException {
                        Files.delete(file);
                        return FileVisitResult.CONTINUE;
                    }

                    @Override
                    public FileVisitResult postVisitDirectory(
                            Path d, java.io.@org.jspecify.annotations.Nullable IOException e)
                            throws IOException {
                        Files.delete(d);
                        return FileVisitResult.CONTINUE;
                    }
                });
    }
}
