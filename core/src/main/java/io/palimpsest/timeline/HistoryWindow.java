package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.compaction.Retention;
import io.palimpsest.port.Event;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * What of a timeline's history is kept and may be read: everything from the cutoff on, and below it
 * the LSNs that branches hang on, leases hold or pinned points name.
 *
 * <p>Cutoff, leases and named points are the index's, so they are durable before they count. Branch
 * points are the children's indexes; here they are collected. One that is below where the timeline
 * itself branched off (decision 0118) is its ancestor's to keep, until the timeline has that
 * history for itself. Taking a branch point, lease or pin and moving the cutoff exclude each other,
 * and a new one must be at or above the cutoff or equal one that is there: so what a {@link
 * #retention} once said stays enough, however long a job takes that goes by it.
 */
final class HistoryWindow {
    private static final long[] NONE = {};

    /** How much the clocks of servers may differ that own a tenant one after the other. */
    private static final long CLOCKS_DIFFER_MILLIS = 60_000L;

    private final Timeline timeline;
    private final TimelineLayers layers;
    private final CommitLog commits;

    /** Ascending; one for each branch. Exchanged under the index's lock. */
    private volatile long[] branchPoints = NONE;

    private volatile @Nullable String blocked;

    HistoryWindow(Timeline timeline, TimelineLayers layers, CommitLog commits) {
        this.timeline = timeline;
        this.layers = layers;
        this.commits = commits;
    }

    /** The oldest LSN of the window. */
    long cutoff() {
        return layers.index().oldestReadableLsn();
    }

    /** May it be read? Asked after the layer map was taken. */
    boolean readable(long lsn) {
        return isKept(layers.index(), lsn);
    }

    void checkReadable(long lsn) {
        if (!readable(lsn)) {
            throw outside(lsn, null);
        }
    }

    /** What was read while the cutoff passed it may have failed for that reason. */
    PageserverException explained(long lsn, PageserverException e) {
        return readable(lsn) || e.code() == ErrorCode.LSN_OUT_OF_RANGE ? e : outside(lsn, e);
    }

    private PageserverException outside(long lsn, @Nullable PageserverException cause) {
        long nearest = nearest(lsn);
        String message =
                String.format(
                        Locale.ROOT,
                        "LSN %s is before the history of timeline %s, which is kept from %s on (up to %s); the nearest readable LSN is %s%s",
                        Lsn.toString(lsn),
                        timeline.id(),
                        Lsn.toString(cutoff()),
                        Lsn.toString(timeline.lastRecordLsn()),
                        Lsn.toString(nearest),
                        timeOf(nearest));
        return cause == null
                ? new PageserverException(ErrorCode.LSN_OUT_OF_RANGE, message)
                : new PageserverException(ErrorCode.LSN_OUT_OF_RANGE, message, cause);
    }

    private String timeOf(long lsn) {
        try {
            LsnAtTime.Commit at = lsn > timeline.lastRecordLsn() ? null : commits.atOrBelow(lsn);
            return at == null ? "" : ", of " + LsnAtTime.moment(at.micros());
        } catch (PageserverException e) {
            return "";
        }
    }

    /** See {@link Timeline#timestampByLsn}. */
    OptionalLong timestamp(long lsn) {
        checkReadable(lsn);
        LsnAtTime.Commit last = commits.atOrBelow(Math.min(lsn, timeline.lastRecordLsn()));
        checkReadable(lsn);
        return last == null ? OptionalLong.empty() : OptionalLong.of(last.micros());
    }

    private boolean isPoint(TimelineIndex index, long lsn) {
        return index.leases().stream().anyMatch(lease -> lease.lsn() == lsn)
                || index.properties().pins(lsn)
                || Arrays.binarySearch(branchPoints, lsn) >= 0;
    }

    /** What must stay readable, as of now and for all that is done by it. */
    Retention retention() {
        return layers.withIndex(index ->
                blocked == null
                        ? Retention.of(index.oldestReadableLsn(), points(index))
                        : new Retention(0, List.of()));
    }

    /** The same with the cutoff somewhere else. */
    Retention retention(long withCutoff) {
        return layers.withIndex(index -> Retention.of(withCutoff, points(index)));
    }

    /** What is read if nobody looks back: the end, and what branches hang on or leases hold. */
    Retention ends(long lastLsn) {
        return retention(lastLsn);
    }

    private long[] points(TimelineIndex index) {
        TimelineIndex.Ancestor at = index.ancestor();
        long own = at == null ? 0 : at.lsn();
        LongStream branches = LongStream.of(branchPoints).filter(lsn -> lsn >= own);
        List<Lease> leases = index.leases();
        LongStream held = leases.stream().mapToLong(Lease::lsn);
        LongStream pinned = LongStream.of(index.properties().pinned());
        return LongStream.concat(branches, LongStream.concat(held, pinned)).toArray();
    }

    /** Why nothing may be collected, or null: it is not known what a branch needs. */
    @Nullable String blocked() {
        return blocked;
    }

    void block(String why) {
        blocked = why;
    }

    /**
     * A branch that is to be made needs this LSN.
     *
     * @throws PageserverException LSN_OUT_OF_RANGE if it is not readable any more
     */
    void takeBranchPoint(long lsn) {
        // Forbidden while it is archived, and for ever once it is being deleted.
        boolean kept =
                layers.withIndex(index -> {
                    if (!(index.state() instanceof TimelineState.Active)) {
                        throw PageserverException.of(
                                ErrorCode.PRECONDITION_FAILED,
                                "timeline %s is archived: no branch can be made of it",
                                index.timeline());
                    }
                    return isKept(index, lsn) && add(lsn) > 0;
                });
        if (!kept) {
            throw outside(lsn, null);
        }
    }

    int branchCount() {
        return branchPoints.length;
    }

    /**
     * The index of a timeline that goes.
     *
     * @param expired because its time is over, and nobody else wants that
     */
    TimelineIndex deleting(TimelineIndex index, boolean expired) {
        BranchProperties properties = index.properties();
        if (properties.isProtected()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "timeline %s is protected; unprotect it first",
                    index.timeline());
        }
        long until = properties.expiresMillis();
        if (expired && (until == 0 || until > nowMillis())) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "timeline %s is wanted for longer by now",
                    index.timeline());
        }
        if (branchPoints.length > 0) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "timeline %s has %d branches; delete or detach them first",
                    index.timeline(),
                    branchPoints.length);
        }
        return index.in(TimelineState.DELETING);
    }

    /** A branch that exists needs it, of this timeline or of what it has of its ancestors. */
    void keepBranchPoint(long lsn) {
        layers.withIndex(index -> add(lsn));
        HistoryWindow holder = above(lsn);
        if (holder != null) {
            holder.keepBranchPoint(lsn);
        }
    }

    /** The ancestor's, if an LSN is below where this timeline branched off; else null. */
    private @Nullable HistoryWindow above(long lsn) {
        BranchPoint at = timeline.branchPoint();
        return at == null || lsn >= at.lsn() ? null : at.ancestor().window();
    }

    /** What its branches need of the ancestor's history, which is its own by now. */
    void releaseOf(BranchPoint at) {
        for (long lsn : branchPoints) {
            if (lsn < at.lsn()) {
                at.ancestor().window().releaseBranchPoint(lsn);
            }
        }
    }

    private int add(long lsn) {
        long[] before = branchPoints;
        int found = Arrays.binarySearch(before, lsn);
        int at = found < 0 ? -found - 1 : found;
        long[] after = new long[before.length + 1];
        System.arraycopy(before, 0, after, 0, at);
        after[at] = lsn;
        System.arraycopy(before, at, after, at + 1, before.length - at);
        branchPoints = after;
        return after.length;
    }

    /** A branch at this LSN is gone, or was not made. */
    void releaseBranchPoint(long lsn) {
        layers.withIndex(index -> {
            long[] before = branchPoints;
            int at = Arrays.binarySearch(before, lsn);
            if (at >= 0) {
                long[] after = Arrays.copyOf(before, before.length - 1);
                System.arraycopy(before, at + 1, after, at, after.length - at);
                branchPoints = after;
            }
            return at;
        });
        HistoryWindow holder = above(lsn);
        if (holder != null) {
            holder.releaseBranchPoint(lsn);
        }
    }

    /** See {@link Timeline#planCutoff}. */
    long planCutoff() {
        TenantConfig config = timeline.config();
        if (blocked != null) {
            return cutoff();
        }
        long kept = config.pitrIntervalNanos();
        long interval = kept == 0 ? TenantConfig.DEFAULT.pitrIntervalNanos() : kept;
        long since = LsnAtTime.microsSince2000(Instant.ofEpochMilli(nowMillis())) - interval / 1000;
        LsnAtTime.Commit then = commits.around(since).before();
        return planCutoff(
                layers.index(), config, timeline.lastRecordLsn(), then == null ? 0 : then.lsn());
    }

    private long nowMillis() {
        return timeline.environment().clock().wallMillis();
    }

    /**
     * Where the cutoff may move to. If history is kept for a time, that time says; where no commit
     * is as old, it stays. If not, the distance from the last record says, but history that is very
     * old is not kept for the distance's sake. Never past what is durable, never back.
     *
     * @param byTime LSN of the last commit at the time from which on history is kept (by default,
     *     if it is kept by distance); 0 if there is none
     */
    static long planCutoff(
            TimelineIndex index, TenantConfig config, long lastRecordLsn, long byTime) {
        long wanted = byTime;
        if (config.pitrIntervalNanos() == 0) {
            wanted = Math.max(byTime, lastRecordLsn - config.gcHorizonBytes());
        }
        return Math.max(index.oldestReadableLsn(), Math.min(wanted, index.diskConsistentLsn()));
    }

    /** See {@link Timeline#lease}. */
    long lease(long lsn) {
        long until = keep(lsn);
        RemoteTimeline remote = timeline.remote();
        if (remote != null) {
            awaitStored(remote, new Lease(lsn, until));
        }
        timeline.environment()
                .tracer()
                .event(Event.LEASE_GRANTED, timeline.subject(), "at " + Lsn.toString(lsn));
        return until;
    }

    /**
     * Whoever owns the tenant next reads an index with the lease (decision 0086). One that the
     * store does not take in time was not granted, though history is kept for it here.
     */
    private void awaitStored(RemoteTimeline remote, Lease lease) {
        long left = (lease.validUntilMillis() - nowMillis()) * 1_000_000L;
        long wait = Math.min(timeline.limits().waitLsnNanos(), left);
        if (!remote.awaitStored(index -> holds(index, lease), wait)) {
            String error = remote.lastError();
            throw PageserverException.of(
                    ErrorCode.UNAVAILABLE,
                    "no lease at %s: after %d s the index of timeline %s that says so is not in the store%s; ask again",
                    Lsn.toString(lease.lsn()),
                    wait / 1_000_000_000L,
                    timeline.id(),
                    error == null ? "" : ", the last failure was: " + error);
        }
    }

    private static boolean holds(TimelineIndex index, Lease wanted) {
        return index.leases().stream()
                .anyMatch(held ->
                        held.lsn() == wanted.lsn()
                                && held.validUntilMillis() >= wanted.validUntilMillis());
    }

    /** See {@link Timeline#keep}. */
    long keep(long lsn) {
        checkArrived(lsn);
        checkReadable(lsn);
        long[] until = {nowMillis() + timeline.config().leaseNanos() / 1_000_000L};
        boolean[] kept = new boolean[1];
        layers.commitIndex(index -> {
            kept[0] = isKept(index, lsn);
            if (!kept[0]) {
                return null;
            }
            List<Lease> leases = new ArrayList<>(index.leases());
            int at = 0;
            while (at < leases.size() && Long.compareUnsigned(leases.get(at).lsn(), lsn) < 0) {
                at++;
            }
            if (at < leases.size() && leases.get(at).lsn() == lsn) {
                Lease held = leases.get(at);
                if (held.validUntilMillis() >= until[0]) {
                    until[0] = held.validUntilMillis();
                    return null;
                }
                leases.set(at, new Lease(lsn, until[0]));
            } else {
                leases.add(at, new Lease(lsn, until[0]));
            }
            return index.retaining(index.oldestReadableLsn(), leases);
        });
        if (!kept[0]) {
            throw outside(lsn, null);
        }
        return until[0];
    }

    /** See {@link Timeline#dropLease}. */
    boolean drop(long lsn) {
        boolean[] held = new boolean[1];
        layers.commitIndex(index -> {
            List<Lease> left = index.leases().stream().filter(l -> l.lsn() != lsn).toList();
            held[0] = left.size() < index.leases().size();
            return held[0] ? index.retaining(index.oldestReadableLsn(), left) : null;
        });
        if (held[0]) {
            timeline.environment()
                    .tracer()
                    .event(Event.LEASE_DROPPED, timeline.subject(), "at " + Lsn.toString(lsn));
        }
        return held[0];
    }

    private void checkArrived(long lsn) {
        if (Long.compareUnsigned(lsn, timeline.lastRecordLsn()) > 0) {
            throw PageserverException.of(
                    ErrorCode.LSN_OUT_OF_RANGE,
                    "LSN %s has not come yet: timeline %s is at %s",
                    Lsn.toString(lsn),
                    timeline.id(),
                    Lsn.toString(timeline.lastRecordLsn()));
        }
    }

    /**
     * Puts a point into the index, if its LSN can be read as of the commit.
     *
     * @param point made of the properties there are; null: they stay as they are
     * @throws PageserverException LSN_OUT_OF_RANGE
     */
    void putPoint(Function<BranchProperties, @Nullable NamedPoint> point) {
        long[] lost = {-1};
        layers.commitIndex(index -> {
            NamedPoint put = point.apply(index.properties());
            if (put == null) {
                return null;
            }
            checkArrived(put.lsn());
            if (!isKept(index, put.lsn())) {
                // The message reads; not under the index's lock.
                lost[0] = put.lsn();
                return null;
            }
            return index.having(index.properties().with(put));
        });
        if (lost[0] != -1) {
            throw outside(lost[0], null);
        }
    }

    private boolean isKept(TimelineIndex index, long lsn) {
        return Long.compareUnsigned(lsn, index.oldestReadableLsn()) >= 0 || isPoint(index, lsn);
    }

    /** The readable LSN that is nearest to one that is not. */
    private long nearest(long lsn) {
        Retention kept = Retention.of(cutoff(), points(layers.index()));
        long best = kept.cutoff();
        for (long point : kept.points()) {
            best = Math.abs(point - lsn) < Math.abs(best - lsn) ? point : best;
        }
        return best;
    }

    /** Moves the cutoff, durably; false if it is there already or nothing may be collected. */
    boolean advanceCutoff(long to) {
        // With a store somebody else's clock may have said until when.
        long over = nowMillis() - (timeline.remote() == null ? 0 : CLOCKS_DIFFER_MILLIS);
        boolean[] moved = new boolean[1];
        layers.commitIndex(index -> {
            boolean forward = Long.compareUnsigned(to, index.oldestReadableLsn()) > 0;
            boolean sane = Long.compareUnsigned(to, index.diskConsistentLsn()) <= 0;
            List<Lease> left =
                    index.leases().stream().filter(l -> l.validUntilMillis() > over).toList();
            moved[0] = blocked == null && forward && sane;
            boolean expired = left.size() < index.leases().size();
            return blocked == null && (moved[0] || expired)
                    ? index.retaining(moved[0] ? to : index.oldestReadableLsn(), left)
                    : null;
        });
        if (moved[0]) {
            timeline.environment()
                    .tracer()
                    .event(Event.CUTOFF_ADVANCED, timeline.subject(), "to " + Lsn.toString(to));
        }
        return moved[0];
    }
}
