package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.PostgresBinaries;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Points of a real PostgreSQL's history that people come back to, found by what the server did
 * there, and what the history was at them.
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

    @ParameterizedTest
    @ValueSource(ints = {14, 15, 16, 17, 18})
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
}
