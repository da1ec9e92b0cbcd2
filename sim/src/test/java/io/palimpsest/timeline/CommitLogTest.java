package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Tasks;
import io.palimpsest.timeline.LsnAtTime.Commit;
import io.palimpsest.timeline.TransactionEnd.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Times and LSNs of commits against a list of them all. */
class CommitLogTest {
    private static final TimelineId BRANCH = new TimelineId(5, 6);
    private static final TimelineId TWIG = new TimelineId(7, 8);
    private static final long SECOND = 1_000_000;

    /** 2026 in microseconds since 2000. */
    private static final long NOW = 26L * 366 * 86_400 * SECOND;

    /** The end of a transaction; 0 as the time: it was rolled back. */
    private record End(int xid, long lsn, long micros) {}

    /** What one branch has, its ancestors' first. */
    private record Model(List<Commit> commits, List<End> ends) {
        static Model empty() {
            return new Model(new ArrayList<>(), new ArrayList<>());
        }

        LsnAtTime around(long micros) {
            Commit before = null;
            for (Commit c : commits) {
                if (c.micros() > micros) {
                    return new LsnAtTime(before, c);
                }
                before = c;
            }
            return new LsnAtTime(before, null);
        }

        OptionalLong at(long lsn) {
            return commits.stream()
                    .filter(c -> c.lsn() <= lsn)
                    .mapToLong(Commit::micros)
                    .reduce((a, b) -> b);
        }

        /** Numbers are used again here, as after a wraparound: the newest end is meant. */
        TransactionEnd transaction(int xid) {
            End end = null;
            int newest = 0;
            for (End e : ends) {
                end = e.xid == xid ? e : end;
                newest = Math.max(newest, e.xid);
            }
            long lsn = end == null ? Long.MAX_VALUE : end.lsn;
            Commit before = null;
            Commit after = null;
            for (Commit c : commits) {
                before = c.lsn() < lsn ? c : before;
                after = after == null && c.lsn() > lsn ? c : after;
            }
            if (end == null) {
                Kind kind = xid < newest ? Kind.IN_PROGRESS : Kind.NOT_SEEN;
                return new TransactionEnd(xid, kind, 0, 0, false, before, null);
            }
            Kind kind = end.micros == 0 ? Kind.ABORTED : Kind.COMMITTED;
            return new TransactionEnd(xid, kind, lsn, end.micros, true, before, after);
        }

        Model upTo(long lsn) {
            return new Model(
                    new ArrayList<>(commits.stream().filter(c -> c.lsn() <= lsn).toList()),
                    new ArrayList<>(ends.stream().filter(e -> e.lsn <= lsn).toList()));
        }
    }

    /** Goes on from where it left off: a clock that sometimes jumps, transactions out of order. */
    private static final class Source {
        final Prng random;
        long clock = NOW;
        int xid = 700;

        Source(Prng random) {
            this.random = random;
        }

