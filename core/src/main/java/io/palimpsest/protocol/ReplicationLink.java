package io.palimpsest.protocol;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Net;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What commands, base backup and streaming share: messages out, messages in without the
 * asynchronous ones, server errors as exceptions.
 *
 * <p>After an error of the server the connection is drained to its ReadyForQuery and can be used
 * again; after any other it is broken, and every later use says so.
 */
final class ReplicationLink {
    /** Rows of replication commands are few: tablespaces at most. */
    private static final int MAX_ROWS = 100_000;

    private final Net.Connection connection;
    private final MessageStream stream;
    private final Clock clock;
    private final ByteSink out = new ByteSink(256);
    private final BodyReader body = new BodyReader();
    private String serverVersion = "";
    private boolean standby;
    private @Nullable String broken;

    ReplicationLink(Net.Connection connection, Clock clock) {
        this.connection = connection;
        this.stream = new MessageStream(connection, clock);
        this.clock = clock;
    }

    Clock clock() {
        return clock;
    }

    /** The ParameterStatus server_version, e.g. {@code 15.8 (Debian 15.8-0)}. */
    String serverVersion() {
        return serverVersion;
    }

    /** The ParameterStatus in_hot_standby; false from a server that does not send it. */
    boolean standby() {
        return standby;
    }

    /** The body of the message that {@link #await} answered last. */
    BodyReader body() {
        return body;
    }

    void close() {
        broken = broken == null ? "closed" : broken;
        connection.close();
    }

    /** Nothing sensible can follow on this connection. */
    PageserverException fail(PageserverException e) {
        broken = broken == null ? e.getMessage() : broken;
        connection.close();
        return e;
    }

    PageserverException unexpected(int type, String expected) {
        return fail(
                PageserverException.corruption(
                        "message from the server: found '%c', expected %s", type, expected));
    }

    /** Starts a message; {@code type} 0 is the start-up message, which has none. */
    ByteSink begin(int type) {
        out.clear();
        if (type != 0) {
            out.u8(type);
        }
        out.i32BE(0);
        return out;
    }

    /** Sends the message started by {@link #begin}. */
    void send() {
        int lengthAt = out.array()[0] == 0 ? 0 : 1;
        Bytes.putI32BE(out.array(), lengthAt, out.size() - lengthAt);
        checkUsable();
        try {
            connection.write(out.array(), 0, out.size());
        } catch (PageserverException e) {
            throw fail(e);
        }
    }

    static void text(ByteSink out, String text) {
        out.bytes(text.getBytes(StandardCharsets.UTF_8));
        out.u8(0);
    }

    /**
     * The type of the next message that is neither a notice nor a parameter, its body in {@link
     * #body}; {@link MessageStream#TIMED_OUT} if none came in time.
     */
    int poll(long timeoutNanos) {
        checkUsable();
        long deadline = clock.monotonicNanos() + timeoutNanos;
        while (true) {
            int type;
            try {
                type = stream.next(Math.max(0, deadline - clock.monotonicNanos()));
                if (type == MessageStream.TIMED_OUT) {
                    return type;
                }
                body.reset(stream.buffer(), stream.bodyAt(), stream.bodyLength(), "server message");
                switch (type) {
                    case 'N', 'A' -> {
                        continue;
                    }
                    case 'S' -> {
                        parameter();
                        continue;
                    }
                    case 'E' -> {}
                    default -> {
                        return type;
                    }
                }
            } catch (PageserverException e) {
                throw fail(e);
            }
            throw serverError(timeoutNanos);
        }
    }

    /** The same, and silence is an IO error. */
    int await(long timeoutNanos) {
        int type = poll(timeoutNanos);
        if (type == MessageStream.TIMED_OUT) {
            throw fail(
                    PageserverException.of(
                            ErrorCode.IO, "no answer within %d ms", timeoutNanos / 1_000_000));
        }
        return type;
    }

    void expect(int type, String name, long timeoutNanos) {
        int found = await(timeoutNanos);
        if (found != type) {
            throw unexpected(found, name);
        }
    }

    /** Sends a command; its answer follows. */
    void command(String command) {
        text(begin('Q'), command);
        send();
    }

