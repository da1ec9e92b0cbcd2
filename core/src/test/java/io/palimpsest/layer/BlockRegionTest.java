package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Prng;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class BlockRegionTest {
    /** It may forget, but never errs and never outgrows its limit. */
    @Property(tries = 50)
    void findsOnlyWhatWasPutThereAndStaysBounded(@ForAll long seed) {
        Prng prng = new Prng(seed);
        long limit = 1 + prng.nextInt(200_000);
        BlockRegion region = new BlockRegion(limit);
        long[] files = {1, 2, 3};
        for (int i = 0; i < 2000; i++) {
            int f = prng.nextInt(3);
            long position = 100L * prng.nextInt(60);
            byte[] found = region.find(files[f], position);
            byte[] block = new byte[(int) (10 + position % 700)];
            block[0] = (byte) f;
            block[1] = (byte) (position / 100);
            if (found == null) {
                region.insert(files[f], position, block);
            } else {
                assertEquals(block.length, found.length);
                assertEquals(block[0], found[0]);
                assertEquals(block[1], found[1]);
            }
            assertTrue(region.bytes() >= 0 && region.bytes() <= limit);
        }
    }

    @Test
    void aBlockInUseOutlivesPassers() {
        BlockRegion region = new BlockRegion(1 << 20);
        long file = 1;
        region.insert(file, 0, new byte[8192]);
        for (int i = 1; i < 2000; i++) {
            assertNotNull(region.find(file, 0), "after " + i);
            region.insert(file, i * 8192L, new byte[8192]);
        }
    }

    /** Those of a file that is gone, say: nobody asks for them again. */
    @Test
    void blocksThatAreNotUsedMakeRoomForOthers() {
        BlockRegion region = new BlockRegion(1 << 20);
        long gone = 1;
        int bytes = 16 << 10;
        for (int i = 0; i < 100; i++) {
            region.insert(gone, (long) i * bytes, new byte[bytes]);
        }
        long file = 2;
        for (int round = 0; round < 40; round++) {
            for (int i = 0; i < 40; i++) {
                if (region.find(file, (long) i * bytes) == null) {
                    region.insert(file, (long) i * bytes, new byte[bytes]);
                }
            }
        }
        int left = 0;
        for (int i = 0; i < 100; i++) {
            left += region.find(gone, (long) i * bytes) == null ? 0 : 1;
        }
        int kept = 0;
        for (int i = 0; i < 40; i++) {
            kept += region.find(file, (long) i * bytes) == null ? 0 : 1;
        }
        assertTrue(left < 25 && kept > 30, left + " of the old, " + kept + " of the new");
    }

    @Test
    void tooLargeABlockIsNotKept() {
        BlockRegion region = new BlockRegion(1000);
        long file = 1;
        region.insert(file, 0, new byte[600]);
        assertNull(region.find(file, 0));
        region.insert(file, 0, new byte[200]);
        assertNotNull(region.find(file, 0));
    }
}
