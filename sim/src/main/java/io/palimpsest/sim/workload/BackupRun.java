package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.Tasks;
import io.palimpsest.remote.RemoteLimits;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.sim.fault.SimWalSource;
import io.palimpsest.tenant.Secondaries;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Droppable;
import io.palimpsest.timeline.Location;
import io.palimpsest.timeline.LocationMode;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.WalReceiver;
import io.palimpsest.timeline.WalSource;
import java.util.OptionalInt;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/** One run of {@link BackupScenario}: the source, the store, and what was confirmed to anybody. */
final class BackupRun {
    private static final long MILLIS = 1_000_000L;
    private static final long SECOND = 1000 * MILLIS;
    static final TenantId TENANT = new TenantId(1, 2);
    static final TimelineId MAIN = new TimelineId(3, 4);
    private static final long START_LSN = 0x0200_0028L;
    private static final WalSource SOURCE =
            WalSource.parse("host=postgres port=" + SimPostgres.PORT + " user=sim", "sim");
    private static final long CATCH_UP_NANOS = 3600 * SECOND;

    /** After that nothing is carried out that was asked for before. */
    static final long LATEST_NANOS = 1000 * SECOND;

    private final BackupProfile profile;
    private final Prng random;
    private final Machine source;
    private final SimObjectStore store;
    private final BackupSizes sizes;
    private final ReferencePageserver reference;
    private final SimWalSource wal;
    private final WalWorkload workload;
    private final SimPostgres postgres;
    private final long pauseNanos;
    private int records;

    /** How often a server came to have the tenant. */
    private int served;

    /** That the timeline was made was confirmed. */
    private boolean made;

    /** Two servers have been at it at once. */
    private boolean rivals;

    private boolean outages = true;

    /** What was there before all began, and what became of it. */
    private final @Nullable BackupGolden golden;

    private final BackupBranches branches;
    private final BackupLeases leases;

    /** Damages what is in the store; null if nobody does. */
    private final @Nullable StoreVandal vandal;

    BackupRun(
            BackupProfile profile,
            Prng random,
            Machine source,
            SimObjectStore store,
            @Nullable StoreVandal vandal) {
        this.profile = profile;
        this.random = random;
        golden = profile.golden() ? new BackupGolden(this, random) : null;
        reference = golden == null ? new ReferencePageserver() : golden.reference(MAIN);
        wal = new SimWalSource(golden == null ? START_LSN : golden.end(MAIN));
        branches = new BackupBranches(this, profile, random, golden);
        this.source = source;
        this.store = store;
        this.vandal = vandal;
        PgVersion any = PgVersion.ofMajor(14 + random.nextInt(5));
        PgVersion version = golden == null ? any : golden.version();
        leases = new BackupLeases(random.split("leases"), reference);
        sizes = BackupSizes.of(random);
        records = 50 + random.nextInt(250);
        pauseNanos = 1L + random.nextLong(100 * MILLIS);
        Prng ofRecords = random.split("records");
        LongSupplier date = source.clock()::wallMillis;
        workload =
                golden == null
                        ? new WalWorkload(ofRecords, version, START_LSN, reference, wal, date)
                        : golden.workload(ofRecords, reference, wal, date);
        postgres = new SimPostgres(source, version, wal, workload::backup);
        if (golden == null) {
            workload.init();
        } else {
            made = true;
            postgres.createSlot();
            golden.leases().forEach(leases::promised);
        }
    }

    @Nullable BackupGolden golden() {
        return golden;
    }

    /** What a timeline is to be; a branch that nobody writes to is what it hangs on. */
    ReferencePageserver reference(TimelineId id) {
        return golden == null ? reference : golden.reference(id);
    }

    BackupBranches branches() {
        return branches;
    }

    /** Up to where the source has written. */
    long walEnd() {
        return wal.end();
    }

    BackupFinale finale() {
        return new BackupFinale(this, random, store);
    }

    void servePostgres() {
        postgres.serve();
    }

    void stopPostgres() {
        postgres.stop();
    }

    /** The source's clients. */
    void write() {
        while (records > 0) {
            workload.write();
            records--;
            source.tasks().sleep(random.nextLong(2 * pauseNanos));
        }
    }

