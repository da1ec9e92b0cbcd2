package io.palimpsest.server.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.CertificateFiles;
import io.palimpsest.pg.RelTag;
import io.palimpsest.port.Net;
import io.palimpsest.port.Tasks;
import io.palimpsest.protocol.PagestreamCodec;
import io.palimpsest.protocol.PagestreamRequest;
import io.palimpsest.server.auth.Certificate;
import io.palimpsest.server.config.ServerConfig;
import io.palimpsest.server.connect.Credentials;
import io.palimpsest.server.runtime.LogTracer;
import io.palimpsest.server.runtime.SystemTasks;
import io.palimpsest.service.Authentication;
import io.palimpsest.service.PageService;
import io.palimpsest.value.Keys;
import io.palimpsest.value.ReadView;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Clients that pipeline anything, cut anywhere, and read when they like, at a server whose event
 * loops answer what they can: each gets, byte for byte, what a single task would have answered that
 * does one thing after the other.
 */
@Timeout(120)
class AnswerOrderTest {
    private static final TenantId TENANT = new TenantId(1, 2);
    private static final TimelineId TIMELINE = new TimelineId(3, 4);
    private static final int CLIENTS = 3;
    private static final int REQUESTS = 700;

    private static final int IN_MEMORY = 16384;
    private static final int COLD = 16385;
    private static final int MISSING = 16386;
    private static final int DAMAGED = 16387;

    /** Pages that say which they are as of when. What is in memory changes all the time. */
    private static final class Source extends StubSource {
        final AtomicInteger atOnce = new AtomicInteger();
        final AtomicInteger declined = new AtomicInteger();
        final AtomicInteger byTask = new AtomicInteger();
        final AtomicInteger waited = new AtomicInteger();
        volatile long last = 100;
        private final AtomicInteger turn = new AtomicInteger();

        @Override
        public long lastRecordLsn() {
            return last;
        }

        @Override
        public long effectiveLsn(long requestLsn, long notModifiedSince) {
            if (requestLsn == 0) {
                throw PageserverException.badRequest("R is 0");
            }
            while (last < notModifiedSince) {
                waited.incrementAndGet();
                LockSupport.parkNanos(20_000);
            }
            return requestLsn;
        }

        @Override
        public void readPage(RelTag tag, int block, long lsn, byte[] into, int at) {
            byTask.incrementAndGet();
            switch (tag.rel()) {
                case MISSING ->
                        throw PageserverException.of(ErrorCode.NOT_FOUND, "%s is not here", tag);
                case DAMAGED ->
                        throw PageserverException.corruption("%s at %s", tag, Lsn.toString(lsn));
                case COLD -> LockSupport.parkNanos(1 + 30_000L * (block & 3));
                default -> {}
            }
            fill(tag, block, lsn, into, at);
        }

        private static void fill(RelTag tag, int block, long lsn, byte[] into, int at) {
            Arrays.fill(into, at, at + 8192, (byte) (31 * block + 7 * lsn + tag.rel()));
            Bytes.putI64(into, at, lsn);
            Bytes.putI32(into, at + 8, block);
        }

        @Override
        public boolean tryReadPage(
                RelTag tag, int block, long requestLsn, long since, byte[] into, int at) {
            int n = turn.incrementAndGet();
            boolean there =
                    tag.rel() == IN_MEMORY && requestLsn != 0 && since <= last && n % 17 != 0;
            (there ? atOnce : declined).incrementAndGet();
            if (tag.rel() == DAMAGED && n % 2 == 0) {
                throw PageserverException.corruption("here it is found first");
            }
            if (!there) {
                Arrays.fill(into, at, at + n % 8192, (byte) 0xEE);
                return false;
            }
            fill(tag, block, requestLsn, into, at);
            return true;
        }

        @Override
        public int batchPages() {
            return 5;
        }

        @Override
        public ReadView viewAt(long lsn) {
            return new ReadView() {
                @Override
                public byte[] image(Key key) {
                    throw new AssertionError(key);
                }

                @Override
                public void scan(KeyRange range, Visitor visitor) {
                    byte[] size = new byte[4];
                    Bytes.putI32(size, 0, (int) lsn);
                    visitor.visit(Keys.relationSize(new RelTag(1663, 5, IN_MEMORY, 0)), size);
                }
            };
        }
    }

    /** What a client sends, by chance. */
    private static final class Script {
        final ByteSink sent = new ByteSink(1 << 16);

        /** Where requests end in what is sent. */
        final List<Integer> ends = new ArrayList<>();

        /** Where a part that is sent must end: what follows there looks like a request. */
        final TreeSet<Integer> cuts = new TreeSet<>();

        long lastLsn = 100;
        private final Random random;
        private int version = 3;

