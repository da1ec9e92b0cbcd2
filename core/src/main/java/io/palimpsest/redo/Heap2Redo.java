package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.HeapTuple;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageItems;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.VisibilityMap;
import io.palimpsest.value.RecordSlice;
import io.palimpsest.wal.HeapLayout;

/**
 * Redo of HEAP2 records. Opcodes 0x10 to 0x30 are PRUNE, VACUUM and FREEZE_PAGE up to 16 and one
 * record, PRUNE_*, since 17.
 *
 * <pre>
 * main data
 *   PRUNE         0 u32 xid   4 u16 redirects   6 u16 dead   16: 8 bool
 *   VACUUM        0 u16 unused
 *   FREEZE_PAGE   0 u32 xid   4 u16 tuples      16: 4 u16 plans   6 bool
 *   PRUNE_*       0 u8 reason   1 u8 flags   [2 u32 xid if flags has 0x08]
 *   VISIBLE       0 u32 xid   4 u8 flags (the map bits, 16 and later also 4)
 *   MULTI_INSERT  as {@link HeapLayout}; no offset numbers if the page starts anew
 *   LOCK_UPDATED  0 u32 xmax   4 u16 offset number   6 u8 infobits   7 u8 flags
 * block data
 *   PRUNE         { u16 from, u16 to }...   { u16 dead }...   { u16 unused }... to the end
 *   VACUUM        { u16 unused }...
 *   FREEZE_PAGE   { u32 xmax, u16 offset number, u16 infomask2, u16 infomask, u8 flags, pad }...
 *             16: plans, then the offset numbers of all plans
 *   PRUNE_*       0x10: u16 n, u16 pad, n plans   0x20: u16 n, n { u16 from, u16 to }
 *                 0x40: u16 n, n u16 dead         0x80: u16 n, n u16 unused
 *                 then the offset numbers of all plans
 *   plan          { u32 xmax, u16 infomask2, u16 infomask, u8 flags, pad, u16 tuples }
 *   MULTI_INSERT  at even distance from the start:
 *                 { header as HeapLayout, tuple from its byte 23 on }...
 * </pre>
 *
 * Source: PostgreSQL's heapam_xlog.h and the redo of heapam.c (18: heapam_xlog.c).
 */
final class Heap2Redo {
    private static final int OPCODE = 0x70;
    private static final int INIT_PAGE = 0x80;
    private static final int PRUNE = 0x10;
    private static final int VACUUM = 0x20;
    private static final int FREEZE_PAGE = 0x30;
    private static final int VISIBLE = 0x40;
    private static final int MULTI_INSERT = 0x50;
    private static final int LOCK_UPDATED = 0x60;

    private static final int CLEANUP_LOCK = 0x04;
    private static final int HAS_CONFLICT_HORIZON = 0x08;
    private static final int HAS_FREEZE_PLANS = 0x10;
    private static final int HAS_REDIRECTIONS = 0x20;
    private static final int HAS_DEAD_ITEMS = 0x40;
    private static final int HAS_NOW_UNUSED_ITEMS = 0x80;

    private static final int MULTI_INSERT_ALL_VISIBLE_CLEARED = 0x01;
    private static final int FREEZE_XVAC = 0x02;
    private static final int INVALID_XVAC = 0x04;
    private static final int FROZEN_XID = 2;

    /** Of a freeze plan, and of a frozen tuple before 16. */
    private static final int PLAN = 12;

    private Heap2Redo() {}

    /**
     * Changes the page of the record's own block; true if it changed (then the caller stamps the
     * LSN).
     */
    static boolean redo(byte[] page, RecordSlice r, HeapLayout layout, RedoContext context) {
        PgVersion version = context.version();
        boolean since17 = version.atLeast(PgVersion.V17);
        return switch (r.info() & OPCODE) {
            case PRUNE -> since17 ? pruneAndFreeze(page, r) : prune(page, r, version);
            case VACUUM -> since17 ? pruneAndFreeze(page, r) : vacuum(page, r);
            case FREEZE_PAGE -> since17 ? pruneAndFreeze(page, r) : freeze(page, r, version);
            case VISIBLE -> visible(page, r, context.hintBitsLogged());
            case MULTI_INSERT -> multiInsert(page, r, layout);
            case LOCK_UPDATED -> HeapRedo.lockUpdated(page, r);
            // REWRITE and NEW_CID are for logical decoding only.
            default -> throw Expected.noSuchBlock(r);
        };
    }