    void outage(long nanos) {
        if (outages) {
            store.outage(nanos);
        }
    }

    void noMoreOutages() {
        outages = false;
        store.outage(0);
    }

    /** Damages what is in the store until {@link #noMoreDamage}. */
    void damage() {
        if (vandal != null) {
            vandal.run(source.tasks());
        }
    }

    /** All is as it was put, from now on. */
    void noMoreDamage() {
        if (vandal != null) {
            vandal.stop();
        }
    }

    void rival() {
        rivals = true;
    }

    RemoteStore remote(Machine machine) {
        return remote(machine, store, sizes.remote());
    }

    /**
     * For somebody who begins anew when one of his many requests fails: with the attempts of an
     * ordinary configuration, for with one each he would never get through.
     */
    RemoteStore patient(Machine machine, ObjectStore objects) {
        return remote(
                machine, objects, sizes.remote().withAttempts(RemoteLimits.DEFAULT.attempts()));
    }

    private static RemoteStore remote(Machine machine, ObjectStore objects, RemoteLimits limits) {
        return new RemoteStore(
                objects, machine.clock(), machine.tasks(), machine.ids(), machine.tracer(), limits);
    }

    Tenants load(Machine machine) {
        return load(machine, remote(machine));
    }

    Tenants load(Machine machine, RemoteStore remote) {
        return Tenants.load(
                machine.environment(),
                sizes.limits(),
                sizes.tenant(),
                remote,
                sizes.eviction(),
                sizes.ownership(),
                sizes.heatmap());
    }

    /** Somebody who owns nothing. */
    StoreOperator operator(Machine machine) {
        return new StoreOperator(machine, remote(machine), TenantShardId.unsharded(TENANT));
    }

    /** A page server's life. It ends by itself if it is the last one, or another has taken over. */
    void serve(Machine machine, boolean last) {
        boolean again;
        do {
            Tenants tenants = load(machine);
            Timeline timeline = timeline(machine, tenants, last);
            again = timeline != null && serve(machine, tenants, timeline, last);
            tenants.close();
        } while (again);
    }

    /** Keeps layers ready, until it is to end. */
    void standBy(Machine machine, BooleanSupplier ending) {
        Tenants tenants = load(machine);
        boolean told = false;
        while (!ending.getAsBoolean()) {
            try {
                if (!told) {
                    tenants.locate(TENANT, LocationMode.SECONDARY, OptionalInt.empty(), true, null);
                    told = true;
                }
                Check.that(
                        tenants.timelines(TENANT).isEmpty(),
                        "a secondary location serves something");
                if (random.nextInt(4) == 0) {
                    Secondaries.Progress progress =
                            tenants.downloadSecondary(TENANT, random.nextLong(SECOND));
                    if (progress.complete() && progress.layers() > 0) {
                        machine.node().simulation().probe("backup-ready");
                    }
                }
            } catch (PageserverException e) {
                machine.note("backup-again", String.valueOf(e.getMessage()));
                Check.that(e.code() == ErrorCode.IO, "%s", e);
            }
            machine.tasks().sleep(random.nextLong(SECOND));
        }
        tenants.close();
    }

