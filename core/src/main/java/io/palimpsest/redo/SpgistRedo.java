package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.PageItems;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.value.RecordSlice;

/**
 * Redo of SP-GiST records. Their content is all in the main data, unaligned. A "state" in it is {
 * u32 xid, u8 index is being built, 3 bytes padding }: during a build nothing is redirected.
 * Source: PostgreSQL's spgxlog.h, spgxlog.c.
 */
final class SpgistRedo {
    private static final int ADD_LEAF = 0x10;
    private static final int MOVE_LEAFS = 0x20;
    private static final int ADD_NODE = 0x30;
    private static final int SPLIT_TUPLE = 0x40;
    private static final int PICK_SPLIT = 0x50;
    private static final int VACUUM_LEAF = 0x60;
    private static final int VACUUM_ROOT = 0x70;
    private static final int VACUUM_REDIRECT = 0x80;

    private SpgistRedo() {}

    /**
     * Changes the page of the record's own block; true if it changed (then the caller stamps the
     * LSN).
     */
    static boolean redo(byte[] page, RecordSlice r, RedoContext context) {
        return switch (r.info() & 0xF0) {
            case ADD_LEAF -> addLeaf(page, r);
            case MOVE_LEAFS -> moveLeafs(page, r);
            case ADD_NODE -> addNode(page, r);
            case SPLIT_TUPLE -> splitTuple(page, r);
            case PICK_SPLIT -> SpgistPickSplit.redo(page, r);
            case VACUUM_LEAF -> vacuumLeaf(page, r);
            case VACUUM_ROOT -> vacuumRoot(page, r);
            case VACUUM_REDIRECT -> vacuumRedirect(page, r, context);
            default -> throw RecordParts.unknownRecord(r, context);
        };
    }

    static void initLeaf(byte[] page, boolean nulls) {
        SpgistPage.init(page, SpgistPage.LEAF | (nulls ? SpgistPage.NULLS : 0));
    }

