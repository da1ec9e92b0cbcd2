package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import io.palimpsest.pg.RelTag;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;

/**
 * A page server follows a PostgreSQL through two failovers, as an operator has it do that: one that
 * loses nothing, and one that loses what the page server has. Other versions: {@code -Dpg=14}.
 *
 * <pre>
 *   first    timeline 1 ------ stopped
 *   second   as standby ------+ promoted: timeline 2 ------- - - - killed, with a table nobody else has
 *   third    as standby -----------------------------------+ promoted: timeline 3 -------
 * </pre>
 */
class SourceFailoverTest {
    private static final int MAJOR = Integer.getInteger("pg", 17);
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final TenantId TENANT = TenantId.parse("00112233445566778899aabbccddeeff");

    private final Path home = EmbeddedPostgres.temporaryDirectory("palimpsest-failover-");
    private final Path archive = home.resolve("first/archive");

    private final Map<String, String> settings =
            Map.of(
                    "archive_mode",
                    "on",
                    "archive_command",
                    "cp %p " + archive + "/%f",
                    "wal_keep_size",
                    "1GB",
                    "max_slot_wal_keep_size",
                    "8GB",
                    "wal_retrieve_retry_interval",
                    "100ms");

    private final List<EmbeddedPostgres> servers = new ArrayList<>();
    private final ServerProcess server = new ServerProcess(home);

    @Test
    void followsThroughFailovers() throws Exception {
        try {
            server.start();
            run();
        } finally {
            server.close();
            servers.forEach(EmbeddedPostgres::close);
            EmbeddedPostgres.deleteDirectory(home);
        }
    }

    private void run() throws Exception {
        EmbeddedPostgres first =
                EmbeddedPostgres.create(
                        PostgresBinaries.fetch(MAJOR), home.resolve("first"), settings);
        servers.add(first);
        Path _ = first.writableDirectory("archive");
        first.start();
        prepare(first);
        TakenBackup taken = TakenBackup.take(first, home.resolve("taken"));
        first.stop(LIMIT);
        EmbeddedPostgres second = standby(first, "second");
        EmbeddedPostgres third = standby(first, "third");
        first.start();
        second.start();
        third.start();
        TimelineId branch =
                TimelineId.parse(
                        palimpsest(first, 0, "add", "shop", conninfo(first), "--json")
                                .json()
                                .path("timeline_id")
                                .asText());
        work(first, 1);
        for (EmbeddedPostgres standby : List.of(second, third)) {
            awaitReplay(standby, now(first));
            Scene.sql(standby, "SELECT pg_create_physical_replication_slot('shop', true)");
        }
        long atFirst = now(first);

        first.stop(LIMIT);
        promote(second);
        third.stop(LIMIT);
        third.standbyOf(second);
        third.start();
        palimpsest(second, 0, "move", "shop", conninfo(second));
        work(second, 2);
        awaitArrival(second, branch, now(second));
        // What it has learnt of the cluster it knows after a crash.
        server.kill();
        server.start();
        awaitReplay(third, now(second));

        JsonNode lost = losesATable(second, third, branch);
        promote(third);
        palimpsest(third, 0, "move", "shop", conninfo(third));
        String status = awaitStatus(third, "broken");
        assertTrue(status.contains("palimpsest source rewind"), status);
        JsonNode rewound = palimpsest(third, 0, "rewind", "shop", "--json").json();
        assertEquals("shop", rewound.path("name").asText(), rewound.toString());
        TimelineId next = TimelineId.parse(rewound.path("timeline_id").asText());
        work(third, 3);
        awaitArrival(third, next, now(third));
        CommandLineRun again = palimpsest(third, 4, "rewind", "shop");
        assertTrue(again.err().contains("nothing to rewind"), again.all());
        importsAPromotedServer(third);
        Catalog catalog = Catalog.read(third::jdbcUrl);
        third.stop(LIMIT);
        DataDirectory stopped = DataDirectory.copy(third.data(), home.resolve("stopped"));
        awaitArrival(third, next, stopped.lsn());
        comparesAllPages(stopped, catalog, next, atFirst);
        importsArchivesOfAllTimelines(taken, third, stopped, catalog);
        keepsTheLostTable(branch, rewound, lost);
        anExportHasAStandby(third, next);
    }

    private void importsAPromotedServer(EmbeddedPostgres source) throws Exception {
        TimelineId anew =
                TimelineId.parse(
                        palimpsest(source, 0, "add", "anew", conninfo(source), "--json")
                                .json()
                                .path("timeline_id")
                                .asText());
        Scene.sql(source, "INSERT INTO t SELECT nextval('q') FROM generate_series(1, 1000)");
        awaitArrival(source, anew, now(source));
        String index =
                Files.readString(
                        server.workingDirectory()
                                .resolve("tenants/" + TENANT + "/timelines/" + anew + "/index"));
        assertTrue(index.contains("\nwal_timeline 3\nwal_timeline_ended 1 "), index);
        palimpsest(source, 0, "drop", "anew", "--yes");
    }

