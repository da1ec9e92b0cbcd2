package io.palimpsest.compaction;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.layer.LayerDescriptor;
import java.util.Arrays;
import java.util.Collection;

/**
 * The keys cut at every border of a set of layers: within a stretch no layer begins or ends, so
 * that each layer is a run of whole stretches.
 */
final class KeyStretches {
    private final Key[] borders;

    KeyStretches(Collection<LayerDescriptor> layers) {
        Key[] all = new Key[2 * layers.size()];
        int n = 0;
        for (LayerDescriptor d : layers) {
            all[n++] = d.name().keys().start();
            all[n++] = d.name().keys().end();
        }
        Arrays.sort(all);
        int distinct = 0;
        for (Key k : all) {
            if (distinct == 0 || !all[distinct - 1].equals(k)) {
                all[distinct++] = k;
            }
        }
        borders = Arrays.copyOf(all, distinct);
    }

    int count() {
        return Math.max(0, borders.length - 1);
    }

    /** The first stretch of a layer. */
    int from(LayerDescriptor layer) {
        return Arrays.binarySearch(borders, layer.name().keys().start());
    }

    /** The last one, exclusive. */
    int to(LayerDescriptor layer) {
        return Arrays.binarySearch(borders, layer.name().keys().end());
    }

    /** The keys of stretches {@code from} (inclusive) to {@code to} (exclusive). */
    KeyRange keys(int from, int to) {
        return new KeyRange(borders[from], borders[to]);
    }
}
