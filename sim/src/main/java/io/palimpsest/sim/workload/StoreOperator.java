package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.timeline.DeletedBranches;
import io.palimpsest.timeline.StoreReview;

/** Somebody who owns nothing: looks at a tenant in the store, and deletes what is nobody's. */
final class StoreOperator {
    private final Machine machine;
    private final RemoteStore store;
    private final TenantShardId tenant;
    private boolean scrubs = true;

    StoreOperator(Machine machine, RemoteStore store, TenantShardId tenant) {
        this.machine = machine;
        this.store = store;
        this.tenant = tenant;
    }

    /** Until {@link #stop}, with pauses of at most so long. */
    void scrub(Prng random, long pauseNanos) {
        while (scrubs) {
            // Often soon again: what a branch that is being deleted has left is there for a moment.
            machine.tasks().sleep(random.nextLong(1 + random.nextLong(pauseNanos)));
            try {
                scrub();
            } catch (PageserverException e) {
                // What the store did to this one is nothing to the next.
                machine.note("backup-scrub-again", String.valueOf(e.getMessage()));
            }
        }
    }

    private void scrub() {
        StoreReview review = new StoreReview(store);
        review.review(tenant);
        for (StoreReview.Finding finding : review.findings()) {
            Check.that(
                    finding.kind() != StoreReview.Kind.MISSING,
                    "missing: %s, %s",
                    finding.key(),
                    finding.detail());
        }
        if (DeletedBranches.delete(store, tenant, review.findings()).objects() > 0) {
            machine.node().simulation().probe("backup-scrub-deleted");
        }
    }

    void stop() {
        scrubs = false;
    }
}
