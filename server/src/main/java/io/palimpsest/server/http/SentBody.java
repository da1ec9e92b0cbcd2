package io.palimpsest.server.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.concurrent.ScheduledFuture;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.timeline.Incoming;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A request's body of any length, read by a task as it comes. The event loop reads from the
 * connection only while little is waiting, so a slow reader slows the sender and memory is bounded.
 */
final class SentBody implements Incoming {
    private static final int PLENTY = 1 << 20;

    /** A sender that is silent for longer is taken for dead. */
    private static final long SILENCE_SECONDS = 300;

    /** How long a sender that was refused may go on, so that it comes to read why. */
    private static final long LINGER_SECONDS = 30;

    private final Channel channel;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final ArrayDeque<ByteBuf> waiting = new ArrayDeque<>();
    private long bytes;
    private boolean asked;
    private boolean expectsContinue;
    private boolean complete;
    private boolean unwanted;
    private @Nullable String broken;

    /**
     * @param expectsContinue the sender wants to hear that its body is wanted before it sends it
     */
    SentBody(Channel channel, boolean expectsContinue) {
        this.channel = channel;
        this.expectsContinue = expectsContinue;
    }

    /** The next part has come. On the event loop. */
    void add(HttpContent part) {
        lock.lock();
        try {
            if (part.decoderResult().isFailure()) {
                broken = "the body is damaged: " + part.decoderResult().cause().getMessage();
            }
            complete |= part instanceof LastHttpContent;
            if (unwanted || !part.content().isReadable()) {
                part.release();
            } else {
                waiting.add(part.content());
                bytes += part.content().readableBytes();
            }
            // What comes behind the body is another request, which has to wait for the answer.
            if (bytes > PLENTY || complete) {
                channel.config().setAutoRead(false);
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** The connection has ended. On the event loop. */
    void disconnected() {
        lock.lock();
        try {
            if (!complete) {
                broken = "the client has closed the connection before the end of the body";
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public int read(byte[] into, int offset, int length) {
        lock.lock();
        try {
            begin();
            while (waiting.isEmpty() && !complete && broken == null) {
                if (!changed.await(SILENCE_SECONDS, TimeUnit.SECONDS) && waiting.isEmpty()) {
                    broken = "nothing came for " + SILENCE_SECONDS + " s";
                }
            }
            ByteBuf first = waiting.peek();
            if (first != null) {
                int n = Math.min(length, first.readableBytes());
                first.readBytes(into, offset, n);
                taken(first, n);
                return n;
            }
            if (broken != null) {
                throw PageserverException.of(ErrorCode.IO, "%s", broken);
            }
            return -1;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw PageserverException.of(ErrorCode.SHUTTING_DOWN, "the page server stops");
        } finally {
            lock.unlock();
        }
    }

    private void begin() {
        if (expectsContinue && !asked) {
            var _ =
                    channel.writeAndFlush(
                            new DefaultFullHttpResponse(
                                    HttpVersion.HTTP_1_1, HttpResponseStatus.CONTINUE));
        }
        asked = true;
    }

    private void taken(ByteBuf first, int n) {
        bytes -= n;
        if (!first.isReadable()) {
            waiting.remove();
            first.release();
        }
        if (bytes <= PLENTY / 2 && !complete) {
            channel.config().setAutoRead(true);
        }
    }

    @Override
    public void end() {
        lock.lock();
        try {
            broken = broken == null ? "the page server wants no more of it" : broken;
            waiting.forEach(ByteBuf::release);
            waiting.clear();
            bytes = 0;
            unwanted = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Nobody reads on. What is still to come is thrown away, for a while. */
    void discard() {
        lock.lock();
        try {
            unwanted = true;
            waiting.forEach(ByteBuf::release);
            waiting.clear();
            bytes = 0;
            if (!complete) {
                channel.config().setAutoRead(true);
            }
        } finally {
            lock.unlock();
        }
    }

    /** Has all of it come? Then the connection can be used again. */
    boolean isComplete() {
        lock.lock();
        try {
            return complete;
        } finally {
            lock.unlock();
        }
    }

    /** Closes the connection when the sender has had time to read the answer. */
    void closeLater() {
        ScheduledFuture<?> _ =
                channel.eventLoop()
                        .schedule(
                                (Runnable)
                                        () -> {
                                            ChannelFuture _ = channel.close();
                                        },
                                LINGER_SECONDS,
                                TimeUnit.SECONDS);
    }
}
