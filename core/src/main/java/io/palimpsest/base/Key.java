package io.palimpsest.base;

import java.util.HexFormat;

/**
 * What a value is stored under: six fields in three longs, ordered by their unsigned value.
 *
 * <pre>
 *   hi   0..0 (24 bits)  kind (8)  field2 (32)
 *   mid  field3 (32)               field4 (32)
 *   lo   0..0 (24 bits)  field5 (8) field6 (32)
 * </pre>
 *
 * On disk the same 18 bytes big-endian (1, 4, 4, 4, 1, 4), so that byte order is key order; in
 * names 36 upper-case hexadecimal digits. Hot paths carry the three longs instead of a Key. What
 * the fields mean is {@code io.palimpsest.value.Keys}' business.
 */
public record Key(long hi, long mid, long lo) implements Comparable<Key> {
    public static final int BYTES = 18;
    public static final Key MIN = new Key(0, 0, 0);

    /** Above every key in use; the exclusive end of "all keys". */
    public static final Key MAX = new Key(0xFF_FFFF_FFFFL, -1L, 0xFF_FFFF_FFFFL);

    private static final HexFormat DIGITS = HexFormat.of().withUpperCase();

    public Key {
        Check.that(hi >>> 40 == 0 && lo >>> 40 == 0, "key fields out of range: %x %x", hi, lo);
    }

    public static Key of(int kind, int field2, int field3, int field4, int field5, int field6) {
        return new Key(
                (kind & 0xFFL) << 32 | field2 & 0xFFFF_FFFFL,
                (long) field3 << 32 | field4 & 0xFFFF_FFFFL,
                (field5 & 0xFFL) << 32 | field6 & 0xFFFF_FFFFL);
    }

    public static Key read(byte[] b, int at) {
        return new Key(readHi(b, at), readMid(b, at), readLo(b, at));
    }

    public static long readHi(byte[] b, int at) {
        return (b[at] & 0xFFL) << 32 | Bytes.i32BE(b, at + 1) & 0xFFFF_FFFFL;
    }

    public static long readMid(byte[] b, int at) {
        return Bytes.i64BE(b, at + 5);
    }

    public static long readLo(byte[] b, int at) {
        return (b[at + 13] & 0xFFL) << 32 | Bytes.i32BE(b, at + 14) & 0xFFFF_FFFFL;
    }

    public static void write(long hi, long mid, long lo, byte[] b, int at) {
        b[at] = (byte) (hi >>> 32);
        Bytes.putI32BE(b, at + 1, (int) hi);
        Bytes.putI64BE(b, at + 5, mid);
        b[at + 13] = (byte) (lo >>> 32);
        Bytes.putI32BE(b, at + 14, (int) lo);
    }

    /** Reads the 36 digits of a layer name. */
    public static Key parse(String digits) {
        if (digits.length() != 36) {
            throw PageserverException.corruption(
                    "key '%s': expected 36 hexadecimal digits, found %d", digits, digits.length());
        }
        try {
            return new Key(
                    Long.parseUnsignedLong(digits, 0, 10, 16),
                    Long.parseUnsignedLong(digits, 10, 26, 16),
                    Long.parseUnsignedLong(digits, 26, 36, 16));
        } catch (NumberFormatException e) {
            throw PageserverException.corruption("key '%s': not hexadecimal", digits);
        }
    }

    public static int compare(long hi, long mid, long lo, long hi2, long mid2, long lo2) {
        if (hi != hi2) {
            return hi < hi2 ? -1 : 1;
        }
        if (mid != mid2) {
            return Long.compareUnsigned(mid, mid2);
        }
        return Long.compare(lo, lo2);
    }

    public void write(byte[] b, int at) {
        write(hi, mid, lo, b, at);
    }

    public int kind() {
        return (int) (hi >>> 32);
    }

    public int field2() {
        return (int) hi;
    }

    public int field3() {
        return (int) (mid >>> 32);
    }

    public int field4() {
        return (int) mid;
    }

    public int field5() {
        return (int) (lo >>> 32);
    }

    public int field6() {
        return (int) lo;
    }

    /** The smallest key above this one. */
    public Key next() {
        if (lo != 0xFF_FFFF_FFFFL) {
            return new Key(hi, mid, lo + 1);
        }
        if (mid != -1L) {
            return new Key(hi, mid + 1, 0);
        }
        Check.that(hi != 0xFF_FFFF_FFFFL, "no key above %s", this);
        return new Key(hi + 1, 0, 0);
    }

    @Override
    public int compareTo(Key o) {
        return compare(hi, mid, lo, o.hi, o.mid, o.lo);
    }

    @Override
    public String toString() {
        return DIGITS.toHexDigits(hi, 10) + DIGITS.toHexDigits(mid) + DIGITS.toHexDigits(lo, 10);
    }
}
