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
import java.util.Arrays;

/**
 * Redo of HEAP records. What they change is the same in 14 to 18, but for INPLACE's main data, and
 * for the visibility-map pages, which are blocks of the record since 17.11 and 18.6.
 *
 * <pre>
 * main data
 *   INSERT   0 u16 offset number   2 u8 flags
 *   DELETE   as {@link HeapLayout}   [old tuple]
 *   UPDATE   as HeapLayout           [old tuple]
 *   CONFIRM  0 u16 offset number
 *   LOCK     as HeapLayout
 *   INPLACE  0 u16 offset number   18: to 20, then messages of 16 bytes
 * a tuple in block data (a tuple header without what redo knows)
 *   header as HeapLayout, then the tuple from its byte 23 on
 * </pre>
 *
 * <p>Neon's records do the same, and give tuples the command id they had in the compute's memory.
 *
 * <p>Source: PostgreSQL's heapam_xlog.h and the redo of heapam.c (18: heapam_xlog.c).
 */
final class HeapRedo {
    private static final int OPCODE = 0x70;
    private static final int INIT_PAGE = 0x80;
    private static final int INSERT = 0x00;
    private static final int DELETE = 0x10;
    private static final int UPDATE = 0x20;
    private static final int HOT_UPDATE = 0x40;
    private static final int CONFIRM = 0x50;
    private static final int LOCK = 0x60;
    private static final int INPLACE = 0x70;

    private static final int INSERT_ALL_VISIBLE_CLEARED = 0x01;
    private static final int INSERT_ALL_FROZEN_SET = 0x20;
    private static final int DELETE_ALL_VISIBLE_CLEARED = 0x01;
    private static final int DELETE_IS_SUPER = 0x08;
    private static final int DELETE_IS_PARTITION_MOVE = 0x10;
    private static final int UPDATE_OLD_ALL_VISIBLE_CLEARED = 0x01;
    private static final int UPDATE_NEW_ALL_VISIBLE_CLEARED = 0x02;
    private static final int UPDATE_PREFIX_FROM_OLD = 0x20;
    private static final int UPDATE_SUFFIX_FROM_OLD = 0x40;
    private static final int LOCK_ALL_FROZEN_CLEARED = 0x01;

    static final int BOTH_BITS = VisibilityMap.ALL_VISIBLE | VisibilityMap.ALL_FROZEN;

    /** infobits of a LOCK_UPDATED, the same in all layouts. */
    private static final int LOCK_UPDATED_INFOBITS = 6;

    private static final int INFOBITS_COMBOCID = 0x20;

    private HeapRedo() {}

    /**
     * Changes the page of the record's own block; true if it changed (then the caller stamps the
     * LSN).
     */
    static boolean redo(byte[] page, RecordSlice r, HeapLayout layout, RedoContext context) {
        return switch (r.info() & OPCODE) {
            case INSERT -> insert(page, r, layout);
            case DELETE -> delete(page, r, layout);
            case UPDATE -> update(page, r, layout, false);
            case HOT_UPDATE -> update(page, r, layout, true);
            case CONFIRM -> confirm(page, r);
            case LOCK -> lock(page, r, layout);
            case INPLACE -> inplace(page, r, context.version());
            // TRUNCATE is for logical decoding only.
            default -> throw Expected.noSuchBlock(r);
        };
    }

    static boolean insert(byte[] page, RecordSlice r, HeapLayout layout) {
        Expected.mainLength(r, 3);
        byte[] b = r.bytes();
        int offset = u16(b, r.mainOffset());
        int flags = u8(b, r.mainOffset() + 2);
        if (r.blockId() != 0) {
            return clearVisibility(page, r, flags & INSERT_ALL_VISIBLE_CLEARED, BOTH_BITS);
        }
        initIfMarked(page, r);
        int header = r.dataOffset();
        Expected.dataLeft(r, header, layout.tupleHeader());
        int data = header + layout.tupleHeader();
        int length = r.dataLength() - layout.tupleHeader();
        int tuple = newTuple(page, r, offset, header, data - 1, length);
        commandIdOfNew(page, tuple, b, header, layout.tupleCommandId());
        System.arraycopy(b, data, page, tuple + HeapTuple.HEADER, length);
        visibleFlag(page, flags);
        return true;
    }

