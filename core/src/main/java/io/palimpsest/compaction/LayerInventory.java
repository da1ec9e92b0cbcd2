package io.palimpsest.compaction;

import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import java.util.Collections;
import java.util.List;
import java.util.Set;

/**
 * What there is to plan with: a timeline's layers as its index names them.
 *
 * @param layers in any order
 * @param diskConsistentLsn all values at or below it are in them
 * @param adopted branch points up to which the timeline has taken over its former ancestors'
 *     layers: a complete image above one claims nothing about layers at or below it
 * @param avoided layers that are no input of any plan, and whose images count for nothing, because
 *     they were found to be damaged
 */
public record LayerInventory(
        List<LayerDescriptor> layers,
        long diskConsistentLsn,
        List<Long> adopted,
        Set<LayerName> avoided) {
    public LayerInventory {
        layers = List.copyOf(layers);
        adopted = adopted.stream().sorted(Long::compareUnsigned).toList();
    }

    /** Of a timeline that has adopted nothing and where nothing went wrong. */
    public static LayerInventory of(List<LayerDescriptor> layers, long diskConsistentLsn) {
        return new LayerInventory(layers, diskConsistentLsn, List.of(), Collections.emptySet());
    }

    /** No value at or below it is in an L0: the LSN below the oldest, else the newest on disk. */
    public long mergedLsn() {
        long lsn = diskConsistentLsn;
        for (LayerDescriptor d : layers) {
            if (d.name().isL0() && Long.compareUnsigned(d.name().startLsn(), lsn) <= 0) {
                lsn = d.name().startLsn() - 1;
            }
        }
        return lsn;
    }

    /**
     * The highest LSN at which a complete image can speak for a layer that starts at this LSN: that
     * of the first adoption at or above.
     */
    static long adoptionAbove(List<Long> adopted, long startLsn) {
        for (long a : adopted) {
            if (Long.compareUnsigned(a, startLsn) >= 0) {
                return a;
            }
        }
        return -1L;
    }
}
