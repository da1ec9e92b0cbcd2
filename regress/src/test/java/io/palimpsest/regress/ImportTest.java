package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * {@code palimpsest import} on base backups of a real PostgreSQL with page checksums, tablespaces
 * and an archive: taken while a workload ran, then compared with PostgreSQL's own files, every
 * page, and started again as of a moment between. Other versions: {@code -Dpg=15}, which uses
 * Debian's pg_basebackup.
 */
class ImportTest {
    private static final int MAJOR = Integer.getInteger("pg", 17);
    private static final long SEED = Long.getLong("seed", 1);
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final TenantId TENANT = TenantId.parse("00112233445566778899aabbccddeeff");

    private static Path home;
    private static EmbeddedPostgres postgres;
    private static ServerProcess server;
    private static TakenBackup taken;

    /** The backup, unpacked as pg_basebackup writes one in plain format. */
    private static Path plain;

    /** A moment at which nothing ran, and what tables summed up to. */
    private static String moment = "";

    private static TableSums sums;
    private static TimelineId live;
    private static int copiesWhileRunning;
    private static Catalog catalog;
    private static DataDirectory stopped;
    private static int timelines;

    @BeforeAll
    static void set() throws Exception {
        home = EmbeddedPostgres.temporaryDirectory("palimpsest-import-");
        server = new ServerProcess(home);
        server.start();
        Path archive = home.resolve("postgres/archive");
        postgres =
                EmbeddedPostgres.create(
                        PostgresBinaries.fetch(MAJOR),
                        home.resolve("postgres"),
                        Map.of(
                                "archive_mode",
                                "on",
                                "archive_command",
                                "cp %p " + archive + "/%f",
                                "wal_keep_size",
                                "1GB"),
                        List.of("--data-checksums"));
        postgres.writableDirectory("archive");
        postgres.start();
        Workload workload =
                new Workload(
                        postgres::jdbcUrl,
                        name -> postgres.writableDirectory(name).toString(),
                        MAJOR,
                        SEED,
                        name -> {});
        workload.prepare();
        backUpWhile(workload);
        live = importsTheRunningServer();
        sums = TableSums.read(postgres::jdbcUrl);
        moment = Scene.sql(postgres, "SELECT pg_current_wal_insert_lsn()");
        Scene.sql(
                postgres,
                "CREATE TABLE later AS SELECT n, repeat('x', 200) FROM generate_series(1, 20000) n");
        Scene.sql(postgres, "CREATE INDEX ON later (n)");
        Scene.sql(postgres, "DELETE FROM later WHERE n % 3 = 0");
        Scene.sql(postgres, "VACUUM later");
        Scene.sql(postgres, "SELECT pg_switch_wal()");
        Scene.sql(postgres, "UPDATE later SET n = -n WHERE n % 7 = 0");
        catalog = Catalog.read(postgres::jdbcUrl);
        copiesOfARunningServerAreRefused();
        postgres.stop(LIMIT);
        stopped = DataDirectory.copy(postgres.data(), home.resolve("stopped"));
        plain = unpacked();
    }

    private static void backUpWhile(Workload workload)
            throws IOException, InterruptedException, ExecutionException {
        try (ExecutorService beside = Executors.newSingleThreadExecutor()) {
            Future<?> round =
                    beside.submit(() -> {
                        workload.round(1);
                        return null;
                    });
            taken = TakenBackup.take(postgres, home.resolve("taken"));
            round.get();
        }
    }

    private static Path unpacked() throws IOException, InterruptedException {
        Path to = Files.createDirectory(home.resolve("plain"));
        tar(taken.directory().resolve("base.tar.gz"), to);
        Path map = to.resolve("tablespace_map");
        for (String line : Files.readAllLines(map)) {
            String oid = line.substring(0, line.indexOf(' '));
            Path space = Files.createDirectory(home.resolve("space-" + oid));
            tar(taken.directory().resolve(oid + ".tar.gz"), space);
            Files.createSymbolicLink(to.resolve("pg_tblspc").resolve(oid), space);
        }
        Files.delete(map);
        Path wal = taken.directory().resolve("pg_wal.tar.gz");
        if (Files.exists(wal)) {
            tar(wal, to.resolve("pg_wal"));
            Files.copy(taken.directory().resolve("backup_manifest"), to.resolve("backup_manifest"));
        }
        return to;
    }

