package io.palimpsest.tenant;

import io.palimpsest.port.Clock;
import io.palimpsest.port.Tasks;

/** Keeps one task's I/O below a rate by sleeping; what was not used is not saved up for long. */
final class Throttle {
    private static final long SECOND = 1_000_000_000L;

    /** Sleeps shorter than this are put off. */
    private static final long LEAST_SLEEP = SECOND / 200;

    private final Clock clock;
    private final Tasks tasks;
    private final long bytesPerSecond;

    /** When what was taken so far is paid for. */
    private long paidNanos;

    /**
     * @param bytesPerSecond 0: no bound
     */
    Throttle(Clock clock, Tasks tasks, long bytesPerSecond) {
        this.clock = clock;
        this.tasks = tasks;
        this.bytesPerSecond = bytesPerSecond;
        this.paidNanos = clock.monotonicNanos();
    }

    void take(long bytes) {
        if (bytesPerSecond == 0) {
            tasks.yieldPoint();
            return;
        }
        long now = clock.monotonicNanos();
        paidNanos =
                Math.max(paidNanos, now - SECOND)
                        + (long) (bytes * (double) SECOND / bytesPerSecond);
        if (paidNanos - now >= LEAST_SLEEP) {
            tasks.sleep(paidNanos - now);
        } else {
            tasks.yieldPoint();
        }
    }
}
