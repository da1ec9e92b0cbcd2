package io.palimpsest.sim.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectStore.Stored;
import io.palimpsest.sim.world.Node;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** That each fault of the model does happen, and only where it may. */
class SimObjectStoreTest {
    private static final long SECOND = 1_000_000_000L;
    private static final int SEEDS = 200;

    private interface Body {
        void run(Simulation s, SimObjectStore store);
    }

    private static void each(StoreFaults faults, Body body) {
        for (long seed = 0; seed < SEEDS; seed++) {
            Scenario scenario =
                    new Scenario() {
                        @Override
                        public String name() {
                            return "object store";
                        }

                        @Override
                        public void run(Simulation s) {
                            body.run(s, new SimObjectStore(s, faults));
                        }
                    };
            Simulation.run(scenario, seed).check();
        }
    }

    private static Content content(int length, int value) {
        byte[] b = new byte[length];
        Arrays.fill(b, (byte) value);
        return Content.of(b);
    }

    private static void put(ObjectStore store, String key, int length, int value) {
        store.put(key, content(length, value), Condition.ALWAYS);
    }

    private static String fate(Runnable action) {
        try {
            action.run();
            return "fine";
        } catch (PageserverException e) {
            return e.code().toString();
        }
    }

    private static void assertAll(List<String> expected, TreeMap<String, Integer> fates) {
        assertEquals(expected, List.copyOf(fates.keySet()));
        fates.forEach((fate, n) -> assertTrue(n >= 5, fate + ": " + n));
    }

    @Test
    void anOutageBeginsAndEnds() {
        each(
                StoreFaults.quiet(),
                (s, store) -> {
                    put(store, "k", 1, 1);
                    store.outage(10 * SECOND);
                    assertEquals("UNAVAILABLE", fate(() -> store.head("k")));
                    assertEquals("UNAVAILABLE", fate(() -> put(store, "l", 1, 1)));
                    s.busy("the outage", 10 * SECOND);
                    assertEquals(1, store.head("k").length());
                    assertEquals(List.of("k"), store.keys());
                });
    }

    @Test
    void damageIsThereUntilItIsRepairedOrPutOver() {
        for (Damage kind : Damage.values()) {
            TreeMap<String, Integer> fates = new TreeMap<>();
            each(
                    StoreFaults.quiet(),
                    (s, store) -> {
                        put(store, "k", 5, 1);
                        put(store, "l", 6, 2);
                        store.damage("k", kind);
                        assertEquals(List.of("k"), store.damaged());
                        fates.merge(
                                fate(() -> assertNotEquals("0101010101", text(store))),
                                1,
                                Integer::sum);
                        boolean over = s.random("test").nextBoolean();
                        if (over) {
                            put(store, "k", 5, 1);
                        }
                        store.repair("k");
                        assertEquals("0101010101", text(store));
                        assertEquals(List.of(), store.damaged());
                    });
            String fate =
                    switch (kind) {
                        case ROTTEN -> "CORRUPTION";
                        case VANISHED -> "NOT_FOUND";
                        case FALSIFIED, TRUNCATED, SWAPPED -> "fine";
                    };
            assertEquals(List.of(fate), List.copyOf(fates.keySet()), kind.toString());
        }
    }

