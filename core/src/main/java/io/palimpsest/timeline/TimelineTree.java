package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import java.util.Objects;
import java.util.function.UnaryOperator;
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
                .commitIndex(index -> {
                    if (index.properties().isProtected()) {
                        throw PageserverException.of(
                                ErrorCode.PRECONDITION_FAILED,
                                "timeline %s is protected; unprotect it first",
                                timeline.id());
                    }
                    return index.state() instanceof TimelineState.Active
                            ? index.in(new TimelineState.Archived(now))
                            : null;
                });
        environment
                .tracer()
                .event(
                        Event.TIMELINE_ARCHIVED,
                        timeline.subject(),
                        "it is kept in the store, and not read");
    }

    /** Is read and written again. */
    public void unarchive(Timeline timeline) {
        timeline.stored()
                .commitIndex(index ->
                        index.state() instanceof TimelineState.Archived
                                ? index.in(TimelineState.ACTIVE)
                                : null);
        environment
                .tracer()
                .event(
                        Event.TIMELINE_UNARCHIVED,
                        timeline.subject(),
                        "it is read and written again");
    }

    /**
     * PRECONDITION_FAILED if there are branches, or it is protected; that may change at any moment.
     *
     * @param expired it is to go because its time is over
     */
    public void requireDeletable(Timeline timeline, boolean expired) {
        TimelineIndex _ = timeline.window().deleting(timeline.index(), expired);
    }

    /**
     * Is gone for everybody, durably: what is left is to delete its files.
     *
     * @throws PageserverException PRECONDITION_FAILED if there are branches, or it is protected
     */
    void beginDeletion(Timeline timeline, boolean expired) {
        timeline.stored().commitIndex(index -> timeline.window().deleting(index, expired));
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

    // ---- what people say of it ----

    /**
     * Changes what is said of a timeline, durably here. Whoever owns the tenant next knows it after
     * {@link #awaitPropertiesStored}.
     *
     * @param change may throw
     */
    public void change(Timeline timeline, UnaryOperator<BranchProperties> change) {
        timeline.stored()
                .commitIndex(index -> {
                    BranchProperties next = change.apply(existing(index));
                    return next.equals(index.properties()) ? null : index.having(next);
                });
    }

    private static BranchProperties existing(TimelineIndex index) {
        if (index.state() instanceof TimelineState.Deleting) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "timeline %s is being deleted", index.timeline());
        }
        return index.properties();
    }

    /**
     * Gives an LSN of the timeline's own history a name. The same again is fine.
     *
     * @param pinned it stays readable; one that is pinned stays so either way
     * @throws PageserverException LSN_OUT_OF_RANGE if it is not readable or has not come yet;
     *     CONFLICT if the name is another point's
     */
    public void createPoint(Timeline timeline, Label name, long lsn, boolean pinned) {
        createPoint(timeline, name, lsn, pinned, 0);
    }

    /**
     * The same.
     *
     * @param untilMillis when a pinned one is let go, since 1970; 0: never
     */
    public void createPoint(
            Timeline timeline, Label name, long lsn, boolean pinned, long untilMillis) {
        long now = environment.clock().wallMillis();
        NamedPoint wanted = new NamedPoint(name, lsn, now, pinned, untilMillis);
        timeline.window()
                .putPoint(properties -> {
                    NamedPoint there = properties.point(name);
                    if (there == null) {
                        return wanted;
                    }
                    if (there.lsn() != lsn) {
                        throw PageserverException.of(
                                ErrorCode.CONFLICT,
                                "timeline %s has a point %s already, at %s",
                                timeline.id(),
                                name,
                                Lsn.toString(there.lsn()));
                    }
                    NamedPoint kept = pinned ? there.pinnedUntil(untilMillis) : there;
                    return kept.equals(there) ? null : kept;
                });
    }

    /**
     * Has a point stay readable.
     *
     * @throws PageserverException NOT_FOUND; LSN_OUT_OF_RANGE if it is not readable any more
     */
    public void pin(Timeline timeline, Label name) {
        pin(timeline, name, 0);
    }

    /**
     * The same, until then; what is said last of it holds.
     *
     * @param untilMillis since 1970; 0: for ever
     */
    public void pin(Timeline timeline, Label name, long untilMillis) {
        timeline.window()
                .putPoint(properties -> {
                    NamedPoint there = point(timeline, properties, name);
                    NamedPoint kept = there.pinnedUntil(untilMillis);
                    return kept.equals(there) ? null : kept;
                });
    }

    /** Lets go the pinned points whose time is over, durably; false if there is none. */
    public boolean letGo(Timeline timeline) {
        long now = environment.clock().wallMillis();
        boolean[] any = new boolean[1];
        change(
                timeline,
                properties -> {
                    BranchProperties left = properties.lettingGo(now);
                    any[0] = !left.equals(properties);
                    return left;
                });
        if (any[0]) {
            surroundings.housekeeping().changed(timeline);
        }
        return any[0];
    }

    /** Lets it go when the cutoff passes it, or already has; NOT_FOUND. */
    public void unpin(Timeline timeline, Label name) {
        change(timeline, properties -> properties.with(point(timeline, properties, name).free()));
        surroundings.housekeeping().changed(timeline);
    }

    /** Takes a point's name away; NOT_FOUND. */
    public void deletePoint(Timeline timeline, Label name) {
        change(
                timeline,
                properties -> properties.without(point(timeline, properties, name).name()));
        surroundings.housekeeping().changed(timeline);
    }

    private static NamedPoint point(Timeline timeline, BranchProperties properties, Label name) {
        NamedPoint there = properties.point(name);
        if (there == null) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "timeline %s has no point %s", timeline.id(), name);
        }
        return there;
    }

    /**
     * With a store, waits until that knows what is said of a timeline.
     *
     * @throws PageserverException UNAVAILABLE if the store does not take it in time: it is so here,
     *     and is put there when it can be
     */
    public void awaitPropertiesStored(Timeline timeline) {
        RemoteTimeline remote = timeline.remote();
        if (remote == null) {
            return;
        }
        // What is in the store and is as it is now here came after all that was asked for before.
        boolean known =
                remote.awaitStored(
                        index -> index.properties().equals(timeline.index().properties()),
                        timeline.limits().waitLsnNanos());
        if (!known) {
            String error = remote.lastError();
            throw PageserverException.of(
                    ErrorCode.UNAVAILABLE,
                    "timeline %s was changed here, but the store does not have it yet: it would be undone if this machine were lost now%s; ask again",
                    timeline.id(),
                    error == null ? "" : "; the last failure was: " + error);
        }
    }

    /**
     * Hangs a branch on another branch of its ancestor, which has that history, too: as long as
     * that one has an ancestor itself it is read there, and kept there.
     *
     * @param onto nothing else is done with it meanwhile; branches off at or above the same LSN
     */
    public void hangOn(Timeline branch, Timeline onto) {
        BranchPoint from = Objects.requireNonNull(branch.branchPoint(), "it is a branch");
        BranchPoint its = Objects.requireNonNull(onto.branchPoint(), "it is a branch");
        Check.that(
                from.ancestor().equals(its.ancestor()) && from.lsn() <= its.lsn(),
                "timeline %s cannot hang on %s",
                branch.id(),
                onto.id());
        onto.window().keepBranchPoint(from.lsn());
        boolean done = false;
        try {
            branch.stored().commitIndex(index -> index.hangingOn(onto.id()));
            done = true;
        } finally {
            // Which index it has nobody knows if that failed and it is stopped: then both are kept.
            if (!done && branch.failure() == null) {
                onto.window().releaseBranchPoint(from.lsn());
            }
        }
        branch.hangs(new BranchPoint(onto, from.lsn()));
        RemoteTimeline remote = branch.remote();
        if (remote != null) {
            // The former ancestor must keep what the branch in the store needs of it.
            remote.awaitStored(index -> hangsOn(index, onto.id()));
        }
        release(from);
        environment
                .tracer()
                .event(
                        Event.TIMELINE_REPARENTED,
                        branch.subject(),
                        "from "
                                + from.ancestor().id()
                                + " to "
                                + onto.id()
                                + " at "
                                + Lsn.toString(from.lsn()));
    }

    private static boolean hangsOn(TimelineIndex index, TimelineId id) {
        TimelineIndex.Ancestor at = index.ancestor();
        return at == null || at.timeline().equals(id);
    }

    /**
     * Takes over all of its ancestors' history that it needs, and is a timeline without an ancestor
     * from then on. One that has none is fine.
     *
     * @throws PageserverException CANCELLED if {@code operation} is to stop; then it is as it was
     */
    public void detach(Timeline timeline, Operation operation) {
        BranchPoint at = timeline.branchPoint();
        if (at == null) {
            return;
        }
        operation.stage("taking over what its ancestors have");
        Detachment.run(surroundings, timeline, timeline.stored(), operation);
        RemoteTimeline remote = timeline.remote();
        if (remote != null) {
            // The ancestor must keep what the branch in the store needs of it.
            remote.awaitStored(index -> index.ancestor() == null);
        }
        timeline.hangs(null);
        // Before the ancestor lets go: who reads there sees that it has to begin anew.
        surroundings.structure().incrementAndGet();
        timeline.window().releaseOf(at);
        release(at);
        environment
                .tracer()
                .event(
                        Event.TIMELINE_DETACHED,
                        timeline.subject(),
                        "from " + at.ancestor().id() + " at " + Lsn.toString(at.lsn()));
    }
}
