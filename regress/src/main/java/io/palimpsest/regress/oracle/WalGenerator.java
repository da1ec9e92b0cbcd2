package io.palimpsest.regress.oracle;

import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.regress.RecordingWorkload;
import io.palimpsest.regress.Workload;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Keeps a server writing WAL of all kinds until closed: one session goes round the workloads that
 * reach many kinds of record, others write many small records on tables of their own. An error is
 * told once for each of the workloads and ends nothing: what the server logged is right all the
 * same.
 */
final class WalGenerator implements AutoCloseable {
    private static final int BULK_SESSIONS = 3;
    private static final long MAX_LAG = 64L << 20;
    private static final String BULK = "bulk";

    private final EmbeddedPostgres postgres;
    private final Phase phase;
    private final Consumer<String> progress;
    private final LongSupplier lag;
    private final AtomicBoolean stopping = new AtomicBoolean();
    private final List<Thread> threads = new ArrayList<>();
    private final Workload workload;
    private int databases;

    /**
     * @param lag bytes of WAL not consumed yet; bulk sessions wait while it is large
     * @param regression PostgreSQL's own tests to run beside it all, or null
     */
    WalGenerator(
            EmbeddedPostgres postgres,
            Phase phase,
            long seed,
            LongSupplier lag,
            @Nullable RegressionSql regression,
            Consumer<String> progress)
            throws SQLException, IOException {
        this.postgres = postgres;
        this.phase = phase;
        this.lag = lag;
        this.progress = progress;
        this.workload =
                new Workload(
                        postgres::jdbcUrl,
                        name -> postgres.writableDirectory(name).toString(),
                        postgres.major(),
                        seed,
                        step -> {});
        runAll("postgres", List.of("create database " + BULK));
        runAll(
                BULK,
                List.of(
                        "create extension bloom",
                        "create table shared (id int primary key, n int default 0)",
                        "insert into shared select g, 0 from generate_series(0, 120) g"));
        // The regression tests are to come to their end.
        int sessions = regression == null ? BULK_SESSIONS : 1;
        for (int i = 0; i < sessions; i++) {
            int session = i;
            start("bulk-" + i, () -> bulk(session, seed));
        }
        start("rounds", this::rounds);
        if (regression != null) {
            start("regression", () -> regression.run(postgres, stopping::get, progress));
        }
    }

    @FunctionalInterface
    private interface Work {
        void run() throws SQLException, IOException, InterruptedException;
    }

    private void start(String name, Work work) {
        threads.add(Thread.ofPlatform().name(name).daemon().start(() -> attempt(name, work)));
    }

    /** True if it went well, or is over anyway. */
    private boolean attempt(String name, Work work) {
        try {
            work.run();
            return true;
        } catch (SQLException | IOException e) {
            if (!stopping.get()) {
                progress.accept("workload '" + name + "': " + e.getMessage());
            }
            return stopping.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return true;
        }
    }

    private void bulk(int session, long seed)
            throws SQLException, IOException, InterruptedException {
        List<String> statements = SqlScript.resource("bulk.sql");
        try (Connection c = DriverManager.getConnection(postgres.jdbcUrl(BULK));
                Statement s = c.createStatement()) {
            s.execute("create schema s" + session);
            s.execute("set search_path = s" + session + ", public");
            s.execute("set lock_timeout = '20s'");
            s.execute("select setseed(" + (seed * 31 + session) % 1000 / 1000.0 + ")");
            for (String statement : SqlScript.resource("bulk-schema.sql")) {
                s.execute(statement);
            }
            int told = 0;
            for (int i = session * 7; !stopping.get(); i++) {
                while (lag.getAsLong() > MAX_LAG && !stopping.get()) {
                    TimeUnit.MILLISECONDS.sleep(5);
                }
                String statement = statements.get(i % statements.size());
                try {
                    s.execute(statement);
                } catch (SQLException e) {
                    boolean lost = "57P01".equals(e.getSQLState()) || c.isClosed();
                    boolean deadlock = "40P01".equals(e.getSQLState());
                    if (lost) {
                        throw e;
                    }
                    if (!deadlock && told++ == 0) {
                        progress.accept("workload '" + statement + "': " + e.getMessage());
                    }
                }
            }
        }
    }

    private void rounds() throws SQLException, IOException, InterruptedException {
        boolean prepared = false;
        boolean recording = true;
        boolean extra = true;
        for (int round = 0; !stopping.get(); round++) {
            if (extra) {
                extra = false;
                attempt("extra", this::extra);
            }
            recording = recording && attempt("recording", this::recording);
            attempt("rare", () -> inNewDatabase(SqlScript.resource("rare.sql")));
            if (!prepared) {
                prepared = attempt("prepare", workload::prepare);
            }
            int number = round;
            if (prepared && !stopping.get()) {
                attempt("round", () -> workload.round(number));
            }
        }
    }

    private void recording() throws SQLException, IOException, InterruptedException {
        String database = newDatabase();
        Path tablespace = postgres.writableDirectory("tablespace-" + database);
        new RecordingWorkload(
                        postgres.major(),
                        () -> DriverManager.getConnection(postgres.jdbcUrl(database)),
                        tablespace)
                .run();
        runAll("postgres", List.of("drop database " + database));
    }

    private void extra() throws SQLException, IOException {
        if (phase.logical()) {
            inNewDatabase(SqlScript.resource("extra-logical.sql"));
        }
        inNewDatabase(SqlScript.resource("extra.sql"));
        runAll(
                "postgres",
                postgres.major() == 14
                        ? List.of("select pg_start_backup('b', true)", "select pg_stop_backup()")
                        : List.of("select pg_backup_start('b', true), pg_backup_stop(false)"));
    }

    private void inNewDatabase(List<String> statements) throws SQLException {
        String database = newDatabase();
        runAll(database, statements);
        runAll("postgres", List.of("drop database " + database));
    }

    private String newDatabase() throws SQLException {
        String database = "w" + databases++;
        runAll("postgres", List.of("create database " + database));
        return database;
    }

    /** In one session, until it is time to stop. */
    private void runAll(String database, List<String> statements) throws SQLException {
        try (Connection c =
                        DriverManager.getConnection(
                                postgres.jdbcUrl(database) + "&preferQueryMode=simple");
                Statement s = c.createStatement()) {
            for (String statement : statements) {
                if (stopping.get()) {
                    return;
                }
                try {
                    s.execute(statement);
                } catch (SQLException e) {
                    throw new SQLException(statement + ": " + e.getMessage(), e.getSQLState(), e);
                }
            }
        }
    }

    /** From now on errors are no news: sessions may be ended. */
    void stop() {
        stopping.set(true);
    }

    /** Waits for the sessions, whose server has ended by now. */
    @Override
    public void close() {
        stop();
        for (Thread thread : threads) {
            try {
                thread.join(TimeUnit.SECONDS.toMillis(20));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }
}
