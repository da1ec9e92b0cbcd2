package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.f64;
import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageItems;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.value.RecordSlice;
import java.util.Arrays;

/**
 * Redo of hash index records.
 *
 * <pre>
 * special area:  0 u32 previous  4 u32 next  8 u32 bucket  12 u16 flags  14 u16 0xFF80
 * bitmap page:   24 u32 words, a bit an overflow page, set = in use
 * </pre>
 *
 * The metapage is {@link HashMeta}. Several records name the primary bucket page as block 0 only to
 * have it locked. Source: PostgreSQL's hash_xlog.h, hash_xlog.c, hash.h.
 */
final class HashRedo {
    private static final int INIT_META_PAGE = 0x00;
    private static final int INIT_BITMAP_PAGE = 0x10;
    private static final int INSERT = 0x20;
    private static final int ADD_OVERFLOW_PAGE = 0x30;
    private static final int SPLIT_ALLOCATE_PAGE = 0x40;
    private static final int SPLIT_PAGE = 0x50;
    private static final int SPLIT_COMPLETE = 0x60;
    private static final int MOVE_PAGE_CONTENTS = 0x70;
    private static final int SQUEEZE_PAGE = 0x80;
    private static final int DELETE = 0x90;
    private static final int SPLIT_CLEANUP = 0xA0;
    private static final int UPDATE_META_PAGE = 0xB0;
    private static final int VACUUM_ONE_PAGE = 0xC0;

    private static final int SPECIAL = 16;
    private static final int PREVIOUS = 0;
    private static final int NEXT = 4;
    private static final int BUCKET = 8;
    private static final int FLAGS = 12;
    private static final int PAGE_ID = 14;
    private static final int HASH_PAGE_ID = 0xFF80;
    private static final int NONE = -1;

    private static final int UNUSED = 0;
    private static final int OVERFLOW = 1;
    private static final int BITMAP = 4;
    private static final int NEEDS_SPLIT_CLEANUP = 0x40;
    private static final int HAS_DEAD_TUPLES = 0x80;

    private HashRedo() {}

    /**
     * Changes the page of the record's own block; true if it changed (then the caller stamps the
     * LSN).
     */
    static boolean redo(byte[] page, RecordSlice r, RedoContext context) {
        byte[] b = r.bytes();
        return switch (r.info() & 0xF0) {
            case INIT_META_PAGE -> {
                int main = RecordParts.main(r, 14);
                requireBlock(r, 0);
                HashMeta.init(page, f64(b, main), i32(b, main + 8), u16(b, main + 12));
                yield true;
            }
            case INIT_BITMAP_PAGE -> initBitmap(page, r);
            case INSERT -> insert(page, r);
            case ADD_OVERFLOW_PAGE -> addOverflow(page, r);
            case SPLIT_ALLOCATE_PAGE -> splitAllocate(page, r);
            case SPLIT_PAGE -> throw RecordParts.imageExpected(r);
            case SPLIT_COMPLETE -> splitComplete(page, r);
            case MOVE_PAGE_CONTENTS -> movePageContents(page, r);
            case SQUEEZE_PAGE -> squeeze(page, r, context);
            case DELETE -> delete(page, r);
            case SPLIT_CLEANUP -> {
                requireBlock(r, 0);
                clearFlag(page, NEEDS_SPLIT_CLEANUP);
                yield true;
            }
            case UPDATE_META_PAGE -> {
                int main = RecordParts.main(r, 8);
                requireBlock(r, 0);
                HashMeta.setTuples(page, f64(b, main));
                yield true;
            }
            case VACUUM_ONE_PAGE -> vacuumOnePage(page, r, context);
            default -> throw RecordParts.unknownRecord(r, context);
        };
    }

    /**
     * The few records that change a page further once its image is restored; true if this one did.
     */
    static boolean afterRestore(byte[] page, RecordSlice r) {
        return switch (r.info() & 0xF0) {
            case SPLIT_ALLOCATE_PAGE -> r.blockId() == 0 && splitAllocate(page, r);
            case SPLIT_COMPLETE -> splitComplete(page, r);
            default -> false;
        };
    }

    private static boolean initBitmap(byte[] page, RecordSlice r) {
        int bytes = u16(r.bytes(), RecordParts.main(r, 2));
        switch (r.blockId()) {
            case 0 -> initBitmapPage(page, bytes);
            // The first bitmap page comes right after the buckets.
            case 1 -> HashMeta.addBitmap(page, HashMeta.maxBucket(page) + 2);
            default -> throw RecordParts.unexpectedBlock(r);
        }
        return true;
    }

