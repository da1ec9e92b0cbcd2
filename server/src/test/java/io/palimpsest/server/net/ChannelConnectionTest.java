package io.palimpsest.server.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import io.palimpsest.base.ByteSink;
import io.palimpsest.port.Net;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Whose turn it is to answer, step by step: the test's thread is the event loop. Messages are two
 * letters; those that begin with a lower case letter are answered at once, by the second one, or by
 * a great many of it if the first is 'm'.
 */
@Timeout(30)
class ChannelConnectionTest {
    private static final int MANY = 300 << 10;
    private static final long LONG = Long.MAX_VALUE;

    private final ChannelConnection connection =
            new ChannelConnection(() -> {}, () -> {}, () -> {});

    /** Each time the channel was asked to read on. */
    private final List<String> reading = new ArrayList<>();

    private final EmbeddedChannel loop =
            new EmbeddedChannel(
                    new ChannelOutboundHandlerAdapter() {
                        @Override
                        public void read(ChannelHandlerContext ctx) {
                            reading.add("read");
                        }
                    },
                    connection);

    /** What the task's reads have come to. */
    private final BlockingQueue<String> reads = new LinkedBlockingQueue<>();

    private static final Net.AtOnce LOWER_CASE =
            new Net.AtOnce() {
                @Override
                public int message(byte[] bytes, int from, int to) {
                    return to - from < 2 ? 0 : 2;
                }

                @Override
                public boolean answer(byte[] bytes, int from, int length, ByteSink out) {
                    if (!Character.isLowerCase(bytes[from])) {
                        return false;
                    }
                    for (int i = bytes[from] == 'm' ? MANY : 1; i > 0; i--) {
                        out.u8(bytes[from + 1]);
                    }
                    return true;
                }
            };

    @AfterEach
    void stop() {
        loop.close();
        loop.releaseOutbound();
    }

    private void task(Runnable body) {
        Thread.ofVirtual().start(body);
    }

    private void read(Net.AtOnce atOnce, long timeout) {
        byte[] into = new byte[100];
        int n = connection.read(into, 0, into.length, timeout, atOnce);
        reads.add(n < 0 ? "end" : new String(into, 0, n, StandardCharsets.US_ASCII));
    }

    /** A task that reads with the event loop's help, when it does. */
    private void taskThatWaits() {
        task(() -> read(LOWER_CASE, LONG));
        untilTheLoopAnswers();
    }

    private void untilTheLoopAnswers() {
        while (!connection.answersAtOnce()) {
            Thread.onSpinWait();
        }
    }

    private void arrives(String bytes) {
        loop.writeInbound(Unpooled.copiedBuffer(bytes, StandardCharsets.US_ASCII));
    }

    private String sent() {
        StringBuilder sent = new StringBuilder();
        for (ByteBuf b = loop.readOutbound(); b != null; b = loop.readOutbound()) {
            sent.append(b.toString(StandardCharsets.US_ASCII));
            b.release();
        }
        return sent.toString();
    }

    private String taskRead() throws InterruptedException {
        return reads.poll(20, TimeUnit.SECONDS);
    }

    @Test
    void theLoopAnswersWhileTheTaskWaits() {
        taskThatWaits();
        arrives("a1b2");
        arrives("c3");
        assertEquals("123", sent());
        assertTrue(connection.answersAtOnce());
    }

    @Test
    void whatItDeclinesIsTheTasksWithAllThatFollows() throws Exception {
        taskThatWaits();
        arrives("a1X2b3");
        assertEquals("1", sent());
        assertEquals("X2b3", taskRead());
        assertFalse(connection.answersAtOnce());
        arrives("c4");
        assertEquals("", sent());
        task(() -> read(LOWER_CASE, LONG));
        assertEquals("c4", taskRead(), "not the loop's: it had come before");
        taskThatWaits();
        arrives("d5");
        assertEquals("5", sent());
    }

    /** Else the task would help one for ever that asks again before it has all answers. */
    @Test
    void aTaskThatFindsNoEndIsRelieved() throws Exception {
        taskThatWaits();
        arrives("X0");
        assertEquals("X0", taskRead());
        for (int i = 1; i <= ChannelConnection.TASK_READS; i++) {
            arrives("a" + i);
            task(() -> read(LOWER_CASE, LONG));
            assertEquals("a" + i, taskRead());
        }
        arrives("b8c9d");
        taskThatWaits();
        assertEquals("", sent());
        loop.runPendingTasks();
        assertEquals("89", sent());
        assertTrue(connection.answersAtOnce());
        arrives("0X1");
        assertEquals("0", sent());
        assertEquals("X1", taskRead());
    }

    @Test
    void whatTheTaskIsRelievedOfMayBeItsAfterAll() throws Exception {
        taskThatWaits();
        arrives("X0");
        assertEquals("X0", taskRead());
        for (int i = 0; i < ChannelConnection.TASK_READS; i++) {
            arrives("Y1");
            task(() -> read(LOWER_CASE, LONG));
            assertEquals("Y1", taskRead());
        }
        arrives("b2Z3");
        task(() -> {
            connection.write("earlier".getBytes(StandardCharsets.US_ASCII), 0, 7);
            read(LOWER_CASE, LONG);
        });
        untilTheLoopAnswers();
        loop.runPendingTasks();
        assertEquals("earlier2", sent());
        assertEquals("Z3", taskRead());
    }

