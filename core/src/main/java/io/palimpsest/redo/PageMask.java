package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.putI64;
import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;

import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.wal.Rmgr;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Blanks what may differ between two correct copies of a page: its LSN and checksum, hint bits, the
 * hole, and what else each kind of page may change without WAL. Two pages agree if their masked
 * copies are equal.
 *
 * <p>The rules are PostgreSQL's own for wal_consistency_checking (bufmask.c and each resource
 * manager's mask function), but for two: the bits of a visibility map page are compared (PostgreSQL
 * takes them for unused space), and GiST's "tuples deleted" flag is not (its own replay of a delete
 * sets it where the primary does not).
 */
public final class PageMask {
    /** What a page belongs to. */
    public enum Kind {
        HEAP,
        VISIBILITY_MAP,
        BTREE,
        HASH,
        GIN,
        GIST,
        SPGIST,
        BRIN,
        /** Sequences, and pages that generic WAL changes. */
        OTHER;

        /** The kind of page that a resource manager's records change; null if it changes none. */
        public static @Nullable Kind of(int rmid, int fork) {
            return switch (rmid) {
                case Rmgr.HEAP, Rmgr.HEAP2 -> fork == RelTag.VM ? VISIBILITY_MAP : HEAP;
                case Rmgr.BTREE -> BTREE;
                case Rmgr.HASH -> HASH;
                case Rmgr.GIN -> GIN;
                case Rmgr.GIST -> GIST;
                case Rmgr.SPGIST -> SPGIST;
                case Rmgr.BRIN -> BRIN;
                case Rmgr.SEQ, Rmgr.GENERIC -> OTHER;
                default -> null;
            };
        }
    }

    private static final int HINT_FLAGS =
            Page.FLAG_HAS_FREE_LINES | Page.FLAG_FULL | Page.FLAG_ALL_VISIBLE;

    private static final int HEAP_INFOMASK = 20;
    private static final int XMIN_FROZEN = 0x0300;
    private static final int XMAX_HINTS = 0x0C00;
    private static final int NOT_TRANSACTIONAL = 0x000F;
    private static final int SPECULATIVE_OFFSET = 0xFFFE;

    private static final int BTREE_LEAF = 1;
    private static final int BTREE_SPLIT_END_OR_GARBAGE = 0x20 | 0x40;
    private static final int HASH_BUCKET_OR_OVERFLOW = 1 | 2;
    private static final int HASH_DEAD_TUPLES = 0x80;
    private static final int GIN_DELETED = 4;
    private static final int GIST_LEAF = 1;
    private static final int GIST_DELETED_FOLLOW_GARBAGE = 4 | 8 | 0x10;
    private static final int BRIN_META = 0xF091;
    private static final int BRIN_REGULAR = 0xF093;
    private static final int BRIN_EVACUATE = 1;

    private PageMask() {}

    /**
     * Masks the page in place.
     *
     * @param block its number within the fork
     */
    public static void mask(byte[] page, Kind kind, int block) {
        putI64(page, 0, 0);
        putU16(page, 8, 0);
        if (Page.isNew(page)) {
            return;
        }
        switch (kind) {
            case HEAP -> {
                hints(page);
                unused(page);
                heapTuples(page, block);
            }
            case VISIBILITY_MAP -> {}
            case BTREE -> btree(page);
            case HASH -> hash(page);
            case GIN -> gin(page);
            case GIST -> gist(page);
            case SPGIST -> {
                hints(page);
                if (Page.lower(page) >= Page.HEADER) {
                    unused(page);
                }
            }
            case BRIN -> brin(page);
            case OTHER -> unused(page);
        }
    }

    private static void hints(byte[] page) {
        Page.setPruneXid(page, 0);
        Page.clearFlag(page, HINT_FLAGS);
    }

    /** Insane pointers stay as they are: the comparison will show them. */
    private static void unused(byte[] page) {
        int lower = Page.lower(page);
        int upper = Page.upper(page);
        if (lower >= Page.HEADER && lower <= upper && upper <= Page.SIZE) {
            Arrays.fill(page, lower, upper, (byte) 0);
        }
    }

