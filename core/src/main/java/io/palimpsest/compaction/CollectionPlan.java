package io.palimpsest.compaction;

import io.palimpsest.layer.LayerDescriptor;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * What a garbage collection would do to a timeline, and why it would leave the rest.
 *
 * @param retention by which it would collect
 * @param goes layers that it would remove
 */
public record CollectionPlan(Retention retention, List<LayerDescriptor> goes, List<Kept> kept) {
    /** Why a layer stays. */
    public sealed interface Reason {
        /** It has LSNs of the window, from the cutoff on. */
        record Window() implements Reason {}

        /** A branch, a lease or a pinned point at this LSN reads it, and else nobody. */
        record Point(long lsn) implements Reason {}

        /** What is in it is still read from it: no complete images cover it yet. */
        record Uncovered() implements Reason {}
    }

    /** A layer that stays. */
    public record Kept(LayerDescriptor layer, Reason reason) {}

    public CollectionPlan {
        goes = List.copyOf(goes);
        kept = List.copyOf(kept);
    }

    /**
     * Plans as {@link GcPlanner} does.
     *
     * @param retention with the cutoff that the collection would move to
     */
    public static CollectionPlan of(LayerInventory inventory, Retention retention) {
        List<LayerDescriptor> goes = GcPlanner.garbage(inventory, retention);
        TreeSet<String> gone = names(goes);
        TreeSet<String> withoutPoints =
                names(GcPlanner.garbage(inventory, new Retention(retention.cutoff(), List.of())));
        List<Kept> kept = new ArrayList<>();
        for (LayerDescriptor layer : inventory.layers()) {
            String name = layer.name().toString();
            if (gone.contains(name)) {
                continue;
            }
            long start = layer.name().startLsn();
            boolean inWindow =
                    Long.compareUnsigned(layer.name().endLsn() - 1, retention.cutoff()) >= 0;
            Reason reason =
                    withoutPoints.contains(name)
                            ? new Reason.Point(GcPlanner.lowestReader(retention, start))
                            : inWindow ? new Reason.Window() : new Reason.Uncovered();
            kept.add(new Kept(layer, reason));
        }
        return new CollectionPlan(retention, goes, kept);
    }

    private static TreeSet<String> names(List<LayerDescriptor> layers) {
        TreeSet<String> names = new TreeSet<>();
        layers.forEach(layer -> names.add(layer.name().toString()));
        return names;
    }
}
