package io.palimpsest.sim.crash;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Net;
import io.palimpsest.remote.RemoteLimits;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.crash.Expected.Presence;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.sim.fault.SimWalSource;
import io.palimpsest.sim.workload.WalWorkload;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.GarbageCollector;
import io.palimpsest.timeline.Operation;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.WalSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** A Postgres and a page server that follows it, on a {@link JournalDisk}. */
final class CrashWorld {
    static final TenantId TENANT = new TenantId(1, 2);
    static final TimelineId MAIN = new TimelineId(3, 4);
    private static final long START_LSN = 0x0200_0028L;
    private static final long MILLIS = 1_000_000L;

    /** Small blocks and layers, so that a file is a few pieces; nothing is flushed unasked. */
    static final Limits LIMITS =
            new Limits(
                    1 << 20,
                    1L << 30,
                    1L << 60,
                    20,
                    1 << 16,
                    4096,
                    1 << 20,
                    10_000 * MILLIS,
                    0,
                    64,
                    4,
                    1,
                    0);

    /** No job begins unasked. */
    private static final TenantConfig CONFIG =
            new TenantConfig(0, 0, 0, 0, 1, 8, 1 << 20, 1, 10_000 * MILLIS);

    private final Machine source;
    private final Machine server;
    private final SimWalSource wal = new SimWalSource(START_LSN);
    private final ReferencePageserver reference = new ReferencePageserver();
    private final WalWorkload workload;
    private final SimPostgres postgres;
    private final Prng random;
    private JournalDisk disk;
    private final UnaryOperator<Disk> diskSeen;

    /** Null if the page server has none. */
    private final @Nullable JournalStore store;

    /** With a store: what was done, in order. */
    private final List<StoreStep> steps = new ArrayList<>();

    /** The highest LSNs that were said to be in the store. */
    private final TreeMap<TimelineId, Long> stored = new TreeMap<>();

    private @Nullable Tenants tenants;

    /** What was acknowledged, now; and the same at each operation of the journal. */
    private final TreeMap<TimelineId, Expected> expected = new TreeMap<>();

    /** Those that may get history of before they were made. */
    private final TreeSet<TimelineId> reachingBack = new TreeSet<>();

    private final List<List<Expected>> expectedAt = new ArrayList<>();
    private List<Expected> current = List.of();
    private boolean keepsSource;

    CrashWorld(Simulation s, UnaryOperator<Disk> diskSeen, boolean withStore) {
        this.diskSeen = diskSeen;
        SimNet net = new SimNet(s, FaultPlan.quiet());
        source = new Machine(net, "postgres", FaultPlan.quiet());
        server = new Machine(net, "pageserver", FaultPlan.quiet());
        random = s.random("workload");
        PgVersion version = PgVersion.ofMajor(14 + random.nextInt(5));
        workload =
                new WalWorkload(
                        random.split("records"),
                        version,
                        START_LSN,
                        reference,
                        wal,
                        source.clock()::wallMillis);
        workload.init();
        postgres = new SimPostgres(source, version, wal, workload::backup);
        disk = new JournalDisk(DiskState.EMPTY, this::noteDisk);
        store = withStore ? new JournalStore(StoreState.EMPTY, this::noteStep) : null;
    }

    /** Both start; from a task of the page server's machine. */
    void start() {
        source.start("postmaster", postgres::serve);
        tenants = load(environment(disk, server.net()), store);
    }

    private static Tenants load(Environment environment, @Nullable JournalStore store) {
        return Tenants.load(
                environment, LIMITS, CONFIG, store == null ? null : remote(environment, store));
    }

    private static RemoteStore remote(Environment e, JournalStore store) {
        return new RemoteStore(
                store,
                e.clock(),
                e.tasks(),
                e.ids(),
                e.tracer(),
                new RemoteLimits(4, 0, 2, 10 * MILLIS, 10 * MILLIS, 2, 0));
    }

    /** The page server stops in order, and starts again. */
    void restart() {
        tenants().close();
        tenants = load(environment(disk, server.net()), store);
    }

    /** The page server has stopped, and one with an empty disk takes the tenant over. */
    void startElsewhere() {
        tenants = load(environment(disk, server.net()), store);
        tenants.attach(TENANT);
    }

