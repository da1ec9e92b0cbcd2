package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.value.Keys;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * Power is lost at each disk operation of what changes the tree of timelines, and again during
 * recovery: it is done or it is not, nothing is half, and no file is left that no index names.
 */
class StructureCrashTest {
    private static final TenantId TENANT = TimelineWorld.TENANT.tenant();
    private static final TimelineId ROOT = TimelineWorld.ROOT;
    private static final TimelineId BRANCH = new TimelineId(100, 1);
    private static final String DIRECTORY =
            "tenants/" + TimelineWorld.TENANT + "/timelines/" + BRANCH;
    private static final String INTENTS = "tenants/" + TimelineWorld.TENANT + "/intents";
    private static final String TO_DETACH = "detach_ancestor-" + BRANCH;

    private static Tenants load(TimelineWorld world) {
        return Tenants.load(world.environment, world.limits, world.config);
    }

    private static void write(TimelineWorld world, Timeline timeline, int commits) {
        TimelineWorld.Pen pen = new TimelineWorld.Pen(timeline, world.limits);
        for (int i = 0; i < commits; i++) {
            pen.end(701 + i, true, (i + 1) * 1_000_000L);
            pen.write();
            if (i % 5 == 4) {
                timeline.flushUpTo(timeline.lastRecordLsn());
            }
        }
        timeline.flushUpTo(timeline.lastRecordLsn());
    }

    private static void grow(TimelineWorld world) {
        Timeline root = world.create();
        write(world, root, 12);
        root.shutDown();
        Tenants tenants = load(world);
        long at = tenants.timeline(TENANT, ROOT).lastRecordLsn() - 72;
        write(world, tenants.createBranch(TENANT, BRANCH, ROOT, at), 12);
        tenants.close();
    }

    private static @Nullable Timeline branch(Tenants tenants) {
        try {
            return tenants.timeline(TENANT, BRANCH);
        } catch (PageserverException e) {
            assertEquals(ErrorCode.NOT_FOUND, e.code(), e.getMessage());
            return null;
        }
    }

    private static int cut(TimelineWorld.Story act, TimelineWorld.Story check) {
        return TimelineWorld.cutPowerEverywhere(
                7,
                TimelineWorld.smallLimits(),
                TimelineWorld.config(0, 0, 600_000_000_000L),
                StructureCrashTest::grow,
                act,
                check);
    }

    /** Exactly what the index names is there. */
    private static void noOrphan(TimelineWorld world, Timeline timeline) {
        assertEquals(
                timeline.layerCount() + 1,
                world.environment.disk().list(timeline.directory()).size());
    }

    @Test
    void aDeletedTimelineIsThereOrGone() {
        int points =
                cut(
                        world -> {
                            Tenants tenants = load(world);
                            tenants.delete(TENANT, BRANCH);
                            tenants.close();
                        },
                        world -> {
                            Tenants tenants = load(world);
                            Timeline left = branch(tenants);
                            int branches = tenants.timeline(TENANT, ROOT).branchCount();
                            assertEquals(left == null ? 0 : 1, branches);
                            if (left == null) {
                                assertEquals(List.of(), world.environment.disk().list(DIRECTORY));
                                assertTrue(tenants.tenants().contains(TENANT));
                            } else {
                                noOrphan(world, left);
                                assertNotNull(left.latest().image(Keys.CHECKPOINT));
                            }
                            tenants.close();
                        });
        assertTrue(points > 15, points + " places to cut at");
    }

    @Test
    void aDetachedTimelineHasAnAncestorOrItsLayers() {
        byte[][] expected = new byte[1][];
        boolean[] goneOn = new boolean[1];
        int points =
                cut(
                        world -> {
                            Tenants tenants = load(world);
                            Timeline branch = tenants.timeline(TENANT, BRANCH);
                            expected[0] = branch.latest().image(Keys.CHECKPOINT);
                            tenants.detach(TENANT, BRANCH);
                            tenants.close();
                        },
                        world -> {
                            boolean intended =
                                    world.environment.disk().list(INTENTS).contains(TO_DETACH);
                            goneOn[0] |= intended;
                            Tenants tenants = load(world);
                            Timeline branch = tenants.timeline(TENANT, BRANCH);
                            // What was begun goes on by itself.
                            world.machine.tasks().sleep(2_000_000_000L);
                            assertEquals(List.of(), world.environment.disk().list(INTENTS));
                            assertTrue(!intended || branch.ancestor() == null);
                            noOrphan(world, branch);
                            boolean detached = branch.ancestor() == null;
                            assertEquals(detached, !branch.index().adopted().isEmpty());
                            if (expected[0] != null) {
                                assertArrayEquals(
                                        expected[0], branch.latest().image(Keys.CHECKPOINT));
                            }
                            assertNotNull(branch.latest().image(Keys.CONTROL_FILE));
                            int times = times(branch);
                            tenants.detach(TENANT, BRANCH);
                            assertEquals(times, times(branch));
                            noOrphan(world, branch);
                            tenants.close();
                        });
        assertTrue(points > 15, points + " places to cut at");
        assertTrue(goneOn[0], "it never went on");
    }

    private static int times(Timeline timeline) {
        int[] n = new int[1];
        timeline.latest().scan(Keys.ofKind(Keys.COMMIT_TIME), (key, content) -> n[0]++);
        return n[0];
    }

    @Test
    void aBranchIsMadeOrNot() {
        TimelineId twig = new TimelineId(100, 2);
        cut(
                world -> {
                    Tenants tenants = load(world);
                    tenants.createBranch(TENANT, twig, BRANCH, 0);
                    tenants.close();
                },
                world -> {
                    Tenants tenants = load(world);
                    Timeline branch = tenants.timeline(TENANT, BRANCH);
                    boolean made =
                            tenants.timelines(TENANT).stream().anyMatch(t -> t.id().equals(twig));
                    assertEquals(made ? 1 : 0, branch.branchCount());
                    tenants.createBranch(TENANT, twig, BRANCH, 0);
                    assertEquals(1, branch.branchCount());
                    tenants.close();
                });
    }

    @Test
    void aLeaseThatWasGrantedHoldsAndACutoffStaysWhereItIs() {
        long[] granted = new long[2];
        cut(
                world -> {
                    granted[0] = 0;
                    granted[1] = 0;
                    Tenants tenants = load(world);
                    Timeline root = tenants.timeline(TENANT, ROOT);
                    long lsn = TimelineWorld.START + 8;
                    root.lease(lsn);
                    granted[0] = lsn;
                    tenants.archive(TENANT, BRANCH);
                    long to = root.diskConsistentLsn();
                    assertTrue(root.advanceCutoff(to));
                    granted[1] = to;
                    tenants.close();
                },
                world -> {
                    Tenants tenants = load(world);
                    Timeline root = tenants.timeline(TENANT, ROOT);
                    if (granted[0] != 0) {
                        assertEquals(granted[0], root.effectiveLsn(granted[0], 1));
                        assertTrue(root.retention().readable(granted[0]));
                    }
                    assertTrue(root.oldestReadableLsn() >= granted[1]);
                    long hangs = tenants.timeline(TENANT, BRANCH).ancestorLsn();
                    assertTrue(root.retention().readable(hangs));
                    if (granted[1] != 0) {
                        assertInstanceOf(
                                TimelineState.Archived.class,
                                tenants.timeline(TENANT, BRANCH).state());
                    }
                    tenants.close();
                });
    }
}
