package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageItems;
import java.util.Arrays;

/**
 * Tuples on pages of an SP-GiST index.
 *
 * <pre>
 * special area:  0 u16 flags  2 u16 redirections  4 u16 placeholders  6 u16 0xFF82
 * any tuple:     0 u32: bits 0..1 state
 * leaf tuple:    0 u32: bits 2..31 size   4 u16: bits 0..13 next in chain   6 heap TID
 * dead tuple:    a leaf tuple of 16 bytes; 6 TID where to go on, if it redirects   12 u32 xid
 * inner tuple:   0 u32: bits 3..15 number of nodes, 16..31 size of prefix   4 u16 size
 *                8 prefix, then the nodes: index tuples, whose TID is the downlink
 * </pre>
 *
 * Source: PostgreSQL's spgist_private.h, spgdoinsert.c, spgxlog.c.
 */
final class SpgistPage {
    static final int REDIRECT = 1;
    static final int DEAD = 2;
    static final int PLACEHOLDER = 3;
    static final int LEAF = 4;
    static final int NULLS = 8;

    private static final int SPECIAL = 8;
    private static final int FLAGS = 0;
    private static final int REDIRECTIONS = 2;
    private static final int PLACEHOLDERS = 4;
    private static final int PAGE_ID = 6;
    private static final int SPGIST_PAGE_ID = 0xFF82;

    private static final int STATE_MASK = 3;
    private static final int NEXT_MASK = 0x3FFF;
    private static final int DEAD_TUPLE = 16;
    private static final int INNER_HEADER = 8;
    private static final int NO_BLOCK = -1;

    private SpgistPage() {}

    static void init(byte[] page, int flags) {
        Page.init(page, SPECIAL);
        putU16(page, Page.SIZE - SPECIAL + FLAGS, flags);
        putU16(page, Page.SIZE - SPECIAL + PAGE_ID, SPGIST_PAGE_ID);
    }

    /** Size of the leaf tuple at {@code at}, all of which must lie before {@code end}. */
    static int leafSize(byte[] b, int at, int end) {
        RecordParts.require(at, 12, end);
        int size = i32(b, at) >>> 2;
        return checkSize(size, 12, end - at);
    }

    /** Size of the inner tuple at {@code at}, all of which must lie before {@code end}. */
    static int innerSize(byte[] b, int at, int end) {
        RecordParts.require(at, INNER_HEADER, end);
        return checkSize(u16(b, at + 4), INNER_HEADER, end - at);
    }

    private static int checkSize(int size, int least, int most) {
        if (size < least || size > most) {
            throw PageserverException.corruption(
                    "SP-GiST tuple of %d bytes: expected %d to %d", size, least, most);
        }
        return size;
    }

    /** Adds a tuple at an item number, where at most a placeholder may be, which it replaces. */
    static void addOrReplace(byte[] page, int offset, byte[] b, int at, int size) {
        if (offset <= Page.maxOffset(page)) {
            int state = state(page, tuple(page, offset));
            if (state != PLACEHOLDER) {
                throw Page.damaged("item %d in state %d, a placeholder is expected", offset, state);
            }
            addCount(page, PLACEHOLDERS, -1);
            PageItems.delete(page, offset);
        }
        PageItems.insert(page, offset, b, at, size);
    }

    /** Puts a tuple in the place of whatever item is there. */
    static void replace(byte[] page, int offset, byte[] b, int at, int size) {
        PageItems.delete(page, offset);
        PageItems.insert(page, offset, b, at, size);
    }

    /** Replaces an item by a redirection to (block, to). */
    static void redirect(byte[] page, int offset, int block, int to, int xid) {
        byte[] dead = dead(REDIRECT, block, to, xid);
        replace(page, offset, dead, 0, DEAD_TUPLE);
        addCount(page, REDIRECTIONS, 1);
    }

    static void placeholder(byte[] page, int offset) {
        replace(page, offset, dead(PLACEHOLDER, NO_BLOCK, 0, 0), 0, DEAD_TUPLE);
        addCount(page, PLACEHOLDERS, 1);
    }

    /** Replaces the items by dead tuples of this state, which does not redirect. */
    static void kill(byte[] page, int[] offsets, int state, byte[] spare) {
        killMany(page, offsets, state, state, NO_BLOCK, 0, 0, spare);
    }

    /** Replaces the items by placeholders, the first of the list by a redirection. */
    static void redirectFirst(
            byte[] page, int[] offsets, int block, int to, int xid, byte[] spare) {
        killMany(page, offsets, REDIRECT, PLACEHOLDER, block, to, xid, spare);
    }

