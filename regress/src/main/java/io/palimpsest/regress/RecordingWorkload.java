package io.palimpsest.regress;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * SQL that makes as many kinds of WAL record as it can in few megabytes: rows are wide, so that
 * pages split after tens of them. Wants an empty database.
 */
public final class RecordingWorkload {
    /** Opens a session of the server. */
    @FunctionalInterface
    public interface Sessions {
        Connection open() throws SQLException;
    }

    /** Bulk changes of known kinds would fill the section with copies of full pages. */
    private static final String UNCHECKED = "set wal_consistency_checking = ''";

    private final int major;
    private final Sessions sessions;
    private final Path tablespace;

    /**
     * @param tablespace an empty directory that the server may write to; files for it to read are
     *     put beside it
     */
    public RecordingWorkload(int major, Sessions sessions, Path tablespace) {
        this.major = major;
        this.sessions = sessions;
        this.tablespace = tablespace;
    }

    /** All of it, once. */
    public void run() throws SQLException, IOException, InterruptedException {
        try (Connection a = sessions.open()) {
            heap(a);
            toast(a);
            partitions(a);
            try (Connection b = sessions.open();
                    Connection c = sessions.open()) {
                locks(a, b, c);
                speculative(a, b, c);
            }
            transactions(a);
            btree(a);
            hash(a);
            gin(a);
            gist(a);
            spgist(a);
            brin(a);
            sequences(a);
            generic(a);
            files(a);
        }
    }

    /** A little of everything that makes page images, for sections about compression. */
    void runImages() throws SQLException, IOException {
        try (Connection a = sessions.open()) {
            run(
                    a,
                    "create table i (id int primary key, v text)",
                    "insert into i select g, repeat(md5(g::text), 1 + g % 9) from"
                            + " generate_series(1, 900) g",
                    "create index on i (v)",
                    "checkpoint",
                    "update i set v = v || 'x' where id % 5 = 0",
                    "checkpoint",
                    "delete from i where id % 3 = 0",
                    "vacuum freeze i",
                    "create table big as select g, md5(g::text) m from generate_series(1, 3000) g",
                    "create index on big (m)",
                    "create index on big using hash (g)",
                    "checkpoint",
                    "update big set g = -g where g % 9 = 0",
                    "select pg_switch_wal()",
                    "insert into i select g, 'after the switch' from generate_series(2000, 2100) g",
                    "begin; select pg_logical_emit_message(true, 'long', repeat('x', 70000));"
                            + " commit");
            if (major == 17) {
                run(a, "create database copy2 strategy wal_log", "drop database copy2");
            }
        }
    }

    private void heap(Connection a) throws SQLException, IOException {
        check(a, "heap,heap2");
        run(
                a,
                "create table h (id int primary key, v text, n int default 0) with (fillfactor = 70)",
                "insert into h select g, repeat(chr(65 + g % 26), 60) from generate_series(1, 150)"
                        + " g");
        StringBuilder rows = new StringBuilder();
        for (int i = 1000; i < 1300; i++) {
            rows.append(i).append("\tcopied row number ").append(i).append("\t7\n");
        }
        copy(a, "copy h from '%s'", rows);
        for (int i = 0; i < 3; i++) {
            run(a, "update h set n = n + 1 where id % 4 = 0 and id < 200");
        }
        run(
                a,
                "update h set id = id + 100000 where id % 7 = 0",
                "update h set v = repeat('long ', 40) where id % 11 = 0",
                "delete from h where id % 5 = 0",
                "begin; insert into h select g, 'undone' from generate_series(5000, 5060) g;"
                        + " update h set n = -1 where id < 30; rollback",
                "vacuum h",
                "update h set n = n + 1 where id < 60",
                "select count(*) from h where n > 0",
                "insert into h select g, 'again' from generate_series(6000, 6100) g",
                "delete from h where id between 6000 and 6050",
                "vacuum (freeze) h",
                "update h set n = n + 1 where id between 6051 and 6060",
                "begin; select * from h where id < 40 for update; commit",
                "begin; select * from h where id < 20 for no key update; commit",
                "insert into h values (1, 'conflict') on conflict (id) do update set n = h.n + 10",
                "insert into h values (700001, 'no conflict') on conflict (id) do nothing",
                "insert into h select g, 'x' from generate_series(200, 260) g on conflict (id) do"
                        + " update set v = 'met'",
                "delete from h where id > 1100",
                "vacuum (truncate) h",
                "begin; create table frozen (id int, v text); truncate frozen");
        copy(a, "copy frozen from '%s' with (freeze)", rows.toString().replace("\t7\n", "\n"));
        run(
                a,
                "commit",
                "update frozen set v = 'thawed' where id % 50 = 0",
                "begin; select * from frozen where id = 1001 for update; commit",
                "vacuum frozen",
                "delete from frozen where id % 10 = 0",
                "create table nokey (a int, b text)",
                "insert into nokey select g, repeat('k', 200) from generate_series(1, 120) g",
                "delete from nokey where a % 3 = 0",
                "vacuum nokey",
                "insert into nokey select g, repeat('l', 150) from generate_series(1, 40) g",
                "update nokey set b = repeat('m', 400) where a % 4 = 0",
                "delete from nokey where a > 60",
                "vacuum nokey",
                "vacuum full nokey",
                "alter table nokey alter a type bigint",
                "create table copied as select * from h");
    }

