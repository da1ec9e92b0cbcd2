package io.palimpsest.regress;

import java.sql.SQLException;
import java.util.List;

/** The tables and indexes the steps work on, made before the import so that it has work too. */
final class Schema {
    private static final List<String> TABLES =
            List.of(
                    "CREATE EXTENSION bloom",
                    """
                    CREATE TABLE accounts (id bigserial PRIMARY KEY, branch int, balance numeric DEFAULT 0,
                      filler text) WITH (fillfactor = 85)\
                    """,
                    "CREATE INDEX accounts_branch ON accounts (branch)",
                    """
                    CREATE TABLE history (id bigserial PRIMARY KEY,
                      account bigint REFERENCES accounts ON DELETE CASCADE, delta int, note text)\
                    """,
                    "CREATE INDEX history_account ON history (account)",
                    "CREATE TABLE docs (id bigserial PRIMARY KEY, body text, tags int[], words tsvector)",
                    "ALTER TABLE docs ALTER body SET STORAGE EXTERNAL",
                    "CREATE INDEX docs_tags ON docs USING gin (tags) WITH (gin_pending_list_limit = 64)",
                    "CREATE INDEX docs_words ON docs USING gin (words) WITH (fastupdate = off)",
                    "CREATE TABLE shapes (id bigserial, p point, b box, r int4range, t text)",
                    "CREATE INDEX shapes_gist_p ON shapes USING gist (p)",
                    "CREATE INDEX shapes_gist_b ON shapes USING gist (b)",
                    "CREATE INDEX shapes_spgist_p ON shapes USING spgist (p)",
                    "CREATE INDEX shapes_spgist_kd ON shapes USING spgist (p kd_point_ops)",
                    "CREATE INDEX shapes_spgist_t ON shapes USING spgist (t)",
                    "CREATE INDEX shapes_gist_r ON shapes USING gist (r)",
                    "CREATE TABLE events (at timestamptz, kind int, payload text)",
                    "CREATE INDEX events_at ON events USING brin (at) WITH (pages_per_range = 4)",
                    """
                    CREATE INDEX events_kind ON events USING brin (kind)
                      WITH (pages_per_range = 1, autosummarize = on)\
                    """,
                    "CREATE TABLE hashed (k text, n int)",
                    "CREATE INDEX hashed_k ON hashed USING hash (k) WITH (fillfactor = 40)",
                    "CREATE INDEX hashed_n ON hashed USING hash (n)",
                    "CREATE TABLE many (k int, v int, w text)",
                    "CREATE INDEX many_k ON many (k)",
                    "CREATE INDEX many_v ON many (v) WITH (deduplicate_items = off)",
                    "CREATE INDEX many_w ON many (w, k)",
                    "CREATE TABLE bloomed (a int, b int, c int)",
                    "CREATE INDEX bloomed_abc ON bloomed USING bloom (a, b, c)",
                    "CREATE TABLE parts (id int, region int, v text) PARTITION BY RANGE (region)",
                    "CREATE TABLE parts_0 PARTITION OF parts FOR VALUES FROM (0) TO (100)",
                    "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (100) TO (200)",
                    "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (200) TO (300)",
                    "CREATE INDEX parts_id ON parts (id)",
                    "CREATE TABLE counters (name text PRIMARY KEY, n int)",
                    "CREATE TABLE locked (id int PRIMARY KEY, v int)",
                    "INSERT INTO locked SELECT i, 0 FROM generate_series(1, 4000) i",
                    "CREATE TABLE nested (id bigserial PRIMARY KEY, v text)",
                    "CREATE TABLE prepared (id bigserial PRIMARY KEY, v text)",
                    "CREATE SEQUENCE plain_sequence",
                    "CREATE SEQUENCE cached_sequence CACHE 50 INCREMENT 3",
                    "CREATE UNLOGGED TABLE scratch (id bigserial PRIMARY KEY, v text)",
                    "CREATE INDEX scratch_v ON scratch USING gist (point(id, id))",
                    "CREATE TABLE emptied (id bigserial PRIMARY KEY, v text)",
                    "CREATE TABLE rewritten (id int PRIMARY KEY, v text)",
                    "CREATE TABLE queue (id bigserial PRIMARY KEY, v text) WITH (autovacuum_enabled = off)",
                    "CREATE MATERIALIZED VIEW totals AS SELECT branch, count(*) AS n FROM accounts GROUP BY 1",
                    "CREATE UNIQUE INDEX totals_branch ON totals (branch)");

    private Schema() {}

    /** In the cluster, before the import: databases, a tablespace, tables. */
    static void create(Session cluster, String tablespaceDirectory) throws SQLException {
        // Only so that its catalogs can be read, too.
        cluster.run("ALTER DATABASE template0 ALLOW_CONNECTIONS true");
        cluster.run("CREATE DATABASE " + Workload.DATABASE);
        cluster.run("CREATE DATABASE mould");
        cluster.run("CREATE TABLESPACE early LOCATION '" + tablespaceDirectory + "'");
        try (Session mould = cluster.another("mould")) {
            mould.run("CREATE TABLE cast_iron (id int PRIMARY KEY, v text)");
            mould.run(
                    "INSERT INTO cast_iron SELECT i, repeat(md5(i::text), 3)"
                            + " FROM generate_series(1, 3000) i");
            mould.run("CREATE INDEX ON cast_iron USING hash (v)");
            mould.run("VACUUM (FREEZE) cast_iron");
            mould.run("CREATE SEQUENCE mould_sequence");
            mould.run("CREATE UNLOGGED TABLE mould_scratch (id int PRIMARY KEY)");
        }
        try (Session session = cluster.another(Workload.DATABASE)) {
            for (String table : TABLES) {
                session.run(table);
            }
            session.run(
                    "CREATE TABLE elsewhere (id bigserial PRIMARY KEY USING INDEX TABLESPACE early,"
                            + " v text) TABLESPACE early");
        }
    }
}
