package io.palimpsest.timeline;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Environment;
import org.jspecify.annotations.Nullable;

/**
 * What owners do to the tree of timelines, but for making branches. Each is one index that is
 * replaced, so that it is done or not, whatever happens.
 */
public final class TimelineTree {
    private final Surroundings surroundings;
    private final Environment environment;

    TimelineTree(Surroundings surroundings) {
        this.surroundings = surroundings;
        environment = surroundings.environment();
    }

    /** Is kept, but neither read nor written. Its branches must be archived before. */
    public void archive(Timeline timeline) {
        long now = environment.clock().wallMillis();
        timeline.stored()
                .commitIndex(index ->
                        index.state() instanceof TimelineState.Active
                                ? index.in(new TimelineState.Archived(now))
                                : null);
        environment.tracer().info("timeline-archived", "timeline " + timeline.id());
    }

    /** Is read and written again. */
    public void unarchive(Timeline timeline) {
        timeline.stored()
                .commitIndex(index ->
                        index.state() instanceof TimelineState.Archived
                                ? index.in(TimelineState.ACTIVE)
                                : null);
        environment.tracer().info("timeline-unarchived", "timeline " + timeline.id());
    }

    /** PRECONDITION_FAILED if there are branches; a new one may come at any moment. */
    public void requireNoBranches(Timeline timeline) {
        TimelineIndex _ = timeline.window().deleting(timeline.index());
    }

    /**
     * Is gone for everybody, durably: what is left is to delete its files.
     *
     * @throws PageserverException PRECONDITION_FAILED if there are branches
     */
    void beginDeletion(Timeline timeline) {
        timeline.stored().commitIndex(timeline.window()::deleting);
        timeline.close();
    }

    /** Its files are gone: its ancestor need not keep the branch point. */
    void deleted(Timeline timeline) {
        surroundings.structure().incrementAndGet();
        release(timeline.branchPoint());
    }

    private void release(@Nullable BranchPoint at) {
        if (at != null) {
            at.ancestor().window().releaseBranchPoint(at.lsn());
            surroundings.housekeeping().changed(at.ancestor());
        }
    }

    /**
     * Takes over all of its ancestors' history that it needs, and is a timeline without an ancestor
     * from then on. One that has none is fine.
     */
    public void detach(Timeline timeline) {
        BranchPoint at = timeline.branchPoint();
        if (at == null) {
            return;
        }
        Detachment.run(surroundings, timeline, timeline.stored());
        RemoteTimeline remote = timeline.remote();
        if (remote != null) {
            // The ancestor must keep what the branch in the store needs of it.
            remote.awaitStored(index -> index.ancestor() == null);
        }
        timeline.detached();
        // Before the ancestor lets go: who reads there sees that it has to begin anew.
        surroundings.structure().incrementAndGet();
        release(at);
        environment
                .tracer()
                .info(
                        "timeline-detached",
                        "timeline "
                                + timeline.id()
                                + " from "
                                + at.ancestor().id()
                                + " at "
                                + Lsn.toString(at.lsn()));
    }
}
