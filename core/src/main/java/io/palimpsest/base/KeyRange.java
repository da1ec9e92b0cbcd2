package io.palimpsest.base;

/** Keys from {@code start} (inclusive) to {@code end} (exclusive). */
public record KeyRange(Key start, Key end) {
    public static final KeyRange ALL = new KeyRange(Key.MIN, Key.MAX);

    public KeyRange {
        Check.that(start.compareTo(end) < 0, "empty key range %s..%s", start, end);
    }

    public boolean contains(Key key) {
        return start.compareTo(key) <= 0 && key.compareTo(end) < 0;
    }

    public boolean contains(long hi, long mid, long lo) {
        return Key.compare(start.hi(), start.mid(), start.lo(), hi, mid, lo) <= 0
                && Key.compare(hi, mid, lo, end.hi(), end.mid(), end.lo()) < 0;
    }

    public boolean overlaps(KeyRange other) {
        return start.compareTo(other.end) < 0 && other.start.compareTo(end) < 0;
    }
}