    private static boolean prune(byte[] page, RecordSlice r, PgVersion version) {
        onlyBlockZero(r);
        Expected.mainLength(r, version.atLeast(PgVersion.V16) ? 9 : 8);
        byte[] b = r.bytes();
        int redirects = u16(b, r.mainOffset() + 4);
        int dead = u16(b, r.mainOffset() + 6);
        int p = redirect(page, r, r.dataOffset(), redirects);
        p = setLinePointers(page, r, p, dead, Page.linePointer(0, Page.LP_DEAD, 0));
        int unused = r.dataOffset() + r.dataLength() - p >> 1;
        p = setLinePointers(page, r, p, unused, 0);
        Expected.endOfData(r, p);
        PageItems.repairFragmentation(page, version.atLeast(PgVersion.V15), r.spare());
        return true;
    }

    private static boolean vacuum(byte[] page, RecordSlice r) {
        onlyBlockZero(r);
        Expected.mainLength(r, 2);
        int unused = u16(r.bytes(), r.mainOffset());
        Expected.endOfData(r, setLinePointers(page, r, r.dataOffset(), unused, 0));
        PageItems.truncateLinePointers(page);
        return true;
    }

    private static boolean freeze(byte[] page, RecordSlice r, PgVersion version) {
        onlyBlockZero(r);
        byte[] b = r.bytes();
        int count = u16(b, r.mainOffset() + 4);
        int p = r.dataOffset();
        if (version.atLeast(PgVersion.V16)) {
            Expected.mainLength(r, 7);
            Expected.dataLeft(r, p, count * PLAN);
            Expected.endOfData(r, executePlans(page, r, p, count, p + count * PLAN));
            return true;
        }
        Expected.mainLength(r, 6);
        Expected.dataLength(r, count * PLAN);
        for (int i = 0; i < count; i++, p += PLAN) {
            freezeTuple(
                    page, u16(b, p + 4), i32(b, p), u16(b, p + 6), u16(b, p + 8), u8(b, p + 10));
        }
        return true;
    }

    private static boolean pruneAndFreeze(byte[] page, RecordSlice r) {
        onlyBlockZero(r);
        byte[] b = r.bytes();
        Expected.mainLengthAtLeast(r, 2);
        int flags = u8(b, r.mainOffset() + 1);
        Expected.mainLength(r, (flags & HAS_CONFLICT_HORIZON) != 0 ? 6 : 2);
        int p = r.dataOffset();
        int plans = 0;
        int plansAt = p;
        if ((flags & HAS_FREEZE_PLANS) != 0) {
            plans = count(r, p);
            plansAt = p + 4;
            Expected.dataLeft(r, p, 4 + plans * PLAN);
            p = plansAt + plans * PLAN;
        }
        if ((flags & HAS_REDIRECTIONS) != 0) {
            p = redirect(page, r, p + 2, count(r, p));
        }
        if ((flags & HAS_DEAD_ITEMS) != 0) {
            int dead = Page.linePointer(0, Page.LP_DEAD, 0);
            p = setLinePointers(page, r, p + 2, count(r, p), dead);
        }
        if ((flags & HAS_NOW_UNUSED_ITEMS) != 0) {
            p = setLinePointers(page, r, p + 2, count(r, p), 0);
        }
        if ((flags & (HAS_REDIRECTIONS | HAS_DEAD_ITEMS | HAS_NOW_UNUSED_ITEMS)) != 0) {
            if ((flags & CLEANUP_LOCK) != 0) {
                PageItems.repairFragmentation(page, true, r.spare());
            } else {
                PageItems.truncateLinePointers(page);
            }
        }
        Expected.endOfData(r, executePlans(page, r, plansAt, plans, p));
        return true;
    }

    private static int count(RecordSlice r, int at) {
        Expected.dataLeft(r, at, 2);
        return u16(r.bytes(), at);
    }

    /** Redirects line pointers by {@code n} pairs at {@code at}; answers where they end. */
    private static int redirect(byte[] page, RecordSlice r, int at, int n) {
        Expected.dataLeft(r, at, 4 * n);
        byte[] b = r.bytes();
        int max = Page.maxOffset(page);
        for (int i = 0; i < n; i++) {
            int to = u16(b, at + 4 * i + 2);
            int redirect = Page.linePointer(to, Page.LP_REDIRECT, 0);
            setLinePointer(page, u16(b, at + 4 * i), to >= 1 && to <= max, max, redirect);
        }
        return at + 4 * n;
    }

    /** Sets {@code n} line pointers, whose offset numbers are at {@code at}, to one value. */
    private static int setLinePointers(byte[] page, RecordSlice r, int at, int n, int value) {
        Expected.dataLeft(r, at, 2 * n);
        int max = Page.maxOffset(page);
        for (int i = 0; i < n; i++) {
            setLinePointer(page, u16(r.bytes(), at + 2 * i), true, max, value);
        }
        return at + 2 * n;
    }

