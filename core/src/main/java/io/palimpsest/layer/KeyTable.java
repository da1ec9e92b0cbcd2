package io.palimpsest.layer;

import io.palimpsest.base.Key;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * A hash table from keys to addresses: open addressing over one array, four longs a slot (hi, mid,
 * lo, address; address 0 = free). One writer, lock-free readers: a slot's key never changes once
 * its address is not 0, and the address is stored with release after the key. Growing makes another
 * table and leaves this one as it is.
 */
final class KeyTable {
    static final int ROW = 4;
    private static final VarHandle LONGS = MethodHandles.arrayElementVarHandle(long[].class);

    private final long[] rows;
    private final int mask;
    private int used;

    /**
     * @param slots a power of two
     */
    KeyTable(int slots) {
        rows = new long[Math.multiplyExact(slots, ROW)];
        mask = slots - 1;
    }

    /** The key's address, or 0. For readers. */
    long find(long hi, long mid, long lo) {
        for (int slot = home(hi, mid, lo); ; slot = slot + 1 & mask) {
            int at = slot * ROW;
            // One load decides: a slot found free may belong to another key a moment later.
            long address = (long) LONGS.getAcquire(rows, at + 3);
            if (address == 0 || rows[at + 2] == lo && rows[at + 1] == mid && rows[at] == hi) {
                return address;
            }
        }
    }

    /** The slot that holds the key, or the free one it would go to. For the writer. */
    int slot(long hi, long mid, long lo) {
        int slot = home(hi, mid, lo);
        while (true) {
            int at = slot * ROW;
            if (rows[at + 3] == 0 || rows[at + 2] == lo && rows[at + 1] == mid && rows[at] == hi) {
                return slot;
            }
            slot = slot + 1 & mask;
        }
    }

    private int home(long hi, long mid, long lo) {
        return (int) (LayerFormat.hash(hi, mid, lo) >>> 32) & mask;
    }

    long headAcquire(int slot) {
        return (long) LONGS.getAcquire(rows, slot * ROW + 3);
    }

    /** For the writer. */
    long head(int slot) {
        return rows[slot * ROW + 3];
    }

    void put(int slot, long hi, long mid, long lo, long address) {
        int at = slot * ROW;
        if (rows[at + 3] == 0) {
            rows[at] = hi;
            rows[at + 1] = mid;
            rows[at + 2] = lo;
            used++;
        }
        LONGS.setRelease(rows, at + 3, address);
    }

    /** No more than two thirds of the slots are used. */
    boolean full() {
        return used >= (mask + 1L) * 2 / 3;
    }

    KeyTable grown() {
        KeyTable next = new KeyTable((mask + 1) * 2);
        for (int at = 0; at < rows.length; at += ROW) {
            if (rows[at + 3] != 0) {
                int slot = next.slot(rows[at], rows[at + 1], rows[at + 2]);
                next.put(slot, rows[at], rows[at + 1], rows[at + 2], rows[at + 3]);
            }
        }
        return next;
    }

    int slots() {
        return mask + 1;
    }

    long hi(int slot) {
        return rows[slot * ROW];
    }

    long mid(int slot) {
        return rows[slot * ROW + 1];
    }

    long lo(int slot) {
        return rows[slot * ROW + 2];
    }

    long bytes() {
        return 8L * rows.length;
    }

    /** The used rows of two tables without a common key, in key order. For the writer. */
    static long[] sortedRows(KeyTable a, KeyTable b) {
        long[] out = new long[Math.multiplyExact(a.used + b.used, ROW)];
        int n = 0;
        for (KeyTable t : new KeyTable[] {a, b}) {
            for (int at = 0; at < t.rows.length; at += ROW) {
                if (t.rows[at + 3] != 0) {
                    System.arraycopy(t.rows, at, out, n, ROW);
                    n += ROW;
                }
            }
        }
        int depth = 2 * (64 - Long.numberOfLeadingZeros(n));
        sort(out, 0, n / ROW, depth);
        return out;
    }

    /** Quicksort of whole rows, so that memory is walked in order; keys are all different. */
    private static void sort(long[] r, int start, int end, int depth) {
        int from = start;
        int to = end;
        int deep = depth;
        while (to - from > 12) {
            if (deep-- == 0) {
                heapSort(r, from, to);
                return;
            }
            medianToFirst(r, from, to);
            long hi = r[from * ROW];
            long mid = r[from * ROW + 1];
            long lo = r[from * ROW + 2];
            int i = from;
            int j = to;
            while (true) {
                do {
                    i++;
                } while (i < to && compare(r, i, hi, mid, lo) < 0);
                do {
                    j--;
                } while (compare(r, j, hi, mid, lo) > 0);
                if (i >= j) {
                    break;
                }
                swap(r, i, j);
            }
            swap(r, from, j);
            if (j - from < to - j - 1) {
                sort(r, from, j, deep);
                from = j + 1;
            } else {
                sort(r, j + 1, to, deep);
                to = j;
            }
        }
        for (int i = from + 1; i < to; i++) {
            for (int j = i; j > from && compare(r, j - 1, j) > 0; j--) {
                swap(r, j - 1, j);
            }
        }
    }

    private static void medianToFirst(long[] r, int from, int to) {
        int a = from + 1;
        int b = from + to >>> 1;
        int c = to - 1;
        int median =
                compare(r, a, b) < 0
                        ? compare(r, b, c) < 0 ? b : compare(r, a, c) < 0 ? c : a
                        : compare(r, a, c) < 0 ? a : compare(r, b, c) < 0 ? c : b;
        swap(r, from, median);
    }

    private static void heapSort(long[] r, int from, int to) {
        int n = to - from;
        for (int i = n / 2 - 1; i >= 0; i--) {
            sift(r, from, i, n);
        }
        for (int left = n - 1; left > 0; left--) {
            swap(r, from, from + left);
            sift(r, from, 0, left);
        }
    }

    private static void sift(long[] r, int from, int start, int n) {
        int i = start;
        while (2 * i + 1 < n) {
            int child = 2 * i + 1;
            if (child + 1 < n && compare(r, from + child, from + child + 1) < 0) {
                child++;
            }
            if (compare(r, from + i, from + child) >= 0) {
                return;
            }
            swap(r, from + i, from + child);
            i = child;
        }
    }

    private static int compare(long[] r, int i, int j) {
        return compare(r, i, r[j * ROW], r[j * ROW + 1], r[j * ROW + 2]);
    }

    private static int compare(long[] r, int i, long hi, long mid, long lo) {
        int at = i * ROW;
        return Key.compare(r[at], r[at + 1], r[at + 2], hi, mid, lo);
    }

    private static void swap(long[] r, int i, int j) {
        int a = i * ROW;
        int b = j * ROW;
        for (int k = 0; k < ROW; k++) {
            long t = r[a + k];
            r[a + k] = r[b + k];
            r[b + k] = t;
        }
    }
}
