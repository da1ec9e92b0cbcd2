package io.palimpsest.regress.fuzz;

import io.palimpsest.regress.Pause;
import io.palimpsest.server.connect.Messages;
import java.io.IOException;
import java.net.Socket;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * A client that does what it should, over and over: comes in by a new connection each second, asks,
 * and wants the right answers. What it has to wait is what the others cost it.
 */
final class WellBehaved implements Runnable {
    private static final long CONNECTION_NANOS = 1_000_000_000L;
    private static final int PAUSE_MILLIS = 5;
    private static final int MOST = 1 << 16;
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
            Messages messages =
                    new Messages(socket.getInputStream(), socket.getOutputStream(), MOST);
            messages.startUp(Map.of());
            String token = door.credentials().token();
            if (token != null) {
                expect(messages, "R");
                messages.password(token);
                expect(messages, "RSZ");
            } else {
                expect(messages, "RSSSZ");
            }
            long since = begun;
            while (!ended.get() && System.nanoTime() - begun < CONNECTION_NANOS) {
                messages.query("set x");
                expect(messages, "CZ");
                messages.query("lease lsn " + NOTHING + " " + NOTHING + " 0/100");
                expect(messages, "EZ");
                long now = System.nanoTime();
                worstNanos = Math.max(worstNanos, now - since);
                asked++;
                Pause.millis(PAUSE_MILLIS);
                since = System.nanoTime();
            }
        }
    }

    private static void expect(Messages messages, String types) throws IOException {
        for (int i = 0; i < types.length(); i++) {
            int found = messages.next();
            if (found != types.charAt(i)) {
                throw new IOException(
                        "found message '%c', expected '%c' of %s"
                                .formatted(found, types.charAt(i), types));
            }
        }
    }
}
