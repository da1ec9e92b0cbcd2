package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.value.RecordSlice;

/**
 * Redo of the SP-GiST record that replaces a chain of leaf tuples by an inner tuple and leaves
 * below it.
 *
 * <pre>
 * main data:  0 u8 root is split  2 u16 nDelete  4 u16 nInsert  6 u8 init source  7 u8 init dest
 *             8 u16 inner's offset  10 u8 init inner  11 u8 nulls  12 u8 inner page holds the parent
 *            14 u16 parent's offset  16 u16 parent's node  20 state { u32 xid, u8 is build }
 *            28 u16 deleted[nDelete], u16 inserted[nInsert], u8 page (0 source, 1 dest)[nInsert],
 *               inner tuple, leaf tuples
 * blocks:     0 source (not if the root is split)  1 dest  2 inner  3 parent
 * </pre>
 *
 * Source: PostgreSQL's spgxlog.h, spgxlog.c.
 */
final class SpgistPickSplit {
    private static final int HEADER = 28;
    private static final int SOURCE = 0;
    private static final int DESTINATION = 1;
    private static final int INNER = 2;
    private static final int PARENT = 3;

    private SpgistPickSplit() {}

    static boolean redo(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, HEADER);
        int end = RecordParts.mainEnd(r);
        int deletes = u16(b, main + 2);
        int inserts = u16(b, main + 4);
        RecordParts.require(main + HEADER, 2 * deletes + 3 * inserts, end);
        int insertsAt = main + HEADER + 2 * deletes;
        int inner = insertsAt + 3 * inserts;
        int innerSize = SpgistPage.innerSize(b, inner, end);
        int innerOffset = u16(b, main + 8);
        boolean nulls = u8(b, main + 11) != 0;
        boolean innerIsParent = u8(b, main + 12) != 0;
        switch (r.blockId()) {
            case SOURCE -> {
                if (u8(b, main + 6) != 0) {
                    SpgistRedo.initLeaf(page, nulls);
                } else {
                    int[] offsets = RecordParts.offsets(b, main + HEADER, deletes, end);
                    if (u8(b, main + 24) != 0) {
                        SpgistPage.kill(page, offsets, SpgistPage.PLACEHOLDER, r.spare());
                    } else {
                        int xid = i32(b, main + 20);
                        SpgistPage.redirectFirst(
                                page, offsets, r.blockNumber(INNER), innerOffset, xid, r.spare());
                    }
                }
                addLeaves(page, b, insertsAt, inserts, inner + innerSize, end, SOURCE);
            }
            case DESTINATION -> {
                if (u8(b, main + 7) != 0) {
                    SpgistRedo.initLeaf(page, nulls);
                }
                addLeaves(page, b, insertsAt, inserts, inner + innerSize, end, DESTINATION);
            }
            case INNER -> {
                if (u8(b, main + 10) != 0) {
                    SpgistPage.init(page, nulls ? SpgistPage.NULLS : 0);
                }
                SpgistPage.addOrReplace(page, innerOffset, b, inner, innerSize);
                if (innerIsParent) {
                    linkParent(page, r, main, innerOffset);
                }
            }
            case PARENT -> linkParent(page, r, main, innerOffset);
            default -> throw RecordParts.unexpectedBlock(r);
        }
        return true;
    }

    private static void linkParent(byte[] page, RecordSlice r, int main, int innerOffset) {
        byte[] b = r.bytes();
        int node = u16(b, main + 16);
        int parent = u16(b, main + 14);
        SpgistPage.setNodeLink(page, parent, node, r.blockNumber(INNER), innerOffset);
    }

    /** Adds those of the leaf tuples that go to the source page, or to the destination page. */
    private static void addLeaves(
            byte[] page, byte[] b, int insertsAt, int inserts, int leaves, int end, int which) {
        int next = leaves;
        for (int i = 0; i < inserts; i++) {
            int size = SpgistPage.leafSize(b, next, end);
            int selected = u8(b, insertsAt + 2 * inserts + i) == 0 ? SOURCE : DESTINATION;
            if (selected == which) {
                SpgistPage.addOrReplace(page, u16(b, insertsAt + 2 * i), b, next, size);
            }
            next += size;
        }
    }
}
