package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.service.BranchCommand;
import io.palimpsest.service.Management;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.tenant.Tenants;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What people say of branches: names, protection, an end, points; here and in the store. */
class BranchPropertiesTest {
    private static final TenantId TENANT = TimelineWorld.TENANT.tenant();
    private static final TimelineId ROOT = TimelineWorld.ROOT;
    private static final TimelineId ONE = new TimelineId(100, 1);
    private static final TimelineId TWO = new TimelineId(100, 2);
    private static final Label MAIN = new Label("main");
    private static final Label DEV = new Label("dev");
    private static final Label OLD = new Label("main-before");
    private static final long SECOND = 1_000_000_000L;

    private static Tenants load(TimelineWorld world) {
        return Tenants.load(world.environment, world.limits, world.config);
    }

    private static void refused(ErrorCode code, Runnable what) {
        PageserverException e = assertThrows(PageserverException.class, what::run);
        assertEquals(code, e.code(), e.getMessage());
    }

    private static void write(TimelineWorld world, Timeline timeline) {
        TimelineWorld.Pen pen = new TimelineWorld.Pen(timeline, world.limits);
        for (int i = 0; i < 8; i++) {
            long _ = pen.end(701 + i, true, i * 1_000_000L);
        }
        pen.write();
        timeline.flushUpTo(timeline.lastRecordLsn());
    }

    /** A tenant whose root is called main, and a branch of it that is called dev. */
    private static void grow(TimelineWorld world) {
        Timeline root = world.create();
        write(world, root);
        root.shutDown();
        Tenants tenants = load(world);
        tenants.names().rename(tenants.timeline(TENANT, ROOT), MAIN);
        Timeline _ = tenants.createBranch(TENANT, ONE, ROOT, 0, DEV);
        tenants.close();
    }

    private static void tell(TimelineWorld.Story story) {
        TimelineWorld.tell(
                1,
                TimelineWorld.smallLimits(),
                TenantConfig.DEFAULT,
                world -> {
                    grow(world);
                    story.run(world);
                });
    }

    private static @Nullable TimelineId holder(Tenants tenants, Label label) {
        Timeline found = tenants.names().find(TENANT, label);
        return found == null ? null : found.id();
    }

    @Test
    void aNameIsOfOneTimelineOfATenant() {
        tell(world -> {
            Tenants tenants = load(world);
            Management management = new Management(tenants);
            assertEquals(ROOT, management.find(TENANT, MAIN));
            assertEquals(ONE, management.find(TENANT, DEV));
            refused(ErrorCode.NOT_FOUND, () -> management.find(TENANT, OLD));
            refused(
                    ErrorCode.CONFLICT,
                    () -> management.run(TENANT, ONE, new BranchCommand.Rename(MAIN)));
            refused(ErrorCode.CONFLICT, () -> tenants.createBranch(TENANT, TWO, ROOT, 0, DEV));
            refused(ErrorCode.NOT_FOUND, () -> tenants.timeline(TENANT, TWO));
            Timeline one = tenants.timeline(TENANT, ONE);
            assertSame(one, tenants.createBranch(TENANT, ONE, ROOT, 0, DEV));
            assertSame(one, tenants.createBranch(TENANT, ONE, ROOT, 0));
            refused(ErrorCode.CONFLICT, () -> tenants.createBranch(TENANT, ONE, ROOT, 0, OLD));
            // A name that was given up is free.
            management.run(TENANT, ONE, new BranchCommand.Rename(OLD));
            management.run(TENANT, ONE, new BranchCommand.Rename(OLD));
            Timeline two = tenants.createBranch(TENANT, TWO, ROOT, 0, DEV);
            assertEquals(DEV, management.timeline(TENANT, TWO).said().name());
            assertEquals(3, tenants.names().all(TENANT).size());
            tenants.delete(TENANT, ONE);
            management.run(TENANT, TWO, new BranchCommand.Rename(OLD));
            assertEquals(OLD, tenants.names().of(two));
            tenants.close();

            Tenants again = load(world);
            assertEquals(ROOT, holder(again, MAIN));
            assertEquals(TWO, holder(again, OLD));
            assertNull(holder(again, DEV));
            again.close();
        });
    }

