package io.palimpsest.regress.fuzz;

import io.palimpsest.regress.Pause;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * A client that does what it should, over and over: comes in by a new connection each second, asks,
 * and wants the right answers. What it has to wait is what the others cost it.
 */
final class WellBehaved implements Runnable {
    private static final long CONNECTION_NANOS = 1_000_000_000L;
    private static final int PAUSE_MILLIS = 5;
    private static final String NOTHING = "0123456789abcdef0123456789abcdef";

    private final Door door;
    private final AtomicBoolean ended;
    private volatile long asked;
    private volatile long worstNanos;
    private volatile @Nullable String failure;

    WellBehaved(Door door, AtomicBoolean ended) {
        this.door = door;
        this.ended = ended;
    }

    long asked() {
        return asked;
    }

    long worstNanos() {
        return worstNanos;
    }

    /** What went wrong for it; null if nothing did. */
    @Nullable String failure() {
        return failure;
    }

    @Override
    public void run() {
        while (!ended.get() && failure == null) {
            try {
                visit();
            } catch (IOException e) {
                failure = door.name() + ": after " + asked + " questions: " + e;
            }
        }
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // one thread writes
    private void visit() throws IOException {
        long begun = System.nanoTime();
        try (Socket socket = door.enter()) {
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            DataInputStream in = new DataInputStream(socket.getInputStream());
            out.write(new byte[] {0, 0, 0, 9, 0, 3, 0, 0, 0});
            if (door.token() != null) {
                expect(in, "R");
                text(out, 'p', door.token());
                expect(in, "RSZ");
            } else {
                expect(in, "RSSSZ");
            }
            long since = begun;
            while (!ended.get() && System.nanoTime() - begun < CONNECTION_NANOS) {
                text(out, 'Q', "set x");
                expect(in, "CZ");
                text(out, 'Q', "lease lsn " + NOTHING + " " + NOTHING + " 0/100");
                expect(in, "EZ");
                long now = System.nanoTime();
                worstNanos = Math.max(worstNanos, now - since);
                asked++;
                Pause.millis(PAUSE_MILLIS);
                since = System.nanoTime();
            }
        }
    }

    private static void text(DataOutputStream out, char type, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        byte[] message = new byte[bytes.length + 6];
        message[0] = (byte) type;
        message[3] = (byte) (bytes.length + 5 >>> 8);
        message[4] = (byte) (bytes.length + 5);
        System.arraycopy(bytes, 0, message, 5, bytes.length);
        out.write(message);
        out.flush();
    }

    private static void expect(DataInputStream in, String types) throws IOException {
        for (int i = 0; i < types.length(); i++) {
            char type = types.charAt(i);
            int found = in.readUnsignedByte();
            in.skipNBytes(in.readInt() - 4L);
            if (found != type) {
                throw new IOException(
                        "found message '%c', expected '%c' of %s".formatted(found, type, types));
            }
        }
    }
}
