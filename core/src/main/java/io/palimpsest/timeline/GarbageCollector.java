package io.palimpsest.timeline;

import io.palimpsest.compaction.GcPlanner;
import io.palimpsest.compaction.LayerInventory;
import io.palimpsest.compaction.Retention;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import java.util.ArrayList;
import java.util.List;

/**
 * Moves a timeline's cutoff to where its policy has it, and removes the layers that no legal read
 * needs any more. The cutoff is durable, and seen by readers, before a layer goes; a reader that
 * holds one of the layers goes on with it.
 */
public final class GarbageCollector {
    /**
     * @param layers removed
     * @param bytes of their files
     * @param retention by which they were found
     */
    public record Result(int layers, long bytes, Retention retention) {}

    private GarbageCollector() {}

    /**
     * @param cutoff where the cutoff is to go; it stays if that is behind it
     */
    public static Result run(Timeline timeline, long cutoff) {
        boolean _ = timeline.advanceCutoff(cutoff);
        // Before what is retained is asked: layers that the timeline takes over meanwhile come with
        // branch points that the one does not know, and so must not be looked at.
        LayerInventory inventory = timeline.inventory();
        Retention retention = timeline.retention();
        List<LayerDescriptor> garbage = GcPlanner.garbage(inventory, retention);
        List<LayerFile> files = new ArrayList<>(garbage.size());
        long bytes = 0;
        for (LayerDescriptor layer : garbage) {
            files.add(timeline.layer(layer));
            bytes += layer.size();
        }
        if (!files.isEmpty()) {
            timeline.replaceLayers(files, List.of());
        }
        return new Result(files.size(), bytes, retention);
    }
}
