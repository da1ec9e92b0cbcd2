package io.palimpsest.regress;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.pg.Page;
import java.util.Arrays;

/**
 * How a page is read, and with it which of its bytes two equal pages may differ in: what
 * PostgreSQL's WAL consistency check masks (bufmask.c and the resource managers' mask functions),
 * and beyond that a sequence's values, the cache in SP-GiST's metapage and the TUPLES_DELETED bit
 * of GiST leaves. Visibility-map bytes are not masked.
 */
enum PageKind {
    HEAP,
    BTREE,
    HASH,
    GIN,
    GIST,
    SPGIST,
    BRIN,
    SEQUENCE,
    GENERIC,
    VISIBILITY_MAP;

    private static final int FROZEN = 0x0300;
    private static final int XMAX_HINTS = 0x0C00;
    private static final int NOT_TRANSACTIONAL = 0x000F;
    private static final int SPECULATIVE = 0xFFFE;

    static PageKind ofAccessMethod(String name) {
        return switch (name) {
            case "heap" -> HEAP;
            case "btree" -> BTREE;
            case "hash" -> HASH;
            case "gin" -> GIN;
            case "gist" -> GIST;
            case "spgist" -> SPGIST;
            case "brin" -> BRIN;
            default -> GENERIC;
        };
    }

    /**
     * Of a relation that no catalog names, such as one made in a transaction that never ended:
     * judged by the special area, whose end most index kinds mark.
     */
    static PageKind sniff(byte[] page) {
        int special = Page.special(page);
        if (special == Page.SIZE - 16) {
            return switch (u16(page, Page.SIZE - 2)) {
                case 0xFF80 -> HASH;
                case 0xFF81 -> GIST;
                default -> BTREE;
            };
        }
        if (special == Page.SIZE - 8) {
            return switch (u16(page, Page.SIZE - 2)) {
                case 0xFF82 -> SPGIST;
                case 0xFF83 -> GENERIC;
                case 0xF091, 0xF092, 0xF093 -> BRIN;
                default -> i32(page, special) == 0x1717 ? SEQUENCE : GIN;
            };
        }
        return HEAP;
    }

    /** Zeroes what does not count, in place. A page that was never initialised stays as it is. */
    void mask(byte[] page, int block) {
        if (Page.isNew(page)) {
            return;
        }
        Page.setLsn(page, 0);
        putU16(page, 8, 0);
        switch (this) {
            case HEAP -> heap(page, block);
            case BTREE -> btree(page);
            case HASH -> hash(page);
            case GIN -> gin(page);
            case GIST -> gist(page);
            case SPGIST -> spgist(page, block);
            case BRIN -> brin(page);
            case SEQUENCE -> sequence(page);
            case GENERIC -> unusedSpace(page);
            case VISIBILITY_MAP -> {}
        }
    }

    private static void hints(byte[] page) {
        Page.setPruneXid(page, 0);
        Page.clearFlag(page, Page.FLAG_FULL | Page.FLAG_HAS_FREE_LINES | Page.FLAG_ALL_VISIBLE);
    }

    /** Between line pointers and items; pointers that make no sense hide nothing. */
    private static void unusedSpace(byte[] page) {
        int lower = Page.lower(page);
        int upper = Page.upper(page);
        if (lower >= Page.HEADER && lower <= upper && upper <= Page.special(page)) {
            if (Page.special(page) <= Page.SIZE) {
                Arrays.fill(page, lower, upper, (byte) 0);
            }
        }
    }

    private static int linePointers(byte[] page) {
        int lower = Page.lower(page);
        return lower < Page.HEADER || lower > Page.SIZE ? 0 : (lower - Page.HEADER) / 4;
    }

    private static void linePointerFlags(byte[] page) {
        int n = linePointers(page);
        for (int i = 1; i <= n; i++) {
            Page.setLinePointer(page, i, Page.linePointer(page, i) & ~(3 << 15));
        }
    }

    private static void content(byte[] page) {
        Page.setLower(page, 0);
        Page.setUpper(page, 0);
        Arrays.fill(page, Page.HEADER, Page.SIZE, (byte) 0);
    }

    /** Where the special area of {@code size} bytes starts, or -1 if the page says otherwise. */
    private static int special(byte[] page, int size) {
        return Page.special(page) == Page.SIZE - size ? Page.SIZE - size : -1;
    }

    private static void clear16(byte[] page, int at, int bits) {
        putU16(page, at, u16(page, at) & ~bits);
    }

