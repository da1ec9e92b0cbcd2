package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TimelineId;
import io.palimpsest.compaction.CompactionPlan;
import io.palimpsest.compaction.CompactionPlanner;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.port.Environment;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Where branches differ whose histories were collected; {@link CompactionTest} compares what chance
 * makes of them.
 *
 * <pre>
 *   cutoff  ------------------------------
 *            image: block 0 is 3            only it tells that block 0 was written
 *            (the delta that wrote 2 is collected)
 *   branch  ------------------------------
 *            delta: block 0 is 1, block 1
 * </pre>
 */
class DifferencesTest {
    private static final long START = 0x0200_0028L;
    private static final RelTag TABLE = new RelTag(1663, 5, 16_384, RelTag.MAIN);
    private static final RelTag DROPPED = new RelTag(1663, 5, 16_385, RelTag.MAIN);

    private record Run() implements OneMachine {
        @Override
        public String name() {
            return "differences";
        }

        @Override
        public void onMachine(Machine machine) {
            Environment environment = machine.environment();
            Limits limits = Limits.DEFAULT;
            TenantConfig config = StoredTimelines.onDemand(1 << 20);
            StoredTimelines.create(environment, limits, config, PgVersion.V17, 77, 1 << 24, START);
            Tenants tenants = Tenants.load(environment, limits, config);
            Timeline timeline = tenants.timeline(StoredTimelines.TENANT, StoredTimelines.ROOT);

            Modifications m = new Modifications();
            long made = START + 80;
            block(m, made, TABLE, 0, 1);
            block(m, made, TABLE, 1, 1);
            size(m, made, TABLE, 2);
            block(m, made, DROPPED, 0, 1);
            size(m, made, DROPPED, 1);
            commit(timeline, m, made);
            compact(timeline, limits, false);
            Timeline branch =
                    tenants.createBranch(
                            StoredTimelines.TENANT, new TimelineId(9, 9), timeline.id(), made);
            assertEquals(List.of(), differences(branch, timeline, false).relations());

            long later = made + 80;
            block(m, later, TABLE, 0, 2);
            m.tombstone(Keys.relationSize(DROPPED), later);
            commit(timeline, m, later);
            List<Differences.Relation> expected =
                    List.of(
                            new Differences.Relation(1663, 5, 16_384, 2, 2, 1),
                            new Differences.Relation(1663, 5, 16_385, 1, -1, 0));
            assertEquals(expected, differences(branch, timeline, false).relations());
            assertFalse(differences(branch, timeline, false).atMost());
            assertEquals(made, differences(branch, timeline, false).common());

            compact(timeline, limits, true);
            m.image(Keys.database(1663, 5), later + 80, new byte[] {1});
            commit(timeline, m, later + 80);
            assertTrue(GarbageCollector.run(timeline, later + 80).layers() > 0);
            assertTrue(
                    timeline.durableLayers().stream()
                            .noneMatch(l -> !l.name().image() && l.name().lsns().contains(later)),
                    "what wrote it is collected");
            Differences.Result written = differences(branch, timeline, false);
            assertTrue(written.atMost());
            assertEquals(2, written.relations().getFirst().changed(), "one of them the same");
            assertEquals(expected, differences(branch, timeline, true).relations());
            assertFalse(differences(branch, timeline, true).atMost());

            tenants.detach(StoredTimelines.TENANT, branch.id());
            PageserverException e =
                    assertThrows(
                            PageserverException.class, () -> differences(branch, timeline, false));
            assertEquals(ErrorCode.PRECONDITION_FAILED, e.code());
            Differences.Result strangers = differences(branch, timeline, true);
            assertEquals(0, strangers.common());
            assertEquals(expected, strangers.relations());
            tenants.close();
        }

        private static Differences.Result differences(Timeline one, Timeline other, boolean exact) {
            return Differences.between(
                    new Differences.Side(one, one.lastRecordLsn()),
                    new Differences.Side(other, other.lastRecordLsn()),
                    exact);
        }

        private static void block(Modifications m, long lsn, RelTag tag, int block, int content) {
            byte[] page = new byte[Page.SIZE];
            page[100] = (byte) content;
            m.image(Keys.block(tag, block), lsn, page);
        }

        private static void size(Modifications m, long lsn, RelTag tag, int blocks) {
            m.image(Keys.relationSize(tag), lsn, new byte[] {(byte) blocks, 0, 0, 0});
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
                            0,
                            c.gcHorizonBytes(),
                            0,
                            0,
                            1,
                            4,
                            c.compactionTargetBytes(),
                            1,
                            c.leaseNanos());
            CompactionPlanner planner = new CompactionPlanner(eager, limits);
            CompactionPlan merge = planner.mergeL0(timeline.inventory());
            assertTrue(merge != null);
            assertEquals(
                    Compactor.Outcome.DONE,
                    Compactor.run(timeline, merge, Unhurried.PACE).outcome());
            if (images) {
                CompactionPlan image = planner.createImages(timeline.inventory());
                assertTrue(image != null);
                assertEquals(
                        Compactor.Outcome.DONE,
                        Compactor.run(timeline, image, Unhurried.PACE).outcome());
            }
        }
    }

    @Test
    void whatWasWrittenIsToldByImagesWhereDeltasWereCollected() {
        Simulation.run(new Run(), 1).check();
    }
}
