package io.palimpsest.timeline;

import java.time.Instant;
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

    /** 2000-01-01 in seconds since 1970. */
    private static final long EPOCH_SECONDS = 946_684_800L;

    private static final long MICROS = 1_000_000L;

    /** PostgreSQL's form of a moment. */
    public static long microsSince2000(Instant moment) {
        return (moment.getEpochSecond() - EPOCH_SECONDS) * MICROS + moment.getNano() / 1000;
    }

    public static Instant moment(long microsSince2000) {
        return Instant.ofEpochSecond(
                Math.floorDiv(microsSince2000, MICROS) + EPOCH_SECONDS,
                Math.floorMod(microsSince2000, MICROS) * 1000);
    }

    public Kind kind() {
        if (before == null) {
            return after == null ? Kind.NO_DATA : Kind.PAST;
        }
        return after == null ? Kind.FUTURE : Kind.PRESENT;
    }
}
