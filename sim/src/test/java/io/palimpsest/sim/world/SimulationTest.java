package io.palimpsest.sim.world;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Check;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class SimulationTest {
    private static final long SECOND = 1_000_000_000;

    private static Scenario scenario(Consumer<Simulation> body) {
        return new Scenario() {
            @Override
            public String name() {
                return "test";
            }

            @Override
            public void run(Simulation s) {
                body.accept(s);
            }
        };
    }

    private static Outcome run(long seed, Consumer<Simulation> body) {
        return Simulation.run(scenario(body), seed);
    }

    private static Outcome.Failure failure(Outcome o) {
        assertNotNull(o.failure(), "expected a failure");
        return o.failure();
    }

    /** Tasks that run at once and note the order they come in. */
    private static String order(long seed) {
        StringBuilder order = new StringBuilder();
        run(
                        seed,
                        s -> {
                            Tasks tasks = s.node("n").tasks();
                            List<Tasks.Task> all = new ArrayList<>();
                            for (char c = 'a'; c < 'k'; c++) {
                                char me = c;
                                all.add(
                                        tasks.spawn(
                                                Lane.LATENCY,
                                                "t" + c,
                                                () -> {
                                                    for (int i = 0; i < 3; i++) {
                                                        order.append(me);
                                                        tasks.yieldPoint();
                                                    }
                                                }));
                            }
                            all.forEach(Tasks.Task::join);
                        })
                .check();
        return order.toString();
    }

    @Test
    void theSeedDecidesTheOrderOfTasks() {
        TreeSet<String> orders = new TreeSet<>();
        for (long seed = 0; seed < 20; seed++) {
            String order = order(seed);
            assertEquals(order, order(seed));
            orders.add(order);
        }
        assertEquals(20, orders.size());
    }

    @Test
    void anHourPassesInNoTime() {
        long start = System.nanoTime();
        Outcome o = run(1, s -> s.node("n").tasks().sleep(3600 * SECOND));
        o.check();
        assertTrue(o.nanos() >= 3600 * SECOND && o.nanos() < 3601 * SECOND);
        assertTrue(System.nanoTime() - start < 10 * SECOND);
        assertTrue(o.steps() < 10);
    }

    @Test
    void eventsFireByTimeThenInTheOrderTheyWereScheduled() {
        List<String> fired = new ArrayList<>();
        run(
                        1,
                        s -> {
                            s.after(3 * SECOND, () -> fired.add("c"));
                            s.after(SECOND, () -> fired.add("a1"));
                            s.after(2 * SECOND, () -> fired.add("b"));
                            s.after(SECOND, () -> fired.add("a2"));
                            s.node("n").tasks().sleep(10 * SECOND);
                        })
                .check();
        assertEquals(List.of("a1", "a2", "b", "c"), fired);
    }

    @Test
    void heapKeepsItsOrderUnderRemovals() {
        io.palimpsest.base.Prng random = new io.palimpsest.base.Prng(7);
        EventHeap heap = new EventHeap();
        List<Event> there = new ArrayList<>();
        for (int i = 0; i < 5000; i++) {
            if (there.isEmpty() || random.nextInt(3) != 0) {
                Event e =
                        new Event() {
                            @Override
                            void fire() {}
                        };
                heap.add(e, random.nextInt(100));
                there.add(e);
            } else if (random.nextBoolean()) {
                heap.remove(there.remove(random.nextInt(there.size())));
            } else {
                long least = there.stream().mapToLong(e -> e.time).min().orElseThrow();
                assertEquals(least, heap.firstTime());
                Event first = heap.removeFirst();
                assertTrue(there.remove(first));
                assertEquals(least, first.time);
            }
        }
        long last = 0;
        while (heap.firstTime() != Long.MAX_VALUE) {
            Event e = heap.removeFirst();
            assertTrue(e.time >= last);
            last = e.time;
            there.remove(e);
        }
        assertTrue(there.isEmpty());
    }

    @Test
    void aThrowableInAnyTaskFailsTheSimulationWithItsReplayCommand() {
        Outcome o =
                run(
                        77,
                        s -> {
                            s.node("server").note("about-to-fail", "now");
                            s.node("server")
                                    .tasks()
                                    .spawn(
                                            Lane.BACKGROUND,
                                            "flusher",
                                            () -> Check.that(false, "flush of nothing"));
                            s.node("driver").tasks().sleep(SECOND);
                        });
        Outcome.Failure f = failure(o);
        assertInstanceOf(Check.Failed.class, f.cause());
        String report = assertThrows(AssertionError.class, o::check).getMessage();
        assertTrue(report.contains("server/flusher threw"), report);
        assertTrue(report.contains("flush of nothing"), report);
        assertTrue(report.contains("about-to-fail: now"), report);
        assertTrue(report.endsWith("SEED=77"), report);
    }

    @Test
    void deadlockIsToldWithAllTasksAndWhereTheyWait() {
        Outcome o =
                run(
                        3,
                        s -> {
                            Tasks tasks = s.node("n").tasks();
                            Tasks.Monitor m = tasks.monitor("layer map");
                            Tasks.Task t =
                                    tasks.spawn(Lane.LATENCY, "reader", SimulationTest.waitOn(m));
                            t.join();
                        });
        Outcome.Failure f = failure(o);
        assertTrue(f.what().startsWith("deadlock"), f.what());
        assertEquals(2, f.tasks().size(), f.tasks().toString());
        assertTrue(
                f.tasks().get(0).startsWith("driver/scenario waits for end of reader"),
                f.tasks().toString());
        assertTrue(
                f.tasks().get(1).startsWith("n/reader waits for signal of layer map"),
                f.tasks().toString());
        assertTrue(f.tasks().get(1).contains("at SimulationTest."), f.tasks().toString());
    }

    private static Runnable waitOn(Tasks.Monitor m) {
        return () -> {
            m.lock();
            while (true) {
                m.await();
            }
        };
    }

    @Test
    void blockingOutsideThePortsIsFound() {
        CountDownLatch never = new CountDownLatch(1);
        Outcome o =
                Simulation.run(
                        scenario(s ->
                                s.node("n")
                                        .tasks()
                                        .spawn(
                                                Lane.LATENCY,
                                                "stray",
                                                () -> {
                                                    try {
                                                        never.await();
                                                    } catch (InterruptedException e) {
                                                        throw new AssertionError(e);
                                                    }
                                                })
                                        .join()),
                        1,
                        200);
        Outcome.Failure f = failure(o);
        assertTrue(f.what().contains("blocked outside the ports: n/stray"), f.what());
        assertTrue(
                f.tasks().stream().anyMatch(line -> line.contains("CountDownLatch.await")),
                f.tasks().toString());
    }

    @Test
    void killedTasksNeverRunAgainNotEvenTheirFinally() {
        List<String> after = new ArrayList<>();
        run(
                        5,
                        s -> {
                            Node n = s.node("n");
                            Tasks.Task t =
                                    n.tasks()
                                            .spawn(
                                                    Lane.LATENCY,
                                                    "victim",
                                                    () -> {
                                                        try {
                                                            n.tasks().sleep(10 * SECOND);
                                                            after.add("went on");
                                                        } finally {
                                                            after.add("finally");
                                                        }
                                                    });
                            n.tasks()
                                    .spawn(
                                            Lane.LATENCY,
                                            "kills its own node",
                                            () -> {
                                                n.tasks().sleep(SECOND);
                                                s.kill(n);
                                                after.add("survived");
                                            });
                            t.join();
                            assertTrue(((SimTask) t).isKilled());
                            assertEquals(1, n.incarnation());
                            assertEquals(0, n.liveTasks());
                            s.node("driver").tasks().sleep(100 * SECOND);
                            // The node starts again.
                            n.tasks()
                                    .spawn(Lane.LATENCY, "reborn", () -> after.add("reborn"))
                                    .join();
                        })
                .check();
        assertEquals(List.of("reborn"), after);
    }

    @Test
    void eventsOfADeadIncarnationDoNotFire() {
        List<String> fired = new ArrayList<>();
        run(
                        5,
                        s -> {
                            Node n = s.node("n");
                            s.after(SECOND, n, () -> fired.add("of the dead"));
                            s.kill(n);
                            s.after(SECOND, n, () -> fired.add("of the living"));
                            s.node("driver").tasks().sleep(5 * SECOND);
                        })
                .check();
        assertEquals(List.of("of the living"), fired);
    }

    @Test
    void monitorsAreNotSharedBetweenNodes() {
        Outcome o =
                run(
                        1,
                        s -> {
                            Tasks.Monitor m = s.node("a").tasks().monitor("m");
                            m.lock();
                        });
        assertTrue(failure(o).what().contains("of another node"), failure(o).what());
    }

    @Test
    void portsAreNotForOtherThreads() throws InterruptedException {
        List<Throwable> thrown = new ArrayList<>();
        run(
                        1,
                        s -> {
                            Thread stranger =
                                    new Thread(() -> {
                                        try {
                                            s.node("driver").tasks().sleep(1);
                                        } catch (Throwable e) {
                                            thrown.add(e);
                                        }
                                    });
                            stranger.start();
                            try {
                                stranger.join();
                            } catch (InterruptedException e) {
                                throw new AssertionError(e);
                            }
                        })
                .check();
        assertInstanceOf(IllegalStateException.class, thrown.getFirst());
    }

    @Test
    void leavingWithAMonitorHeldIsAFailure() {
        Outcome o = run(1, s -> s.node("driver").tasks().monitor("m").lock());
        assertTrue(failure(o).what().contains("ended with a monitor held"), failure(o).what());
    }

    @Test
    void wallClockMayJumpAndMonotonicClockDoesNotCare() {
        run(
                        9,
                        s -> {
                            Node n = s.node("n");
                            long mono = n.clock().monotonicNanos();
                            long wall = n.clock().wallMillis();
                            n.shiftWall(-86_400_000);
                            assertEquals(wall - 86_400_000, n.clock().wallMillis());
                            assertEquals(mono, n.clock().monotonicNanos());
                        })
                .check();
    }

    @Test
    void concernsHaveStreamsOfTheirOwn() {
        run(
                        9,
                        s -> {
                            long a = s.random("a").nextLong();
                            s.random("b").nextLong();
                            assertEquals(a, s.random("a").nextLong());
                            assertFalse(a == s.random("b").nextLong());
                        })
                .check();
    }

    @Test
    void someWaitsEndForNoReason() {
        int[] wakes = new int[1];
        for (long seed = 0; seed < 20; seed++) {
            run(
                            seed,
                            s -> {
                                Tasks tasks = s.node("driver").tasks();
                                Tasks.Monitor m = tasks.monitor("m");
                                m.lock();
                                for (int i = 0; i < 50; i++) {
                                    if (m.await(SECOND)) {
                                        wakes[0]++;
                                    }
                                }
                                m.unlock();
                            })
                    .check();
        }
        assertTrue(wakes[0] > 5 && wakes[0] < 200, "wakes: " + wakes[0]);
    }

    @Test
    void outcomeWithoutFailureChecks() {
        Outcome o = run(4, s -> {});
        o.check();
        assertNull(o.failure());
        assertEquals("seed 4: no failure", o.report());
    }
}
