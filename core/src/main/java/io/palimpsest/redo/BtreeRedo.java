package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.i64;
import static io.palimpsest.base.Bytes.putF64;
import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.putI64;
import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageItems;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.value.RecordSlice;

/**
 * Redo of B-tree records.
 *
 * <pre>
 * special area:  0 u32 left sibling  4 u32 right sibling  8 u32 level  12 u16 flags  14 u16 cycle id
 * metapage (24): 0 magic  4 version  8 root  12 level  16 fast root  20 fast level
 *                24 pages deleted  32 f64 heap tuples  40 bool all equal image
 * </pre>
 *
 * Source: PostgreSQL's nbtxlog.h, nbtxlog.c, nbtree.h.
 */
final class BtreeRedo {
    private static final int INSERT_LEAF = 0x00;
    private static final int INSERT_UPPER = 0x10;
    private static final int INSERT_META = 0x20;
    private static final int SPLIT_LEFT = 0x30;
    private static final int SPLIT_RIGHT = 0x40;
    private static final int INSERT_POSTING = 0x50;
    private static final int DEDUPLICATE = 0x60;
    private static final int DELETE = 0x70;
    private static final int UNLINK_PAGE = 0x80;
    private static final int UNLINK_PAGE_META = 0x90;
    private static final int NEW_ROOT = 0xA0;
    private static final int MARK_PAGE_HALF_DEAD = 0xB0;
    private static final int VACUUM = 0xC0;
    private static final int REUSE_PAGE = 0xD0;
    private static final int META_CLEANUP = 0xE0;

    private static final int SPECIAL = 16;
    private static final int PREVIOUS = 0;
    private static final int NEXT = 4;
    private static final int LEVEL = 8;
    private static final int FLAGS = 12;
    private static final int CYCLE_ID = 14;

    private static final int LEAF = 1;
    private static final int ROOT = 2;
    private static final int DELETED = 4;
    private static final int META = 8;
    private static final int HALF_DEAD = 0x10;
    private static final int HAS_GARBAGE = 0x40;
    private static final int INCOMPLETE_SPLIT = 0x80;
    private static final int HAS_FULL_XID = 0x100;

    private static final int MAGIC = 0x053162;
    private static final int META_BYTES = 48;
    private static final int HIGH_KEY = 1;

    private BtreeRedo() {}

    /**
     * Changes the page of the record's own block; true if it changed (then the caller stamps the
     * LSN).
     */
    static boolean redo(byte[] page, RecordSlice r, RedoContext context) {
        int info = r.info() & 0xF0;
        switch (info) {
            case INSERT_LEAF, INSERT_UPPER, INSERT_META -> insert(page, r, info);
            case INSERT_POSTING -> insertPosting(page, r);
            case SPLIT_LEFT, SPLIT_RIGHT -> split(page, r, info == SPLIT_LEFT);
            case DEDUPLICATE -> deduplicate(page, r);
            case DELETE -> delete(page, r, 4);
            case VACUUM -> {
                delete(page, r, 0);
                if (context.version().compareTo(PgVersion.V18) >= 0) {
                    putU16(page, opaque(page) + CYCLE_ID, 0);
                }
            }
            case MARK_PAGE_HALF_DEAD -> markHalfDead(page, r);
            case UNLINK_PAGE, UNLINK_PAGE_META -> unlink(page, r, info);
            case NEW_ROOT -> newRoot(page, r);
            case META_CLEANUP -> {
                requireBlock(r, 0);
                restoreMeta(page, r);
            }
            // It names a page in its main data, for hot standby: no block.
            case REUSE_PAGE -> throw RecordParts.unexpectedBlock(r);
            default -> throw RecordParts.unknownRecord(r, context);
        }
        return true;
    }

    private static void insert(byte[] page, RecordSlice r, int info) {
        int id = r.blockId();
        if (id == 0) {
            int offset = u16(r.bytes(), RecordParts.main(r, 2));
            int at = RecordParts.data(r, IndexTuple.HEADER);
            PageItems.insert(page, offset, r.bytes(), at, r.dataLength());
        } else if (id == 1 && info != INSERT_LEAF) {
            clearIncompleteSplit(page);
        } else if (id == 2 && info == INSERT_META) {
            restoreMeta(page, r);
        } else {
            throw RecordParts.unexpectedBlock(r);
        }
    }

