package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TimelineId;
import io.palimpsest.compaction.CompactionPlan;
import io.palimpsest.compaction.CompactionPlanner;
import io.palimpsest.compaction.LayerInventory;
import io.palimpsest.compaction.Retention;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * Metamorphic: whatever is flushed, merged, imaged, collected and dropped, and when, on a root and
 * on branches of branches, which may be detached, with restarts between, every legal read is as if
 * nothing of that had been done. The truth is {@link GeneratedHistory}'s.
 */
class CompactionTest {
    private static final long START = 0x0200_0028L;
    private static final int SEEDS = 12;
    private static final int STEPS = 120;

    /** What happened, over all seeds: a test that never does a thing does not test it. */
    private static final TreeMap<String, Integer> DONE = new TreeMap<>();

    private static final class Run implements OneMachine {
        private final Prng random;
        private final TreeMap<TimelineId, GeneratedHistory> histories = new TreeMap<>();

        Run(long seed) {
            random = new Prng(seed);
        }

        @Override
        public String name() {
            return "compaction";
        }

        @Override
        public void onMachine(Machine machine) {
            Limits limits = StoredTimelines.limits(random);
            TenantConfig config = StoredTimelines.onDemand(2048L << random.nextInt(6));
            StoredTimelines.create(
                    machine.environment(),
                    limits,
                    config,
                    PgVersion.ofMajor(17),
                    77,
                    1 << 24,
                    START);
            histories.put(StoredTimelines.ROOT, new GeneratedHistory(random.split("root"), START));
            Tenants tenants = Tenants.load(machine.environment(), limits, config);
            for (int i = 0; i < STEPS; i++) {
                if (random.oneIn(20)) {
                    tenants.close();
                    tenants = Tenants.load(machine.environment(), limits, config);
                    histories.forEach((id, history) -> checkDirectory(machine, id));
                    did("restart");
                } else {
                    step(tenants, limits, config);
                }
            }
            for (TimelineId id : histories.keySet()) {
                compareAll(tenants.timeline(StoredTimelines.TENANT, id));
            }
            tenants.close();
        }

        private void step(Tenants tenants, Limits limits, TenantConfig config) {
            List<TimelineId> ids = new ArrayList<>(histories.keySet());
            TimelineId id = ids.get(random.nextInt(ids.size()));
            Timeline timeline = tenants.timeline(StoredTimelines.TENANT, id);
            GeneratedHistory history = histories.get(id);
            switch (random.nextInt(15)) {
                case 0, 1, 2, 3 -> history.write(timeline, 1 + random.nextInt(40));
                case 4, 5 -> timeline.flushUpTo(timeline.lastRecordLsn());
                case 6 -> compact(timeline, limits, config, 0);
                case 7 -> compact(timeline, limits, config, 1);
                case 8, 12, 13 -> compact(timeline, limits, config, 2);
                case 9 -> collect(timeline);
                case 10 -> branch(tenants, timeline, history);
                case 11 -> detach(tenants, timeline);
                case 14 -> differ(tenants, timeline, ids);
                default -> compareSome(timeline);
            }
        }

        /** Where it differs from another one, or from itself at another time. */
        private void differ(Tenants tenants, Timeline timeline, List<TimelineId> ids) {
            Timeline other =
                    tenants.timeline(StoredTimelines.TENANT, ids.get(random.nextInt(ids.size())));
            Differences.Side one = side(timeline);
            Differences.Side two = side(other);
            Differences.Result exact = Differences.between(one, two, true);
            Map<RelTag, long[]> expected =
                    histories
                            .get(timeline.id())
                            .differences(one.lsn(), histories.get(other.id()), two.lsn());
            Map<RelTag, long[]> found = new TreeMap<>(Comparator.comparing(RelTag::toString));
            for (Differences.Relation r : exact.relations()) {
                long[] counts = {r.blocks(), r.otherBlocks(), r.changed()};
                found.put(new RelTag(r.spc(), r.db(), r.rel(), RelTag.MAIN), counts);
            }
            assertEquals(text(expected), text(found));
            if (exact.common() == 0) {
                did("different origins");
                return;
            }
            did("same origin");
            Differences.Result written = Differences.between(one, two, false);
            Map<RelTag, Long> most = new HashMap<>();
            for (Differences.Relation r : written.relations()) {
                most.put(new RelTag(r.spc(), r.db(), r.rel(), RelTag.MAIN), r.changed());
            }
            expected.forEach((tag, counts) ->
                    assertTrue(most.get(tag) >= counts[2], () -> tag + " " + written));
            did(written.atMost() ? "written at most" : "written");
        }

