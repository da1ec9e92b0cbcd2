package io.palimpsest.protocol;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Net;
import java.util.Arrays;

/**
 * The client's end of a libpq connection: cuts what the server sends into messages.
 *
 * <pre>
 *   u8 type | i32 length (with itself, without the type), big-endian | body
 * </pre>
 *
 * The buffer grows only as bytes arrive, up to {@link #MAX_MESSAGE}.
 */
final class MessageStream {
    /**
     * The largest body taken. A walsender's messages have at most 128 KiB of WAL, a base backup's
     * at most 32 KiB of archive; the rest are rows and errors.
     */
    static final int MAX_MESSAGE = 4 << 20;

    /** What {@link #next} answers when the time has passed. */
    static final int TIMED_OUT = 0;

    private static final String SERVER_TYPES = "RKSZTDCIEnNAtHWGdcv123s";

    private final Net.Connection connection;
    private final Clock clock;
    private byte[] buffer = new byte[64 << 10];
    private int start;
    private int end;
    private int bodyAt;
    private int bodyLength;

    MessageStream(Net.Connection connection, Clock clock) {
        this.connection = connection;
        this.clock = clock;
    }

    /**
     * Waits for the next message and answers its type, or {@link #TIMED_OUT}. The body is valid
     * until the next call.
     */
    int next(long timeoutNanos) {
        long deadline = clock.monotonicNanos() + timeoutNanos;
        while (true) {
            if (end - start >= 5) {
                int type = header();
                if (end - start >= 5 + bodyLength) {
                    bodyAt = start + 5;
                    start = bodyAt + bodyLength;
                    return type;
                }
            } else if (end > start) {
                checkType(buffer[start]);
            }
            makeRoom();
            long left = Math.max(0, deadline - clock.monotonicNanos());
            int n = connection.read(buffer, end, buffer.length - end, left);
            if (n == 0 && deadline - clock.monotonicNanos() <= 0) {
                return TIMED_OUT;
            }
            if (n < 0) {
                throw new PageserverException(
                        ErrorCode.IO,
                        end > start
                                ? "the server closed the connection within a message"
                                : "the server closed the connection");
            }
            end += n;
        }
    }

    byte[] buffer() {
        return buffer;
    }

    int bodyAt() {
        return bodyAt;
    }

    int bodyLength() {
        return bodyLength;
    }

    private int header() {
        int type = checkType(buffer[start]);
        int length = Bytes.i32BE(buffer, start + 1);
        if (length < 4 || length - 4 > MAX_MESSAGE) {
            throw PageserverException.corruption(
                    "message '%c' from the server: length %d, expected 4 to %d",
                    type, length, MAX_MESSAGE + 4);
        }
        bodyLength = length - 4;
        return type;
    }

    private static int checkType(byte type) {
        if (SERVER_TYPES.indexOf(type & 0xFF) < 0) {
            throw PageserverException.corruption(
                    "message from the server: found type 0x%02x, which PostgreSQL does not send",
                    type & 0xFF);
        }
        return type;
    }

    private void makeRoom() {
        if (end < buffer.length) {
            return;
        }
        if (start > 0) {
            System.arraycopy(buffer, start, buffer, 0, end - start);
            end -= start;
            start = 0;
        } else {
            buffer = Arrays.copyOf(buffer, Math.min(buffer.length * 2, MAX_MESSAGE + 5));
        }
    }
}
