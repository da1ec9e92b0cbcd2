package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TimelineId;
import io.palimpsest.compaction.CompactionPlan;
import io.palimpsest.compaction.CompactionPlanner;
import io.palimpsest.compaction.Retention;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.Environment;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What a job that drops history leaves of a complete image outside of its keys. {@link
 * CompactionTest} draws such jobs by chance; this is the case that it hardly ever meets:
 *
 * <pre>
 *   cutoff  ----------------------------------
 *            image [1 .. 5]: 1 and 2 are gone, and nothing but their absence says so
 *            (the delta that removed them is collected)
 *   branch  ----------------------------------
 *            delta [1 .. 5]: 1, 2, 3?, 5
 *                            | job: 5
 * </pre>
 */
class HistoryDropTest {
    private static final long START = 0x0200_0028L;

    private record Run(boolean empty) implements OneMachine {
        @Override
        public String name() {
            return "history-drop";
        }

        private static Key key(int n) {
            return Keys.twoPhase(0, n);
        }

        @Override
        public void onMachine(Machine machine) {
            Environment environment = machine.environment();
            Limits limits = Limits.DEFAULT;
            TenantConfig config = StoredTimelines.onDemand(1 << 20);
            StoredTimelines.create(environment, limits, config, PgVersion.V17, 77, 1 << 24, START);
            Tenants tenants = Tenants.load(environment, limits, config);
            Timeline timeline = tenants.timeline(StoredTimelines.TENANT, StoredTimelines.ROOT);

            long made = START + 80;
            Modifications m = new Modifications();
            for (int n : empty ? new int[] {1, 2, 5} : new int[] {1, 2, 3, 5}) {
                m.image(key(n), made, new byte[] {(byte) n});
            }
            commit(timeline, m, made);
            compact(timeline, limits, false);
            Timeline branch =
                    tenants.createBranch(
                            StoredTimelines.TENANT, new TimelineId(9, 9), timeline.id(), made);

            long gone = made + 80;
            m.tombstone(key(1), gone);
            m.tombstone(key(2), gone);
            m.image(key(5), gone, new byte[] {55});
            commit(timeline, m, gone);
            compact(timeline, limits, true);
            long later = gone + 80;
            m.image(key(5), later, new byte[] {99});
            commit(timeline, m, later);
            assertTrue(GarbageCollector.run(timeline, later).layers() > 0);
            assertTrue(
                    timeline.durableLayers().stream()
                            .noneMatch(l -> !l.name().image() && l.name().lsns().contains(gone)),
                    "the tombstones are collected");

            CompactionPlan plan = drop(timeline, new KeyRange(key(5), key(5).next()), gone + 8);
            assertEquals(
                    Compactor.Outcome.DONE,
                    Compactor.run(timeline, plan, Unhurried.PACE).outcome());
            for (long lsn : new long[] {later, timeline.lastRecordLsn()}) {
                assertNull(timeline.viewAt(lsn).image(key(1)), "removed, and back again");
                assertNull(timeline.viewAt(lsn).image(key(2)));
                assertArrayEquals(new byte[] {99}, timeline.viewAt(lsn).image(key(5)));
            }
            assertArrayEquals(new byte[] {1}, branch.viewAt(made).image(key(1)));
            assertArrayEquals(new byte[] {5}, branch.viewAt(made).image(key(5)));
            tenants.close();
        }

        private static void commit(Timeline timeline, Modifications m, long lsn) {
            timeline.commit(m, lsn - 8, lsn);
            m.clear();
            timeline.flushUpTo(lsn);
        }

        private static void compact(Timeline timeline, Limits limits, boolean images) {
            TenantConfig c = timeline.config();
            TenantConfig eager =
                    new TenantConfig(
                            0, 0, 0, 0, 1, 4, c.compactionTargetBytes(), 1, c.leaseNanos());
            CompactionPlanner planner = new CompactionPlanner(eager, limits);
            Compactor.run(timeline, planner.mergeL0(timeline.inventory()), Unhurried.PACE);
            CompactionPlan plan = images ? planner.createImages(timeline.inventory()) : null;
            while (plan != null) {
                Compactor.run(timeline, plan, Unhurried.PACE);
                plan = planner.createImages(timeline.inventory());
            }
        }

        private static CompactionPlan drop(Timeline timeline, KeyRange keys, long cutoff) {
            long[] points =
                    timeline.retention().points().stream().mapToLong(Long::longValue).toArray();
            List<LayerDescriptor> inputs =
                    timeline.durableLayers().stream()
                            .filter(l -> l.name().keys().overlaps(keys))
                            .filter(l -> l.name().startLsn() <= cutoff)
                            .toList();
            assertTrue(
                    inputs.stream()
                            .anyMatch(l -> l.complete() && l.name().keys().start().equals(key(1))),
                    "an image to cut: " + inputs);
            return new CompactionPlan.DropHistory(
                    keys, Retention.of(cutoff, points), List.of(), inputs);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatAnImageLacksStaysAbsent(boolean empty) {
        Simulation.run(new Run(empty), 1).check();
    }
}
