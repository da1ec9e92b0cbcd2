package io.palimpsest.base;

import java.util.Locale;

/**
 * A position in the WAL, in bytes. Unsigned 64 bits; {@link #MAX} stands for "the latest" in
 * requests. Hot paths carry the bare {@code long} and compare with {@link Long#compareUnsigned}.
 */
public record Lsn(long value) implements Comparable<Lsn> {
    public static final Lsn INVALID = new Lsn(0);
    public static final Lsn MAX = new Lsn(-1L);

    /** Reads PostgreSQL's text form: high half, slash, low half, both hexadecimal. */
    public static Lsn parse(String text) {
        int slash = text.indexOf('/');
        if (slash < 1 || slash > 8 || text.length() - slash < 2 || text.length() - slash > 9) {
            throw PageserverException.badRequest(
                    "'%s' is no LSN: expected hex/hex, e.g. 0/16B3748", text);
        }
        try {
            long high = Long.parseLong(text, 0, slash, 16);
            long low = Long.parseLong(text, slash + 1, text.length(), 16);
            if (text.charAt(0) == '+' || text.charAt(slash + 1) == '+' || high < 0 || low < 0) {
                throw new NumberFormatException();
            }
            return new Lsn(high << 32 | low);
        } catch (NumberFormatException e) {
            throw PageserverException.badRequest(
                    "'%s' is no LSN: expected hex/hex, e.g. 0/16B3748", text);
        }
    }

    public static String toString(long lsn) {
        // No formatter: every line of a trace and of a log has one.
        return Long.toHexString(lsn >>> 32).toUpperCase(Locale.ROOT)
                + '/'
                + Long.toHexString(lsn & 0xFFFF_FFFFL).toUpperCase(Locale.ROOT);
    }

    /** Records start on multiples of eight. */
    public static long align(long lsn) {
        return lsn + 7 & ~7L;
    }

    public boolean isValid() {
        return value != 0;
    }

    @Override
    public int compareTo(Lsn other) {
        return Long.compareUnsigned(value, other.value);
    }

    @Override
    public String toString() {
        return toString(value);
    }
}