    private static void setLinePointer(
            byte[] page, int offset, boolean valueIsSane, int max, int value) {
        if (offset < 1 || offset > max || !valueIsSane) {
            throw PageserverException.corruption(
                    "line pointer %d to become %x, the page has %d", offset, value, max);
        }
        Page.setLinePointer(page, offset, value);
    }

    /**
     * Freezes by {@code n} plans at {@code at}, whose offset numbers start at {@code offsets};
     * answers where those end.
     */
    private static int executePlans(byte[] page, RecordSlice r, int at, int n, int offsets) {
        byte[] b = r.bytes();
        int p = offsets;
        for (int i = 0, plan = at; i < n; i++, plan += PLAN) {
            int tuples = u16(b, plan + 10);
            Expected.dataLeft(r, p, 2 * tuples);
            int xmax = i32(b, plan);
            int infomask2 = u16(b, plan + 4);
            int infomask = u16(b, plan + 6);
            int flags = u8(b, plan + 8);
            for (int j = 0; j < tuples; j++, p += 2) {
                freezeTuple(page, u16(b, p), xmax, infomask2, infomask, flags);
            }
        }
        return p;
    }

    private static void freezeTuple(
            byte[] page, int offset, int xmax, int infomask2, int infomask, int flags) {
        int tuple = HeapTuple.at(page, offset);
        HeapTuple.setXmax(page, tuple, xmax);
        if ((flags & FREEZE_XVAC) != 0) {
            HeapTuple.setXvac(page, tuple, FROZEN_XID);
        }
        if ((flags & INVALID_XVAC) != 0) {
            HeapTuple.setXvac(page, tuple, 0);
        }
        HeapTuple.setInfomask(page, tuple, infomask);
        HeapTuple.setInfomask2(page, tuple, infomask2);
    }

    private static boolean visible(byte[] page, RecordSlice r, boolean hintBitsLogged) {
        Expected.mainLength(r, 5);
        int bits = u8(r.bytes(), r.mainOffset() + 4) & HeapRedo.BOTH_BITS;
        if (r.blockId() == 0 && r.fork() == RelTag.VM) {
            int heapBlock = r.blockNumber(1);
            HeapRedo.onItsMapPage(r, heapBlock);
            return VisibilityMap.set(page, heapBlock, bits);
        }
        if (r.blockId() != 1) {
            throw Expected.noSuchBlock(r);
        }
        Page.setFlag(page, Page.FLAG_ALL_VISIBLE);
        return hintBitsLogged;
    }

    static boolean multiInsert(byte[] page, RecordSlice r, HeapLayout layout) {
        byte[] b = r.bytes();
        int main = r.mainOffset();
        int offsets = layout.multiOffsets();
        Expected.mainLengthAtLeast(r, offsets);
        boolean starts = (r.info() & INIT_PAGE) != 0;
        int flags = u8(b, main);
        int tuples = u16(b, main + 2);
        Expected.mainLength(r, starts ? offsets : offsets + 2 * tuples);
        if (r.blockId() != 0) {
            int flagged = flags & MULTI_INSERT_ALL_VISIBLE_CLEARED;
            return HeapRedo.clearVisibility(page, r, flagged, HeapRedo.BOTH_BITS);
        }
        HeapRedo.initIfMarked(page, r);
        int header = layout.multiTupleHeader();
        int p = r.dataOffset();
        for (int i = 0; i < tuples; i++) {
            p += p - r.dataOffset() & 1;
            Expected.dataLeft(r, p, header);
            int length = u16(b, p);
            Expected.dataLeft(r, p, header + length);
            int offset = starts ? i + 1 : u16(b, main + offsets + 2 * i);
            int tuple = HeapRedo.newTuple(page, r, offset, p + 2, p + header - 1, length);
            if (layout.multiCommandId() != 0) {
                HeapRedo.commandIdOfNew(page, tuple, b, main, layout.multiCommandId());
            } else {
                HeapRedo.commandIdOfNew(page, tuple, b, p, layout.multiTupleCommandId());
            }
            System.arraycopy(b, p + header, page, tuple + HeapTuple.HEADER, length);
            p += header + length;
        }
        Expected.endOfData(r, p);
        HeapRedo.visibleFlag(page, flags);
        return true;
    }

    private static void onlyBlockZero(RecordSlice r) {
        if (r.blockId() != 0) {
            throw Expected.noSuchBlock(r);
        }
    }
}