    /** Which asks it for the history of its WAL timeline. */
    private void anExportHasAStandby(EmbeddedPostgres of, TimelineId id) throws Exception {
        Path copied = home.resolve("copied");
        Files.createDirectory(copied);
        JsonNode _ = ConnectedCopy.export(server, TENANT, id, "--to", copied.resolve("data"));
        Files.writeString(copied.resolve("data/postgresql.conf"), "");
        EmbeddedPostgres copy = of.over(copied);
        servers.add(copy);
        copy.start();
        assertEquals("3", Scene.sql(copy, "SELECT timeline_id FROM pg_control_checkpoint()"));
        copy.stop(LIMIT);
        EmbeddedPostgres standby = standby(copy, "of-the-copy");
        copy.start();
        standby.start();
        Scene.sql(copy, "INSERT INTO t SELECT nextval('q') FROM generate_series(1, 1000)");
        awaitReplay(standby, now(copy));
        assertEquals(
                Scene.sql(copy, "SELECT count(*) FROM t"),
                Scene.sql(standby, "SELECT count(*) FROM t"));
    }

    private EmbeddedPostgres standby(EmbeddedPostgres of, String name) {
        EmbeddedPostgres standby = of.standby(home.resolve(name));
        servers.add(standby);
        return standby;
    }

    /** Tables with an index of several kinds each. */
    private static void prepare(EmbeddedPostgres on) throws Exception {
        Scene.sql(on, "CREATE TABLE t (n int PRIMARY KEY, a int[], s text)");
        Scene.sql(on, "CREATE INDEX ON t USING gin (a)");
        Scene.sql(on, "CREATE INDEX ON t USING hash (s)");
        Scene.sql(on, "CREATE INDEX ON t USING brin (n)");
        Scene.sql(on, "CREATE SEQUENCE q");
    }

    private static void work(EmbeddedPostgres on, int round) throws Exception {
        Scene.sql(
                on,
                "INSERT INTO t SELECT nextval('q'), ARRAY[i % 7, i % 1000], repeat(md5(i::text), 1 + i % 9) FROM generate_series(1, 20000) i");
        Scene.sql(on, "UPDATE t SET a = a || " + round + ", s = s || 'x' WHERE n % 5 = " + round);
        Scene.sql(on, "DELETE FROM t WHERE n % 11 = " + round);
        Scene.sql(on, "VACUUM t");
        Scene.sql(on, "CREATE TABLE r" + round + " AS SELECT * FROM t WHERE n % 3 = 0");
        Scene.sql(on, "TRUNCATE r" + round);
        // Copied through WAL it would have bits in its visibility maps that no standby ever gets.
        Scene.sql(on, "CREATE DATABASE d" + round + (MAJOR < 15 ? "" : " STRATEGY file_copy"));
        Scene.sql(on, "INSERT INTO r" + round + " SELECT * FROM t LIMIT 5000");
        Scene.sql(on, "CHECKPOINT");
        Scene.sql(on, "UPDATE t SET s = 'short' WHERE n % 13 = " + round);
    }

    private static String conninfo(EmbeddedPostgres of) {
        return of.conninfo().replaceAll(" password=.*", "");
    }

    private static long now(EmbeddedPostgres primary) throws Exception {
        return Lsn.parse(Scene.sql(primary, "SELECT pg_current_wal_insert_lsn()")).value();
    }

    private static void promote(EmbeddedPostgres standby) throws Exception {
        assertEquals("t", Scene.sql(standby, "SELECT pg_promote(true, 60)"));
    }

    private CommandLineRun palimpsest(EmbeddedPostgres source, int status, String... arguments)
            throws Exception {
        List<String> all = new ArrayList<>(List.of("source"));
        all.addAll(List.of(arguments));
        all.addAll(List.of("--server", "http://127.0.0.1:" + server.management().getPort()));
        if (arguments[0].equals("add")) {
            all.addAll(List.of("--tenant", TENANT.toString()));
        }
        CommandLineRun run =
                CommandLineRun.of(
                        Map.of("PGPASSWORD", source.password()), all.toArray(String[]::new));
        assertEquals(status, run.status(), run.all());
        return run;
    }

    private static void await(String what, Callable<Boolean> done) throws Exception {
        long end = System.nanoTime() + LIMIT.toNanos();
        while (!done.call()) {
            assertTrue(System.nanoTime() < end, what);
            Thread.sleep(100);
        }
    }

