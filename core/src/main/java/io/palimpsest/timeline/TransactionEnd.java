package io.palimpsest.timeline;

import io.palimpsest.timeline.LsnAtTime.Commit;
import org.jspecify.annotations.Nullable;

/**
 * How a transaction ended, as far as a history tells.
 *
 * @param xid with its epoch in the high half
 * @param lsn from which on a commit is seen: where a recovery to that transaction, inclusive, ends;
 *     or where the abort's record ends; 0 if there is no record of it
 * @param micros when it was committed, since 2000; 0 if that is not known
 * @param readable may the LSN be read?
 * @param before the nearest commit before it, or before where it would be, or null
 * @param after the same behind it
 */
public record TransactionEnd(
        long xid,
        Kind kind,
        long lsn,
        long micros,
        boolean readable,
        @Nullable Commit before,
        @Nullable Commit after) {

    /** What became of it. */
    public enum Kind {
        COMMITTED,
        ABORTED,
        /** It was prepared for a commit in two phases, and neither has come. */
        PREPARED,
        /** Later ones have ended, it has not. */
        IN_PROGRESS,
        /** Nothing in the history tells that there is such a transaction yet. */
        NOT_SEEN,
        /** So long ago that its status is not kept. */
        PAST
    }
}
