package io.palimpsest.remote;

import io.palimpsest.port.Clock;
import io.palimpsest.port.Tasks;

/**
 * A token bucket shared by tasks: each takes its bytes at once and then sleeps until they are paid
 * for, so that who comes later waits longer. A second's worth is saved up at most.
 */
final class Bandwidth {
    private static final long SECOND = 1_000_000_000L;

    /** Waits shorter than this are put off. */
    private static final long LEAST_SLEEP = SECOND / 200;

    private final Clock clock;
    private final Tasks tasks;
    private final long bytesPerSecond;
    private final Tasks.Monitor monitor;

    /** When all that was taken is paid for; under the monitor. */
    private long paidNanos;

    /**
     * @param bytesPerSecond 0: no bound
     */
    Bandwidth(Clock clock, Tasks tasks, long bytesPerSecond) {
        this.clock = clock;
        this.tasks = tasks;
        this.bytesPerSecond = bytesPerSecond;
        this.monitor = tasks.monitor("store bandwidth");
        this.paidNanos = clock.monotonicNanos();
    }

    void take(long bytes) {
        if (bytesPerSecond == 0) {
            return;
        }
        monitor.lock();
        long wait;
        try {
            long now = clock.monotonicNanos();
            paidNanos =
                    Math.max(paidNanos, now - SECOND)
                            + (long) (bytes * (double) SECOND / bytesPerSecond);
            wait = paidNanos - now;
        } finally {
            monitor.unlock();
        }
        if (wait >= LEAST_SLEEP) {
            tasks.sleep(wait);
        }
    }
}
