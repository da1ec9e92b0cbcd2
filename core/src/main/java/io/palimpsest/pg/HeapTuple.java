package io.palimpsest.pg;

import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;

/**
 * The header of a heap tuple, as functions over the page and the offset where the tuple starts.
 *
 * <pre>
 *  0 u32 xmin   4 u32 xmax   8 u32 command id (or xvac)
 * 12 ctid { u16 block high, u16 block low, u16 offset number }
 * 18 u16 infomask2   20 u16 infomask   22 u8 hoff   23 null bitmap, padding; user data at hoff
 * </pre>
 *
 * Source: PostgreSQL's htup_details.h.
 */
public final class HeapTuple {
    /** The part that is always there; ends without padding. */
    public static final int HEADER = 23;

    public static final int XMAX_KEYSHR_LOCK = 0x0010;
    public static final int COMBOCID = 0x0020;
    public static final int XMAX_EXCL_LOCK = 0x0040;
    public static final int XMAX_LOCK_ONLY = 0x0080;
    public static final int XMAX_COMMITTED = 0x0400;
    public static final int XMAX_INVALID = 0x0800;
    public static final int XMAX_IS_MULTI = 0x1000;
    public static final int MOVED = 0xC000;

    /** All that infomask says about xmax. */
    public static final int XMAX_BITS =
            XMAX_COMMITTED
                    | XMAX_INVALID
                    | XMAX_IS_MULTI
                    | XMAX_KEYSHR_LOCK
                    | XMAX_EXCL_LOCK
                    | XMAX_LOCK_ONLY;

    /** Of infomask2. */
    public static final int KEYS_UPDATED = 0x2000;

    /** Of infomask2. */
    public static final int HOT_UPDATED = 0x4000;

    /** ctid of a tuple whose update went to another partition. */
    public static final int MOVED_PARTITIONS_OFFSET = 0xFFFD;

    private HeapTuple() {}

    /**
     * Where the tuple of line pointer {@code offset} starts; it must be there, with a whole header.
     */
    public static int at(byte[] page, int offset) {
        int start = Page.item(page, offset);
        int lp = Page.linePointer(page, offset);
        if (Page.lpFlags(lp) != Page.LP_NORMAL || Page.lpLength(lp) < HEADER) {
            throw Page.damaged("line pointer %x of item %d, a tuple was expected", lp, offset);
        }
        return start;
    }

    public static void setXmin(byte[] page, int tuple, int xid) {
        putI32(page, tuple, xid);
    }

    public static void setXmax(byte[] page, int tuple, int xid) {
        putI32(page, tuple + 4, xid);
    }

    /** The slot of the command id, which once held the xid of a VACUUM FULL. */
    public static void setXvac(byte[] page, int tuple, int xid) {
        putI32(page, tuple + 8, xid);
    }

    /** Sets the command id; the flag that says whether it is a combined one stays. */
    public static void setCommandId(byte[] page, int tuple, int commandId) {
        putI32(page, tuple + 8, commandId);
    }

    /** Command id 0, and not a combined one: all that WAL of a stock Postgres knows of them. */
    public static void resetCommandId(byte[] page, int tuple) {
        putI32(page, tuple + 8, 0);
        setInfomask(page, tuple, infomask(page, tuple) & ~COMBOCID);
    }

    public static void setCtid(byte[] page, int tuple, int block, int offset) {
        putU16(page, tuple + 12, block >>> 16);
        putU16(page, tuple + 14, block);
        putU16(page, tuple + 16, offset);
    }

    public static int infomask2(byte[] page, int tuple) {
        return u16(page, tuple + 18);
    }

    public static void setInfomask2(byte[] page, int tuple, int infomask2) {
        putU16(page, tuple + 18, infomask2);
    }

    public static int infomask(byte[] page, int tuple) {
        return u16(page, tuple + 20);
    }

    public static void setInfomask(byte[] page, int tuple, int infomask) {
        putU16(page, tuple + 20, infomask);
    }

    public static void setHoff(byte[] page, int tuple, int hoff) {
        page[tuple + 22] = (byte) hoff;
    }

    /** Where the user data start, from the start of the tuple. */
    public static int hoff(byte[] page, int tuple) {
        return u8(page, tuple + 22);
    }
}