    /** What an INSERT or MULTI_INSERT says of the page's own all-visible flag. */
    static void visibleFlag(byte[] page, int flags) {
        if ((flags & INSERT_ALL_VISIBLE_CLEARED) != 0) {
            Page.clearFlag(page, Page.FLAG_ALL_VISIBLE);
        }
        if ((flags & INSERT_ALL_FROZEN_SET) != 0) {
            Page.setFlag(page, Page.FLAG_ALL_VISIBLE);
        }
    }

    static void initIfMarked(byte[] page, RecordSlice r) {
        if ((r.info() & INIT_PAGE) != 0) {
            Expected.initPage(page, r, 0);
        } else if (r.willInit()) {
            throw PageserverException.corruption("a block marked for a start from zeros is not");
        }
    }

    /**
     * Adds a tuple of this transaction without its last {@code length} bytes, which the caller
     * copies, and its command id; answers where it starts.
     *
     * @param masks where the record has its infomask2 and infomask
     * @param hoff where it has its hoff
     */
    static int newTuple(byte[] page, RecordSlice r, int offset, int masks, int hoff, int length) {
        byte[] b = r.bytes();
        int tuple = PageItems.reserveOverwrite(page, offset, HeapTuple.HEADER + length);
        Arrays.fill(page, tuple, tuple + HeapTuple.HEADER, (byte) 0);
        HeapTuple.setXmin(page, tuple, r.xid());
        HeapTuple.setCtid(page, tuple, r.blockNumber(), offset);
        HeapTuple.setInfomask2(page, tuple, u16(b, masks));
        HeapTuple.setInfomask(page, tuple, u16(b, masks + 2));
        HeapTuple.setHoff(page, tuple, u8(b, hoff));
        return tuple;
    }

    /**
     * Sets a new tuple's command id to the one at {@code start + at}.
     *
     * @param at 0 if the record has none
     */
    static void commandIdOfNew(byte[] page, int tuple, byte[] b, int start, int at) {
        if (at == 0) {
            HeapTuple.resetCommandId(page, tuple);
        } else {
            HeapTuple.setCommandId(page, tuple, i32(b, start + at));
        }
    }

    /**
     * Sets the command id of a tuple that gets another xmax.
     *
     * @param at where main data has it, 0 if not at all
     */
    private static void commandIdOfOld(
            byte[] page, int tuple, RecordSlice r, int at, int infobits) {
        HeapTuple.resetCommandId(page, tuple);
        if (at != 0) {
            HeapTuple.setCommandId(page, tuple, i32(r.bytes(), r.mainOffset() + at));
            if ((infobits & INFOBITS_COMBOCID) != 0) {
                HeapTuple.setInfomask(
                        page, tuple, HeapTuple.infomask(page, tuple) | HeapTuple.COMBOCID);
            }
        }
    }

    static boolean delete(byte[] page, RecordSlice r, HeapLayout layout) {
        Expected.mainLengthAtLeast(r, layout.deleteLength());
        byte[] b = r.bytes();
        int main = r.mainOffset();
        int offset = u16(b, main + 4);
        int infobits = u8(b, main + layout.deleteInfobits());
        int flags = u8(b, main + layout.deleteInfobits() + 1);
        if (r.blockId() != 0) {
            return clearVisibility(page, r, flags & DELETE_ALL_VISIBLE_CLEARED, BOTH_BITS);
        }
        int tuple = HeapTuple.at(page, offset);
        replaceXmaxBits(page, tuple, infobits);
        HeapTuple.setInfomask2(
                page, tuple, HeapTuple.infomask2(page, tuple) & ~HeapTuple.HOT_UPDATED);
        if ((flags & DELETE_IS_SUPER) != 0) {
            HeapTuple.setXmin(page, tuple, 0);
        } else {
            HeapTuple.setXmax(page, tuple, i32(b, main));
        }
        commandIdOfOld(page, tuple, r, layout.deleteCommandId(), infobits);
        Page.setPrunable(page, r.xid());
        if ((flags & DELETE_ALL_VISIBLE_CLEARED) != 0) {
            Page.clearFlag(page, Page.FLAG_ALL_VISIBLE);
        }
        if ((flags & DELETE_IS_PARTITION_MOVE) != 0) {
            HeapTuple.setCtid(page, tuple, -1, HeapTuple.MOVED_PARTITIONS_OFFSET);
        } else {
            HeapTuple.setCtid(page, tuple, r.blockNumber(), offset);
        }
        return true;
    }