    private static void linePointerFlags(byte[] page) {
        for (int i = 1, max = linePointers(page); i <= max; i++) {
            int lp = Page.linePointer(page, i);
            Page.setLinePointer(
                    page,
                    i,
                    Page.linePointer(Page.lpOffset(lp), Page.LP_UNUSED, Page.lpLength(lp)));
        }
    }

    private static int linePointers(byte[] page) {
        int lower = Page.lower(page);
        return lower < Page.HEADER || lower > Page.SIZE ? 0 : (lower - Page.HEADER) / 4;
    }

    private static void content(byte[] page) {
        Page.setLower(page, 0);
        Page.setUpper(page, 0);
        Arrays.fill(page, Page.HEADER, Page.SIZE, (byte) 0);
    }

    private static void heapTuples(byte[] page, int block) {
        for (int i = 1, max = linePointers(page); i <= max; i++) {
            int lp = Page.linePointer(page, i);
            int at = Page.lpOffset(lp);
            int end = at + Page.lpLength(lp);
            if (Page.lpLength(lp) == 0 || end > Page.SIZE) {
                continue;
            }
            if (Page.lpFlags(lp) == Page.LP_NORMAL && Page.lpLength(lp) > HEAP_INFOMASK + 2) {
                heapTuple(page, at, block, i);
            }
            Arrays.fill(page, end, Math.min(Page.maxAlign(end), Page.SIZE), (byte) 0);
        }
    }

    private static void heapTuple(byte[] page, int at, int block, int offset) {
        int infomask = u16(page, at + HEAP_INFOMASK);
        boolean frozen = (infomask & XMIN_FROZEN) == XMIN_FROZEN;
        putU16(
                page,
                at + HEAP_INFOMASK,
                frozen ? infomask & ~XMAX_HINTS : infomask & NOT_TRANSACTIONAL);
        putI32(page, at + 8, 0);
        if (u16(page, at + 16) == SPECULATIVE_OFFSET) {
            putU16(page, at + 12, block >>> 16);
            putU16(page, at + 14, block);
            putU16(page, at + 16, offset);
        }
    }

    /** Start of the special area, or of where it would have to be at the latest. */
    private static int special(byte[] page, int size) {
        return Math.min(Page.special(page), Page.SIZE - size);
    }

    private static void btree(byte[] page) {
        hints(page);
        unused(page);
        int opaque = special(page, 16);
        int flags = u16(page, opaque + 12);
        if ((flags & BTREE_LEAF) != 0) {
            linePointerFlags(page);
        }
        putU16(page, opaque + 12, flags & ~BTREE_SPLIT_END_OR_GARBAGE);
        putU16(page, opaque + 14, 0);
    }

    private static void hash(byte[] page) {
        hints(page);
        unused(page);
        int opaque = special(page, 16);
        int flags = u16(page, opaque + 12);
        if ((flags & 0x0F) == 0) {
            content(page);
            return;
        }
        if ((flags & HASH_BUCKET_OR_OVERFLOW) != 0) {
            linePointerFlags(page);
        }
        putU16(page, opaque + 12, flags & ~HASH_DEAD_TUPLES);
    }

    private static void gin(byte[] page) {
        hints(page);
        if ((u16(page, special(page, 8) + 6) & GIN_DELETED) != 0) {
            content(page);
        } else if (Page.lower(page) > Page.HEADER) {
            unused(page);
        }
    }

    private static void gist(byte[] page) {
        hints(page);
        unused(page);
        int opaque = special(page, 16);
        int flags = u16(page, opaque + 12);
        putI64(page, opaque, 0);
        if ((flags & GIST_LEAF) != 0) {
            linePointerFlags(page);
        }
        putU16(page, opaque + 12, flags & ~GIST_DELETED_FOLLOW_GARBAGE);
    }

    private static void brin(byte[] page) {
        hints(page);
        int type = u16(page, Page.SIZE - 2);
        if (type == BRIN_REGULAR || type == BRIN_META && Page.lower(page) > Page.HEADER) {
            unused(page);
        }
        putU16(page, Page.SIZE - 4, u16(page, Page.SIZE - 4) & ~BRIN_EVACUATE);
    }
}
