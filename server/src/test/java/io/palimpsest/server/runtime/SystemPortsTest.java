package io.palimpsest.server.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.palimpsest.port.Clock;
import io.palimpsest.port.Event;
import io.palimpsest.port.Net;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tracer;
import io.palimpsest.sim.contract.ClockContract;
import io.palimpsest.sim.contract.NetContract;
import io.palimpsest.sim.contract.TasksContract;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** The real ports do what the contracts say. */
class SystemPortsTest {
    private static final Tracer SILENT = (event, subject, detail) -> {};

    private static void inWorld(Consumer<Tasks> body) {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        SystemTasks tasks = new SystemTasks(1, SILENT, (task, e) -> failure.compareAndSet(null, e));
        tasks.spawn(Tasks.Lane.LATENCY, "body", () -> body.accept(tasks)).join();
        if (failure.get() != null) {
            throw new AssertionError(failure.get());
        }
    }

    @Nested
    class RealTasks extends TasksContract {
        @Override
        protected void inWorld(BiConsumer<Tasks, Clock> body) {
            SystemPortsTest.inWorld(tasks -> body.accept(tasks, new SystemClock()));
        }
    }

    @Nested
    class RealClock extends ClockContract {
        @Override
        protected void inWorld(BiConsumer<Clock, Tasks> body) {
            SystemPortsTest.inWorld(tasks -> body.accept(new SystemClock(), tasks));
        }
    }

    @Nested
    class RealNet extends NetContract {
        @Override
        protected void inWorld(Consumer<World> body) {
            try (ServerSocket server = listen()) {
                int deadPort;
                try (ServerSocket dead = listen()) {
                    deadPort = dead.getLocalPort();
                }
                SystemPortsTest.inWorld(
                        tasks -> body.accept(new RealWorld(tasks, server, deadPort)));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private static ServerSocket listen() throws IOException {
        return new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    }

    private record RealWorld(Tasks tasks, ServerSocket server, int deadPort)
            implements NetContract.World {
        @Override
        public Clock clock() {
            return new SystemClock();
        }

        @Override
        public Net net() {
            return new SocketNet();
        }

        @Override
        public String host() {
            return "127.0.0.1";
        }

        @Override
        public int port() {
            return server.getLocalPort();
        }

        @Override
        public Net.Connection accept() {
            try {
                return SocketNet.over(server.accept(), "client");
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    @Test
    void aFailedTaskIsTracedAndReported() {
        AtomicReference<String> traced = new AtomicReference<>();
        AtomicReference<Throwable> reported = new AtomicReference<>();
        SystemTasks tasks =
                new SystemTasks(
                        1,
                        (event, subject, detail) ->
                                traced.set(event.level() + " " + event.word() + " " + detail),
                        (task, e) -> reported.set(e));
        IllegalStateException failure = new IllegalStateException("why");
        tasks.spawn(
                        Tasks.Lane.BACKGROUND,
                        "flush",
                        () -> {
                            throw failure;
                        })
                .join();
        assertEquals(failure, reported.get());
        assertEquals("ERROR task-failed flush: " + failure, traced.get());
        // The slot was given back.
        tasks.spawn(Tasks.Lane.BACKGROUND, "next", () -> {}).join();
    }

    @Test
    void cancellingDoesNotDisturbWhatIsNotAWait() {
        AtomicReference<Throwable> reported = new AtomicReference<>();
        SystemTasks tasks = new SystemTasks(1, SILENT, (task, e) -> reported.set(e));
        AtomicReference<Tasks.Task> self = new AtomicReference<>();
        Tasks.Monitor started = tasks.monitor("started");
        boolean[] interrupted = {true};
        started.lock();
        self.set(
                tasks.spawn(
                        Tasks.Lane.LATENCY,
                        "cancelled at work",
                        () -> {
                            started.lock();
                            started.unlock();
                            self.get().cancel();
                            interrupted[0] = Thread.currentThread().isInterrupted();
                        }));
        started.unlock();
        self.get().join();
        assertEquals(false, interrupted[0]);
        assertNull(reported.get());
    }

    @Test
    void idsDiffer() {
        SecureIds ids = new SecureIds();
        assertNotEquals(ids.nextLong(), ids.nextLong());
    }

    @Test
    void logTracerTakesEveryLevel() {
        LogTracer tracer = new LogTracer("test");
        for (Event event : Event.values()) {
            tracer.event(event, "detail {}");
        }
    }
}