    /** Runs a command with at most one result set and answers its rows. */
    List<@Nullable String[]> query(String command, int columns, long timeoutNanos) {
        command(command);
        List<@Nullable String[]> rows = new ArrayList<>();
        while (true) {
            int type = await(timeoutNanos);
            switch (type) {
                case 'T', 'C', 'I' -> {}
                case 'D' -> rows.add(row(columns, rows.size()));
                case 'Z' -> {
                    return rows;
                }
                default -> throw unexpected(type, "the answer to " + command);
            }
        }
    }

    /** The rows of one result set that begins with a RowDescription. */
    List<@Nullable String[]> resultSet(int columns, long timeoutNanos) {
        expect('T', "RowDescription", timeoutNanos);
        List<@Nullable String[]> rows = new ArrayList<>();
        while (true) {
            int type = await(timeoutNanos);
            switch (type) {
                case 'D' -> rows.add(row(columns, rows.size()));
                case 'C' -> {
                    return rows;
                }
                default -> throw unexpected(type, "DataRow or CommandComplete");
            }
        }
    }

    /** The DataRow in {@link #body}: {@code columns} or more texts. */
    @Nullable String[] row(int columns, int rowsBefore) {
        try {
            int found = body.i16();
            if (found < columns || rowsBefore >= MAX_ROWS) {
                throw body.malformed(
                        found + " columns in row " + rowsBefore + ", expected " + columns);
            }
            @Nullable String[] row = new @Nullable String[found];
            for (int i = 0; i < found; i++) {
                int length = body.i32();
                row[i] = length == -1 ? null : body.text(length);
            }
            body.finish();
            return row;
        } catch (PageserverException e) {
            throw fail(e);
        }
    }

    /** A column that must be there. */
    String column(@Nullable String[] row, int index) {
        String value = row[index];
        if (value == null) {
            throw fail(PageserverException.corruption("column %d of the answer is NULL", index));
        }
        return value;
    }

    /** A column that is an LSN. */
    long lsn(@Nullable String[] row, int index) {
        String text = column(row, index);
        try {
            return Lsn.parse(text).value();
        } catch (PageserverException e) {
            throw fail(PageserverException.corruption("answer: found '%s', expected an LSN", text));
        }
    }

    /** A column that is an unsigned 32-bit number. */
    int u32(@Nullable String[] row, int index) {
        String text = column(row, index);
        try {
            return Integer.parseUnsignedInt(text);
        } catch (NumberFormatException e) {
            throw fail(
                    PageserverException.corruption("answer: found '%s', expected a number", text));
        }
    }

    private void parameter() {
        String name = body.text();
        String value = body.text();
        if (name.equals("server_version")) {
            serverVersion = value;
        } else if (name.equals("in_hot_standby")) {
            standby = value.equals("on");
        }
    }

    /** The ErrorResponse in {@link #body}, after the connection has become ready again. */
    private PageserverException serverError(long timeoutNanos) {
        String severity = "";
        String sqlState = "XX000";
        String message = "";
        try {
            for (int field = body.u8(); field != 0; field = body.u8()) {
                String value = body.text();
                switch (field) {
                    case 'V' -> severity = value;
                    case 'S' -> severity = severity.isEmpty() ? value : severity;
                    case 'C' -> sqlState = value.length() == 5 ? value : sqlState;
                    case 'M' -> message = value;
                    default -> {}
                }
            }
        } catch (PageserverException e) {
            return fail(e);
        }
        ReplicationError error = new ReplicationError(severity, sqlState, message);
        PageserverException e =
                new PageserverException(
                        error.code(), "the WAL source says " + error.getMessage(), error);
        if (error.endsConnection()) {
            return fail(e);
        }
        drainToReady(e, timeoutNanos);
        return e;
    }

    private void drainToReady(PageserverException cause, long timeoutNanos) {
        long deadline = clock.monotonicNanos() + timeoutNanos;
        try {
            int type;
            do {
                type = stream.next(Math.max(0, deadline - clock.monotonicNanos()));
            } while (type != 'Z' && type != MessageStream.TIMED_OUT);
            if (type != 'Z') {
                fail(cause);
            }
        } catch (PageserverException e) {
            cause.addSuppressed(e);
            fail(cause);
        }
    }

    private void checkUsable() {
        if (broken != null) {
            throw PageserverException.of(
                    ErrorCode.IO, "the replication connection is unusable: %s", broken);
        }
    }
}
