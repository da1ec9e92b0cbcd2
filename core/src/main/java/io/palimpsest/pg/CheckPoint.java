package io.palimpsest.pg;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.PageserverException;

/**
 * PostgreSQL's struct CheckPoint as its 88 bytes, which may be changed in place.
 *
 * <pre>
 *  0 u64 redo           8 u32 timeline      12 u32 previous timeline
 * 16 bool full page writes                  20 i32 wal_level (17 and later; before: padding)
 * 24 u64 next xid, with epoch               32 u32 next oid
 * 36 u32 next multixact                     40 u32 next multixact offset
 * 44 u32 oldest xid    48 u32 its database  52 u32 oldest multixact    56 u32 its database
 * 64 i64 time          72 u32 oldest commit-timestamp xid   76 u32 newest
 * 80 u32 oldest active xid                  84 padding
 * </pre>
 *
 * The same in 14 to 18. Source: PostgreSQL's pg_control.h.
 */
public final class CheckPoint {
    public static final int BYTES = 88;

    private final byte[] b;

    private CheckPoint(byte[] bytes) {
        b = bytes;
    }

    /** A copy of {@code bytes[at .. at+88)}. */
    public static CheckPoint read(byte[] bytes, int at) {
        if (at < 0 || bytes.length - at < BYTES) {
            throw PageserverException.corruption(
                    "CheckPoint: expected %d bytes, found %d", BYTES, bytes.length - at);
        }
        byte[] copy = new byte[BYTES];
        System.arraycopy(bytes, at, copy, 0, BYTES);
        return new CheckPoint(copy);
    }

    /** A copy of its bytes. */
    public byte[] toBytes() {
        return b.clone();
    }

    public long redo() {
        return Bytes.i64(b, 0);
    }

    public void setRedo(long lsn) {
        Bytes.putI64(b, 0, lsn);
    }

    public int timeline() {
        return Bytes.i32(b, 8);
    }

    public int previousTimeline() {
        return Bytes.i32(b, 12);
    }

    public void setTimelines(int timeline, int previous) {
        Bytes.putI32(b, 8, timeline);
        Bytes.putI32(b, 12, previous);
    }

    public boolean fullPageWrites() {
        return b[16] != 0;
    }

    public void setFullPageWrites(boolean on) {
        b[16] = (byte) (on ? 1 : 0);
    }

    /** Means something from 17 on. */
    public int walLevel() {
        return Bytes.i32(b, 20);
    }

    public void setWalLevel(int level) {
        Bytes.putI32(b, 20, level);
    }

    /** Epoch in the high half. */
    public long nextXid() {
        return Bytes.i64(b, 24);
    }

    public void setNextXid(long fullXid) {
        Bytes.putI64(b, 24, fullXid);
    }

    public int nextOid() {
        return Bytes.i32(b, 32);
    }

    public void setNextOid(int oid) {
        Bytes.putI32(b, 32, oid);
    }

    public int nextMulti() {
        return Bytes.i32(b, 36);
    }

    public int nextMultiOffset() {
        return Bytes.i32(b, 40);
    }

    public void setNextMulti(int multi) {
        Bytes.putI32(b, 36, multi);
    }

    public void setNextMultiOffset(int offset) {
        Bytes.putI32(b, 40, offset);
    }

    public int oldestXid() {
        return Bytes.i32(b, 44);
    }

    public int oldestXidDatabase() {
        return Bytes.i32(b, 48);
    }

    public void setOldestXid(int xid, int database) {
        Bytes.putI32(b, 44, xid);
        Bytes.putI32(b, 48, database);
    }

    public int oldestMulti() {
        return Bytes.i32(b, 52);
    }

    public int oldestMultiDatabase() {
        return Bytes.i32(b, 56);
    }

    public void setOldestMulti(int multi, int database) {
        Bytes.putI32(b, 52, multi);
        Bytes.putI32(b, 56, database);
    }

    /** Seconds since 1970. */
    public long time() {
        return Bytes.i64(b, 64);
    }

    public void setTime(long seconds) {
        Bytes.putI64(b, 64, seconds);
    }

    /** 0 where commit timestamps are not kept. */
    public int oldestCommitTsXid() {
        return Bytes.i32(b, 72);
    }

    public int newestCommitTsXid() {
        return Bytes.i32(b, 76);
    }

    public void setCommitTsXids(int oldest, int newest) {
        Bytes.putI32(b, 72, oldest);
        Bytes.putI32(b, 76, newest);
    }

    public int oldestActiveXid() {
        return Bytes.i32(b, 80);
    }

    public void setOldestActiveXid(int xid) {
        Bytes.putI32(b, 80, xid);
    }
}