    private static void heap(byte[] page, int block) {
        hints(page);
        unusedSpace(page);
        int n = linePointers(page);
        for (int i = 1; i <= n; i++) {
            int lp = Page.linePointer(page, i);
            int at = Page.lpOffset(lp);
            int length = Page.lpLength(lp);
            if (length == 0 || at < Page.HEADER || at + Page.maxAlign(length) > Page.SIZE) {
                continue;
            }
            if (Page.lpFlags(lp) == Page.LP_NORMAL && length >= 23) {
                heapTuple(page, at, block, i);
            }
            Arrays.fill(page, at + length, at + Page.maxAlign(length), (byte) 0);
        }
    }

    private static void heapTuple(byte[] page, int at, int block, int offset) {
        boolean frozen = (u16(page, at + 20) & FROZEN) == FROZEN;
        clear16(page, at + 20, frozen ? XMAX_HINTS : ~NOT_TRANSACTIONAL);
        putI32(page, at + 8, 0);
        if (u16(page, at + 16) == SPECULATIVE) {
            putU16(page, at + 12, block >>> 16);
            putU16(page, at + 14, block);
            putU16(page, at + 16, offset);
        }
    }

    /** Opaque: 0 prev, 4 next, 8 level, 12 u16 flags, 14 u16 cycle id. */
    private static void btree(byte[] page) {
        hints(page);
        unusedSpace(page);
        int special = special(page, 16);
        if (special > 0) {
            if ((u16(page, special + 12) & 1) != 0) {
                linePointerFlags(page);
            }
            clear16(page, special + 12, 0x40 | 0x20);
            putU16(page, special + 14, 0);
        }
    }

    /** Opaque: 0 prev, 4 next, 8 bucket, 12 u16 flags, 14 u16 page id. */
    private static void hash(byte[] page) {
        hints(page);
        unusedSpace(page);
        int special = special(page, 16);
        if (special > 0) {
            int type = u16(page, special + 12) & 0x0F;
            if (type == 0) {
                content(page);
                return;
            }
            if (type == 1 || type == 2) {
                linePointerFlags(page);
            }
            clear16(page, special + 12, 0x80);
        }
    }

    /** Opaque: 0 right link, 4 u16 max offset, 6 u16 flags. */
    private static void gin(byte[] page) {
        hints(page);
        int special = special(page, 8);
        if (special > 0 && (u8(page, special + 6) & 4) != 0) {
            content(page);
        } else if (Page.lower(page) > Page.HEADER) {
            unusedSpace(page);
        }
    }

    /** Opaque: 0 u64 node sequence number, 8 right link, 12 u16 flags, 14 u16 page id. */
    private static void gist(byte[] page) {
        hints(page);
        unusedSpace(page);
        int special = special(page, 16);
        if (special > 0) {
            Arrays.fill(page, special, special + 8, (byte) 0);
            boolean leaf = (u16(page, special + 12) & 1) != 0;
            if (leaf) {
                linePointerFlags(page);
            }
            clear16(page, special + 12, 0x08 | 0x10 | (leaf ? 0x04 : 0));
        }
    }

    /** Metapage: 24 u32 magic, 28 eight times (u32 block, i32 free space): the cache. */
    private static void spgist(byte[] page, int block) {
        hints(page);
        if (Page.lower(page) >= Page.HEADER) {
            unusedSpace(page);
        }
        if (block == 0) {
            Arrays.fill(page, 28, 28 + 64, (byte) 0);
        }
    }

    /** Special: 4 u16 flags, 6 u16 type. */
    private static void brin(byte[] page) {
        hints(page);
        int special = special(page, 8);
        if (special > 0) {
            int type = u16(page, special + 6);
            if (type == 0xF093 || type == 0xF091 && Page.lower(page) > Page.HEADER) {
                unusedSpace(page);
            }
            clear16(page, special + 4, 1);
        }
    }

    /** One tuple; after its header: 0 i64 last value, 8 i64 logged ahead, 16 bool called. */
    private static void sequence(byte[] page) {
        unusedSpace(page);
        if (linePointers(page) >= 1) {
            int lp = Page.linePointer(page, 1);
            int at = Page.lpOffset(lp);
            int data = at + u8(page, at + 22);
            if (Page.lpLength(lp) >= 24 + 17 && data + 17 <= Page.SIZE) {
                Arrays.fill(page, data, data + 17, (byte) 0);
            }
        }
    }
}
