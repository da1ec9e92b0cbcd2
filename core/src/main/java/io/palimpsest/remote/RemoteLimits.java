package io.palimpsest.remote;

import io.palimpsest.base.Check;

/**
 * Bounds of what is asked of an object store.
 *
 * @param operations requests at once, at most; more wait
 * @param bytesPerSecond sent and received together; 0: no bound
 * @param attempts how often something is tried before the failure is passed on
 * @param firstDelayNanos the longest wait after the first attempt; it doubles with each
 * @param longestDelayNanos but not past this
 * @param partBytes of a large object that are asked for at once, at least, where it is read in
 *     parts
 * @param walBytes of a timeline's WAL that may be taken in and not be in the store; then more waits
 *     as long as the store takes what it is given; 0: no bound
 */
public record RemoteLimits(
        int operations,
        long bytesPerSecond,
        int attempts,
        long firstDelayNanos,
        long longestDelayNanos,
        int partBytes,
        long walBytes) {
    public static final RemoteLimits DEFAULT =
            new RemoteLimits(100, 0, 10, 100_000_000L, 10_000_000_000L, 128 << 10, 512L << 20);

    public RemoteLimits {
        Check.that(operations > 0, "operations %d", operations);
        Check.that(bytesPerSecond >= 0, "bytesPerSecond %d", bytesPerSecond);
        Check.that(attempts > 0, "attempts %d", attempts);
        Check.that(
                firstDelayNanos > 0 && firstDelayNanos <= longestDelayNanos,
                "delays from %d to %d",
                firstDelayNanos,
                longestDelayNanos);
        Check.that(walBytes >= 0, "walBytes %d", walBytes);
        Check.that(partBytes > 0, "partBytes %d", partBytes);
        Check.that(longestDelayNanos <= 1L << 50, "longestDelayNanos %d", longestDelayNanos);
    }

    /** The same with another patience. */
    public RemoteLimits withAttempts(int most) {
        return new RemoteLimits(
                operations,
                bytesPerSecond,
                most,
                firstDelayNanos,
                longestDelayNanos,
                partBytes,
                walBytes);
    }
}