        private Differences.Side side(Timeline timeline) {
            long oldest = timeline.oldestReadableLsn();
            long last = timeline.lastRecordLsn();
            return new Differences.Side(
                    timeline, random.oneIn(3) ? last : oldest + random.nextLong(last - oldest + 1));
        }

        private static String text(Map<RelTag, long[]> counts) {
            StringBuilder text = new StringBuilder();
            counts.forEach((tag, c) -> text.append(tag).append(Arrays.toString(c)).append('\n'));
            return text.toString();
        }

        private void detach(Tenants tenants, Timeline timeline) {
            if (timeline.ancestor() != null && random.oneIn(4)) {
                tenants.detach(StoredTimelines.TENANT, timeline.id());
                did("detached");
                compareSome(timeline);
            }
        }

        private void compact(Timeline timeline, Limits limits, TenantConfig c, int kind) {
            TenantConfig eager =
                    new TenantConfig(
                            0,
                            c.gcHorizonBytes(),
                            0,
                            0,
                            1 + random.nextInt(3),
                            4,
                            random.nextBoolean() ? 1 : c.compactionTargetBytes(),
                            1 + random.nextInt(3),
                            c.leaseNanos());
            CompactionPlanner planner = new CompactionPlanner(eager, limits);
            CompactionPlan plan =
                    switch (kind) {
                        case 0 -> planner.mergeL0(timeline.inventory());
                        case 1 ->
                                random.oneIn(3)
                                        ? images(timeline.inventory())
                                        : planner.createImages(timeline.inventory());
                        default ->
                                random.oneIn(3)
                                        ? planner.dropHistory(
                                                timeline.inventory(), timeline.retention())
                                        : drop(timeline);
                    };
            if (plan == null) {
                return;
            }
            Retention before = timeline.retention();
            long bytes = timeline.layerBytes();
            Compactor.Result result = Compactor.run(timeline, plan, pace());
            did(plan.getClass().getSimpleName() + " " + result.outcome());
            if (plan instanceof CompactionPlan.DropHistory history) {
                dropped(timeline, history, result);
                did(timeline.layerBytes() < bytes ? "less history" : "no less history");
            }
            assertEquals(before, timeline.retention());
            compareSome(timeline);
        }

        /**
         * History of any keys, up to any LSN, whether that pays or not; as little as the contract
         * asks for.
         */
        private @Nullable CompactionPlan drop(Timeline timeline) {
            LayerInventory layers = timeline.inventory();
            Retention kept = timeline.retention();
            long cutoff = Math.min(kept.cutoff(), layers.mergedLsn());
            long lowest = Math.min(cutoff, kept.lowest());
            if (random.nextBoolean()) {
                cutoff -= random.nextLong(cutoff - lowest + 1);
            }
            TreeSet<Long> points = new TreeSet<>(kept.points());
            points.addAll(layers.adopted());
            if (random.nextBoolean()) {
                points.add(lowest + random.nextLong(cutoff - lowest + 1));
            }
            Retention retention =
                    Retention.of(cutoff, points.stream().mapToLong(Long::longValue).toArray());
            KeyRange keys = someKeys(timeline, layers);
            List<LayerDescriptor> base = new ArrayList<>();
            List<LayerDescriptor> inputs = new ArrayList<>();
            for (LayerDescriptor l : layers.layers()) {
                if (l.name().keys().overlaps(keys) && l.name().startLsn() <= cutoff) {
                    boolean isBase = l.complete() && l.name().startLsn() == retention.lowest();
                    (isBase ? base : inputs).add(l);
                }
            }
            boolean taken = inputs.stream().anyMatch(l -> namesRepeat(l.name(), retention));
            return taken || inputs.isEmpty() || !base.isEmpty() && !covered(keys, base)
                    ? null
                    : new CompactionPlan.DropHistory(keys, retention, base, inputs);
        }

