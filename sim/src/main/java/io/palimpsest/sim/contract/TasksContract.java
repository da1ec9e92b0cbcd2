package io.palimpsest.sim.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Check;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;

/** What tasks and monitors do in every world. */
public abstract class TasksContract {
    private static final long MILLIS = 1_000_000;
    private static final long SECONDS = 1_000_000_000;

    /** Runs the body as a LATENCY task; a failure in any task of it is the test's. */
    protected abstract void inWorld(BiConsumer<Tasks, Clock> body);

    /** What the tasks of a test share: fields guarded by one monitor. */
    private static final class Shared {
        final Tasks.Monitor monitor;
        int value;
        boolean flag;

        Shared(Tasks tasks) {
            monitor = tasks.monitor("shared");
        }

        void add(int n) {
            monitor.lock();
            try {
                value += n;
                monitor.signalAll();
            } finally {
                monitor.unlock();
            }
        }

        int value() {
            monitor.lock();
            try {
                return value;
            } finally {
                monitor.unlock();
            }
        }

        void awaitValue(int n) {
            monitor.lock();
            try {
                while (value < n) {
                    monitor.await();
                }
            } finally {
                monitor.unlock();
            }
        }
    }

    @Test
    void joinWaitsForTheEndAndSeesWhatWasDone() {
        inWorld((tasks, clock) -> {
            int[] result = new int[1];
            Tasks.Task t =
                    tasks.spawn(
                            Lane.LATENCY,
                            "worker",
                            () -> {
                                tasks.sleep(5 * MILLIS);
                                result[0] = 42;
                            });
            assertEquals("worker", t.name());
            assertFalse(t.isDone());
            t.join();
            assertTrue(t.isDone());
            assertEquals(42, result[0]);
            t.join();
        });
    }

