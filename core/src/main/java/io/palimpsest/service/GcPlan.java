package io.palimpsest.service;

import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.compaction.CollectionPlan;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Lease;
import io.palimpsest.timeline.NamedPoint;
import io.palimpsest.timeline.Timeline;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What a garbage collection of a timeline would do now, for people.
 *
 * @param cutoff where it is
 * @param planned where it would be
 * @param blocked why nothing at all may be collected, or null
 * @param goes layers that would be removed
 * @param kept those that would not, by why
 */
public record GcPlan(
        Lsn cutoff,
        Lsn planned,
        @Nullable String blocked,
        List<LayerDescriptor> goes,
        List<Kept> kept) {
    /** Why layers stay. */
    public enum Reason {
        /** They have history that is kept anyway. */
        WINDOW,
        /** An LSN below it stays readable. */
        POINT,
        /** They are read from until images above them are made. */
        COMPACTION
    }

    /**
     * Layers that stay.
     *
     * @param lsn of a point
     * @param holders who has a point kept
     */
    public record Kept(
            Reason reason, @Nullable Lsn lsn, List<String> holders, int layers, long bytes) {
        private Kept and(long more) {
            return new Kept(reason, lsn, holders, layers + 1, bytes + more);
        }
    }

    /** May block. */
    static GcPlan of(Tenants tenants, Timeline timeline) {
        CollectionPlan plan = timeline.planCollection();
        String blocked = timeline.collectionBlocked();
        if (blocked == null && !timeline.collects()) {
            blocked = "this server does not own the tenant alone";
        }
        TreeMap<Long, Kept> points = new TreeMap<>(Long::compareUnsigned);
        Kept window = new Kept(Reason.WINDOW, null, List.of(), 0, 0);
        Kept uncovered = new Kept(Reason.COMPACTION, null, List.of(), 0, 0);
        for (CollectionPlan.Kept kept : plan.kept()) {
            long bytes = kept.layer().size();
            switch (kept.reason()) {
                case CollectionPlan.Reason.Window _ -> window = window.and(bytes);
                case CollectionPlan.Reason.Uncovered _ -> uncovered = uncovered.and(bytes);
                case CollectionPlan.Reason.Point(var lsn) -> {
                    Kept there = points.get(lsn);
                    if (there == null) {
                        there =
                                new Kept(
                                        Reason.POINT,
                                        new Lsn(lsn),
                                        holders(tenants, timeline, lsn),
                                        0,
                                        0);
                    }
                    points.put(lsn, there.and(bytes));
                }
            }
        }
        List<Kept> kept = new ArrayList<>(List.of(window));
        kept.addAll(points.values());
        kept.add(uncovered);
        kept.removeIf(one -> one.layers() == 0);
        return new GcPlan(
                new Lsn(timeline.oldestReadableLsn()),
                new Lsn(plan.retention().cutoff()),
                blocked,
                plan.goes(),
                kept);
    }

    /** Who has a timeline's history kept at an LSN. */
    private static List<String> holders(Tenants tenants, Timeline timeline, long lsn) {
        List<String> holders = new ArrayList<>();
        for (NamedPoint point : timeline.properties().points()) {
            if (point.pinned() && point.lsn() == lsn) {
                long until = point.keptUntilMillis();
                holders.add(
                        "point "
                                + point.name()
                                + (until == 0 ? "" : " until " + Instant.ofEpochMilli(until)));
            }
        }
        for (Timeline branch : tenants.branches(timeline)) {
            if (branch.ancestorLsn() == lsn) {
                Label name = tenants.names().of(branch);
                holders.add("branch " + (name == null ? branch.id() : name));
            }
        }
        for (Lease lease : timeline.leases()) {
            if (lease.lsn() == lsn) {
                holders.add("lease until " + Instant.ofEpochMilli(lease.validUntilMillis()));
            }
        }
        if (holders.isEmpty()) {
            // A branch that is being made, or cannot be opened.
            holders.add("a branch");
        }
        return holders;
    }
}
