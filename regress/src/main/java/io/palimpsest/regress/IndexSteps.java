package io.palimpsest.regress;

import java.util.List;

/** Each index kind: growth, splits, deletion, vacuum, and what is peculiar to it. */
final class IndexSteps {
    private IndexSteps() {}

    static List<Step> all() {
        return List.of(
                new Step(
                        "btree: duplicates and posting lists",
                        s -> {
                            s.seed();
                            s.run(
                                    "INSERT INTO many SELECT (random() * 50)::int, i, md5((i % 700)::text) FROM generate_series(1, 15000) i");
                            s.run("UPDATE many SET k = k + 1 WHERE v % 13 = " + s.random(13));
                            s.run("DELETE FROM many WHERE v % 6 = " + s.random(6));
                            s.run("VACUUM many");
                        }),
                new Step(
                        "btree: versions churn",
                        s -> {
                            for (int i = 0; i < 15; i++) {
                                s.run("UPDATE locked SET v = v + 1 WHERE id % 40 = 7");
                                s.run("UPDATE many SET v = v + 1 WHERE k = 5 AND v % 3 = 0");
                            }
                            s.run("SET enable_seqscan = off");
                            s.run("SELECT count(*) FROM many WHERE k BETWEEN 3 AND 9");
                            s.run("SET enable_seqscan = on");
                        }),
                new Step(
                        "btree: pages are deleted",
                        s -> {
                            int low = s.random(30);
                            s.run("DELETE FROM many WHERE k BETWEEN " + low + " AND " + (low + 12));
                            s.run("VACUUM (INDEX_CLEANUP on) many");
                            s.run("DELETE FROM queue WHERE id % 50 <> 0");
                            s.run("VACUUM (INDEX_CLEANUP on) queue");
                            s.run("VACUUM (INDEX_CLEANUP on) queue");
                        }),
                new Step(
                        "hash: growth, squeeze",
                        s -> {
                            s.seed();
                            s.run(
                                    "INSERT INTO hashed SELECT md5((random() * 1e6)::text), i % 40 FROM generate_series(1, 6000) i");
                            s.run(
                                    "DELETE FROM hashed WHERE ctid IN (SELECT ctid FROM hashed WHERE random() < 0.45)");
                            s.run("VACUUM (INDEX_CLEANUP on) hashed");
                            s.run("SET enable_seqscan = off");
                            s.run("SELECT count(*) FROM hashed WHERE n = 7");
                            s.run("SET enable_seqscan = on");
                        }),
                new Step(
                        "gin: pending list",
                        s -> {
                            s.seed();
                            for (int i = 0; i < 8; i++) {
                                s.run(
                                        "INSERT INTO docs (body, tags) SELECT 'short', ARRAY[(random() * 12)::int, (random() * 100)::int]"
                                                + " FROM generate_series(1, 120)");
                            }
                            s.run("SELECT gin_clean_pending_list('docs_tags')");
                            s.run("INSERT INTO docs (body, tags) SELECT 'pending', ARRAY[1, 2, 3]");
                        }),
                new Step(
                        "gin: posting trees shrink",
                        s -> {
                            s.run(
                                    "DELETE FROM docs WHERE body IN ('short', 'pending') AND id % 3 <> "
                                            + s.random(3));
                            s.run("VACUUM (INDEX_CLEANUP on) docs");
                        }),
                new Step(
                        "gist and spgist: growth",
                        s -> {
                            s.seed();
                            s.run(
                                    "INSERT INTO shapes (p, b, r, t) SELECT point(random() * 1000, random() * 1000),"
                                            + " box(point(i, i), point(i + random() * 50, i + 9)),"
                                            + " int4range(i, i + (random() * 100)::int),"
                                            + " repeat('prefix/', (random() * 5)::int) || md5((random() * 1e5)::text)"
                                            + " FROM generate_series(1, 5000) i");
                            s.run("INSERT INTO shapes (p, t) VALUES (NULL, NULL)");
                            s.run(
                                    "UPDATE shapes SET p = point(1, 1) WHERE id % 40 = "
                                            + s.random(40));
                        }),
                new Step(
                        "gist and spgist: shrink",
                        s -> {
                            int low = s.random(800);
                            s.run(
                                    "DELETE FROM shapes WHERE p <@ box(point("
                                            + low
                                            + ",0), point("
                                            + (low + 250)
                                            + ",1000))");
                            s.run("DELETE FROM shapes WHERE id % 5 = " + s.random(5));
                            s.run("VACUUM (INDEX_CLEANUP on) shapes");
                            s.run("SET enable_seqscan = off");
                            s.run(
                                    "SELECT count(*) FROM shapes WHERE p <@ box(point(0,0), point(300,300))");
                            s.run("SET enable_seqscan = on");
                            s.run("VACUUM (INDEX_CLEANUP on) shapes");
                        }),
                new Step(
                        "brin: summaries",
                        s -> {
                            s.seed();
                            s.run(
                                    "INSERT INTO events SELECT timestamptz '2026-01-01' + i * interval '1 minute', (random() * 50)::int,"
                                            + " repeat(md5(i::text), 4) FROM generate_series(1, 6000) i");
                            s.run("SELECT brin_summarize_new_values('events_at')");
                            s.run("SELECT brin_summarize_new_values('events_kind')");
                            s.run(
                                    "UPDATE events SET kind = kind + 1000 WHERE kind = "
                                            + s.random(50));
                            s.run("SELECT brin_desummarize_range('events_at', 0)");
                            s.run("SELECT brin_summarize_range('events_at', 0)");
                            s.run("DELETE FROM events WHERE kind = " + s.random(50));
                            s.run("VACUUM events");
                        }),
                new Step(
                        "brin: values of changing length",
                        s -> {
                            s.run("DROP TABLE IF EXISTS notes");
                            s.run("CREATE TABLE notes (v text)");
                            s.run(
                                    "CREATE INDEX notes_v ON notes USING brin (v) WITH (pages_per_range = 1)");
                            s.run(
                                    "INSERT INTO notes SELECT 'n' || i FROM generate_series(1, 20000) i");
                            s.run("SELECT brin_summarize_new_values('notes_v')");
                            s.run(
                                    "UPDATE notes SET v = repeat('z', 200) || v WHERE v LIKE 'n%"
                                            + s.random(10)
                                            + "7'");
                            s.run("VACUUM notes");
                        }),
                new Step(
                        "bloom (generic WAL)",
                        s -> {
                            s.seed();
                            s.run(
                                    "INSERT INTO bloomed SELECT (random() * 1e6)::int, i, i % 7 FROM generate_series(1, 3000) i");
                            s.run("DELETE FROM bloomed WHERE b % 3 = " + s.random(3));
                            s.run("VACUUM (INDEX_CLEANUP on) bloomed");
                        }),
                new Step(
                        "build every kind of index",
                        s -> {
                            s.run("DROP TABLE IF EXISTS built");
                            s.run(
                                    "CREATE TABLE built AS SELECT i, md5(i::text) AS t, point(i % 100, i / 100) AS p,"
                                            + " ARRAY[i % 10, i] AS a FROM generate_series(1, 4000) i");
                            s.run("CREATE UNIQUE INDEX ON built (i)");
                            s.run("CREATE INDEX ON built USING hash (t)");
                            s.run("CREATE INDEX ON built USING gin (a)");
                            s.run("CREATE INDEX ON built USING gist (p)");
                            s.run("CREATE INDEX ON built USING spgist (p)");
                            s.run("CREATE INDEX ON built USING brin (i)");
                            s.run("CREATE INDEX CONCURRENTLY built_later ON built (t)");
                            s.run("DROP INDEX CONCURRENTLY built_later");
                            s.runFailing("CREATE UNIQUE INDEX ON built ((i % 5))");
                        }));
    }
}
