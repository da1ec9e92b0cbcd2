package io.palimpsest.layer;

/**
 * Sorts pairs of longs (key, payload), side by side in one array, by their keys, which are all
 * different and not negative. Few by insertion, many by radix, least significant digit first, over
 * the digits in which any two of the keys differ.
 */
final class PairSort {
    private static final int FEW = 32;
    private static final int BITS = 11;
    private static final int DIGITS = 1 << BITS;

    private PairSort() {}

    /**
     * Sorts pairs {@code from} to {@code end} (exclusive).
     *
     * @param other as long as {@code pairs}; its content in that range is lost
     * @return the one of both arrays that holds the sorted range
     */
    static long[] sort(long[] pairs, long[] other, int from, int end) {
        if (end - from <= FEW) {
            insert(pairs, from, end);
            return pairs;
        }
        long any = 0;
        long first = pairs[2 * from];
        for (int i = 2 * from; i < 2 * end; i += 2) {
            any |= pairs[i] ^ first;
        }
        long[] a = pairs;
        long[] b = other;
        for (int shift = 0; shift < Long.SIZE && any >>> shift != 0; shift += BITS) {
            if ((any >>> shift & DIGITS - 1) != 0) {
                pass(a, b, from, end, shift);
                long[] t = a;
                a = b;
                b = t;
            }
        }
        return a;
    }

    private static void pass(long[] a, long[] b, int from, int end, int shift) {
        int[] next = new int[DIGITS];
        for (int i = 2 * from; i < 2 * end; i += 2) {
            next[(int) (a[i] >>> shift) & DIGITS - 1]++;
        }
        int at = from;
        for (int d = 0; d < DIGITS; d++) {
            int n = next[d];
            next[d] = at;
            at += n;
        }
        for (int i = 2 * from; i < 2 * end; i += 2) {
            int to = 2 * next[(int) (a[i] >>> shift) & DIGITS - 1]++;
            b[to] = a[i];
            b[to + 1] = a[i + 1];
        }
    }

    private static void insert(long[] a, int from, int end) {
        for (int i = from + 1; i < end; i++) {
            long key = a[2 * i];
            long payload = a[2 * i + 1];
            int j = i;
            for (; j > from && a[2 * j - 2] > key; j--) {
                a[2 * j] = a[2 * j - 2];
                a[2 * j + 1] = a[2 * j - 1];
            }
            a[2 * j] = key;
            a[2 * j + 1] = payload;
        }
    }
}
