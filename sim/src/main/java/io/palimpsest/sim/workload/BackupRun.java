package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.EvictionConfig;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.OwnershipConfig;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.remote.PastObjects;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.remote.RemoteLimits;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.sim.fault.SimWalSource;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.tenant.WarmUp;
import io.palimpsest.timeline.Droppable;
import io.palimpsest.timeline.StoreGarbage;
import io.palimpsest.timeline.StoreReview;
import io.palimpsest.timeline.StoredTenant;
import io.palimpsest.timeline.TenantRestore;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.WalReceiver;
import io.palimpsest.timeline.WalSource;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** One run of {@link BackupScenario}: the source, the store, and what was confirmed to anybody. */
final class BackupRun {
    private static final long MILLIS = 1_000_000L;
    private static final long SECOND = 1000 * MILLIS;
    private static final TenantId TENANT = new TenantId(1, 2);
    private static final TimelineId MAIN = new TimelineId(3, 4);
    private static final long START_LSN = 0x0200_0028L;
    private static final WalSource SOURCE =
            WalSource.parse("host=postgres port=" + SimPostgres.PORT + " user=sim", "sim");
    private static final long CATCH_UP_NANOS = 3600 * SECOND;

    /** After that nothing is carried out that was asked for before. */
    private static final long LATEST_NANOS = 1000 * SECOND;

    private final Prng random;
    private final Machine source;
    private final SimObjectStore store;
    private final Limits limits;
    private final TenantConfig config;
    private final EvictionConfig eviction;
    private final OwnershipConfig ownership;
    private final RemoteLimits remoteLimits;
    private final ReferencePageserver reference = new ReferencePageserver();
    private final SimWalSource wal = new SimWalSource(START_LSN);
    private final WalWorkload workload;
    private final SimPostgres postgres;
    private final long pauseNanos;
    private int records;
    private int nextBranch = 5;

    /** That the timeline was made was confirmed. */
    private boolean made;

    /** Two servers have been at it at once. */
    private boolean rivals;

    private boolean outages = true;

    /** Branches whose making was confirmed, and where they hang. */
    private final TreeMap<TimelineId, Long> branches = new TreeMap<>();

    /** Those whose deletion was confirmed. */
    private final TreeSet<TimelineId> deleted = new TreeSet<>();

    private final BackupLeases leases;

    /** Damages what is in the store; null if nobody does. */
    private final @Nullable StoreVandal vandal;

