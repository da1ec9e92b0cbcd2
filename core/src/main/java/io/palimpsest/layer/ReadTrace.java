package io.palimpsest.layer;

import io.palimpsest.base.TimelineId;

/** Is told what a read looks at, in order: for explanations and measurements. */
public interface ReadTrace {
    /** The search goes to this timeline, for values below the LSN (exclusive). */
    void timeline(TimelineId id, long belowLsn);

    /** A layer in memory was searched. */
    void memory(long startLsn, int values);

    /**
     * A layer file was asked.
     *
     * @param searched false if its filter knew that the key is not in it
     * @param values found in it
     */
    void file(LayerDescriptor layer, boolean searched, int values);
}
