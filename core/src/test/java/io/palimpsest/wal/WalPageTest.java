package io.palimpsest.wal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;

class WalPageTest {
    private static final int SEGMENT = 16 << 20;

    @Test
    void recordsEndBehindTheHeadersThatTheyCross() {
        assertEquals(0x28 + 120, WalPage.recordEnd(0x28, 114, SEGMENT));
        assertEquals(8192 + 24 + 112, WalPage.recordEnd(8192 - 8, 114, SEGMENT));
        assertEquals(SEGMENT + 40 + 112, WalPage.recordEnd(SEGMENT - 8, 114, SEGMENT));
        assertEquals(8192, WalPage.recordEnd(8192 - 120, 114, SEGMENT), "just up to a page");
        long long_ = WalPage.recordEnd(0x28, 3 * 8192, SEGMENT);
        assertEquals(0x28 + 3 * 8192 + 3 * 24, long_, "three headers of pages");
    }

    @Property
    void namesAreReadAsTheyAreWritten(
            @ForAll @IntRange(min = 1) int timeline,
            @ForAll @LongRange(min = 0, max = 0x3_FFFF_FFFFL) long number,
            @ForAll @IntRange(min = 20, max = 30) int sizeBits) {
        int size = 1 << sizeBits;
        String name = WalPage.segmentName(timeline, number, size);
        assertEquals(timeline, WalPage.timelineId(name));
        assertEquals(number, WalPage.segmentNumber(name, timeline, size));
        assertEquals(-1, WalPage.segmentNumber(name, timeline + 1, size));
    }

    @Test
    void otherNamesAreNoSegments() {
        assertTrue(WalPage.isSegmentName("0000000100000000000000FF"));
        for (String name :
                new String[] {
                    "",
                    "00000001000000000000000",
                    "0000000100000000000000ff",
                    "0000000100000000000000FF.partial",
                    "00000001.history",
                    "00000001000000000000000G"
                }) {
            assertFalse(WalPage.isSegmentName(name), name);
        }
        assertEquals(
                -1,
                WalPage.segmentNumber("000000010000000000000100", 1, SEGMENT),
                "there are 256 to 4 GiB");
    }
}
