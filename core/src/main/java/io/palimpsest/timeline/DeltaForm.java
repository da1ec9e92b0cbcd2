package io.palimpsest.timeline;

/** What a delta layer that background work writes is for, and so how it is compressed. */
enum DeltaForm {
    /** Of a timeline that is written to: the tip of its pages is read from it all the time. */
    MERGED,
    /** Of a timeline that nothing is written to. */
    AT_REST,
    /** Below the cutoff: read seldom and kept long. */
    HISTORY
}
