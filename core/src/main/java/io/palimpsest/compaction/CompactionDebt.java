package io.palimpsest.compaction;

import io.palimpsest.base.Check;

/**
 * Compaction that is due and not done.
 *
 * @param bytes of layers to be read for it, about
 * @param seconds that will take at the speed measured so far; 0 without bytes, infinite if there is
 *     work and nothing has been measured
 */
public record CompactionDebt(long bytes, double seconds) {
    public static final CompactionDebt NONE = new CompactionDebt(0, 0);

    public CompactionDebt {
        Check.that(bytes >= 0 && seconds >= 0, "compaction debt of %d bytes", bytes);
    }

    public static CompactionDebt of(long bytes, long bytesPerSecond) {
        return new CompactionDebt(
                bytes,
                bytes == 0
                        ? 0
                        : bytesPerSecond <= 0
                                ? Double.POSITIVE_INFINITY
                                : (double) bytes / bytesPerSecond);
    }

    public CompactionDebt plus(CompactionDebt other) {
        return new CompactionDebt(bytes + other.bytes, seconds + other.seconds);
    }
}