        void write(TimelineWorld.Pen pen, Model model, int n) {
            for (int i = 0; i < n; i++) {
                clock +=
                        switch (random.nextInt(12)) {
                            case 0 -> random.nextLong(5000 * SECOND);
                            case 1, 2, 3 -> random.nextLong(2 * SECOND);
                            case 4 -> -random.nextLong(3 * SECOND);
                            case 5 -> random.nextInt(40) == 0 ? -random.nextLong(3600 * SECOND) : 0;
                            default -> random.nextLong(SECOND / 20);
                        };
                // Now and then a page of pg_xact is passed, and an older transaction ends.
                xid += random.nextInt(30) == 0 ? 20_000 : 1;
                int ends = random.nextInt(10) == 0 ? Math.max(700, xid - 10) : xid;
                boolean commit = random.nextInt(8) != 0;
                long lsn = pen.end(ends, commit, clock);
                model.ends.add(new End(ends, lsn, commit ? clock : 0));
                if (commit) {
                    model.commits.add(new Commit(clock, lsn));
                }
                if (random.nextInt(5) == 0) {
                    pen.write();
                }
            }
            pen.write();
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void timesAndLsnsAreThoseOfTheCommits(long seed) {
        TimelineWorld.tell(
                seed,
                TimelineWorld.smallLimits(),
                TenantConfig.DEFAULT,
                world -> {
                    Prng random = new Prng(seed);
                    Source source = new Source(random);
                    Model trunk = Model.empty();
                    Timeline root = world.create();
                    compare(root, trunk, random);
                    TimelineWorld.Pen pen = new TimelineWorld.Pen(root, world.limits);
                    source.write(pen, trunk, 120);
                    compare(root, trunk, random);

                    long at = trunk.commits.get(80).lsn();
                    Timeline branch = world.store.createBranch(root, BRANCH, at);
                    Model ofBranch = trunk.upTo(at);
                    compare(branch, ofBranch, random);
                    source.write(new TimelineWorld.Pen(branch, world.limits), ofBranch, 80);
                    source.write(pen, trunk, 60);
                    compare(branch, ofBranch, random);
                    compare(root, trunk, random);

                    long twigAt = ofBranch.commits.getLast().lsn();
                    branch.flushUpTo(twigAt);
                    Timeline twig = world.store.createBranch(branch, TWIG, twigAt);
                    Model ofTwig = ofBranch.upTo(twigAt);
                    source.write(new TimelineWorld.Pen(twig, world.limits), ofTwig, 20);
                    compare(twig, ofTwig, random);
                    twig.shutDown();
                    branch.shutDown();
                    root.shutDown();

                    // A receiver that starts again goes on where the other one ended.
                    world.restart();
                    root = world.open(TimelineWorld.ROOT);
                    branch = world.open(BRANCH, root);
                    compare(branch, ofBranch, random);
                    source.write(new TimelineWorld.Pen(root, world.limits), trunk, 40);
                    compare(root, trunk, random);
                    branch.shutDown();
                    root.shutDown();
                });
    }

    private static void compare(Timeline timeline, Model model, Prng random) {
        List<Commit> all = model.commits;
        List<Long> moments = new ArrayList<>(List.of(NOW - SECOND, NOW + 40_000_000L * SECOND));
        for (Commit c : all) {
            moments.add(c.micros() + random.nextInt(3) - 1);
        }
        for (int i = 0; i < 20; i++) {
            moments.add(NOW + random.nextLong(500_000 * SECOND));
        }
        for (long moment : moments) {
            LsnAtTime expected = model.around(moment);
            assertEquals(expected, timeline.lsnByTimestamp(moment), () -> "at " + moment);
        }
        int newest = model.ends.isEmpty() ? 700 : model.ends.getLast().xid;
        for (int i = 0; i < 40; i++) {
            int xid =
                    all.isEmpty() || i % 4 == 0
                            ? 700 + random.nextInt(newest - 690)
                            : model.ends.get(random.nextInt(model.ends.size())).xid;
            assertEquals(model.transaction(xid), timeline.transaction(xid), () -> "xid " + xid);
        }
        for (int i = 0; i < 60; i++) {
            long oldest = timeline.oldestReadableLsn();
            long lsn = oldest + random.nextLong(timeline.lastRecordLsn() - oldest + 1);
            assertEquals(model.at(lsn), timeline.timestampByLsn(lsn), () -> Lsn.toString(lsn));
        }
    }

    /** The search goes through the layers of both: it must end wherever it is at that moment. */
    @Test
    void aSearchEndsWhenAnAncestorIsClosed() {
        TimelineWorld.tell(
                1,
                TimelineWorld.smallLimits(),
                TenantConfig.DEFAULT,
                world -> {
                    Timeline root = world.create();
                    writeWithinASecond(new TimelineWorld.Pen(root, world.limits), 700);
                    long at = root.lastRecordLsn();
                    Timeline branch = world.store.createBranch(root, BRANCH, at);
                    writeWithinASecond(new TimelineWorld.Pen(branch, world.limits), 800);
                    branch.shutDown();
                    root.shutDown();
                    int refused = 0;
                    for (long nanos = 0; ; nanos += 20_000) {
                        world.restart();
                        if (searchWhileClosing(world, nanos)) {
                            break;
                        }
                        refused++;
                    }
                    assertTrue(refused > 10, "closed during " + refused + " searches only");
                });
    }

    private static void writeWithinASecond(TimelineWorld.Pen pen, int firstXid) {
        for (int i = 0; i < 60; i++) {
            pen.end(firstXid + i, true, NOW + firstXid + i);
            pen.write();
        }
        pen.timeline().flushUpTo(pen.timeline().lastRecordLsn());
    }

    /** Was the answer there before the ancestor was closed? Else it must be an error. */
    private static boolean searchWhileClosing(TimelineWorld world, long nanos) {
        Timeline root = world.open(TimelineWorld.ROOT);
        Timeline branch = world.open(BRANCH, root);
        boolean[] answered = new boolean[1];
        Tasks.Task search =
                world.machine.start(
                        "search",
                        () -> {
                            try {
                                OptionalLong found = branch.timestampByLsn(branch.lastRecordLsn());
                                assertEquals(OptionalLong.of(NOW + 859), found);
                                answered[0] = true;
                            } catch (PageserverException e) {
                                assertEquals(ErrorCode.SHUTTING_DOWN, e.code());
                            }
                        });
        world.machine.tasks().sleep(nanos);
        root.close();
        search.join();
        branch.close();
        return answered[0];
    }

    @Test
    void aMomentIsOfOneOfFourKinds() {
        Commit c = new Commit(1, 2);
        assertEquals(LsnAtTime.Kind.NO_DATA, new LsnAtTime(null, null).kind());
        assertEquals(LsnAtTime.Kind.PAST, new LsnAtTime(null, c).kind());
        assertEquals(LsnAtTime.Kind.FUTURE, new LsnAtTime(c, null).kind());
        assertEquals(LsnAtTime.Kind.PRESENT, new LsnAtTime(c, c).kind());
    }
}
