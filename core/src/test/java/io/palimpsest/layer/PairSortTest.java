package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.palimpsest.base.Prng;
import java.util.Map;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

class PairSortTest {
    @Property(tries = 200)
    void sortsTheRangeAndLeavesTheRest(@ForAll long seed) {
        Prng prng = new Prng(seed);
        int n = prng.nextInt(prng.oneIn(4) ? 5000 : 100);
        int before = prng.nextInt(4);
        int after = prng.nextInt(4);
        long mask = (1L << 1 + prng.nextInt(63)) - 1 & (prng.oneIn(3) ? ~0xFFFFL : -1L);
        TreeMap<Long, Long> expected = new TreeMap<>();
        long[] pairs = new long[2 * (before + n + after)];
        int end = before;
        for (int i = 0; i < n; i++) {
            long key = prng.nextLong() & mask;
            if (expected.putIfAbsent(key, (long) i) == null) {
                pairs[2 * end] = key;
                pairs[2 * end++ + 1] = i;
            }
        }
        long[] other = new long[pairs.length];
        long[] sorted = PairSort.sort(pairs, other, before, end);
        int at = before;
        for (Map.Entry<Long, Long> e : expected.entrySet()) {
            assertEquals(e.getKey(), sorted[2 * at]);
            assertEquals(e.getValue(), sorted[2 * at++ + 1]);
        }
        assertEquals(end, at);
        for (long[] array : new long[][] {pairs, other}) {
            for (int i = 0; i < array.length; i++) {
                if (i < 2 * before || i >= 2 * end) {
                    assertEquals(0, array[i], "outside of the range, at " + i);
                }
            }
        }
    }
}
