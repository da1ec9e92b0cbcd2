package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.value.Keys;
import org.junit.jupiter.api.Test;

class KeyFilterTest {
    /** Neighbouring blocks of a few relations, which is what keys look like. */
    @Test
    void passesAllItsKeysAndFewOthers() {
        KeyFilter filter = new KeyFilter();
        for (int rel = 0; rel < 10; rel++) {
            for (int block = 0; block < 5000; block++) {
                filter.add(Keys.hi(0, 1663), Keys.mid(5, 16384 + rel), Keys.lo(0, block));
            }
        }
        byte[] b = filter.build();
        int lines = filter.lines();
        assertEquals((50_000 * 10 + 511) / 512, lines);
        int passed = 0;
        for (int rel = 0; rel < 20; rel++) {
            for (int block = 0; block < 10_000; block++) {
                long hash =
                        LayerFormat.hash(
                                Keys.hi(0, 1663), Keys.mid(5, 16384 + rel), Keys.lo(0, block));
                int at = KeyFilter.line(hash, lines) * KeyFilter.LINE_BYTES;
                boolean may = KeyFilter.mayContain(b, at, hash);
                boolean there = rel < 10 && block < 5000;
                assertTrue(may || !there);
                passed += may && !there ? 1 : 0;
            }
        }
        assertTrue(passed < 150_000 * 0.025, "false positives of 150000: " + passed);
        assertTrue(passed > 0);
    }

    @Test
    void ofNothing() {
        KeyFilter filter = new KeyFilter();
        assertEquals(0, filter.lines());
        assertEquals(0, filter.build().length);
    }
}
