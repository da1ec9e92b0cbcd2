package io.palimpsest.regress.bench;

import io.palimpsest.base.Lsn;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import io.palimpsest.pg.RelTag;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The PostgreSQL whose WAL is measured, and its load: TPC-B in the server's own procedural
 * language, INSERT .. SELECT and COPY into tables with a primary key, index builds, an update of
 * many rows, DELETE and VACUUM. No checkpoint falls into it, so that recovery after a kill replays
 * exactly this.
 */
final class BenchSource implements AutoCloseable {
    private static final Pattern REDO_DONE =
            Pattern.compile(
                    "redo done at .* user: ([0-9.]+) s, system: ([0-9.]+) s, elapsed: ([0-9.]+) s");

    /** What recovery of the whole load took. */
    record Recovery(double elapsedSeconds, double cpuSeconds) {}

    private final EmbeddedPostgres postgres;
    private final int scale;

    BenchSource(int major, Path directory, int scale) {
        this.scale = scale;
        this.postgres =
                EmbeddedPostgres.create(
                        PostgresBinaries.fetch(major),
                        directory.resolve("postgres"),
                        Map.of(
                                "shared_buffers", "512MB",
                                "max_wal_size", "16GB",
                                "wal_keep_size", "8GB",
                                "checkpoint_timeout", "1d",
                                "autovacuum", "off",
                                "synchronous_commit", "off",
                                "track_commit_timestamp", "off",
                                "jit", "off"));
        postgres.start();
    }

    String conninfo() {
        return postgres.conninfo();
    }

    int port() {
        return postgres.port();
    }

    String password() {
        return postgres.password();
    }

    Path wal() {
        return postgres.data().resolve("pg_wal");
    }

    /** Tables, among them one that is never touched again. */
    void prepare() {
        run(
                "CREATE TABLE branches (bid int PRIMARY KEY, balance int, filler char(88))",
                "CREATE TABLE tellers (tid int PRIMARY KEY, bid int, balance int, filler char(84))",
                "CREATE TABLE accounts (aid int PRIMARY KEY, bid int, balance int, filler char(84))",
                "CREATE TABLE history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))",
                "INSERT INTO branches SELECT i, 0, '' FROM generate_series(1, " + scale + ") i",
                "INSERT INTO tellers SELECT i, 1, 0, '' FROM generate_series(1, 10 * "
                        + scale
                        + ") i",
                "INSERT INTO accounts SELECT i, 1, 0, '' FROM generate_series(1, 100000 * "
                        + scale
                        + ") i",
                """
                CREATE PROCEDURE tpcb(n int, scale int) LANGUAGE plpgsql AS $$
                DECLARE a int; b int; t int; d int;
                BEGIN
                  FOR i IN 1..n LOOP
                    a := 1 + floor(random() * 100000 * scale);
                    b := 1 + floor(random() * scale);
                    t := 1 + floor(random() * 10 * scale);
                    d := floor(random() * 10000) - 5000;
                    UPDATE accounts SET balance = balance + d WHERE aid = a;
                    UPDATE tellers SET balance = balance + d WHERE tid = t;
                    UPDATE branches SET balance = balance + d WHERE bid = b;
                    INSERT INTO history VALUES (t, b, a, d, now(), '');
                    COMMIT;
                  END LOOP;
                END $$
                """,
                "CREATE TABLE stills (id int, filler char(200))",
                "INSERT INTO stills SELECT i, i::text FROM generate_series(1, 66000) i",
                "CREATE TABLE chains (id int, v int, filler char(200)) WITH (fillfactor = 60)",
                "INSERT INTO chains SELECT i, 0, i::text FROM generate_series(1, 44000) i",
                "VACUUM (FREEZE, ANALYZE)",
                "CHECKPOINT");
    }

    /** The load of which WAL is measured; its first checkpoint comes before what is measured. */
    void work() {
        run(
                "CALL tpcb(" + 10_000 * scale + ", " + scale + ")",
                "CREATE TABLE facts (id int PRIMARY KEY, a int, b text)",
                "INSERT INTO facts SELECT i, (i::bigint * 7919) % 100003, md5(i::text) FROM generate_series(1, 120000 * "
                        + scale
                        + ") i",
                "COPY facts TO '" + postgres.writableDirectory("copy") + "/facts'",
                "CREATE TABLE copied (LIKE facts)",
                "COPY copied FROM '" + postgres.writableDirectory("copy") + "/facts'",
                "CREATE INDEX ON copied (a)",
                "CREATE INDEX ON copied (b)",
                "UPDATE facts SET a = a + 1 WHERE id % 4 = 0",
                "DELETE FROM copied WHERE id % 10 = 0",
                "VACUUM copied");
    }

    /** Five small updates of each page of a table; the first comes with a page image. */
    void makeChains() {
        for (int i = 1; i <= 5; i++) {
            run("UPDATE chains SET v = v + 1 WHERE ctid::text LIKE '%," + i + ")'");
        }
    }

    /** Ends the WAL segment; everything up to the LSN answered is in files. */
    long switchWal() {
        return Lsn.parse(ask("SELECT pg_switch_wal()")).value();
    }

    RelTag table(String name) {
        return new RelTag(
                RelTag.DEFAULT_TABLESPACE,
                Integer.parseInt(
                        ask("SELECT oid FROM pg_database WHERE datname = current_database()")),
                Integer.parseInt(ask("SELECT pg_relation_filenode('" + name + "')")),
                RelTag.MAIN);
    }

    int blocks(String name) {
        return Integer.parseInt(ask("SELECT pg_relation_size('" + name + "') / 8192"));
    }

    /** Kills it, and keeps its files as they then are for {@link #recover}. */
    void crash() {
        postgres.kill();
        postgres.saveData();
    }

    /** Starts it on those files and reads from its log what redo took. */
    Recovery recover() {
        if (postgres.isRunning()) {
            postgres.kill();
        }
        postgres.restoreData();
        postgres.start();
        Recovery last = null;
        try {
            List<String> lines = Files.readAllLines(postgres.log());
            for (String line : lines) {
                Matcher m = REDO_DONE.matcher(line);
                if (m.find()) {
                    last =
                            new Recovery(
                                    Double.parseDouble(m.group(3)),
                                    Double.parseDouble(m.group(1))
                                            + Double.parseDouble(m.group(2)));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        postgres.kill();
        if (last == null) {
            throw new IllegalStateException("no redo in PostgreSQL's log:\n" + postgres.logTail());
        }
        return last;
    }

    private void run(String... statements) {
        try (Connection c = DriverManager.getConnection(postgres.jdbcUrl("postgres"));
                Statement s = c.createStatement()) {
            for (String sql : statements) {
                s.execute(sql);
            }
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    private String ask(String query) {
        try (Connection c = DriverManager.getConnection(postgres.jdbcUrl("postgres"));
                Statement s = c.createStatement();
                ResultSet row = s.executeQuery(query)) {
            if (!row.next()) {
                throw new SQLException("no row: " + query);
            }
            return row.getString(1).toUpperCase(Locale.ROOT);
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        postgres.close();
    }
}
