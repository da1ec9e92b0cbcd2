package io.palimpsest.layer;

import io.palimpsest.base.Key;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * A hash table from keys to addresses: open addressing over one array, four longs a slot (hi, mid,
 * lo, address; address 0 = free). One writer, lock-free readers: a slot's key never changes once
 * its address is not 0, and the address is stored with release after the key. Growing makes another
 * table and leaves this one as it is.
 *
 * <p>Eight neighbouring keys share a home, side by side: what comes in order touches few lines of
 * memory. The home's number is the top of the hash, so a table of twice the size has the same
 * order, and growing walks through both from front to back.
 */
final class KeyTable {
    static final int ROW = 4;
    private static final VarHandle LONGS = MethodHandles.arrayElementVarHandle(long[].class);

    private static final int NEIGHBOURS = 8;

    private final long[] rows;
    private final int mask;
    private final int shift;
    private int used;

    /**
     * @param slots a power of two, 16 or more
     */
    KeyTable(int slots) {
        rows = new long[Math.multiplyExact(slots, ROW)];
        mask = slots - 1;
        shift = Long.numberOfLeadingZeros(slots / NEIGHBOURS) + 1;
    }

    /** The key's address, or 0. For readers. */
    long find(long hi, long mid, long lo) {
        for (int slot = slotOf(hi, mid, lo); ; slot = slot + 1 & mask) {
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
        int slot = slotOf(hi, mid, lo);
        while (true) {
            int at = slot * ROW;
            if (rows[at + 3] == 0 || rows[at + 2] == lo && rows[at + 1] == mid && rows[at] == hi) {
                return slot;
            }
            slot = slot + 1 & mask;
        }
    }

    private int slotOf(long hi, long mid, long lo) {
        return (int) (LayerFormat.hash(hi, mid, lo / NEIGHBOURS) >>> shift) * NEIGHBOURS
                + (int) (lo % NEIGHBOURS);
    }

    /** What lies where the key would be if no other were in its way. For the writer. */
    long home(long hi, long mid, long lo) {
        return rows[slotOf(hi, mid, lo) * ROW + 3];
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

    /**
     * The used rows of two tables without a common key, in key order: hi, mid, lo, address each.
     * For the writer.
     *
     * <p>Keys are gathered by relation, of which there are few, and each relation's by radix on
     * what its keys differ in, so that large ones take some walks through memory in order instead
     * of many comparisons.
     */
    static long[] sortedRows(KeyTable a, KeyTable b) {
        int n = a.used + b.used;
        Relations relations = new Relations();
        int[] relationOf = new int[n];
        long[] found = new long[2 * n];
        int count = 0;
        for (KeyTable t : new KeyTable[] {a, b}) {
            for (int at = 0; at < t.rows.length; at += ROW) {
                if (t.rows[at + 3] != 0) {
                    relationOf[count] = relations.count(t.rows[at], t.rows[at + 1]);
                    found[2 * count] = t.rows[at + 2];
                    found[2 * count + 1] = t.rows[at + 3];
                    count++;
                }
            }
        }
        int[] order = relations.sorted();
        int[] next = relations.starts(order);
        long[] pairs = new long[2 * n];
        for (int i = 0; i < n; i++) {
            int to = 2 * next[relationOf[i]]++;
            pairs[to] = found[2 * i];
            pairs[to + 1] = found[2 * i + 1];
        }
        long[] out = new long[Math.multiplyExact(n, ROW)];
        int from = 0;
        for (int relation : order) {
            int end = from + relations.counts[relation];
            long[] sorted = PairSort.sort(pairs, found, from, end);
            for (int i = from; i < end; i++) {
                out[i * ROW] = relations.his[relation];
                out[i * ROW + 1] = relations.mids[relation];
                out[i * ROW + 2] = sorted[2 * i];
                out[i * ROW + 3] = sorted[2 * i + 1];
            }
            from = end;
        }
        return out;
    }

    /** Numbers the pairs (hi, mid) there are, and counts the keys of each. */
    private static final class Relations {
        private KeyTable numbers = new KeyTable(64);
        private long[] his = new long[16];
        private long[] mids = new long[16];
        private int[] counts = new int[16];
        private int size;
        private int last = -1;

        int count(long hi, long mid) {
            if (last < 0 || mids[last] != mid || his[last] != hi) {
                last = number(hi, mid);
            }
            counts[last]++;
            return last;
        }

        private int number(long hi, long mid) {
            int slot = numbers.slot(hi, mid, 0);
            if (numbers.head(slot) != 0) {
                return (int) numbers.head(slot) - 1;
            }
            if (numbers.full()) {
                numbers = numbers.grown();
                slot = numbers.slot(hi, mid, 0);
            }
            if (size == counts.length) {
                his = Arrays.copyOf(his, 2 * size);
                mids = Arrays.copyOf(mids, 2 * size);
                counts = Arrays.copyOf(counts, 2 * size);
            }
            his[size] = hi;
            mids[size] = mid;
            numbers.put(slot, hi, mid, 0, size + 1);
            return size++;
        }

        int[] sorted() {
            return IntStream.range(0, size)
                    .boxed()
                    .sorted((x, y) -> Key.compare(his[x], mids[x], 0, his[y], mids[y], 0))
                    .mapToInt(Integer::intValue)
                    .toArray();
        }

        /** Where the keys of each begin when they lie in that order. */
        int[] starts(int[] order) {
            int[] starts = new int[size];
            int at = 0;
            for (int relation : order) {
                starts[relation] = at;
                at += counts[relation];
            }
            return starts;
        }
    }
}
