package io.palimpsest.pg;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PageChecksumTest {
    /** Pages that a PostgreSQL 18 wrote by initdb: block, then offset and value of each byte. */
    private static final int[][] WRITTEN = {
        {0, 5, 34, 6, 107, 7, 1, 8, 220, 9, 246, 12, 24, 15, 32, 17, 32, 18, 4, 19, 32, 24, 15},
        {0, 4, 176, 5, 237, 6, 112, 7, 1, 9, 124, 12, 24, 15, 32, 17, 32, 18, 4, 19, 32, 24, 3},
        {
            1, 4, 152, 5, 172, 6, 71, 7, 1, 8, 164, 9, 166, 12, 28, 14, 224, 15, 31, 16, 240, 17,
            31, 18, 4, 19, 32, 24, 224, 25, 159, 26, 32, 8164, 1, 8166, 16, 8168, 182, 8169, 52,
            8188, 3
        },
        {
            1, 5, 53, 6, 115, 7, 1, 8, 195, 9, 226, 12, 24, 15, 32, 17, 32, 18, 4, 19, 32, 28, 229,
            29, 229, 31, 229, 35, 229, 43, 229, 59, 229, 91, 229, 155, 229, 283, 229, 539, 229,
            1051, 229, 2075, 229, 4123, 229
        }
    };

    @Test
    void pagesThatPostgresWrote() {
        for (int[] written : WRITTEN) {
            byte[] page = new byte[3 * Page.SIZE];
            for (int i = 1; i < written.length; i += 2) {
                page[Page.SIZE + written[i]] = (byte) written[i + 1];
            }
            byte[] expected = page.clone();
            page[Page.SIZE + 8] = 0x55;
            page[Page.SIZE + 9] = 0x2A;
            PageChecksum.stamp(page, Page.SIZE, written[0]);
            assertArrayEquals(expected, page);
        }
    }

    @Test
    void aPageThatWasNeverInitialisedHasNone() {
        byte[] page = new byte[Page.SIZE];
        PageChecksum.stamp(page, 0, 7);
        assertArrayEquals(new byte[Page.SIZE], page);
    }

    @Test
    void theBlockNumberCountsAndZeroIsNoChecksum() {
        byte[] page = new byte[Page.SIZE];
        int previous = PageChecksum.of(page, 0, 0);
        for (int block = 1; block < 1000; block++) {
            int sum = PageChecksum.of(page, 0, block);
            assertTrue(sum != previous && sum >= 1 && sum <= 65_535);
            previous = sum;
        }
    }
}