    private static void tar(Path archive, Path to) throws IOException, InterruptedException {
        Process tar =
                new ProcessBuilder("tar", "-xzf", archive.toString(), "-C", to.toString())
                        .inheritIO()
                        .start();
        assertEquals(0, tar.waitFor(), "tar -xzf " + archive);
    }

    @AfterAll
    static void clear() {
        server.close();
        postgres.close();
        EmbeddedPostgres.deleteDirectory(home);
    }

    private static TimelineId newTimeline() {
        return TimelineId.parse(String.format("%032x", 0x2000 + ++timelines));
    }

    private static CommandLineRun run(int status, String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of("import"));
        all.addAll(List.of(arguments));
        all.addAll(
                List.of(
                        "--tenant",
                        TENANT.toString(),
                        "--server",
                        "http://127.0.0.1:" + server.management().getPort()));
        CommandLineRun run =
                CommandLineRun.of(
                        Map.of("PGPASSWORD", postgres.password()), all.toArray(String[]::new));
        assertEquals(status, run.status(), run.all());
        return run;
    }

    private static String refused(int status, String... arguments) throws Exception {
        int before = branches();
        String said = run(status, arguments).err();
        assertEquals(before, branches(), "a branch was left behind: " + said);
        return said;
    }

    private static int branches() throws IOException {
        Path all = server.workingDirectory().resolve("tenants/" + TENANT + "/timelines");
        if (!Files.exists(all)) {
            return 0;
        }
        try (Stream<Path> list = Files.list(all)) {
            return (int) list.count();
        }
    }

    private static void contains(String text, String... words) {
        for (String word : words) {
            assertTrue(text.contains(word), () -> "expected '" + word + "' in: " + text);
        }
    }

    /** Archived segments, and those that the stopped server has not archived. */
    private static String[] wal() {
        return new String[] {
            "--wal", home.resolve("postgres/archive").toString(),
            "--wal", postgres.data().resolve("pg_wal").toString()
        };
    }

    private static String[] with(String[] some, String... more) {
        List<String> all = new ArrayList<>(List.of(more));
        all.addAll(List.of(some));
        return all.toArray(String[]::new);
    }

    private static void comparesAllPages(TimelineId id, long from) {
        try (PageserverClient client =
                PageserverClient.connect(server.pageService(), TENANT, id, 3)) {
            ComparisonReport report =
                    new DataDirectoryComparison(
                                    stopped,
                                    catalog,
                                    client,
                                    stopped.lsn(),
                                    from,
                                    home.resolve("evidence"))
                            .run();
            assertEquals(0, report.total().mismatches, report.text());
            assertEquals(0, report.total().unsupported, report.text());
            assertTrue(report.total().pages > 1000, report.text());
            System.out.println(report.text());
        }
    }

    @Test
    void archivesAndTheirWalAreEveryPageOfPostgres() throws Exception {
        TimelineId id = newTimeline();
        CommandLineRun run =
                run(
                        0,
                        with(
                                wal(),
                                taken.directory().toString(),
                                "--timeline",
                                id.toString(),
                                "--json"));
        contains(run.err(), "backup     PostgreSQL " + MAJOR, "WAL        ");
        assertEquals(
                Lsn.toString(stopped.lsn()),
                run.json().path("last_record_lsn").asText(),
                taken.tool());
        long from = Lsn.parse(run.json().path("min_readable_lsn").asText()).value();
        comparesAllPages(id, from);
        JsonNode again =
                run(
                                0,
                                with(
                                        wal(),
                                        taken.directory().resolve("base.tar.gz").toString(),
                                        "--timeline",
                                        id.toString(),
                                        "--json"))
                        .json();
        assertTrue(again.path("already").asBoolean(), "the same again makes nothing");
    }

    /** As of the moment between first, which is started; then on to the end. */
    @Test
    void aDirectoryGoesOnFromWhereItsWalEnded() throws Exception {
        TimelineId id = newTimeline();
        JsonNode made =
                run(
                                0,
                                with(
                                        wal(),
                                        plain.toString(),
                                        "--until",
                                        moment,
                                        "--timeline",
                                        id.toString(),
                                        "--json"))
                        .json();
        assertTrue(made.path("last_record_lsn").asText().compareTo(moment) <= 0, made.toString());
        try (ConnectedCopy copy =
                ConnectedCopy.start(
                        server,
                        TENANT,
                        id,
                        0,
                        home.resolve("copies"),
                        PostgresBinaries.fetch(MAJOR).home().resolve("bin"))) {
            assertEquals(List.of(), sums.differences(TableSums.read(copy::jdbcUrl)));
            assertEquals(List.of(), copy.damage());
        }
        CommandLineRun on =
                run(0, with(wal(), plain.toString(), "--timeline", id.toString(), "--json"));
        contains(on.err(), "goes on");
        comparesAllPages(id, Lsn.parse(on.json().path("min_readable_lsn").asText()).value());
    }

    @Test
    void aClusterThatWasShutDownNeedsNoWal() throws Exception {
        TimelineId id = newTimeline();
        JsonNode made =
                run(0, postgres.data().toString(), "--timeline", id.toString(), "--json").json();
        assertEquals(Lsn.toString(stopped.lsn()), made.path("last_record_lsn").asText());
        comparesAllPages(id, stopped.lsn());
    }

    /** What export writes, import reads: the same pages again. */
    @Test
    void anExportComesBack() throws Exception {
        Path exported = home.resolve("exported.tar");
        JsonNode _ = ConnectedCopy.export(server, TENANT, live, "--tar", exported);
        JsonNode made = run(0, exported.toString(), "--json").json();
        TimelineId id = TimelineId.parse(made.path("timeline_id").asText());
        try (ConnectedCopy copy =
                ConnectedCopy.start(
                        server,
                        TENANT,
                        id,
                        0,
                        home.resolve("copies"),
                        PostgresBinaries.fetch(MAJOR).home().resolve("bin"))) {
            assertEquals(List.of(), sums.differences(TableSums.read(copy::jdbcUrl)));
        }
    }

    @Test
    void aRunningServerIsCopiedAndNotFollowed() throws Exception {
        assertEquals(0, copiesWhileRunning, "slots that are left");
        try (ManagementClient management = new ManagementClient(server.management())) {
            JsonNode branch = management.timeline(TENANT, live);
            assertEquals("Not active", branch.path("walreceiver_status").asText());
            assertTrue(
                    management.lsn(TENANT, live, "last_record_lsn")
                            >= management.lsn(TENANT, live, "min_readable_lsn"));
        }
    }

    private static TimelineId importsTheRunningServer() throws Exception {
        String conninfo = "host=127.0.0.1 port=" + postgres.port() + " user=postgres";
        contains(refused(4, conninfo), "max_slot_wal_keep_size");
        JsonNode made = run(0, conninfo, "--i-accept", "--json").json();
        copiesWhileRunning =
                Integer.parseInt(Scene.sql(postgres, "SELECT count(*) FROM pg_replication_slots"));
        return TimelineId.parse(made.path("timeline_id").asText());
    }

    private static void copiesOfARunningServerAreRefused() throws Exception {
        contains(refused(4, postgres.data().toString()), "postmaster.pid");
    }

    @Test
    void whatIsNoWholeBackupIsRefusedAndLeavesNothing() throws Exception {
        String start = label("START WAL LOCATION");
        Path archive = home.resolve("postgres/archive");
        contains(
                refused(5, with(wal(), plain.toString(), "--until", start)),
                "the backup is consistent from");
        contains(
                refused(5, with(wal(), plain.toString(), "--until", "FFFF/0")),
                "the WAL ends at " + Lsn.toString(stopped.lsn()));
        contains(refused(3, home.resolve("none").toString()), "no such file");
        contains(refused(3, archive.toString()), "neither PG_VERSION nor base.tar");
        contains(refused(3, plain.toString(), "--wal", "/none"), "no directory");
        withoutWal();
        damagedWal();
        truncated();
        changed("PG_VERSION", "13\n".getBytes(), 2, "PostgreSQL 13 is not supported");
        changed("backup_label", null, 4, "no backup_label");
        changed("global/pg_control", null, 2, "no global/pg_control");
        links();
        damagedPage();
    }

    private static String label(String line) throws IOException {
        return Files.readAllLines(plain.resolve("backup_label")).stream()
                .filter(l -> l.startsWith(line))
                .findFirst()
                .orElseThrow()
                .split(" ")[3];
    }

    private static void withoutWal() throws Exception {
        Path wal = plain.resolve("pg_wal");
        Path aside = home.resolve("aside");
        Files.move(wal, aside);
        contains(refused(4, plain.toString()), "not consistent", "--wal");
        Files.move(aside, wal);
    }

    /** In a segment that others follow on: no end of WAL, but damage. */
    private static void damagedWal() throws Exception {
        Path copy = Files.createDirectory(home.resolve("damaged-archive"));
        List<Path> segments;
        try (Stream<Path> list = Files.list(home.resolve("postgres/archive"))) {
            segments =
                    list.filter(p -> p.getFileName().toString().matches("[0-9A-F]{24}"))
                            .sorted()
                            .toList();
        }
        for (Path segment : segments) {
            Files.copy(segment, copy.resolve(segment.getFileName()));
        }
        Path hit = copy.resolve(segments.get(segments.size() - 2).getFileName());
        byte[] bytes = Files.readAllBytes(hit);
        Arrays.fill(bytes, 9000, 9100, (byte) 0x5A);
        Files.write(hit, bytes);
        contains(
                refused(6, plain.toString(), "--wal", copy.toString()),
                hit.getFileName() + " is damaged");
    }

    private static void truncated() throws Exception {
        Path short_ = Files.createDirectory(home.resolve("short")).resolve("base.tar.gz");
        Files.copy(taken.directory().resolve("base.tar.gz"), short_);
        try (RandomAccessFile file = new RandomAccessFile(short_.toFile(), "rw")) {
            file.setLength(file.length() / 2);
        }
        contains(refused(1, short_.toString()), "cannot be read to its end");
    }

    /** Null: the file is gone. */
    private static void changed(String name, byte[] content, int status, String said)
            throws Exception {
        Path file = plain.resolve(name);
        byte[] before = Files.readAllBytes(file);
        Files.delete(file);
        if (content != null) {
            Files.write(file, content);
        }
        try {
            contains(refused(status, plain.toString()), said);
        } finally {
            Files.write(file, before);
        }
    }

    private static void links() throws Exception {
        Path link = plain.resolve("base/1/pg_filenode.link");
        Files.createSymbolicLink(link, Path.of("/etc/passwd"));
        contains(refused(2, plain.toString()), "is a link");
        Files.delete(link);
    }

    /** A byte of a catalog's page that no WAL of the backup has. */
    private static void damagedPage() throws Exception {
        Path file = plain.resolve("base/1/1255");
        byte[] before = Files.readAllBytes(file);
        byte[] after = before.clone();
        after[5 * 8192 + 4000] ^= 1;
        Files.write(file, after);
        contains(
                refused(1, plain.toString()),
                "1 pages have a wrong checksum",
                "base/1/1255 block 5");
        JsonNode made = run(0, plain.toString(), "--no-verify-checksums", "--json").json();
        assertFalse(made.path("already").asBoolean());
        Files.write(file, before);
    }
}
