package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageItems;
import io.palimpsest.value.RecordSlice;

/**
 * Redo of GIN records.
 *
 * <pre>
 * special area:  0 u32 right link  4 u16 max offset  6 u16 flags
 * entry tree:    index tuples as items; an inner one's TID block is the downlink
 * posting tree:  24 right bound TID; inner pages have from 32 on items of 10 bytes
 *                { child block u16 high, u16 low; TID }, "max offset" of them; leaves: GinLeaf
 * pending list:  index tuples as items; "max offset" counts heap tuples
 * </pre>
 *
 * Source: PostgreSQL's ginxlog.h, ginxlog.c, ginblock.h.
 */
final class GinRedo {
    private static final int CREATE_POSTING_TREE = 0x10;
    private static final int INSERT = 0x20;
    private static final int SPLIT = 0x30;
    private static final int VACUUM_PAGE = 0x40;
    private static final int DELETE_PAGE = 0x50;
    private static final int UPDATE_META_PAGE = 0x60;
    private static final int INSERT_LIST_PAGE = 0x70;
    private static final int DELETE_LIST_PAGES = 0x80;
    private static final int VACUUM_DATA_LEAF_PAGE = 0x90;

    /** Flags of an INSERT or SPLIT record. */
    private static final int IS_DATA = 1;

    private static final int IS_LEAF = 2;

    private static final int SPECIAL = 8;
    private static final int RIGHT_LINK = 0;
    static final int MAX_OFFSET = 4;
    static final int FLAGS = 6;

    private static final int DATA = 1;
    private static final int LEAF = 2;
    private static final int DELETED = 4;
    private static final int META = 8;
    private static final int LIST = 0x10;
    private static final int LIST_FULL_ROW = 0x20;
    private static final int INCOMPLETE_SPLIT = 0x40;
    static final int COMPRESSED = 0x80;

    private static final int META_BYTES = 56;
    private static final int POSTING_ITEM = 10;
    private static final int NONE = -1;

    private GinRedo() {}

    /**
     * Changes the page of the record's own block; true if it changed (then the caller stamps the
     * LSN).
     */
    static boolean redo(byte[] page, RecordSlice r, RedoContext context) {
        switch (r.info() & 0xF0) {
            case CREATE_POSTING_TREE -> createPostingTree(page, r);
            case INSERT -> insert(page, r);
            case SPLIT -> {
                if (r.blockId() < 3) {
                    throw RecordParts.imageExpected(r);
                }
                requireBlock(r, 3);
                clearIncompleteSplit(page);
            }
            case VACUUM_PAGE -> throw RecordParts.imageExpected(r);
            case DELETE_PAGE -> deletePage(page, r);
            case UPDATE_META_PAGE -> updateMeta(page, r);
            case INSERT_LIST_PAGE -> insertListPage(page, r);
            case DELETE_LIST_PAGES -> deleteListPages(page, r);
            case VACUUM_DATA_LEAF_PAGE -> {
                requireBlock(r, 0);
                GinLeaf.recompress(
                        page, r.bytes(), r.dataOffset(), RecordParts.dataEnd(r), r.spare());
            }
            default -> throw RecordParts.unknownRecord(r, context);
        }
        return true;
    }

    private static void createPostingTree(byte[] page, RecordSlice r) {
        requireBlock(r, 0);
        int main = RecordParts.main(r, 4);
        int size = i32(r.bytes(), main);
        RecordParts.require(main + 4, size, RecordParts.mainEnd(r));
        initPage(page, DATA | LEAF | COMPRESSED);
        RecordParts.require(GinLeaf.LISTS, size, Page.SIZE - SPECIAL);
        System.arraycopy(r.bytes(), main + 4, page, GinLeaf.LISTS, size);
        Page.setLower(page, GinLeaf.LISTS + size);
    }

