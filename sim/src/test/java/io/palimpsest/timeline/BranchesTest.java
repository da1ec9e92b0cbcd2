package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.port.Tasks;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.value.Keys;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Branches of branches: where they hang, what they keep, and how they go. */
class BranchesTest {
    private static final long CENTURY = 36_525L * 86_400 * 1_000_000_000;
    private static final TenantId TENANT = TimelineWorld.TENANT.tenant();
    private static final TimelineId ROOT = TimelineWorld.ROOT;
    private static final long MINUTE = 60_000_000L;

    private static TimelineId id(int n) {
        return new TimelineId(100, n);
    }

    private static Tenants load(TimelineWorld world) {
        return Tenants.load(world.environment, world.limits, world.config);
    }

    /** Tenants with a root of some commits, a minute apart; answers their ends. */
    private static List<Long> history(TimelineWorld world, int commits) {
        Timeline root = world.create();
        List<Long> ends = write(world, root, commits);
        root.shutDown();
        return ends;
    }

    private static List<Long> write(TimelineWorld world, Timeline timeline, int commits) {
        TimelineWorld.Pen pen = new TimelineWorld.Pen(timeline, world.limits);
        List<Long> ends = new ArrayList<>();
        for (int i = 0; i < commits; i++) {
            ends.add(pen.end(701 + i, true, (i + 1) * MINUTE));
            pen.write();
            if (i % 7 == 6) {
                timeline.flushUpTo(timeline.lastRecordLsn());
            }
        }
        timeline.flushUpTo(timeline.lastRecordLsn());
        return ends;
    }

    private static void refused(ErrorCode code, Runnable what) {
        PageserverException e = assertThrows(PageserverException.class, what::run);
        assertEquals(code, e.code(), e.getMessage());
    }

    @Test
    void aBranchHangsWhereItsHistoryIs() {
        TimelineWorld.tell(
                1,
                TimelineWorld.smallLimits(),
                TenantConfig.DEFAULT,
                world -> {
                    List<Long> ends = history(world, 20);
                    Tenants tenants = load(world);
                    Timeline root = tenants.timeline(TENANT, ROOT);
                    Timeline a = tenants.createBranch(TENANT, id(1), ROOT, ends.get(10));
                    assertSame(a, tenants.createBranch(TENANT, id(1), ROOT, ends.get(10)));
                    refused(
                            ErrorCode.CONFLICT,
                            () -> tenants.createBranch(TENANT, id(1), ROOT, ends.get(11)));
                    List<Long> own = write(world, a, 8);
                    Timeline b = tenants.createBranch(TENANT, id(2), id(1), own.get(4));
                    assertSame(a, b.ancestor());
                    Timeline below = tenants.createBranch(TENANT, id(3), id(2), ends.get(5));
                    assertSame(root, below.ancestor(), "that history is the root's");
                    assertEquals(ends.get(5), below.ancestorLsn());
                    Timeline timed =
                            tenants.createBranchAtTime(TENANT, id(4), ROOT, 3 * MINUTE + 7);
                    assertEquals(ends.get(2), timed.ancestorLsn());
                    refused(
                            ErrorCode.LSN_OUT_OF_RANGE,
                            () -> tenants.createBranchAtTime(TENANT, id(5), ROOT, MINUTE - 1));
                    refused(ErrorCode.NOT_FOUND, () -> tenants.timeline(TENANT, id(5)));
                    tenants.close();

                    Tenants again = load(world);
                    for (int i = 1; i <= 4; i++) {
                        assertNotNull(again.timeline(TENANT, id(i)).ancestor());
                    }
                    assertEquals(3, again.timeline(TENANT, ROOT).branchCount());
                    again.close();
                });
    }

