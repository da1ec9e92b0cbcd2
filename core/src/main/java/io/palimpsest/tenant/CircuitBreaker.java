package io.palimpsest.tenant;

/**
 * Keeps work that fails from being tried at once again and again: after each failure it waits
 * longer, and after some in a row it is off for a day, or until it is reset. Times are monotonic.
 */
final class CircuitBreaker {
    static final int FAILURES = 5;
    static final long OFF_NANOS = 86_400_000_000_000L;
    private static final long FIRST_WAIT = 1_000_000_000L;
    private static final long LONGEST_WAIT = 60_000_000_000L;

    private int failures;
    private int waits;
    private long notBefore;
    private boolean off;

    /** May it be tried? */
    boolean closed(long now) {
        if (off && now - notBefore >= 0) {
            reset();
        }
        return waits == 0 || now - notBefore >= 0;
    }

    /** When it may be tried again; the past if it may now. */
    long notBefore(long now) {
        return waits == 0 ? now : notBefore;
    }

    /** Is it off for long? */
    boolean off() {
        return off;
    }

    void succeeded() {
        reset();
    }

    /**
     * @param counts whether it counts towards being switched off; else it is only waited for
     * @return true if that has switched it off
     */
    boolean failed(long now, boolean counts) {
        failures += counts ? 1 : 0;
        off = failures >= FAILURES;
        notBefore =
                now + (off ? OFF_NANOS : Math.min(LONGEST_WAIT, FIRST_WAIT << Math.min(waits, 10)));
        waits++;
        return off;
    }

    void reset() {
        failures = 0;
        waits = 0;
        off = false;
    }
}
