package io.palimpsest.compaction;

import io.palimpsest.base.Check;
import io.palimpsest.base.KeyRange;
import io.palimpsest.layer.LayerDescriptor;
import java.util.List;

/** One step of background work on a timeline's layers: made by a planner, done by an executor. */
public sealed interface CompactionPlan {
    /** The layers that are read (with the base of a {@link DropHistory}). */
    List<LayerDescriptor> inputs();

    /**
     * Rewrites L0s as narrower delta layers over the same LSNs, cut by key at the target size; a
     * key with more than that is cut by LSN. The inputs go.
     *
     * @param inputs oldest first, each ends where the next one starts
     * @param atRest nothing is written to the timeline, and what is made is to take little room
     */
    record MergeL0(List<LayerDescriptor> inputs, boolean atRest) implements CompactionPlan {
        public MergeL0 {
            inputs = List.copyOf(inputs);
            Check.that(!inputs.isEmpty(), "nothing to merge");
        }
    }

    /**
     * Writes complete image layers of a key range as of an LSN, cut by key at the target size.
     * Nothing goes. Each of them is of use alone: an executor may stop after any, commit what it
     * has, and the rest is planned again.
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
     * complete image as of its lowest LSN, and a delta layer from there (exclusive) up to the
     * cutoff (inclusive), both cut by key as need be, never by LSN. What an input holds above the
     * cutoff, or outside of the key range, is written again as it was, in layers of their own: the
     * planner tells what has been rewritten from what has not by the LSNs that a layer starts and
     * ends at. The inputs go. A layer without entries may be left out, except the pieces of a
     * complete image outside of the key range: what it hides would come to light.
     *
     * @param retention what is kept. Its cutoff may be below the timeline's, which keeps more
     * @param base complete images as of the lowest LSN that are there already, over all of the key
     *     range, or none. They are read like the inputs but stay; no image is written then, and
     *     what inputs hold at or below the lowest LSN goes
     * @param inputs all layers that overlap the key range and start at or below the cutoff, but for
     *     that base
     */
    record DropHistory(
            KeyRange keys,
            Retention retention,
            List<LayerDescriptor> base,
            List<LayerDescriptor> inputs)
            implements CompactionPlan {
        public DropHistory {
            inputs = List.copyOf(inputs);
            base = List.copyOf(base);
            Check.that(!inputs.isEmpty(), "no history to drop");
        }
    }
}