    /** A secondary location becomes the owner; of a tenant that nobody has made it is none. */
    private void promote(Machine machine, Tenants tenants) {
        try {
            tenants.attach(TENANT);
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.NOT_FOUND) {
                throw e;
            }
            tenants.locate(TENANT, LocationMode.DETACHED, OptionalInt.empty(), false, null);
            return;
        }
        boolean warm = tenants.timelines(TENANT).stream().anyMatch(t -> t.residentBytes() > 0);
        machine.node().simulation().probe(warm ? "backup-promoted-warm" : "backup-promoted-cold");
    }

    private static boolean standsBy(Tenants tenants) {
        Location at = tenants.location(TENANT);
        return at != null && at.mode() == LocationMode.SECONDARY;
    }

    /** Until a server has the tenant that had it not before, or its life is over. */
    void awaitServing(Tasks.Task life) {
        int before = served;
        while (served == before && !life.isDone()) {
            source.tasks().sleep(SECOND);
        }
    }

    /** False if the life is over, true if somebody restarts the server because it asks for that. */
    private boolean serve(Machine machine, Tenants tenants, Timeline timeline, boolean last) {
        noteMade(timeline);
        served++;
        Check.that(
                timeline.lastRecordLsn() >= wal.keptFrom(),
                "it begins at %s, but %s was acknowledged",
                Lsn.toString(timeline.lastRecordLsn()),
                Lsn.toString(wal.keptFrom()));
        branches.check(machine, tenants, rivals && !last);
        checkLeases(machine, timeline, rivals && !last);
        if (golden != null) {
            golden.readSome(machine, tenants, rivals && !last);
        }
        return follow(machine, tenants, timeline, last);
    }

    /**
     * A machine serves what it has made also before the store has it, and while nobody was told
     * that it is made. If it is lost then, the timeline is made anew.
     */
    private void noteMade(Timeline timeline) {
        made |= timeline.remoteConsistentLsn() > 0 || wal.keptFrom() > START_LSN;
    }

    private boolean follow(Machine machine, Tenants tenants, Timeline timeline, boolean last) {
        long deadline = machine.clock().monotonicNanos() + CATCH_UP_NANOS;
        while (!last || records > 0 || timeline.lastRecordLsn() < wal.end()) {
            if (fenced(timeline)) {
                Check.that(
                        !last, "the last server is fenced: %s", String.valueOf(timeline.failure()));
                machine.note("backup-fenced", String.valueOf(timeline.failure()));
                // What it has got it serves on.
                compareSome(machine, timeline);
                return false;
            }
            WalReceiver receiver = tenants.receiver(TENANT, MAIN);
            boolean broken = receiver == null || receiver.state() == WalReceiver.State.BROKEN;
            if (broken && rivals && !last) {
                // The source has given to the other one what this one has not got.
                return false;
            }
            if (broken && !fenced(timeline)) {
                String status = receiver == null ? "none" : receiver.status();
                Check.that(vandal != null && vandal.excuses(status), "WAL receiver: %s", status);
                machine.node().simulation().probe("backup-restarted");
                return true;
            }
            evictSome(machine, tenants, timeline);
            noteMade(timeline);
            Watermarks.of(machine, timeline);
            compareSome(machine, timeline);
            if (golden != null) {
                golden.readSome(machine, tenants, rivals && !last);
            }
            if (random.nextInt(8) == 0) {
                lease(machine, timeline);
            }
            if (random.nextInt(4) == 0) {
                checkLeases(machine, timeline, rivals && !last);
            }
            if (profile.branchChange().strikes(random)) {
                branches.change(machine, tenants, timeline, last);
            }
            machine.tasks().sleep(random.nextLong(1 + random.nextLong(2 * SECOND)));
            if (last && machine.clock().monotonicNanos() > deadline) {
                Check.that(
                        false,
                        "not caught up: at %s of %s",
                        Lsn.toString(timeline.lastRecordLsn()),
                        Lsn.toString(wal.end()));
            }
        }
        compareAll(machine, timeline);
        branches.check(machine, tenants, rivals && !last);
        checkLeases(machine, timeline, rivals && !last);
        return false;
    }

    private void lease(Machine machine, Timeline timeline) {
        try {
            leases.take(machine, timeline);
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.IO) {
                requireExcused(machine, e);
            }
        }
    }

    void checkLeases(Machine machine, Timeline timeline, boolean overtaken) {
        leases.check(machine, timeline, overtaken, e -> requireExcused(machine, e));
    }

    private boolean mayBeFenced() {
        rivals |= vandal != null && vandal.fences();
        return rivals;
    }

    private boolean fenced(Timeline timeline) {
        RuntimeException failure = timeline.failure();
        if (failure == null) {
            return false;
        }
        Check.that(
                failure instanceof PageserverException e
                        && e.code() == ErrorCode.PRECONDITION_FAILED
                        && mayBeFenced(),
                "the timeline stopped: %s",
                failure);
        return true;
    }

    /** The timeline, wherever it comes from; null if somebody else has taken the tenant over. */
    private @Nullable Timeline timeline(Machine machine, Tenants tenants, boolean last) {
        long deadline = machine.clock().monotonicNanos() + CATCH_UP_NANOS;
        while (true) {
            Check.that(
                    !last || machine.clock().monotonicNanos() < deadline,
                    "the timeline that was confirmed does not come");
            try {
                if (standsBy(tenants)) {
                    promote(machine, tenants);
                }
                try {
                    return tenants.timeline(TENANT, MAIN);
                } catch (PageserverException e) {
                    if (e.code() != ErrorCode.NOT_FOUND) {
                        throw e;
                    }
                }
                if (attached(tenants)) {
                    continue;
                }
                if (!made) {
                    Timeline imported = tenants.createFromSource(TENANT, MAIN, SOURCE);
                    made = true;
                    return imported;
                }
            } catch (PageserverException e) {
                machine.note("backup-again", String.valueOf(e.getMessage()));
                switch (e.code()) {
                    case IO, UNAVAILABLE, THROTTLED, CONFLICT -> {}
                    case PRECONDITION_FAILED -> {
                        Check.that(
                                mayBeFenced(),
                                "fenced by nobody: %s",
                                String.valueOf(e.getMessage()));
                        return null;
                    }
                    default -> requireDamage(machine, e);
                }
            }
            machine.tasks().sleep(SECOND);
        }
    }

    /** Did attaching bring the timeline? */
    private boolean attached(Tenants tenants) {
        try {
            tenants.attach(TENANT);
            Timeline _ = tenants.timeline(TENANT, MAIN);
            return true;
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.NOT_FOUND) {
                return false;
            }
            throw e;
        }
    }

    /** Whatever leaves the disk or comes, whenever: nobody who reads can tell. */
    private void evictSome(Machine machine, Tenants tenants, Timeline timeline) {
        try {
            if (random.nextInt(16) == 0) {
                tenants.warmUps().start(timeline, 1 + random.nextInt(8));
            }
            for (Droppable droppable : timeline.droppable()) {
                if (random.nextInt(4) == 0 && tenants.evictor().evict(droppable.file())) {
                    machine.node().simulation().probe("backup-layer-evicted");
                } else if (random.nextInt(16) == 0) {
                    droppable.file().fetch();
                }
            }
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.CONFLICT && e.code() != ErrorCode.IO) {
                requireExcused(machine, e);
            }
        }
    }

    private void compareSome(Machine machine, Timeline timeline) {
        long oldest = timeline.oldestReadableLsn();
        long last = timeline.lastRecordLsn();
        if (last < oldest) {
            return;
        }
        long lsn = random.nextBoolean() ? last : oldest + random.nextLong(last - oldest + 1);
        try {
            reference.compareSome(timeline, random.nextInt(1 << 20), lsn);
        } catch (PageserverException e) {
            requireExcused(machine, e);
        }
    }

    /**
     * The store is away, the history was collected meanwhile, or a layer that is not here any more
     * is not there either, since another server has the tenant.
     */
    void requireExcused(Machine machine, PageserverException e) {
        switch (e.code()) {
            case UNAVAILABLE, THROTTLED, LSN_OUT_OF_RANGE -> {}
            case PRECONDITION_FAILED ->
                    Check.that(
                            mayBeFenced(), "fenced by nobody: %s", String.valueOf(e.getMessage()));
            default -> requireDamage(machine, e);
        }
    }

    void requireDamage(Machine machine, PageserverException e) {
        boolean damaged = e.code() == ErrorCode.CORRUPTION;
        if (!damaged || vandal == null || !vandal.excuses(String.valueOf(e.getMessage()))) {
            throw e;
        }
        machine.node().simulation().probe("store-damage-told");
    }

    void compareAll(Machine machine, Timeline timeline) {
        long oldest = timeline.oldestReadableLsn();
        long last = timeline.lastRecordLsn();
        ReferencePageserver expected = reference(timeline.id());
        long pages = expected.compareAll(timeline, last);
        for (int i = 0; i < 3; i++) {
            long lsn = i == 0 ? oldest : oldest + random.nextLong(last - oldest + 1);
            try {
                pages += expected.compareAll(timeline, lsn);
            } catch (PageserverException e) {
                requireExcused(machine, e);
            }
        }
        machine.note("compared", pages + " pages");
    }
}