    @Test
    void aNameThatIsTakenOverLeavesItsFormerHolderAnotherOrNone() {
        tell(world -> {
            Tenants tenants = load(world);
            Timeline root = tenants.timeline(TENANT, ROOT);
            Timeline one = tenants.timeline(TENANT, ONE);
            refused(ErrorCode.CONFLICT, () -> tenants.names().take(one, MAIN, DEV));
            refused(
                    ErrorCode.NOT_FOUND,
                    () -> tenants.names().take(one, new Label("nobody"), null));
            tenants.names().take(one, MAIN, OLD);
            tenants.names().take(one, MAIN, OLD);
            assertEquals(MAIN, tenants.names().of(one));
            assertEquals(OLD, tenants.names().of(root));
            assertNull(holder(tenants, DEV));
            Timeline two = tenants.createBranch(TENANT, TWO, ROOT, 0);
            tenants.names().take(two, MAIN, null);
            assertNull(tenants.names().of(one));
            assertEquals(TWO, holder(tenants, MAIN));
            tenants.close();
        });
    }

    /** One of them has the name whenever power is lost, and the same again ends what was begun. */
    @Test
    void aNameIsNeverLostOnItsWay() {
        int points =
                TimelineWorld.cutPowerEverywhere(
                        7,
                        TimelineWorld.smallLimits(),
                        TenantConfig.DEFAULT,
                        BranchPropertiesTest::grow,
                        world -> {
                            Tenants tenants = load(world);
                            tenants.names().take(tenants.timeline(TENANT, ONE), MAIN, OLD);
                            tenants.close();
                        },
                        world -> {
                            Tenants tenants = load(world);
                            TimelineId main = holder(tenants, MAIN);
                            assertNotNull(main);
                            Label root = tenants.names().of(tenants.timeline(TENANT, ROOT));
                            boolean taken = main.equals(ONE);
                            assertEquals(taken ? null : ONE, holder(tenants, DEV));
                            assertTrue(
                                    taken ? root == null || root.equals(OLD) : MAIN.equals(root));
                            tenants.names().take(tenants.timeline(TENANT, ONE), MAIN, OLD);
                            assertEquals(ONE, holder(tenants, MAIN));
                            assertEquals(ROOT, holder(tenants, OLD));
                            tenants.close();
                        });
        assertTrue(points > 8, points + " places to cut at");
    }

    /** Whose taking over was cut short, and who goes then: the name goes with it. */
    @Test
    void aNameDoesNotComeBackToWhoLostIt() {
        TimelineWorld.cutPowerEverywhere(
                7,
                TimelineWorld.smallLimits(),
                TenantConfig.DEFAULT,
                BranchPropertiesTest::grow,
                world -> {
                    Tenants tenants = load(world);
                    tenants.names().take(tenants.timeline(TENANT, ONE), MAIN, null);
                    tenants.close();
                },
                world -> {
                    Tenants tenants = load(world);
                    boolean taken = ONE.equals(holder(tenants, MAIN));
                    if (taken) {
                        tenants.delete(TENANT, ONE);
                        assertNull(holder(tenants, MAIN));
                    }
                    tenants.close();
                });
    }

    @Test
    void whatIsProtectedStaysWhatItIs() {
        tell(world -> {
            Tenants tenants = load(world);
            Management management = new Management(tenants);
            Timeline one = tenants.timeline(TENANT, ONE);
            Timeline two = tenants.createBranch(TENANT, TWO, ROOT, 0);
            management.run(TENANT, ONE, new BranchCommand.Protect(true));
            tenants.close();

            Tenants again = load(world);
            ErrorCode refusal = ErrorCode.PRECONDITION_FAILED;
            Timeline held = again.timeline(TENANT, ONE);
            Timeline other = again.timeline(TENANT, TWO);
            assertTrue(held.properties().isProtected());
            refused(refusal, () -> again.delete(TENANT, ONE));
            refused(refusal, () -> again.archive(TENANT, ONE));
            refused(refusal, () -> again.expire(held, 1));
            refused(refusal, () -> again.names().rename(held, OLD));
            refused(refusal, () -> again.names().take(other, DEV, OLD));
            refused(refusal, () -> again.names().take(held, MAIN, OLD));
            assertEquals(DEV, again.names().of(held));
            again.protect(held, false);
            again.names().take(other, DEV, OLD);
            again.delete(TENANT, ONE);
            assertNull(holder(again, OLD));
            again.close();
            assertFalse(one.equals(two));
        });
    }