        Script(Random random) {
            this.random = random;
            sent.i32BE(9);
            sent.i32BE(196608);
            sent.u8(0);
            open();
            int run = 0;
            int kind = 0;
            for (int i = 0; i < REQUESTS; i++) {
                // In runs, so that it is the event loop's turn again and again.
                if (run-- == 0) {
                    run = random.nextInt(1 << random.nextInt(7));
                    kind = random.nextInt(20);
                }
                if (ends.isEmpty() || sent.size() > ends.getLast()) {
                    ends.add(sent.size());
                }
                step(i, kind);
            }
            message('X', new byte[0]);
            ends.add(sent.size());
        }

        private void open() {
            version = 2 + random.nextInt(2);
            String command = "pagestream_v" + version + " " + TENANT + " " + TIMELINE + "\0";
            message('Q', command.getBytes(StandardCharsets.US_ASCII));
        }

        private void message(int type, byte[] body) {
            sent.u8(type);
            sent.i32BE(4 + body.length);
            sent.bytes(body);
        }

        private void step(int id, int kind) {
            long lsn = 1 + random.nextInt(100);
            PagestreamRequest r = new PagestreamRequest(version).header(id, lsn, lsn);
            int block = random.nextInt(1000);
            switch (kind) {
                case 0 -> request(r.page(1663, 5, COLD, 0, block));
                case 1 -> request(r.page(1663, 5, MISSING, 0, block));
                case 2 -> request(r.page(1663, 5, DAMAGED, 0, block));
                case 3 -> request(r.page(1663, 5, 0, 0, block));
                case 4 -> request(r.header(id, 0, 0).page(1663, 5, IN_MEMORY, 0, block));
                case 5 -> request(r.exists(1663, 5, IN_MEMORY, 0));
                case 6 -> request(r.blocks(1663, 5, IN_MEMORY, 1));
                case 7 -> request(r.databaseSize(5));
                case 8 -> request(r.slruSegment(1, 7));
                case 9 -> later(r, block);
                case 10 -> otherPagestream(id);
                case 11 -> longer(r, block);
                default -> request(r.page(1663, 5, IN_MEMORY, 0, block));
            }
        }

        private void request(PagestreamRequest r) {
            PagestreamCodec.encodeRequest(r, sent);
        }

        /** As of an LSN that comes only by and by. */
        private void later(PagestreamRequest r, int block) {
            lastLsn += random.nextInt(2);
            request(r.header(r.id(), lastLsn, lastLsn).page(1663, 5, IN_MEMORY, 0, block));
        }

        /** Bytes after a request are ignored, also if they are one. */
        private void longer(PagestreamRequest r, int block) {
            ByteSink body = new ByteSink(128);
            PagestreamCodec.encodeRequest(r.page(1663, 5, IN_MEMORY, 0, block), body);
            int length = body.size();
            PagestreamCodec.encodeRequest(r.page(1663, 5, IN_MEMORY, 0, block + 1), body);
            cuts.add(sent.size() + length);
            message('d', Arrays.copyOfRange(body.array(), 5, body.size()));
        }

        private void otherPagestream(int id) {
            if (id % 5 == 0) {
                // Not a request: an error, and what follows is a query.
                message(id % 2 == 0 ? 'c' : 'd', new byte[id % 2]);
                message('Q', "set x\0".getBytes(StandardCharsets.US_ASCII));
                open();
            }
        }
    }

    /**
     * What is answered, and how much of it when all up to the end of a request is.
     *
     * @param upTo bytes, for each of the script's ends
     */
    private record Answers(byte[] bytes, List<Integer> upTo) {}

    /** By one task, which does one thing after the other, and nobody helps it. */
    private static Answers answeredByOne(Script script) {
        Source source = new Source();
        source.last = script.lastLsn;
        ByteArrayOutputStream answers = new ByteArrayOutputStream();
        List<Integer> upTo = new ArrayList<>();
        Net.Connection connection =
                new Net.Connection() {
                    private int at;

                    @Override
                    public int read(byte[] into, int offset, int length, long timeoutNanos) {
                        if (at > 0) {
                            upTo.add(answers.size());
                        }
                        int n =
                                upTo.size() == script.ends.size()
                                        ? -1
                                        : script.ends.get(upTo.size()) - at;
                        System.arraycopy(script.sent.array(), at, into, offset, Math.max(n, 0));
                        at += n;
                        return n;
                    }

                    @Override
                    public void write(byte[] bytes, int offset, int length) {
                        answers.write(bytes, offset, length);
                    }

                    @Override
                    public void close() {
                        upTo.add(answers.size());
                    }
                };
        new PageService((tenant, timeline) -> source, Authentication.TRUST).serve(connection);
        assertEquals(script.ends.size(), upTo.size());
        return new Answers(answers.toByteArray(), upTo);
    }

    /** A client: one thread writes and at times waits for answers, another reads. */
    private static final class Talk {
        private final Socket socket;
        private final Script script;
        private final Answers expected;
        private final long seed;
        private final AtomicInteger got = new AtomicInteger();
        private volatile boolean ended;

        Talk(Socket socket, Script script, Answers expected, long seed) {
            this.socket = socket;
            this.script = script;
            this.expected = expected;
            this.seed = seed;
        }

