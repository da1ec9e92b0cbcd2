package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.PostgresBinaries;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Points of a real PostgreSQL's history that people come back to, found by what the server did
 * there, and what the history was at them. {@code make regress TEST=HistoryPointsTest} takes all
 * versions.
 */
class HistoryPointsTest {
    private static Map<String, String> settings() {
        Map<String, String> settings = new TreeMap<>(Scene.SETTINGS);
        settings.put("max_prepared_transactions", "2");
        return settings;
    }

    private static CommandLineRun run(Scene scene, int status, String... arguments)
            throws Exception {
        CommandLineRun run =
                CommandLineRun.of(
                        Map.of(
                                "PALIMPSEST_SERVER",
                                "http://127.0.0.1:" + scene.server.management().getPort()),
                        arguments);
        assertEquals(status, run.status(), run.all());
        return run;
    }

    private static void contains(String text, String... words) {
        for (String word : words) {
            assertTrue(text.contains(word), () -> "expected '" + word + "' in: " + text);
        }
    }

    private static String first(Statement statement, String sql) throws SQLException {
        try (ResultSet row = statement.executeQuery(sql)) {
            return row.next() ? row.getString(1) : "";
        }
    }

    @Test
    void transactionsArePoints() throws Exception {
        transactionsArePoints(Scene.MAJOR);
    }

    @ParameterizedTest
    @ValueSource(ints = {14, 15, 16, 17, 18})
    @Tag("regress")
    void transactionsArePoints(int major) throws Exception {
        try (Scene scene = new Scene("points-" + major, major, settings())) {
            String past = scene.sql("INSERT INTO t VALUES (1) RETURNING pg_current_xact_id()");
            TimelineId main = scene.imported();
            run(scene, 0, "branch", "rename", Scene.slot(main), "main");
            scene.sql("CREATE TABLE u (n int)");
            String committed = "";
            String inner = "";
            String aborted = "";
            String prepared = "";
            try (Connection running =
                            DriverManager.getConnection(scene.postgres.jdbcUrl("postgres"));
                    Connection other =
                            DriverManager.getConnection(scene.postgres.jdbcUrl("postgres"));
                    Statement open = running.createStatement();
                    Statement work = other.createStatement()) {
                running.setAutoCommit(false);
                open.execute("INSERT INTO u VALUES (100)");
                String inProgress = first(open, "SELECT pg_current_xact_id()");
                other.setAutoCommit(false);
                work.execute("INSERT INTO u VALUES (1)");
                committed = first(work, "SELECT pg_current_xact_id()");
                work.execute("SAVEPOINT s");
                inner = first(work, "INSERT INTO u VALUES (2) RETURNING xmin");
                work.execute("RELEASE s");
                other.commit();
                work.execute("INSERT INTO u VALUES (3)");
                other.commit();
                work.execute("INSERT INTO u VALUES (4)");
                aborted = first(work, "SELECT pg_current_xact_id()");
                other.rollback();
                work.execute("INSERT INTO u VALUES (5)");
                prepared = first(work, "SELECT pg_current_xact_id()");
                work.execute("PREPARE TRANSACTION 'p'");
                other.commit();
                scene.arrived(main);

                contains(
                        run(scene, 5, "point", "resolve", "main@xid:" + inProgress).err(),
                        "in progress",
                        "nearest commit before is 20");
                contains(
                        run(scene, 5, "point", "resolve", "main@xid:" + prepared).err(),
                        "is prepared");
                running.rollback();
            }
            scene.sql("ROLLBACK PREPARED 'p'");
            scene.arrived(main);
            CommandLineRun found = run(scene, 0, "point", "resolve", "main@xid:" + committed);
            contains(found.out(), "of transaction " + committed, "inclusive");
            String lsn = found.out().replaceAll("(?s).* -> (\\S+),.*", "$1");
            contains(
                    run(scene, 0, "point", "resolve", "main@xid:" + inner).out(),
                    " -> " + lsn + ",");
            for (String gone : new String[] {aborted, prepared}) {
                contains(
                        run(scene, 5, "point", "resolve", "main@xid:" + gone).err(),
                        "was rolled back at ",
                        "nearest commit before is 20",
                        "nearest after is 20");
            }
            contains(
                    run(scene, 5, "point", "resolve", "main@xid:" + past).err(),
                    "was committed before the history that is kept",
                    "nearest after is 20");
            contains(
                    run(scene, 5, "branch", "create", "x", "--from", "main@xid:2000000000").err(),
                    "is not known on main up to its latest");

            // Just after it: with what it did, without what came next.
            long at = Lsn.parse(lsn).value();
            try (ConnectedCopy copy =
                    ConnectedCopy.start(
                            scene.server,
                            scene.tenant,
                            main,
                            at,
                            scene.home.resolve("copies"),
                            PostgresBinaries.fetch(major).home().resolve("bin"))) {
                assertEquals("1,2", copy.sql("SELECT string_agg(n::text, ',' ORDER BY n) FROM u"));
            }
        }
    }

