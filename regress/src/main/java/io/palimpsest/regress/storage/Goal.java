package io.palimpsest.regress.storage;

import java.util.Locale;

/** What a ratio (or, without a peer, a value) is to be. */
record Goal(double limit, boolean atLeast) {
    static Goal atLeast(double limit) {
        return new Goal(limit, true);
    }

    static Goal atMost(double limit) {
        return new Goal(limit, false);
    }

    boolean met(double found) {
        return atLeast ? found >= limit : found <= limit;
    }

    @Override
    public String toString() {
        String number =
                limit == Math.rint(limit)
                        ? String.format(Locale.ROOT, "%.0f", limit)
                        : String.format(Locale.ROOT, "%.2f", limit);
        return (atLeast ? ">= " : "<= ") + number;
    }
}