        byte[] run() throws Exception {
            FutureTask<Void> writing = new FutureTask<>(this::write, null);
            Thread.ofVirtual().start(writing);
            try {
                byte[] all = read();
                ended = true;
                writing.get();
                return all;
            } finally {
                ended = true;
            }
        }

        private void write() {
            Random random = new Random(~seed);
            int at = 0;
            for (int i = 0; i < script.ends.size(); i++) {
                if (random.nextInt(15) != 0 && i < script.ends.size() - 1) {
                    continue;
                }
                int to = script.ends.get(i);
                while (at < to) {
                    Integer cut = script.cuts.higher(at);
                    int most = (cut == null ? to : Math.min(to, cut)) - at;
                    int n = Math.min(1 + random.nextInt(1 << random.nextInt(13)), most);
                    write(at, n);
                    at += n;
                    if (random.nextInt(3) == 0) {
                        LockSupport.parkNanos(1 + random.nextInt(300_000));
                    }
                }
                while (got.get() < expected.upTo.get(i) && !ended) {
                    LockSupport.parkNanos(20_000);
                }
            }
        }

        private void write(int at, int n) {
            try {
                socket.getOutputStream().write(script.sent.array(), at, n);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private byte[] read() throws IOException {
            Random random = new Random(seed);
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            byte[] buffer = new byte[64 << 10];
            InputStream in = socket.getInputStream();
            for (int n = 0; n >= 0; n = in.read(buffer, 0, 1 + random.nextInt(buffer.length))) {
                all.write(buffer, 0, n);
                got.addAndGet(n);
                if (random.nextInt(40) == 0) {
                    LockSupport.parkNanos(1 + random.nextInt(5_000_000));
                }
            }
            return all.toByteArray();
        }
    }

    private static void compare(Script script, byte[] expected, byte[] got, String who) {
        int at = Arrays.mismatch(expected, got);
        if (at >= 0) {
            throw new AssertionError(
                    who
                            + ": byte "
                            + at
                            + " of "
                            + expected.length
                            + " differs, or the end of "
                            + got.length
                            + "; "
                            + script.sent.size()
                            + " were sent");
        }
    }

    private void run(long seed, Certificate certificate, Path trusted) throws Exception {
        List<Throwable> failures = new ArrayList<>();
        Tasks tasks = new SystemTasks(2, new LogTracer("test"), (task, e) -> failures.add(e));
        Source source = new Source();
        List<Script> scripts = new ArrayList<>();
        for (int i = 0; i < CLIENTS; i++) {
            scripts.add(new Script(new Random(seed * 100 + i)));
        }
        long last = scripts.stream().mapToLong(s -> s.lastLsn).max().orElseThrow();
        PageServer server =
                PageServer.start(
                        new ServerConfig.Address("127.0.0.1", 0),
                        new PageService((tenant, timeline) -> source, Authentication.TRUST),
                        certificate,
                        tasks,
                        PageServer.Settings.DEFAULT);
        List<Future<Void>> talks = new ArrayList<>();
        try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
            for (Script script : scripts) {
                Answers expected = answeredByOne(script);
                Callable<Void> talk =
                        () -> {
                            try (Socket socket = connect(server.address(), trusted)) {
                                byte[] got = new Talk(socket, script, expected, seed).run();
                                compare(script, expected.bytes, got, "seed " + seed);
                                return null;
                            }
                        };
                talks.add(clients.submit(talk));
            }
            while (source.last < last) {
                LockSupport.parkNanos(500_000);
                source.last++;
            }
            for (Future<Void> talk : talks) {
                talk.get();
            }
        } finally {
            server.close();
        }
        assertEquals(List.of(), failures);
        assertTrue(source.atOnce.get() > 50, "at once: " + source.atOnce);
        assertTrue(source.declined.get() > 5, "declined: " + source.declined);
        assertTrue(source.byTask.get() > 50, "by the task: " + source.byTask);
    }

    private static Socket connect(InetSocketAddress to, Path trusted) throws IOException {
        Socket socket = new Socket();
        // Small, so that the server has to wait for a client that takes its time.
        socket.setReceiveBufferSize(32 << 10);
        socket.connect(to);
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(60_000);
        return trusted == null
                ? socket
                : Credentials.of(Map.of("PALIMPSEST_CA_FILE", trusted.toString()))
                        .encrypted(socket, to);
    }

    @Test
    void answersComeInOrderAndAreTheSame() throws Exception {
        for (long seed = 1; seed <= 20; seed++) {
            run(seed, null, null);
        }
    }

    @Test
    void alsoWithTls(@TempDir Path directory) throws Exception {
        CertificateFiles files = CertificateFiles.make(directory, "server");
        Certificate certificate =
                new Certificate(files.chain(), files.key(), 1000, System::nanoTime);
        for (long seed = 1; seed <= 3; seed++) {
            run(seed, certificate, files.chain());
        }
    }
}