    private static long in(TimelineWorld world, long seconds) {
        return world.environment.clock().wallMillis() + seconds * 1000;
    }

    private static boolean there(Tenants tenants, TimelineId id) {
        return tenants.timelines(TENANT).stream().anyMatch(t -> t.id().equals(id));
    }

    @Test
    void aBranchGoesWhenItsTimeIsOverAndNothingHangsOnIt() {
        tell(world -> {
            Tenants tenants = load(world);
            Management management = new Management(tenants);
            Timeline _ = tenants.createBranch(TENANT, TWO, ONE, 0);
            Instant at = Instant.ofEpochMilli(in(world, 100));
            assertEquals(
                    at,
                    management.run(TENANT, ONE, new BranchCommand.Expire(at)).said().expiresAt());
            world.machine.tasks().sleep(300 * SECOND);
            assertTrue(there(tenants, ONE), "a branch hangs on it");
            // Its time is said anew, and then taken back.
            tenants.expire(tenants.timeline(TENANT, TWO), in(world, 100));
            world.machine.tasks().sleep(90 * SECOND);
            tenants.expire(tenants.timeline(TENANT, TWO), 0);
            world.machine.tasks().sleep(300 * SECOND);
            assertTrue(there(tenants, TWO));
            tenants.delete(TENANT, TWO);
            world.machine.tasks().sleep(2 * SECOND);
            assertFalse(there(tenants, ONE), "nothing hangs on it any more");
            assertNull(holder(tenants, DEV));
            assertEquals(0, tenants.timeline(TENANT, ROOT).branchCount());
            tenants.close();
        });
    }

    @Test
    void aTimeThatIsOverWhileNoServerRunsCountsAtTheNextStart() {
        tell(world -> {
            Tenants tenants = load(world);
            tenants.expire(tenants.timeline(TENANT, ONE), in(world, 100));
            Timeline two = tenants.createBranch(TENANT, TWO, ROOT, 0);
            tenants.expire(two, in(world, 100));
            tenants.protect(two, true);
            tenants.close();
            world.machine.tasks().sleep(1000 * SECOND);

            Tenants again = load(world);
            world.machine.tasks().sleep(2 * SECOND);
            assertFalse(there(again, ONE));
            assertTrue(there(again, TWO), "it is protected");
            again.protect(again.timeline(TENANT, TWO), false);
            world.machine.tasks().sleep(2 * SECOND);
            assertFalse(there(again, TWO));
            again.close();
        });
    }

    @Test
    void aPointThatIsNotPinnedSaysWhenItCannotBeReadAnyMore() {
        tell(world -> {
            Tenants tenants = load(world);
            Management management = new Management(tenants);
            Timeline root = tenants.timeline(TENANT, ROOT);
            long first = root.oldestReadableLsn();
            management.run(
                    TENANT,
                    ROOT,
                    new BranchCommand.CreatePoint(new Label("kept"), new Lsn(first), true));
            management.run(
                    TENANT,
                    ROOT,
                    new BranchCommand.CreatePoint(new Label("free"), new Lsn(first + 8), false));
            management.run(
                    TENANT,
                    ROOT,
                    new BranchCommand.CreatePoint(new Label("last"), Lsn.INVALID, false));
            refused(
                    ErrorCode.BAD_REQUEST,
                    () -> tenants.createPoint(root, new Label("a/b"), first, true));
            refused(
                    ErrorCode.BAD_REQUEST,
                    () -> tenants.createPoint(root, new Label("7b"), first, true));
            assertTrue(root.advanceCutoff(root.lastRecordLsn()));
            List<Management.Point> points = management.timeline(TENANT, ROOT).said().points();
            assertEquals(
                    List.of(true, false, true),
                    points.stream().map(Management.Point::readable).toList());
            assertEquals(root.lastRecordLsn(), points.getLast().point().lsn());
            assertEquals(List.of(first), root.retention().points());
            management.run(TENANT, ROOT, new BranchCommand.Pin(new Label("kept"), false));
            assertEquals(List.of(), root.retention().points());
            management.run(TENANT, ROOT, new BranchCommand.DeletePoint(new Label("free")));
            tenants.close();
        });
    }