        private KeyRange someKeys(Timeline timeline, LayerInventory layers) {
            TreeSet<Key> borders = new TreeSet<>(List.of(KeyRange.ALL.start(), KeyRange.ALL.end()));
            for (LayerDescriptor l : layers.layers()) {
                borders.add(l.name().keys().start());
                borders.add(l.name().keys().end());
            }
            GeneratedHistory history = histories.get(timeline.id());
            for (int i = 0; i < 5; i++) {
                borders.add(history.someKey(random));
            }
            List<Key> all = new ArrayList<>(borders);
            int from = random.nextInt(all.size() - 1);
            int most = all.size() - 1 - from;
            int width = 1 + random.nextInt(random.nextBoolean() ? most : Math.min(3, most));
            return new KeyRange(all.get(from), all.get(from + width));
        }

        private static boolean namesRepeat(LayerName name, Retention retention) {
            long start = name.startLsn();
            return name.image()
                    ? start == retention.lowest() || start == retention.cutoff()
                    : start == retention.lowest() + 1 && name.endLsn() - 1 == retention.cutoff();
        }

        private static boolean covered(KeyRange keys, List<LayerDescriptor> images) {
            Key at = keys.start();
            for (LayerDescriptor image :
                    images.stream()
                            .sorted(Comparator.comparing(l -> l.name().keys().start()))
                            .toList()) {
                if (image.name().keys().start().compareTo(at) > 0) {
                    return false;
                }
                at = image.name().keys().end();
            }
            return at.compareTo(keys.end()) >= 0;
        }

        private void dropped(
                Timeline timeline, CompactionPlan.DropHistory plan, Compactor.Result result) {
            if (result.outcome() != Compactor.Outcome.DONE) {
                return;
            }
            for (LayerDescriptor l : plan.inputs()) {
                boolean above = l.name().endLsn() - 1 > plan.retention().cutoff();
                boolean before = l.name().keys().start().compareTo(plan.keys().start()) < 0;
                boolean behind = l.name().keys().end().compareTo(plan.keys().end()) > 0;
                String kind = l.name().image() ? "an image" : "a delta";
                if (above) {
                    did("dropped below a piece of " + kind);
                }
                if (before) {
                    did("dropped behind a piece of " + kind);
                }
                if (behind) {
                    did("dropped before a piece of " + kind);
                }
            }
            for (long point : timeline.retention().points()) {
                compare(timeline, point);
            }
            compare(timeline, timeline.oldestReadableLsn());
            compare(timeline, timeline.lastRecordLsn());
        }

        /** Of all keys at once, more than a planner would ask for. */
        private static @Nullable CompactionPlan images(LayerInventory layers) {
            long lsn = layers.mergedLsn();
            List<LayerDescriptor> inputs =
                    layers.layers().stream()
                            .filter(l -> !l.name().isL0() && l.name().startLsn() <= lsn)
                            .toList();
            boolean taken =
                    inputs.stream().anyMatch(l -> l.name().image() && l.name().startLsn() == lsn);
            return taken || inputs.isEmpty()
                    ? null
                    : new CompactionPlan.CreateImages(KeyRange.ALL, lsn, inputs);
        }