    @Test
    void whatHasBranchesIsNotDeletedAndWhatIsDeletedIsGone() {
        TimelineWorld.tell(
                2,
                TimelineWorld.smallLimits(),
                TenantConfig.DEFAULT,
                world -> {
                    List<Long> ends = history(world, 20);
                    Tenants tenants = load(world);
                    Timeline root = tenants.timeline(TENANT, ROOT);
                    Timeline a = tenants.createBranch(TENANT, id(1), ROOT, ends.get(10));
                    write(world, a, 5);
                    tenants.createBranch(TENANT, id(2), id(1), 0);
                    refused(ErrorCode.PRECONDITION_FAILED, () -> tenants.delete(TENANT, id(1)));
                    assertEquals(List.of(ends.get(10)), points(root, ends.get(15)));
                    tenants.delete(TENANT, id(2));
                    tenants.delete(TENANT, id(1));
                    refused(ErrorCode.NOT_FOUND, () -> tenants.delete(TENANT, id(1)));
                    refused(ErrorCode.NOT_FOUND, () -> tenants.timeline(TENANT, id(1)));
                    refused(ErrorCode.SHUTTING_DOWN, () -> a.latest().image(Keys.CHECKPOINT));
                    assertEquals(List.of(), root.retention().points());
                    String directory = "tenants/" + TimelineWorld.TENANT + "/timelines";
                    assertEquals(
                            List.of(ROOT.toString()), world.environment.disk().list(directory));
                    Timeline anew = tenants.createBranch(TENANT, id(1), ROOT, 0);
                    assertEquals(root.lastRecordLsn(), anew.ancestorLsn());
                    tenants.close();
                });
    }

    private static List<Long> points(Timeline root, long cutoff) {
        assertTrue(root.advanceCutoff(cutoff));
        return root.retention().points();
    }

    @Test
    void whatIsArchivedIsNeitherReadNorBranchedAndKeepsItsAncestor() {
        TimelineWorld.tell(
                3,
                TimelineWorld.smallLimits(),
                TenantConfig.DEFAULT,
                world -> {
                    List<Long> ends = history(world, 20);
                    Tenants tenants = load(world);
                    tenants.createBranch(TENANT, id(1), ROOT, ends.get(10));
                    tenants.createBranch(TENANT, id(2), id(1), 0);
                    refused(ErrorCode.PRECONDITION_FAILED, () -> tenants.archive(TENANT, id(1)));
                    tenants.archive(TENANT, id(2));
                    tenants.archive(TENANT, id(1));
                    refused(ErrorCode.PRECONDITION_FAILED, () -> tenants.unarchive(TENANT, id(2)));
                    tenants.close();

                    Tenants again = load(world);
                    Timeline a = again.timeline(TENANT, id(1));
                    assertTrue(a.state() instanceof TimelineState.Archived);
                    refused(ErrorCode.CONFLICT, () -> a.effectiveLsn(a.lastRecordLsn(), 1));
                    refused(ErrorCode.CONFLICT, () -> again.createBranch(TENANT, id(3), id(1), 0));
                    Timeline root = again.timeline(TENANT, ROOT);
                    assertEquals(List.of(ends.get(10)), points(root, ends.get(15)));
                    again.unarchive(TENANT, id(1));
                    again.unarchive(TENANT, id(2));
                    again.unarchive(TENANT, id(2));
                    assertEquals(a.lastRecordLsn(), a.effectiveLsn(a.lastRecordLsn(), 1));
                    again.close();
                });
    }

