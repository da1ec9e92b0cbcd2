package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;

/**
 * A compressed list of heap TIDs on a leaf of a GIN posting tree.
 *
 * <pre>
 * 0 first TID (6)   6 u16 n   8 n bytes, then a zero if n is odd
 * </pre>
 *
 * A TID is the number block * 2048 + offset. The bytes are the differences from one TID to the
 * next, seven bits a byte, low ones first, the high bit set on all but the last byte. Source:
 * PostgreSQL's ginpostinglist.c.
 */
final class GinPostingList {
    static final int HEADER = 8;
    private static final int OFFSET_BITS = 11;
    private static final int LAST_SHIFT = 42;

    private final byte[] out;
    private int start;
    private int end;
    private long previous;

    /** Writes lists into {@code out}. */
    GinPostingList(byte[] out) {
        this.out = out;
    }

    /** Size of the list at {@code at}, all of which must lie before {@code limit}. */
    static int size(byte[] b, int at, int limit) {
        RecordParts.require(at, HEADER, limit);
        int size = HEADER + (u16(b, at + 6) + 1 & ~1);
        RecordParts.require(at, size, limit);
        return size;
    }

    /**
     * Writes the list of {@code count} plain TIDs, ascending, at {@code to}.
     *
     * @return its size
     */
    int compress(byte[] tids, int at, int count, int to) {
        begin(to);
        for (int i = 0; i < count; i++) {
            append(tid(tids, at + IndexTuple.TID * i));
        }
        return finish();
    }

    /**
     * Writes at {@code to} the list at {@code list} (of the size {@link #size} tells) with {@code
     * count} plain ascending TIDs added; a TID that is in both comes out once.
     *
     * @return its size
     */
    int merge(byte[] b, int list, byte[] tids, int at, int count, int to) {
        begin(to);
        int next = 0;
        int p = list + HEADER;
        int listEnd = p + u16(b, list + 6);
        long old = tid(b, list);
        while (true) {
            while (next < count && tid(tids, at + IndexTuple.TID * next) <= old) {
                long added = tid(tids, at + IndexTuple.TID * next++);
                if (added != old) {
                    append(added);
                }
            }
            append(old);
            if (p == listEnd) {
                break;
            }
            long delta = 0;
            int shift = 0;
            int c;
            do {
                if (p == listEnd || shift > LAST_SHIFT) {
                    throw PageserverException.corruption(
                            "posting list: a number of more than %d bytes", shift / 7);
                }
                c = u8(b, p++);
                delta |= (long) (c & 0x7F) << shift;
                shift += 7;
            } while (c > 0x7F);
            old += delta;
        }
        for (; next < count; next++) {
            append(tid(tids, at + IndexTuple.TID * next));
        }
        return finish();
    }

    private static long tid(byte[] b, int at) {
        int offset = u16(b, at + 4);
        if (offset >>> OFFSET_BITS != 0) {
            throw PageserverException.corruption("posting list: TID with offset %d", offset);
        }
        return (IndexTuple.block(b, at) & 0xFFFF_FFFFL) << OFFSET_BITS | offset;
    }

    private void begin(int at) {
        start = at;
        end = at;
    }

    private void append(long tid) {
        if (end == start) {
            require(HEADER);
            IndexTuple.setTid(
                    out, start, (int) (tid >>> OFFSET_BITS), (int) tid & (1 << OFFSET_BITS) - 1);
            end += HEADER;
        } else {
            if (tid <= previous || tid >>> 32 + OFFSET_BITS != 0) {
                throw PageserverException.corruption(
                        "posting list: TID %x after %x", tid, previous);
            }
            long rest = tid - previous;
            while (rest > 0x7F) {
                require(1);
                out[end++] = (byte) (rest | 0x80);
                rest >>>= 7;
            }
            require(1);
            out[end++] = (byte) rest;
        }
        previous = tid;
    }

    private int finish() {
        putU16(out, start + 6, end - start - HEADER);
        if ((end - start & 1) != 0) {
            require(1);
            out[end++] = 0;
        }
        return end - start;
    }

    private void require(int bytes) {
        if (out.length - end < bytes) {
            throw PageserverException.corruption(
                    "posting list: does not fit in %d bytes", Page.SIZE);
        }
    }
}
