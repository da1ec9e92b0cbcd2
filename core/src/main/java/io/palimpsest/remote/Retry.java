package io.palimpsest.remote;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Event;
import io.palimpsest.port.Ids;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tracer;
import java.util.Locale;
import java.util.function.Supplier;

/**
 * Tries again what may work the next time, after a wait that is anywhere from nothing to a bound
 * that doubles (full jitter: those who failed together do not come back together). A cancelled task
 * is not kept waiting.
 */
final class Retry {
    /** A store that asks for less is left alone for as long as after this many failures more. */
    private static final int THROTTLED_DOUBLINGS = 3;

    private final Tasks tasks;
    private final Ids ids;
    private final Tracer tracer;
    private final RemoteLimits limits;

    Retry(Tasks tasks, Ids ids, Tracer tracer, RemoteLimits limits) {
        this.tasks = tasks;
        this.ids = ids;
        this.tracer = tracer;
        this.limits = limits;
    }

    /**
     * @param what for people: the verb and the key
     * @throws PageserverException what the attempt threw; if it was tried to the last, its message
     *     says so
     */
    <T> T call(String what, Supplier<T> attempt) {
        boolean damaged = false;
        for (int n = 1; ; n++) {
            PageserverException failure;
            try {
                return attempt.get();
            } catch (PageserverException e) {
                failure = e;
            }
            // Damage on the way is gone the next time, damage in the store is not.
            boolean again =
                    switch (failure.code()) {
                        case THROTTLED, UNAVAILABLE -> true;
                        case CORRUPTION -> !damaged;
                        default -> false;
                    };
            damaged |= failure.code() == ErrorCode.CORRUPTION;
            if (!again) {
                throw failure;
            }
            if (n >= limits.attempts()) {
                throw new PageserverException(
                        failure.code(),
                        String.format(
                                Locale.ROOT,
                                "%s, given up after %d attempts: %s",
                                what,
                                n,
                                failure.getMessage()),
                        failure);
            }
            long delay = delay(n, failure.code());
            tracer.event(
                    Event.STORE_RETRY,
                    String.format(
                            Locale.ROOT,
                            "%s, attempt %d: %s; again in %d ms",
                            what,
                            n,
                            failure.getMessage(),
                            delay / 1_000_000));
            tasks.sleep(delay);
        }
    }

    /** From nothing to the bound, after the {@code n}-th attempt. */
    private long delay(int n, ErrorCode code) {
        return Long.remainderUnsigned(ids.nextLong(), bound(n, code, limits) + 1);
    }

    static long bound(int n, ErrorCode code, RemoteLimits limits) {
        int doublings = n - 1 + (code == ErrorCode.THROTTLED ? THROTTLED_DOUBLINGS : 0);
        long bound = limits.firstDelayNanos();
        for (int i = 0; i < doublings && bound < limits.longestDelayNanos(); i++) {
            bound *= 2;
        }
        return Math.min(bound, limits.longestDelayNanos());
    }
}