    /** Everything that is readable reads the same, before and after, from the disk too. */
    @Test
    void aDetachedBranchHasItsWholeHistory() {
        TimelineWorld.tell(
                4,
                TimelineWorld.smallLimits(),
                TimelineWorld.config(0, 0, 1_000_000_000L),
                world -> {
                    List<Long> ends = history(world, 60);
                    Tenants tenants = load(world);
                    Timeline root = tenants.timeline(TENANT, ROOT);
                    Timeline a = tenants.createBranch(TENANT, id(1), ROOT, ends.get(31));
                    List<Long> own = write(world, a, 50);
                    Timeline b = tenants.createBranch(TENANT, id(2), id(1), own.get(29));
                    List<Long> twig = write(world, b, 30);
                    Timeline c = tenants.createBranch(TENANT, id(3), id(2), twig.get(20));
                    List<byte[]> before = contents(b, own.get(29), twig);
                    List<byte[]> ofBranch = contents(c, twig.get(20), List.of());
                    int layers = b.layerCount();
                    tenants.detach(TENANT, id(2));
                    tenants.detach(TENANT, id(2));
                    assertNull(b.ancestor());
                    assertTrue(b.hasAncestor(), "an image still does not speak for all");
                    assertTrue(b.layerCount() > layers + 4, "layers were taken over");
                    for (LayerDescriptor l : b.durableLayers()) {
                        boolean adopted = l.name().startLsn() <= own.get(29);
                        assertTrue(!adopted || l.name().endLsn() <= own.get(29) + 1, "" + l);
                    }
                    same(before, contents(b, own.get(29), twig));
                    same(ofBranch, contents(c, twig.get(20), List.of()));
                    assertEquals(List.of(), a.retention().points());
                    tenants.delete(TENANT, id(1));
                    tenants.close();

                    Tenants again = load(world);
                    Timeline reopened = again.timeline(TENANT, id(2));
                    assertNull(reopened.ancestor());
                    same(before, contents(reopened, own.get(29), twig));
                    again.detach(TENANT, id(3));
                    Timeline third = again.timeline(TENANT, id(3));
                    same(ofBranch, contents(third, twig.get(20), List.of()));
                    assertEquals(
                            List.of(ends.get(31), own.get(29), twig.get(20)),
                            third.index().adopted());
                    again.delete(TENANT, id(2));
                    same(ofBranch, contents(third, twig.get(20), List.of()));
                    again.close();
                });
    }

    /** What hung beside it hangs on it, all reads as before, and the former ancestor can go. */
    @Test
    void aPromotedBranchBringsItsSiblings() {
        TimelineWorld.tell(
                5,
                TimelineWorld.smallLimits(),
                TimelineWorld.config(0, 0, 1_000_000_000L),
                world -> {
                    List<Long> ends = history(world, 60);
                    Tenants tenants = load(world);
                    Timeline root = tenants.timeline(TENANT, ROOT);
                    Timeline early = tenants.createBranch(TENANT, id(1), ROOT, ends.get(9));
                    List<Long> own = write(world, early, 20);
                    Timeline branch = tenants.createBranch(TENANT, id(2), ROOT, ends.get(31));
                    Timeline same = tenants.createBranch(TENANT, id(3), ROOT, ends.get(31));
                    Timeline late = tenants.createBranch(TENANT, id(4), ROOT, ends.get(40));
                    tenants.archive(TENANT, id(3));
                    tenants.unarchive(TENANT, id(3));
                    assertEquals(
                            List.of(ends.get(9), ends.get(31), ends.get(40)),
                            points(root, ends.get(45)));
                    List<byte[]> ofEarly = contents(early, ends.get(9), own);
                    List<byte[]> ofBranch = contents(branch, ends.get(31), List.of());
                    List<byte[]> ofLate = contents(late, ends.get(40), List.of());

                    assertEquals(List.of(id(1), id(3)), tenants.detach(TENANT, id(2), true));
                    assertEquals(List.of(id(1), id(3)), tenants.detach(TENANT, id(2), true));
                    assertSame(branch, early.ancestor());
                    assertSame(branch, same.ancestor());
                    assertSame(root, late.ancestor());
                    assertEquals(List.of(ends.get(40)), root.retention().points());
                    assertEquals(List.of(ends.get(9)), branch.retention().points());
                    assertEquals(2, branch.branchCount());
                    settle(tenants, root);
                    settle(tenants, branch);
                    same(ofEarly, contents(early, ends.get(9), own));
                    same(ofBranch, contents(branch, ends.get(31), List.of()));
                    refused(ErrorCode.PRECONDITION_FAILED, () -> tenants.delete(TENANT, id(2)));
                    refused(ErrorCode.PRECONDITION_FAILED, () -> tenants.delete(TENANT, ROOT));
                    same(ofLate, contents(late, ends.get(40), List.of()));
                    tenants.delete(TENANT, id(4));
                    tenants.delete(TENANT, ROOT);
                    tenants.close();

                    Tenants again = load(world);
                    Timeline moved = again.timeline(TENANT, id(1));
                    Timeline onto = again.timeline(TENANT, id(2));
                    assertSame(onto, moved.ancestor());
                    assertEquals(List.of(ends.get(9)), onto.retention().points());
                    settle(again, onto);
                    same(ofEarly, contents(moved, ends.get(9), own));
                    again.delete(TENANT, id(1));
                    assertEquals(List.of(), onto.retention().points());
                    again.close();
                });
    }

