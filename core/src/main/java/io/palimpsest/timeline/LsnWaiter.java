package io.palimpsest.timeline;

import io.palimpsest.port.Clock;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Tasks.Monitor;

/**
 * A growing LSN that readers can wait for. One task advances it. Advancing costs a volatile write
 * and a volatile read while nobody waits for an LSN that has been reached.
 */
final class LsnWaiter {
    private static final long NOBODY = Long.MAX_VALUE;

    private final Clock clock;
    private final Monitor monitor;
    private volatile long lsn;

    /** At most the smallest LSN somebody waits for. */
    private volatile long lowestAwaited = NOBODY;

    private volatile boolean ended;

    LsnWaiter(Environment environment, String name, long lsn) {
        clock = environment.clock();
        monitor = environment.tasks().monitor(name);
        this.lsn = lsn;
    }

    long lsn() {
        return lsn;
    }

    void advance(long to) {
        lsn = to;
        if (lowestAwaited <= to) {
            wake();
        }
    }

    /** It advances no more: nobody waits from now on, unless it is resumed. */
    void end() {
        ended = true;
        wake();
    }

    /** It advances again: who wants an LSN waits for it again. */
    void resume() {
        ended = false;
    }

    /** Lets all who wait look again, for instance because the timeline stopped. */
    void wake() {
        monitor.lock();
        try {
            lowestAwaited = NOBODY;
            monitor.signalAll();
        } finally {
            monitor.unlock();
        }
    }

    /**
     * Waits until the LSN is at least {@code wanted}.
     *
     * @return false if {@code timeoutNanos} passed first, or it will never be
     */
    boolean await(long wanted, long timeoutNanos) {
        if (lsn >= wanted) {
            return true;
        }
        long deadline = clock.monotonicNanos() + timeoutNanos;
        monitor.lock();
        try {
            while (true) {
                // Announced before the check, so that an advance in between sees it.
                lowestAwaited = Math.min(lowestAwaited, wanted);
                if (lsn >= wanted) {
                    return true;
                }
                long left = deadline - clock.monotonicNanos();
                if (left <= 0 || ended) {
                    return false;
                }
                monitor.await(left);
            }
        } finally {
            monitor.unlock();
        }
    }
}
