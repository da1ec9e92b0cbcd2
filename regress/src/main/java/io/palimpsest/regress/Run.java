package io.palimpsest.regress;

import io.palimpsest.base.Key;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.pg.RelTag;
import io.palimpsest.value.Keys;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A page server that follows a PostgreSQL through the workload, and then every page compared: at
 * several moments of its history and on a branch. In between the page server is killed in the midst
 * of a round, and PostgreSQL under load.
 *
 * <p>A moment is a clean stop of PostgreSQL with a copy of its files; its LSN is the end of the
 * shutdown checkpoint.
 */
final class Run {
    private static final Duration STOP_LIMIT = Duration.ofSeconds(60);
    private static final long CATCH_UP_SECONDS = 60;
    private static final String SLOT = "palimpsest";
    private static final String NEVER_CHANGED = "cast_iron";

    private record Moment(
            int number, long lsn, DataDirectory files, Catalog catalog, TableSums sums) {}

    private final SourcePostgres postgres;
    private final ServerProcess server;
    private final ManagementClient management;
    private final Path directory;
    private final Consumer<String> progress;
    private final Workload workload;
    private final TenantId tenant;
    private final TimelineId main;
    private final TimelineId branch;
    private final List<Moment> moments = new ArrayList<>();
    private final @Nullable RunStore store;
    private final ComparisonReport reread;
    private boolean killAtHalf;
    private int losses;
    private long attachNanos;
    private long importLsn;
    private long branchLsn;

    /**
     * @param postgres is running and fresh
     * @param server is not started yet
     * @param directory for copies and evidence
     * @param store the page server's: its working directory may be lost; null: it has none
     */
    Run(
            SourcePostgres postgres,
            ServerProcess server,
            Path directory,
            long seed,
            @Nullable RunStore store,
            Consumer<String> progress) {
        this.store = store;
        this.reread = new ComparisonReport(directory.resolve("evidence"));
        this.postgres = postgres;
        this.server = server;
        this.management = new ManagementClient(server.management());
        this.directory = directory;
        this.progress = progress;
        this.workload =
                new Workload(
                        postgres::jdbcUrl,
                        postgres::newDirectory,
                        postgres.major(),
                        seed,
                        this::onStep);
        Prng ids = new Prng(seed).split("ids");
        this.tenant = new TenantId(ids.nextLong(), ids.nextLong());
        this.main = new TimelineId(ids.nextLong(), ids.nextLong());
        this.branch = new TimelineId(ids.nextLong(), ids.nextLong());
    }

    private void onStep(String step) {
        progress.accept(step);
        if (killAtHalf && step.contains("23/")) {
            killAtHalf = false;
            if (store != null) {
                loseMachine(Following.AGAIN);
                return;
            }
            progress.accept("SIGKILL to the page server, restart");
            server.kill();
            server.start();
        }
    }

    /**
     * Workload and moments, nothing compared yet.
     *
     * @param rounds how many rounds, each with a moment at its end; the kills are in the second
     */
    void follow(int rounds) throws SQLException {
        workload.prepare();
        server.start();
        progress.accept("import by BASE_BACKUP");
        long start = System.nanoTime();
        management.importFrom(tenant, main, postgres.conninfo(), SLOT);
        importLsn = insertLsn();
        progress.accept(
                String.format(
                        Locale.ROOT,
                        "imported in %.1f s, at %s",
                        (System.nanoTime() - start) / 1e9,
                        Lsn.toString(importLsn)));
        for (int round = 1; round <= rounds; round++) {
            if (round == 2) {
                branch();
                crash();
                killAtHalf = true;
            }
            workload.round(round);
            moment(round);
        }
    }

    /** Whether the source is followed again after a loss. */
    private enum Following {
        AGAIN,
        NEVER
    }

