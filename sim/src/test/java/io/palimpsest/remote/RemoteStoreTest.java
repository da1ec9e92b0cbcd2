package io.palimpsest.remote;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.port.Disk;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.sim.fault.StoreFaults;
import io.palimpsest.sim.world.Simulation;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** The bounded, persistent way to a store, on stores that fail. */
class RemoteStoreTest {
    private static final long SECOND = 1_000_000_000L;

    private record World(Simulation simulation, Machine machine, SimObjectStore store) {
        RemoteStore remote(RemoteLimits limits) {
            return new RemoteStore(
                    store,
                    machine.clock(),
                    machine.tasks(),
                    machine.ids(),
                    machine.tracer(),
                    limits);
        }

        Tasks.Task spawn(String name, Runnable body) {
            return machine.tasks().spawn(Tasks.Lane.LATENCY, name, body);
        }
    }

    private interface Body {
        void run(World w);
    }

    private static void each(int seeds, Body body) {
        MachineWithStore.each(
                "remote store", seeds, (s, m, store) -> body.run(new World(s, m, store)));
    }

    private static byte[] bytes(int length, long seed) {
        byte[] b = new byte[length];
        new Prng(seed).nextBytes(b, 0, length);
        return b;
    }

    private static RemoteLimits patient() {
        return new RemoteLimits(4, 0, 1000, SECOND / 10, 10 * SECOND, 1000, 0);
    }

    private static PageserverException fails(ErrorCode code, Runnable action) {
        PageserverException e = assertThrows(PageserverException.class, action::run);
        assertEquals(code, e.code(), e.getMessage());
        return e;
    }

    @Test
    void roughStoresKeepWhatWasPut() {
        each(
                150,
                w -> {
                    Prng random = w.simulation().random("workload");
                    w.store().faults(StoreFaults.rough(random));
                    RemoteStore remote = w.remote(patient());
                    Disk disk = w.machine().disk();
                    TreeMap<String, byte[]> model = new TreeMap<>();
                    for (int i = 0; i < 20; i++) {
                        String key = "layers/" + i;
                        byte[] content = bytes(random.nextInt(50_000), i);
                        remote.create(key, Content.of(content));
                        model.put(key, content);
                        if (random.oneIn(4)) {
                            String gone = model.firstKey();
                            remote.delete(List.of(gone));
                            model.remove(gone);
                        }
                    }
                    for (var e : model.entrySet()) {
                        var stored = remote.download(e.getKey(), disk, "f");
                        try (Disk.Input in = disk.open("f")) {
                            byte[] b = new byte[(int) in.size()];
                            in.read(0, b, 0, b.length);
                            // An answer may be another object's as a whole: that is for us to see.
                            if (stored.crc32c() == Content.of(e.getValue()).crc32c()) {
                                assertArrayEquals(e.getValue(), b);
                            }
                        }
                        disk.delete("f");
                    }
                });
    }

    /** The index of a timeline: whatever comes late, the last acknowledged version stays. */
    @Test
    void replacementsThatComeLateDoNothing() {
        each(
                150,
                w -> {
                    Prng random = w.simulation().random("workload");
                    RemoteStore remote = w.remote(patient());
                    remote.create("index", Content.of(bytes(100, 0)));
                    String version = remote.head("index").version();
                    w.store().faults(StoreFaults.quiet().withLostReplies(2, 100 * SECOND));
                    for (int i = 1; i <= 10; i++) {
                        version = remote.replace("index", Content.of(bytes(100 + i, i)), version);
                        w.machine().tasks().sleep(random.nextLong(30 * SECOND));
                    }
                    w.store().faults(StoreFaults.quiet());
                    w.machine().tasks().sleep(101 * SECOND);
                    RemoteStore.Small last = remote.read("index", 1000);
                    assertArrayEquals(bytes(110, 10), last.bytes());
                    assertEquals(version, last.version());
                });
    }

    @Test
    void ofTwoClaimantsOneSucceedsWhateverGetsLost() {
        each(
                150,
                w -> {
                    w.store().faults(StoreFaults.quiet().withLostReplies(2, 20 * SECOND));
                    @Nullable ErrorCode[] fates = new ErrorCode[2];
                    List<Tasks.Task> tasks = new ArrayList<>();
                    for (int i = 0; i < 2; i++) {
                        int me = i;
                        tasks.add(
                                w.spawn(
                                        "claim " + i,
                                        () -> {
                                            try {
                                                w.remote(patient())
                                                        .create("claim", Content.of(bytes(16, me)));
                                            } catch (PageserverException e) {
                                                fates[me] = e.code();
                                            }
                                        }));
                    }
                    tasks.forEach(Tasks.Task::join);
                    int winner = fates[0] == null ? 0 : 1;
                    assertEquals(null, fates[winner]);
                    assertEquals(ErrorCode.CONFLICT, fates[1 - winner]);
                    w.machine().tasks().sleep(21 * SECOND);
                    w.store().faults(StoreFaults.quiet());
                    assertArrayEquals(
                            bytes(16, winner), w.remote(patient()).read("claim", 16).bytes());
                });
    }

