package io.palimpsest.protocol;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import org.jspecify.annotations.Nullable;

/**
 * A running WAL stream. {@link #receive} says what came; the accessors belong to the last event and
 * are valid until the next call. Nothing is allocated per message.
 *
 * <pre>
 *   server  'w' u64 start | u64 server end | i64 time | WAL      'k' u64 end | i64 time | u8 reply
 *   client  'r' u64 write | u64 flush | u64 apply | i64 time | u8 reply
 * </pre>
 */
public final class ReplicationStream {
    /** What {@link #receive} answers. */
    public enum Event {
        /** Nothing came in time. */
        NOTHING,
        /** WAL bytes: {@link #walStart}, {@link #array}, {@link #offset}, {@link #length}. */
        WAL,
        /** {@link #serverEnd} and {@link #replyRequested}. */
        KEEPALIVE,
        /**
         * This PostgreSQL timeline is over: {@link #nextTimelineId} and {@link #nextTimelineStart}.
         * The connection takes commands again.
         */
        END_OF_TIMELINE,
        /** The stream ended as {@link #stop} asked. The connection takes commands again. */
        STOPPED,
        /** The server shuts down after everything was confirmed; the connection is over. */
        SERVER_CLOSING
    }

    private static final long EPOCH_2000_MILLIS = 946_684_800_000L;
    private static final int WAL_HEADER = 24;

    private final ReplicationLink link;
    private final long timeoutNanos;
    private boolean streaming;
    private boolean ended;
    private boolean copyDoneSent;
    private long walStart;
    private long serverEnd;
    private long serverTime;
    private boolean replyRequested;
    private byte[] array = new byte[0];
    private int offset;
    private int length;
    private int nextTimelineId;
    private long nextTimelineStart;

    ReplicationStream(ReplicationLink link, long timeoutNanos, boolean streaming) {
        this.link = link;
        this.timeoutNanos = timeoutNanos;
        this.streaming = streaming;
    }

    /** Waits up to {@code waitNanos} for the next event. After an ending one there is none. */
    public Event receive(long waitNanos) {
        Check.that(!ended, "the stream has ended");
        if (!streaming) {
            return finish(false);
        }
        int type;
        try {
            type = link.poll(waitNanos);
        } catch (PageserverException e) {
            ended = true;
            throw e;
        }
        return switch (type) {
            case MessageStream.TIMED_OUT -> Event.NOTHING;
            case 'd' -> copyData();
            case 'c' -> {
                streaming = false;
                sendCopyDone();
                yield finish(true);
            }
            case 'C' -> {
                ended = true;
                link.close();
                yield Event.SERVER_CLOSING;
            }
            default -> throw link.unexpected(type, "CopyData");
        };
    }

    /**
     * Tells the server how far we are. A slot keeps WAL from {@code flush} on, and moves back if a
     * lower value is sent.
     *
     * @param write received up to here
     * @param flush durable up to here; 0: unknown
     * @param apply visible up to here
     * @param wallMillis now, milliseconds since 1970
     * @param replyNow ask for a keepalive at once
     */
    public void sendStatus(long write, long flush, long apply, long wallMillis, boolean replyNow) {
        Check.that(!ended && !copyDoneSent, "the stream has ended");
        ByteSink out = link.begin('d');
        out.u8('r');
        out.i64BE(write);
        out.i64BE(flush);
        out.i64BE(apply);
        out.i64BE((wallMillis - EPOCH_2000_MILLIS) * 1000);
        out.u8(replyNow ? 1 : 0);
        link.send();
    }

    /**
     * Ends the stream and makes the connection ready for commands; WAL still under way is dropped.
     *
     * @return STOPPED, or END_OF_TIMELINE or SERVER_CLOSING if that was faster
     */
    public Event stop() {
        Check.that(!ended, "the stream has ended");
        sendCopyDone();
        long deadline = link.clock().monotonicNanos() + timeoutNanos;
        while (true) {
            Event event = receive(Math.max(0, deadline - link.clock().monotonicNanos()));
            switch (event) {
                case WAL, KEEPALIVE, NOTHING -> {
                    if (link.clock().monotonicNanos() >= deadline) {
                        ended = true;
                        throw link.fail(
                                PageserverException.of(
                                        ErrorCode.IO,
                                        "the server did not end its stream within %d ms",
                                        timeoutNanos / 1_000_000));
                    }
                }
                default -> {
                    return event;
                }
            }
        }
    }

    /** The LSN of the first byte of WAL. */
    public long walStart() {
        return walStart;
    }

    /** The end of the server's WAL when it sent the message. */
    public long serverEnd() {
        return serverEnd;
    }

    /** When the server sent the message: microseconds since 2000-01-01 UTC. */
    public long serverTimeMicros() {
        return serverTime;
    }

    /** The server wants a status at once. */
    public boolean replyRequested() {
        return replyRequested;
    }

    /** Holds the WAL bytes; reused by the next {@link #receive}. */
    public byte[] array() {
        return array;
    }

    public int offset() {
        return offset;
    }

    public int length() {
        return length;
    }

    /** PostgreSQL's timeline that follows the ended one. */
    public int nextTimelineId() {
        return nextTimelineId;
    }

    /** Where it follows. */
    public long nextTimelineStart() {
        return nextTimelineStart;
    }

    private Event copyData() {
        BodyReader body = link.body();
        try {
            int type = body.u8();
            return switch (type) {
                case 'w' -> {
                    if (body.remaining() < WAL_HEADER) {
                        throw body.malformed(body.remaining() + " bytes, expected a WAL header");
                    }
                    walStart = body.i64();
                    serverEnd = body.i64();
                    serverTime = body.i64();
                    replyRequested = false;
                    array = body.array();
                    offset = body.position();
                    length = body.remaining();
                    yield Event.WAL;
                }
                case 'k' -> {
                    serverEnd = body.i64();
                    serverTime = body.i64();
                    replyRequested = body.u8() != 0;
                    body.finish();
                    yield Event.KEEPALIVE;
                }
                default -> throw body.malformed("type " + type + ", expected 'w' or 'k'");
            };
        } catch (PageserverException e) {
            ended = true;
            throw link.fail(e);
        }
    }

    private void sendCopyDone() {
        if (!copyDoneSent) {
            copyDoneSent = true;
            link.begin('c');
            link.send();
        }
    }

    /**
     * Reads what follows a stream: [RowDescription, DataRow,] CommandComplete up to two times,
     * ReadyForQuery. The RowDescription was read already if there was no stream.
     */
    private Event finish(boolean afterStream) {
        ended = true;
        boolean next = false;
        while (true) {
            int type = link.await(timeoutNanos);
            switch (type) {
                case 'T', 'C' -> {}
                case 'D' -> {
                    @Nullable String[] row = link.row(2, 0);
                    nextTimelineId = link.u32(row, 0);
                    nextTimelineStart = link.lsn(row, 1);
                    next = true;
                }
                case 'Z' -> {
                    if (!next && !afterStream) {
                        throw link.unexpected(type, "the next timeline");
                    }
                    return next ? Event.END_OF_TIMELINE : Event.STOPPED;
                }
                default -> throw link.unexpected(type, "the end of the stream");
            }
        }
    }
}
