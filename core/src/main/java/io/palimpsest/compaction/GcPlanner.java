package io.palimpsest.compaction;

import io.palimpsest.layer.LayerDescriptor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/**
 * Finds the layers that no legal read needs: those whose keys complete images cover, at least as
 * new as all the layer holds, for every retained LSN that can see the layer. All of them may go at
 * once: an image that is garbage itself is covered by a newer one that serves the same reads.
 *
 * <p>Reads as of different LSNs differ only in which images they see, a later one sees more. So the
 * lowest retained LSN at or above the layer's start decides: the layer may go if the first complete
 * image at or above its newest value, over each of its keys, is at or below that LSN.
 */
public final class GcPlanner {
    private GcPlanner() {}

    /**
     * The layers that may go, in the order they are given. O(n log n).
     *
     * @param retention of the timeline
     */
    public static List<LayerDescriptor> garbage(LayerInventory inventory, Retention retention) {
        List<LayerDescriptor> layers = inventory.layers();
        KeyStretches stretches = new KeyStretches(layers);
        // The first image at or above an LSN that goes down; unsigned order in signed numbers.
        StretchTree first = new StretchTree(stretches.count(), Long.MAX_VALUE);
        List<LayerDescriptor> images = new ArrayList<>();
        List<Integer> byNewest = new ArrayList<>();
        for (int i = 0; i < layers.size(); i++) {
            byNewest.add(i);
            LayerDescriptor layer = layers.get(i);
            // A damaged image is worth nothing: what lies below it may be all there is.
            if (layer.complete() && !inventory.avoided().contains(layer.name())) {
                images.add(layer);
            }
        }
        images.sort(
                Comparator.comparing(
                        d -> d.name().startLsn(), (a, b) -> Long.compareUnsigned(b, a)));
        byNewest.sort((a, b) ->
                Long.compareUnsigned(sufficient(layers.get(b)), sufficient(layers.get(a))));
        boolean[] garbage = new boolean[layers.size()];
        int next = 0;
        for (int i : byNewest) {
            LayerDescriptor layer = layers.get(i);
            long from = sufficient(layer);
            while (next < images.size()
                    && Long.compareUnsigned(images.get(next).name().startLsn(), from) >= 0) {
                LayerDescriptor image = images.get(next++);
                first.set(
                        stretches.from(image),
                        stretches.to(image),
                        image.name().startLsn() ^ Long.MIN_VALUE);
            }
            long start = layer.name().startLsn();
            long seen = lowestReader(retention, start);
            long adoption = LayerInventory.adoptionAbove(inventory.adopted(), start);
            long limit = Long.compareUnsigned(adoption, seen) < 0 ? adoption : seen;
            garbage[i] =
                    first.max(stretches.from(layer), stretches.to(layer))
                            <= (limit ^ Long.MIN_VALUE);
        }
        List<LayerDescriptor> out = new ArrayList<>();
        for (int i = 0; i < garbage.length; i++) {
            if (garbage[i]) {
                out.add(layers.get(i));
            }
        }
        return Collections.unmodifiableList(out);
    }

    /** An image at this LSN or above has all that the layer has. */
    private static long sufficient(LayerDescriptor layer) {
        return layer.name().image() ? layer.name().endLsn() : layer.name().endLsn() - 1;
    }

    /** The lowest retained LSN at or above this one. */
    static long lowestReader(Retention retention, long lsn) {
        List<Long> points = retention.points();
        int low = 0;
        int high = points.size();
        while (low < high) {
            int i = low + high >>> 1;
            if (Long.compareUnsigned(points.get(i), lsn) < 0) {
                low = i + 1;
            } else {
                high = i;
            }
        }
        if (low < points.size()) {
            return points.get(low);
        }
        return Long.compareUnsigned(lsn, retention.cutoff()) < 0 ? retention.cutoff() : lsn;
    }
}
