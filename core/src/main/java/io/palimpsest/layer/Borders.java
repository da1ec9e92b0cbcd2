package io.palimpsest.layer;

import io.palimpsest.base.Check;
import io.palimpsest.base.Key;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Keys in order, immutable, among which the last at or below a key is looked for; nothing is below
 * the first. Where all others differ in their last field only, as the blocks of a relation do, four
 * bytes are kept of each, so that many lie in a line of the cache: with a million layers a search
 * costs what it has to load.
 */
final class Borders {
    private final Key first;

    /** Last fields of the keys, what is before them being the same. Null if {@link #far} is not. */
    private final int @Nullable [] near;

    /** Three longs each. */
    private final long @Nullable [] far;

    // Of the last key, as of all but the first if they are near: hi, mid, and lo without the field.
    private final long hi;
    private final long mid;
    private final long upper;

    private Borders(Key first, Key last, int @Nullable [] near, long @Nullable [] far) {
        this.first = first;
        this.near = near;
        this.far = far;
        hi = last.hi();
        mid = last.mid();
        upper = upper(last.lo());
    }

    private static long upper(long lo) {
        return lo & ~0xFFFF_FFFFL;
    }

    /**
     * @param n how many of the keys, 1 or more
     */
    static Borders of(Key[] keys, int n) {
        Check.that(n > 0, "no borders");
        Key last = keys[n - 1];
        for (int i = 1; i < n; i++) {
            if (!near(keys[i], last.hi(), last.mid(), upper(last.lo()))) {
                return new Borders(keys[0], last, null, far(keys, n));
            }
        }
        return new Borders(keys[0], last, near(keys, n), null);
    }

    private static boolean near(Key key, long hi, long mid, long upper) {
        return key.hi() == hi && key.mid() == mid && upper(key.lo()) == upper;
    }

    private static int[] near(Key[] keys, int n) {
        int[] near = new int[n];
        for (int i = 0; i < n; i++) {
            near[i] = keys[i].field6();
        }
        return near;
    }

    private static long[] far(Key[] keys, int n) {
        long[] far = new long[3 * n];
        for (int i = 0; i < n; i++) {
            put(far, i, keys[i]);
        }
        return far;
    }

    private static void put(long[] far, int i, Key key) {
        far[3 * i] = key.hi();
        far[3 * i + 1] = key.mid();
        far[3 * i + 2] = key.lo();
    }

    int size() {
        return near != null ? near.length : longs().length / 3;
    }

    private long[] longs() {
        long[] keys = far;
        if (keys == null) {
            throw new IllegalStateException("borders in four bytes each");
        }
        return keys;
    }

    Key key(int i) {
        if (i == 0) {
            return first;
        }
        if (near != null) {
            return new Key(hi, mid, upper | near[i] & 0xFFFF_FFFFL);
        }
        long[] keys = longs();
        return new Key(keys[3 * i], keys[3 * i + 1], keys[3 * i + 2]);
    }

    /** Index of the last key at or below this one; 0 if none of the others is. */
    int last(long keyHi, long keyMid, long keyLo) {
        int[] fields = near;
        if (fields == null) {
            return lastFar(keyHi, keyMid, keyLo);
        }
        if (keyHi != hi || keyMid != mid || upper(keyLo) != upper) {
            int c = Key.compare(keyHi, keyMid, keyLo, hi, mid, upper);
            return c < 0 ? 0 : fields.length - 1;
        }
        // Signed comparison of what is unsigned.
        int wanted = (int) keyLo + Integer.MIN_VALUE;
        int at = 0;
        for (int left = fields.length; left > 1; ) {
            int half = left >>> 1;
            at += fields[at + half] + Integer.MIN_VALUE <= wanted ? half : 0;
            left -= half;
        }
        return at;
    }

    private int lastFar(long keyHi, long keyMid, long keyLo) {
        long[] keys = longs();
        int low = 1;
        int high = keys.length / 3 - 1;
        while (low <= high) {
            int i = low + high >>> 1;
            int at = 3 * i;
            if (Key.compare(keys[at], keys[at + 1], keys[at + 2], keyHi, keyMid, keyLo) <= 0) {
                low = i + 1;
            } else {
                high = i - 1;
            }
        }
        return low - 1;
    }

    /**
     * This with other keys in place of those from {@code from} to {@code to} (exclusive); the first
     * stays what it is.
     */
    Borders splice(int from, int to, Key[] fresh) {
        int n = size() - (to - from) + fresh.length;
        int after = size() - to;
        int[] fields = near;
        if (fields != null && !keepsNear(from, fresh)) {
            return ofAll(n, from, to, fresh);
        }
        Key last = key(size() - 1);
        if (fields != null) {
            int[] row = Arrays.copyOf(fields, n);
            System.arraycopy(near(fresh, fresh.length), 0, row, from, fresh.length);
            System.arraycopy(fields, to, row, from + fresh.length, after);
            return new Borders(first, last, row, null);
        }
        long[] keys = longs();
        long[] row = Arrays.copyOf(keys, 3 * n);
        System.arraycopy(far(fresh, fresh.length), 0, row, 3 * from, 3 * fresh.length);
        System.arraycopy(keys, 3 * to, row, 3 * (from + fresh.length), 3 * after);
        return new Borders(first, last, null, row);
    }

    /** Are other keys at this place like those that are here? */
    private boolean keepsNear(int from, Key[] fresh) {
        for (int i = from == 0 ? 1 : 0; i < fresh.length; i++) {
            if (!near(fresh[i], hi, mid, upper)) {
                return false;
            }
        }
        return size() > 1;
    }

    private Borders ofAll(int n, int from, int to, Key[] fresh) {
        Key[] all = new Key[n];
        for (int i = 0; i < from; i++) {
            all[i] = key(i);
        }
        System.arraycopy(fresh, 0, all, from, fresh.length);
        for (int i = from + fresh.length; i < n; i++) {
            all[i] = key(to + i - from - fresh.length);
        }
        return of(all, n);
    }
}