    @Test
    void monitorExcludes() {
        inWorld((tasks, clock) -> {
            Shared s = new Shared(tasks);
            List<Tasks.Task> all = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                Lane lane = i % 2 == 0 ? Lane.LATENCY : Lane.BACKGROUND;
                all.add(
                        tasks.spawn(
                                lane,
                                "adder" + i,
                                () -> {
                                    for (int k = 0; k < 100; k++) {
                                        s.monitor.lock();
                                        assertFalse(s.flag, "two in the monitor");
                                        s.flag = true;
                                        s.value++;
                                        s.flag = false;
                                        s.monitor.unlock();
                                        tasks.yieldPoint();
                                    }
                                }));
            }
            all.forEach(Tasks.Task::join);
            assertEquals(800, s.value());
        });
    }

    @Test
    void signalWakesAllWhoWait() {
        inWorld((tasks, clock) -> {
            Shared s = new Shared(tasks);
            List<Tasks.Task> all = new ArrayList<>();
            for (int i = 0; i < 10; i++) {
                Lane lane = i % 2 == 0 ? Lane.LATENCY : Lane.BACKGROUND;
                all.add(tasks.spawn(lane, "waiter" + i, () -> s.awaitValue(1)));
            }
            tasks.sleep(5 * MILLIS);
            s.add(1);
            all.forEach(Tasks.Task::join);
        });
    }

    @Test
    void pingPong() {
        inWorld((tasks, clock) -> {
            Shared s = new Shared(tasks);
            Tasks.Task other = tasks.spawn(Lane.LATENCY, "odd", () -> play(s, 1));
            play(s, 0);
            other.join();
            assertEquals(200, s.value());
        });
    }

    private static void play(Shared s, int parity) {
        for (int i = 0; i < 100; i++) {
            s.monitor.lock();
            while (s.value % 2 != parity) {
                s.monitor.await();
            }
            s.value++;
            s.monitor.signalAll();
            s.monitor.unlock();
        }
    }

    @Test
    void timedAwaitEndsInTime() {
        inWorld((tasks, clock) -> {
            Shared s = new Shared(tasks);
            long start = clock.monotonicNanos();
            s.monitor.lock();
            // True may also be a wake for no reason: only false says that time passed.
            while (s.monitor.await(start + 20 * MILLIS - clock.monotonicNanos())) {
                assertTrue(clock.monotonicNanos() - start < 20 * MILLIS);
            }
            s.monitor.unlock();
            long passed = clock.monotonicNanos() - start;
            assertTrue(passed >= 20 * MILLIS, "after " + passed);
            assertTrue(passed < 20 * SECONDS, "after " + passed);
        });
    }

    @Test
    void timedAwaitOfNothingSaysThatTimePassed() {
        inWorld((tasks, clock) -> {
            Shared s = new Shared(tasks);
            s.monitor.lock();
            assertFalse(s.monitor.await(0));
            assertFalse(s.monitor.await(-5));
            s.monitor.unlock();
        });
    }

    @Test
    void timedAwaitIsEndedByASignal() {
        inWorld((tasks, clock) -> {
            Shared s = new Shared(tasks);
            Tasks.Task signaller =
                    tasks.spawn(
                            Lane.LATENCY,
                            "signaller",
                            () -> {
                                tasks.sleep(5 * MILLIS);
                                s.add(1);
                            });
            s.monitor.lock();
            while (s.value == 0) {
                assertTrue(s.monitor.await(100 * SECONDS), "signal was lost");
            }
            s.monitor.unlock();
            signaller.join();
        });
    }

    @Test
    void cancelEndsAwait() {
        inWorld((tasks, clock) -> {
            Shared s = new Shared(tasks);
            Tasks.Task t =
                    tasks.spawn(
                            Lane.LATENCY,
                            "waiter",
                            () -> {
                                s.monitor.lock();
                                try {
                                    while (true) {
                                        s.monitor.await();
                                    }
                                } finally {
                                    // The lock is held again, as always.
                                    s.value = 7;
                                    s.monitor.unlock();
                                }
                            });
            tasks.sleep(5 * MILLIS);
            assertFalse(t.isDone());
            t.cancel();
            t.join();
            assertEquals(7, s.value());
        });
    }

    @Test
    void cancelEndsSleepOfABackgroundTask() {
        inWorld((tasks, clock) -> {
            long start = clock.monotonicNanos();
            Tasks.Task t =
                    tasks.spawn(Lane.BACKGROUND, "sleeper", () -> tasks.sleep(1000 * SECONDS));
            tasks.sleep(MILLIS);
            t.cancel();
            t.join();
            assertTrue(clock.monotonicNanos() - start < 100 * SECONDS);
        });
    }

    @Test
    void cancelHitsTheNextWaitAndAllLaterOnes() {
        inWorld((tasks, clock) -> {
            Shared s = new Shared(tasks);
            Tasks.Task[] self = new Tasks.Task[1];
            s.monitor.lock();
            self[0] =
                    tasks.spawn(
                            Lane.LATENCY,
                            "cancels itself",
                            () -> {
                                s.monitor.lock();
                                Tasks.Task me = self[0];
                                s.monitor.unlock();
                                me.cancel();
                                // Locking and joining are not waits that end.
                                s.add(1);
                                tasks.spawn(Lane.LATENCY, "child", () -> {}).join();
                                assertThrows(Tasks.Cancelled.class, () -> tasks.sleep(MILLIS));
                                s.monitor.lock();
                                assertThrows(Tasks.Cancelled.class, s.monitor::await);
                                assertThrows(Tasks.Cancelled.class, () -> s.monitor.await(5));
                                s.value += 10;
                                s.monitor.unlock();
                                tasks.sleep(0);
                                s.add(100);
                            });
            s.monitor.unlock();
            self[0].join();
            assertEquals(11, s.value());
        });
    }

    @Test
    void waitingBackgroundTasksDoNotKeepOthersFromRunning() {
        inWorld((tasks, clock) -> {
            Shared s = new Shared(tasks);
            List<Tasks.Task> all = new ArrayList<>();
            for (int i = 0; i < 50; i++) {
                all.add(tasks.spawn(Lane.BACKGROUND, "waiter" + i, () -> s.awaitValue(1)));
            }
            Tasks.Task sleeper =
                    tasks.spawn(Lane.BACKGROUND, "sleeper", () -> tasks.sleep(10 * MILLIS));
            all.add(
                    tasks.spawn(
                            Lane.BACKGROUND,
                            "joins, then wakes all",
                            () -> {
                                sleeper.join();
                                s.add(1);
                            }));
            all.forEach(Tasks.Task::join);
        });
    }

    @Test
    void wrongUseOfMonitorsIsFound() {
        inWorld((tasks, clock) -> {
            Tasks.Monitor m = tasks.monitor("m");
            assertThrows(Check.Failed.class, m::unlock);
            assertThrows(Check.Failed.class, m::signalAll);
            assertThrows(Check.Failed.class, m::await);
            m.lock();
            assertThrows(Check.Failed.class, m::lock);
            m.unlock();
        });
    }
}
