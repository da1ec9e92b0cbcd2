package io.palimpsest.protocol;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.PageserverException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The server's end of a page service connection: the libpq protocol as a state machine, bytes in,
 * bytes out. Feed bytes by {@link #receive}, then call {@link #next} until it wants more; what it
 * answers itself, and what the answering methods write, is appended to {@link #out}.
 *
 * <pre>
 *   START  SSLRequest, GSSENCRequest: 'N' and again; StartupMessage: R S S S Z, or R if a token is asked for
 *   TOKEN  p: TOKEN; the caller answers by {@link #accept} or {@link #failAndEnd}
 *   QUERY  Q, or P B D E C S: COMMAND; the caller answers it; X: END
 *   COPY   (after {@link #startPagestream}) d: REQUEST, X: END, anything else: an error, back to QUERY
 * </pre>
 *
 * What breaks the protocol itself gets an ErrorResponse and ends the session. A length is checked
 * before anything is kept for it.
 */
public final class ServerSession {
    /** What {@link #next} answers. */
    public enum Event {
        /** All that was received is used up. */
        NEED_BYTES,
        /** {@link #token} is to be checked: then {@link #accept}, or {@link #failAndEnd}. */
        TOKEN,
        /** {@link #command} is to be run and answered. */
        COMMAND,
        /** {@link #request} is to be answered. */
        REQUEST,
        /** Send what is in {@link #out}, then close. */
        END
    }

    private enum State {
        START,
        TOKEN,
        QUERY,
        /** After an error in the extended protocol: messages are dropped until Sync. */
        SKIP,
        COPY,
        ENDED
    }

    /** What somebody sends before it is known to be a client of ours. */
    static final int MAX_STARTUP = 10_000;

    /** Commands and requests are short. */
    static final int MAX_MESSAGE = 64 << 10;

    /** Type and length. */
    private static final int HEADER = 5;

    private static final int SSL_REQUEST = 80877103;
    private static final int GSSENC_REQUEST = 80877104;
    private static final int SPECIAL_MAJOR = 1234;

    /** AuthenticationCleartextPassword, which is how the field asks for a token. */
    private static final int CLEARTEXT_PASSWORD = 3;

    private static final String PROTOCOL_VIOLATION = "08P01";
    private static final String INTERNAL_ERROR = "XX000";

    private final boolean asksForToken;
    private final ByteSink out = new ByteSink(4096);
    private final BodyReader body = new BodyReader();
    private byte[] buffer = new byte[1024];
    private int start;
    private int end;
    private State state = State.START;
    private int negotiations;
    private boolean extended;
    private boolean answered = true;
    private @Nullable String prepared;
    private @Nullable PageCommand command;
    private @Nullable PagestreamRequest request;
    private String applicationName = "";
    private @Nullable String token;

    /**
     * @param asksForToken whether a client has to show one before it may ask anything
     */
    public ServerSession(boolean asksForToken) {
        this.asksForToken = asksForToken;
    }

    /** Bytes to send; the caller clears it when it has sent them. */
    public ByteSink out() {
        return out;
    }

    /** As the client calls itself in its start-up message; empty if it does not. */
    public String applicationName() {
        return applicationName;
    }

    /** Has the client started up, and shown a token if it has to? */
    public boolean isIn() {
        return state != State.START && state != State.TOKEN;
    }

    /** Is the session within the pagestream sub-protocol? */
    public boolean inPagestream() {
        return state == State.COPY;
    }

    /** Is it within a pagestream, and no part of a message is here? */
    public boolean isBetweenRequests() {
        return state == State.COPY && start == end;
    }

    /** Takes bytes from the client; those of before are to be used up ({@link #next}). */
    public void receive(byte[] bytes, int offset, int length) {
        if (start > 0) {
            System.arraycopy(buffer, start, buffer, 0, end - start);
            end -= start;
            start = 0;
        }
        if (buffer.length - end < length) {
            buffer = Arrays.copyOf(buffer, Math.max(buffer.length * 2, end + length));
        }
        System.arraycopy(bytes, offset, buffer, end, length);
        end += length;
    }

    /** Works on what was received until the caller has something to do. */
    public Event next() {
        Check.that(answered, "the command is not answered");
        while (true) {
            Event event =
                    switch (state) {
                        case START -> startup();
                        case TOKEN, QUERY, SKIP, COPY -> message();
                        case ENDED -> Event.END;
                    };
            if (event != null) {
                return event;
            }
        }
    }

    /** What the client has shown; it is asked for once. */
    public String token() {
        String shown = token;
        Check.that(shown != null && !answered, "there is no token");
        token = null;
        return Objects.requireNonNull(shown);
    }

    /** The token is good: the client may ask. */
    public void accept() {
        Check.that(!answered && state == State.TOKEN, "there is no token");
        answered = true;
        authentication(0);
        parameterStatus("client_encoding", "UTF8");
        ready();
        state = State.QUERY;
    }

    /** The command to run. */
    public PageCommand command() {
        PageCommand current = command;
        Check.that(current != null && !answered, "there is no command");
        return Objects.requireNonNull(current);
    }

    /** The request to answer by {@link PagestreamCodec}; overwritten by {@link #next}. */
    public PagestreamRequest request() {
        PagestreamRequest current = request;
        Check.that(current != null && state == State.COPY, "there is no request");
        return Objects.requireNonNull(current);
    }

    /** Answers a pagestream command: requests follow. */
    public void startPagestream(int version) {
        Check.that(!answered, "there is no command");
        answered = true;
        request = new PagestreamRequest(version);
        state = State.COPY;
        int message = begin('W');
        out.u8(0);
        out.u16BE(0);
        finish(message);
    }

    /** Starts an answer of bytes. */
    public void startCopyOut() {
        Check.that(!answered, "there is no command");
        int message = begin('H');
        out.u8(0);
        out.u16BE(0);
        finish(message);
    }

    /** Some of the bytes; any number of times, also none. */
    public void copyOut(byte[] bytes, int offset, int length) {
        int message = begin('d');
        out.bytes(bytes, offset, length);
        finish(message);
    }

    /** All bytes were given: the command is done. */
    public void endCopyOut() {
        empty('c');
        complete();
    }

    /** Starts an answer of rows: names of columns and the OIDs of their types. */
    public void rowDescription(List<String> names, int[] types) {
        int message = begin('T');
        out.u16BE(names.size());
        for (int i = 0; i < names.size(); i++) {
            text(names.get(i));
            out.i32BE(0);
            out.u16BE(0);
            out.i32BE(types[i]);
            out.u16BE(-1);
            out.i32BE(-1);
            out.u16BE(0);
        }
        finish(message);
    }

    /** One row in text form; null is NULL. */
    public void row(List<? extends @Nullable String> columns) {
        int message = begin('D');
        out.u16BE(columns.size());
        for (String column : columns) {
            if (column == null) {
                out.i32BE(-1);
                continue;
            }
            byte[] value = column.getBytes(StandardCharsets.UTF_8);
            out.i32BE(value.length);
            out.bytes(value);
        }
        finish(message);
    }

    /** The command is done. */
    public void complete() {
        Check.that(!answered, "there is no command");
        answered = true;
        int message = begin('C');
        text("SELECT 1");
        finish(message);
        if (!extended) {
            ready();
        }
    }

    /** The command, or the pagestream as a whole, failed; the session goes on with QUERY. */
    public void fail(String message) {
        answered = true;
        errorResponse(INTERNAL_ERROR, message);
        if (state == State.COPY || !extended) {
            state = State.QUERY;
            ready();
        } else {
            state = State.SKIP;
        }
    }

    /** Something failed for which the client is to go away. */
    public void failAndEnd(String sqlState, String message) {
        answered = true;
        errorResponse(sqlState, message);
        state = State.ENDED;
    }

    private @Nullable Event startup() {
        int available = end - start;
        if (available > 0 && buffer[start] != 0) {
            // A length below 2^24 starts with a zero: this is TLS (0x16), HTTP or anything else.
            return violation(
                    buffer[start] == 0x16
                            ? "TLS is not configured"
                            : "the first byte is " + (buffer[start] & 0xFF) + ", expected 0");
        }
        if (available < 4) {
            return Event.NEED_BYTES;
        }
        int length = Bytes.i32BE(buffer, start);
        if (length < 8 || length > MAX_STARTUP) {
            return violation(
                    "start-up packet of " + length + " bytes, expected 8 to " + MAX_STARTUP);
        }
        if (available < length) {
            return Event.NEED_BYTES;
        }
        int code = Bytes.i32BE(buffer, start + 4);
        int at = start + 8;
        start += length;
        if (code == SSL_REQUEST || code == GSSENC_REQUEST) {
            if (++negotiations > 2) {
                return violation("a third request for encryption");
            }
            out.u8('N');
            return null;
        }
        if (code >>> 16 == SPECIAL_MAJOR) {
            return violation("start-up code 1234." + (code & 0xFFFF) + " is not supported");
        }
        return parameters(at, length - 8);
    }

    private @Nullable Event parameters(int at, int length) {
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(buffer, at, length));
        } catch (CharacterCodingException e) {
            return violation("the start-up message is not UTF-8");
        }
        try {
            body.reset(buffer, at, length, "start-up message");
            for (String name = body.text(); !name.isEmpty(); name = body.text()) {
                String value = body.text();
                if (name.equals("application_name")) {
                    applicationName = value;
                }
            }
            body.finish();
        } catch (PageserverException e) {
            return violation(String.valueOf(e.getMessage()));
        }
        if (asksForToken) {
            authentication(CLEARTEXT_PASSWORD);
            state = State.TOKEN;
            return null;
        }
        authentication(0);
        parameterStatus("client_encoding", "UTF8");
        parameterStatus("integer_datetimes", "on");
        parameterStatus("server_version", "14.1");
        ready();
        state = State.QUERY;
        return null;
    }

    /**
     * Bytes of the CopyData that begins in {@code bytes[from .. to)}, or 0 if it has not come
     * whole; all of them, if it is anything else.
     */
    public static int copyData(byte[] bytes, int from, int to) {
        if (from < to && bytes[from] != 'd') {
            return to - from;
        }
        if (to - from < HEADER) {
            return 0;
        }
        int length = Bytes.i32BE(bytes, from + 1);
        if (length < 4 || length > MAX_MESSAGE) {
            return to - from;
        }
        return to - from < length + 1 ? 0 : length + 1;
    }

    private @Nullable Event message() {
        int available = end - start;
        if (available == 0) {
            return Event.NEED_BYTES;
        }
        int type = buffer[start];
        if ("QPBDECSHXdcfp".indexOf(type) < 0) {
            return violation("unknown message type " + (type & 0xFF));
        }
        if (available < 5) {
            return Event.NEED_BYTES;
        }
        int length = Bytes.i32BE(buffer, start + 1);
        int most = state == State.TOKEN ? MAX_STARTUP : MAX_MESSAGE;
        if (length < 4 || length > most) {
            return violation(
                    "message '" + (char) type + "' of " + length + " bytes, expected 4 to " + most);
        }
        if (available < length + 1) {
            return Event.NEED_BYTES;
        }
        int at = start + 5;
        start += length + 1;
        if (type == 'X') {
            state = State.ENDED;
            return null;
        }
        if (state == State.TOKEN) {
            return tokenMessage(type, at, length - 4);
        }
        if (state == State.COPY) {
            return copyMessage(type, at, length - 4);
        }
        if (type == 'S') {
            state = State.QUERY;
            ready();
            return null;
        }
        if (state == State.SKIP) {
            return null;
        }
        body.reset(buffer, at, length - 4, "message '" + (char) type + "'");
        try {
            return queryMessage(type);
        } catch (PageserverException e) {
            extended = type != 'Q';
            fail(String.valueOf(e.getMessage()));
            return null;
        }
    }

    private Event tokenMessage(int type, int at, int length) {
        if (type != 'p') {
            return violation("message '" + (char) type + "' before the password");
        }
        body.reset(buffer, at, length, "password message");
        try {
            token = body.text();
            body.finish();
        } catch (PageserverException e) {
            return violation(String.valueOf(e.getMessage()));
        }
        answered = false;
        return Event.TOKEN;
    }

    private @Nullable Event copyMessage(int type, int at, int length) {
        if (type != 'd') {
            fail("message '" + (char) type + "' within a pagestream, expected CopyData");
            return null;
        }
        try {
            PagestreamCodec.decodeRequest(buffer, at, length, request());
            return Event.REQUEST;
        } catch (PageserverException e) {
            fail(String.valueOf(e.getMessage()));
            return null;
        }
    }

    private @Nullable Event queryMessage(int type) {
        switch (type) {
            case 'Q' -> {
                String text = body.text();
                body.finish();
                return run(text, false);
            }
            case 'P' -> parse();
            case 'B' -> bind();
            case 'D' -> describe();
            case 'E' -> {
                unnamed("portal", body.text());
                int rows = body.i32();
                body.finish();
                String text = prepared;
                if (rows != 0 || text == null) {
                    throw PageserverException.badRequest(
                            "Execute: found a limit of %d rows, expected none after a Parse", rows);
                }
                return run(text, true);
            }
            case 'C' -> empty('3');
            case 'H' -> {}
            default -> {
                return violation("message '" + (char) type + "' outside of a copy");
            }
        }
        return null;
    }

    private Event run(String text, boolean asExtended) {
        extended = asExtended;
        command = PageCommand.parse(text);
        answered = false;
        return Event.COMMAND;
    }

    private void parse() {
        unnamed("statement", body.text());
        String text = body.text();
        int types = body.i16();
        if (types != 0) {
            throw PageserverException.badRequest(
                    "Parse: found %d parameters, expected none", types);
        }
        body.finish();
        prepared = text;
        empty('1');
    }

    private void bind() {
        unnamed("portal", body.text());
        unnamed("statement", body.text());
        int formats = body.i16();
        for (int i = 0; i < formats; i++) {
            body.i16();
        }
        int parameters = body.i16();
        if (parameters != 0) {
            throw PageserverException.badRequest(
                    "Bind: found %d parameters, expected none", parameters);
        }
        empty('2');
    }

    private void describe() {
        int kind = body.u8();
        if (kind != 'S') {
            throw PageserverException.badRequest(
                    "Describe: found kind %d, expected 'S', a statement", kind);
        }
        unnamed("statement", body.text());
        int parameters = begin('t');
        out.u16BE(0);
        finish(parameters);
        empty('n');
    }

    private static void unnamed(String what, String name) {
        if (!name.isEmpty()) {
            throw PageserverException.badRequest(
                    "found %s '%s', expected the unnamed one", what, name);
        }
    }

    private Event violation(String message) {
        failAndEnd(PROTOCOL_VIOLATION, message);
        return Event.END;
    }

    private void errorResponse(String sqlState, String message) {
        int at = begin('E');
        out.u8('S');
        text("ERROR");
        out.u8('C');
        text(sqlState);
        out.u8('M');
        text(message);
        out.u8(0);
        finish(at);
    }

    /** {@code code} 0: it is fine. */
    private void authentication(int code) {
        int message = begin('R');
        out.i32BE(code);
        finish(message);
    }

    private void parameterStatus(String name, String value) {
        int message = begin('S');
        text(name);
        text(value);
        finish(message);
    }

    private void ready() {
        int message = begin('Z');
        out.u8('I');
        finish(message);
    }

    private void empty(int type) {
        finish(begin(type));
    }

    private int begin(int type) {
        out.u8(type);
        return out.reserve(4);
    }

    private void finish(int lengthAt) {
        Bytes.putI32BE(out.array(), lengthAt, out.size() - lengthAt);
    }

    private void text(String text) {
        out.bytes(text.replace('\0', ' ').getBytes(StandardCharsets.UTF_8));
        out.u8(0);
    }
}