    private static void insert(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 2);
        int flags = u16(b, main);
        boolean leaf = (flags & IS_LEAF) != 0;
        if (r.blockId() == 1 && !leaf) {
            clearIncompleteSplit(page);
            return;
        }
        requireBlock(r, 0);
        // The left child's block, then the right one's.
        int rightChild = leaf ? NONE : IndexTuple.block(b, RecordParts.main(r, 10) + 6);
        int end = RecordParts.dataEnd(r);
        if ((flags & IS_DATA) == 0) {
            insertEntry(page, b, RecordParts.data(r, 4), end, leaf, rightChild);
        } else if (leaf) {
            GinLeaf.recompress(page, b, r.dataOffset(), end, r.spare());
        } else {
            insertPostingItem(page, b, RecordParts.data(r, 2 + POSTING_ITEM), rightChild);
        }
    }

    /** The data: u16 offset, u8 "replaces the one there", padding, index tuple. */
    private static void insertEntry(
            byte[] page, byte[] b, int at, int end, boolean leaf, int rightChild) {
        int offset = u16(b, at);
        int size = IndexTuple.size(b, at + 4, end);
        if (!leaf) {
            IndexTuple.setTid(page, Page.item(page, offset), rightChild, 0);
        }
        if (u8(b, at + 2) != 0) {
            PageItems.delete(page, offset);
        }
        PageItems.insert(page, offset, b, at + 4, size);
    }

    /** The child at the offset was split: its item gets the right half, the new one the left. */
    private static void insertPostingItem(byte[] page, byte[] b, int at, int rightChild) {
        int opaque = opaque(page);
        int max = u16(page, opaque + MAX_OFFSET);
        int offset = u16(b, at);
        requirePostingItem(opaque, offset, max);
        int end = postingItem(max + 1);
        RecordParts.require(end, POSTING_ITEM, opaque);
        int item = postingItem(offset);
        IndexTuple.setBlock(page, item, rightChild);
        System.arraycopy(page, item, page, item + POSTING_ITEM, end - item);
        System.arraycopy(b, at + 2, page, item, POSTING_ITEM);
        setPostingItems(page, opaque, max + 1);
    }

    private static void deletePage(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 12);
        int opaque = opaque(page);
        switch (r.blockId()) {
            case 0 -> {
                putU16(page, opaque + FLAGS, u16(page, opaque + FLAGS) | DELETED);
                Page.setPruneXid(page, i32(b, main + 8));
            }
            case 1 -> {
                int max = u16(page, opaque + MAX_OFFSET);
                int offset = u16(b, main);
                requirePostingItem(opaque, offset, max);
                int next = postingItem(offset + 1);
                System.arraycopy(
                        page, next, page, postingItem(offset), postingItem(max + 1) - next);
                setPostingItems(page, opaque, max - 1);
            }
            case 2 -> putI32(page, opaque + RIGHT_LINK, i32(b, main + 4));
            default -> throw RecordParts.unexpectedBlock(r);
        }
    }

    private static void updateMeta(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 84);
        if (r.blockId() == 0) {
            restoreMeta(page, b, main + 16);
            return;
        }
        requireBlock(r, 1);
        int opaque = opaque(page);
        int tuples = i32(b, main + 80);
        if (tuples > 0) {
            int first = Page.maxOffset(page) + 1;
            int end = RecordParts.dataEnd(r);
            requireCount(tuples, IndexTuple.addAll(page, first, b, r.dataOffset(), end));
            putU16(page, opaque + MAX_OFFSET, u16(page, opaque + MAX_OFFSET) + 1);
        } else {
            putI32(page, opaque + RIGHT_LINK, i32(b, main + 76));
        }
    }

    private static void insertListPage(byte[] page, RecordSlice r) {
        requireBlock(r, 0);
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 8);
        int rightLink = i32(b, main);
        boolean tail = rightLink == NONE;
        initPage(page, tail ? LIST | LIST_FULL_ROW : LIST);
        int opaque = opaque(page);
        putI32(page, opaque + RIGHT_LINK, rightLink);
        putU16(page, opaque + MAX_OFFSET, tail ? 1 : 0);
        int end = RecordParts.dataEnd(r);
        requireCount(i32(b, main + 4), IndexTuple.addAll(page, 1, b, r.dataOffset(), end));
    }

    private static void deleteListPages(byte[] page, RecordSlice r) {
        int main = RecordParts.main(r, META_BYTES + 4);
        if (r.blockId() == 0) {
            restoreMeta(page, r.bytes(), main);
        } else if (r.blockId() <= i32(r.bytes(), main + META_BYTES)) {
            initPage(page, DELETED);
        } else {
            throw RecordParts.unexpectedBlock(r);
        }
    }

    private static void restoreMeta(byte[] page, byte[] b, int at) {
        initPage(page, META);
        System.arraycopy(b, at, page, Page.HEADER, META_BYTES);
        Page.setLower(page, Page.HEADER + META_BYTES);
    }

    private static void initPage(byte[] page, int flags) {
        Page.init(page, SPECIAL);
        putI32(page, Page.SIZE - SPECIAL + RIGHT_LINK, NONE);
        putU16(page, Page.SIZE - SPECIAL + FLAGS, flags);
    }

    private static int postingItem(int offset) {
        return GinLeaf.LISTS + POSTING_ITEM * (offset - 1);
    }

    private static void requirePostingItem(int opaque, int offset, int max) {
        if (offset < 1 || offset > max || postingItem(max + 1) > opaque) {
            throw Page.damaged("posting item %d of %d", offset, max);
        }
    }

    private static void setPostingItems(byte[] page, int opaque, int count) {
        putU16(page, opaque + MAX_OFFSET, count);
        Page.setLower(page, postingItem(count + 1));
    }

    private static void clearIncompleteSplit(byte[] page) {
        int at = opaque(page) + FLAGS;
        putU16(page, at, u16(page, at) & ~INCOMPLETE_SPLIT);
    }

    static int opaque(byte[] page) {
        return IndexTuple.opaque(page, SPECIAL);
    }

    private static void requireCount(int announced, int found) {
        if (announced != found) {
            throw PageserverException.corruption(
                    "expected %d index tuples, found %d", announced, found);
        }
    }

    private static void requireBlock(RecordSlice r, int id) {
        if (r.blockId() != id) {
            throw RecordParts.unexpectedBlock(r);
        }
    }
}