    @Test
    void itGivesUpAndSaysAfterHowMany() {
        each(
                50,
                w -> {
                    RemoteLimits limits = new RemoteLimits(1, 0, 5, SECOND, 4 * SECOND, 1000, 0);
                    w.store().faults(StoreFaults.quiet().withUnavailable(1));
                    long start = w.machine().clock().monotonicNanos();
                    PageserverException e =
                            fails(ErrorCode.UNAVAILABLE, () -> w.remote(limits).head("k"));
                    assertTrue(String.valueOf(e.getMessage()).contains("after 5 attempts"));
                    long took = w.machine().clock().monotonicNanos() - start;
                    // At most 1 + 2 + 4 + 4 s of waiting.
                    assertTrue(took < 12 * SECOND, "took " + took);
                });
    }

    @Test
    void whatCannotHelpIsNotTriedAgain() {
        each(
                20,
                w -> {
                    RemoteStore remote = w.remote(patient());
                    long start = w.machine().clock().monotonicNanos();
                    fails(ErrorCode.NOT_FOUND, () -> remote.head("k"));
                    fails(ErrorCode.BAD_REQUEST, () -> remote.head("../k"));
                    remote.create("k", Content.of(bytes(10, 1)));
                    remote.create("k", Content.of(bytes(10, 1)));
                    fails(ErrorCode.CONFLICT, () -> remote.create("k", Content.of(bytes(10, 2))));
                    fails(ErrorCode.CORRUPTION, () -> remote.read("k", 9));
                    assertTrue(w.machine().clock().monotonicNanos() - start < 2 * SECOND);
                    w.store().rot("k", 3, 3);
                    fails(
                            ErrorCode.CORRUPTION,
                            () -> remote.download("k", w.machine().disk(), "f"));
                    assertFalse(w.machine().disk().exists("f"));
                });
    }

    @Test
    void aFullDiskEndsADownload() {
        each(
                20,
                w -> {
                    RemoteStore remote = w.remote(patient());
                    remote.create("k", Content.of(bytes(100_000, 1)));
                    w.machine().disk().plan(FaultPlan.quiet().withCapacity(50_000));
                    fails(ErrorCode.NO_SPACE, () -> remote.download("k", w.machine().disk(), "f"));
                    assertFalse(w.machine().disk().exists("f"));
                });
    }

    @Test
    void theBoundDoublesAndStops() {
        RemoteLimits limits = new RemoteLimits(1, 0, 9, 100, 1000, 1000, 0);
        List<Long> bounds = new ArrayList<>();
        for (int n = 1; n < 7; n++) {
            bounds.add(Retry.bound(n, ErrorCode.UNAVAILABLE, limits));
        }
        assertEquals(List.of(100L, 200L, 400L, 800L, 1000L, 1000L), bounds);
        assertEquals(800L, Retry.bound(1, ErrorCode.THROTTLED, limits));
    }

    @Test
    void noMoreAtOnceThanPermitted() {
        each(
                30,
                w -> {
                    RemoteStore remote = w.remote(new RemoteLimits(3, 0, 1, 1, 1, 1000, 0));
                    long start = w.machine().clock().monotonicNanos();
                    List<Tasks.Task> tasks = new ArrayList<>();
                    int[] seen = new int[2];
                    for (int i = 0; i < 12; i++) {
                        String key = "k" + i;
                        Content slow =
                                new io.palimpsest.port.ObjectStore.Part(
                                        1,
                                        Content.of(new byte[1]).crc32c(),
                                        (position, into, offset, length) -> {
                                            seen[0]++;
                                            seen[1] = Math.max(seen[1], seen[0]);
                                            w.machine().tasks().sleep(SECOND);
                                            seen[0]--;
                                        });
                        tasks.add(w.spawn(key, () -> remote.create(key, slow)));
                    }
                    tasks.forEach(Tasks.Task::join);
                    assertEquals(3, seen[1]);
                    assertTrue(w.machine().clock().monotonicNanos() - start >= 4 * SECOND);
                });
    }

    @Test
    void noMoreBytesThanPermitted() {
        each(
                30,
                w -> {
                    RemoteStore remote = w.remote(new RemoteLimits(8, 100_000, 1, 1, 1, 1000, 0));
                    long start = w.machine().clock().monotonicNanos();
                    List<Tasks.Task> tasks = new ArrayList<>();
                    for (int i = 0; i < 8; i++) {
                        String key = "k" + i;
                        tasks.add(
                                w.spawn(
                                        key,
                                        () -> {
                                            remote.create(key, Content.of(bytes(50_000, 1)));
                                            remote.read(key, 50_000);
                                        }));
                    }
                    tasks.forEach(Tasks.Task::join);
                    long took = w.machine().clock().monotonicNanos() - start;
                    // 800,000 bytes, and a second's worth saved up.
                    assertTrue(took >= 7 * SECOND && took < 10 * SECOND, "took " + took);
                });
    }

    @Test
    void aCancelledTaskWaitsNoLonger() {
        each(
                50,
                w -> {
                    w.store().faults(StoreFaults.quiet().withUnavailable(1));
                    RemoteStore remote = w.remote(patient());
                    List<Tasks.Task> tasks = new ArrayList<>();
                    for (int i = 0; i < 6; i++) {
                        tasks.add(w.spawn("head " + i, () -> remote.head("k")));
                    }
                    w.machine().tasks().sleep(60 * SECOND);
                    long start = w.machine().clock().monotonicNanos();
                    tasks.forEach(Tasks.Task::cancel);
                    tasks.forEach(Tasks.Task::join);
                    assertTrue(w.machine().clock().monotonicNanos() - start < SECOND);
                    w.store().faults(StoreFaults.quiet());
                    remote.create("k", Content.of(new byte[1]));
                });
    }
}
