package io.palimpsest.server.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Prng;
import org.junit.jupiter.api.Test;

class ResidencyTest {
    private static final int CHUNK = 1 << Residency.CHUNK_SHIFT;
    private static final long SECOND = 1_000_000_000L;

    private int questions;
    private long missing = -1;

    private Residency of(long size, long now) {
        return new Residency(
                (position, length) -> {
                    assertTrue(position >= 0 && position + length <= size);
                    questions++;
                    return missing < position || missing >= position + length;
                },
                size,
                now);
    }

    @Test
    void anAnswerIsBelievedForAWhileAndThenAskedForAgain() {
        for (long now : new long[] {0, -3 * SECOND, Long.MAX_VALUE - SECOND, 77L << 54}) {
            questions = 0;
            missing = -1;
            Residency r = of(10 * CHUNK + 1, now);
            for (int i = 0; i < 100; i++) {
                assertTrue(r.inMemory(CHUNK + 100 * i, 8192, now + i * 1_000_000L));
            }
            assertEquals(1, questions);
            missing = CHUNK + 5000;
            assertTrue(r.inMemory(CHUNK, 8192, now + SECOND / 4));
            assertFalse(r.inMemory(CHUNK, 8192, now + SECOND));
        }
    }

    /** Nothing is taken for there that was not there when the system was asked. */
    @Test
    void ofAChunkThatIsNotAllThereEachReadIsAskedFor() {
        Residency r = of(10 * CHUNK + 1, 0);
        missing = 3 * CHUNK + 9000;
        assertTrue(r.inMemory(3 * CHUNK, 8192, 0));
        assertEquals(2, questions);
        assertFalse(r.inMemory(3 * CHUNK + 8192, 8192, 0));
        assertEquals(3, questions);
        assertFalse(r.inMemory(2 * CHUNK, 2 * CHUNK, 0));
        assertTrue(r.inMemory(10 * CHUNK, 1, 0));
        Prng prng = new Prng(4);
        for (int i = 0; i < 1000; i++) {
            missing = prng.nextInt(10 * CHUNK);
            Residency fresh = of(10 * CHUNK + 1, SECOND);
            long at = prng.nextInt(9 * CHUNK);
            int length = prng.nextInt(CHUNK) + 1;
            assertEquals(
                    missing < at || missing >= at + length, fresh.inMemory(at, length, SECOND));
        }
    }
}
