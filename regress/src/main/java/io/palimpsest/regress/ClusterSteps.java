package io.palimpsest.regress;

import java.sql.SQLException;
import java.util.List;
import java.util.function.UnaryOperator;

/** Databases, tablespaces, checkpoints and what else concerns the whole cluster. */
final class ClusterSteps {
    private final UnaryOperator<String> newDirectory;
    private int tablespaces;
    private int databases;

    /**
     * @param newDirectory makes a directory the server may write to, of that name, and returns its
     *     path
     */
    ClusterSteps(UnaryOperator<String> newDirectory) {
        this.newDirectory = newDirectory;
    }

    List<Step> all() {
        return List.of(
                new Step("create and drop databases", this::databases),
                new Step("tablespaces", this::tablespaces),
                new Step("full-page images, compressed", ClusterSteps::compressedImages),
                new Step(
                        "WAL switch, restore point, message",
                        s -> {
                            s.run(
                                    "SELECT pg_logical_emit_message(true, 'workload', repeat('m', 20000))");
                            s.run("SELECT pg_logical_emit_message(false, 'workload', 'outside')");
                            s.run("SELECT pg_create_restore_point('workload')");
                            s.run("SELECT pg_switch_wal()");
                        }),
                new Step(
                        "many small relations",
                        s -> {
                            s.run("DROP SCHEMA IF EXISTS crowd CASCADE");
                            s.run("CREATE SCHEMA crowd");
                            s.run(
                                    """
                                    DO $$ BEGIN
                                      FOR i IN 1..40 LOOP
                                        EXECUTE format('CREATE TABLE crowd.t%s (id int PRIMARY KEY, v text)', i);
                                        EXECUTE format('INSERT INTO crowd.t%s VALUES (1, %L)', i, i);
                                      END LOOP;
                                    END $$\
                                    """);
                        }));
    }

    /** Both strategies where there are two; one of each stays. */
    private void databases(Session s) throws SQLException {
        List<String> options =
                s.major() >= 15 ? List.of("STRATEGY wal_log", "STRATEGY file_copy") : List.of("");
        for (String option : options) {
            int n = databases++;
            s.run("CREATE DATABASE copy_" + n + " TEMPLATE mould " + option);
            s.run("CREATE DATABASE gone_" + n + " TEMPLATE mould " + option);
            for (String name : List.of("copy_", "gone_")) {
                try (Session there = s.another(name + n)) {
                    there.run("UPDATE cast_iron SET v = v || 'changed' WHERE id % 3 = 0");
                    there.run("CREATE TABLE added AS SELECT i FROM generate_series(1, 1000) i");
                    there.run("SELECT nextval('mould_sequence')");
                    there.run("VACUUM FULL pg_class");
                }
            }
            if (option.contains("wal_log")) {
                forgetVisibility(s, "copy_" + n);
            }
            s.run("DROP DATABASE gone_" + n + " WITH (FORCE)");
            if (n >= 4) {
                s.run("DROP DATABASE IF EXISTS copy_" + (n - 4) + " WITH (FORCE)");
            }
        }
    }

    /**
     * PostgreSQL logs the pages of a database it copies with their hole left out, which in a
     * visibility map is the map: its own standbys have none of the bits that the copy has. Emptied
     * maps are equal again, and the next VACUUM fills them by WAL.
     */
    private static void forgetVisibility(Session s, String database) throws SQLException {
        try (Session there = s.another(database)) {
            there.run("CREATE EXTENSION pg_visibility");
            there.run(
                    "SELECT pg_truncate_visibility_map(oid) FROM pg_class"
                            + " WHERE relkind IN ('r', 'm', 't') AND NOT relisshared");
            there.run("VACUUM cast_iron, pg_class");
        }
    }

    private void tablespaces(Session s) throws SQLException {
        int n = tablespaces++;
        for (String kind : List.of("stays_", "goes_")) {
            s.run(
                    "CREATE TABLESPACE "
                            + kind
                            + n
                            + " LOCATION '"
                            + newDirectory.apply(kind + n)
                            + "'");
        }
        s.run(
                "CREATE TABLE on_"
                        + n
                        + " TABLESPACE stays_"
                        + n
                        + " AS SELECT i, repeat(md5(i::text), 70) AS v FROM generate_series(1, 800) i");
        s.run("CREATE INDEX ON on_" + n + " (i) TABLESPACE stays_" + n);
        s.run("UPDATE on_" + n + " SET v = 'short' WHERE i % 2 = 0");
        s.run(
                "CREATE TABLE moved TABLESPACE goes_"
                        + n
                        + " AS SELECT i FROM generate_series(1, 2000) i");
        s.run("ALTER TABLE moved SET TABLESPACE early");
        s.run("CREATE DATABASE placed TEMPLATE mould TABLESPACE goes_" + n);
        s.run("DROP DATABASE placed WITH (FORCE)");
        s.run("DROP TABLE moved");
        s.run("DROP TABLESPACE goes_" + n);
        s.run("INSERT INTO elsewhere (v) SELECT md5(i::text) FROM generate_series(1, 1500) i");
        s.run("DELETE FROM elsewhere WHERE id % 4 = " + s.random(4));
    }

    /** Each method this server was built with; an image a page after each checkpoint. */
    private static void compressedImages(Session s) throws SQLException {
        List<String> methods =
                s.major() >= 15 ? List.of("pglz", "lz4", "zstd", "off") : List.of("on", "off");
        for (String method : methods) {
            try {
                s.run("SET wal_compression = " + method);
            } catch (SQLException notBuiltIn) {
                continue;
            }
            s.run("CHECKPOINT");
            s.run("UPDATE accounts SET balance = balance + 1 WHERE id % 41 = " + s.random(41));
            s.run("UPDATE many SET k = k + 1 WHERE v % 101 = " + s.random(101));
            s.run("UPDATE shapes SET p = point(random(), 5) WHERE id % 60 = " + s.random(60));
            s.run("UPDATE docs SET tags = tags || 5 WHERE id % 50 = " + s.random(50));
        }
        s.run("RESET wal_compression");
    }
}