    private static boolean insert(byte[] page, RecordSlice r) {
        switch (r.blockId()) {
            case 0 -> {
                int offset = u16(r.bytes(), RecordParts.main(r, 2));
                int at = RecordParts.data(r, IndexTuple.HEADER);
                PageItems.insert(page, offset, r.bytes(), at, r.dataLength());
            }
            case 1 -> HashMeta.setTuples(page, HashMeta.tuples(page) + 1);
            default -> throw RecordParts.unexpectedBlock(r);
        }
        return true;
    }

    private static boolean addOverflow(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 3);
        boolean bitFound = u8(b, main + 2) != 0;
        switch (r.blockId()) {
            case 0 -> {
                int bucket = i32(b, RecordParts.data(r, 4));
                initPage(page, r.blockNumber(1), bucket, OVERFLOW);
            }
            case 1 -> putI32(page, opaque(page) + NEXT, r.blockNumber(0));
            case 2 -> {
                int bit = bit(page, i32(b, RecordParts.data(r, 4)));
                putI32(page, word(bit), i32(page, word(bit)) | 1 << bit);
            }
            case 3 -> initBitmapPage(page, u16(b, main));
            case 4 -> {
                HashMeta.setFirstFree(page, i32(b, RecordParts.data(r, 4)));
                if (!bitFound) {
                    HashMeta.addSpare(page);
                    if (r.hasBlock(3)) {
                        HashMeta.addBitmap(page, r.blockNumber(3));
                        HashMeta.addSpare(page);
                    }
                }
            }
            default -> throw RecordParts.unexpectedBlock(r);
        }
        return true;
    }

    private static boolean splitAllocate(byte[] page, RecordSlice r) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 9);
        int newBucket = i32(b, main);
        switch (r.blockId()) {
            case 0 -> {
                int opaque = opaque(page);
                putI32(page, opaque + PREVIOUS, newBucket);
                putU16(page, opaque + FLAGS, u16(b, main + 4));
            }
            case 1 -> initPage(page, newBucket, newBucket, u16(b, main + 6));
            case 2 -> {
                HashMeta.setMaxBucket(page, newBucket);
                int flags = u8(b, main + 8);
                int at = r.dataOffset();
                if ((flags & 1) != 0) {
                    RecordParts.require(at, 8, RecordParts.dataEnd(r));
                    HashMeta.setMasks(page, i32(b, at), i32(b, at + 4));
                    at += 8;
                }
                if ((flags & 2) != 0) {
                    RecordParts.require(at, 8, RecordParts.dataEnd(r));
                    HashMeta.setSplitPoint(page, i32(b, at), i32(b, at + 4));
                }
            }
            default -> throw RecordParts.unexpectedBlock(r);
        }
        return true;
    }

    private static boolean splitComplete(byte[] page, RecordSlice r) {
        int main = RecordParts.main(r, 4);
        if (r.blockId() > 1) {
            throw RecordParts.unexpectedBlock(r);
        }
        putU16(page, opaque(page) + FLAGS, u16(r.bytes(), main + 2 * r.blockId()));
        return true;
    }

    private static boolean movePageContents(byte[] page, RecordSlice r) {
        int main = RecordParts.main(r, 3);
        return switch (r.blockId()) {
            case 0 -> false;
            case 1 -> {
                addTuples(page, r, u16(r.bytes(), main));
                yield true;
            }
            case 2 -> {
                deleteListed(page, r);
                yield true;
            }
            default -> throw RecordParts.unexpectedBlock(r);
        };
    }

    /** Moves the tuples of a bucket's last overflow page forward and frees it. */
    private static boolean squeeze(byte[] page, RecordSlice r, RedoContext context) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 12);
        int previous = i32(b, main);
        int next = i32(b, main + 4);
        int tuples = u16(b, main + 8);
        switch (r.blockId()) {
            case 0 -> {
                return false;
            }
            case 1 -> {
                boolean previousIsWritten = u8(b, main + 11) != 0;
                addTuples(page, r, tuples);
                if (previousIsWritten) {
                    putI32(page, opaque(page) + NEXT, next);
                }
                // From 17 on, a write page that is there only for its lock keeps its LSN.
                return tuples > 0
                        || previousIsWritten
                        || context.version().compareTo(PgVersion.V17) < 0;
            }
            case 2 -> initPage(page, NONE, NONE, UNUSED);
            case 3 -> putI32(page, opaque(page) + NEXT, next);
            case 4 -> putI32(page, opaque(page) + PREVIOUS, previous);
            case 5 -> {
                int bit = bit(page, i32(b, RecordParts.data(r, 4)));
                putI32(page, word(bit), i32(page, word(bit)) & ~(1 << bit));
            }
            case 6 -> HashMeta.setFirstFree(page, i32(b, RecordParts.data(r, 4)));
            default -> throw RecordParts.unexpectedBlock(r);
        }
        return true;
    }

    private static boolean delete(byte[] page, RecordSlice r) {
        int main = RecordParts.main(r, 2);
        if (r.blockId() == 0) {
            return false;
        }
        requireBlock(r, 1);
        deleteListed(page, r);
        if (u8(r.bytes(), main) != 0) {
            clearFlag(page, HAS_DEAD_TUPLES);
        }
        return true;
    }

    private static boolean vacuumOnePage(byte[] page, RecordSlice r, RedoContext context) {
        byte[] b = r.bytes();
        int main = RecordParts.main(r, 8);
        int count =
                context.version().compareTo(PgVersion.V16) >= 0
                        ? u16(b, main + 4)
                        : i32(b, main + 4);
        if (count < 0 || count > Page.SIZE) {
            throw PageserverException.corruption("%d items to delete from a page", count);
        }
        switch (r.blockId()) {
            case 0 -> {
                int[] offsets = RecordParts.offsets(b, main + 8, count, RecordParts.mainEnd(r));
                PageItems.deleteMany(page, offsets, count, r.spare());
                clearFlag(page, HAS_DEAD_TUPLES);
            }
            case 1 -> HashMeta.setTuples(page, HashMeta.tuples(page) - count);
            default -> throw RecordParts.unexpectedBlock(r);
        }
        return true;
    }

    /** Adds {@code count} tuples: the data is their item numbers, then the tuples, aligned to 8. */
    private static void addTuples(byte[] page, RecordSlice r, int count) {
        if (count == 0) {
            return;
        }
        byte[] b = r.bytes();
        int end = RecordParts.dataEnd(r);
        int offsets = RecordParts.data(r, 2 * count);
        int next = offsets + 2 * count;
        for (int i = 0; i < count; i++) {
            int size = Page.maxAlign(IndexTuple.size(b, next, end));
            RecordParts.require(next, size, end);
            PageItems.insert(page, u16(b, offsets + 2 * i), b, next, size);
            next += size;
        }
        RecordParts.requireEnd(next, end);
    }

    /** Deletes the items that are the block's data. */
    private static void deleteListed(byte[] page, RecordSlice r) {
        int count = r.dataLength() / 2;
        int[] offsets =
                RecordParts.offsets(r.bytes(), r.dataOffset(), count, RecordParts.dataEnd(r));
        PageItems.deleteMany(page, offsets, count, r.spare());
    }

    /** An empty page of this kind, the last of its chain. */
    static void initPage(byte[] page, int previous, int bucket, int flags) {
        Page.init(page, SPECIAL);
        int opaque = Page.SIZE - SPECIAL;
        putI32(page, opaque + PREVIOUS, previous);
        putI32(page, opaque + NEXT, NONE);
        putI32(page, opaque + BUCKET, bucket);
        putU16(page, opaque + FLAGS, flags);
        putU16(page, opaque + PAGE_ID, HASH_PAGE_ID);
    }

    private static void initBitmapPage(byte[] page, int bytes) {
        if (bytes > Page.SIZE - SPECIAL - Page.HEADER) {
            throw PageserverException.corruption("bitmap of %d bytes on a page", bytes);
        }
        initPage(page, NONE, NONE, BITMAP);
        int end = Page.HEADER + bytes;
        Arrays.fill(page, Page.HEADER, end, (byte) 0xFF);
        Page.setLower(page, end);
    }

    /** The number of a bit, which must be inside the page's bitmap. */
    private static int bit(byte[] page, int bit) {
        int bits = 8 * (opaque(page) - Page.HEADER);
        if (bit < 0 || bit >= bits) {
            throw PageserverException.corruption(
                    "bit %d of a bitmap of %d", Integer.toUnsignedLong(bit), bits);
        }
        return bit;
    }

    private static int word(int bit) {
        return Page.HEADER + 4 * (bit >>> 5);
    }

    private static void clearFlag(byte[] page, int flag) {
        int at = opaque(page) + FLAGS;
        putU16(page, at, u16(page, at) & ~flag);
    }

    static int opaque(byte[] page) {
        return IndexTuple.opaque(page, SPECIAL);
    }

    private static void requireBlock(RecordSlice r, int id) {
        if (r.blockId() != id) {
            throw RecordParts.unexpectedBlock(r);
        }
    }
}
