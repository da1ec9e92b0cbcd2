package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.Key;
import io.palimpsest.pg.RelTag;
import io.palimpsest.value.Keys;

/**
 * Pages that are wanted together, each as of an LSN of its own and to a place of its own in one
 * array. Added in any order; most of the gain is in pages that lie near each other. Reused after
 * {@link #clear}.
 */
public final class PageBatch {
    private final int capacity;

    /** Four longs each: the key and the LSN. */
    private final long[] keys;

    private final int[] at;
    private int size;

    /**
     * @param capacity pages, at most
     */
    public PageBatch(int capacity) {
        Check.that(capacity > 0, "batch of %d pages", capacity);
        this.capacity = capacity;
        keys = new long[4 * capacity];
        at = new int[capacity];
    }

    public void clear() {
        size = 0;
    }

    public int size() {
        return size;
    }

    public boolean isFull() {
        return size == capacity;
    }

    /** Wants a block of a relation. */
    public void add(RelTag tag, int block, long lsn, int place) {
        add(
                Keys.hi(Keys.REL_BLOCK, tag.spc()),
                Keys.mid(tag.db(), tag.rel()),
                Keys.lo(tag.fork(), block),
                lsn,
                place);
    }

    /**
     * Wants the page under a REL_BLOCK or SLRU_BLOCK key.
     *
     * @param place of its first byte
     */
    public void add(Key key, long lsn, int place) {
        add(key.hi(), key.mid(), key.lo(), lsn, place);
    }

    /** Keeps them in order; they mostly come in order. */
    private void add(long hi, long mid, long lo, long lsn, int place) {
        Check.that(size < capacity, "more than %d pages in a batch", capacity);
        int i = size++;
        while (i > 0 && compare(i - 1, hi, mid, lo, lsn) > 0) {
            System.arraycopy(keys, 4 * (i - 1), keys, 4 * i, 4);
            at[i] = at[i - 1];
            i--;
        }
        keys[4 * i] = hi;
        keys[4 * i + 1] = mid;
        keys[4 * i + 2] = lo;
        keys[4 * i + 3] = lsn;
        at[i] = place;
    }

    private int compare(int i, long hi, long mid, long lo, long lsn) {
        int c = Key.compare(hi(i), mid(i), lo(i), hi, mid, lo);
        return c != 0 ? c : Long.compareUnsigned(lsn(i), lsn);
    }

    /** Receives what is wanted. */
    public interface Visitor {
        void visit(Key key, long lsn, int place);
    }

    /** In order of key, then LSN. */
    public void forEach(Visitor visitor) {
        for (int i = 0; i < size; i++) {
            visitor.visit(new Key(hi(i), mid(i), lo(i)), lsn(i), at[i]);
        }
    }

    /** Takes one out; the order of the others stays. */
    void remove(int i) {
        size--;
        System.arraycopy(keys, 4 * (i + 1), keys, 4 * i, 4 * (size - i));
        System.arraycopy(at, i + 1, at, i, size - i);
    }

    long[] keys() {
        return keys;
    }

    long hi(int i) {
        return keys[4 * i];
    }

    long mid(int i) {
        return keys[4 * i + 1];
    }

    long lo(int i) {
        return keys[4 * i + 2];
    }

    long lsn(int i) {
        return keys[4 * i + 3];
    }

    long lowestLsn() {
        long lowest = -1L;
        for (int i = 0; i < size; i++) {
            lowest = Long.compareUnsigned(lsn(i), lowest) < 0 ? lsn(i) : lowest;
        }
        return lowest;
    }

    int at(int i) {
        return at[i];
    }

    /** Is it of the same relation fork, as of the same LSN, as the one before? */
    boolean followsOn(int i) {
        return i > 0
                && hi(i) == hi(i - 1)
                && mid(i) == mid(i - 1)
                && lo(i) >>> 32 == lo(i - 1) >>> 32
                && lsn(i) == lsn(i - 1);
    }
}
