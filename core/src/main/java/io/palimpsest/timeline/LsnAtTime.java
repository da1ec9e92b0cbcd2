package io.palimpsest.timeline;

import org.jspecify.annotations.Nullable;

/**
 * What a moment is in a history: the commits on either side of it.
 *
 * @param before the last commit at or before the moment, in the order of the WAL, or null
 * @param after the first one that is later, or null
 */
public record LsnAtTime(@Nullable Commit before, @Nullable Commit after) {
    /** A commit: microseconds since 2000, and the LSN from which on it is seen. */
    public record Commit(long micros, long lsn) {}

    /** Where the moment lies. */
    public enum Kind {
        /** Between two commits. */
        PRESENT,
        /** After all there are. */
        FUTURE,
        /** Before all that are kept. */
        PAST,
        /** No commit is known. */
        NO_DATA
    }

    public Kind kind() {
        if (before == null) {
            return after == null ? Kind.NO_DATA : Kind.PAST;
        }
        return after == null ? Kind.FUTURE : Kind.PRESENT;
    }
}
