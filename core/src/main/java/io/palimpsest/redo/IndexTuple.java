package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u32;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageItems;

/**
 * The header of an index tuple, and tuples one after another in a record.
 *
 * <pre>
 * 0 u16 block high   2 u16 block low   4 u16 offset number
 * 6 u16 info: bits 0..12 size of the tuple, 13 the access method's own, 14 has varwidths, 15 has nulls
 * </pre>
 *
 * Source: PostgreSQL's itup.h, itemptr.h.
 */
final class IndexTuple {
    static final int HEADER = 8;
    static final int TID = 6;
    static final int SIZE_MASK = 0x1FFF;

    private IndexTuple() {}

    /** Size of the tuple at {@code at}, all of which must lie before {@code end}. */
    static int size(byte[] b, int at, int end) {
        RecordParts.require(at, HEADER, end);
        int size = u16(b, at + 6) & SIZE_MASK;
        if (size < HEADER || size > end - at) {
            throw PageserverException.corruption(
                    "index tuple of %d bytes: expected %d to %d", size, HEADER, end - at);
        }
        return size;
    }

    static void setTid(byte[] b, int at, int block, int offset) {
        setBlock(b, at, block);
        putU16(b, at + 4, offset);
    }

    static int block(byte[] b, int at) {
        return u16(b, at) << 16 | u16(b, at + 2);
    }

    static void setBlock(byte[] b, int at, int block) {
        putU16(b, at, block >>> 16);
        putU16(b, at + 2, block);
    }

    /** The six bytes of a tuple id as they are, to be put elsewhere. */
    static long rawTid(byte[] b, int at) {
        return u32(b, at) | (long) u16(b, at + 4) << 32;
    }

    static void putRawTid(byte[] b, int at, long tid) {
        putI32(b, at, (int) tid);
        putU16(b, at + 4, (int) (tid >>> 32));
    }

    /**
     * Adds the tuples in {@code b[at .. end)}, one right after the other, as items {@code offset},
     * {@code offset}+1, ...
     *
     * @return how many
     */
    static int addAll(byte[] page, int offset, byte[] b, int at, int end) {
        int count = 0;
        int next = at;
        while (next < end) {
            int size = size(b, next, end);
            PageItems.insert(page, offset + count, b, next, size);
            next += size;
            count++;
        }
        return count;
    }

    /** Start of an access method's special area, whose size is fixed. */
    static int opaque(byte[] page, int bytes) {
        if (Page.special(page) != Page.SIZE - bytes) {
            throw Page.damaged(
                    "special area from %d on, %d bytes are expected", Page.special(page), bytes);
        }
        return Page.SIZE - bytes;
    }
}