    /**
     * The new tuple's TID goes into the posting tuple before it, and that one's last TID into the
     * new tuple.
     */
    private static void insertPosting(byte[] page, RecordSlice r) {
        requireBlock(r, 0);
        byte[] b = r.bytes();
        int offset = u16(b, RecordParts.main(r, 2));
        int at = RecordParts.data(r, 2 + IndexTuple.HEADER);
        int tuple = at + 2;
        long displaced =
                BtreePosting.swap(page, offset - 1, u16(b, at), IndexTuple.rawTid(b, tuple));
        PageItems.insert(page, offset, b, tuple, r.dataLength() - 2);
        IndexTuple.putRawTid(page, Page.item(page, offset), displaced);
    }

    private static void split(byte[] page, RecordSlice r, boolean newItemOnLeft) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 10);
        switch (r.blockId()) {
            case 0 -> splitLeft(page, r, main, newItemOnLeft);
            case 1 -> {
                int level = i32(b, main);
                int opaque =
                        initPage(
                                page,
                                r.blockNumber(0),
                                r.hasBlock(2) ? r.blockNumber(2) : 0,
                                level,
                                level == 0 ? LEAF : 0);
                restoreTuples(page, opaque, b, r.dataOffset(), RecordParts.dataEnd(r));
            }
            case 2 -> putI32(page, opaque(page) + PREVIOUS, r.blockNumber(1));
            case 3 -> clearIncompleteSplit(page);
            default -> throw RecordParts.unexpectedBlock(r);
        }
    }

    /**
     * The left page is made anew: high key, then the items before the first right one with the new
     * item among them. The data is the new item, if it is needed for that, and the high key.
     */
    private static void splitLeft(byte[] page, RecordSlice r, int main, boolean newItemOnLeft) {
        byte[] b = r.bytes();
        int level = i32(b, main);
        int firstRight = u16(b, main + 4);
        int newOffset = u16(b, main + 6);
        int position = u16(b, main + 8);
        int end = RecordParts.dataEnd(r);
        int newItem = r.dataOffset();
        int newSize = 0;
        long newTid = 0;
        if (newItemOnLeft || position != 0) {
            newSize = Page.maxAlign(IndexTuple.size(b, newItem, end));
            newTid = IndexTuple.rawTid(b, newItem);
            if (position != 0) {
                // The old page is scratch from here on, so that the changed tuple can stand in it.
                newTid = BtreePosting.swap(page, newOffset - 1, position, newTid);
            }
        }
        int highKey = newItem + newSize;
        int highKeySize = Page.maxAlign(IndexTuple.size(b, highKey, end));
        RecordParts.requireEnd(highKey + highKeySize, end);

        byte[] left = emptyWithSpecialOf(page, r.spare());
        PageItems.insert(left, HIGH_KEY, b, highKey, highKeySize);
        int next = HIGH_KEY + 1;
        boolean pending = newItemOnLeft;
        for (int offset = firstData(page); offset <= firstRight; offset++) {
            if (pending && offset == newOffset) {
                PageItems.insert(left, next, b, newItem, newSize);
                IndexTuple.putRawTid(left, Page.item(left, next), newTid);
                next++;
                pending = false;
            }
            if (offset < firstRight) {
                int item = Page.item(page, offset);
                PageItems.insert(left, next++, page, item, Page.itemLength(page, offset));
            }
        }
        if (pending) {
            throw PageserverException.corruption(
                    "split: new item %d is not before the first right item %d",
                    newOffset, firstRight);
        }
        System.arraycopy(left, 0, page, 0, Page.SIZE);
        int opaque = opaque(page);
        putI32(page, opaque + NEXT, r.blockNumber(1));
        putU16(page, opaque + FLAGS, INCOMPLETE_SPLIT | (level == 0 ? LEAF : 0));
        putU16(page, opaque + CYCLE_ID, 0);
    }

    /** Merges the items of each interval {first item, number of items} into a posting tuple. */
    private static void deduplicate(byte[] page, RecordSlice r) {
        requireBlock(r, 0);
        byte[] b = r.bytes();
        int intervals = u16(b, RecordParts.main(r, 2));
        int at = RecordParts.data(r, 4 * intervals);
        byte[] result = emptyWithSpecialOf(page, r.spare());
        int first = firstData(page);
        int max = Page.maxOffset(page);
        if (first != HIGH_KEY) {
            copyItem(page, HIGH_KEY, result);
        }
        BtreePosting posting = new BtreePosting(r.spareTuple());
        int interval = 0;
        int offset = first;
        while (offset <= max) {
            int base = offset++;
            if (interval == intervals || u16(b, at + 4 * interval) != base) {
                copyItem(page, base, result);
                continue;
            }
            posting.start(page, base);
            int items = u16(b, at + 4 * interval + 2);
            while (posting.merged() < items && offset <= max) {
                posting.merge(page, offset++);
            }
            if (posting.merged() < 2 || posting.merged() != items) {
                throw PageserverException.corruption(
                        "deduplication of %d items from %d on: the page has %d", items, base, max);
            }
            posting.appendTo(result);
            interval++;
        }
        if (interval != intervals) {
            throw PageserverException.corruption(
                    "deduplication: %d of %d intervals found", interval, intervals);
        }
        System.arraycopy(result, 0, page, 0, Page.SIZE);
        clearFlag(page, HAS_GARBAGE);
    }

    /**
     * VACUUM and DELETE: the items to delete, those to update, then for each of these the positions
     * of the TIDs that go. Updates come first, as they keep item numbers.
     */
    private static void delete(byte[] page, RecordSlice r, int counts) {
        requireBlock(r, 0);
        byte[] b = r.bytes();
        int main = RecordParts.main(r, counts + 4) + counts;
        int deletedCount = u16(b, main);
        int updatedCount = u16(b, main + 2);
        int end = RecordParts.dataEnd(r);
        int deleted = RecordParts.data(r, 2 * (deletedCount + updatedCount));
        int updated = deleted + 2 * deletedCount;
        if (updatedCount > 0) {
            BtreePosting posting = new BtreePosting(r.spareTuple());
            int update = updated + 2 * updatedCount;
            for (int i = 0; i < updatedCount; i++) {
                RecordParts.require(update, 2, end);
                int tids = u16(b, update);
                RecordParts.require(update + 2, 2 * tids, end);
                posting.update(page, u16(b, updated + 2 * i), b, update + 2, tids);
                update += 2 + 2 * tids;
            }
        }
        if (deletedCount > 0) {
            int[] offsets = RecordParts.offsets(b, deleted, deletedCount, end);
            PageItems.deleteMany(page, offsets, deletedCount, r.spare());
        }
        clearFlag(page, HAS_GARBAGE);
    }

    private static void markHalfDead(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 20);
        switch (r.blockId()) {
            case 0 -> initHalfDead(page, i32(b, main + 8), i32(b, main + 12), i32(b, main + 16));
            case 1 -> {
                // The downlink to the right sibling takes the place of the one to the page.
                int offset = u16(b, main);
                int downlink = IndexTuple.block(page, tuple(page, offset + 1));
                IndexTuple.setBlock(page, tuple(page, offset), downlink);
                PageItems.delete(page, offset + 1);
            }
            default -> throw RecordParts.unexpectedBlock(r);
        }
    }

    private static void unlink(byte[] page, RecordSlice r, int info) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 36);
        int left = i32(b, main);
        int right = i32(b, main + 4);
        int level = i32(b, main + 8);
        switch (r.blockId()) {
            case 0 -> {
                int flags = DELETED | HAS_FULL_XID | (level == 0 ? LEAF : 0);
                initPage(page, left, right, level, flags);
                putI64(page, Page.HEADER, i64(b, main + 16));
                Page.setLower(page, Page.HEADER + 8);
            }
            case 1 -> putI32(page, opaque(page) + NEXT, right);
            case 2 -> putI32(page, opaque(page) + PREVIOUS, left);
            case 3 -> initHalfDead(page, i32(b, main + 24), i32(b, main + 28), i32(b, main + 32));
            case 4 -> {
                if (info != UNLINK_PAGE_META) {
                    throw RecordParts.unexpectedBlock(r);
                }
                restoreMeta(page, r);
            }
            default -> throw RecordParts.unexpectedBlock(r);
        }
    }

    private static void newRoot(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 8);
        int level = i32(b, main + 4);
        switch (r.blockId()) {
            case 0 -> {
                int opaque = initPage(page, 0, 0, level, level == 0 ? ROOT | LEAF : ROOT);
                if (level != 0) {
                    restoreTuples(page, opaque, b, r.dataOffset(), RecordParts.dataEnd(r));
                }
            }
            case 1 -> clearIncompleteSplit(page);
            case 2 -> restoreMeta(page, r);
            default -> throw RecordParts.unexpectedBlock(r);
        }
    }

    /** The metapage, made anew from the 28 bytes that are logged of it. */
    private static void restoreMeta(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int at = RecordParts.data(r, 28);
        initPage(page, 0, 0, 0, META);
        int meta = Page.HEADER;
        putI32(page, meta, MAGIC);
        System.arraycopy(b, at, page, meta + 4, 24);
        putF64(page, meta + 32, -1.0);
        page[meta + 40] = (byte) u8(b, at + 24);
        Page.setLower(page, meta + META_BYTES);
    }

    /** A leaf on its way out: its high key is a bare header that holds the top parent's number. */
    private static void initHalfDead(byte[] page, int left, int right, int topParent) {
        int opaque = initPage(page, left, right, 0, HALF_DEAD | LEAF);
        int item = opaque - IndexTuple.HEADER;
        IndexTuple.setTid(page, item, topParent, 0);
        putU16(page, item + 6, 0x2000 | IndexTuple.HEADER);
        Page.setLower(page, Page.HEADER + 4);
        Page.setUpper(page, item);
        Page.setLinePointer(
                page, HIGH_KEY, Page.linePointer(item, Page.LP_NORMAL, IndexTuple.HEADER));
    }

    private static int initPage(byte[] page, int left, int right, int level, int flags) {
        Page.init(page, SPECIAL);
        int opaque = Page.SIZE - SPECIAL;
        putI32(page, opaque + PREVIOUS, left);
        putI32(page, opaque + NEXT, right);
        putI32(page, opaque + LEVEL, level);
        putU16(page, opaque + FLAGS, flags);
        return opaque;
    }

    /**
     * The data is the tuple area as it was: ascending addresses, that is descending item numbers.
     */
    private static void restoreTuples(byte[] page, int opaque, byte[] b, int at, int end) {
        int upper = opaque - (end - at);
        int count = 0;
        for (int next = at; next < end; count++) {
            next += Page.maxAlign(IndexTuple.size(b, next, end));
            RecordParts.require(next, 0, end);
        }
        int lower = Page.HEADER + 4 * count;
        if (upper < lower) {
            throw PageserverException.corruption(
                    "%d tuples of %d bytes do not fit on a page", count, end - at);
        }
        System.arraycopy(b, at, page, upper, end - at);
        Page.setLower(page, lower);
        Page.setUpper(page, upper);
        int item = upper;
        for (int offset = count; offset >= 1; offset--) {
            int size = Page.maxAlign(IndexTuple.size(page, item, opaque));
            Page.setLinePointer(page, offset, Page.linePointer(item, Page.LP_NORMAL, size));
            item += size;
        }
    }

    private static void copyItem(byte[] page, int offset, byte[] to) {
        int item = Page.item(page, offset);
        PageItems.insert(to, Page.maxOffset(to) + 1, page, item, Page.itemLength(page, offset));
    }

    /** Makes {@code empty} a page without items and with the special area of the page. */
    private static byte[] emptyWithSpecialOf(byte[] page, byte[] empty) {
        int opaque = opaque(page);
        Page.init(empty, SPECIAL);
        System.arraycopy(page, opaque, empty, opaque, SPECIAL);
        return empty;
    }

    /** A rightmost page has no high key. */
    private static int firstData(byte[] page) {
        return i32(page, opaque(page) + NEXT) == 0 ? HIGH_KEY : HIGH_KEY + 1;
    }

    private static int tuple(byte[] page, int offset) {
        int item = Page.item(page, offset);
        IndexTuple.size(page, item, item + Page.itemLength(page, offset));
        return item;
    }

    private static void clearIncompleteSplit(byte[] page) {
        clearFlag(page, INCOMPLETE_SPLIT);
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
