package io.palimpsest.pg;

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
}
