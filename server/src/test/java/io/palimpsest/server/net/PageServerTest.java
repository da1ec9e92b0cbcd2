package io.palimpsest.server.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.RelTag;
import io.palimpsest.port.Net;
import io.palimpsest.port.Tasks;
import io.palimpsest.protocol.PagestreamCodec;
import io.palimpsest.protocol.PagestreamRequest;
import io.palimpsest.protocol.PagestreamResponse;
import io.palimpsest.server.config.ServerConfig;
import io.palimpsest.server.metrics.Metrics;
import io.palimpsest.server.runtime.LogTracer;
import io.palimpsest.server.runtime.SystemTasks;
import io.palimpsest.service.Authentication;
import io.palimpsest.service.PageService;
import io.palimpsest.service.PageSource;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class PageServerTest {
    private static final TenantId TENANT = new TenantId(1, 2);
    private static final TimelineId TIMELINE = new TimelineId(3, 4);

    private final Queue<Throwable> failures = new ConcurrentLinkedQueue<>();
    private final SystemTasks tasks =
            new SystemTasks(2, new LogTracer("test"), (task, failure) -> failures.add(failure));
    private final Tasks.Monitor never = tasks.monitor("never");
    private final CountDownLatch waiting = new CountDownLatch(1);
    private final CountDownLatch cancelled = new CountDownLatch(1);
    private PageServer server;

    private static final PageServer.Settings SETTINGS = new PageServer.Settings(64, 200_000_000L);

    /** Pages that say which they are; waits for ever for an LSN of the future. */
    private class FakeSource extends StubSource {
        @Override
        public long effectiveLsn(long requestLsn, long notModifiedSince) {
            if (notModifiedSince > 100) {
                never.lock();
                try {
                    waiting.countDown();
                    while (true) {
                        never.await();
                    }
                } finally {
                    never.unlock();
                    cancelled.countDown();
                }
            }
            return 100;
        }

        @Override
        public void readPage(RelTag tag, int block, long lsn, byte[] into, int at) {
            Arrays.fill(into, at, at + 8192, (byte) block);
        }

        @Override
        public long lease(long lsn) {
            if (lsn > 100) {
                throw PageserverException.of(ErrorCode.LSN_OUT_OF_RANGE, "it has not come yet");
            }
            return 1_764_000_000_000L + lsn;
        }
    }

    private PageServer start(Consumer<Net.Connection> service) {
        server =
                PageServer.start(
                        new ServerConfig.Address("127.0.0.1", 0), service, null, tasks, SETTINGS);
        return server;
    }

    private PageServer startPages() {
        PageService service =
                new PageService((tenant, timeline) -> new FakeSource(), Authentication.TRUST);
        server =
                PageServer.start(
                        new ServerConfig.Address("127.0.0.1", 0), service, null, tasks, SETTINGS);
        return server;
    }

    @AfterEach
    void stop() {
        if (server != null) {
            server.close();
        }
        assertEquals(List.of(), List.copyOf(failures));
    }

    private Socket connect() throws IOException {
        Socket socket = new Socket("127.0.0.1", server.address().getPort());
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(20_000);
        return socket;
    }

    private static byte[] opening() {
        return opening("pagestream_v3 " + TENANT + " " + TIMELINE);
    }

    private static byte[] opening(String command) {
        ByteSink out = new ByteSink(64);
        out.i32BE(9);
        out.i32BE(196608);
        out.u8(0);
        out.bytes(query(command));
        return out.toByteArray();
    }

    private static byte[] query(String command) {
        ByteSink out = new ByteSink(64);
        byte[] query = command.getBytes(StandardCharsets.UTF_8);
        out.u8('Q');
        out.i32BE(5 + query.length);
        out.bytes(query);
        out.u8(0);
        return out.toByteArray();
    }

    private static byte[] message(DataInputStream in) throws IOException {
        byte type = in.readByte();
        int length = in.readInt();
        byte[] message = new byte[1 + length];
        message[0] = type;
        Bytes.putI32BE(message, 1, length);
        in.readFully(message, 5, length - 4);
        return message;
    }

    private static DataInputStream afterOpening(Socket socket) throws IOException {
        socket.getOutputStream().write(opening());
        DataInputStream in = new DataInputStream(socket.getInputStream());
        for (char expected : "RSSSZW".toCharArray()) {
            assertEquals(expected, (char) message(in)[0]);
        }
        return in;
    }

    private static PagestreamRequest page(int block) {
        return new PagestreamRequest(3).header(block, -1, 5).page(1663, 5, 16384, 0, block);
    }

    @Test
    void answersPipelinedRequestsInOrderToASlowReader() throws Exception {
        startPages();
        try (Socket socket = connect()) {
            DataInputStream in = afterOpening(socket);
            int n = 4000;
            Thread writer =
                    Thread.ofVirtual()
                            .start(() -> {
                                ByteSink out = new ByteSink(64);
                                for (int i = 0; i < n; i++) {
                                    PagestreamCodec.encodeRequest(page(i), out);
                                }
                                try {
                                    OutputStream to = socket.getOutputStream();
                                    to.write(out.array(), 0, out.size());
                                } catch (IOException e) {
                                    failures.add(e);
                                }
                            });
            Thread.sleep(200);
            for (int i = 0; i < n; i++) {
                byte[] m = message(in);
                assertEquals('d', m[0]);
                PagestreamResponse answer =
                        PagestreamCodec.decodeResponse(m, 5, m.length - 5, page(i));
                assertEquals(
                        (byte) i,
                        assertInstanceOf(PagestreamResponse.Pages.class, answer).bytes()[8191]);
            }
            writer.join();
            socket.getOutputStream().write(new byte[] {'X', 0, 0, 0, 4});
            assertEquals(-1, in.read());
        }
    }

    /** Bursts of requests while answers are on their way: the answers keep their order. */
    @Test
    void leasesAnLsn() throws Exception {
        startPages();
        try (Socket socket = connect()) {
            DataInputStream in = new DataInputStream(socket.getInputStream());
            socket.getOutputStream()
                    .write(opening("lease lsn " + TENANT + " " + TIMELINE + " 0/60"));
            for (char expected : "RSSSZT".toCharArray()) {
                assertEquals(expected, (char) message(in)[0]);
            }
            byte[] row = message(in);
            assertEquals('D', row[0]);
            assertEquals("1764000000096", new String(row, 11, 13, StandardCharsets.US_ASCII));
            assertEquals('C', message(in)[0]);
            assertEquals('Z', message(in)[0]);
            socket.getOutputStream().write(query("lease lsn " + TENANT + " " + TIMELINE + " 0/68"));
            assertEquals('T', message(in)[0]);
            assertEquals(-1, Bytes.i32BE(message(in), 7), "refused: NULL");
            assertEquals('C', message(in)[0]);
        }
    }

    /** The one too many finds a closed door, and there is room again when somebody has left. */
    @Test
    void takesAsManyClientsAsItMay() throws Exception {
        server =
                PageServer.start(
                        new ServerConfig.Address("127.0.0.1", 0),
                        new PageService(
                                (tenant, timeline) -> new FakeSource(), Authentication.TRUST),
                        null,
                        tasks,
                        new PageServer.Settings(2, 200_000_000L));
        Socket first = connect();
        try (Socket second = connect()) {
            afterOpening(first);
            afterOpening(second);
            try (Socket third = connect()) {
                assertEquals(-1, third.getInputStream().read());
            }
            assertEquals(new Metrics.Connections(2, 2, 1), server.connections());
            first.close();
            while (server.connections().open() > 1) {
                Thread.sleep(5);
            }
            try (Socket fourth = connect()) {
                afterOpening(fourth);
            }
        }
    }

    /**
     * What a client has asked is answered, though the server is about to stop. Often: whether the
     * last answer leaves before the loops end is a race.
     */
    @RepeatedTest(100)
    void drainsBeforeItStops() throws Exception {
        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        PageSource slow =
                new FakeSource() {
                    @Override
                    public void readPage(RelTag tag, int block, long lsn, byte[] into, int at) {
                        asked.countDown();
                        try {
                            assertTrue(go.await(20, TimeUnit.SECONDS));
                        } catch (InterruptedException e) {
                            throw new AssertionError(e);
                        }
                        into[at + 8191] = (byte) block;
                    }
                };
        server =
                PageServer.start(
                        new ServerConfig.Address("127.0.0.1", 0),
                        new PageService((tenant, timeline) -> slow, Authentication.TRUST),
                        null,
                        tasks,
                        new PageServer.Settings(64, 20_000_000_000L));
        try (Socket busy = connect();
                Socket idle = connect()) {
            DataInputStream in = afterOpening(busy);
            DataInputStream idleIn = afterOpening(idle);
            ByteSink out = new ByteSink(64);
            PagestreamCodec.encodeRequest(page(7), out);
            busy.getOutputStream().write(out.array(), 0, out.size());
            assertTrue(asked.await(20, TimeUnit.SECONDS));
            Thread closing = Thread.ofPlatform().start(server::close);
            assertEquals(-1, idleIn.read(), "one that waits for nothing is let go at once");
            go.countDown();
            byte[] answer = message(in);
            assertEquals(7, answer[answer.length - 1]);
            assertEquals(-1, in.read());
            closing.join();
        }
    }

    @Test
    void answersKeepTheirOrder() throws Exception {
        startPages();
        try (Socket socket = connect()) {
            DataInputStream in = afterOpening(socket);
            int n = 20_000;
            Thread writer =
                    Thread.ofPlatform()
                            .start(() -> {
                                ByteSink out = new ByteSink(64);
                                try {
                                    for (int i = 0; i < n; i++) {
                                        PagestreamCodec.encodeRequest(
                                                new PagestreamRequest(3)
                                                        .header(i, -1, 5)
                                                        .page(1663, 5, 16384, 0, i / 3 % 7),
                                                out);
                                        if (i % 40 == 39) {
                                            socket.getOutputStream()
                                                    .write(out.array(), 0, out.size());
                                            out.clear();
                                        }
                                    }
                                } catch (IOException e) {
                                    failures.add(e);
                                }
                            });
            for (int i = 0; i < n; i++) {
                byte[] answer = message(in);
                assertEquals(i, Bytes.i64BE(answer, 6), "request id of answer " + i);
                assertEquals(i / 3 % 7, answer[answer.length - 1], "page of answer " + i);
            }
            writer.join();
        }
        assertTrue(failures.isEmpty(), failures::toString);
    }

    /**
     * The client is gone, and the server closes, while its task has still to end the connection.
     */
    @Test
    void closeWaitsForTasksWhoseClientsAreGone() throws Exception {
        CountDownLatch gone = new CountDownLatch(1);
        CountDownLatch done = new CountDownLatch(1);
        start(connection -> {
            byte[] bytes = new byte[10];
            while (connection.read(bytes, 0, bytes.length, 1_000_000) >= 0) {
                Thread.onSpinWait();
            }
            gone.countDown();
            long until = System.nanoTime() + 300_000_000;
            while (System.nanoTime() < until) {
                Thread.onSpinWait();
            }
            connection.close();
            done.countDown();
        });
        connect().close();
        assertTrue(gone.await(20, TimeUnit.SECONDS));
        Thread.sleep(50);
        server.close();
        assertEquals(0, done.getCount());
    }

    @Test
    void garbageGetsAnErrorAndTheEnd() throws Exception {
        startPages();
        Random random = new Random(5);
        for (int i = 0; i < 30; i++) {
            byte[] garbage = new byte[1 + random.nextInt(200_000)];
            random.nextBytes(garbage);
            garbage[0] |= 1;
            try (Socket socket = connect()) {
                try {
                    socket.getOutputStream().write(garbage);
                } catch (IOException e) {
                    // The server may have hung up before it took everything.
                    continue;
                }
                DataInputStream in = new DataInputStream(socket.getInputStream());
                byte[] m = message(in);
                assertEquals('E', m[0]);
                assertTrue(new String(m, StandardCharsets.UTF_8).contains("08P01"));
                assertEquals(-1, in.read());
            }
        }
        try (Socket socket = connect()) {
            afterOpening(socket);
        }
    }

    @Test
    void aClientThatGoesAwayCancelsItsWait() throws Exception {
        startPages();
        try (Socket socket = connect()) {
            afterOpening(socket);
            ByteSink out = new ByteSink(64);
            PagestreamCodec.encodeRequest(
                    new PagestreamRequest(3).header(1, -1, 500).page(1663, 5, 16384, 0, 1), out);
            socket.getOutputStream().write(out.toByteArray());
            assertTrue(waiting.await(10, TimeUnit.SECONDS));
        }
        assertTrue(cancelled.await(10, TimeUnit.SECONDS));
    }

    @Test
    void closingEndsConnectionsThatWait() throws Exception {
        startPages();
        try (Socket socket = connect()) {
            DataInputStream in = afterOpening(socket);
            ByteSink out = new ByteSink(64);
            PagestreamCodec.encodeRequest(
                    new PagestreamRequest(3).header(1, -1, 500).page(1663, 5, 16384, 0, 1), out);
            socket.getOutputStream().write(out.toByteArray());
            assertTrue(waiting.await(10, TimeUnit.SECONDS));
            server.close();
            assertTrue(cancelled.await(10, TimeUnit.SECONDS));
            assertEquals(-1, in.read());
        }
    }

    @Test
    void whatANonReaderIsSentIsBounded() throws Exception {
        AtomicLong written = new AtomicLong();
        CountDownLatch done = new CountDownLatch(1);
        start(connection -> {
            byte[] block = new byte[64 << 10];
            try {
                while (written.get() < 1L << 30) {
                    connection.write(block, 0, block.length);
                    written.addAndGet(block.length);
                }
            } catch (PageserverException e) {
                assertEquals(ErrorCode.IO, e.code());
            } finally {
                connection.close();
                done.countDown();
            }
        });
        try (Socket socket = connect()) {
            assertTrue(socket.isConnected());
            long before = -1;
            while (before != written.get()) {
                before = written.get();
                Thread.sleep(300);
            }
            assertTrue(before > 0 && before < 64 << 20, "written: " + before);
        }
        assertTrue(done.await(10, TimeUnit.SECONDS));
    }

    @Test
    void bytesArriveWholeThroughABoundedBuffer() throws Exception {
        byte[] sent = new byte[3 << 20];
        new Random(3).nextBytes(sent);
        byte[] got = new byte[sent.length];
        CountDownLatch done = new CountDownLatch(1);
        start(connection -> {
            int at = 0;
            int n = 0;
            assertEquals(0, connection.read(got, 0, 10, 1_000_000));
            while (at < got.length && n >= 0) {
                n = connection.read(got, at, Math.min(7777, got.length - at), Long.MAX_VALUE);
                at += Math.max(n, 0);
            }
            assertEquals(-1, connection.read(got, 0, 10, Long.MAX_VALUE));
            connection.close();
            assertThrows(PageserverException.class, () -> connection.write(got, 0, 1));
            done.countDown();
        });
        try (Socket socket = connect()) {
            Thread.sleep(200);
            socket.getOutputStream().write(sent);
            socket.shutdownOutput();
            assertTrue(done.await(20, TimeUnit.SECONDS));
        }
        assertArrayEquals(sent, got);
    }

    @Test
    void anAddressInUseIsAnError() {
        startPages();
        ServerConfig.Address address =
                new ServerConfig.Address("127.0.0.1", server.address().getPort());
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () -> PageServer.start(address, connection -> {}, null, tasks, SETTINGS));
        assertTrue(e.getMessage().contains("cannot listen on 127.0.0.1:"), e.getMessage());
    }
}
