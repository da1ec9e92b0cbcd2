package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TimelineId;
import io.palimpsest.compaction.Retention;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.value.Keys;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Cutoff, leases, pinned points and branch points against a naive model, over restarts. */
class HistoryWindowTest {
    private static final long MILLI = 1_000_000L;
    private static final long SECOND = 1000 * MILLI;

    /** What must be so, by the rules: nothing is ever taken back but by its time or its end. */
    private static final class Model {
        long cutoff;
        final TreeMap<Long, Long> leases = new TreeMap<>();
        final List<Long> branches = new ArrayList<>();

        final TreeMap<Label, Long> points = new TreeMap<>();

        final TreeSet<Label> pinned = new TreeSet<>();

        boolean kept(long lsn) {
            return lsn >= cutoff
                    || leases.containsKey(lsn)
                    || branches.contains(lsn)
                    || pinned.stream().anyMatch(name -> points.getOrDefault(name, 0L) == lsn);
        }

        Retention retention() {
            List<Long> points = new ArrayList<>(leases.keySet());
            points.addAll(branches);
            pinned.forEach(name -> points.add(this.points.getOrDefault(name, cutoff)));
            return Retention.of(cutoff, points.stream().mapToLong(p -> p).toArray());
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    void whatIsKeptIsWhatTheRulesSay(long seed) {
        TimelineWorld.tell(
                seed,
                TimelineWorld.smallLimits(),
                TimelineWorld.config(0, 1 << 20, 10 * SECOND),
                world -> {
                    Prng random = new Prng(seed);
                    Model model = new Model();
                    Timeline root = world.create();
                    model.cutoff = root.oldestReadableLsn();
                    List<Timeline> branches = new ArrayList<>();
                    int xid = 700;
                    for (int step = 0; step < 120; step++) {
                        long last = root.lastRecordLsn();
                        long lsn =
                                TimelineWorld.START
                                        + random.nextLong(last - TimelineWorld.START + 9);
                        if (random.nextBoolean() && !model.retention().points().isEmpty()) {
                            List<Long> points = model.retention().points();
                            lsn = points.get(random.nextInt(points.size()));
                        }
                        switch (random.nextInt(9)) {
                            case 0 -> {
                                TimelineWorld.Pen pen = new TimelineWorld.Pen(root, world.limits);
                                for (int i = random.nextInt(20); i >= 0; i--) {
                                    pen.end(++xid, true, xid);
                                }
                                pen.write();
                            }
                            case 1, 2 -> lease(world, root, model, lsn);
                            case 3 -> branch(world, root, model, lsn, step, branches);
                            case 4 -> advance(world, root, model, lsn);
                            case 5, 6 -> point(world, root, model, lsn, random);
                            case 7 -> world.machine.tasks().sleep(random.nextLong(8 * SECOND) + 1);
                            default -> {
                                branches.forEach(Timeline::shutDown);
                                root.shutDown();
                                world.restart();
                                Timeline reopened = world.open(TimelineWorld.ROOT);
                                branches.replaceAll(b -> world.open(b.id(), reopened));
                                root = reopened;
                            }
                        }
                        compare(root, model, random);
                    }
                    branches.forEach(Timeline::shutDown);
                    root.shutDown();
                });
    }

    private static void lease(TimelineWorld world, Timeline root, Model model, long lsn) {
        if (lsn > root.lastRecordLsn() || !model.kept(lsn)) {
            refused(() -> root.lease(lsn));
            return;
        }
        long before = world.environment.clock().wallMillis();
        long until = root.lease(lsn);
        assertTrue(until >= before + 10_000, "a lease of ten seconds");
        assertTrue(until >= model.leases.getOrDefault(lsn, 0L), "a lease got shorter");
        model.leases.put(lsn, until);
    }

    private static void point(
            TimelineWorld world, Timeline root, Model model, long lsn, Prng random) {
        TimelineTree tree = world.store.tree();
        Label name = new Label("p" + random.nextInt(6));
        Long there = model.points.get(name);
        boolean pin = random.nextBoolean();
        if (there == null) {
            refused(ErrorCode.NOT_FOUND, () -> tree.pin(root, name));
            refused(ErrorCode.NOT_FOUND, () -> tree.unpin(root, name));
            refused(ErrorCode.NOT_FOUND, () -> tree.deletePoint(root, name));
            if (lsn > root.lastRecordLsn() || !model.kept(lsn)) {
                refused(() -> tree.createPoint(root, name, lsn, pin));
                return;
            }
            tree.createPoint(root, name, lsn, pin);
            tree.createPoint(root, name, lsn, pin);
            refused(ErrorCode.CONFLICT, () -> tree.createPoint(root, name, lsn - 8, pin));
            model.points.put(name, lsn);
        } else if (random.nextInt(3) == 0) {
            tree.deletePoint(root, name);
            model.points.remove(name);
            model.pinned.remove(name);
            return;
        } else if (!pin) {
            tree.unpin(root, name);
        } else if (model.kept(there)) {
            tree.pin(root, name);
        } else {
            refused(() -> tree.pin(root, name));
            return;
        }
        if (pin) {
            model.pinned.add(name);
        } else {
            model.pinned.remove(name);
        }
    }

    private static void branch(
            TimelineWorld world,
            Timeline root,
            Model model,
            long lsn,
            int number,
            List<Timeline> branches) {
        if (lsn > root.diskConsistentLsn()) {
            return;
        }
        TimelineId id = new TimelineId(9, number);
        if (!model.kept(lsn)) {
            refused(() -> world.store.createBranch(root, id, lsn));
            return;
        }
        branches.add(world.store.createBranch(root, id, lsn));
        model.branches.add(lsn);
    }

    private static void advance(TimelineWorld world, Timeline root, Model model, long to) {
        boolean moves = to > model.cutoff && to <= root.diskConsistentLsn();
        long before = world.environment.clock().wallMillis();
        assertEquals(moves, root.advanceCutoff(to));
        long after = world.environment.clock().wallMillis();
        model.cutoff = moves ? to : model.cutoff;
        List<Long> left = root.leases().stream().map(Lease::lsn).toList();
        model.leases.forEach((lsn, until) -> {
            assertTrue(until <= after || left.contains(lsn), "a lease went before its time");
            assertTrue(until > before || !left.contains(lsn), "a lease outlived its time");
        });
        model.leases.keySet().retainAll(left);
    }

    private static void compare(Timeline root, Model model, Prng random) {
        assertEquals(model.cutoff, root.oldestReadableLsn());
        assertEquals(model.retention(), root.retention());
        assertEquals(
                model.points.keySet().stream().toList(),
                root.properties().points().stream().map(NamedPoint::name).sorted().toList());
        for (NamedPoint point : root.properties().points()) {
            assertEquals(model.points.get(point.name()), point.lsn());
            assertEquals(model.kept(point.lsn()), root.readable(point.lsn()));
        }
        List<Long> lsns = new ArrayList<>(model.retention().points());
        long span = root.lastRecordLsn() - TimelineWorld.START;
        for (int i = 0; i < 5; i++) {
            lsns.add(TimelineWorld.START + random.nextLong(span + 1));
        }
        for (long lsn : lsns) {
            if (model.kept(lsn)) {
                assertEquals(lsn, root.effectiveLsn(lsn, lsn));
                assertEquals(lsn, root.tryEffectiveLsn(lsn, lsn));
                root.timestampByLsn(lsn);
            } else {
                refused(() -> root.effectiveLsn(lsn, lsn));
                assertEquals(0, root.tryEffectiveLsn(lsn, lsn));
                refused(() -> root.viewAt(lsn).image(Keys.CHECKPOINT));
            }
        }
    }

    private static PageserverException refused(Runnable what) {
        return refused(ErrorCode.LSN_OUT_OF_RANGE, what);
    }

    private static PageserverException refused(ErrorCode code, Runnable what) {
        PageserverException e = assertThrows(PageserverException.class, what::run);
        assertEquals(code, e.code());
        return e;
    }

    /** What would wait or be refused is not answered at once; all else is what it is anyway. */
    @Test
    void atOnceIsAnsweredOnlyWhatNeitherWaitsNorFails() {
        TimelineWorld.tell(
                1,
                TimelineWorld.smallLimits(),
                TenantConfig.DEFAULT,
                world -> {
                    Timeline root = world.create();
                    TimelineWorld.Pen pen = new TimelineWorld.Pen(root, world.limits);
                    pen.end(701, true, 5);
                    pen.write();
                    long last = root.lastRecordLsn();
                    assertEquals(last, root.tryEffectiveLsn(-1, last));
                    assertEquals(last, root.tryEffectiveLsn(-1, 0));
                    assertEquals(last, root.tryEffectiveLsn(last + 8, last));
                    assertEquals(last - 1, root.tryEffectiveLsn(last - 1, 0));
                    assertEquals(0, root.tryEffectiveLsn(0, 0));
                    assertEquals(0, root.tryEffectiveLsn(last - 1, last));
                    assertEquals(0, root.tryEffectiveLsn(-1, last + 1));
                    assertEquals(0, root.tryEffectiveLsn(-1, -1));
                    world.store.tree().archive(root);
                    assertEquals(0, root.tryEffectiveLsn(-1, last));
                    root.shutDown();
                });
    }

    @Test
    void aRefusalNamesTheCutoffAndTheNearestLsnAndTime() {
        TimelineWorld.tell(
                1,
                TimelineWorld.smallLimits(),
                TenantConfig.DEFAULT,
                world -> {
                    Timeline root = world.create();
                    TimelineWorld.Pen pen = new TimelineWorld.Pen(root, world.limits);
                    List<Long> ends = new ArrayList<>();
                    for (int i = 0; i < 10; i++) {
                        ends.add(pen.end(701 + i, true, i * 86_400_000_000L));
                    }
                    pen.write();
                    root.flushUpTo(root.lastRecordLsn());
                    root.lease(ends.get(2));
                    assertTrue(root.advanceCutoff(ends.get(7)));
                    long old = ends.get(3);
                    List<Runnable> ways =
                            List.of(
                                    () -> root.effectiveLsn(old, 1),
                                    () -> root.viewAt(old).image(Keys.CHECKPOINT),
                                    () -> root.lease(old),
                                    () -> root.timestampByLsn(old),
                                    () ->
                                            world.store.createBranch(
                                                    root, new TimelineId(9, 9), old));
                    for (Runnable way : ways) {
                        String near = String.valueOf(refused(way).getMessage());
                        assertTrue(near.contains("kept from " + Lsn.toString(ends.get(7))), near);
                        assertTrue(
                                near.contains(
                                        Lsn.toString(ends.get(2)) + ", of 2000-01-03T00:00:00Z"),
                                near);
                    }
                    String nearer =
                            String.valueOf(
                                    refused(() -> root.effectiveLsn(ends.get(6), 1)).getMessage());
                    assertTrue(
                            nearer.contains(
                                    Lsn.toString(ends.get(7)) + ", of 2000-01-08T00:00:00Z"),
                            nearer);
                    root.shutDown();
                });
    }

    @Test
    void nothingIsCollectedWhileItIsNotKnownWhatABranchNeeds() {
        TimelineWorld.tell(
                1,
                TimelineWorld.smallLimits(),
                TimelineWorld.config(0, 0, SECOND),
                world -> {
                    Timeline root = world.create();
                    TimelineWorld.Pen pen = new TimelineWorld.Pen(root, world.limits);
                    pen.end(701, true, 5);
                    pen.write();
                    root.flushUpTo(root.lastRecordLsn());
                    assertEquals(root.lastRecordLsn(), root.planCutoff());
                    root.blockCollection("a test");
                    assertEquals(root.oldestReadableLsn(), root.planCutoff());
                    assertFalse(root.advanceCutoff(root.lastRecordLsn()));
                    assertEquals(new Retention(0, List.of()), root.retention());
                    root.shutDown();
                });
    }

    /** Time, distance and durability, as the policy has them. */
    @Test
    void theCutoffMovesByTimeOrByDistance() {
        long day = 86_400 * SECOND;
        plan(day, 0, 0, 0);
        plan(day, 0, 50, 50);
        plan(day, 1000, 50, 50);
        plan(0, 1000, 0, 0);
        plan(0, 60, 0, 40);
        plan(0, 60, 10, 40);
        plan(0, 60, 70, 70);
        plan(0, 0, 0, 90);
        plan(day, 0, 95, 90);
    }

    /** Expectations are distances from the start of a history of 100 bytes, 90 of them durable. */
    private static void plan(long pitrNanos, long horizon, long byTime, long expected) {
        long start = 0x100_0000L;
        TimelineIndex index =
                TimelineIndex.empty(
                        new TimelineIndex.Identity(
                                TimelineWorld.TENANT,
                                TimelineWorld.ROOT,
                                Generation.FIRST,
                                PgVersion.V17,
                                WalOrigin.STOCK,
                                1,
                                1 << 24,
                                1),
                        null,
                        start,
                        start + 90);
        assertEquals(
                start + expected,
                HistoryWindow.planCutoff(
                        index,
                        TimelineWorld.config(pitrNanos, horizon, SECOND),
                        start + 100,
                        byTime == 0 ? 0 : start + byTime));
    }

    /** The whole way: by the clock, the commits and the interval. */
    @Test
    void historyIsKeptForTheInterval() {
        TimelineWorld.tell(
                1,
                TimelineWorld.smallLimits(),
                TimelineWorld.config(3600 * SECOND, 0, SECOND),
                world -> {
                    Timeline root = world.create();
                    long now =
                            LsnAtTime.microsSince2000(
                                    Instant.ofEpochMilli(world.environment.clock().wallMillis()));
                    assertEquals(root.oldestReadableLsn(), root.planCutoff(), "no commit is known");
                    TimelineWorld.Pen pen = new TimelineWorld.Pen(root, world.limits);
                    List<Long> ends = new ArrayList<>();
                    for (int minutes = 120; minutes >= 0; minutes -= 10) {
                        ends.add(pen.end(701, true, now - minutes * 60_000_000L - 30_000_000L));
                    }
                    pen.write();
                    assertEquals(root.oldestReadableLsn(), root.planCutoff(), "nothing is durable");
                    root.flushUpTo(root.lastRecordLsn());
                    assertEquals(ends.get(6), root.planCutoff());
                    assertTrue(root.advanceCutoff(root.planCutoff()));
                    world.machine.tasks().sleep(1800 * SECOND);
                    assertEquals(ends.get(9), root.planCutoff());
                    world.machine.tasks().sleep(36_000 * SECOND);
                    assertEquals(ends.getLast(), root.planCutoff());
                    root.shutDown();
                });
    }
}