    private static void toast(Connection a) throws SQLException {
        check(a, "all");
        run(
                a,
                "create table t (id int primary key, v text)",
                "alter table t alter v set storage external",
                "insert into t select g, repeat(md5(g::text), 150 + g) from generate_series(1, 12) g",
                "update t set v = v || 'more' where id % 3 = 0",
                "delete from t where id % 4 = 0",
                "vacuum t");
    }

    private static void partitions(Connection a) throws SQLException {
        run(
                a,
                "create table p (k int, v text) partition by range (k)",
                "create table p1 partition of p for values from (0) to (100)",
                "create table p2 partition of p for values from (100) to (200)",
                "insert into p select g, 'part' from generate_series(1, 99) g",
                "update p set k = k + 100 where k % 3 = 0",
                "update p set k = k - 100 where k % 2 = 0 and k > 100",
                "vacuum p");
    }

    private static void locks(Connection a, Connection b, Connection c) throws SQLException {
        run(a, "create table m (id int primary key, n int)");
        run(a, "insert into m select g, 0 from generate_series(1, 40) g");
        run(a, "begin", "select * from m where id <= 15 for key share");
        run(b, "begin", "select * from m where id <= 20 for share");
        run(c, "begin", "select * from m where id <= 10 for share");
        run(b, "commit");
        run(c, "commit", "begin", "update m set n = n + 1 where id <= 12");
        run(b, "begin", "select * from m where id between 5 and 14 for key share");
        run(a, "commit");
        run(c, "update m set n = n + 1 where id <= 12", "commit");
        run(b, "savepoint s", "update m set n = -1 where id = 7", "rollback to s", "commit");
        run(a, "begin", "update m set n = 5 where id between 21 and 25");
        run(b, "begin", "select * from m where id between 21 and 25 for key share");
        run(a, "update m set n = 6 where id between 21 and 25", "rollback");
        run(b, "commit");
        run(a, "delete from m where id % 6 = 0", "vacuum freeze m");
    }

    /**
     * Two sessions insert the same key; the one that comes second in the index must take its row
     * back. The index expression waits for advisory locks, which orders them.
     */
    private static void speculative(Connection a, Connection b, Connection c)
            throws SQLException, InterruptedException {
        run(
                a,
                "create function wait_for(t text) returns text immutable language plpgsql as $$"
                        + " declare call int := current_setting('spec.call', true); begin"
                        + " if call in (7, 8) then"
                        + " perform set_config('spec.call', (call + 1)::text, false);"
                        + " perform pg_advisory_lock_shared(call);"
                        + " perform pg_advisory_unlock_shared(call); end if; return t; end $$",
                "create table s (k text, v text)",
                "create unique index on s (wait_for(k))",
                "insert into s values ('x', '1') on conflict (wait_for(k)) do nothing",
                "select pg_advisory_lock(7), pg_advisory_lock(8)");
        run(b, "set spec.call = 7");
        try (ExecutorService other = Executors.newSingleThreadExecutor()) {
            var waiting =
                    other.submit(() -> {
                        run(
                                b,
                                "insert into s values ('k', 'b') on conflict (wait_for(k))"
                                        + " do update set v = 'b again'");
                        return true;
                    });
            TimeUnit.MILLISECONDS.sleep(300);
            // The first wait is in its search for the key, the second is between its row's insert
            // into the heap and into the index.
            run(a, "select pg_advisory_unlock(7)");
            TimeUnit.MILLISECONDS.sleep(300);
            run(c, "insert into s values ('k', 'c') on conflict (wait_for(k)) do nothing");
            run(a, "select pg_advisory_unlock(8)");
            try {
                waiting.get(20, TimeUnit.SECONDS);
            } catch (java.util.concurrent.ExecutionException
                    | java.util.concurrent.TimeoutException e) {
                throw new SQLException("the second insert", e);
            }
        }
    }