    /**
     * SIGKILL, and all that the page server had on its disk is gone. What PostgreSQL was told is
     * safe has to come back from the store alone, and every page as it was read before.
     */
    private void loseMachine(Following following) {
        long stored = awaitStored();
        management.lease(tenant, main, stored);
        awaitStored();
        RememberedPages remembered;
        try (PageserverClient client = client(main)) {
            remembered = RememberedPages.read(client, stored);
        }
        progress.accept("SIGKILL to the page server, its working directory is lost, attach");
        server.kill();
        EmbeddedPostgres.deleteDirectory(server.workingDirectory());
        long acknowledged = following == Following.AGAIN ? acknowledgedLsn() : stored;
        server.start();
        long start = System.nanoTime();
        management.attach(tenant);
        attachNanos = System.nanoTime() - start;
        losses++;
        long there = management.lsn(tenant, main, "last_record_lsn");
        progress.accept(
                String.format(
                        Locale.ROOT,
                        "attached in %.2f s, at %s; %s was acknowledged; %d pages at %s are read again",
                        attachNanos / 1e9,
                        Lsn.toString(there),
                        Lsn.toString(acknowledged),
                        remembered.size(),
                        Lsn.toString(stored)));
        if (Long.compareUnsigned(there, acknowledged) < 0) {
            throw new IllegalStateException(
                    "acknowledged up to "
                            + Lsn.toString(acknowledged)
                            + ", the store has "
                            + Lsn.toString(there));
        }
        try (PageserverClient client = client(main)) {
            remembered.compare(client, reread);
        }
        if (following == Following.AGAIN) {
            management.follow(tenant, main, postgres.conninfo(), SLOT);
        }
    }

    /** Puts all that has arrived into the store; returns the LSN which that is safe up to. */
    private long awaitStored() {
        management.checkpoint(tenant, main);
        long durable = management.lsn(tenant, main, "disk_consistent_lsn");
        await("remote_consistent_lsn", durable);
        return durable;
    }

    /** What PostgreSQL keeps no WAL for any more. */
    private long acknowledgedLsn() {
        return lsn("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = '" + SLOT + "'");
    }

    /**
     * The machine is lost once more, and PostgreSQL is out of reach: all moments come from the
     * store.
     */
    void loseAllButStore() {
        postgres.stop(STOP_LIMIT);
        loseMachine(Following.NEVER);
    }

    private long insertLsn() {
        return lsn("SELECT pg_current_wal_insert_lsn()");
    }

    private long lsn(String query) {
        try (Connection connection = DriverManager.getConnection(postgres.jdbcUrl("postgres"));
                Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(query)) {
            if (!row.next() || row.getString(1) == null) {
                throw new IllegalStateException("no LSN: " + query);
            }
            return Lsn.parse(row.getString(1)).value();
        } catch (SQLException e) {
            throw new IllegalStateException(query + ": " + e.getMessage(), e);
        }
    }

    private void branch() {
        branchLsn = moments.getFirst().lsn();
        progress.accept("branch at " + Lsn.toString(branchLsn));
        management.branch(tenant, branch, main, branchLsn);
    }

    private void crash() throws SQLException {
        progress.accept("SIGKILL to PostgreSQL under load, recovery");
        try (Workload.Background load = workload.background()) {
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
            while (load.transactions() < 300 && System.nanoTime() < end) {
                Pause.millis(20);
            }
            postgres.kill();
        }
        postgres.start();
    }

    private void moment(int number) throws SQLException {
        progress.accept("moment " + number + ": stop, copy, start");
        Catalog catalog = Catalog.read(postgres::jdbcUrl);
        TableSums sums = TableSums.read(postgres::jdbcUrl);
        postgres.stop(STOP_LIMIT);
        DataDirectory files = postgres.copyData(directory.resolve("moment-" + number));
        await("last_record_lsn", files.lsn());
        management.lease(tenant, main, files.lsn());
        postgres.start();
        moments.add(new Moment(number, files.lsn(), files, catalog, sums));
        progress.accept(
                "moment "
                        + number
                        + " is "
                        + Lsn.toString(files.lsn())
                        + ", "
                        + catalog.size()
                        + " relations");
    }