    /** The page server stops, and its disk is lost. */
    void loseMachine() {
        tenants().close();
        disk = new JournalDisk(DiskState.EMPTY, this::noteDisk);
    }

    private Environment environment(Disk on, Net net) {
        return new Environment(
                server.clock(),
                server.tasks(),
                diskSeen.apply(on),
                net,
                server.ids(),
                server.tracer());
    }

    /** A page server on that disk, without a network. */
    Tenants recover(Disk on) {
        return recover(on, null);
    }

    /** The same with what is in a store; what there is of the tenant comes. */
    Tenants recover(Disk on, @Nullable JournalStore with) {
        Tenants found = load(environment(on, CrashWorld::unreachable), with);
        if (with != null) {
            awaitDeletions(found);
            try {
                found.attach(TENANT);
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.NOT_FOUND) {
                    throw e;
                }
            }
            awaitDeletions(found);
        }
        awaitResumed(found);
        return found;
    }

    /** What was begun goes on by itself; an import cannot, its source being out of reach. */
    private void awaitResumed(Tenants found) {
        server.tasks().sleep(MILLIS);
        int looks = 0;
        while (found.operations().list().stream()
                .anyMatch(operation ->
                        operation.state() == Operation.State.RUNNING
                                && !operation.stage().startsWith("tried again in "))) {
            Check.that(looks++ < 1000, "what does not end: %s", found.operations().list());
            server.tasks().sleep(10 * MILLIS);
        }
    }

    /** What was begun is gone on with by itself. */
    private void awaitDeletions(Tenants found) {
        for (int i = 0; !found.deletions().isEmpty(); i++) {
            Check.that(i < 100, "a deletion that does not end: %s", found.deletions());
            server.tasks().sleep(1000 * MILLIS);
        }
    }

    private static Net.Connection unreachable(String host, int port, long timeoutNanos) {
        throw PageserverException.of(ErrorCode.IO, "%s:%d is unreachable", host, port);
    }

    Machine server() {
        return server;
    }

    Tenants tenants() {
        return Objects.requireNonNull(tenants, "the page server has not been started");
    }

    Prng random() {
        return random;
    }

    JournalDisk disk() {
        return disk;
    }

    void close() {
        tenants().close();
        postgres.stop();
    }

    // ---- what was acknowledged ----

    private void noteExpected() {
        expected.replaceAll((id, e) -> e.presence() == Presence.THERE ? withLsns(e) : e);
        List<Expected> now = List.copyOf(expected.values());
        if (!now.equals(current)) {
            current = now;
        }
        expectedAt.add(current);
    }

    private void noteDisk() {
        if (store == null) {
            noteExpected();
        } else {
            noteStep(null);
        }
    }

    /** Null: of the disk. */
    private void noteStep(JournalStore.@Nullable Request request) {
        steps.add(stepNow(request));
    }

    /** What must be found if power is lost before that is done. */
    StoreStep stepNow(JournalStore.@Nullable Request request) {
        List<Expected> here = expectedNow();
        List<Expected> elsewhere = new ArrayList<>();
        for (Expected e : here) {
            elsewhere.add(e.withLsns(storedLsn(e), 0));
        }
        return new StoreStep(
                request, Objects.requireNonNull(store).state(), here, List.copyOf(elsewhere));
    }

    private long storedLsn(Expected e) {
        long before = stored.getOrDefault(e.timeline(), 0L);
        if (e.presence() == Presence.THERE) {
            try {
                Timeline t = tenants().timeline(TENANT, e.timeline());
                before = Math.max(before, t.remoteConsistentLsn());
            } catch (PageserverException busy) {
                return before;
            }
            stored.put(e.timeline(), before);
        }
        return before;
    }

    List<StoreStep> steps() {
        return steps;
    }

    private Expected withLsns(Expected e) {
        Timeline t;
        try {
            t = tenants().timeline(TENANT, e.timeline());
        } catch (PageserverException busy) {
            return e;
        }
        long durable = t.diskConsistentLsn();
        long cutoff = reachingBack.contains(t.id()) ? 0 : t.oldestReadableLsn();
        return durable == e.durable() && cutoff == e.cutoff() ? e : e.withLsns(durable, cutoff);
    }

    /** What must be found after a loss of power before that operation. */
    List<Expected> expectedAt(int operation) {
        return expectedAt.get(operation);
    }

    /** What must be found after a loss of power now. */
    List<Expected> expectedNow() {
        noteExpected();
        return expectedAt.removeLast();
    }

    void expect(Expected e) {
        expected.put(e.timeline(), e);
    }

    Expected expected(TimelineId id) {
        return Objects.requireNonNull(expected.get(id), "a timeline nothing is expected of");
    }

    // ---- what protocols do ----

    Timeline importMain() {
        expect(new Expected(MAIN, Presence.PERHAPS, reference, 0, 0, List.of()));
        WalSource from =
                WalSource.parse("host=postgres port=" + SimPostgres.PORT + " user=sim", "sim");
        Timeline made = tenants().createFromSource(TENANT, MAIN, from);
        expect(expected(MAIN).with(Presence.THERE));
        return made;
    }

    /** From then on, whom the main timeline follows must be known after any loss of power. */
    void pause(boolean paused) {
        keepsSource = true;
        tenants().pause(TENANT, MAIN, paused);
    }

    /** Whether a server that recovers follows whom it has to. */
    void checkFollows(Tenants recovered) {
        Check.that(
                !keepsSource || recovered.receiver(TENANT, MAIN) != null,
                "it is forgotten whom timeline %s follows",
                MAIN);
    }

    Timeline main() {
        return tenants().timeline(TENANT, MAIN);
    }

    /** The source writes some records. */
    void write(int records) {
        for (int i = 0; i < records; i++) {
            workload.write();
        }
    }

    /** The same, and they arrive. */
    void stream(int records) {
        write(records);
        main().waitFor(wal.end());
    }

    void flush() {
        main().flushUpTo(main().lastRecordLsn());
    }

    /** Waits until the store has all that the disk has, and nothing is to be deleted there. */
    void settle() {
        server.tasks().sleep(1000 * MILLIS);
        for (Timeline t : tenants().timelines(TENANT)) {
            Check.that(
                    t.remoteConsistentLsn() >= t.diskConsistentLsn(),
                    "the store has WAL up to %s, the disk up to %s",
                    Lsn.toString(t.remoteConsistentLsn()),
                    Lsn.toString(t.diskConsistentLsn()));
        }
    }

    /** Merges all there is to merge, makes images, and drops the history below the cutoff. */
    void compact() {
        tenants().housekeeper().compactNow(main());
    }

    /** No history is kept but what branches and leases need. */
    void collect() {
        GarbageCollector.Result _ = tenants().housekeeper().gcNow(main(), 0);
    }

    /** A branch of a timeline without a WAL of its own. */
    Timeline branch(TimelineId id, TimelineId ancestor, long lsn) {
        expect(
                new Expected(
                        id, Presence.PERHAPS, expected(ancestor).reference(), 0, 0, List.of(lsn)));
        Timeline made = tenants().createBranch(TENANT, id, ancestor, lsn);
        expect(expected(id).with(Presence.THERE));
        return made;
    }

    /** Makes a branch independent, which may have its history begin earlier. */
    List<TimelineId> detach(TimelineId id, boolean siblings) {
        reachingBack.add(id);
        expect(expected(id).withLsns(expected(id).durable(), 0));
        return tenants().detach(TENANT, id, siblings);
    }

    /** The LSN stays readable for a while. */
    void lease(TimelineId id, long lsn) {
        long _ = tenants().timeline(TENANT, id).lease(lsn);
        Expected before = expected(id);
        List<Long> readable = new ArrayList<>(before.readable());
        readable.add(lsn);
        expect(before.withReadable(readable));
    }

    /** All of the tenant goes; nothing may feed it. */
    void deleteTenant() {
        expected.replaceAll((id, e) -> e.with(Presence.PERHAPS));
        tenants().deleteTenant(TENANT, false);
        expected.replaceAll((id, e) -> e.with(Presence.GONE));
    }

    /** Something that is asked for, done, and then acknowledged. */
    void change(TimelineId id, Presence during, Runnable step, Presence after) {
        expect(expected(id).with(during));
        step.run();
        expect(expected(id).with(after));
    }
}
