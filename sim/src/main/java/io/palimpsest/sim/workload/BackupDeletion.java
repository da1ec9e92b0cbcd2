package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.port.Tasks;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.DeletedBranches;
import io.palimpsest.timeline.LocationMode;
import io.palimpsest.timeline.StoreReview;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineStore;
import java.util.List;
import java.util.OptionalInt;

/**
 * Somebody deletes the tenant, again and again until a server says that it is gone: the store does
 * what it likes, servers lose their power, others with or without a directory go on. Then it does
 * not come back, and nothing of it is left.
 */
final class BackupDeletion {
    private static final long SECOND = 1_000_000_000L;
    private static final TenantShardId TENANT = TenantShardId.unsharded(BackupRun.TENANT);

    private final Simulation simulation;
    private final BackupRun run;
    private final SimObjectStore store;

    /** A server was asked to delete it, and may have. */
    private boolean asked;

    /** A server has said that it is gone. */
    private boolean gone;

    BackupDeletion(Simulation simulation, BackupRun run, SimObjectStore store) {
        this.simulation = simulation;
        this.run = run;
        this.store = store;
    }

    boolean isGone() {
        return gone;
    }

    /** A server's life in which that is asked for, until its power is lost or it is done. */
    void live(Machine machine, Prng random, long nanos) {
        Tasks.Task server = machine.start("deletion", () -> serve(machine, random));
        if (nanos > 0) {
            simulation.after(
                    nanos,
                    machine.node(),
                    () -> {
                        if (!server.isDone()) {
                            if (asked) {
                                simulation.probe("backup-deletion-cut-short");
                            }
                            machine.losePower();
                        }
                    });
        }
        server.join();
    }

    private void serve(Machine machine, Prng random) {
        // With a single attempt, and a store that throttles, it would claim the tenant for ever.
        Tenants tenants = run.load(machine, run.patient(machine, store));
        while (!gone) {
            try {
                ask(tenants);
            } catch (PageserverException e) {
                machine.note("backup-deletion-again", String.valueOf(e.getMessage()));
                switch (e.code()) {
                    case UNAVAILABLE, THROTTLED, CONFLICT, PRECONDITION_FAILED, IO -> {}
                    default -> throw e;
                }
            }
            machine.tasks().sleep(random.nextLong(2 * SECOND));
        }
        tenants.close();
    }

    private void ask(Tenants tenants) {
        if (tenants.deletions().isEmpty()) {
            try {
                tenants.attach(BackupRun.TENANT);
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.NOT_FOUND) {
                    throw e;
                }
                Check.that(asked, "the tenant is gone, and nobody has deleted it: %s", e);
            }
            for (Timeline timeline : tenants.timelines(BackupRun.TENANT)) {
                unfollow(tenants, timeline);
            }
        }
        asked = true;
        tenants.deleteTenant(BackupRun.TENANT, true);
        gone = true;
        simulation.probe("backup-tenant-deleted");
    }

    private static void unfollow(Tenants tenants, Timeline timeline) {
        if (tenants.receiver(BackupRun.TENANT, timeline.id()) != null) {
            // The source is gone, and its slot with it.
            String _ = tenants.unfollow(BackupRun.TENANT, timeline.id());
        }
    }

    /**
     * Nothing late is to come any more. Whoever starts on a machine finds nothing, nor leaves it.
     */
    void check(Machine machine) {
        Tenants tenants = run.load(machine);
        awaitEnd(machine, tenants);
        if (tenants.location(BackupRun.TENANT) != null) {
            // A secondary location keeps its layers until it is told to leave the tenant.
            tenants.locate(
                    BackupRun.TENANT, LocationMode.DETACHED, OptionalInt.empty(), false, null);
        }
        Check.that(tenants.tenants().isEmpty(), "a deleted tenant is there: %s", tenants.tenants());
        List<String> here = machine.environment().disk().list(TimelineStore.ROOT);
        Check.that(here.isEmpty(), "left on the disk: %s", here);
        try {
            tenants.attach(BackupRun.TENANT);
            Check.that(false, "a deleted tenant is attached");
        } catch (PageserverException e) {
            Check.that(e.code() == ErrorCode.NOT_FOUND, "%s", e);
        }
        awaitEnd(machine, tenants);
        tenants.close();
    }

    /** What was begun is gone on with by itself. */
    private static void awaitEnd(Machine machine, Tenants tenants) {
        for (int i = 0; !tenants.deletions().isEmpty(); i++) {
            Check.that(i < 1000, "a deletion that does not end: %s", tenants.deletions());
            machine.tasks().sleep(SECOND);
        }
    }

    /** What the store has put late is taken away by who scrubs; then only manifests are there. */
    void checkStore(Machine machine) {
        RemoteStore remote = run.patient(machine, store);
        StoreReview review = new StoreReview(remote);
        review.review(TENANT);
        DeletedBranches.Outcome late = DeletedBranches.delete(remote, TENANT, review.findings());
        Check.that(late.refusal() == null, "%s", String.valueOf(late.refusal()));
        if (late.objects() > 0) {
            simulation.probe("backup-deleted-late");
        }
        for (String key : store.keys()) {
            Check.that(
                    !key.startsWith("tenants/") || RemoteKey.of(key) instanceof RemoteKey.Manifest,
                    "the tenant was deleted, and this is left of it: %s",
                    key);
        }
    }
}
