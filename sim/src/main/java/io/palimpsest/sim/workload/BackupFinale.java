package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.port.Tasks;
import io.palimpsest.remote.PastObjects;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.tenant.WarmUp;
import io.palimpsest.timeline.StoreGarbage;
import io.palimpsest.timeline.StoreReview;
import io.palimpsest.timeline.StoredTenant;
import io.palimpsest.timeline.TenantRestore;
import io.palimpsest.timeline.Timeline;
import java.util.Objects;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What comes of a {@link BackupRun} in the end: whatever there is, is in the store. */
final class BackupFinale {
    private static final long MILLIS = 1_000_000L;

    private final BackupRun run;
    private final Prng random;
    private final SimObjectStore store;

    /** What was restored while a server had the tenant. */
    private @Nullable TenantRestore underway;

    BackupFinale(BackupRun run, Prng random, SimObjectStore store) {
        this.run = run;
        this.random = random;
        this.store = store;
    }

    /** The source is gone, and so are all machines: what there is, is in the store. */
    void compareRestored(Machine machine) {
        Tenants tenants = run.load(machine);
        tenants.attach(BackupRun.TENANT);
        Timeline timeline = tenants.timeline(BackupRun.TENANT, BackupRun.MAIN);
        Check.that(
                timeline.lastRecordLsn() == run.walEnd(),
                "after an orderly stop at %s the store has WAL up to %s",
                Lsn.toString(run.walEnd()),
                Lsn.toString(timeline.lastRecordLsn()));
        warmUp(machine, tenants, timeline);
        run.compareAll(machine, timeline);
        run.branches().check(machine, tenants, false);
        run.checkLeases(machine, timeline, false);
        checkNothingIsLeft(machine, tenants);
        tenants.close();
    }

    /**
     * The tenant becomes what it was in the store at that moment, and is served.
     *
     * @param atMillis since 1970, by the store's clock
     */
    void restore(Machine machine, long atMillis) {
        TenantRestore restore = restored(machine, atMillis);
        if (restore != null) {
            Tenants tenants = run.load(machine);
            tenants.attach(BackupRun.TENANT);
            compare(machine, tenants, restore);
            tenants.close();
        }
    }

    /** What was restored; null if there was nothing then. */
    private @Nullable TenantRestore restored(Machine machine, long atMillis) {
        TenantShardId tenant = TenantShardId.unsharded(BackupRun.TENANT);
        RemoteStore remote = run.patient(machine, store);
        PastObjects past = PastObjects.at(remote, store, RemotePath.tenant(tenant) + "/", atMillis);
        TenantRestore restore;
        try {
            restore = TenantRestore.plan(remote, store, tenant, past, run.patient(machine, past));
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.NOT_FOUND) {
                throw e;
            }
            return null;
        }
        TenantRestore.Outcome outcome = restore.run(machine.ids(), machine.clock());
        machine.note("backup-restored", outcome.toString());
        if (outcome.copied() > 0) {
            machine.node().simulation().probe("backup-restored-by-copies");
        }
        return restore;
    }

    private void compare(Machine machine, Tenants tenants, TenantRestore restore) {
        for (TenantRestore.Branch branch : restore.branches()) {
            Timeline timeline = tenants.timeline(BackupRun.TENANT, branch.id());
            Check.that(
                    timeline.lastRecordLsn() == branch.lsn(),
                    "%s is at %s",
                    branch,
                    Lsn.toString(timeline.lastRecordLsn()));
            if (timeline.lastRecordLsn() >= timeline.oldestReadableLsn()) {
                run.compareAll(machine, timeline);
            }
        }
    }

    /**
     * The same while a server has the tenant, and whatever the store does: again until it is done.
     * False if there was nothing then.
     */
    boolean restoreWhatever(Machine machine, long atMillis) {
        while (true) {
            try {
                underway = restored(machine, atMillis);
                return underway != null;
            } catch (PageserverException e) {
                switch (e.code()) {
                    case UNAVAILABLE, THROTTLED, CONFLICT, PRECONDITION_FAILED ->
                            machine.note("backup-restore-again", String.valueOf(e.getMessage()));
                    default -> throw e;
                }
            }
            machine.tasks().sleep(1000 * MILLIS);
        }
    }

    /** What was restored is served, while a server that had the tenant has not yet noticed. */
    void serveRestored(Machine machine, Tasks.Task old) {
        TenantRestore restore = Objects.requireNonNull(underway);
        Tenants tenants = run.load(machine);
        tenants.attach(BackupRun.TENANT);
        compare(machine, tenants, restore);
        machine.tasks().sleep(BackupRun.LATEST_NANOS);
        Check.that(old.isDone(), "a server has not noticed that the tenant was restored: %s", old);
        compare(machine, tenants, restore);
        checkNothingIsLeft(machine, tenants);
        tenants.close();
    }

    /**
     * When nothing late is to come any more there is in the store what the indexes name; and at
     * most layers that have the name of one that another timeline names, or has named: the owner
     * leaves those alone, also where the timeline itself is gone (decision 0084).
     */
    private void checkNothingIsLeft(Machine machine, Tenants tenants) {
        machine.tasks().sleep(BackupRun.LATEST_NANOS);
        StoreGarbage.Deleted _ = tenants.deleteGarbage(BackupRun.TENANT);
        StoreReview review = new StoreReview(run.remote(machine));
        TreeSet<String> known = new TreeSet<>();
        for (TenantShardId tenant : review.list()) {
            review.review(tenant);
            for (StoredTenant.Branch branch :
                    StoredTenant.read(run.remote(machine), tenant).branches()) {
                branch.layers().forEach(layer -> known.add(layer.name().toString()));
                branch.removed().forEach(name -> known.add(name.toString()));
            }
        }
        for (StoreReview.Finding finding : review.findings()) {
            Check.that(
                    finding.kind() == StoreReview.Kind.REMOVED
                            || isLayerOfNone(finding.kind())
                                    && RemoteKey.of(finding.key()) instanceof RemoteKey.Layer layer
                                    && known.contains(layer.name().toString()),
                    "left in the store: %s",
                    finding);
        }
    }

    private static boolean isLayerOfNone(StoreReview.Kind kind) {
        return kind == StoreReview.Kind.UNNAMED || kind == StoreReview.Kind.OF_NO_BRANCH;
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