    /** What stopped at a full buffer begins again when the event loop has emptied it. */
    @Test
    void readingGoesOnWhenTheLoopHasEmptiedTheBuffer() throws Exception {
        taskThatWaits();
        arrives("X0");
        assertEquals("X0", taskRead());
        arrives("a1".repeat(ChannelConnection.INBOUND_BYTES / 2));
        for (int i = 0; i < ChannelConnection.TASK_READS; i++) {
            task(() -> read(LOWER_CASE, LONG));
            assertEquals("a1".repeat(50), taskRead());
        }
        reading.clear();
        taskThatWaits();
        loop.runPendingTasks();
        assertEquals(ChannelConnection.INBOUND_BYTES / 2 - 200, sent().length());
        assertEquals(1, reading.size());
    }

    @Test
    void aReadWithoutHelpGetsAll() throws Exception {
        task(() -> read(null, LONG));
        arrives("a1");
        assertEquals("a1", taskRead());
        assertEquals("", sent());
    }

    @Test
    void partOfAMessageWaitsForTheRest() throws Exception {
        taskThatWaits();
        arrives("a1b");
        assertEquals("1", sent());
        assertTrue(connection.answersAtOnce());
        arrives("2X");
        assertEquals("2", sent());
        assertTrue(connection.answersAtOnce());
        arrives("3");
        assertEquals("X3", taskRead());
        assertEquals("", sent());
    }

    @Test
    void notWhileTheTasksAnswerIsOnItsWayToTheLoop() throws Exception {
        task(() -> {
            connection.write("earlier".getBytes(StandardCharsets.US_ASCII), 0, 7);
            read(LOWER_CASE, LONG);
        });
        untilTheLoopAnswers();
        assertEquals("", sent());
        arrives("a1");
        assertEquals("earlier", sent(), "and not before it, or without it");
        assertEquals("a1", taskRead());
        taskThatWaits();
        arrives("b2");
        assertEquals("2", sent());
    }

    @Test
    void notWhileThePeerTakesNothing() throws Exception {
        ChannelOutboundBuffer buffer = loop.unsafe().outboundBuffer();
        taskThatWaits();
        buffer.setUserDefinedWritability(1, false);
        loop.runPendingTasks();
        arrives("a1");
        assertEquals("", sent());
        assertEquals("a1", taskRead());
        buffer.setUserDefinedWritability(1, true);
        taskThatWaits();
        arrives("b2");
        assertEquals("2", sent());
    }

    @Test
    void oneThatAsksForMuchMustLetOthersGoFirst() throws Exception {
        taskThatWaits();
        arrives("m1m2a3m4m5m6");
        String expected =
                "1".repeat(MANY) + "2".repeat(MANY) + "3" + "4".repeat(MANY) + "5".repeat(MANY);
        // A piece ends where it is large enough: "3" goes with the piece of "4".
        assertEquals(expected.length(), sent().length());
        assertEquals("m6", taskRead());
    }

    @Test
    void piecesLeaveOneByOne() {
        taskThatWaits();
        arrives("m1a2a3");
        ByteBuf first = loop.readOutbound();
        assertEquals(MANY, first.readableBytes());
        first.release();
        assertEquals("23", sent());
        assertTrue(connection.answersAtOnce());
    }

    @Test
    void whenTheTimeHasPassedItIsTheTasksTurn() throws Exception {
        task(() -> read(LOWER_CASE, 1_000_000));
        assertEquals("", taskRead());
        assertFalse(connection.answersAtOnce());
        arrives("a1");
        assertEquals("", sent());
        task(() -> read(LOWER_CASE, LONG));
        assertEquals("a1", taskRead());
    }

    /** As one that sends nothing: what has not come whole cannot be answered. */
    @Test
    void partOfAMessageDoesNotKeepAConnection() throws Exception {
        task(() -> read(LOWER_CASE, 200_000_000));
        untilTheLoopAnswers();
        arrives("a");
        assertEquals("", taskRead());
        assertEquals("", sent());
    }

    @Test
    void drainedTheTaskGetsWhatHasComeAndThenTheEnd() throws Exception {
        taskThatWaits();
        arrives("a1b");
        connection.drain();
        assertEquals("b", taskRead());
        arrives("2");
        assertEquals("1", sent());
        task(() -> read(LOWER_CASE, LONG));
        assertEquals("2", taskRead());
        task(() -> read(LOWER_CASE, LONG));
        assertEquals("end", taskRead());
        assertFalse(connection.answersAtOnce());
    }

    @Test
    void thePeersEndIsTheTasks() throws Exception {
        taskThatWaits();
        arrives("a1b");
        loop.close();
        assertEquals("b", taskRead());
        task(() -> read(LOWER_CASE, LONG));
        assertEquals("end", taskRead());
        assertEquals("1", sent());
    }

    /** Else a loop that is busy would let a task heap up its answers. */
    @Test
    void whatHasNotReachedTheLoopIsBounded() throws Exception {
        byte[] piece = new byte[256 << 10];
        task(() -> {
            for (int i = 1; i <= 8; i++) {
                connection.write(piece, 0, piece.length);
                reads.add("written " + i);
            }
        });
        for (int i = 1; i <= 4; i++) {
            assertEquals("written " + i, taskRead());
        }
        int bytes = 0;
        while (!"written 8".equals(reads.peek())) {
            loop.runPendingTasks();
            bytes += sent().length();
            reads.poll(1, TimeUnit.MILLISECONDS);
        }
        loop.runPendingTasks();
        assertEquals(8 * piece.length, bytes + sent().length());
    }
}
