package io.palimpsest.layer;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

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

    int used() {
        return used;
    }
}
