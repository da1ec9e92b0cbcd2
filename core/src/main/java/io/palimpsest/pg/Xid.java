package io.palimpsest.pg;

/**
 * Arithmetic of 32-bit transaction and multixact ids, which wrap around: half of them are before
 * any one, half after. Source: PostgreSQL's transam.h, transam.c.
 */
public final class Xid {
    public static final int FIRST_NORMAL = 3;
    public static final int FIRST_MULTI = 1;

    private Xid() {}

    public static boolean isNormal(int xid) {
        return Integer.compareUnsigned(xid, FIRST_NORMAL) >= 0;
    }

    /** Permanent ids (below 3) are before all normal ones. */
    public static boolean precedes(int xid, int other) {
        if (!isNormal(xid) || !isNormal(other)) {
            return Integer.compareUnsigned(xid, other) < 0;
        }
        return xid - other < 0;
    }

    /** For multixacts and their members' offsets: no value is special. */
    public static boolean multiPrecedes(int multi, int other) {
        return multi - other < 0;
    }

    /**
     * The id with its epoch: the last one of these 32 bits that is not after {@code nextXid}.
     *
     * @param nextXid epoch in the high half
     */
    public static long full(int xid, long nextXid) {
        long epoch = nextXid >>> 32;
        if (Integer.compareUnsigned(xid, (int) nextXid) > 0) {
            epoch--;
        }
        return epoch << 32 | xid & 0xFFFF_FFFFL;
    }
}
