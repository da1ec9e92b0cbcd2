package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.i64;
import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.putI64;
import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageItems;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.value.RecordSlice;

/**
 * Redo of GiST records.
 *
 * <pre>
 * special area:  0 node sequence number (an LSN, high half first)  8 u32 right link
 *                12 u16 flags  14 u16 0xFF81
 * </pre>
 *
 * The root is block 0 for good. Source: PostgreSQL's gistxlog.h, gistxlog.c, gist.h.
 */
final class GistRedo {
    private static final int PAGE_UPDATE = 0x00;
    private static final int DELETE = 0x10;
    private static final int PAGE_REUSE = 0x20;
    private static final int PAGE_SPLIT = 0x30;
    private static final int PAGE_DELETE = 0x60;
    private static final int ASSIGN_LSN = 0x70;

    private static final int SPECIAL = 16;
    private static final int SEQUENCE_NUMBER = 0;
    private static final int RIGHT_LINK = 8;
    private static final int FLAGS = 12;
    private static final int PAGE_ID = 14;
    private static final int GIST_PAGE_ID = 0xFF81;

    private static final int LEAF = 1;
    private static final int DELETED = 2;
    private static final int TUPLES_DELETED = 4;
    private static final int FOLLOW_RIGHT = 8;
    private static final int HAS_GARBAGE = 0x10;
    private static final int ROOT_BLOCK = 0;
    private static final int NONE = -1;

    private GistRedo() {}

    /**
     * Changes the page of the record's own block; true if it changed (then the caller stamps the
     * LSN).
     */
    static boolean redo(byte[] page, RecordSlice r, RedoContext context) {
        switch (r.info() & 0xF0) {
            case PAGE_UPDATE -> pageUpdate(page, r);
            case DELETE -> delete(page, r, context);
            case PAGE_SPLIT -> pageSplit(page, r);
            case PAGE_DELETE -> pageDelete(page, r);
            // Neither has a block: the one is for hot standby, the other takes up an LSN.
            case PAGE_REUSE, ASSIGN_LSN -> throw RecordParts.unexpectedBlock(r);
            default -> throw RecordParts.unknownRecord(r, context);
        }
        return true;
    }

    /**
     * The few records that change a page further once its image is restored; true if this one did.
     */
    static boolean afterRestore(byte[] page, RecordSlice r) {
        int info = r.info() & 0xF0;
        if (info == PAGE_UPDATE && r.blockId() == 1 || info == PAGE_SPLIT && r.blockId() == 0) {
            completeSplit(page, r);
            return true;
        }
        return false;
    }

    /** The parent has its downlink now: the left half of a split need not be followed right. */
    private static void completeSplit(byte[] page, RecordSlice r) {
        int opaque = opaque(page);
        Page.putLsn(page, opaque + SEQUENCE_NUMBER, r.endLsn());
        clearFlag(page, FOLLOW_RIGHT);
    }

    private static void pageUpdate(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 4);
        int deleted = u16(b, main);
        int inserted = u16(b, main + 2);
        if (r.blockId() == 1) {
            completeSplit(page, r);
            return;
        }
        requireBlock(r, 0);
        int at = RecordParts.data(r, 2 * deleted);
        int end = RecordParts.dataEnd(r);
        int next = at + 2 * deleted;
        if (deleted == 1 && inserted == 1) {
            int size = IndexTuple.size(b, next, end);
            RecordParts.requireEnd(next + size, end);
            PageItems.overwrite(page, u16(b, at), b, next, size);
            return;
        }
        if (deleted > 0) {
            PageItems.deleteMany(
                    page, RecordParts.offsets(b, at, deleted, end), deleted, r.spare());
            if ((u16(page, opaque(page) + FLAGS) & LEAF) != 0) {
                setFlag(page, TUPLES_DELETED);
            }
        }
        IndexTuple.addAll(page, Page.maxOffset(page) + 1, b, next, end);
    }

    /**
     * PostgreSQL's own redo marks the page as having had tuples deleted, although the server that
     * wrote the record did not.
     */
    private static void delete(byte[] page, RecordSlice r, RedoContext context) {
        requireBlock(r, 0);
        byte[] b = r.bytes();
        int header = context.version().compareTo(PgVersion.V16) >= 0 ? 8 : 6;
        int main = RecordParts.main(r, header);
        int count = u16(b, main + 4);
        int[] offsets = RecordParts.offsets(b, main + header, count, RecordParts.mainEnd(r));
        PageItems.deleteMany(page, offsets, count, r.spare());
        clearFlag(page, HAS_GARBAGE);
        setFlag(page, TUPLES_DELETED);
    }

    /** Blocks 1 to n are the pages it was split to, from left to right, each with its tuples. */
    private static void pageSplit(byte[] page, RecordSlice r) {
        if (r.blockId() == 0) {
            completeSplit(page, r);
            return;
        }
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 21);
        int pages = u16(b, main + 18);
        if (r.blockId() > pages) {
            throw RecordParts.unexpectedBlock(r);
        }
        boolean root = r.blockNumber() == ROOT_BLOCK;
        boolean rootSplit = r.blockNumber(1) == ROOT_BLOCK;
        boolean last = r.blockId() == pages;
        boolean followRight = !root && !last && !rootSplit && u8(b, main + 20) != 0;
        boolean leaf = !root && u8(b, main + 16) != 0;
        int rightLink;
        if (root) {
            rightLink = NONE;
        } else if (last) {
            rightLink = i32(b, main);
        } else {
            rightLink = r.blockNumber(r.blockId() + 1);
        }
        Page.init(page, SPECIAL);
        int opaque = Page.SIZE - SPECIAL;
        Page.putLsn(page, opaque + SEQUENCE_NUMBER, i64(b, main + 8));
        putI32(page, opaque + RIGHT_LINK, rightLink);
        putU16(page, opaque + FLAGS, (leaf ? LEAF : 0) | (followRight ? FOLLOW_RIGHT : 0));
        putU16(page, opaque + PAGE_ID, GIST_PAGE_ID);
        int at = RecordParts.data(r, 4);
        int added = IndexTuple.addAll(page, 1, b, at + 4, RecordParts.dataEnd(r));
        if (added != i32(b, at)) {
            throw Page.damaged("%d tuples of a split page, %d are announced", added, i32(b, at));
        }
    }

    private static void pageDelete(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 10);
        switch (r.blockId()) {
            case 0 -> {
                setFlag(page, DELETED);
                putI64(page, Page.HEADER, i64(b, main));
                Page.setLower(page, Page.HEADER + 8);
            }
            case 1 -> PageItems.delete(page, u16(b, main + 8));
            default -> throw RecordParts.unexpectedBlock(r);
        }
    }

    private static void setFlag(byte[] page, int flag) {
        int at = opaque(page) + FLAGS;
        putU16(page, at, u16(page, at) | flag);
    }

    private static void clearFlag(byte[] page, int flag) {
        int at = opaque(page) + FLAGS;
        putU16(page, at, u16(page, at) & ~flag);
    }

    private static int opaque(byte[] page) {
        return IndexTuple.opaque(page, SPECIAL);
    }

    private static void requireBlock(RecordSlice r, int id) {
        if (r.blockId() != id) {
            throw RecordParts.unexpectedBlock(r);
        }
    }
}
