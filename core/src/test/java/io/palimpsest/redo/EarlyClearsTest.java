package io.palimpsest.redo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.VisibilityMap;
import org.junit.jupiter.api.Test;

final class EarlyClearsTest {
    private static final RelTag HEAP = new RelTag(1663, 5, 16384, RelTag.MAIN);
    private static final int FIRST = VisibilityMap.HEAP_BLOCKS_PER_PAGE;

    private final EarlyClears clears = new EarlyClears();
    private final byte[] ours = map(FIRST + 6, FIRST + 7, FIRST + 9);

    private static byte[] map(int... blocks) {
        byte[] page = new byte[Page.SIZE];
        Page.init(page, 0);
        for (int block : blocks) {
            VisibilityMap.set(page, block, 3);
        }
        return page;
    }

    @Test
    void aClearThatFollowsExplainsTheDifference() {
        assertTrue(clears.explain(HEAP, 1, map(FIRST + 6, FIRST + 9), ours));
        assertTrue(clears.isOpen(HEAP, FIRST + 7));
        assertFalse(clears.isOpen(HEAP, FIRST + 6));
        clears.cleared(HEAP, FIRST + 6, 3);
        clears.cleared(HEAP, FIRST + 7, VisibilityMap.ALL_FROZEN);
        assertEquals(1, clears.open());
        clears.cleared(HEAP, FIRST + 7, 3);
        assertEquals(0, clears.open());
    }

    @Test
    void aClearThatNeverComesStaysOpen() {
        assertTrue(clears.explain(HEAP, 1, map(FIRST + 6), ours));
        clears.cleared(new RelTag(1663, 5, 16385, RelTag.MAIN), FIRST + 7, 3);
        assertEquals(2, clears.open());
    }

    @Test
    void aBitWeLackIsNoEarlyClear() {
        assertFalse(clears.explain(HEAP, 1, map(FIRST + 6, FIRST + 8), ours));
        assertEquals(0, clears.open());
    }

    @Test
    void anotherHeaderIsNoEarlyClear() {
        byte[] server = map(FIRST + 6);
        Page.setLower(server, Page.HEADER + 4);
        assertFalse(clears.explain(HEAP, 1, server, ours));
    }
}
