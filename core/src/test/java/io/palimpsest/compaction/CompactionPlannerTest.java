package io.palimpsest.compaction;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class CompactionPlannerTest {
    private static final long MIB = 1 << 20;

    private final CompactionPlanner planner =
            new CompactionPlanner(TenantConfig.DEFAULT, Limits.DEFAULT);

    private static KeyRange keys(int from, int to) {
        return new KeyRange(Key.of(0, 1, 1, 1, 0, from), Key.of(0, 1, 1, 1, 0, to));
    }

    private static LayerDescriptor delta(KeyRange keys, long start, long end, long size) {
        return new LayerDescriptor(
                LayerName.delta(
                        keys,
                        new LsnRange(start, end),
                        ModelTimeline.TENANT,
                        ModelTimeline.GENERATION),
                size,
                false);
    }

    private static LayerDescriptor image(KeyRange keys, long lsn, boolean complete, long size) {
        return new LayerDescriptor(
                LayerName.image(keys, lsn, ModelTimeline.TENANT, ModelTimeline.GENERATION),
                size,
                complete);
    }

    private static LayerInventory inventory(LayerDescriptor... layers) {
        return LayerInventory.of(List.of(layers), 1000);
    }

    private static List<LayerDescriptor> l0(int count, long size) {
        List<LayerDescriptor> out = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            out.add(delta(KeyRange.ALL, 10 + 10 * i, 20 + 10 * i, size));
        }
        return out;
    }

    @Test
    void theOldestL0sAreMerged() {
        assertNull(planner.mergeL0(LayerInventory.of(l0(9, MIB), 1000)));
        List<LayerDescriptor> many = l0(30, MIB);
        CompactionPlan.MergeL0 plan = planner.mergeL0(LayerInventory.of(many.reversed(), 1000));
        assertNotNull(plan);
        assertEquals(many.subList(0, 20), plan.inputs());
        // By bytes, but never fewer than the threshold.
        plan = planner.mergeL0(LayerInventory.of(l0(30, 400 * MIB), 1000));
        assertNotNull(plan);
        assertEquals(12, plan.inputs().size());
        plan = planner.mergeL0(LayerInventory.of(l0(30, 4000 * MIB), 1000));
        assertNotNull(plan);
        assertEquals(10, plan.inputs().size());
        // Up to a gap.
        many.remove(4);
        plan = planner.mergeL0(LayerInventory.of(many, 1000));
        assertNotNull(plan);
        assertEquals(4, plan.inputs().size());
        // Past one that must be avoided.
        plan =
                planner.mergeL0(
                        new LayerInventory(
                                many,
                                1000,
                                List.of(),
                                new LinkedHashSet<>(List.of(many.getFirst().name()))));
        assertNotNull(plan);
        assertEquals(many.subList(1, 4), plan.inputs());
    }

    @Test
    void atRestL0sAreMergedIfTheyAreMuchOfWhatThereIs() {
        List<LayerDescriptor> few = l0(2, 4 * MIB);
        LayerDescriptor image = image(keys(0, 100), 20, true, 50 * MIB);
        LayerDescriptor more = delta(keys(0, 100), 5, 21, 15 * MIB);
        List<LayerDescriptor> all = new ArrayList<>(few.reversed());
        all.add(image);
        CompactionPlan.MergeL0 plan = planner.mergeAtRest(LayerInventory.of(all, 1000), 0);
        assertNotNull(plan);
        assertEquals(few, plan.inputs());
        // What an image may be made of counts as much as the timeline's own.
        assertNotNull(planner.mergeAtRest(LayerInventory.of(all, 1000), 14 * MIB));
        assertNull(planner.mergeAtRest(LayerInventory.of(all, 1000), 15 * MIB));
        all.add(more);
        assertNull(planner.mergeAtRest(LayerInventory.of(all, 1000), 0));
        // Without L0s there is nothing to do, and with damaged ones nothing that can be done.
        assertNull(planner.mergeAtRest(LayerInventory.of(List.of(), 1000), 0));
        assertNull(
                planner.mergeAtRest(
                        new LayerInventory(
                                few,
                                1000,
                                List.of(),
                                new LinkedHashSet<>(
                                        few.stream().map(LayerDescriptor::name).toList())),
                        0));
    }

    @Test
    void anImageIsMadeWhereLayersAreStackedAndOfWhatItNeeds() {
        LayerDescriptor old = image(keys(0, 100), 20, true, 50 * MIB);
        LayerDescriptor shadowed = delta(keys(0, 100), 5, 21, MIB);
        LayerDescriptor a = delta(keys(10, 30), 21, 100, MIB);
        LayerDescriptor b = delta(keys(20, 40), 100, 200, MIB);
        assertNull(planner.createImages(inventory(old, shadowed, a, b)));
        LayerDescriptor c = delta(keys(0, 30), 200, 300, MIB);
        LayerDescriptor l0 = delta(KeyRange.ALL, 300, 400, MIB);
        CompactionPlan.CreateImages plan =
                planner.createImages(inventory(l0, old, shadowed, a, b, c));
        assertNotNull(plan);
        // Three are stacked over 20..30; its neighbours have two of them above the image.
        assertEquals(keys(10, 30), plan.keys());
        assertEquals(299, plan.lsn());
        assertEquals(
                new TreeSet<>(names(List.of(old, a, b, c))), new TreeSet<>(names(plan.inputs())));
        // Once it is there nothing is left to do.
        LayerDescriptor fresh = image(plan.keys(), 299, true, MIB);
        assertNull(planner.createImages(inventory(l0, old, shadowed, a, b, c, fresh)));
        // A partial image at that LSN is in the way of a name.
        LayerDescriptor partial = image(keys(0, 100), 299, false, MIB);
        assertNull(planner.createImages(inventory(l0, old, shadowed, a, b, c, partial)));
    }

    private static List<String> names(List<LayerDescriptor> layers) {
        return layers.stream().map(d -> d.name().toString()).toList();
    }

    @Test
    void historyIsDroppedWhereItPaysAndNotTwice() {
        Retention r = new Retention(500, List.of(100L));
        List<LayerDescriptor> layers = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            layers.add(delta(keys(0, 50), 10 + 100 * i, 110 + 100 * i, 100 * MIB));
        }
        CompactionPlan.DropHistory plan = planner.dropHistory(LayerInventory.of(layers, 1000), r);
        assertNotNull(plan);
        assertEquals(keys(0, 50), plan.keys());
        assertEquals(List.of(), plan.base());
        assertEquals(layers, plan.inputs());
        LayerDescriptor base = image(keys(0, 50), 100, true, 100 * MIB);
        LayerDescriptor kept = delta(keys(0, 50), 101, 501, 200 * MIB);
        assertNull(planner.dropHistory(inventory(base, kept), r));
        // More history has passed under the cutoff: too little, then enough.
        Retention later = new Retention(900, List.of(100L));
        LayerDescriptor more = delta(keys(0, 50), 501, 800, 140 * MIB);
        assertNull(planner.dropHistory(inventory(base, kept, more), later));
        LayerDescriptor enough = delta(keys(0, 50), 501, 800, 160 * MIB);
        plan = planner.dropHistory(inventory(base, kept, enough), later);
        assertNotNull(plan);
        assertEquals(List.of(base), plan.base());
        assertEquals(List.of(kept, enough), plan.inputs());
        // It will go by itself.
        LayerDescriptor above = image(keys(0, 50), 950, true, MIB);
        assertNull(planner.dropHistory(inventory(base, kept, enough, above), later));
        // Never below an L0.
        LayerDescriptor l0 = delta(KeyRange.ALL, 700, 800, MIB);
        LayerDescriptor deep = delta(keys(0, 50), 501, 700, 160 * MIB);
        plan = planner.dropHistory(inventory(base, kept, deep, l0), later);
        assertNotNull(plan);
        assertEquals(699, plan.retention().cutoff());
    }

    /** An image above that lacks a key sends readers to just there. */
    @Test
    void whatWasAdoptedStaysAtOrBelowItsBranchPoint() {
        Retention r = new Retention(500, List.of());
        List<LayerDescriptor> layers =
                List.of(
                        delta(keys(0, 50), 10, 201, 300 * MIB),
                        delta(keys(0, 50), 201, 300, 50 * MIB),
                        delta(keys(0, 50), 300, 450, 50 * MIB),
                        image(keys(0, 50), 600, true, MIB));
        CompactionPlan.DropHistory plan =
                planner.dropHistory(
                        new LayerInventory(
                                layers, 1000, List.of(200L, 700L), new LinkedHashSet<>()),
                        r);
        assertNotNull(plan);
        assertEquals(new Retention(500, List.of(200L)), plan.retention());
    }

    @Test
    void debtIsWhatIsDue() {
        assertEquals(
                CompactionDebt.NONE,
                planner.debt(LayerInventory.of(l0(9, MIB), 1000), new Retention(5, List.of()), 0));
        CompactionDebt debt =
                planner.debt(
                        LayerInventory.of(l0(16, MIB), 1000), new Retention(5, List.of()), 4 * MIB);
        assertEquals(new CompactionDebt(16 * MIB, 4), debt);
        assertEquals(Double.POSITIVE_INFINITY, CompactionDebt.of(1, 0).seconds());
    }

    @Test
    void aTreeOfStretchesIsAnArray() {
        for (int seed = 0; seed < 200; seed++) {
            Prng prng = new Prng(seed);
            int n = 1 + prng.nextInt(40);
            long[] expected = new long[n];
            Arrays.fill(expected, 7);
            StretchTree tree = new StretchTree(n, 7);
            for (int i = 0; i < 100; i++) {
                int from = prng.nextInt(n);
                int to = from + 1 + prng.nextInt(n - from);
                long v = prng.nextInt(100) - 50;
                switch (prng.nextInt(3)) {
                    case 0 -> {
                        tree.set(from, to, v);
                        Arrays.fill(expected, from, to, v);
                    }
                    case 1 -> {
                        tree.add(from, to, v);
                        for (int j = from; j < to; j++) {
                            expected[j] += v;
                        }
                    }
                    default ->
                            assertEquals(
                                    Arrays.stream(expected, from, to).max().orElseThrow(),
                                    tree.max(from, to));
                }
            }
            assertEquals(Arrays.toString(expected), Arrays.toString(tree.values()));
        }
    }

    /** Layer by layer, LSN by LSN, key by key. */
    @Test
    void garbageIsExactlyWhatNoLegalReadNeeds() {
        int found = 0;
        for (int seed = 0; seed < 2000; seed++) {
            Prng prng = new Prng(seed);
            List<LayerDescriptor> layers = new ArrayList<>();
            for (int i = 1 + prng.nextInt(8); i > 0; i--) {
                int from = prng.nextInt(4);
                KeyRange range = keys(from, from + 1 + prng.nextInt(5 - from));
                long start = 1 + prng.nextInt(20);
                layers.add(
                        prng.nextBoolean()
                                ? image(range, start, prng.nextInt(3) > 0, 1)
                                : delta(range, start, start + 1 + prng.nextInt(8), 1));
            }
            long[] points = new long[prng.nextInt(3)];
            for (int i = 0; i < points.length; i++) {
                points[i] = 1 + prng.nextInt(25);
            }
            Retention r = Retention.of(1 + prng.nextInt(25), points);
            List<Long> adopted = prng.oneIn(3) ? List.of(1L + prng.nextInt(20)) : List.of();
            List<LayerDescriptor> expected =
                    layers.stream().filter(d -> isGarbage(d, layers, r, adopted)).toList();
            LayerInventory all = new LayerInventory(layers, 100, adopted, new LinkedHashSet<>());
            assertEquals(expected, GcPlanner.garbage(all, r), "seed " + seed);
            found += expected.size();
        }
        assertTrue(found > 500, found + " found");
    }

    private static boolean isGarbage(
            LayerDescriptor d, List<LayerDescriptor> layers, Retention r, List<Long> adopted) {
        for (long lsn = d.name().startLsn(); lsn < 60; lsn++) {
            for (int key = 0; key < 5; key++) {
                Key k = Key.of(0, 1, 1, 1, 0, key);
                if (r.readable(lsn) && d.name().keys().contains(k)) {
                    boolean covered = false;
                    for (LayerDescriptor i : layers) {
                        long at = i.name().startLsn();
                        long top = d.name().endLsn() - 1;
                        covered |=
                                i.complete()
                                        && i.name().keys().contains(k)
                                        && at <= lsn
                                        && (d.name().image() ? at > top : at >= top)
                                        && adopted.stream()
                                                .noneMatch(a -> d.name().startLsn() <= a && a < at);
                    }
                    if (!covered) {
                        return false;
                    }
                }
            }
        }
        return true;
    }

    /** Rows of deltas and images, of which each row is cut elsewhere. */
    private static LayerInventory large(int count) {
        Prng prng = new Prng(count);
        List<LayerDescriptor> layers = new ArrayList<>(count);
        int perRow = count / 40;
        for (int row = 0; row < 40; row++) {
            int from = prng.nextInt(90);
            for (int i = 0; i < perRow; i++) {
                int to = from + 50 + prng.nextInt(100);
                layers.add(
                        row % 5 == 4
                                ? image(keys(from, to), 100 * row + 99, row % 10 == 4, 64 * MIB)
                                : delta(keys(from, to), 100 * row, 100 * row + 100, 128 * MIB));
                from = to;
            }
        }
        return LayerInventory.of(layers, 4000);
    }

    @Test
    void theCostOfPlanningGrowsWithTheNumberOfLayersAndNotFaster() {
        Retention r = new Retention(3000, List.of(500L, 1500L, 2500L));
        long[] best = {Long.MAX_VALUE, Long.MAX_VALUE};
        for (int round = 0; round < 2; round++) {
            for (int size = 0; size < 2; size++) {
                LayerInventory layers = large(size == 0 ? 10_000 : 100_000);
                long start = System.nanoTime();
                assertNotNull(planner.createImages(layers));
                assertNotNull(planner.dropHistory(layers, r));
                assertNotNull(GcPlanner.garbage(layers, r));
                best[size] = Math.min(best[size], System.nanoTime() - start);
            }
        }
        System.out.printf(
                "planning images, history and garbage: %d ms at 10,000 layers, %d ms at 100,000%n",
                best[0] / 1_000_000, best[1] / 1_000_000);
        assertTrue(best[1] < 30 * best[0], best[0] + " and " + best[1] + " ns");
    }

    /** What lies below a damaged image may be all there is. */
    @Test
    void aDamagedImageCoversNothing() {
        LayerDescriptor old = delta(keys(0, 10), 10, 20, MIB);
        LayerDescriptor image = image(keys(0, 10), 30, true, MIB);
        List<LayerDescriptor> layers = List.of(old, image);
        Retention retention = new Retention(40, List.of());
        assertEquals(List.of(old), GcPlanner.garbage(LayerInventory.of(layers, 1000), retention));
        LayerInventory damaged = new LayerInventory(layers, 1000, List.of(), Set.of(image.name()));
        assertEquals(List.of(), GcPlanner.garbage(damaged, retention));
    }

    @Test
    void whatStaysSaysWhy() {
        LayerDescriptor covered = delta(keys(0, 10), 10, 20, MIB);
        LayerDescriptor image = image(keys(0, 10), 30, true, MIB);
        LayerDescriptor recent = delta(keys(0, 10), 30, 50, MIB);
        LayerDescriptor uncovered = delta(keys(20, 30), 10, 20, MIB);
        LayerInventory layers = inventory(covered, image, recent, uncovered);
        Retention retention = new Retention(40, List.of());
        CollectionPlan plan = CollectionPlan.of(layers, retention);
        assertEquals(List.of(covered), plan.goes());
        CollectionPlan.Kept read =
                new CollectionPlan.Kept(image, new CollectionPlan.Reason.Uncovered());
        CollectionPlan.Kept window =
                new CollectionPlan.Kept(recent, new CollectionPlan.Reason.Window());
        CollectionPlan.Kept old =
                new CollectionPlan.Kept(uncovered, new CollectionPlan.Reason.Uncovered());
        assertEquals(List.of(read, window, old), plan.kept());

        plan = CollectionPlan.of(layers, new Retention(40, List.of(15L)));
        assertEquals(List.of(), plan.goes());
        CollectionPlan.Kept point =
                new CollectionPlan.Kept(covered, new CollectionPlan.Reason.Point(15));
        assertEquals(List.of(point, read, window, old), plan.kept());
    }

    /** Pieces of an image outside of a job's keys must not get the name of another one. */
    @Test
    void noImageIsCutToTheNameOfAnother() {
        LayerDescriptor wide = image(keys(0, 40), 5, false, MIB);
        LayerDescriptor history = delta(keys(10, 20), 30, 900, 300 * MIB);
        LayerDescriptor other = delta(keys(20, 30), 30, 900, 300 * MIB);
        Retention retention = new Retention(950, List.of());
        for (LayerDescriptor same :
                List.of(
                        image(keys(0, 10), 5, false, MIB),
                        image(keys(30, 40), 5, false, MIB),
                        image(keys(0, 20), 5, false, MIB),
                        image(keys(20, 40), 5, false, MIB),
                        image(keys(3, 9), 5, false, MIB))) {
            CompactionPlan.DropHistory plan =
                    planner.dropHistory(inventory(wide, history, other, same), retention);
            assertNotNull(plan);
            Key start = plan.keys().start();
            Key end = plan.keys().end();
            Key wideStart = wide.name().keys().start();
            Key wideEnd = wide.name().keys().end();
            boolean before =
                    start.compareTo(wideStart) > 0
                            && same.name().keys().equals(new KeyRange(wideStart, start));
            boolean behind =
                    end.compareTo(wideEnd) < 0
                            && same.name().keys().equals(new KeyRange(end, wideEnd));
            assertTrue(!before && !behind, plan.keys() + " beside " + same.name());
        }
    }
}
