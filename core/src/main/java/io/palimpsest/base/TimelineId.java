package io.palimpsest.base;

/** A branch of a tenant's history: 128 bits, written as 32 lower-case hexadecimal digits. */
public record TimelineId(long high, long low) implements Comparable<TimelineId> {
    public static TimelineId parse(String text) {
        return new TimelineId(
                Hex.parseLong(text, 0, 32, "timeline id"),
                Hex.parseLong(text, 16, 32, "timeline id"));
    }

    @Override
    public int compareTo(TimelineId o) {
        int c = Long.compareUnsigned(high, o.high);
        return c != 0 ? c : Long.compareUnsigned(low, o.low);
    }

    @Override
    public String toString() {
        return Hex.digits(high) + Hex.digits(low);
    }
}