    static boolean update(byte[] page, RecordSlice r, HeapLayout layout, boolean hot) {
        Expected.mainLengthAtLeast(r, layout.updateLength());
        int flags = u8(r.bytes(), r.mainOffset() + 7);
        boolean onePage = !r.hasBlock(1);
        switch (r.blockId()) {
            case 0 -> {
                if (onePage) {
                    updateOld(page, r, layout, flags, hot);
                }
                initIfMarked(page, r);
                updateNew(page, r, layout, flags, onePage);
            }
            case 1 -> updateOld(page, r, layout, flags, hot);
            default -> {
                return clearVisibilityOfUpdate(page, r, flags, onePage);
            }
        }
        return true;
    }

    private static void updateOld(
            byte[] page, RecordSlice r, HeapLayout layout, int flags, boolean hot) {
        byte[] b = r.bytes();
        int main = r.mainOffset();
        int tuple = HeapTuple.at(page, u16(b, main + 4));
        int infobits = u8(b, main + 6);
        replaceXmaxBits(page, tuple, infobits);
        int infomask2 = HeapTuple.infomask2(page, tuple) & ~HeapTuple.HOT_UPDATED;
        HeapTuple.setInfomask2(page, tuple, hot ? infomask2 | HeapTuple.HOT_UPDATED : infomask2);
        HeapTuple.setXmax(page, tuple, i32(b, main));
        commandIdOfOld(page, tuple, r, layout.updateCommandId(), infobits);
        int newOffset = u16(b, main + layout.updateNewXmax() + 4);
        HeapTuple.setCtid(page, tuple, r.blockNumber(0), newOffset);
        Page.setPrunable(page, r.xid());
        if ((flags & UPDATE_OLD_ALL_VISIBLE_CLEARED) != 0) {
            Page.clearFlag(page, Page.FLAG_ALL_VISIBLE);
        }
    }

    /**
     * Puts the new tuple together. What equals the old tuple's user data at their start and end is
     * taken from there if both are on one page:
     *
     * <pre>
     * block data  [u16 prefix] [u16 suffix] header | bitmap | middle
     * new tuple   header 23 | bitmap, padding up to hoff | prefix | middle | suffix
     * </pre>
     */
    private static void updateNew(
            byte[] page, RecordSlice r, HeapLayout layout, int flags, boolean onePage) {
        byte[] b = r.bytes();
        int main = r.mainOffset();
        int p = r.dataOffset();
        int prefix = 0;
        int suffix = 0;
        if ((flags & UPDATE_PREFIX_FROM_OLD) != 0) {
            Expected.dataLeft(r, p, 2);
            prefix = u16(b, p);
            p += 2;
        }
        if ((flags & UPDATE_SUFFIX_FROM_OLD) != 0) {
            Expected.dataLeft(r, p, 2);
            suffix = u16(b, p);
            p += 2;
        }
        Expected.dataLeft(r, p, layout.tupleHeader());
        int header = p;
        p += layout.tupleHeader();
        int carried = r.dataOffset() + r.dataLength() - p;
        int bitmap = prefix > 0 ? u8(b, p - 1) - HeapTuple.HEADER : 0;
        if (bitmap < 0 || bitmap > carried) {
            throw PageserverException.corruption(
                    "new tuple: %d bytes between header and user data, %d in the record",
                    bitmap, carried);
        }
        int oldData = 0;
        int oldEnd = 0;
        if (prefix + suffix > 0) {
            if (!onePage) {
                throw PageserverException.corruption("parts of an old tuple on another page");
            }
            int oldOffset = u16(b, main + 4);
            int old = HeapTuple.at(page, oldOffset);
            oldData = old + HeapTuple.hoff(page, old);
            oldEnd = old + Page.itemLength(page, oldOffset);
            if (prefix + suffix > oldEnd - oldData) {
                throw PageserverException.corruption(
                        "prefix %d and suffix %d of an old tuple with %d bytes of user data",
                        prefix, suffix, oldEnd - oldData);
            }
        }
        // The old tuple stays where it is: a new item goes below all others.
        int newXmax = main + layout.updateNewXmax();
        int length = carried + prefix + suffix;
        int tuple = newTuple(page, r, u16(b, newXmax + 4), header, p - 1, length);
        commandIdOfNew(page, tuple, b, header, layout.tupleCommandId());
        HeapTuple.setXmax(page, tuple, i32(b, newXmax));
        int to = tuple + HeapTuple.HEADER;
        System.arraycopy(b, p, page, to, bitmap);
        System.arraycopy(page, oldData, page, to + bitmap, prefix);
        System.arraycopy(b, p + bitmap, page, to + bitmap + prefix, carried - bitmap);
        System.arraycopy(page, oldEnd - suffix, page, to + carried + prefix, suffix);
        if ((flags & UPDATE_NEW_ALL_VISIBLE_CLEARED) != 0) {
            Page.clearFlag(page, Page.FLAG_ALL_VISIBLE);
        }
    }

