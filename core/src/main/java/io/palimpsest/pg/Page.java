package io.palimpsest.pg;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;

import io.palimpsest.base.PageserverException;
import java.util.Arrays;

/**
 * The header and line pointers of a PostgreSQL page, as functions over its 8192 bytes.
 *
 * <pre>
 *   0 u32 lsn high   4 u32 lsn low   8 u16 checksum   10 u16 flags
 *  12 u16 lower     14 u16 upper    16 u16 special    18 u16 size|version (0x2004)
 *  20 u32 prune xid 24 line pointers, 4 bytes each: bits 0..14 offset, 15..16 flags, 17..31 length
 * </pre>
 *
 * Source: PostgreSQL's bufpage.h, itemid.h.
 */
public final class Page {
    public static final int SIZE = 8192;
    public static final int HEADER = 24;
    public static final int FLAG_HAS_FREE_LINES = 1;
    public static final int FLAG_FULL = 2;
    public static final int FLAG_ALL_VISIBLE = 4;
    public static final int LP_UNUSED = 0;
    public static final int LP_NORMAL = 1;
    public static final int LP_REDIRECT = 2;
    public static final int LP_DEAD = 3;
    private static final int SIZE_AND_VERSION = 0x2004;

    private Page() {}

    public static int maxAlign(int n) {
        return n + 7 & ~7;
    }

    /**
     * Makes it an empty page with a special area of {@code specialSize} bytes (rounded up to 8).
     */
    public static void init(byte[] page, int specialSize) {
        Arrays.fill(page, (byte) 0);
        int special = SIZE - maxAlign(specialSize);
        setLower(page, HEADER);
        setUpper(page, special);
        putU16(page, 16, special);
        putU16(page, 18, SIZE_AND_VERSION);
    }

    /** Never initialised, as PostgreSQL sees it: pd_upper is zero. */
    public static boolean isNew(byte[] page) {
        return upper(page) == 0;
    }

    /** The same of the page that starts at {@code at}. */
    public static boolean isNew(byte[] b, int at) {
        return u16(b, at + 14) == 0;
    }

    public static long lsn(byte[] page) {
        return lsn(page, 0);
    }

    /** The same of the page that starts at {@code at}. */
    public static long lsn(byte[] b, int at) {
        return (long) i32(b, at) << 32 | i32(b, at + 4) & 0xFFFF_FFFFL;
    }

    public static void setLsn(byte[] page, long lsn) {
        putLsn(page, 0, lsn);
    }

    /** PostgreSQL's PageXLogRecPtr: high half first, each half little-endian. */
    public static void putLsn(byte[] b, int at, long lsn) {
        putI32(b, at, (int) (lsn >>> 32));
        putI32(b, at + 4, (int) lsn);
    }

    public static int checksum(byte[] page) {
        return u16(page, 8);
    }

    public static int flags(byte[] page) {
        return u16(page, 10);
    }

    public static void setFlags(byte[] page, int flags) {
        putU16(page, 10, flags);
    }

    public static void setFlag(byte[] page, int flag) {
        setFlags(page, flags(page) | flag);
    }

    public static void clearFlag(byte[] page, int flag) {
        setFlags(page, flags(page) & ~flag);
    }

    public static int lower(byte[] page) {
        return u16(page, 12);
    }

    public static void setLower(byte[] page, int lower) {
        putU16(page, 12, lower);
    }

    public static int upper(byte[] page) {
        return u16(page, 14);
    }

    public static void setUpper(byte[] page, int upper) {
        putU16(page, 14, upper);
    }

    public static int special(byte[] page) {
        return u16(page, 16);
    }

    public static int pruneXid(byte[] page) {
        return i32(page, 20);
    }

    public static void setPruneXid(byte[] page, int xid) {
        putI32(page, 20, xid);
    }

    /**
     * A tuple of the page dies with transaction {@code xid}: the oldest such xid is worth a prune.
     */
    public static void setPrunable(byte[] page, int xid) {
        int known = pruneXid(page);
        if (known == 0 || precedes(xid, known)) {
            setPruneXid(page, xid);
        }
    }

    /** Xids go round; those below 3 are older than all. */
    private static boolean precedes(int xid, int other) {
        boolean special = Integer.compareUnsigned(xid, 3) < 0;
        boolean otherSpecial = Integer.compareUnsigned(other, 3) < 0;
        return special || otherSpecial ? Integer.compareUnsigned(xid, other) < 0 : xid - other < 0;
    }

    /** Number of line pointers; a header that contradicts itself is an explicit error. */
    public static int maxOffset(byte[] page) {
        int lower = lower(page);
        int upper = upper(page);
        int special = special(page);
        if (lower < HEADER || lower > upper || upper > special || special > SIZE) {
            throw damaged("pd_lower %d, pd_upper %d, pd_special %d", lower, upper, special);
        }
        return (lower - HEADER) / 4;
    }

    public static int linePointer(byte[] page, int offset) {
        return i32(page, HEADER + 4 * (offset - 1));
    }

    public static void setLinePointer(byte[] page, int offset, int linePointer) {
        putI32(page, HEADER + 4 * (offset - 1), linePointer);
    }

    public static int linePointer(int itemOffset, int flags, int length) {
        return itemOffset & 0x7FFF | flags << 15 | length << 17;
    }

    public static int lpOffset(int linePointer) {
        return linePointer & 0x7FFF;
    }

    public static int lpFlags(int linePointer) {
        return linePointer >>> 15 & 3;
    }

    public static int lpLength(int linePointer) {
        return linePointer >>> 17;
    }

    /**
     * Where the item of line pointer {@code offset} starts; the line pointer must exist and have
     * storage within the page.
     */
    public static int item(byte[] page, int offset) {
        if (offset < 1 || offset > maxOffset(page)) {
            throw damaged("item %d of %d", offset, maxOffset(page));
        }
        int lp = linePointer(page, offset);
        if (lpLength(lp) == 0 || lpOffset(lp) < HEADER || lpOffset(lp) + lpLength(lp) > SIZE) {
            throw damaged("item %d has line pointer %x", offset, lp);
        }
        return lpOffset(lp);
    }

    public static int itemLength(byte[] page, int offset) {
        return lpLength(linePointer(page, offset));
    }

    public static PageserverException damaged(String what, Object... args) {
        return PageserverException.corruption("page: unexpected " + what, args);
    }
}