    private static boolean addLeaf(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 10);
        int offset = u16(b, main + 2);
        int head = u16(b, main + 4);
        switch (r.blockId()) {
            case 0 -> {
                if (u8(b, main) != 0) {
                    initLeaf(page, u8(b, main + 1) != 0);
                }
                int tuple = main + 10;
                int size = SpgistPage.leafSize(b, tuple, RecordParts.mainEnd(r));
                if (offset == head) {
                    SpgistPage.replace(page, offset, b, tuple, size);
                } else {
                    SpgistPage.addOrReplace(page, offset, b, tuple, size);
                    if (head != 0) {
                        SpgistPage.setNext(page, head, offset);
                    }
                }
            }
            case 1 -> {
                int parent = u16(b, main + 6);
                SpgistPage.setNodeLink(page, parent, u16(b, main + 8), r.blockNumber(0), offset);
            }
            default -> throw RecordParts.unexpectedBlock(r);
        }
        return true;
    }

    private static boolean moveLeafs(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 20);
        int end = RecordParts.mainEnd(r);
        int moves = u16(b, main);
        // A dead tuple is replaced by the new one alone; else it is added to those moved.
        int inserts = u8(b, main + 3) != 0 ? 1 : moves + 1;
        int deletesAt = main + 20;
        int insertsAt = deletesAt + 2 * moves;
        int next = insertsAt + 2 * inserts;
        RecordParts.require(deletesAt, 2 * (moves + inserts), end);
        int target = u16(b, insertsAt + 2 * (inserts - 1));
        switch (r.blockId()) {
            case 0 -> {
                int[] offsets = RecordParts.offsets(b, deletesAt, moves, end);
                if (u8(b, main + 16) != 0) {
                    SpgistPage.kill(page, offsets, SpgistPage.PLACEHOLDER, r.spare());
                } else {
                    int xid = i32(b, main + 12);
                    SpgistPage.redirectFirst(
                            page, offsets, r.blockNumber(1), target, xid, r.spare());
                }
            }
            case 1 -> {
                if (u8(b, main + 2) != 0) {
                    initLeaf(page, u8(b, main + 4) != 0);
                }
                for (int i = 0; i < inserts; i++) {
                    int size = SpgistPage.leafSize(b, next, end);
                    SpgistPage.addOrReplace(page, u16(b, insertsAt + 2 * i), b, next, size);
                    next += size;
                }
            }
            case 2 -> {
                int parent = u16(b, main + 6);
                SpgistPage.setNodeLink(page, parent, u16(b, main + 8), r.blockNumber(1), target);
            }
            default -> throw RecordParts.unexpectedBlock(r);
        }
        return true;
    }

    private static boolean addNode(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 20);
        int tuple = main + 20;
        int size = SpgistPage.innerSize(b, tuple, RecordParts.mainEnd(r));
        int offset = u16(b, main);
        int newOffset = u16(b, main + 2);
        int id = r.blockId();
        if (id == 0 && !r.hasBlock(1)) {
            SpgistPage.replace(page, offset, b, tuple, size);
            return true;
        }
        boolean parentIsHere = b[main + 5] == id;
        switch (id) {
            case 0 -> {
                if (u8(b, main + 16) != 0) {
                    SpgistPage.placeholder(page, offset);
                } else {
                    int xid = i32(b, main + 12);
                    SpgistPage.redirect(page, offset, r.blockNumber(1), newOffset, xid);
                }
            }
            case 1 -> {
                if (u8(b, main + 4) != 0) {
                    // Nulls are never in a tree that has nodes to add.
                    SpgistPage.init(page, 0);
                }
                SpgistPage.addOrReplace(page, newOffset, b, tuple, size);
            }
            case 2 -> {
                if (!parentIsHere) {
                    throw RecordParts.unexpectedBlock(r);
                }
            }
            default -> throw RecordParts.unexpectedBlock(r);
        }
        if (parentIsHere) {
            int parent = u16(b, main + 6);
            SpgistPage.setNodeLink(page, parent, u16(b, main + 8), r.blockNumber(1), newOffset);
        }
        return true;
    }

    private static boolean splitTuple(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 6);
        int end = RecordParts.mainEnd(r);
        int prefix = main + 6;
        int prefixSize = SpgistPage.innerSize(b, prefix, end);
        int postfix = prefix + prefixSize;
        int postfixSize = SpgistPage.innerSize(b, postfix, end);
        int postfixOffset = u16(b, main + 2);
        boolean samePage = u8(b, main + 5) != 0;
        if (r.blockId() == 0) {
            SpgistPage.replace(page, u16(b, main), b, prefix, prefixSize);
            if (samePage) {
                SpgistPage.addOrReplace(page, postfixOffset, b, postfix, postfixSize);
            }
        } else if (r.blockId() == 1 && !samePage) {
            if (u8(b, main + 4) != 0) {
                SpgistPage.init(page, 0);
            }
            SpgistPage.addOrReplace(page, postfixOffset, b, postfix, postfixSize);
        } else {
            throw RecordParts.unexpectedBlock(r);
        }
        return true;
    }

    private static boolean vacuumLeaf(byte[] page, RecordSlice r) {
        requireBlock0(r);
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 16);
        int end = RecordParts.mainEnd(r);
        int moves = u16(b, main + 4);
        int chains = u16(b, main + 6);
        int at = main + 16;
        int[] dead = RecordParts.offsets(b, at, u16(b, main), end);
        at += 2 * dead.length;
        int[] placeholders = RecordParts.offsets(b, at, u16(b, main + 2), end);
        at += 2 * placeholders.length;
        RecordParts.require(at, 4 * (moves + chains), end);
        int[] moveSource = RecordParts.offsets(b, at, moves, end);
        int chain = at + 4 * moves;

        SpgistPage.kill(page, dead, SpgistPage.DEAD, r.spare());
        SpgistPage.kill(page, placeholders, SpgistPage.PLACEHOLDER, r.spare());
        for (int i = 0; i < moves; i++) {
            SpgistPage.swap(page, moveSource[i], u16(b, at + 2 * (moves + i)));
        }
        SpgistPage.kill(page, moveSource, SpgistPage.PLACEHOLDER, r.spare());
        for (int i = 0; i < chains; i++) {
            SpgistPage.setNext(page, u16(b, chain + 2 * i), u16(b, chain + 2 * (chains + i)));
        }
        return true;
    }

    private static boolean vacuumRoot(byte[] page, RecordSlice r) {
        requireBlock0(r);
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 12);
        int count = u16(b, main);
        int[] offsets = RecordParts.offsets(b, main + 12, count, RecordParts.mainEnd(r));
        PageItems.deleteMany(page, offsets, count, r.spare());
        return true;
    }

    private static boolean vacuumRedirect(byte[] page, RecordSlice r, RedoContext context) {
        requireBlock0(r);
        byte[] b = r.bytes();
        int header = context.version().compareTo(PgVersion.V16) >= 0 ? 10 : 8;
        int main = RecordParts.main(r, header);
        int count = u16(b, main);
        int firstPlaceholder = u16(b, main + 2);
        RecordParts.require(main + header, 2 * count, RecordParts.mainEnd(r));
        for (int i = 0; i < count; i++) {
            SpgistPage.endRedirection(page, u16(b, main + header + 2 * i));
        }
        if (firstPlaceholder != 0) {
            SpgistPage.dropPlaceholders(page, firstPlaceholder, r.spare());
        }
        return true;
    }

    private static void requireBlock0(RecordSlice r) {
        if (r.blockId() != 0) {
            throw PageserverException.corruption("unexpected block id %d", r.blockId());
        }
    }
}