    private static void transactions(Connection a) throws SQLException {
        StringBuilder many = new StringBuilder("begin;");
        for (int i = 0; i < 70; i++) {
            many.append("savepoint s").append(i).append("; insert into x values (").append(i);
            many.append(");");
        }
        run(
                a,
                "create table x (id int)",
                many + "commit",
                "begin; insert into x values (1); savepoint a; insert into x values (2); rollback"
                        + " to a; insert into x values (3); commit",
                "begin; insert into x values (100); create table in_prepared (a int); prepare"
                        + " transaction 'first'",
                "begin; delete from x where id = 5; prepare transaction 'second'",
                "commit prepared 'first'",
                "rollback prepared 'second'",
                "begin; create table gone (a int); insert into gone values (1); rollback",
                "select pg_create_restore_point('here')",
                "select pg_logical_emit_message(true, 'p', 'message')",
                "select pg_replication_origin_create('o'), pg_replication_origin_session_setup('o')",
                "begin; select pg_replication_origin_xact_setup('0/10', now()); insert into x values"
                        + " (9); commit",
                "select pg_replication_origin_session_reset(), pg_replication_origin_drop('o')");
    }

    private static void btree(Connection a) throws SQLException {
        check(a, "btree");
        run(
                a,
                "create table b (k text, d int, u int)",
                "create index b_wide on b (k)",
                "create index b_dup on b (d)",
                "insert into b select md5(g::text) || repeat('-', 900), g % 3, g from"
                        + " generate_series(1, 220) g",
                "insert into b select 'zz' || g || repeat('-', 700), 4, g from"
                        + " generate_series(300, 400) g",
                "create table bd (d int, pad text)",
                "create index on bd (d)",
                UNCHECKED,
                "insert into bd select g % 5, '' from generate_series(1, 390) g",
                "set wal_consistency_checking = 'btree'",
                "insert into bd select g % 5, '' from generate_series(1, 120) g",
                "delete from b where k < 'b'",
                "vacuum b",
                "insert into b select md5(g::text) || repeat('-', 900), g % 3, g from"
                        + " generate_series(500, 560) g",
                "delete from b where k >= 'c' and k < 'z'",
                "vacuum b",
                "vacuum b",
                "delete from b",
                "vacuum b",
                "insert into b select md5(g::text) || repeat('-', 900), g % 3, g from"
                        + " generate_series(600, 640) g",
                "create table bu (id int primary key, k int)",
                "create index on bu (k)",
                "insert into bu select g, g from generate_series(1, 100) g");
        run(a, UNCHECKED, "update bu set k = k + 1", "update bu set k = k + 1");
        check(a, "btree");
        run(a, "update bu set k = k + 1 where id < 80", "update bu set k = k + 1 where id < 80");
        // Dead items found by an index scan are removed when the page fills up.
        run(
                a,
                "create table bk (id int, pad text)",
                "create index on bk (id, pad)",
                "insert into bk select g, repeat('k', 100) from generate_series(1, 50) g",
                "delete from bk where id <= 40",
                "set enable_seqscan = off",
                "set enable_bitmapscan = off",
                "select count(pad) from bk where id > 0",
                "select count(pad) from bk where id > 0",
                "insert into bk select g, repeat('l', 100) from generate_series(1, 60) g",
                "reset enable_seqscan",
                "reset enable_bitmapscan");
    }

    private static void hash(Connection a) throws SQLException {
        check(a, "hash");
        run(
                a,
                "create table ha (k int, v text)",
                // The index gets two buckets to start with only if the table is known to be small.
                "insert into ha values (0, 'first')",
                "vacuum analyze ha",
                "create index ha_k on ha using hash (k) with (fillfactor = 10)",
                "insert into ha select g, 'h' from generate_series(1, 350) g",
                UNCHECKED,
                "insert into ha select 77, 'same' from generate_series(1, 780) g",
                "set wal_consistency_checking = 'hash'",
                "insert into ha select 77, 'same' from generate_series(1, 60) g",
                "delete from ha where k = 77",
                "vacuum ha",
                "insert into ha select g, 'more' from generate_series(400, 600) g",
                "delete from ha where k % 2 = 0",
                "set enable_seqscan = off",
                "set enable_bitmapscan = off",
                "select count(*) from ha where k = 78",
                "select count(*) from ha where k = 80",
                "reset enable_seqscan",
                "reset enable_bitmapscan",
                "vacuum ha",
                "create table hk (k int)",
                "create index on hk using hash (k)",
                UNCHECKED,
                "insert into hk select 5 from generate_series(1, 380)",
                "set wal_consistency_checking = 'hash'",
                "delete from hk",
                "set enable_seqscan = off",
                "set enable_bitmapscan = off",
                "select count(*) from hk where k = 5",
                "select count(*) from hk where k = 5",
                "insert into hk select 5 from generate_series(1, 60)",
                "reset enable_seqscan",
                "reset enable_bitmapscan");
    }

