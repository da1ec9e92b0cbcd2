package io.palimpsest.sim.fault;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Net;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The server's end of PostgreSQL's message protocol over a connection.
 *
 * <pre>
 *   first message of the client: u32 length, body;   all others: u8 type, u32 length, body
 * </pre>
 */
final class ServerWire implements AutoCloseable {
    /** No message came in time. */
    static final int NOTHING = 0;

    /** The client's first message. */
    static final int STARTUP = -2;

    /** The client has ended the connection. */
    static final int ENDED = -1;

    private final Net.Connection connection;
    private final Clock clock;
    private final ByteSink out = new ByteSink(1 << 12);
    private int messageAt;
    private byte[] in = new byte[1 << 12];
    private int size;
    private boolean started;
    private byte[] body = new byte[0];

    ServerWire(Net.Connection connection, Clock clock) {
        this.connection = connection;
        this.clock = clock;
    }

    /** The type of the next message, whose body then is to be had, or one of the above. */
    int receive(long timeoutNanos) {
        long deadline = clock.monotonicNanos() + timeoutNanos;
        while (true) {
            int header = started ? 5 : 4;
            if (size >= header) {
                int length = Bytes.i32BE(in, header - 4) + header - 4;
                if (size >= length) {
                    int type = started ? in[0] : STARTUP;
                    body = Arrays.copyOfRange(in, header, length);
                    System.arraycopy(in, length, in, 0, size - length);
                    size -= length;
                    started = true;
                    return type == 'X' ? ENDED : type;
                }
            }
            if (size == in.length) {
                in = Arrays.copyOf(in, 2 * size);
            }
            int n =
                    connection.read(
                            in,
                            size,
                            in.length - size,
                            Math.max(0, deadline - clock.monotonicNanos()));
            if (n < 0) {
                return ENDED;
            }
            if (n == 0) {
                return NOTHING;
            }
            size += n;
        }
    }

    /** The body as a text that ends with NUL. */
    String string() {
        return new String(body, 0, body.length - 1, StandardCharsets.UTF_8);
    }

    int bodyByte(int at) {
        return Bytes.u8(body, at);
    }

    long bodyLong(int at) {
        return Bytes.i64BE(body, at);
    }

    ServerWire begin(int type) {
        messageAt = out.size();
        out.u8(type);
        out.i32BE(0);
        return this;
    }

    ServerWire u8(int value) {
        out.u8(value);
        return this;
    }

    ServerWire u16(int value) {
        out.u16BE(value);
        return this;
    }

    ServerWire i32(int value) {
        out.i32BE(value);
        return this;
    }

    ServerWire i64(long value) {
        out.i64BE(value);
        return this;
    }

    ServerWire text(String text) {
        out.bytes(text.getBytes(StandardCharsets.UTF_8));
        out.u8(0);
        return this;
    }

    ServerWire bytes(byte[] b, int offset, int length) {
        out.bytes(b, offset, length);
        return this;
    }

    void end() {
        Check.that(out.size() - messageAt >= 5, "no message begun at %d", messageAt);
        Bytes.putI32BE(out.array(), messageAt + 1, out.size() - messageAt - 1);
    }

    void flush() {
        if (out.size() > 0) {
            byte[] b = out.toByteArray();
            out.clear();
            connection.write(b, 0, b.length);
        }
    }

    @Override
    public void close() {
        connection.close();
    }
}