    private static boolean confirm(byte[] page, RecordSlice r) {
        Expected.mainLength(r, 2);
        onlyBlockZero(r);
        int offset = u16(r.bytes(), r.mainOffset());
        HeapTuple.setCtid(page, HeapTuple.at(page, offset), r.blockNumber(), offset);
        return true;
    }

    static boolean lock(byte[] page, RecordSlice r, HeapLayout layout) {
        Expected.mainLength(r, layout.lockLength());
        if (r.blockId() != 0) {
            return clearVisibilityOfLock(page, r, layout.lockInfobits() + 1);
        }
        int offset = u16(r.bytes(), r.mainOffset() + layout.lockOffset());
        int infobits = u8(r.bytes(), r.mainOffset() + layout.lockInfobits());
        int tuple = lockTuple(page, r, offset, infobits);
        if (isLockedOnly(HeapTuple.infomask(page, tuple))) {
            HeapTuple.setInfomask2(
                    page, tuple, HeapTuple.infomask2(page, tuple) & ~HeapTuple.HOT_UPDATED);
            HeapTuple.setCtid(page, tuple, r.blockNumber(), offset);
        }
        commandIdOfOld(page, tuple, r, layout.lockCommandId(), infobits);
        return true;
    }

    /**
     * HEAP2's LOCK_UPDATED, which has one shape and no command id: the tuple keeps its own, and the
     * flag that says of what kind it is.
     */
    static boolean lockUpdated(byte[] page, RecordSlice r) {
        Expected.mainLength(r, LOCK_UPDATED_INFOBITS + 2);
        if (r.blockId() != 0) {
            return clearVisibilityOfLock(page, r, LOCK_UPDATED_INFOBITS + 1);
        }
        byte[] b = r.bytes();
        int main = r.mainOffset();
        lockTuple(page, r, u16(b, main + 4), u8(b, main + LOCK_UPDATED_INFOBITS));
        return true;
    }

    /** What LOCK and LOCK_UPDATED have in common; answers where the tuple starts. */
    private static int lockTuple(byte[] page, RecordSlice r, int offset, int infobits) {
        int tuple = HeapTuple.at(page, offset);
        replaceXmaxBits(page, tuple, infobits);
        HeapTuple.setXmax(page, tuple, i32(r.bytes(), r.mainOffset()));
        return tuple;
    }

    private static boolean isLockedOnly(int infomask) {
        int exclusiveOfOne =
                HeapTuple.XMAX_IS_MULTI | HeapTuple.XMAX_EXCL_LOCK | HeapTuple.XMAX_KEYSHR_LOCK;
        return (infomask & HeapTuple.XMAX_LOCK_ONLY) != 0
                || (infomask & exclusiveOfOne) == HeapTuple.XMAX_EXCL_LOCK;
    }

    private static boolean inplace(byte[] page, RecordSlice r, PgVersion version) {
        onlyBlockZero(r);
        if (version.atLeast(PgVersion.V18)) {
            // Cache invalidation messages follow: nothing a page shows.
            Expected.mainLengthAtLeast(r, 20);
            int messages = i32(r.bytes(), r.mainOffset() + 16);
            if (messages < 0 || (r.mainLength() - 20L) != 16L * messages) {
                throw PageserverException.corruption(
                        "main data: expected %d messages, found %d bytes",
                        messages, r.mainLength() - 20);
            }
        } else {
            Expected.mainLength(r, 2);
        }
        int offset = u16(r.bytes(), r.mainOffset());
        int tuple = HeapTuple.at(page, offset);
        int hoff = HeapTuple.hoff(page, tuple);
        Expected.dataLength(r, Page.itemLength(page, offset) - hoff);
        System.arraycopy(r.bytes(), r.dataOffset(), page, tuple + hoff, r.dataLength());
        return true;
    }