    // ---- in the store ----

    /** What was confirmed is known to whoever owns the tenant next, without the first's disk. */
    @Test
    void theNextOwnerKnowsWhatWasSaid() {
        OwnershipTest.tell(
                11,
                world -> {
                    Machine first = world.first();
                    long[] at = new long[1];
                    world.serveUntilPowerIsLost(
                            first,
                            tenants -> {
                                Timeline root = tenants.timeline(TENANT, ROOT);
                                tenants.names().rename(root, MAIN);
                                Timeline one = tenants.createBranch(TENANT, ONE, ROOT, 0, DEV);
                                tenants.names().take(one, MAIN, OLD);
                                tenants.protect(one, true);
                                at[0] = root.lastRecordLsn();
                                tenants.createPoint(root, new Label("kept"), at[0], true);
                            });
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                tenants.attach(TENANT);
                                Timeline root = tenants.timeline(TENANT, ROOT);
                                assertEquals(ONE, holder(tenants, MAIN));
                                assertEquals(ROOT, holder(tenants, OLD));
                                assertNull(holder(tenants, DEV));
                                assertTrue(
                                        tenants.timeline(TENANT, ONE).properties().isProtected());
                                NamedPoint kept = root.properties().point(new Label("kept"));
                                assertNotNull(kept);
                                assertEquals(at[0], kept.lsn());
                                assertTrue(kept.pinned());
                            });
                });
    }

    @Test
    void whatTheStoreDoesNotTakeIsNotConfirmed() {
        OwnershipTest.tell(
                12,
                world -> {
                    Machine first = world.first();
                    OwnershipTest.withBranch(world, first);
                    world.serve(
                            first,
                            tenants -> {
                                Timeline one = tenants.timeline(TENANT, ONE);
                                world.store.hook(
                                        OwnershipTest.refusing(
                                                RemotePath.timeline(TimelineWorld.TENANT, ONE)));
                                refused(
                                        ErrorCode.UNAVAILABLE,
                                        () -> tenants.names().rename(one, DEV));
                                world.store.hook((key, condition) -> {});
                                tenants.names().rename(one, DEV);
                            });
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                tenants.attach(TENANT);
                                assertEquals(ONE, holder(tenants, DEV));
                                world.serve(
                                        first,
                                        former -> {
                                            // Its directory is of before: it takes the tenant over
                                            // again.
                                            assertEquals(ONE, holder(former, DEV));
                                        });
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> {
                                            second.tasks().sleep(61 * SECOND);
                                            tenants.names()
                                                    .rename(tenants.timeline(TENANT, ONE), OLD);
                                        });
                            });
                });
    }

    @Test
    void aBranchThatExpiresIsGoneFromTheStoreToo() {
        OwnershipTest.tell(
                13,
                world -> {
                    Machine first = world.first();
                    OwnershipTest.withBranch(world, first);
                    world.serve(
                            first,
                            tenants -> {
                                Timeline one = tenants.timeline(TENANT, ONE);
                                tenants.expire(one, first.clock().wallMillis() + 100_000);
                                first.tasks().sleep(130 * SECOND);
                                assertFalse(there(tenants, ONE));
                            });
                    String timeline = RemotePath.timeline(TimelineWorld.TENANT, ONE);
                    assertTrue(
                            world.objects.keys().stream()
                                    .noneMatch(key -> key.startsWith(timeline)));
                });
    }
}