    private static void awaitReplay(EmbeddedPostgres standby, long lsn) throws Exception {
        await(
                "the standby replays",
                () -> {
                    String replayed = Scene.sql(standby, "SELECT pg_last_wal_replay_lsn()");
                    return Long.compareUnsigned(Lsn.parse(replayed).value(), lsn) >= 0;
                });
    }

    private JsonNode detail(TimelineId id) {
        try (ManagementClient management = new ManagementClient(server.management())) {
            return management.timeline(TENANT, id);
        }
    }

    private void awaitArrival(EmbeddedPostgres of, TimelineId id, long lsn) throws Exception {
        await(
                "arrives of " + of.port() + ": " + server.logTail(),
                () -> {
                    String last = detail(id).path("last_record_lsn").asText();
                    return Long.compareUnsigned(Lsn.parse(last).value(), lsn) >= 0;
                });
    }

    private String awaitStatus(EmbeddedPostgres source, String word) throws Exception {
        String[] found = {""};
        await(
                "its status is " + word + "\n" + server.logTail(),
                () -> {
                    found[0] =
                            palimpsest(source, 0, "list", "--json")
                                    .json()
                                    .path("sources")
                                    .path(0)
                                    .path("walreceiver_status")
                                    .asText();
                    return found[0].contains(word);
                });
        return found[0];
    }

    /** The page server gets what the standby, which hears nothing any more, will never have. */
    private JsonNode losesATable(
            EmbeddedPostgres primary, EmbeddedPostgres standby, TimelineId branch)
            throws Exception {
        standby.stop(LIMIT);
        standby.standbyOf(null);
        standby.start();
        Scene.sql(
                primary,
                "CREATE TABLE lost AS SELECT n, repeat('x', 200) FROM generate_series(1, 9000) n");
        String facts =
                Scene.sql(
                        primary,
                        "SELECT json_build_object('db', (SELECT oid FROM pg_database WHERE datname = current_database()),"
                                + " 'rel', pg_relation_filenode('lost'), 'blocks', (SELECT max((ctid::text::point)[0])::int + 1 FROM lost),"
                                + " 'lsn', pg_current_wal_insert_lsn())");
        JsonNode lost = new ObjectMapper().readTree(facts);
        awaitArrival(primary, branch, Lsn.parse(lost.path("lsn").asText()).value());
        primary.kill();
        return lost;
    }

    /** The backup is of the first server, its WAL of three. */
    private void importsArchivesOfAllTimelines(
            TakenBackup taken, EmbeddedPostgres last, DataDirectory stopped, Catalog catalog)
            throws Exception {
        TimelineId id = TimelineId.parse("0000000000000000000000000000a2c1");
        CommandLineRun run =
                CommandLineRun.of(
                        Map.of(),
                        "import",
                        taken.directory().toString(),
                        "--wal",
                        archive.toString(),
                        "--wal",
                        last.data().resolve("pg_wal").toString(),
                        "--until",
                        Lsn.toString(stopped.lsn()),
                        "--timeline",
                        id.toString(),
                        "--tenant",
                        TENANT.toString(),
                        "--server",
                        "http://127.0.0.1:" + server.management().getPort(),
                        "--json");
        assertEquals(0, run.status(), run.all());
        assertTrue(run.err().contains("WAL timeline 2 ends at"), run.all());
        assertEquals(
                Lsn.toString(stopped.lsn()),
                run.json().path("last_record_lsn").asText(),
                run.all());
        comparesAllPages(
                stopped,
                catalog,
                id,
                Lsn.parse(run.json().path("min_readable_lsn").asText()).value());
    }

    private void comparesAllPages(
            DataDirectory stopped, Catalog catalog, TimelineId id, long from) {
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
            System.out.println(report.text());
            assertEquals(0, report.total().mismatches, report.text());
            assertEquals(0, report.total().unsupported, report.text());
            assertTrue(report.total().pages > 1000, report.text());
        }
    }

    /** The former branch has it still, the one that goes on has it not. */
    private void keepsTheLostTable(TimelineId former, JsonNode rewound, JsonNode lost) {
        assertEquals(
                rewound.path("former").path("name").asText(),
                detail(former).path("name").asText(),
                rewound.toString());
        RelTag table =
                new RelTag(
                        RelTag.DEFAULT_TABLESPACE,
                        lost.path("db").asInt(),
                        lost.path("rel").asInt(),
                        RelTag.MAIN);
        long lsn = Lsn.parse(lost.path("lsn").asText()).value();
        try (PageserverClient client =
                PageserverClient.connect(server.pageService(), TENANT, former, 3)) {
            int blocks = client.blocks(table, lsn);
            assertEquals(lost.path("blocks").asInt(), blocks);
            client.pages(table, 0, blocks, lsn)
                    .forEach(
                            page -> assertTrue(page instanceof PageSource.Answer.Pages, "" + page));
        }
    }
}
