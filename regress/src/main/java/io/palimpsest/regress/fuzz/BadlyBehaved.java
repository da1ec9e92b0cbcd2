package io.palimpsest.regress.fuzz;

import io.palimpsest.base.Bytes;
import io.palimpsest.fixtures.wire.Conversation;
import io.palimpsest.fixtures.wire.Garble;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * A client that does what it should not: garbled conversations in pieces, half a handshake, wrong
 * tokens, more than it reads answers for; it leaves by closing, by a reset or in the middle of a
 * message. Every answer it does read has to be made of whole messages.
 */
final class BadlyBehaved implements Runnable {
    /** A TLS client's first words (RFC 8446): the record, the ClientHello's head, random bytes. */
    private static final byte[] HELLO =
            HexFormat.of().parseHex("16030100c8010000c40303" + "5a".repeat(32) + "20");

    private static final int QUIET_MILLIS = 30;
    private static final String ANSWERS = "RSZEHdcCWTDt123n";

    private final List<Door> doors;
    private final List<Conversation> corpus = Conversation.all();
    private final Random random;
    private final Garble garble;
    private final AtomicBoolean ended;
    private final AtomicReference<@Nullable String> failure;
    private volatile long connections;
    private volatile long bytes;
    private volatile long errors;

    /**
     * @param failure the first of all
     */
    BadlyBehaved(
            List<Door> doors,
            long seed,
            AtomicBoolean ended,
            AtomicReference<@Nullable String> failure) {
        this.doors = doors;
        this.random = new Random(seed);
        this.garble = new Garble(corpus, random);
        this.ended = ended;
        this.failure = failure;
    }

    long connections() {
        return connections;
    }

    /** Sent. */
    long bytes() {
        return bytes;
    }

    /** ErrorResponses that came back. */
    long errors() {
        return errors;
    }

    @Override
    @SuppressWarnings("NonAtomicVolatileUpdate") // one thread writes
    public void run() {
        while (!ended.get() && failure.get() == null) {
            Door door = doors.get(random.nextInt(doors.size()));
            connections++;
            byte[] sent = words(door);
            boolean encrypted = door.encrypted() && random.nextInt(3) > 0;
            try (Socket socket = encrypted ? door.enter() : door.knock()) {
                say(socket, sent);
                if (random.nextInt(4) > 0) {
                    listen(socket, encrypted || !door.encrypted(), sent);
                }
                if (random.nextInt(4) == 0) {
                    socket.setSoLinger(true, 0);
                }
            } catch (IOException e) {
                // It was refused, in the midst of what it said: as it should be.
            }
        }
    }

    private byte[] words(Door door) {
        if (door.encrypted() && random.nextInt(4) == 0) {
            return Arrays.copyOf(HELLO, 1 + random.nextInt(HELLO.length));
        }
        String token = door.credentials().token();
        if (token != null && random.nextInt(3) == 0) {
            return withToken(token);
        }
        return garble.next();
    }

    /** Starts up and shows a token that is nearly right. */
    private byte[] withToken(String token) {
        byte[] wrong = token.getBytes(StandardCharsets.US_ASCII);
        wrong[random.nextInt(wrong.length)] ^= (byte) (1 + random.nextInt(255));
        byte[] all = new byte[9 + 5 + wrong.length + 1];
        all[3] = 9;
        all[5] = 3;
        all[9] = 'p';
        int length = 4 + wrong.length + 1;
        all[12] = (byte) (length >>> 8);
        all[13] = (byte) length;
        System.arraycopy(wrong, 0, all, 14, wrong.length);
        return all;
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // one thread writes
    private void say(Socket socket, byte[] words) throws IOException {
        OutputStream out = socket.getOutputStream();
        for (int at = 0; at < words.length; ) {
            int n = Math.min(words.length - at, 1 + random.nextInt(1 << random.nextInt(15)));
            out.write(words, at, n);
            bytes += n;
            at += n;
        }
    }

    /** Until the server has nothing more to say for a moment, or ends. */
    @SuppressWarnings("NonAtomicVolatileUpdate") // one thread writes
    private void listen(Socket socket, boolean inClear, byte[] sent) throws IOException {
        socket.setSoTimeout(QUIET_MILLIS);
        InputStream in = socket.getInputStream();
        boolean first = true;
        try {
            for (int type = in.read(); type >= 0; type = in.read()) {
                if (!inClear || first && type == 'N') {
                    continue;
                }
                first = false;
                if (ANSWERS.indexOf(type) < 0) {
                    failure.compareAndSet(
                            null,
                            "an answer of type %d to %s"
                                    .formatted(type, HexFormat.of().formatHex(sent)));
                    return;
                }
                errors += type == 'E' ? 1 : 0;
                skip(in);
            }
        } catch (SocketTimeoutException e) {
            // It waits for more, as it may.
        }
    }

    private static void skip(InputStream in) throws IOException {
        byte[] length = in.readNBytes(4);
        if (length.length == 4) {
            in.skipNBytes(Integer.toUnsignedLong(Bytes.i32BE(length, 0)) - 4);
        }
    }
}
