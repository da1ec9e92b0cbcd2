package io.palimpsest.protocol;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Net;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * A PostgreSQL server made of a script, all in the caller's thread: it answers each message of the
 * client at once and hands the bytes out in pieces of random size. Time passes only when a read
 * finds nothing.
 */
final class FakeServer implements Net, Net.Connection, Clock {
    /** Answers a message; type 0 is the start-up message. */
    interface Script {
        void message(int type, byte[] body, FakeServer server);
    }

    private final Script script;
    private final Random pieces;
    private final ByteSink received = new ByteSink(64);
    private final ByteSink answers = new ByteSink(64);
    private int answersAt;
    private boolean started;
    private boolean ended;
    private long nanos;
    boolean closed;
    final List<String> seen = new ArrayList<>();

    FakeServer(long seed, Script script) {
        this.pieces = new Random(seed);
        this.script = script;
    }

    /** Hands the client these bytes. */
    FakeServer raw(byte[] bytes) {
        answers.bytes(bytes);
        return this;
    }

    /** A message whose body is the parts: Integer = i32, Long = i64, Byte, Short, String = text. */
    FakeServer send(char type, Object... parts) {
        ByteSink body = new ByteSink(64);
        for (Object part : parts) {
            switch (part) {
                case Byte b -> body.u8(b);
                case Short s -> body.u16BE(s);
                case Integer i -> body.i32BE(i);
                case Long l -> body.i64BE(l);
                case byte[] b -> body.bytes(b);
                case String s -> {
                    body.bytes(s.getBytes(StandardCharsets.UTF_8));
                    body.u8(0);
                }
                default -> throw new AssertionError(part);
            }
        }
        answers.u8(type);
        answers.i32BE(body.size() + 4);
        answers.bytes(body.array(), 0, body.size());
        return this;
    }

    FakeServer row(String... columns) {
        ByteSink body = new ByteSink(64);
        body.u16BE(columns.length);
        for (String column : columns) {
            if (column == null) {
                body.i32BE(-1);
            } else {
                byte[] text = column.getBytes(StandardCharsets.UTF_8);
                body.i32BE(text.length);
                body.bytes(text);
            }
        }
        return send('D', body.toByteArray());
    }

    FakeServer rowDescription() {
        return send('T', (short) 0);
    }

    FakeServer error(String severity, String sqlState, String message) {
        return send(
                'E',
                (byte) 'S',
                severity,
                (byte) 'V',
                severity,
                (byte) 'C',
                sqlState,
                (byte) 'M',
                message,
                (byte) 0);
    }

    FakeServer ready() {
        return send('Z', (byte) 'I');
    }

    /** Authentication done, parameters, ready. */
    FakeServer welcome(String version) {
        return send('R', 0)
                .send('S', "server_version", version)
                .send('S', "client_encoding", "UTF8")
                .send('K', 1, 2)
                .ready();
    }

    /** The server closes its end after what it has sent. */
    void end() {
        ended = true;
    }

    static String string(byte[] body) {
        int end = body.length > 0 && body[body.length - 1] == 0 ? body.length - 1 : body.length;
        return new String(body, 0, end, StandardCharsets.UTF_8);
    }

    @Override
    public Net.Connection connect(String host, int port, long timeoutNanos) {
        return this;
    }

    @Override
    public int read(byte[] into, int offset, int length, long timeoutNanos) {
        if (closed) {
            throw new PageserverException(ErrorCode.IO, "closed");
        }
        int left = answers.size() - answersAt;
        if (left == 0) {
            if (ended) {
                return -1;
            }
            nanos += timeoutNanos;
            return 0;
        }
        int n = Math.min(Math.min(left, length), 1 + pieces.nextInt(50));
        System.arraycopy(answers.array(), answersAt, into, offset, n);
        answersAt += n;
        return n;
    }

    @Override
    public void write(byte[] bytes, int offset, int length) {
        if (closed) {
            throw new PageserverException(ErrorCode.IO, "closed");
        }
        received.bytes(bytes, offset, length);
        while (true) {
            int header = started ? 1 : 0;
            if (received.size() < header + 4) {
                return;
            }
            int size = Bytes.i32BE(received.array(), header) + header;
            if (received.size() < size) {
                return;
            }
            byte[] message = Arrays.copyOf(received.array(), size);
            byte[] rest = Arrays.copyOfRange(received.array(), size, received.size());
            received.clear();
            received.bytes(rest);
            int type = started ? message[0] : 0;
            started = true;
            byte[] body = Arrays.copyOfRange(message, header + 4, size);
            if (type == 'Q') {
                seen.add(string(body));
            }
            script.message(type, body, this);
        }
    }

    @Override
    public void close() {
        closed = true;
    }

    @Override
    public long monotonicNanos() {
        return nanos;
    }

    @Override
    public long wallMillis() {
        return 946_684_800_000L + nanos / 1_000_000;
    }
}