        private Pace pace() {
            boolean hurried = random.nextBoolean();
            return new Pace() {
                @Override
                public void spent(long bytes) {
                    assertTrue(bytes > 0);
                }

                @Override
                public boolean giveWay() {
                    return hurried && random.oneIn(2);
                }
            };
        }

        private void collect(Timeline timeline) {
            long cutoff =
                    timeline.oldestReadableLsn()
                            + random.nextLong(
                                    1
                                            + Math.max(
                                                    0,
                                                    timeline.diskConsistentLsn()
                                                            - timeline.oldestReadableLsn()));
            GarbageCollector.Result result = GarbageCollector.run(timeline, cutoff);
            did(result.layers() > 0 ? "layers collected" : "nothing to collect");
            compareSome(timeline);
        }

        private void branch(Tenants tenants, Timeline timeline, GeneratedHistory history) {
            if (histories.size() == 4) {
                return;
            }
            long at = Math.max(timeline.oldestReadableLsn(), readable(timeline));
            TimelineId id = new TimelineId(9, histories.size());
            Timeline branch = tenants.createBranch(StoredTimelines.TENANT, id, timeline.id(), at);
            histories.put(id, history.branch(random.split("branch " + id), branch.ancestorLsn()));
            did(timeline.ancestor() == null ? "branch" : "branch of a branch");
        }

        private long readable(Timeline timeline) {
            Retention retention = timeline.retention();
            if (!retention.points().isEmpty() && random.oneIn(3)) {
                did("read below the cutoff");
                return retention.points().get(random.nextInt(retention.points().size()));
            }
            long span = timeline.lastRecordLsn() - timeline.oldestReadableLsn();
            return timeline.oldestReadableLsn() + random.nextLong(1 + span) & ~7L;
        }

        private void compareSome(Timeline timeline) {
            for (int i = 0; i < 3; i++) {
                long lsn = Math.max(timeline.oldestReadableLsn(), readable(timeline));
                compare(timeline, lsn);
            }
        }

        private void compareAll(Timeline timeline) {
            for (long point : timeline.retention().points()) {
                compare(timeline, point);
            }
            compare(timeline, timeline.oldestReadableLsn());
            compare(timeline, timeline.lastRecordLsn());
            for (int i = 0; i < 10; i++) {
                compareSome(timeline);
            }
        }

        private void compare(Timeline timeline, long lsn) {
            GeneratedHistory history = histories.get(timeline.id());
            assertEquals(lsn, timeline.effectiveLsn(lsn, lsn));
            history.compare(timeline, lsn);
        }
    }

    private static void did(String what) {
        DONE.merge(what, 1, Integer::sum);
    }

    /** Nothing lies about that the index does not name, and all that it names is there. */
    static void checkDirectory(Machine machine, TimelineId id) {
        String directory = StoredTimelines.directory(id);
        TreeSet<String> expected = new TreeSet<>(List.of(TimelineIndex.FILE));
        TimelineIndex.read(machine.disk(), directory)
                .layers()
                .forEach(layer -> expected.add(layer.name().toString()));
        assertEquals(expected, new TreeSet<>(machine.disk().list(directory)));
    }

    @Test
    void anyScheduleGivesTheSamePages() {
        for (long seed = 1; seed <= SEEDS; seed++) {
            Simulation.run(new Run(seed), seed).check();
        }
        for (String what :
                Arrays.asList(
                        "MergeL0 DONE",
                        "CreateImages DONE",
                        "CreateImages GAVE_WAY",
                        "DropHistory DONE",
                        "less history",
                        "dropped below a piece of a delta",
                        "dropped before a piece of a delta",
                        "dropped behind a piece of a delta",
                        "dropped before a piece of an image",
                        "dropped behind a piece of an image",
                        "layers collected",
                        "same origin",
                        "different origins",
                        "written",
                        "written at most",
                        "branch of a branch",
                        "read below the cutoff",
                        "detached",
                        "restart")) {
            assertTrue(DONE.getOrDefault(what, 0) > 0, () -> what + " never: " + DONE);
        }
    }
}
