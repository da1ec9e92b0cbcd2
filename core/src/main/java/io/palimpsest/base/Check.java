package io.palimpsest.base;

import java.util.Locale;

/**
 * Checks that stay on in production. A failed one means that the program is wrong (not the world):
 * it stops the timeline it happened in, never the server.
 */
public final class Check {
    /** A wrong program, as opposed to a wrong world ({@link PageserverException}). */
    public static final class Failed extends RuntimeException {
        private static final long serialVersionUID = 1;

        Failed(String message) {
            super(message);
        }
    }

    private Check() {}

    public static void that(boolean condition, String message) {
        if (!condition) {
            throw new Failed(message);
        }
    }

    public static void that(boolean condition, String format, long a) {
        if (!condition) {
            throw new Failed(String.format(Locale.ROOT, format, a));
        }
    }

    public static void that(boolean condition, String format, long a, long b) {
        if (!condition) {
            throw new Failed(String.format(Locale.ROOT, format, a, b));
        }
    }

    public static void that(boolean condition, String format, Object a) {
        if (!condition) {
            throw new Failed(String.format(Locale.ROOT, format, a));
        }
    }

    public static void that(boolean condition, String format, Object a, Object b) {
        if (!condition) {
            throw new Failed(String.format(Locale.ROOT, format, a, b));
        }
    }
}
