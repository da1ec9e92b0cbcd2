package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.fault.FaultPlan;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A disk fills up under a timeline, wherever that strikes, and has room again later. */
class DiskFullTest {
    private static final long SECOND = 1_000_000_000L;

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void writingWaitsReadingGoesOnNothingIsLost(long seed) {
        TimelineWorld.tell(
                seed,
                TimelineWorld.smallLimits(),
                TenantConfig.DEFAULT,
                world -> {
                    Timeline root = world.create();
                    List<Long> ends = new ArrayList<>();
                    FaultPlan plan = FaultPlan.quiet();
                    // Room for little more, down to none at all.
                    world.machine.disk().plan(plan.withCapacity(seed * 700));
                    Tasks.Task writer =
                            world.environment
                                    .tasks()
                                    .spawn(
                                            Tasks.Lane.LATENCY,
                                            "writer",
                                            () -> write(world, root, ends));
                    world.environment.tasks().sleep(60 * SECOND);
                    Assertions.assertFalse(writer.isDone(), "the writer waits for room");
                    assertNull(root.failure());
                    String full = root.diskFull();
                    assertNotNull(full);
                    long last = root.lastRecordLsn();
                    assertEquals(ends.getLast(), last, () -> Lsn.toString(last));
                    assertTrue(root.timestampByLsn(last).isPresent(), "reading goes on");
                    PageserverException e =
                            Assertions.assertThrows(
                                    PageserverException.class, () -> root.flushUpTo(last));
                    assertEquals(ErrorCode.NO_SPACE, e.code());
                    for (String name : world.environment.disk().list(root.directory())) {
                        Assertions.assertFalse(name.endsWith("___temp"), name);
                    }

                    world.machine.disk().plan(plan);
                    writer.join();
                    root.flushUpTo(root.lastRecordLsn());
                    assertNull(root.diskFull());
                    assertNull(root.failure());
                    root.shutDown();
                    world.restart();
                    Timeline again = world.open(TimelineWorld.ROOT);
                    assertEquals(ends.getLast(), again.lastRecordLsn());
                    for (int i = 0; i < ends.size(); i++) {
                        assertEquals(i, again.timestampByLsn(ends.get(i)).getAsLong());
                    }
                    again.shutDown();
                });
    }

    private static void write(TimelineWorld world, Timeline timeline, List<Long> ends) {
        TimelineWorld.Pen pen = new TimelineWorld.Pen(timeline, world.limits);
        for (int i = 0; i < 300; i++) {
            ends.add(pen.end(701 + i, true, i));
            pen.write();
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void aBranchThatHasNoRoomLeavesNothing(long seed) {
        TimelineWorld.tell(
                seed,
                TimelineWorld.smallLimits(),
                TenantConfig.DEFAULT,
                world -> {
                    Timeline root = world.create();
                    long lsn = root.lastRecordLsn();
                    world.machine.disk().plan(FaultPlan.quiet().withCapacity(0));
                    PageserverException e =
                            Assertions.assertThrows(
                                    PageserverException.class,
                                    () ->
                                            world.store.createBranch(
                                                    root, new TimelineId(5, 6), lsn));
                    assertEquals(ErrorCode.NO_SPACE, e.code());
                    world.machine.disk().plan(FaultPlan.quiet());
                    String timelines = "tenants/" + TimelineWorld.TENANT + "/timelines";
                    assertEquals(
                            List.of(TimelineWorld.ROOT.toString()),
                            world.environment.disk().list(timelines));
                    assertEquals(0, root.branchCount());
                    root.shutDown();
                });
    }

    /** It does not wait for room to end; what was not flushed is fetched again. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2})
    void aServerEndsWithAFullDisk(long seed) {
        TimelineWorld.tell(
                seed,
                TimelineWorld.smallLimits(),
                TenantConfig.DEFAULT,
                world -> {
                    Timeline root = world.create();
                    long durable = root.diskConsistentLsn();
                    TimelineWorld.Pen pen = new TimelineWorld.Pen(root, world.limits);
                    pen.end(701, true, 5);
                    pen.write();
                    world.machine.disk().plan(FaultPlan.quiet().withCapacity(0));
                    root.shutDown();
                    world.machine.disk().plan(FaultPlan.quiet());
                    world.restart();
                    Timeline again = world.open(TimelineWorld.ROOT);
                    assertEquals(durable, again.lastRecordLsn());
                    again.shutDown();
                });
    }
}
