package io.palimpsest.compaction;

import io.palimpsest.base.Check;
import io.palimpsest.base.KeyRange;
import io.palimpsest.layer.LayerDescriptor;
import java.util.List;

/** One step of background work on a timeline's layers: made by a planner, done by an executor. */
public sealed interface CompactionPlan {
    /** The layers that are read. */
    List<LayerDescriptor> inputs();

    /**
     * Rewrites L0s as narrower delta layers over the same LSNs, cut by key at the target size; a
     * key with more than that is cut by LSN. The inputs go.
     *
     * @param inputs oldest first, each ends where the next one starts
     */
    record MergeL0(List<LayerDescriptor> inputs) implements CompactionPlan {
        public MergeL0 {
            inputs = List.copyOf(inputs);
            Check.that(!inputs.isEmpty(), "nothing to merge");
        }
    }

    /**
     * Writes complete image layers of a key range as of an LSN. Nothing goes.
     *
     * @param inputs what holds the newest values at or below the LSN, and all they need below them
     *     in this timeline
     */
    record CreateImages(KeyRange keys, long lsn, List<LayerDescriptor> inputs)
            implements CompactionPlan {
        public CreateImages {
            inputs = List.copyOf(inputs);
        }
    }

    /**
     * Rewrites a key range so that below the cutoff nothing is left but what the retention needs: a
     * complete image as of its lowest LSN, and a delta layer from there up to the cutoff. What an
     * input holds outside of the key range, or above the cutoff, is written again as it was. The
     * inputs go.
     *
     * @param inputs all layers that overlap the key range and start at or below the cutoff
     */
    record DropHistory(KeyRange keys, Retention retention, List<LayerDescriptor> inputs)
            implements CompactionPlan {
        public DropHistory {
            inputs = List.copyOf(inputs);
            Check.that(!inputs.isEmpty(), "no history to drop");
        }
    }
}
