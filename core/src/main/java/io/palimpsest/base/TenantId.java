package io.palimpsest.base;

/** Who owns the data: 128 bits, written as 32 lower-case hexadecimal digits. */
public record TenantId(long high, long low) implements Comparable<TenantId> {
    public static TenantId parse(String text) {
        return new TenantId(
                Hex.parseLong(text, 0, 32, "tenant id"), Hex.parseLong(text, 16, 32, "tenant id"));
    }

    @Override
    public int compareTo(TenantId o) {
        int c = Long.compareUnsigned(high, o.high);
        return c != 0 ? c : Long.compareUnsigned(low, o.low);
    }

    @Override
    public String toString() {
        return Hex.digits(high) + Hex.digits(low);
    }
}