    /** What one takes over from an ancestor, that ancestor may be taking over, and giving up. */
    @Test
    void aBranchAndItsBranchAreDetachedAtOnce() {
        for (long seed = 1; seed <= 40; seed++) {
            TimelineWorld.tell(
                    seed,
                    TimelineWorld.smallLimits(),
                    TimelineWorld.config(0, 0, 1_000_000_000L),
                    world -> {
                        List<Long> ends = history(world, 60);
                        Tenants tenants = load(world);
                        Timeline root = tenants.timeline(TENANT, ROOT);
                        Timeline a = tenants.createBranch(TENANT, id(1), ROOT, ends.get(31));
                        List<Long> own = write(world, a, 20);
                        Timeline b = tenants.createBranch(TENANT, id(2), id(1), own.get(15));
                        List<byte[]> before = contents(b, own.get(15), List.of());
                        Tasks tasks = world.environment.tasks();
                        Tasks.Task other =
                                tasks.spawn(
                                        Tasks.Lane.LATENCY,
                                        "parent",
                                        () -> {
                                            tenants.detach(TENANT, id(1));
                                            assertTrue(root.advanceCutoff(ends.get(59)));
                                            settle(tenants, root);
                                        });
                        tasks.sleep(world.environment.clock().wallMillis() % 7 * 100_000L);
                        tenants.detach(TENANT, id(2));
                        other.join();
                        settle(tenants, a);
                        settle(tenants, b);
                        same(before, contents(b, own.get(15), List.of()));
                        tenants.delete(TENANT, id(1));
                        tenants.delete(TENANT, ROOT);
                        same(before, contents(b, own.get(15), List.of()));
                        tenants.close();
                    });
        }
    }

    /** Nothing of what may go is left. */
    private static void settle(Tenants tenants, Timeline timeline) {
        timeline.flushUpTo(timeline.lastRecordLsn());
        GarbageCollector.Result _ = tenants.housekeeper().gcNow(timeline, 0);
        tenants.housekeeper().reset(timeline);
        tenants.housekeeper().runToQuiescence(timeline);
    }

    /** What its ancestor still has of the time before, it has too, as long as there is no gap. */
    @Test
    void aDetachedBranchCanBeReadFromBeforeItWasMade() {
        TimelineWorld.tell(
                6,
                TimelineWorld.smallLimits(),
                TimelineWorld.config(CENTURY, 0, 1_000_000_000L),
                world -> {
                    List<Long> ends = history(world, 60);
                    Tenants tenants = load(world);
                    Timeline root = tenants.timeline(TENANT, ROOT);
                    assertTrue(root.advanceCutoff(ends.get(12)));
                    Timeline a = tenants.createBranch(TENANT, id(1), ROOT, ends.get(31));
                    Timeline gap = tenants.createBranch(TENANT, id(2), ROOT, ends.get(31));
                    List<Long> own = write(world, a, 8);
                    List<Long> others = write(world, gap, 8);
                    assertTrue(gap.advanceCutoff(others.get(3)));
                    Timeline b = tenants.createBranch(TENANT, id(3), id(1), own.get(6));
                    List<Long> lsns = List.of(ends.get(13), ends.get(20), ends.get(30));
                    List<byte[]> before = contents(root, ends.get(12), lsns);
                    refused(ErrorCode.LSN_OUT_OF_RANGE, () -> a.effectiveLsn(ends.get(20), 0));

                    tenants.detach(TENANT, id(3));
                    assertEquals(ends.get(12), b.oldestReadableLsn());
                    same(before, contents(b, ends.get(12), lsns));
                    tenants.detach(TENANT, id(1));
                    assertEquals(ends.get(12), a.oldestReadableLsn());
                    same(before, contents(a, ends.get(12), lsns));
                    tenants.detach(TENANT, id(2));
                    assertEquals(others.get(3), gap.oldestReadableLsn(), "there is a gap");
                    // What an ancestor has given up no ancestor of that can fill.
                    Timeline middle = tenants.createBranch(TENANT, id(4), ROOT, ends.get(40));
                    List<Long> middles = write(world, middle, 8);
                    assertTrue(middle.advanceCutoff(middles.get(2)));
                    Timeline last = tenants.createBranch(TENANT, id(5), id(4), middles.get(5));
                    tenants.detach(TENANT, id(5));
                    assertEquals(middles.get(2), last.oldestReadableLsn(), "there is a gap");
                    tenants.delete(TENANT, id(5));
                    tenants.delete(TENANT, id(4));
                    tenants.delete(TENANT, ROOT);
                    tenants.housekeeper().runToQuiescence(b);
                    tenants.close();

                    Tenants again = load(world);
                    Timeline read = again.timeline(TENANT, id(1));
                    same(before, contents(read, ends.get(12), lsns));
                    again.housekeeper().runToQuiescence(read);
                    same(before, contents(read, ends.get(12), lsns));
                    assertEquals(ends.get(20), read.effectiveLsn(ends.get(20), 0));
                    again.close();
                });
    }

