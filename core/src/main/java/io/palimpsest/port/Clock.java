package io.palimpsest.port;

/** Time. The two kinds never mix: timeouts are monotonic, PITR is wall time. */
public interface Clock {
    /** Nanoseconds since some fixed moment; never goes back, says nothing about the date. */
    long monotonicNanos();

    /** Milliseconds since 1970-01-01 UTC; may jump either way. */
    long wallMillis();
}
