package io.palimpsest.regress.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;

/**
 * One connection that asks for random pages in a closed loop, {@code depth} requests on their way
 * at any time, and measures how long each takes.
 *
 * <pre>
 *   request  'd' u32 length | u8 2 | u64 id, request LSN, not modified since | u32 spc, db, rel, u8 fork, u32 block
 *   answer   'd' u32 length | u8 102 | the same 41 bytes | page
 * </pre>
 */
public final class PageClient implements AutoCloseable {
    static final int REQUEST_BYTES = 5 + 1 + 24 + 17;
    static final int ANSWER_BYTES = REQUEST_BYTES + Page.SIZE;
    private static final int PAGE_ANSWER = 102;
    private static final int RESERVOIR = 1 << 16;

    /**
     * What a burst came to.
     *
     * @param micros of each answer, sorted; a sample where there were very many
     */
    public record Burst(long pages, double seconds, double[] micros) {
        public double percentile(double p) {
            return micros[(int) Math.min(micros.length - 1, Math.round(p * micros.length))];
        }
    }

    private final SocketChannel channel;
    private final ByteBuffer in = ByteBuffer.allocateDirect(1 << 20);
    private final ByteBuffer out = ByteBuffer.allocateDirect(256 * REQUEST_BYTES);
    private final SplittableRandom random;
    private long nextId = 1;

    private PageClient(InetSocketAddress address, int seed) throws IOException {
        random = new SplittableRandom(seed);
        channel = SocketChannel.open(address);
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
    }

    /** To the peer: no start-up. */
    static PageClient toEcho(InetSocketAddress address, int seed) throws IOException {
        return new PageClient(address, seed);
    }

    /** To the page service, switched to version 3 of the protocol. */
    public static PageClient toPageService(InetSocketAddress address, String timeline, int seed)
            throws IOException {
        PageClient client = new PageClient(address, seed);
        byte[] parameters = "user\0bench\0\0".getBytes(UTF_8);
        client.out.putInt(8 + parameters.length).putInt(196608).put(parameters);
        client.send();
        client.skipTo('Z');
        byte[] query = ("pagestream_v3 " + timeline + "\0").getBytes(UTF_8);
        client.out.put((byte) 'Q').putInt(4 + query.length).put(query);
        client.send();
        client.skipTo('W');
        client.in.clear();
        return client;
    }

    private void skipTo(char wanted) throws IOException {
        in.clear();
        int at = 0;
        while (true) {
            while (in.position() < at + 5 || in.position() < at + 1 + in.getInt(at + 1)) {
                receive();
            }
            char type = (char) in.get(at);
            at += 1 + in.getInt(at + 1);
            if (type == 'E') {
                throw new IOException("the page service refuses");
            }
            if (type == wanted) {
                return;
            }
        }
    }

    private void receive() throws IOException {
        if (channel.read(in) < 0) {
            throw new IOException("the server has closed the connection");
        }
    }

    /** Receives more of what begins with a page, or throws what it is instead: it may be short. */
    private void receivePage() throws IOException {
        receive();
        if (in.position() > 5) {
            check(0);
        }
    }

    private void send() throws IOException {
        out.flip();
        while (out.hasRemaining()) {
            channel.write(out);
        }
        out.clear();
    }

    /** What of an answer's header does not depend on the request. */
    static void frame(ByteBuffer answer, int at) {
        answer.put(at, (byte) 'd').putInt(at + 1, ANSWER_BYTES - 1).put(at + 5, (byte) PAGE_ANSWER);
    }

    private void ask(RelTag tag, int blocks, long lsn) {
        out.put((byte) 'd').putInt(REQUEST_BYTES - 1).put((byte) 2);
        out.putLong(nextId++).putLong(lsn).putLong(lsn);
        out.putInt(tag.spc()).putInt(tag.db()).putInt(tag.rel()).put((byte) tag.fork());
        out.putInt(random.nextInt(blocks));
    }

    /** Asks for pages for a while; an answer that is no page throws. */
    public Burst burst(RelTag tag, int blocks, long lsn, int depth, double seconds)
            throws IOException {
        long[] sent = new long[depth];
        double[] micros = new double[RESERVOIR];
        long start = System.nanoTime();
        long end = start + (long) (seconds * 1e9);
        long asked = depth;
        long answered = 0;
        for (int i = 0; i < depth; i++) {
            ask(tag, blocks, lsn);
            sent[i] = start;
        }
        send();
        in.clear();
        long now = start;
        while (answered < asked) {
            receivePage();
            now = System.nanoTime();
            int at = 0;
            int again = 0;
            while (in.position() - at >= ANSWER_BYTES) {
                check(at);
                at += ANSWER_BYTES;
                micros[(int) (answered % RESERVOIR)] = (now - sent[(int) (answered % depth)]) / 1e3;
                answered++;
                again += now < end ? 1 : 0;
            }
            in.flip().position(at);
            in.compact();
            for (int i = 0; i < again; i++) {
                ask(tag, blocks, lsn);
                sent[(int) (asked++ % depth)] = now;
            }
            if (again > 0) {
                send();
            }
        }
        double[] sorted = Arrays.copyOf(micros, (int) Math.min(answered, RESERVOIR));
        Arrays.sort(sorted);
        return new Burst(answered, (now - start) / 1e9, sorted);
    }

    /**
     * Asks for a page at each of the times that a rate gives, whatever the answers take: one that
     * is late makes those after it late, too. Latencies count from when a request was due.
     */
    public Burst paced(RelTag tag, int blocks, long lsn, double perSecond, double seconds)
            throws IOException {
        int n = Math.max(1, (int) (perSecond * seconds));
        double[] micros = new double[n];
        // Not all clients at the same moments.
        long start = System.nanoTime() + (long) (random.nextDouble() * 1e9 / perSecond);
        for (int i = 0; i < n; i++) {
            long due = start + (long) (i * 1e9 / perSecond);
            for (long wait = due - System.nanoTime(); wait > 0; wait = due - System.nanoTime()) {
                LockSupport.parkNanos(wait);
            }
            ask(tag, blocks, lsn);
            send();
            in.clear();
            while (in.position() < ANSWER_BYTES) {
                receivePage();
            }
            check(0);
            micros[i] = (System.nanoTime() - due) / 1e3;
        }
        Arrays.sort(micros);
        return new Burst(n, seconds, micros);
    }

    private void check(int at) throws IOException {
        if (in.get(at) != 'd'
                || in.getInt(at + 1) != ANSWER_BYTES - 1
                || in.get(at + 5) != PAGE_ANSWER) {
            byte[] found = new byte[Math.min(400, in.position() - at)];
            in.get(at, found);
            throw new IOException("expected a page, found: " + new String(found, UTF_8));
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