    BackupRun(Prng random, Machine source, SimObjectStore store, @Nullable StoreVandal vandal) {
        this.random = random;
        this.source = source;
        this.store = store;
        this.vandal = vandal;
        PgVersion version = PgVersion.ofMajor(14 + random.nextInt(5));
        leases = new BackupLeases(random.split("leases"), reference);
        limits =
                new Limits(
                        8192L << random.nextInt(5),
                        1L << 14 + random.nextInt(6),
                        MILLIS << random.nextInt(12),
                        1 + random.nextInt(100),
                        1 << 10 + random.nextInt(8),
                        256 << random.nextInt(8),
                        Limits.DEFAULT.recordBytes(),
                        10 * SECOND,
                        random.nextInt(3) * 65_536L,
                        1 << random.nextInt(10),
                        1 + random.nextInt(8),
                        random.nextInt(6),
                        0);
        config =
                new TenantConfig(
                        0,
                        1L << 12 + random.nextInt(8),
                        SECOND << random.nextInt(6),
                        100 * MILLIS << random.nextInt(6),
                        1 + random.nextInt(4),
                        8,
                        8192L << random.nextInt(6),
                        1 + random.nextInt(3),
                        10 * SECOND << random.nextInt(7));
        remoteLimits =
                new RemoteLimits(
                        1 + random.nextInt(10),
                        0,
                        1 + random.nextInt(10),
                        10 * MILLIS,
                        100 * MILLIS << random.nextInt(6),
                        64 << random.nextInt(12));
        eviction =
                new EvictionConfig(
                        random.nextInt(3) * SECOND,
                        50 * MILLIS << random.nextInt(8),
                        random.nextBoolean(),
                        1 + random.nextInt(100),
                        random.nextBoolean() ? 0 : Long.MAX_VALUE,
                        50 * MILLIS << random.nextInt(8),
                        random.nextInt(3) - 1);
        ownership = new OwnershipConfig(SECOND + random.nextLong(10 * SECOND), false);
        records = 50 + random.nextInt(250);
        pauseNanos = 1L + random.nextLong(100 * MILLIS);
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

    private RemoteStore remote(Machine machine) {
        return remote(machine, store);
    }

    private RemoteStore remote(Machine machine, ObjectStore objects) {
        return new RemoteStore(
                objects,
                machine.clock(),
                machine.tasks(),
                machine.ids(),
                machine.tracer(),
                remoteLimits);
    }

    private Tenants load(Machine machine) {
        return Tenants.load(
                machine.environment(), limits, config, remote(machine), eviction, ownership);
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

    /** False if the life is over, true if somebody restarts the server because it asks for that. */
    private boolean serve(Machine machine, Tenants tenants, Timeline timeline, boolean last) {
        noteMade(timeline);
        Check.that(
                timeline.lastRecordLsn() >= wal.keptFrom(),
                "it begins at %s, but %s was acknowledged",
                Lsn.toString(timeline.lastRecordLsn()),
                Lsn.toString(wal.keptFrom()));
        checkBranches(machine, tenants, rivals && !last);
        checkLeases(machine, timeline, rivals && !last);
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
                machine.tracer().info("backup-fenced", String.valueOf(timeline.failure()));
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
            compareSome(machine, timeline);
            if (random.nextInt(8) == 0) {
                lease(machine, timeline);
            }
            if (random.nextInt(4) == 0) {
                checkLeases(machine, timeline, rivals && !last);
            }
            if (random.nextInt(8) == 0) {
                changeBranches(machine, tenants, timeline);
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
        checkBranches(machine, tenants, rivals && !last);
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

    private void checkLeases(Machine machine, Timeline timeline, boolean overtaken) {
        leases.check(machine, timeline, overtaken, e -> requireExcused(machine, e));
    }

    private boolean fenced(Timeline timeline) {
        RuntimeException failure = timeline.failure();
        if (failure == null) {
            return false;
        }
        Check.that(
                failure instanceof PageserverException e
                        && e.code() == ErrorCode.PRECONDITION_FAILED
                        && rivals,
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
                machine.tracer().info("backup-again", String.valueOf(e.getMessage()));
                switch (e.code()) {
                    case IO, UNAVAILABLE, THROTTLED, CONFLICT -> {}
                    case PRECONDITION_FAILED -> {
                        Check.that(rivals, "fenced by nobody: %s", String.valueOf(e.getMessage()));
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
    private void requireExcused(Machine machine, PageserverException e) {
        switch (e.code()) {
            case UNAVAILABLE, THROTTLED, LSN_OUT_OF_RANGE -> {}
            case PRECONDITION_FAILED ->
                    Check.that(rivals, "fenced by nobody: %s", String.valueOf(e.getMessage()));
            default -> requireDamage(machine, e);
        }
    }

    private void requireDamage(Machine machine, PageserverException e) {
        boolean damaged = e.code() == ErrorCode.CORRUPTION;
        if (!damaged || vandal == null || !vandal.excuses(String.valueOf(e.getMessage()))) {
            throw e;
        }
        machine.node().simulation().probe("store-damage-told");
    }

    private void changeBranches(Machine machine, Tenants tenants, Timeline timeline) {
        try {
            if (random.nextInt(3) > 0 || branches.isEmpty()) {
                long oldest = timeline.oldestReadableLsn();
                long last = timeline.lastRecordLsn();
                if (last < oldest || branches.size() > 4) {
                    return;
                }
                long lsn = oldest + random.nextLong(last - oldest + 1);
                TimelineId id = new TimelineId(7, nextBranch++);
                Timeline branch = tenants.createBranch(TENANT, id, MAIN, lsn);
                machine.node().simulation().probe("backup-branch");
                branches.put(id, branch.ancestorLsn());
            } else {
                int n = random.nextInt(branches.size());
                TimelineId id = branches.keySet().stream().skip(n).findFirst().orElseThrow();
                switch (random.nextInt(4)) {
                    case 0 -> {
                        tenants.detach(TENANT, id);
                        machine.node().simulation().probe("backup-branch-detached");
                    }
                    case 1 -> {
                        tenants.archive(TENANT, id);
                        tenants.unarchive(TENANT, id);
                        machine.node().simulation().probe("backup-branch-archived");
                    }
                    default -> {
                        branches.remove(id);
                        tenants.delete(TENANT, id);
                        machine.node().simulation().probe("backup-branch-deleted");
                        deleted.add(id);
                    }
                }
            }
        } catch (PageserverException e) {
            machine.tracer().info("backup-branch-failed", String.valueOf(e.getMessage()));
            switch (e.code()) {
                case UNAVAILABLE,
                        THROTTLED,
                        LSN_OUT_OF_RANGE,
                        LSN_TIMEOUT,
                        NOT_FOUND,
                        CONFLICT,
                        SHUTTING_DOWN,
                        PRECONDITION_FAILED,
                        IO -> {}
                default -> requireDamage(machine, e);
            }
        }
    }

    /**
     * Every server that owns the tenant has what was confirmed.
     *
     * @param overtaken perhaps: then another server has changed what this one knows nothing of
     */
    private void checkBranches(Machine machine, Tenants tenants, boolean overtaken) {
        for (var branch : new TreeMap<>(branches).entrySet()) {
            try {
                Timeline there = tenants.timeline(TENANT, branch.getKey());
                reference.compareAll(there, branch.getValue());
            } catch (PageserverException e) {
                // Another server may have deleted it since.
                if (e.code() == ErrorCode.NOT_FOUND && !branches.containsKey(branch.getKey())) {
                    continue;
                }
                if (e.code() != ErrorCode.NOT_FOUND || !overtaken) {
                    requireExcused(machine, e);
                }
            }
        }
        for (TimelineId id : deleted) {
            try {
                Timeline _ = tenants.timeline(TENANT, id);
                Check.that(overtaken, "timeline %s was deleted, and is there", id);
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.NOT_FOUND) {
                    throw e;
                }
            }
        }
        machine.tracer().info("backup-branches-checked", branches.size() + " branches");
    }

    private void compareAll(Machine machine, Timeline timeline) {
        long oldest = timeline.oldestReadableLsn();
        long last = timeline.lastRecordLsn();
        long pages = reference.compareAll(timeline, last);
        for (int i = 0; i < 3; i++) {
            long lsn = i == 0 ? oldest : oldest + random.nextLong(last - oldest + 1);
            try {
                pages += reference.compareAll(timeline, lsn);
            } catch (PageserverException e) {
                requireExcused(machine, e);
            }
        }
        machine.tracer().info("compared", pages + " pages");
    }

    /** The source is gone, and so are all machines: what there is, is in the store. */
    void compareRestored(Machine machine) {
        Tenants tenants = load(machine);
        tenants.attach(TENANT);
        Timeline timeline = tenants.timeline(TENANT, MAIN);
        Check.that(
                timeline.lastRecordLsn() == wal.end(),
                "after an orderly stop at %s the store has WAL up to %s",
                Lsn.toString(wal.end()),
                Lsn.toString(timeline.lastRecordLsn()));
        warmUp(machine, tenants, timeline);
        compareAll(machine, timeline);
        checkBranches(machine, tenants, false);
        checkLeases(machine, timeline, false);
        checkNothingIsLeft(machine, tenants);
        tenants.close();
    }

    /**
     * The tenant becomes what it was in the store at that moment, and is served.
     *
     * @param atMillis since 1970, by the store's clock
     */
    void restore(Machine machine, long atMillis) {
        TenantShardId tenant = TenantShardId.unsharded(TENANT);
        RemoteStore remote = remote(machine);
        PastObjects past = PastObjects.at(remote, store, RemotePath.tenant(tenant) + "/", atMillis);
        TenantRestore restore;
        try {
            restore = TenantRestore.plan(remote, store, tenant, past, remote(machine, past));
        } catch (PageserverException e) {
            Check.that(e.code() == ErrorCode.NOT_FOUND, "%s", String.valueOf(e.getMessage()));
            return;
        }
        TenantRestore.Outcome outcome = restore.run(machine.ids(), machine.clock());
        machine.tracer().info("backup-restored", outcome.toString());
        Tenants tenants = load(machine);
        tenants.attach(TENANT);
        for (TenantRestore.Branch branch : restore.branches()) {
            Timeline timeline = tenants.timeline(TENANT, branch.id());
            Check.that(
                    timeline.lastRecordLsn() == branch.lsn(),
                    "%s is at %s",
                    branch,
                    Lsn.toString(timeline.lastRecordLsn()));
            if (timeline.lastRecordLsn() >= timeline.oldestReadableLsn()) {
                compareAll(machine, timeline);
            }
        }
        if (outcome.copied() > 0) {
            machine.node().simulation().probe("backup-restored-by-copies");
        }
        tenants.close();
    }

    /**
     * When nothing late is to come any more there is in the store what the indexes name; and at
     * most layers that have the name of one that another timeline names, or has named: the owner
     * leaves those alone (decision 0084).
     */
    private void checkNothingIsLeft(Machine machine, Tenants tenants) {
        machine.tasks().sleep(LATEST_NANOS);
        StoreGarbage.Deleted _ = tenants.deleteGarbage(TENANT);
        StoreReview review = new StoreReview(remote(machine));
        TreeSet<String> known = new TreeSet<>();
        for (TenantShardId tenant : review.list()) {
            review.review(tenant);
            for (StoredTenant.Branch branch :
                    StoredTenant.read(remote(machine), tenant).branches()) {
                branch.layers().forEach(layer -> known.add(layer.name().toString()));
                branch.removed().forEach(name -> known.add(name.toString()));
            }
        }
        for (StoreReview.Finding finding : review.findings()) {
            Check.that(
                    finding.kind() == StoreReview.Kind.REMOVED
                            || finding.kind() == StoreReview.Kind.UNNAMED
                                    && RemoteKey.of(finding.key()) instanceof RemoteKey.Layer layer
                                    && known.contains(layer.name().toString()),
                    "left in the store: %s",
                    finding);
        }
    }

    /** All comes at once, and whatever leaves again comes again. */
    private void warmUp(Machine machine, Tenants tenants, Timeline timeline) {
        WarmUp.Progress progress = tenants.warmUps().start(timeline, 1 + random.nextInt(8));
        while (progress.state() == WarmUp.State.RUNNING) {
            machine.tasks().sleep(10 * MILLIS);
            progress = Objects.requireNonNull(tenants.warmUps().progress(timeline));
        }
        Check.that(
                progress.state() == WarmUp.State.COMPLETED && progress.failed() == 0,
                "not all layers have come: %s",
                progress);
        if (progress.brought() > 0) {
            machine.node().simulation().probe("backup-warm-up");
        }
    }
}