    /** Waits until that field of the main timeline's state has come to the LSN. */
    private void await(String field, long lsn) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(CATCH_UP_SECONDS);
        while (true) {
            long reached = management.lsn(tenant, main, field);
            if (Long.compareUnsigned(reached, lsn) >= 0) {
                return;
            }
            if (System.nanoTime() > end) {
                throw new IllegalStateException(
                        "the page server's "
                                + field
                                + " did not reach "
                                + Lsn.toString(lsn)
                                + ", it is at "
                                + Lsn.toString(reached)
                                + ":\n"
                                + server.logTail());
            }
            Pause.millis(50);
        }
    }

    private PageserverClient client(TimelineId timeline) {
        return PageserverClient.connect(server.pageService(), tenant, timeline, 3);
    }

    /** Compares all moments, and the branch where it began; adds what was read again. */
    ComparisonReport compare() {
        ComparisonReport all = new ComparisonReport(directory.resolve("evidence"));
        all.add(reread);
        for (Moment moment : moments) {
            try (PageserverClient client =
                    PageserverClient.connect(
                            server.pageService(), tenant, main, moment.number() % 2 == 0 ? 2 : 3)) {
                all.add(compare("moment " + moment.number(), moment, client));
            }
        }
        if (branchLsn != 0) {
            try (PageserverClient client =
                    PageserverClient.connect(server.pageService(), tenant, branch, 3, true)) {
                all.add(compare("branch", moments.getFirst(), client));
            }
        }
        return all;
    }

    private ComparisonReport compare(String what, Moment moment, PageSource source) {
        long start = System.nanoTime();
        ComparisonReport report =
                new DataDirectoryComparison(
                                moment.files(),
                                moment.catalog(),
                                source,
                                moment.lsn(),
                                importLsn,
                                directory.resolve("evidence").resolve(what.replace(' ', '-')))
                        .run();
        ComparisonReport.Tally total = report.total();
        double seconds = (System.nanoTime() - start) / 1e9;
        progress.accept(
                String.format(
                        Locale.ROOT,
                        "%s at %s: %d pages, %d changed, %d mismatches, %d unsupported (%.0f pages/s)",
                        what,
                        Lsn.toString(moment.lsn()),
                        total.pages,
                        total.changed,
                        total.mismatches,
                        total.unsupported,
                        total.pages / seconds));
        return report;
    }

    /**
     * Starts a PostgreSQL on the branch, and one on the main branch as of the last moment: sums
     * equal to those noted then, and nothing for amcheck and verify_heapam to find.
     *
     * @param bin its programs
     * @return what differs, a line each
     */
    List<String> connect(Path bin) throws SQLException {
        List<String> wrong = new ArrayList<>();
        Moment last = moments.getLast();
        connect("main", main, last.lsn(), last, bin, wrong);
        if (branchLsn != 0) {
            connect("branch", branch, 0, moments.getFirst(), bin, wrong);
        }
        return wrong;
    }

    private void connect(
            String what,
            TimelineId timeline,
            long lsn,
            Moment expected,
            Path bin,
            List<String> wrong)
            throws SQLException {
        try (ConnectedCopy copy =
                ConnectedCopy.start(
                        server, tenant, timeline, lsn, directory.resolve("copies"), bin)) {
            List<String> differences = expected.sums().differences(TableSums.read(copy::jdbcUrl));
            List<String> damage = copy.damage();
            wrong.addAll(differences);
            wrong.addAll(damage);
            progress.accept(
                    String.format(
                            Locale.ROOT,
                            "PostgreSQL on %s: branched in %.3f s, first SELECT after %.3f s, %d MB; %d tables, %d sums differ, amcheck and verify_heapam find %d",
                            what,
                            copy.branchSeconds(),
                            copy.firstSelectSeconds(),
                            copy.bytes() >> 20,
                            expected.sums().sums().size(),
                            differences.size(),
                            damage.size()));
        }
    }

    int moments() {
        return moments.size();
    }

    /** How often the page server's machine was lost. */
    int losses() {
        return losses;
    }

    /** How many pages were read before a loss and again after it. */
    long reread() {
        return reread.total().pages;
    }

    /** What the last attaching took. */
    long attachNanos() {
        return attachNanos;
    }

    /** Damages one stored page behind the server's back. */
    void flipStoredByte() {
        Moment last = moments.getLast();
        RelTag victim = null;
        for (PageSource.Fork fork : last.files().forks()) {
            Catalog.@Nullable Relation relation = last.catalog().find(fork.tag());
            if (relation != null
                    && relation.name().equals("mould.public." + NEVER_CHANGED)
                    && fork.tag().fork() == RelTag.MAIN) {
                victim = fork.tag();
            }
        }
        if (victim == null) {
            throw new IllegalStateException("no relation to flip a byte of");
        }
        Key key = Keys.block(victim, 3);
        server.stop();
        if (store == null) {
            progress.accept(StoredPageFlip.flip(server.workingDirectory(), key));
        } else {
            // What is on the disk is whole: only who reads from the store finds it.
            progress.accept(StoredPageFlip.flip(store.store(), key));
            EmbeddedPostgres.deleteDirectory(server.workingDirectory());
        }
        server.start();
        if (store != null) {
            management.attach(tenant);
        }
    }
}
