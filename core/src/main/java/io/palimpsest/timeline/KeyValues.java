package io.palimpsest.timeline;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Check;
import io.palimpsest.pg.Page;
import io.palimpsest.port.RedoEngine;
import io.palimpsest.value.StoredValue;
import java.util.Arrays;

/**
 * The values of one key as a merge brings them, oldest first, down from which a page is made. Room
 * is kept in front for the page that the oldest of them applies to, if it is none of them. Made
 * once, reused by {@link #start}.
 */
final class KeyValues implements RedoEngine.Values {
    private static final int BASE_BYTES = 1 + Page.SIZE;
    private static final int KEEP_BYTES = 4 << 20;

    private long hi;
    private long mid;
    private long lo;
    private boolean started;

    /** Value {@code i} is at {@code offset[i]}, up to {@code offset[i + 1]}; 0 is the base. */
    private long[] lsn = new long[64];

    private int[] offset = new int[65];
    private ByteSink bytes = new ByteSink(64 << 10);

    /** 0 if there is a base, else 1. */
    private int first;

    private int end;

    /** Starts over for a key. */
    void start(long keyHi, long keyMid, long keyLo) {
        hi = keyHi;
        mid = keyMid;
        lo = keyLo;
        started = true;
        clear();
    }

    private void clear() {
        if (bytes.array().length > KEEP_BYTES) {
            bytes = new ByteSink(64 << 10);
        }
        bytes.clear();
        int _ = bytes.reserve(BASE_BYTES);
        offset[0] = 0;
        offset[1] = BASE_BYTES;
        first = 1;
        end = 1;
    }

    boolean isFor(long keyHi, long keyMid, long keyLo) {
        return started && keyHi == hi && keyMid == mid && keyLo == lo;
    }

    /** Adds the next newer value, by copy; an initial one makes those before it go. */
    void add(long atLsn, byte[] b, int at, int length) {
        if (StoredValue.isInitial(b, at)) {
            clear();
        }
        if (end == lsn.length) {
            lsn = Arrays.copyOf(lsn, 2 * end);
            offset = Arrays.copyOf(offset, 2 * end + 1);
        }
        lsn[end] = atLsn;
        bytes.bytes(b, at, length);
        offset[++end] = bytes.size();
    }

    /** Does a read need nothing below the oldest value? */
    boolean complete() {
        return count() > 0 && StoredValue.isInitial(bytes.array(), offset[first]);
    }

    /** What the oldest value applies to. */
    void base(byte[] page) {
        Check.that(first == 1 && end > 1, "a base in front of %d values", count());
        putBase(page, lsn[1] - 1);
    }

    /** Replaces all values by the page that they make. */
    void become(byte[] page) {
        long newest = lsn(0);
        clear();
        putBase(page, newest);
    }

    private void putBase(byte[] page, long atLsn) {
        bytes.array()[0] = StoredValue.IMAGE;
        System.arraycopy(page, 0, bytes.array(), 1, Page.SIZE);
        lsn[0] = atLsn;
        first = 0;
    }

    /** Bytes of the values. */
    int size() {
        return offset[end] - offset[first];
    }

    /** LSN of the oldest value. */
    long oldest() {
        return lsn[first];
    }

    /** Is the newest value an image, that is: content as it is? */
    boolean newestIsImage() {
        return StoredValue.kind(bytes.array(), offset(0)) == StoredValue.IMAGE;
    }

    @Override
    public int count() {
        return end - first;
    }

    @Override
    public long lsn(int i) {
        return lsn[end - 1 - i];
    }

    @Override
    public int offset(int i) {
        return offset[end - 1 - i];
    }

    @Override
    public int length(int i) {
        return offset[end - i] - offset[end - 1 - i];
    }

    @Override
    public byte[] bytes() {
        return bytes.array();
    }

    @Override
    public long hi() {
        return hi;
    }

    @Override
    public long mid() {
        return mid;
    }

    @Override
    public long lo() {
        return lo;
    }
}
