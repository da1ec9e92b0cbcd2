package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;

/**
 * The leaf of a GIN posting tree, and the change of it by a list of actions.
 *
 * <pre>
 * page:    24 right bound TID (6, padded to 8)   32 posting lists, one after another, to pd_lower
 * record:  u16 number of actions, then each:
 *          u8 list number  u8 action   1 delete it
 *                                      2 insert before it: a posting list
 *                                      3 replace it: a posting list
 *                                      4 add to it: u16 n, n TIDs
 * </pre>
 *
 * List numbers are those of the lists before the change, ascending. Leaves written before 9.4 hold
 * plain TIDs, their number in the special area. Source: PostgreSQL's ginxlog.h, ginxlog.c.
 */
final class GinLeaf {
    /** Where the lists, or the plain TIDs of an old page, start. */
    static final int LISTS = Page.HEADER + 8;

    private static final int DELETE = 1;
    private static final int INSERT = 2;
    private static final int REPLACE = 3;
    private static final int ADD_ITEMS = 4;

    private GinLeaf() {}

    /**
     * Applies the actions in {@code b[at .. end)}.
     *
     * @param out a page of memory, where the lists are built
     */
    static void recompress(byte[] page, byte[] b, int at, int end, byte[] out) {
        compressOld(page, out);
        int opaque = GinRedo.opaque(page);
        int oldEnd = Page.lower(page);
        if (oldEnd < LISTS || oldEnd > opaque) {
            throw Page.damaged("pd_lower %d of a posting tree leaf", oldEnd);
        }
        GinPostingList writer = new GinPostingList(out);
        RecordParts.require(at, 2, end);
        int actions = u16(b, at);
        int next = at + 2;
        int old = LISTS;
        int number = 0;
        int to = 0;
        for (int i = 0; i < actions; i++) {
            RecordParts.require(next, 2, end);
            int target = u8(b, next);
            int action = u8(b, next + 1);
            next += 2;
            if (target < number) {
                throw PageserverException.corruption(
                        "action on posting list %d after one on %d", target, number);
            }
            int from = old;
            for (; number < target; number++) {
                old += GinPostingList.size(page, old, oldEnd);
            }
            to = copy(page, from, old, out, to);
            if (action != INSERT) {
                int size = GinPostingList.size(page, old, oldEnd);
                if (action == ADD_ITEMS) {
                    RecordParts.require(next, 2, end);
                    int count = u16(b, next);
                    RecordParts.require(next + 2, IndexTuple.TID * count, end);
                    to += writer.merge(page, old, b, next + 2, count, to);
                    next += 2 + IndexTuple.TID * count;
                }
                old += size;
                number++;
            }
            switch (action) {
                case INSERT, REPLACE -> {
                    int size = GinPostingList.size(b, next, end);
                    to = copy(b, next, next + size, out, to);
                    next += size;
                }
                case DELETE, ADD_ITEMS -> {}
                default -> throw PageserverException.corruption("posting list action %d", action);
            }
        }
        to = copy(page, old, oldEnd, out, to);
        setLists(page, out, to);
    }

    private static int copy(byte[] from, int at, int end, byte[] out, int to) {
        RecordParts.require(to, end - at, out.length);
        System.arraycopy(from, at, out, to, end - at);
        return to + end - at;
    }

    /** Makes a page of plain TIDs one with a single list. */
    private static void compressOld(byte[] page, byte[] out) {
        int opaque = GinRedo.opaque(page);
        int flags = u16(page, opaque + GinRedo.FLAGS);
        if ((flags & GinRedo.COMPRESSED) != 0) {
            return;
        }
        int count = u16(page, opaque + GinRedo.MAX_OFFSET);
        RecordParts.require(LISTS, IndexTuple.TID * count, opaque);
        int size = count == 0 ? 0 : new GinPostingList(out).compress(page, LISTS, count, 0);
        setLists(page, out, size);
        putU16(page, opaque + GinRedo.FLAGS, flags | GinRedo.COMPRESSED);
        putU16(page, opaque + GinRedo.MAX_OFFSET, 0);
    }

    private static void setLists(byte[] page, byte[] lists, int size) {
        RecordParts.require(LISTS, size, GinRedo.opaque(page));
        System.arraycopy(lists, 0, page, LISTS, size);
        Page.setLower(page, LISTS + size);
    }
}