    private static void killMany(
            byte[] page,
            int[] offsets,
            int first,
            int rest,
            int block,
            int to,
            int xid,
            byte[] spare) {
        if (offsets.length == 0) {
            return;
        }
        int firstOffset = offsets[0];
        int[] sorted = offsets.clone();
        Arrays.sort(sorted);
        PageItems.deleteMany(page, sorted, sorted.length, spare);
        byte[] firstTuple = dead(first, block, to, xid);
        byte[] restTuple = dead(rest, NO_BLOCK, 0, 0);
        for (int offset : sorted) {
            int state = offset == firstOffset ? first : rest;
            byte[] tuple = offset == firstOffset ? firstTuple : restTuple;
            PageItems.insert(page, offset, tuple, 0, DEAD_TUPLE);
            if (state == REDIRECT) {
                addCount(page, REDIRECTIONS, 1);
            } else if (state == PLACEHOLDER) {
                addCount(page, PLACEHOLDERS, 1);
            }
        }
    }

    private static byte[] dead(int state, int block, int offset, int xid) {
        byte[] tuple = new byte[DEAD_TUPLE];
        putI32(tuple, 0, DEAD_TUPLE << 2 | state);
        IndexTuple.setTid(tuple, 6, block, offset);
        putI32(tuple, 12, xid);
        return tuple;
    }

    /** Makes a redirection a placeholder; who removes it knows how many. */
    static void endRedirection(byte[] page, int offset) {
        int tuple = tuple(page, offset);
        if (state(page, tuple) != REDIRECT || Page.itemLength(page, offset) < DEAD_TUPLE) {
            throw Page.damaged(
                    "item %d in state %d, a redirection is expected", offset, state(page, tuple));
        }
        putI32(page, tuple, i32(page, tuple) | PLACEHOLDER);
        IndexTuple.setTid(page, tuple + 6, NO_BLOCK, 0);
        addCount(page, REDIRECTIONS, -1);
        addCount(page, PLACEHOLDERS, 1);
    }

    /** Removes the placeholders from an item to the last one. */
    static void dropPlaceholders(byte[] page, int from, byte[] spare) {
        int count = Page.maxOffset(page) - from + 1;
        if (from < 1 || count < 1) {
            throw Page.damaged("placeholders from %d on, %d items", from, Page.maxOffset(page));
        }
        int[] offsets = new int[count];
        Arrays.setAll(offsets, i -> from + i);
        addCount(page, PLACEHOLDERS, -count);
        PageItems.deleteMany(page, offsets, count, spare);
    }

    /** Sets which leaf tuple comes after this one in its chain. */
    static void setNext(byte[] page, int offset, int next) {
        int at = tuple(page, offset) + 4;
        putU16(page, at, u16(page, at) & ~NEXT_MASK | next & NEXT_MASK);
    }

    /** Sets the downlink of a node of the inner tuple {@code offset}. */
    static void setNodeLink(byte[] page, int offset, int node, int block, int to) {
        int tuple = tuple(page, offset);
        int end = tuple + innerSize(page, tuple, tuple + Page.itemLength(page, offset));
        int nodes = i32(page, tuple) >>> 3 & 0x1FFF;
        if (node >= nodes) {
            throw Page.damaged("node %d of %d of item %d", node, nodes, offset);
        }
        int at = tuple + INNER_HEADER + (i32(page, tuple) >>> 16);
        for (int i = 0; i < node; i++) {
            at += IndexTuple.size(page, at, end);
        }
        RecordParts.require(at, IndexTuple.HEADER, end);
        IndexTuple.setTid(page, at, block, to);
    }

    /** Swaps two line pointers. */
    static void swap(byte[] page, int a, int b) {
        Page.item(page, a);
        Page.item(page, b);
        int linePointer = Page.linePointer(page, a);
        Page.setLinePointer(page, a, Page.linePointer(page, b));
        Page.setLinePointer(page, b, linePointer);
    }

    /** Start of an item, which must have at least a tuple header. */
    private static int tuple(byte[] page, int offset) {
        int item = Page.item(page, offset);
        RecordParts.require(item, INNER_HEADER, item + Page.itemLength(page, offset));
        return item;
    }

    private static int state(byte[] page, int tuple) {
        return i32(page, tuple) & STATE_MASK;
    }

    private static void addCount(byte[] page, int field, int change) {
        int at = IndexTuple.opaque(page, SPECIAL) + field;
        int count = u16(page, at) + change;
        if (count < 0) {
            throw Page.damaged("count of %d of special field %d", count, field);
        }
        putU16(page, at, count);
    }
}
