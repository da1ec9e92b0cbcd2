package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageItems;
import io.palimpsest.value.RecordSlice;

/**
 * Redo of BRIN records; the same in 14 to 18.
 *
 * <pre>
 * main data                                                        blocks
 *   CREATE_INDEX     0 u32 pages per range   4 u16 version         0 metapage
 *   INSERT           0 u32 heap block   4 u32 pages per range      0 regular (data: tuple)  1 revmap
 *                    8 u16 offset number
 *   UPDATE           0 u16 old offset number   4 as INSERT         ... 2 old regular
 *   SAMEPAGE_UPDATE  0 u16 offset number                           0 regular (data: tuple)
 *   REVMAP_EXTEND    0 u32 the revmap page that is new             0 metapage  1 revmap
 *   DESUMMARIZE      0 u32 pages per range   4 u32 heap block      0 revmap  1 regular
 *                    8 u16 offset number
 * metapage          24 u32 magic  28 u32 version  32 u32 pages per range  36 u32 last revmap page
 * revmap page       24 { u16 block high, u16 block low, u16 offset number } of each range of heap blocks
 * special area      8 bytes, page type in the last 2
 * </pre>
 *
 * Source: PostgreSQL's brin_xlog.h, brin_xlog.c, brin_page.h.
 */
final class BrinRedo {
    private static final int OPCODE = 0x70;
    private static final int INIT_PAGE = 0x80;
    private static final int CREATE_INDEX = 0x00;
    private static final int INSERT = 0x10;
    private static final int UPDATE = 0x20;
    private static final int SAMEPAGE_UPDATE = 0x30;
    private static final int REVMAP_EXTEND = 0x40;
    private static final int DESUMMARIZE = 0x50;

    private static final int SPECIAL = 8;
    private static final int PAGE_META = 0xF091;
    private static final int PAGE_REVMAP = 0xF092;
    private static final int PAGE_REGULAR = 0xF093;
    private static final int META_MAGIC = 0xA8109CFA;
    private static final int META_END = Page.HEADER + 16;
    private static final int LAST_REVMAP_PAGE = Page.HEADER + 12;
    private static final int REVMAP_ENTRY = 6;
    private static final int REVMAP_ENTRIES = (Page.SIZE - Page.HEADER - SPECIAL) / REVMAP_ENTRY;

    private BrinRedo() {}

    /**
     * Changes the page of the record's own block; true if it changed (then the caller stamps the
     * LSN).
     */
    static boolean redo(byte[] page, RecordSlice r, RedoContext context) {
        switch (r.info() & OPCODE) {
            case CREATE_INDEX -> createIndex(page, r);
            case INSERT -> {
                Expected.mainLength(r, 10);
                insert(page, r, r.mainOffset());
            }
            case UPDATE -> {
                Expected.mainLength(r, 14);
                if (r.blockId() == 2) {
                    PageItems.deleteKeepNumbers(page, u16(r.bytes(), r.mainOffset()));
                } else {
                    insert(page, r, r.mainOffset() + 4);
                }
            }
            case SAMEPAGE_UPDATE -> {
                Expected.mainLength(r, 2);
                requireBlock(r, 0);
                int offset = u16(r.bytes(), r.mainOffset());
                PageItems.overwrite(page, offset, r.bytes(), r.dataOffset(), r.dataLength());
            }
            case REVMAP_EXTEND -> extendRevmap(page, r);
            case DESUMMARIZE -> desummarize(page, r);
            default -> throw Expected.noSuchBlock(r);
        }
        return true;
    }

    private static void createIndex(byte[] page, RecordSlice r) {
        Expected.mainLength(r, 6);
        requireBlock(r, 0);
        init(page, r, PAGE_META);
        putI32(page, Page.HEADER, META_MAGIC);
        putI32(page, Page.HEADER + 4, u16(r.bytes(), r.mainOffset() + 4));
        putI32(page, Page.HEADER + 8, i32(r.bytes(), r.mainOffset()));
        Page.setLower(page, META_END);
    }

    /**
     * @param at where the fields of an INSERT are
     */
    private static void insert(byte[] page, RecordSlice r, int at) {
        byte[] b = r.bytes();
        int heapBlock = i32(b, at);
        int pagesPerRange = i32(b, at + 4);
        int offset = u16(b, at + 8);
        switch (r.blockId()) {
            case 0 -> {
                if ((r.info() & INIT_PAGE) != 0) {
                    init(page, r, PAGE_REGULAR);
                }
                PageItems.insertOverwrite(page, offset, b, r.dataOffset(), r.dataLength());
            }
            case 1 -> setRevmap(page, heapBlock, pagesPerRange, r.blockNumber(0), offset);
            default -> throw Expected.noSuchBlock(r);
        }
    }

    private static void extendRevmap(byte[] page, RecordSlice r) {
        Expected.mainLength(r, 4);
        if (r.blockId() == 1) {
            init(page, r, PAGE_REVMAP);
            return;
        }
        requireBlock(r, 0);
        putI32(page, LAST_REVMAP_PAGE, i32(r.bytes(), r.mainOffset()));
        Page.setLower(page, META_END);
    }

    private static void desummarize(byte[] page, RecordSlice r) {
        Expected.mainLength(r, 10);
        byte[] b = r.bytes();
        int main = r.mainOffset();
        if (r.blockId() == 1) {
            PageItems.deleteKeepNumbers(page, u16(b, main + 8));
            return;
        }
        requireBlock(r, 0);
        setRevmap(page, i32(b, main + 4), i32(b, main), -1, 0);
    }

    private static void setRevmap(
            byte[] page, int heapBlock, int pagesPerRange, int block, int offset) {
        if (pagesPerRange == 0) {
            throw PageserverException.corruption("ranges of 0 pages");
        }
        int range = Integer.divideUnsigned(heapBlock, pagesPerRange);
        int at = Page.HEADER + REVMAP_ENTRY * Integer.remainderUnsigned(range, REVMAP_ENTRIES);
        putU16(page, at, block >>> 16);
        putU16(page, at + 2, block);
        putU16(page, at + 4, offset);
    }

    private static void init(byte[] page, RecordSlice r, int type) {
        Expected.initPage(page, r, SPECIAL);
        putU16(page, Page.SIZE - 2, type);
    }

    private static void requireBlock(RecordSlice r, int id) {
        if (r.blockId() != id) {
            throw Expected.noSuchBlock(r);
        }
    }
}