    /** Forgets what infomask and infomask2 say of xmax, then says what {@code infobits} say. */
    private static void replaceXmaxBits(byte[] page, int tuple, int infobits) {
        int infomask = HeapTuple.infomask(page, tuple) & ~(HeapTuple.XMAX_BITS | HeapTuple.MOVED);
        int infomask2 = HeapTuple.infomask2(page, tuple) & ~HeapTuple.KEYS_UPDATED;
        if ((infobits & 0x01) != 0) {
            infomask |= HeapTuple.XMAX_IS_MULTI;
        }
        if ((infobits & 0x02) != 0) {
            infomask |= HeapTuple.XMAX_LOCK_ONLY;
        }
        if ((infobits & 0x04) != 0) {
            infomask |= HeapTuple.XMAX_EXCL_LOCK;
        }
        if ((infobits & 0x08) != 0) {
            infomask |= HeapTuple.XMAX_KEYSHR_LOCK;
        }
        if ((infobits & 0x10) != 0) {
            infomask2 |= HeapTuple.KEYS_UPDATED;
        }
        HeapTuple.setInfomask(page, tuple, infomask);
        HeapTuple.setInfomask2(page, tuple, infomask2);
    }

    /**
     * The visibility-map page of block 0, as block 1: true if a bit of {@code bits} was set.
     *
     * @param flagged not 0 if the record says that it clears bits
     */
    static boolean clearVisibility(byte[] page, RecordSlice r, int flagged, int bits) {
        if (r.blockId() != 1 || r.fork() != RelTag.VM) {
            throw Expected.noSuchBlock(r);
        }
        return flagged != 0 && clearBits(page, r, r.blockNumber(0), bits);
    }

    /** The visibility-map page of a LOCK or LOCK_UPDATED: a locked page is no longer frozen. */
    private static boolean clearVisibilityOfLock(byte[] page, RecordSlice r, int flagsAt) {
        int flags = u8(r.bytes(), r.mainOffset() + flagsAt);
        return clearVisibility(page, r, flags & LOCK_ALL_FROZEN_CLEARED, VisibilityMap.ALL_FROZEN);
    }

    /**
     * Block 2 is the map page of the new heap block, which does for both if it has the old one's
     * bits too; else block 3 is the old one's.
     */
    private static boolean clearVisibilityOfUpdate(
            byte[] page, RecordSlice r, int flags, boolean onePage) {
        if (r.blockId() > 3 || r.fork() != RelTag.VM) {
            throw Expected.noSuchBlock(r);
        }
        int oldBlock = r.blockNumber(onePage ? 0 : 1);
        if (r.blockId() == 3) {
            return clearBits(page, r, oldBlock, BOTH_BITS);
        }
        boolean changed = clearBits(page, r, r.blockNumber(0), BOTH_BITS);
        if ((flags & UPDATE_OLD_ALL_VISIBLE_CLEARED) != 0
                && VisibilityMap.mapBlock(oldBlock) == r.blockNumber()) {
            changed |= clearBits(page, r, oldBlock, BOTH_BITS);
        }
        return changed;
    }

    private static boolean clearBits(byte[] page, RecordSlice r, int heapBlock, int bits) {
        onItsMapPage(r, heapBlock);
        return VisibilityMap.clear(page, heapBlock, bits);
    }

    static void onItsMapPage(RecordSlice r, int heapBlock) {
        if (VisibilityMap.mapBlock(heapBlock) != r.blockNumber()) {
            throw PageserverException.corruption(
                    "map page %d for heap block %s",
                    r.blockNumber(), Integer.toUnsignedString(heapBlock));
        }
    }

    private static void onlyBlockZero(RecordSlice r) {
        if (r.blockId() != 0) {
            throw Expected.noSuchBlock(r);
        }
    }
}
