package io.palimpsest.layer;

/** What a search for the values of one key came to. */
public enum Collected {
    /** An initial value was found: nothing older is needed. */
    COMPLETE,
    /** All there is here has been collected; look on below {@link Reconstruction#below()}. */
    MORE,
    /** Not without blocking. The collector is as it was, so that a blocking search can go on. */
    NOT_READY,
    /** A layer was removed since this map was current: take the current one and start again. */
    STALE
}
