package io.palimpsest.compaction;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Generation;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.compaction.EvictionPlanner.Candidate;
import io.palimpsest.layer.LayerName;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class EvictionPlannerTest {
    private static final TenantId ONE = new TenantId(1, 1);
    private static final TenantId TWO = new TenantId(2, 2);

    private static Candidate<Integer> layer(
            int n, TenantId tenant, long bytes, long idle, boolean covered) {
        LayerName name =
                LayerName.delta(
                        new KeyRange(new Key(0, 0, n), new Key(0, 0, n + 1)),
                        new LsnRange(8, 16),
                        TenantShardId.unsharded(tenant),
                        new Generation(1));
        return new Candidate<>(n, tenant, name, bytes, idle, covered);
    }

    private static List<Integer> numbers(List<Candidate<Integer>> chosen) {
        return chosen.stream().map(Candidate::what).toList();
    }

    private static long bytes(List<Candidate<Integer>> some, TenantId tenant) {
        return some.stream()
                .filter(c -> c.tenant().equals(tenant))
                .mapToLong(Candidate::bytes)
                .sum();
    }

    @Test
    void coveredLayersGoFirstThenThoseNotReadForLongest() {
        List<Candidate<Integer>> all =
                List.of(
                        layer(1, ONE, 10, 500, false),
                        layer(2, ONE, 10, 1, true),
                        layer(3, ONE, 10, 900, false),
                        layer(4, ONE, 10, 7, true));
        assertEquals(List.of(4, 2, 3), numbers(EvictionPlanner.toFree(all, 25, 0)));
        assertEquals(List.of(4), numbers(EvictionPlanner.toFree(all, 1, 0)));
        assertEquals(List.of(), numbers(EvictionPlanner.toFree(all, 0, 0)));
        assertEquals(4, EvictionPlanner.toFree(all, Long.MAX_VALUE, 0).size());
    }

    @Test
    void aTenantKeepsItsMinimumWhileOthersHaveEnough() {
        List<Candidate<Integer>> all =
                List.of(
                        layer(1, ONE, 100, 900, true),
                        layer(2, TWO, 30, 1, false),
                        layer(3, TWO, 20, 2, false));
        assertEquals(List.of(3), numbers(EvictionPlanner.toFree(all, 10, -1)));
        assertEquals(List.of(3, 1), numbers(EvictionPlanner.toFree(all, 21, -1)));
        assertEquals(List.of(1), numbers(EvictionPlanner.toFree(all, 10, 0)));
    }

    @Test
    void whatWasReadLatelyStays() {
        List<Candidate<Integer>> all =
                List.of(layer(1, ONE, 1, 9, false), layer(2, ONE, 1, 10, true));
        assertEquals(List.of(2), numbers(EvictionPlanner.idle(all, 10)));
    }

    @Test
    void itFreesEnoughAndNotOneLayerMoreThanThat() {
        Prng prng = new Prng(11);
        for (int round = 0; round < 2000; round++) {
            List<Candidate<Integer>> all = new ArrayList<>();
            int n = prng.nextInt(12);
            for (int i = 0; i < n; i++) {
                all.add(
                        layer(
                                i,
                                prng.nextBoolean() ? ONE : TWO,
                                1 + prng.nextInt(50),
                                prng.nextInt(5),
                                prng.nextBoolean()));
            }
            long wanted = prng.nextInt(200);
            long minimum = prng.nextInt(60) - 1;
            List<Candidate<Integer>> chosen = EvictionPlanner.toFree(all, wanted, minimum);
            long total = bytes(all, ONE) + bytes(all, TWO);
            long freed = bytes(chosen, ONE) + bytes(chosen, TWO);
            assertEquals(chosen.size(), chosen.stream().distinct().count());
            assertTrue(all.containsAll(chosen));
            assertTrue(freed >= Math.min(total, wanted), freed + " of " + wanted);
            if (!chosen.isEmpty()) {
                assertTrue(freed - chosen.getLast().bytes() < wanted, "one too many");
            }
            // While one tenant is below its minimum, the other has no layer that fits above its.
            for (TenantId tenant : List.of(ONE, TWO)) {
                TenantId other = tenant.equals(ONE) ? TWO : ONE;
                if (minimum >= 0
                        && bytes(chosen, tenant) > 0
                        && bytes(all, tenant) - bytes(chosen, tenant) < minimum) {
                    long left = bytes(all, other) - bytes(chosen, other);
                    assertTrue(
                            all.stream()
                                    .filter(c -> c.tenant().equals(other) && !chosen.contains(c))
                                    .allMatch(c -> left - c.bytes() < minimum),
                            "round " + round);
                }
            }
        }
    }
}
