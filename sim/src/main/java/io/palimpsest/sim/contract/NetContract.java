package io.palimpsest.sim.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Net;
import io.palimpsest.port.Tasks;
import java.util.Arrays;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** What every network does. */
public abstract class NetContract {
    private static final long MILLIS = 1_000_000;
    private static final long SECONDS = 1_000_000_000;

    /** A world with a client's network and somebody who listens. */
    public interface World {
        Tasks tasks();

        Clock clock();

        Net net();

        String host();

        /** A port that {@link #accept} takes from. */
        int port();

        /** A port that nobody listens at. */
        int deadPort();

        /** Waits for the next connection, as the other side has it. */
        Net.Connection accept();
    }

    /** Runs the body as a task. */
    protected abstract void inWorld(Consumer<World> body);

    private static Net.Connection connect(World w) {
        return w.net().connect(w.host(), w.port(), 10 * SECONDS);
    }

    private static byte[] content(int length) {
        byte[] b = new byte[length];
        new Prng(length).nextBytes(b, 0, length);
        return b;
    }

    /** Reads until the end of the stream or {@code max} bytes. */
    private static byte[] read(Net.Connection c, int max) {
        byte[] b = new byte[max];
        int at = 0;
        while (at < max) {
            int n = c.read(b, at, max - at, 10 * SECONDS);
            assertTrue(n != 0, "nothing came for 10 s, after " + at + " bytes");
            if (n < 0) {
                break;
            }
            at += n;
        }
        return Arrays.copyOf(b, at);
    }

    private static void assertIo(String named, Runnable action) {
        PageserverException e = assertThrows(PageserverException.class, action::run);
        assertEquals(ErrorCode.IO, e.code(), e.getMessage());
        assertTrue(String.valueOf(e.getMessage()).contains(named), e.getMessage());
    }

    @Test
    void bytesArriveInOrderBothWays() {
        inWorld(w -> {
            byte[] content = content(1_000_000);
            try (Net.Connection near = connect(w);
                    Net.Connection far = w.accept()) {
                Tasks.Task echo =
                        w.tasks()
                                .spawn(
                                        Tasks.Lane.LATENCY,
                                        "echo",
                                        () -> {
                                            byte[] b = new byte[70_000];
                                            for (int total = 0; total < content.length; ) {
                                                int n = far.read(b, 3, 60_000, SECONDS);
                                                assertTrue(n >= 0, "end of stream");
                                                far.write(b, 3, n);
                                                total += n;
                                            }
                                        });
                Tasks.Task writer =
                        w.tasks()
                                .spawn(
                                        Tasks.Lane.LATENCY,
                                        "writer",
                                        () -> near.write(content, 0, content.length));
                assertArrayEquals(content, read(near, content.length));
                writer.join();
                echo.join();
            }
        });
    }

    @Test
    void readTimesOutAndGoesOn() {
        inWorld(w -> {
            try (Net.Connection near = connect(w);
                    Net.Connection far = w.accept()) {
                long start = w.clock().monotonicNanos();
                assertEquals(0, near.read(new byte[10], 0, 10, 20 * MILLIS));
                long passed = w.clock().monotonicNanos() - start;
                assertTrue(passed >= 19 * MILLIS && passed < 20 * SECONDS, "" + passed);
                assertEquals(0, near.read(new byte[10], 0, 10, 0));
                far.write(content(4), 0, 4);
                assertArrayEquals(content(4), read(near, 4));
            }
        });
    }

    @Test
    void endOfStreamComesAfterTheLastByte() {
        inWorld(w -> {
            try (Net.Connection near = connect(w)) {
                Net.Connection far = w.accept();
                far.write(content(5000), 0, 5000);
                far.close();
                assertArrayEquals(content(5000), read(near, 6000));
                assertEquals(-1, near.read(new byte[1], 0, 1, SECONDS));
            }
        });
    }

    @Test
    void writingToOneWhoLeftFailsInTheEnd() {
        inWorld(w -> {
            try (Net.Connection near = connect(w)) {
                w.accept().close();
                assertIo(
                        ":" + w.port(),
                        () -> {
                            for (int i = 0; i < 10_000; i++) {
                                near.write(content(1000), 0, 1000);
                                w.tasks().sleep(MILLIS / 10);
                            }
                        });
            }
        });
    }

    @Test
    void closingEndsOnesOwnReadAndWrite() {
        inWorld(w -> {
            Net.Connection near = connect(w);
            Net.Connection far = w.accept();
            Tasks.Task reader =
                    w.tasks()
                            .spawn(
                                    Tasks.Lane.LATENCY,
                                    "reader",
                                    () ->
                                            assertIo(
                                                    ":" + w.port(),
                                                    () ->
                                                            near.read(
                                                                    new byte[1],
                                                                    0,
                                                                    1,
                                                                    1000 * SECONDS)));
            Tasks.Task writer =
                    w.tasks()
                            .spawn(
                                    Tasks.Lane.LATENCY,
                                    "writer, whom nobody reads",
                                    () ->
                                            assertIo(
                                                    ":" + w.port(),
                                                    () -> {
                                                        while (true) {
                                                            near.write(
                                                                    content(1 << 20), 0, 1 << 20);
                                                        }
                                                    }));
            w.tasks().sleep(50 * MILLIS);
            near.close();
            near.close();
            reader.join();
            writer.join();
            assertIo(":" + w.port(), () -> near.read(new byte[1], 0, 1, 0));
            far.close();
        });
    }

    @Test
    void connectingToNobodyFails() {
        inWorld(w ->
                assertIo(
                        w.host() + ":" + w.deadPort(),
                        () -> w.net().connect(w.host(), w.deadPort(), SECONDS).close()));
    }

    @Test
    void unknownHostFails() {
        inWorld(w ->
                assertIo(
                        "no-such-host.invalid:1",
                        () -> w.net().connect("no-such-host.invalid", 1, SECONDS).close()));
    }
}