    /** What a branch made at the only point whose line has these words answers. */
    private static String just(
            Scene scene, int major, TimelineId main, String lines, String words, String sql)
            throws Exception {
        List<String> found = lines.lines().filter(line -> line.contains(words)).toList();
        assertEquals(1, found.size(), words + " in\n" + lines);
        long at = Lsn.parse(found.getFirst().split(" +")[1]).value();
        try (ConnectedCopy copy =
                ConnectedCopy.start(
                        scene.server,
                        scene.tenant,
                        main,
                        at,
                        scene.home.resolve("copies"),
                        PostgresBinaries.fetch(major).home().resolve("bin"))) {
            return copy.sql(sql);
        }
    }

    @Test
    void whatWasDoneIsFoundAndUndone() throws Exception {
        whatWasDoneIsFoundAndUndone(Scene.MAJOR);
    }

    @ParameterizedTest
    @ValueSource(ints = {14, 15, 16, 17, 18})
    @Tag("regress")
    void whatWasDoneIsFoundAndUndone(int major) throws Exception {
        try (Scene scene = new Scene("markers-" + major, major, settings())) {
            TimelineId main = scene.imported();
            run(scene, 0, "branch", "rename", Scene.slot(main), "main");
            scene.sql("CREATE TABLE dropped AS SELECT generate_series(1, 5000) n");
            scene.sql("CREATE TABLE emptied AS SELECT generate_series(1, 4000) n");
            scene.sql("CREATE TABLE shrunk AS SELECT generate_series(1, 3000) n");
            scene.sql("CREATE INDEX ON emptied (n)");
            scene.sql("CREATE DATABASE other");
            scene.sql("SELECT pg_create_restore_point('nightly')");
            // Nothing of this took anything away.
            scene.sql("VACUUM FULL shrunk");
            scene.sql("REINDEX TABLE emptied");
            scene.sql("DELETE FROM shrunk WHERE n <= 10");
            scene.sql(
                    "BEGIN; CREATE TABLE x (n int); INSERT INTO x VALUES (1); DROP TABLE x; COMMIT");
            scene.sql("BEGIN; DROP TABLE dropped; ROLLBACK");
            scene.sql("BEGIN; DELETE FROM shrunk; ROLLBACK");

            scene.sql("DROP TABLE dropped");
            scene.sql("TRUNCATE emptied");
            scene.sql(
                    "BEGIN; SAVEPOINT a; DELETE FROM shrunk WHERE n < 500; RELEASE a; DELETE FROM shrunk; COMMIT");
            scene.sql("DROP DATABASE other");
            scene.arrived(main);

            String points = run(scene, 0, "point", "list", "main").out();
            assertEquals(
                    5,
                    points.lines().filter(l -> l.startsWith("-") || l.startsWith("n")).count(),
                    points);
            contains(
                    points,
                    "just before DROP TABLE public.dropped (",
                    "just before TRUNCATE public.emptied (");
            contains(
                    points,
                    "just before DELETE of 2990 rows of public.shrunk",
                    "just before DROP DATABASE other",
                    "restore point nightly");
            contains(
                    run(scene, 0, "point", "list", "main", "--rewrites").out(),
                    "written anew: public.shrunk (");
            contains(
                    run(scene, 0, "branch", "log", "main").out(),
                    "DROP TABLE public.dropped",
                    "restore point nightly");

            // A server that begins in the midst of it has what was durable, and finds the rest
            // again.
            scene.server.kill();
            scene.sql("CREATE TABLE late AS SELECT generate_series(1, 100) n");
            scene.sql("DROP TABLE late");
            scene.server.start();
            scene.arrived(main);
            points = run(scene, 0, "point", "list", "main").out();
            contains(
                    points,
                    "DROP TABLE public.late",
                    "DROP TABLE public.dropped",
                    "restore point nightly");

            assertEquals(
                    "5000",
                    just(
                            scene,
                            major,
                            main,
                            points,
                            "TABLE public.dropped",
                            "SELECT count(*) FROM dropped"));
            assertEquals(
                    "4000",
                    just(
                            scene,
                            major,
                            main,
                            points,
                            "public.emptied",
                            "SELECT count(*) FROM emptied"));
            assertEquals(
                    "2990",
                    just(
                            scene,
                            major,
                            main,
                            points,
                            "public.shrunk",
                            "SELECT count(*) FROM shrunk"));
            assertEquals(
                    "1",
                    just(
                            scene,
                            major,
                            main,
                            points,
                            "DATABASE other",
                            "SELECT count(*) FROM pg_database WHERE datname = 'other'"));
            contains(run(scene, 0, "point", "resolve", "main@nightly").out(), "main@nightly -> ");
            // What a branch inherits it has, too.
            run(scene, 0, "branch", "create", "twig", "--from", "main");
            contains(run(scene, 0, "point", "list", "twig").out(), "TRUNCATE public.emptied");
            scene.sql("SELECT pg_create_restore_point('nightly')");
            scene.arrived(main);
            contains(
                    run(scene, 2, "point", "resolve", "main@nightly").err(),
                    "2 restore points called nightly");
        }
    }