    private static void same(List<byte[]> a, List<byte[]> b) {
        assertEquals(a.size(), b.size());
        for (int i = 0; i < a.size(); i++) {
            assertTrue(Arrays.equals(a.get(i), b.get(i)), "content " + i);
        }
    }

    private static List<byte[]> contents(Timeline timeline, long first, List<Long> lsns) {
        List<byte[]> all = new ArrayList<>();
        List<Long> at = new ArrayList<>(lsns);
        at.add(first);
        for (long lsn : at) {
            for (Key key : List.of(Keys.CHECKPOINT, Keys.CONTROL_FILE)) {
                byte[] content = timeline.viewAt(lsn).image(key);
                all.add(content == null ? new byte[0] : content);
            }
            timeline.viewAt(lsn)
                    .scan(Keys.ofKind(Keys.COMMIT_TIME), (key, content) -> all.add(content));
        }
        return all;
    }

    /** Idle branches: made and loaded by the thousand, in a tree of any depth. */
    @Test
    void thousandsOfBranchesCostLittle() {
        int n = 10_000;
        TimelineWorld.tell(
                5,
                Limits.DEFAULT,
                TenantConfig.DEFAULT,
                world -> {
                    List<Long> ends = history(world, 3);
                    Tenants tenants = load(world);
                    Prng random = new Prng(5);
                    // A chain of a thousand, then anywhere.
                    long made = System.nanoTime();
                    for (int i = 1; i <= n; i++) {
                        int parent = i <= 1000 ? i - 1 : random.nextInt(i);
                        TimelineId ancestor = parent == 0 ? ROOT : id(parent);
                        tenants.createBranch(TENANT, id(i), ancestor, 0);
                    }
                    made = System.nanoTime() - made;
                    assertEquals(ends.getLast(), tenants.timeline(TENANT, id(n)).lastRecordLsn());
                    tenants.close();

                    long before = used();
                    long loaded = System.nanoTime();
                    Tenants again = load(world);
                    loaded = System.nanoTime() - loaded;
                    long each = (used() - before) / n;
                    long read = System.nanoTime();
                    byte[] content =
                            again.timeline(TENANT, id(1000)).latest().image(Keys.CHECKPOINT);
                    read = System.nanoTime() - read;
                    assertNotNull(content);
                    System.out.printf(
                            "branches: %d made in %d ms, loaded in %d ms, %d bytes each; a read through 1000 ancestors %d us%n",
                            n, made / 1_000_000, loaded / 1_000_000, each, read / 1000);
                    assertTrue(each <= 10 << 10, each + " bytes for an idle branch");
                    assertFalse(read > 1_000_000_000L, "a read through a chain of 1000");
                    again.close();
                });
    }

    private static long used() {
        Runtime runtime = Runtime.getRuntime();
        for (int i = 0; i < 3; i++) {
            System.gc();
        }
        return runtime.totalMemory() - runtime.freeMemory();
    }
}
