package io.palimpsest.remote;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.sim.fault.StoreFaults;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** An object that is read in parts, by many at once, from a store as stores are. */
class RemoteObjectTest {
    private static final long SECOND = 1_000_000_000L;
    private static final String KEY = "layers/one";
    private static final int PART = 1000;

    /** What a run of a test has. */
    private static final class World {
        final Machine machine;
        final SimObjectStore store;
        final Prng random;
        final byte[] content;
        int requests;

        World(Machine machine, SimObjectStore store, Prng random, int size) {
            this.machine = machine;
            this.store = store;
            this.random = random;
            this.content = new byte[size];
            random.nextBytes(content, 0, size);
        }

        RemoteObject object(RemoteLimits limits) {
            RemoteStore remote =
                    new RemoteStore(
                            store,
                            machine.clock(),
                            machine.tasks(),
                            machine.ids(),
                            machine.tracer(),
                            limits);
            return new RemoteObject(
                    remote,
                    machine.tasks(),
                    KEY,
                    content.length,
                    () -> requests++,
                    () -> PageserverException.of(ErrorCode.CONFLICT, "it was removed"));
        }

        void put() {
            store.put(KEY, Content.of(content), Condition.ALWAYS);
        }
    }

    private interface Body {
        void run(World w);
    }

    private static void each(int seeds, int size, Body body) {
        MachineWithStore.each(
                "remote object",
                seeds,
                (s, m, store) -> {
                    World w = new World(m, store, s.random("test"), size);
                    w.put();
                    body.run(w);
                });
    }

    private static RemoteLimits limits(int attempts) {
        return new RemoteLimits(4, 0, attempts, SECOND / 10, 10 * SECOND, PART, 0);
    }

    private static void read(World w, RemoteObject object, int position, int length) {
        byte[] found = new byte[length + 2];
        object.read(position, found, 1, length);
        assertArrayEquals(
                Arrays.copyOfRange(w.content, position, position + length),
                Arrays.copyOfRange(found, 1, 1 + length));
        assertEquals(0, found[0]);
        assertEquals(0, found[length + 1]);
    }

    @Test
    void whatLiesTogetherComesWithOneRequest() {
        each(
                1,
                50_000,
                w -> {
                    RemoteObject object = w.object(limits(1));
                    byte[] b = new byte[10];
                    assertFalse(object.tryRead(100, b, 0, 10));
                    for (int at = 100; at < 100 + PART; at += 100) {
                        read(w, object, at, 100);
                    }
                    assertEquals(1, w.requests);
                    assertTrue(object.tryRead(1090, b, 0, 10));
                    assertArrayEquals(Arrays.copyOfRange(w.content, 1090, 1100), b);
                    assertFalse(object.tryRead(1091, b, 0, 10));
                    read(w, object, 50_000 - 16, 16);
                    read(w, object, 50_000 - PART, PART);
                    assertEquals(2, w.requests, "at the end it is what lies before it");
                    read(w, object, 20_000, 5 * PART);
                    assertEquals(3, w.requests, "more than a part is asked for at once");
                });
    }

    @Test
    void anyReadsByManyTasksFindWhatIsThere() {
        each(
                60,
                20_000,
                w -> {
                    StoreFaults faults = StoreFaults.rough(w.random);
                    w.store.faults(faults.withDamage(0, 0, 0));
                    RemoteObject object = w.object(limits(1000));
                    List<Tasks.Task> tasks = new ArrayList<>();
                    for (int t = 0; t < 4; t++) {
                        Prng random = w.random.split("reader " + t);
                        tasks.add(
                                w.machine
                                        .tasks()
                                        .spawn(
                                                Tasks.Lane.LATENCY,
                                                "reader",
                                                () -> {
                                                    for (int i = 0; i < 30; i++) {
                                                        int length = random.nextInt(2 * PART);
                                                        int at = random.nextInt(20_000 - length);
                                                        read(w, object, at, length);
                                                    }
                                                }));
                    }
                    tasks.forEach(Tasks.Task::join);
                    w.store.faults(StoreFaults.quiet());
                });
    }

    @Test
    void severalWhoNeedTheSamePartAskOnce() {
        each(
                10,
                20_000,
                w -> {
                    RemoteObject object = w.object(limits(1));
                    List<Tasks.Task> tasks = new ArrayList<>();
                    for (int t = 0; t < 5; t++) {
                        tasks.add(
                                w.machine
                                        .tasks()
                                        .spawn(
                                                Tasks.Lane.LATENCY,
                                                "reader",
                                                () -> read(w, object, 3000, 500)));
                    }
                    tasks.forEach(Tasks.Task::join);
                    assertEquals(1, w.requests);
                });
    }

    @Test
    void anOutageIsWaitedForAndThenAnHonestError() {
        each(
                10,
                20_000,
                w -> {
                    RemoteObject object = w.object(limits(5));
                    read(w, object, 0, 100);
                    w.store.outage(SECOND / 20);
                    read(w, object, 5000, 100);
                    w.store.outage(1000 * SECOND);
                    List<Tasks.Task> tasks = new ArrayList<>();
                    int[] failed = {0};
                    for (int t = 0; t < 3; t++) {
                        tasks.add(
                                w.machine
                                        .tasks()
                                        .spawn(
                                                Tasks.Lane.LATENCY,
                                                "reader",
                                                () -> {
                                                    PageserverException e =
                                                            assertThrows(
                                                                    PageserverException.class,
                                                                    () ->
                                                                            read(
                                                                                    w, object, 9000,
                                                                                    100));
                                                    assertEquals(ErrorCode.UNAVAILABLE, e.code());
                                                    assertTrue(
                                                            String.valueOf(e.getMessage())
                                                                    .contains(KEY));
                                                    failed[0]++;
                                                }));
                    }
                    tasks.forEach(Tasks.Task::join);
                    assertEquals(3, failed[0], "who waited for another's request does not hang");
                    read(w, object, 5050, 100);
                    w.store.outage(0);
                    read(w, object, 9000, 100);
                });
    }

    @Test
    void anObjectThatIsGoneIsWhatItsReaderSays() {
        each(
                1,
                20_000,
                w -> {
                    RemoteObject object = w.object(limits(3));
                    w.store.delete(List.of(KEY));
                    PageserverException e =
                            assertThrows(PageserverException.class, () -> read(w, object, 4000, 1));
                    assertEquals(ErrorCode.CONFLICT, e.code());
                    assertEquals(
                            ErrorCode.IO,
                            assertThrows(
                                            PageserverException.class,
                                            () -> object.read(19_999, new byte[2], 0, 2))
                                    .code());
                });
    }
}
