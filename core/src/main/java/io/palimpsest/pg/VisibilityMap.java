package io.palimpsest.pg;

import java.util.Arrays;

/**
 * Where a heap block's two bits are: 1 all-visible, 2 all-frozen. Source: PostgreSQL's
 * visibilitymap.c.
 */
public final class VisibilityMap {
    public static final int ALL_VISIBLE = 1;
    public static final int ALL_FROZEN = 2;

    /** Bytes of bits on a page: all behind the page header. */
    public static final int MAP_BYTES = Page.SIZE - Page.HEADER;

    public static final int HEAP_BLOCKS_PER_PAGE = MAP_BYTES * 4;

    private VisibilityMap() {}

    public static int mapBlock(int heapBlock) {
        return Integer.divideUnsigned(heapBlock, HEAP_BLOCKS_PER_PAGE);
    }

    /** Offset of the byte in the page. */
    public static int mapByte(int heapBlock) {
        return Page.HEADER + Integer.remainderUnsigned(heapBlock, HEAP_BLOCKS_PER_PAGE) / 4;
    }

    public static int shift(int heapBlock) {
        return 2 * (heapBlock & 3);
    }

    /** The bits of the heap block, 0 to 3. */
    public static int status(byte[] page, int heapBlock) {
        return page[mapByte(heapBlock)] >>> shift(heapBlock) & 3;
    }

    /** Clears bits of the heap block; true if one of them was set. */
    public static boolean clear(byte[] page, int heapBlock, int bits) {
        int at = mapByte(heapBlock);
        int mask = (bits & 3) << shift(heapBlock);
        boolean changed = (page[at] & mask) != 0;
        page[at] &= (byte) ~mask;
        return changed;
    }

    /**
     * Sets bits of the heap block unless they are what it has already; true if it changed the page.
     */
    public static boolean set(byte[] page, int heapBlock, int bits) {
        if (status(page, heapBlock) == (bits & 3)) {
            return false;
        }
        page[mapByte(heapBlock)] |= (byte) ((bits & 3) << shift(heapBlock));
        return true;
    }

    /** Clears the bits of {@code heapBlock} and all after it on the page. */
    public static void truncate(byte[] page, int heapBlock) {
        int at = mapByte(heapBlock);
        page[at] &= (byte) ((1 << shift(heapBlock)) - 1);
        Arrays.fill(page, at + 1, Page.SIZE, (byte) 0);
    }
}