    @Test
    void branchesDifferInWhatWasDoneToThem() throws Exception {
        try (Scene scene = new Scene("diff")) {
            scene.sql("CREATE TABLE same AS SELECT generate_series(1, 5000) n");
            scene.sql("CREATE TABLE changed AS SELECT generate_series(1, 50000) n");
            scene.sql("CREATE TABLE emptied AS SELECT generate_series(1, 5000) n");
            scene.sql("CREATE TABLE gone AS SELECT generate_series(1, 5000) n");
            scene.sql("VACUUM FREEZE");
            TimelineId main = scene.imported();
            run(scene, 0, "branch", "rename", Scene.slot(main), "main");
            scene.arrived(main);
            run(scene, 0, "branch", "create", "dev", "--from", "main");
            contains(run(scene, 0, "branch", "diff", "dev", "main").out(), "the same up to ");
            scene.sql("UPDATE changed SET n = -n WHERE ctid IN ('(0,1)', '(7,1)')");
            scene.sql("TRUNCATE emptied");
            scene.sql("DROP TABLE gone");
            scene.sql("CREATE TABLE fresh AS SELECT generate_series(1, 1000) n");
            scene.arrived(main);

            // By the layers, and again from the pages; before and after history is dropped.
            for (int round = 0; round < 2; round++) {
                for (String[] how : new String[][] {{}, {"--exact"}}) {
                    String[] words = {"branch", "diff", "dev", "main", "--json"};
                    String[] all = Arrays.copyOf(words, words.length + how.length);
                    System.arraycopy(how, 0, all, words.length, how.length);
                    JsonNode diff = run(scene, 0, all).json();
                    assertEquals(how.length == 1, diff.path("exact").asBoolean());
                    Map<String, JsonNode> byName = new TreeMap<>();
                    for (JsonNode relation : diff.path("relations")) {
                        byName.put(relation.path("name").asText(), relation);
                    }
                    String text = diff.toPrettyString();
                    assertFalse(byName.containsKey("public.same"), text);
                    JsonNode changed = byName.get("public.changed");
                    // Two blocks, and the last one, where the new rows are.
                    assertEquals(3, changed.path("changed_blocks").asLong(), text);
                    assertEquals(
                            changed.path("blocks").asLong(),
                            changed.path("with_blocks").asLong(),
                            text);
                    JsonNode emptied = byName.get("public.emptied");
                    assertEquals(0, emptied.path("with_blocks").asLong(-1), text);
                    assertTrue(emptied.path("blocks").asLong() > 10, text);
                    assertNotEquals(emptied.path("file"), emptied.path("with_file"), text);
                    assertFalse(byName.get("public.gone").has("with_blocks"), text);
                    assertFalse(byName.get("public.fresh").has("blocks"), text);
                    assertTrue(byName.containsKey("pg_catalog.pg_class"), text);
                }
                scene.http(
                        "PUT",
                        scene.timelinePath(main) + "/compact?force_image_layer_creation=true");
            }
            String text = run(scene, 0, "branch", "diff", "dev", "main").out();
            contains(text, "public.emptied", "written anew", "gone", "new", "PostgreSQL's own");
        }
    }
}