    private void gin(Connection a) throws SQLException, IOException {
        check(a, "gin");
        run(
                a,
                "create table g (id int, a int[], w text[])",
                "create index g_a on g using gin (a) with (fastupdate = off)",
                "create index g_w on g using gin (w) with (fastupdate = on)",
                "insert into g select i, array[1, i % 40, i], array['w' || i % 10, repeat('q', 50)"
                        + " || i] from generate_series(1, 120) i",
                "select gin_clean_pending_list('g_w')",
                "insert into g select i, array[1, 2], array['w1'] from generate_series(1, 250) i",
                "insert into g select i, array[3], array[repeat('u', 300) || i] from"
                        + " generate_series(1, 80) i",
                "vacuum g",
                "delete from g where id % 3 = 0",
                "vacuum g",
                "create table gl (a int[])");
        copy(a, "copy gl from '%s'", "{1}\n".repeat(24000));
        run(
                a,
                "create index gl_a on gl using gin (a) with (fastupdate = off)",
                "insert into gl select array[1] from generate_series(1, 30)",
                UNCHECKED,
                "delete from gl where ctid < '(60,0)'",
                "set wal_consistency_checking = 'gin'",
                "vacuum gl",
                "insert into gl select array[1] from generate_series(1, 60)",
                UNCHECKED,
                "delete from gl",
                "set wal_consistency_checking = 'gin'",
                "vacuum (truncate off) gl",
                "insert into gl select array[1] from generate_series(1, 10)");
    }

    private static void gist(Connection a) throws SQLException {
        check(a, "gist");
        run(
                a,
                "create table gi (p point, r int4range, b box)",
                "create index gi_p on gi using gist (p)",
                "insert into gi select point(i * 37 % 100, i * 91 % 100), int4range(i, i + 5),"
                        + " box(point(i, i), point(i + 1, i + 2)) from generate_series(1, 400) i",
                "create table gw (t tsvector)",
                "create index gw_t on gw using gist (t tsvector_ops(siglen = 500))",
                "insert into gw select to_tsvector('simple', 'word' || i || ' other' || i % 7) from"
                        + " generate_series(1, 120) i",
                "delete from gi where p <@ box '((0,0),(60,60))'",
                "delete from gw",
                "vacuum gi",
                "vacuum gw",
                "vacuum gw",
                "insert into gw select to_tsvector('simple', 'new' || i) from generate_series(1, 40)"
                        + " i",
                "create table gk (p point)",
                "create index on gk using gist (p)",
                UNCHECKED,
                "insert into gk select point(i % 5, i) from generate_series(1, 500) i",
                "set wal_consistency_checking = 'gist'",
                "delete from gk",
                "set enable_seqscan = off",
                "set enable_bitmapscan = off",
                "select count(*) from gk where p <@ box '((0,0),(1000,1000))'",
                "select count(*) from gk where p <@ box '((0,0),(1000,1000))'",
                "insert into gk select point(i % 5, i) from generate_series(1, 150) i",
                "reset enable_seqscan",
                "reset enable_bitmapscan",
                "create index on gi using gist (b)");
    }

