package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.compaction.Retention;
import io.palimpsest.timeline.TimelineIndex.Lease;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What of a timeline's history is kept and may be read: everything from the cutoff on, and below it
 * the LSNs that branches hang on or leases hold.
 *
 * <p>Cutoff and leases are the index's, so they are durable before they count. Branch points are
 * the children's indexes; here they are collected. Taking a branch point or lease and moving the
 * cutoff exclude each other, and a new one must be at or above the cutoff or equal one that is
 * there: so what a {@link #retention} once said stays enough, however long a job takes that goes by
 * it.
 */
final class HistoryWindow {
    private static final long[] NONE = {};

    private final TimelineLayers layers;

    /** Ascending; one for each branch. Exchanged under the index's lock. */
    private volatile long[] branchPoints = NONE;

    private volatile @Nullable String blocked;

    HistoryWindow(TimelineLayers layers) {
        this.layers = layers;
    }

    /** The oldest LSN of the window. */
    long cutoff() {
        return layers.index().oldestReadableLsn();
    }

    /** May it be read? Asked after the layer map was taken. */
    boolean readable(long lsn) {
        return Long.compareUnsigned(lsn, cutoff()) >= 0 || isPoint(layers.index(), lsn);
    }

    private boolean isPoint(TimelineIndex index, long lsn) {
        return index.leases().stream().anyMatch(lease -> lease.lsn() == lsn)
                || Arrays.binarySearch(branchPoints, lsn) >= 0;
    }

    /** What must stay readable, as of now and for all that is done by it. */
    Retention retention() {
        return layers.withIndex(index -> {
            if (blocked != null) {
                return new Retention(0, List.of());
            }
            long[] branches = branchPoints;
            List<Lease> leases = index.leases();
            long[] points = Arrays.copyOf(branches, branches.length + leases.size());
            for (int i = 0; i < leases.size(); i++) {
                points[branches.length + i] = leases.get(i).lsn();
            }
            return Retention.of(index.oldestReadableLsn(), points);
        });
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
        layers.withIndex(index -> {
            if (Long.compareUnsigned(lsn, index.oldestReadableLsn()) < 0 && !isPoint(index, lsn)) {
                throw outside(lsn);
            }
            return add(lsn);
        });
    }

    /** A branch that exists needs it. */
    void keepBranchPoint(long lsn) {
        layers.withIndex(index -> add(lsn));
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
    }

    /**
     * Where the cutoff may move to. By time if history is kept for a time: where that is not known,
     * it stays. Else by distance from the last record. Never past what is durable, never back.
     */
    long planCutoff(TenantConfig config, long lastRecordLsn) {
        TimelineIndex index = layers.index();
        long cutoff = index.oldestReadableLsn();
        if (config.pitrIntervalNanos() > 0 || blocked != null) {
            return cutoff;
        }
        long byHorizon = Math.max(0, lastRecordLsn - config.gcHorizonBytes());
        return Math.max(cutoff, Math.min(byHorizon, index.diskConsistentLsn()));
    }

    /** Moves the cutoff, durably; false if it is there already or nothing may be collected. */
    boolean advanceCutoff(long to, long nowMillis) {
        boolean[] moved = new boolean[1];
        layers.commitIndex(index -> {
            boolean forward = Long.compareUnsigned(to, index.oldestReadableLsn()) > 0;
            boolean sane = Long.compareUnsigned(to, index.diskConsistentLsn()) <= 0;
            List<Lease> left =
                    index.leases().stream().filter(l -> l.validUntilMillis() > nowMillis).toList();
            moved[0] = blocked == null && forward && sane;
            boolean expired = left.size() < index.leases().size();
            return blocked == null && (moved[0] || expired)
                    ? index.retaining(moved[0] ? to : index.oldestReadableLsn(), left)
                    : index;
        });
        return moved[0];
    }

    PageserverException outside(long lsn) {
        TimelineIndex index = layers.index();
        return PageserverException.of(
                ErrorCode.LSN_OUT_OF_RANGE,
                "LSN %s is before the history of timeline %s: the oldest readable LSN is %s",
                Lsn.toString(lsn),
                index.timeline(),
                Lsn.toString(index.oldestReadableLsn()));
    }
}
