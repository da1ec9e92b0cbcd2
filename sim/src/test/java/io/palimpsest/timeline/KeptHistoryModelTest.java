package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.tenant.Tenants;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

/**
 * Points, pins with and without an end, leases, branches, collections, time that passes and
 * restarts in any order, on a simulated machine: after each of them what is readable, and what is
 * refused, is what a model of a few sets says.
 */
class KeptHistoryModelTest {
    private static final TenantId TENANT = TimelineWorld.TENANT.tenant();
    private static final TimelineId ROOT = TimelineWorld.ROOT;
    private static final int KINDS = 12;
    private static final long SECOND = 1_000_000_000L;

    /**
     * A named point as the model has it.
     *
     * @param untilMillis of a pinned one; 0: for ever
     */
    private record Point(long lsn, boolean pinned, long untilMillis) {}

    @Property(tries = 40)
    void whatIsKeptIsWhatTheModelKeeps(
            @ForAll @Size(min = 5, max = 60) List<@IntRange(max = 1 << 20) Integer> commands) {
        TimelineWorld.tell(
                1,
                TimelineWorld.smallLimits(),
                TenantConfig.DEFAULT,
                world -> {
                    Timeline root = world.create();
                    TimelineWorld.Pen pen = new TimelineWorld.Pen(root, world.limits);
                    List<Long> lsns = new ArrayList<>();
                    for (int i = 0; i < 10; i++) {
                        lsns.add(pen.end(701 + i, true, i * 1_000_000L));
                    }
                    pen.write();
                    root.flushUpTo(root.lastRecordLsn());
                    root.shutDown();
                    Run run = new Run(world, lsns);
                    for (int command : commands) {
                        run.act(command % KINDS, command / KINDS);
                        run.check();
                    }
                    run.tenants.close();
                });
    }

    /** The server, and the model of it. */
    private static final class Run {
        private final TimelineWorld world;
        private final List<Long> lsns;
        private Tenants tenants;
        private long cutoff;
        private final TreeMap<Label, Point> points = new TreeMap<>();
        private final TreeSet<Long> leases = new TreeSet<>();
        private final TreeMap<TimelineId, Long> branches = new TreeMap<>();
        private int next;

        Run(TimelineWorld world, List<Long> lsns) {
            this.world = world;
            this.lsns = lsns;
            tenants = load();
            cutoff = root().oldestReadableLsn();
        }

        private Tenants load() {
            return Tenants.load(world.environment, world.limits, world.config);
        }

        private Timeline root() {
            return tenants.timeline(TENANT, ROOT);
        }

        private boolean kept(long lsn) {
            return lsn >= cutoff
                    || leases.contains(lsn)
                    || branches.containsValue(lsn)
                    || points.values().stream().anyMatch(p -> p.pinned && p.lsn == lsn);
        }

        void act(int kind, int choice) {
            long lsn = lsns.get(choice % lsns.size());
            switch (kind) {
                case 0, 1 -> {
                    Label name = new Label("p" + next++);
                    boolean pinned = kind == 0;
                    long until = pinned ? until(choice) : 0;
                    allowed(kept(lsn), () -> tenants.createPoint(root(), name, lsn, pinned, until));
                    if (kept(lsn)) {
                        points.put(name, new Point(lsn, pinned, until));
                    }
                }
                case 2, 3, 4 -> changePoint(kind, choice);
                case 5 -> {
                    boolean kept = kept(lsn);
                    allowed(kept, () -> root().lease(lsn));
                    if (kept) {
                        leases.add(lsn);
                    }
                }
                case 8 -> assertEquals(leases.remove(lsn), root().dropLease(lsn));
                case 6 -> branch(lsn, choice);
                case 7 -> {
                    var _ = tenants.housekeeper().gcNow(root(), root().lastRecordLsn() - lsn);
                    cutoff = Math.max(cutoff, Math.min(lsn, root().diskConsistentLsn()));
                }
                case 9 -> {
                    tenants.close();
                    tenants = load();
                }
                case 10 -> timePasses(1 + choice % 100);
                default -> {
                    tenants.close();
                    timePasses(1 + choice % 100);
                    tenants = load();
                    timePasses(1);
                }
            }
        }

        /** Half of them have an end, on a whole second and a half. */
        private long until(int choice) {
            long second = world.machine.clock().wallMillis() / 1000;
            return choice % 2 == 0 ? 0 : (second + 1 + choice / 2 % 90) * 1000 + 500;
        }

        /** Until a whole second: nothing ends then, and what ended before has been let go. */
        private void timePasses(int seconds) {
            long now = world.machine.clock().wallMillis();
            long then = (now / 1000 + 1 + seconds) * 1000;
            world.machine.tasks().sleep((then - now) * (SECOND / 1000));
            points.replaceAll((name, p) ->
                    p.untilMillis != 0 && p.untilMillis < then ? new Point(p.lsn, false, 0) : p);
        }

        private void changePoint(int kind, int choice) {
            if (points.isEmpty()) {
                return;
            }
            Label name = points.keySet().stream().skip(choice % points.size()).findFirst().get();
            Point point = points.get(name);
            switch (kind) {
                case 2 -> {
                    boolean kept = kept(point.lsn);
                    long until = until(choice / 7);
                    allowed(kept, () -> tenants.pin(root(), name, true, until));
                    if (kept) {
                        points.put(name, new Point(point.lsn, true, until));
                    }
                }
                case 3 -> {
                    tenants.pin(root(), name, false);
                    points.put(name, new Point(point.lsn, false, 0));
                }
                default -> {
                    tenants.deletePoint(root(), name);
                    points.remove(name);
                }
            }
        }

        private void branch(long lsn, int choice) {
            if (branches.size() > 3) {
                TimelineId gone = branches.firstKey();
                tenants.delete(TENANT, gone);
                branches.remove(gone);
                return;
            }
            TimelineId id = new TimelineId(100, next++);
            boolean kept = kept(lsn);
            allowed(kept, () -> tenants.createBranch(TENANT, id, ROOT, lsn));
            if (kept) {
                branches.put(id, lsn);
            }
        }

        private static void allowed(boolean expected, Runnable what) {
            boolean done = true;
            try {
                what.run();
            } catch (PageserverException e) {
                assertEquals(ErrorCode.LSN_OUT_OF_RANGE, e.code(), e.getMessage());
                done = false;
            }
            assertEquals(expected, done);
        }

        /** And the points are those that were said. */
        void check() {
            assertEquals(cutoff, root().oldestReadableLsn());
            for (long lsn : lsns) {
                assertEquals(kept(lsn), root().retention().readable(lsn), () -> Lsn.toString(lsn));
            }
            TreeMap<Label, Point> said = new TreeMap<>();
            for (NamedPoint point : root().properties().points()) {
                said.put(
                        point.name(),
                        new Point(point.lsn(), point.pinned(), point.keptUntilMillis()));
            }
            assertEquals(points, said);
        }
    }
}