    private static String text(ObjectStore store) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        Stored _ = store.get("k", bytes::write);
        return HexFormat.of().formatHex(bytes.toByteArray());
    }

    @Test
    void refusedRequestsDoNothing() {
        TreeMap<String, Integer> fates = new TreeMap<>();
        each(
                StoreFaults.quiet().withThrottles(4).withUnavailable(4),
                (s, store) -> {
                    String fate = fate(() -> put(store, "k", 1, 1));
                    fates.merge(fate, 1, Integer::sum);
                    assertEquals(fate.equals("fine") ? List.of("k") : List.of(), store.keys());
                });
        assertAll(List.of("THROTTLED", "UNAVAILABLE", "fine"), fates);
    }

    @Test
    void aPutWithoutAnswerWasDoneOrNotOrComesLate() {
        TreeMap<String, Integer> fates = new TreeMap<>();
        each(
                StoreFaults.quiet(),
                (s, store) -> {
                    put(store, "k", 1, 1);
                    store.faults(StoreFaults.quiet().withLostReplies(1, 100 * SECOND));
                    assertEquals("UNAVAILABLE", fate(() -> put(store, "k", 2, 2)));
                    store.faults(StoreFaults.quiet());
                    boolean now = store.head("k").length() == 2;
                    put(store, "k", 3, 3);
                    s.busy("late puts", 101 * SECOND);
                    boolean late = store.head("k").length() == 2;
                    fates.merge(now ? "done" : late ? "late" : "not done", 1, Integer::sum);
                });
        assertAll(List.of("done", "late", "not done"), fates);
    }

    @Test
    void aConditionIsLookedAtWhenTheLatePutIsDone() {
        each(
                StoreFaults.quiet(),
                (s, store) -> {
                    put(store, "k", 1, 1);
                    Condition first = new Condition.Version(store.head("k").version());
                    store.faults(StoreFaults.quiet().withLostReplies(1, 100 * SECOND));
                    assertEquals("UNAVAILABLE", fate(() -> store.put("k", content(2, 2), first)));
                    store.faults(StoreFaults.quiet());
                    put(store, "k", 3, 3);
                    s.busy("late puts", 101 * SECOND);
                    assertEquals(3, store.head("k").length());
                });
    }

    @Test
    void aLateDeleteOutlivesWhoAskedForIt() {
        TreeMap<String, Integer> fates = new TreeMap<>();
        each(
                StoreFaults.quiet(),
                (s, store) -> {
                    put(store, "k", 1, 1);
                    store.faults(StoreFaults.quiet().withLostReplies(1, 100 * SECOND));
                    Node node = s.node("server");
                    node.tasks()
                            .spawn(
                                    io.palimpsest.port.Tasks.Lane.LATENCY,
                                    "delete",
                                    () -> fate(() -> store.delete(List.of("k"))))
                            .join();
                    s.kill(node);
                    boolean gone = store.keys().isEmpty();
                    s.busy("late deletes", 101 * SECOND);
                    boolean later = store.keys().isEmpty();
                    fates.merge(gone ? "done" : later ? "late" : "not done", 1, Integer::sum);
                });
        assertAll(List.of("done", "late", "not done"), fates);
    }

    @Test
    void aStaleListIsOneThatOnceWasTrue() {
        TreeMap<String, Integer> seen = new TreeMap<>();
        each(
                StoreFaults.quiet().withStaleLists(2, SECOND),
                (s, store) -> {
                    put(store, "a", 1, 1);
                    put(store, "b", 1, 1);
                    store.delete(List.of("a"));
                    put(store, "a", 2, 2);
                    StringBuilder keys = new StringBuilder();
                    String page = null;
                    do {
                        var listing = store.list("", true, 10, page);
                        listing.objects().forEach(o -> keys.append(o.key()).append(o.length()));
                        page = listing.next();
                    } while (page != null && keys.length() < 4);
                    seen.merge(keys.toString(), 1, Integer::sum);
                    assertEquals(2, store.head("a").length());
                    s.busy("a while", 3 * SECOND);
                    put(store, "z", 1, 1);
                });
        assertTrue(seen.containsKey("a2b1"), seen.toString());
        assertTrue(seen.containsKey("b1"), seen.toString());
        assertTrue(seen.size() >= 4, seen.toString());
    }

    @Test
    void bitsThatRotStaySo() {
        each(
                StoreFaults.quiet(),
                (s, store) -> {
                    put(store, "k", 1000, 1);
                    store.faults(StoreFaults.quiet().withDamage(1, 0, 0));
                    assertEquals("CORRUPTION", fate(() -> store.get("k", (b, o, l) -> {})));
                    store.faults(StoreFaults.quiet());
                    assertEquals("CORRUPTION", fate(() -> store.get("k", (b, o, l) -> {})));
                    store.copy("k", "l");
                    assertEquals("CORRUPTION", fate(() -> store.get("l", (b, o, l) -> {})));
                    byte[] part = new byte[1000];
                    store.get("k", 0, part, 0, 1000);
                    assertNotEquals(content(1000, 1).crc32c(), Content.of(part).crc32c());
                    store.showRot(false);
                    assertEquals("fine", fate(() -> store.get("k", (b, o, l) -> {})));
                });
    }

    @Test
    void anAnswerBreaksOffOrIsAnothers() {
        TreeMap<String, Integer> fates = new TreeMap<>();
        each(
                StoreFaults.quiet(),
                (s, store) -> {
                    put(store, "k", 1000, 1);
                    put(store, "l", 500, 2);
                    store.faults(StoreFaults.quiet().withDamage(0, 3, 3));
                    ByteArrayOutputStream got = new ByteArrayOutputStream();
                    String fate =
                            fate(() -> {
                                Stored stored = store.get("k", got::write);
                                // What the store says it is, it is: but is it what was asked for?
                                assertEquals(stored.length(), got.size());
                                assertEquals(
                                        stored.crc32c(), Content.of(got.toByteArray()).crc32c());
                            });
                    if (fate.equals("fine") && got.size() == 500) {
                        fate = "all of another";
                    }
                    fates.merge(fate, 1, Integer::sum);
                    store.faults(StoreFaults.quiet());
                    assertEquals(1000, store.get("k", (b, o, l) -> {}).length());
                });
        assertAll(
                List.of(
                        ErrorCode.CORRUPTION.toString(),
                        ErrorCode.UNAVAILABLE.toString(),
                        "all of another",
                        "fine"),
                fates);
    }
}
