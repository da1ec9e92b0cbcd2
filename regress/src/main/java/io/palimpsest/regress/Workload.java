package io.palimpsest.regress;

import io.palimpsest.base.Prng;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * What a PostgreSQL is put through while its WAL is streamed: every relation kind and index kind,
 * every way pages, files, databases and transaction states come and go. Rounds repeat all steps in
 * an order and with values the seed decides; two more sessions write all the while, so the WAL is
 * not the same byte for byte each time.
 *
 * <p>Prepare once, then round after round. Between rounds nothing runs, so the server can be
 * stopped. Not for several threads.
 */
public final class Workload {
    public static final String DATABASE = "workload";

    /** Deadlock, lock not available, serialisation: worth another try. */
    private static final Set<String> PASSING = Set.of("40P01", "40001", "55P03");

    private final UnaryOperator<String> jdbcUrl;
    private final UnaryOperator<String> newDirectory;
    private final int major;
    private final Prng prng;
    private final Consumer<String> progress;
    private final List<Step> steps = new ArrayList<>();
    private int openPrepared = -1;

    /**
     * @param jdbcUrl a database's URL by its name
     * @param newDirectory makes a directory for a tablespace and returns its path as the server
     *     sees it
     * @param major the server's version
     * @param progress is told the name of each step
     */
    public Workload(
            UnaryOperator<String> jdbcUrl,
            UnaryOperator<String> newDirectory,
            int major,
            long seed,
            Consumer<String> progress) {
        this.jdbcUrl = jdbcUrl;
        this.newDirectory = newDirectory;
        this.major = major;
        this.prng = new Prng(seed);
        this.progress = progress;
        steps.addAll(TableSteps.all());
        steps.addAll(IndexSteps.all());
        steps.addAll(TransactionSteps.all());
        steps.addAll(new ClusterSteps(newDirectory).all());
    }

    /** Databases, tables and some rows: what there is before the import. */
    public void prepare() throws SQLException {
        progress.accept("schema and first rows");
        try (Session cluster = open("postgres")) {
            Schema.create(cluster, newDirectory.apply("early"));
        }
        try (Session session = open(DATABASE)) {
            TableSteps.insertAccounts(session, 4000);
            TableSteps.longValues(session, 300);
            for (String name : List.of("gist and spgist: growth", "hash: growth, squeeze")) {
                step(name).action().run(session);
            }
        }
    }

    /** All steps once; at its end a prepared transaction stays open until the next round. */
    public void round(int number) throws SQLException {
        List<Step> order = shuffled();
        try (Background background = background();
                Session session = open(DATABASE)) {
            for (int i = 0; i < order.size(); i++) {
                Step step = order.get(i);
                progress.accept(
                        String.format(
                                Locale.ROOT,
                                "round %d, %2d/%d: %s",
                                number,
                                i + 1,
                                order.size(),
                                step.name()));
                runStep(step, session);
            }
            if (openPrepared >= 0) {
                TransactionSteps.finish(session, openPrepared);
            }
            TransactionSteps.leaveOpen(session, number);
            openPrepared = number;
            background.check();
        }
    }

    /** Names of all steps, for the curious. */
    public List<String> stepNames() {
        return steps.stream().map(Step::name).toList();
    }

    private Step step(String name) {
        return steps.stream().filter(s -> s.name().equals(name)).findFirst().orElseThrow();
    }

    private void runStep(Step step, Session session) throws SQLException {
        for (int attempt = 1; ; attempt++) {
            try {
                step.action().run(session);
                return;
            } catch (SQLException e) {
                if (attempt == 5 || !PASSING.contains(String.valueOf(e.getSQLState()))) {
                    throw new SQLException(
                            "step '" + step.name() + "': " + e.getMessage(), e.getSQLState(), e);
                }
                session.rollback();
            }
        }
    }

    private List<Step> shuffled() {
        List<Step> order = new ArrayList<>(steps);
        for (int i = order.size() - 1; i > 0; i--) {
            int j = prng.nextInt(i + 1);
            Step other = order.get(j);
            order.set(j, order.get(i));
            order.set(i, other);
        }
        return order;
    }

    private Session open(String database) throws SQLException {
        return Session.open(jdbcUrl, database, prng, major);
    }

    /** Small transactions of two sessions until closed: also what a crash is to interrupt. */
    public Background background() {
        return new Background();
    }

    /** See {@link #background}. It makes no relation, so a crash leaves no orphaned file. */
    public final class Background implements AutoCloseable {
        private final AtomicBoolean stopping = new AtomicBoolean();
        private final AtomicLong transactions = new AtomicLong();
        private final List<Thread> threads = new ArrayList<>();
        private volatile @Nullable SQLException failure;

        private Background() {
            for (int i = 0; i < 2; i++) {
                Prng own = prng.split("background " + i);
                threads.add(Thread.ofPlatform().name("background-" + i).start(() -> work(own)));
            }
        }

        private void work(Prng own) {
            try (Session session = Session.open(jdbcUrl, DATABASE, own, major)) {
                while (!stopping.get()) {
                    try {
                        transaction(session);
                        transactions.incrementAndGet();
                    } catch (SQLException e) {
                        if (!PASSING.contains(String.valueOf(e.getSQLState()))) {
                            throw e;
                        }
                        session.rollback();
                    }
                    TimeUnit.MILLISECONDS.sleep(2);
                }
            } catch (SQLException e) {
                failure = e;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        private void transaction(Session s) throws SQLException {
            int id = 1 + s.random(4000);
            s.begin();
            s.run("SET LOCAL synchronous_commit = " + (s.random(3) == 0 ? "off" : "on"));
            s.run("UPDATE accounts SET balance = balance + 1 WHERE id = " + id);
            s.run(
                    "INSERT INTO history (account, delta, note) SELECT id, 1, 'background' FROM accounts WHERE id = "
                            + id);
            s.run("UPDATE locked SET v = v + 1 WHERE id = " + id);
            if (s.random(5) == 0) {
                s.rollback();
            } else {
                s.commit();
            }
        }

        /** How many transactions have ended so far. */
        public long transactions() {
            return transactions.get();
        }

        void check() throws SQLException {
            SQLException seen = failure;
            if (seen != null) {
                throw new SQLException("a background session failed: " + seen.getMessage(), seen);
            }
        }

        @Override
        public void close() {
            stopping.set(true);
            for (Thread thread : threads) {
                while (thread.isAlive()) {
                    try {
                        thread.join();
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                        return;
                    }
                }
            }
        }
    }
}