    private static void spgist(Connection a) throws SQLException {
        check(a, "spgist");
        run(
                a,
                "create table sp (t text, p point, i inet)",
                "create index sp_t on sp using spgist (t)",
                "create index sp_p on sp using spgist (p)",
                "create index sp_k on sp using spgist (p kd_point_ops)",
                "insert into sp select 'prefix' || md5(i::text) || repeat('t', 200), point(i % 17, i"
                        + " % 23), ('10.0.' || i % 256 || '.1')::inet from generate_series(1, 160)"
                        + " i",
                "insert into sp select 'pre' || i || repeat('u', 150), point(i, 1), '1.2.3.4' from"
                        + " generate_series(1, 80) i",
                "delete from sp where p[0] < 9",
                "vacuum sp",
                "insert into sp select 'other' || i, point(i, -i), '::1' from generate_series(1, 60)"
                        + " i",
                "delete from sp where t < 'prefixa'",
                "vacuum sp",
                "vacuum sp",
                "create table sa (t text)",
                "create index on sa using spgist (t)",
                "insert into sa select 'aaaaaaaaaaaaaaaa' || chr(97 + i % 26) || i || repeat('v',"
                        + " 400) from generate_series(1, 60) i",
                "insert into sa select 'aaaa' || i || repeat('v', 100) from generate_series(1, 30)"
                        + " i",
                "insert into sa select '' from generate_series(1, 5)");
    }

    private static void brin(Connection a) throws SQLException {
        check(a, "brin");
        run(
                a,
                "create table br (k int, t text) with (fillfactor = 50)",
                "create index br_k on br using brin (k) with (pages_per_range = 1, autosummarize ="
                        + " off)",
                "create index br_t on br using brin (t) with (pages_per_range = 1)",
                "insert into br select i, 'b' || repeat('t', 150) from generate_series(1, 250) i",
                "select brin_summarize_new_values('br_k'), brin_summarize_new_values('br_t')",
                "insert into br select i, 'c' || repeat('t', 700) from generate_series(1, 60) i",
                "update br set t = 'a' || repeat('s', 900), k = -k where k % 9 = 0",
                "update br set t = 'd' || repeat('s', 1100), k = k * 1000 where k % 10 = 0",
                "select brin_summarize_new_values('br_k'), brin_summarize_new_values('br_t')",
                "select brin_desummarize_range('br_k', 2), brin_desummarize_range('br_t', 3)",
                "select brin_summarize_range('br_k', 2)",
                "insert into br select i, 'e' from generate_series(1, 200) i",
                "vacuum br");
    }

    private static void sequences(Connection a) throws SQLException {
        check(a, "all");
        run(
                a,
                "create sequence q",
                "select nextval('q') from generate_series(1, 100)",
                "select setval('q', 5000)",
                "select nextval('q')",
                "alter sequence q restart with 3",
                "create table ident (id int generated always as identity, v text)",
                "insert into ident (v) select 'i' from generate_series(1, 60)");
    }

    private static void generic(Connection a) throws SQLException {
        run(
                a,
                "create extension bloom",
                "create table bl (a int, b int)",
                "create index on bl using bloom (a, b)",
                "insert into bl select i, i % 7 from generate_series(1, 150) i",
                "delete from bl where a % 3 = 0",
                "vacuum bl",
                "insert into bl select i, i from generate_series(1, 50) i");
    }

    private void files(Connection a) throws SQLException {
        run(
                a,
                "create unlogged table ul (id int primary key)",
                "insert into ul select generate_series(1, 100)",
                "truncate h",
                "insert into h select g, 'after truncate' from generate_series(1, 50) g",
                "drop table copied",
                "create tablespace elsewhere location '" + tablespace + "'",
                "create table moved (id int primary key, v text) tablespace elsewhere",
                "insert into moved select g, 'm' from generate_series(1, 50) g",
                "alter table moved set tablespace pg_default",
                "drop table moved",
                "drop tablespace elsewhere",
                "reindex table h",
                "cluster h using h_pkey",
                "vacuum full pg_am");
        if (major == 14) {
            run(a, "create database copy1");
        } else {
            run(a, "create database copy1 strategy file_copy");
        }
        run(
                a,
                "drop database copy1",
                "checkpoint",
                "update h set n = 99 where id < 10",
                "insert into x select generate_series(1, 20)");
    }

    /** From here on records of these resource managers carry the page as it is after them. */
    private static void check(Connection a, String resourceManagers) throws SQLException {
        run(a, "set wal_consistency_checking = '" + resourceManagers + "'");
    }

    /** The server reads the rows from a file: {@code command} has its name for %s. */
    private void copy(Connection a, String command, CharSequence rows)
            throws SQLException, IOException {
        Path file = tablespace.resolveSibling("rows");
        Files.writeString(file, rows);
        run(a, command.formatted(file));
        Files.delete(file);
    }

    private static void run(Connection a, String... commands) throws SQLException {
        for (String sql : commands) {
            try (Statement s = a.createStatement()) {
                s.execute(sql);
            } catch (SQLException e) {
                throw new SQLException(sql + ": " + e.getMessage(), e.getSQLState(), e);
            }
        }
    }
}
