package io.palimpsest.layer;

/** Where layer files come from that are not on this disk. */
public interface LayerSource {
    /**
     * Brings a layer's file to {@code path}, durably, or sees that it is there. Waits for it; of
     * several who ask one does the work.
     *
     * @return false if it knows of no such layer
     * @throws io.palimpsest.base.PageserverException as the store has it, or CORRUPTION if what is
     *     in the store is not this layer
     */
    boolean fetch(LayerDescriptor layer, String path);
}
