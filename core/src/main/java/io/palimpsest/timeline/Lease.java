package io.palimpsest.timeline;

/**
 * An LSN that stays readable, if only at exactly that LSN, until its time is over and the cutoff is
 * moved.
 *
 * @param validUntilMillis milliseconds since 1970
 */
public record Lease(long lsn, long validUntilMillis) {}
