package io.palimpsest.regress;

import java.util.List;

/** Heap, TOAST, sequences, visibility map, truncation and rewriting. */
final class TableSteps {
    private TableSteps() {}

    static List<Step> all() {
        return List.of(
                new Step("insert rows", s -> insertAccounts(s, 6000)),
                new Step(
                        "update in place (HOT)",
                        s -> {
                            int of = 3 + s.random(5);
                            s.run(
                                    "UPDATE accounts SET balance = balance + 1 WHERE id % "
                                            + of
                                            + " = 0");
                            s.run(
                                    "UPDATE accounts SET balance = balance - 1 WHERE id % "
                                            + of
                                            + " = 0");
                        }),
                new Step(
                        "update an indexed column",
                        s ->
                                s.run(
                                        "UPDATE accounts SET branch = branch + 1, filler = repeat('u', 40)"
                                                + " WHERE id % 5 = "
                                                + s.random(5))),
                new Step(
                        "delete rows",
                        s -> {
                            s.run("DELETE FROM accounts WHERE id % 11 = " + s.random(11));
                            s.run("DELETE FROM history WHERE id % 3 = " + s.random(3));
                        }),
                new Step("long values (TOAST)", s -> longValues(s, 2500)),
                new Step(
                        "update and delete long values",
                        s -> {
                            s.run(
                                    "UPDATE docs SET body = left(body, 2100) || 'x' WHERE id % 9 = "
                                            + s.random(9));
                            s.run(
                                    "UPDATE docs SET body = repeat(md5(id::text), 900) WHERE id % 31 = "
                                            + s.random(31));
                            s.run("DELETE FROM docs WHERE id % 8 = " + s.random(8));
                        }),
                new Step(
                        "COPY",
                        s -> {
                            StringBuilder rows = new StringBuilder();
                            for (int i = 0; i < 20_000; i++) {
                                rows.append(s.random(1000))
                                        .append('\t')
                                        .append(i)
                                        .append('\t')
                                        .append(Integer.toHexString(s.random(1 << 30)))
                                        .append('\n');
                            }
                            s.copyIn("COPY many (k, v, w) FROM STDIN", rows.toString());
                            s.run("TRUNCATE counters");
                            s.begin();
                            s.run("CREATE TABLE IF NOT EXISTS copied (k int, v int)");
                            s.run("TRUNCATE copied");
                            s.copyIn("COPY copied FROM STDIN WITH (FREEZE)", "1\t2\n3\t4\n");
                            s.commit();
                        }),
                new Step(
                        "ON CONFLICT",
                        s -> {
                            for (int i = 0; i < 5; i++) {
                                s.run(
                                        "INSERT INTO counters SELECT 'c' || (random() * 500)::int, 1"
                                                + " FROM generate_series(1, 1) ON CONFLICT (name) DO UPDATE SET n = counters.n + 1");
                                s.run(
                                        "INSERT INTO counters SELECT 'c' || i, 1 FROM generate_series(1, 700) i"
                                                + " ON CONFLICT (name) DO UPDATE SET n = counters.n + 1");
                                s.run(
                                        "INSERT INTO counters SELECT 'c' || i, 1 FROM generate_series(500, 900) i"
                                                + " ON CONFLICT DO NOTHING");
                            }
                        }),
                new Step(
                        "move rows between partitions",
                        s -> {
                            s.run(
                                    "INSERT INTO parts SELECT i, (random() * 299)::int, md5(i::text) FROM generate_series(1, 3000) i");
                            s.run(
                                    "UPDATE parts SET region = (region + 100) % 300 WHERE id % 3 = "
                                            + s.random(3));
                            s.run("DELETE FROM parts WHERE id % 4 = " + s.random(4));
                        }),
                new Step(
                        "sequences",
                        s -> {
                            s.run("SELECT nextval('plain_sequence') FROM generate_series(1, 500)");
                            s.run("SELECT nextval('cached_sequence') FROM generate_series(1, 200)");
                            s.run(
                                    "SELECT setval('plain_sequence', "
                                            + (1 + s.random(100_000))
                                            + ")");
                            s.run(
                                    "ALTER SEQUENCE cached_sequence RESTART WITH "
                                            + (1 + s.random(1000)));
                        }),
                new Step(
                        "unlogged table",
                        s -> {
                            s.run(
                                    "INSERT INTO scratch (v) SELECT md5(i::text) FROM generate_series(1, 2000) i");
                            s.run("DELETE FROM scratch WHERE id % 2 = 0");
                            s.run("VACUUM scratch");
                            s.run("DROP TABLE IF EXISTS logged_later");
                            s.run(
                                    "CREATE UNLOGGED TABLE logged_later AS SELECT i, md5(i::text) AS v FROM generate_series(1, 500) i");
                            s.run(
                                    "CREATE INDEX ON logged_later USING gin (to_tsvector('simple', v))");
                            s.run("ALTER TABLE logged_later SET LOGGED");
                        }),
                new Step(
                        "temporary tables",
                        s -> {
                            s.run(
                                    "CREATE TEMP TABLE IF NOT EXISTS passing (id serial PRIMARY KEY, v text)");
                            s.run(
                                    "INSERT INTO passing (v) SELECT md5(i::text) FROM generate_series(1, 500) i");
                        }),
                new Step(
                        "materialized view",
                        s -> {
                            s.run("REFRESH MATERIALIZED VIEW CONCURRENTLY totals");
                            s.run("REFRESH MATERIALIZED VIEW totals");
                        }),
                new Step(
                        "VACUUM",
                        s -> {
                            s.run("VACUUM accounts, docs, parts, counters");
                            s.run("VACUUM (ANALYZE) history");
                            s.run("VACUUM pg_catalog.pg_class");
                        }),
                new Step(
                        "VACUUM FREEZE",
                        s -> s.run("VACUUM (FREEZE) accounts, docs, locked, nested")),
                new Step(
                        "clear the visibility map",
                        s -> {
                            s.run("VACUUM accounts");
                            s.run(
                                    "UPDATE accounts SET balance = 0 WHERE id % 97 = "
                                            + s.random(97));
                            s.run(
                                    "SELECT count(*) FROM (SELECT 1 FROM accounts WHERE id % 53 = 0 FOR UPDATE) l");
                            s.run("DELETE FROM accounts WHERE id % 211 = " + s.random(211));
                        }),
                new Step(
                        "VACUUM cuts the end off",
                        s -> {
                            s.run(
                                    "INSERT INTO queue (v) SELECT repeat(md5(i::text), 4) FROM generate_series(1, 6000) i");
                            s.run("VACUUM queue");
                            s.run(
                                    "DELETE FROM queue WHERE id > (SELECT min(id) + "
                                            + (500 + s.random(1000))
                                            + " FROM queue)");
                            s.run("VACUUM queue");
                            s.run(
                                    "INSERT INTO queue (v) SELECT 'again' FROM generate_series(1, 300)");
                        }),
                new Step(
                        "TRUNCATE",
                        s -> {
                            s.run(
                                    "INSERT INTO emptied (v) SELECT md5(i::text) FROM generate_series(1, 2000) i");
                            s.run("TRUNCATE emptied RESTART IDENTITY");
                            s.run(
                                    "INSERT INTO emptied (v) SELECT md5(i::text) FROM generate_series(1, 1000) i");
                            s.begin();
                            s.run("TRUNCATE emptied");
                            s.run("INSERT INTO emptied (v) VALUES ('undone')");
                            s.rollback();
                            s.begin();
                            s.run("CREATE TABLE fresh (v text)");
                            s.run(
                                    "INSERT INTO fresh SELECT md5(i::text) FROM generate_series(1, 300) i");
                            s.run("TRUNCATE fresh");
                            s.run("INSERT INTO fresh SELECT 'kept'");
                            s.commit();
                            s.run("DROP TABLE fresh");
                        }),
                new Step(
                        "create and drop tables",
                        s -> {
                            s.run(
                                    "CREATE TABLE short_lived AS SELECT i, repeat('s', 3000) AS v FROM generate_series(1, 300) i");
                            s.run("CREATE INDEX ON short_lived (i)");
                            s.run("DROP TABLE short_lived");
                            s.begin();
                            s.run("CREATE TABLE never (id serial PRIMARY KEY, v text)");
                            s.run(
                                    "INSERT INTO never (v) SELECT md5(i::text) FROM generate_series(1, 1000) i");
                            s.rollback();
                            s.run("DROP TABLE IF EXISTS kept");
                            s.run(
                                    "CREATE TABLE kept AS SELECT i, md5(i::text) AS v FROM generate_series(1, 1500) i");
                            s.run("ALTER TABLE kept ADD PRIMARY KEY (i)");
                        }),
                new Step(
                        "rewrite tables",
                        s -> {
                            s.run(
                                    "INSERT INTO rewritten SELECT i, md5(i::text) FROM generate_series(1, 2500) i ON CONFLICT DO NOTHING");
                            s.run("UPDATE rewritten SET v = v || 'x' WHERE id % 2 = 0");
                            s.run("CLUSTER rewritten USING rewritten_pkey");
                            s.run(
                                    "ALTER TABLE rewritten ALTER v TYPE varchar("
                                            + (100 + s.random(100))
                                            + ")");
                            s.run("ALTER TABLE rewritten ALTER id TYPE bigint");
                            s.run("ALTER TABLE rewritten ALTER id TYPE int");
                            s.run("VACUUM FULL rewritten");
                            s.run("REINDEX TABLE many");
                        }),
                new Step(
                        "move a catalog (relation map)",
                        s -> {
                            s.run("VACUUM FULL pg_class");
                            s.run("VACUUM FULL pg_authid");
                            s.run("REINDEX INDEX pg_class_oid_index");
                        }),
                new Step(
                        "large objects",
                        s -> {
                            s.run(
                                    "SELECT lo_from_bytea(0, decode(repeat(md5(i::text), 300), 'hex')) FROM generate_series(1, 20) i");
                            s.run(
                                    "SELECT lo_unlink(oid) FROM (SELECT oid FROM pg_largeobject_metadata ORDER BY oid LIMIT 7) o");
                        }));
    }

    static void insertAccounts(Session s, int rows) throws java.sql.SQLException {
        s.seed();
        s.run(
                "INSERT INTO accounts (branch, filler) SELECT (random() * 300)::int, repeat(md5(i::text), 2)"
                        + " FROM generate_series(1, "
                        + rows
                        + ") i");
        s.run(
                "INSERT INTO history (account, delta, note) SELECT id, 1, md5(id::text) FROM accounts"
                        + " ORDER BY id DESC LIMIT "
                        + rows / 2);
    }

    static void longValues(Session s, int rows) throws java.sql.SQLException {
        s.seed();
        s.run(
                "INSERT INTO docs (body, tags, words) SELECT"
                        + " (SELECT string_agg(md5((random() * 1e9 + j)::text), '') FROM generate_series(1, 60 + i % 130) j),"
                        + " ARRAY[(random() * 12)::int, (random() * 2000)::int, i],"
                        + " to_tsvector('simple', 'word' || (random() * 9)::int || ' rare' || i || ' w' || (random() * 400)::int)"
                        + " FROM generate_series(1, "
                        + rows
                        + ") i");
    }
}
