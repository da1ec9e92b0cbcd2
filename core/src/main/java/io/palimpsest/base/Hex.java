package io.palimpsest.base;

import java.util.HexFormat;

/** Fixed-width hexadecimal, as ids and file names use it. */
public final class Hex {
    private static final HexFormat LOWER = HexFormat.of();

    private Hex() {}

    /** Sixteen lower-case digits. */
    public static String digits(long value) {
        return LOWER.toHexDigits(value);
    }

    /** Eight lower-case digits. */
    public static String digits(int value) {
        return LOWER.toHexDigits(value);
    }

    /**
     * The sixteen digits of {@code text} from {@code at} on; {@code text} must have {@code length}
     * digits in all. {@code what} names the thing in the error.
     */
    public static long parseLong(String text, int at, int length, String what) {
        boolean good = text.length() == length;
        for (int i = 0; good && i < length; i++) {
            good = HexFormat.isHexDigit(text.charAt(i));
        }
        if (!good) {
            throw PageserverException.badRequest(
                    "'%s' is no %s: expected %d hexadecimal digits", text, what, length);
        }
        return HexFormat.fromHexDigitsToLong(text, at, at + 16);
    }
}
