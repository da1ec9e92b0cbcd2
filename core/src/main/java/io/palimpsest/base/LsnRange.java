package io.palimpsest.base;

/** LSNs from {@code start} (inclusive) to {@code end} (exclusive). */
public record LsnRange(long start, long end) {
    public LsnRange {
        Check.that(
                Long.compareUnsigned(start, end) < 0,
                "empty LSN range %s..%s",
                Lsn.toString(start),
                Lsn.toString(end));
    }

    public boolean contains(long lsn) {
        return Long.compareUnsigned(start, lsn) <= 0 && Long.compareUnsigned(lsn, end) < 0;
    }

    @Override
    public String toString() {
        return Lsn.toString(start) + ".." + Lsn.toString(end);
    }
}
