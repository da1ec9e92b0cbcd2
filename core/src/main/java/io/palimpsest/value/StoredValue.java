package io.palimpsest.value;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalRecord;

/**
 * The bytes stored under (key, LSN): a kind byte, then by kind. Integers are little-endian,
 * unaligned.
 *
 * <pre>
 * 0 IMAGE              content; no content means "not there" (tombstone), or a page of zeros
 * 1 RECORD             a WAL record, sliced for one block: see RecordSlice
 * 2 VM_CLEAR           u8 bits to clear, then { u32 heap block }...        (LSN of the page untouched)
 * 3 VM_TRUNCATE        u32 first heap block that is gone; it lies on this page  (LSN untouched)
 * 4 CLOG_STATUS        u8 status, i64 commit time (us since 2000, 0 if none), { u32 xid }...   all on this page
 * 5 MULTIXACT_OFFSETS  { u32 multixact, u32 offset }...                   all on this page
 * 6 MULTIXACT_MEMBERS  u32 first member offset, { u32 xid, u8 status }...  all on this page
 * 7 COMMIT_TS          i64 time, u16 origin, { u32 xid }...               all on this page
 * </pre>
 *
 * A value is <i>initial</i> if reading needs nothing below it: an image, or a record that
 * initialises the page or carries an image to apply.
 */
public final class StoredValue {
    public static final int IMAGE = 0;
    public static final int RECORD = 1;
    public static final int VM_CLEAR = 2;
    public static final int VM_TRUNCATE = 3;
    public static final int CLOG_STATUS = 4;
    public static final int MULTIXACT_OFFSETS = 5;
    public static final int MULTIXACT_MEMBERS = 6;
    public static final int COMMIT_TS = 7;

    static final int FLAG_INITIAL = 1;

    private StoredValue() {}

    public static int kind(byte[] b, int at) {
        return Bytes.u8(b, at);
    }

    public static boolean isInitial(byte[] b, int at) {
        return b[at] == IMAGE || b[at] == RECORD && (b[at + 1] & FLAG_INITIAL) != 0;
    }

    public static void image(ByteSink out, byte[] content, int at, int length) {
        out.u8(IMAGE);
        out.bytes(content, at, length);
    }

    /**
     * The part of a record that redo of its block {@code index} (not id) needs. Layout: {@link
     * RecordSlice}.
     */
    public static void record(ByteSink out, WalRecord r, int index) {
        boolean applies = r.appliesImage(index);
        out.u8(RECORD);
        out.u8(applies || r.willInit(index) ? FLAG_INITIAL : 0);
        out.u8(r.rmid());
        out.u8(r.info());
        out.i32(r.xid());
        // XLOG's page images are independent of each other, and come 32 at a time.
        boolean alone = r.rmid() == Rmgr.XLOG;
        out.u8(alone ? 0 : index);
        out.u8(alone ? 1 : r.blockCount());
        for (int i = alone ? index : 0, end = alone ? index + 1 : r.blockCount(); i < end; i++) {
            out.u8(r.blockId(i));
            out.u8(r.forkFlags(i));
            out.i32(r.blockNumber(i));
        }
        out.u16(r.dataLength(index));
        // An image that is there only to compare with is not needed for redo.
        out.u8(applies ? r.imageFlags(index) : 0);
        if (applies) {
            out.u16(r.imageLength(index));
            out.u16(r.holeOffset(index));
            out.u16(r.holeLength(index));
            out.bytes(r.bytes(), r.imageOffset(index), r.imageLength(index));
        }
        out.bytes(r.bytes(), r.dataOffset(index), r.dataLength(index));
        out.bytes(r.bytes(), r.mainOffset(), r.mainLength());
    }

    public static void vmClear(ByteSink out, int bits, int heapBlock) {
        out.u8(VM_CLEAR);
        out.u8(bits);
        out.i32(heapBlock);
    }

    /** The same bits of two heap blocks, which are on the same visibility-map page. */
    public static void vmClear(ByteSink out, int bits, int heapBlock, int otherHeapBlock) {
        vmClear(out, bits, heapBlock);
        out.i32(otherHeapBlock);
    }

    public static void vmTruncate(ByteSink out, int heapBlock) {
        out.u8(VM_TRUNCATE);
        out.i32(heapBlock);
    }

    /**
     * The status of {@code xids[from .. to)}, all on one page of pg_xact.
     *
     * @param status Slru.XACT_*
     * @param commitTime microseconds since 2000, 0 if none
     */
    public static void clogStatus(
            ByteSink out, int status, long commitTime, int[] xids, int from, int to) {
        out.u8(CLOG_STATUS);
        out.u8(status);
        out.i64(commitTime);
        ints(out, xids, from, to);
    }

    /** Where the members of one multixact start. */
    public static void multixactOffset(ByteSink out, int multi, int memberOffset) {
        out.u8(MULTIXACT_OFFSETS);
        out.i32(multi);
        out.i32(memberOffset);
    }

    /** Two multixacts whose offsets are on the same page. */
    public static void multixactOffsets(
            ByteSink out, int multi, int memberOffset, int otherMulti, int otherMemberOffset) {
        multixactOffset(out, multi, memberOffset);
        out.i32(otherMulti);
        out.i32(otherMemberOffset);
    }

    /**
     * {@code count} members, all on the page of {@code firstOffset}.
     *
     * @param members {u32 xid, u32 status} each, as a multixact's record has them
     * @param at where the first of them is
     */
    public static void multixactMembers(
            ByteSink out, int firstOffset, byte[] members, int at, int count) {
        out.u8(MULTIXACT_MEMBERS);
        out.i32(firstOffset);
        for (int i = 0; i < count; i++) {
            out.i32(Bytes.i32(members, at + 8 * i));
            out.u8(Bytes.i32(members, at + 8 * i + 4));
        }
    }

    /**
     * One commit time and origin for {@code xids[from .. to)}, all on one page of pg_commit_ts.
     *
     * @param time microseconds since 2000
     * @param origin replication origin, 0 if none
     */
    public static void commitTs(ByteSink out, long time, int origin, int[] xids, int from, int to) {
        out.u8(COMMIT_TS);
        out.i64(time);
        out.u16(origin);
        ints(out, xids, from, to);
    }

    private static void ints(ByteSink out, int[] values, int from, int to) {
        for (int i = from; i < to; i++) {
            out.i32(values[i]);
        }
    }
}
