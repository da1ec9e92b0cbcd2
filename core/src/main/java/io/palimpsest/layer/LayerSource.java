package io.palimpsest.layer;

/**
 * Where layer files come from that are not on this disk, and who lets them leave it. Of one layer
 * it does one thing at a time.
 */
public interface LayerSource {
    /**
     * Brings a layer's file to {@code path}, durably, or sees that it is there. Waits for it; of
     * several who ask one does the work.
     *
     * @param here is run when it is there, before anything else happens to it
     * @return false if it knows of no such layer
     * @throws io.palimpsest.base.PageserverException as the store has it, or CORRUPTION if what is
     *     in the store is not this layer
     */
    boolean fetch(LayerDescriptor layer, String path, Runnable here);

    /**
     * Deletes a layer's file if it is sure to come back by {@link #fetch}.
     *
     * @param gone is run when it is not there any more, before anything else happens to it
     * @return false if it must stay
     */
    boolean drop(LayerDescriptor layer, String path, Runnable gone);
}
