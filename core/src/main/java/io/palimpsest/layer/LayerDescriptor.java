package io.palimpsest.layer;

import io.palimpsest.base.Check;

/**
 * What is known of a layer without opening it: all that planners work with, and what the index
 * says.
 *
 * @param size bytes of the file
 * @param complete of an image layer: every key of its range for which the layers of the timeline
 *     that wrote it had a value at or below its LSN is in it, so that a key which is not has none.
 *     Layers of ancestors do not count
 */
public record LayerDescriptor(LayerName name, long size, boolean complete) {
    public LayerDescriptor {
        Check.that(size >= 0, "layer of %d bytes", size);
        Check.that(!complete || name.image(), "a delta layer cannot be complete: %s", name);
    }
}
