package io.palimpsest.server.net;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.concurrent.FastThreadLocal;
import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Net;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A Netty channel as a blocking connection. The event loop puts what arrives into a buffer, the
 * task that serves the connection takes it from there and writes answers.
 *
 * <p>While the task waits in {@link #read(byte[], int, int, long, Net.AtOnce)}, the event loop
 * answers messages itself (decision 0121). Whose turn it is, is {@link #atOnce}, guarded by the
 * lock:
 *
 * <pre>
 *   null: the task's       what arrives is put into the buffer, and the task is woken for it
 *   set: the event loop's  the task waits; the buffer holds nothing, or the beginning of a message,
 *                          or what the event loop has been called for
 *
 *   null -> set   by the task, in read, with an empty buffer; if that has not been empty for some
 *                 reads in a row, with what is in it: else one that asks without pause would have
 *                 the task's help for ever
 *   set -> null   by the event loop, for good until the next read: at a message that it cannot answer
 *                 at once, when answers of the task's have still to be passed on, when the peer does
 *                 not take what it gets, or after so much in one go; and at the end of the connection
 *                 by the task, when the time has passed
 * </pre>
 *
 * Answers of both go to the channel on the event loop: the event loop's at once, and only if none
 * of the task's is waiting for that ({@link #queuedBytes}); so they leave in the order of what they
 * answer.
 *
 * <p>Bounded both ways: nothing is read from the socket while the buffer holds {@link
 * #INBOUND_BYTES}, and a writer waits while more than the channel's high water mark is on its way
 * out; a peer that takes nothing for {@link #STUCK_NANOS} is given up.
 */
final class ChannelConnection extends ChannelInboundHandlerAdapter implements Net.Connection {
    /**
     * Where reading from the socket stops. What goes beyond is one read of at most 64 KiB, or, when
     * the peer has ended its side, what the kernel still holds (SO_RCVBUF): Netty then hands over
     * all of it unasked.
     */
    static final int INBOUND_BYTES = 128 << 10;

    private static final int READ_BYTES = 64 << 10;
    private static final long STUCK_NANOS = TimeUnit.SECONDS.toNanos(150);
    private static final long LINGER_MILLIS = 1000;

    /** The task writes no more while so much of it has not reached the event loop. */
    private static final int QUEUED_BYTES = 1 << 20;

    /** The event loop sends its answers when they are this many bytes: 32 pages. */
    private static final int PIECE_BYTES = 256 << 10;

    /** So many pieces in one go; then it is others' turn, and the rest is the task's. */
    private static final int PIECES = 4;

    /** So often the task is given what is in the buffer before the event loop tries again. */
    static final int TASK_READS = 4;

    /** Answers of the thread's event loop, until they are sent; no connection keeps any there. */
    private static final FastThreadLocal<ByteSink> ANSWERS =
            new FastThreadLocal<>() {
                @Override
                protected ByteSink initialValue() {
                    return new ByteSink(PIECE_BYTES + (16 << 10));
                }
            };

    private final Runnable onActive;
    private final Runnable onInactive;
    private final Runnable onSent;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private byte[] inbound = new byte[4 << 10];
    private int start;
    private int end;
    private long lastArrival;
    private Net.@Nullable AtOnce atOnce;
    private int taskReads;
    private int queuedBytes;
    private boolean reading;
    private boolean ended;
    private boolean closing;
    private boolean draining;
    private @Nullable ChannelHandlerContext context;

    /**
     * @param onActive called on the event loop when the connection can be used
     * @param onInactive called there when the channel is closed, by whomever
     * @param onSent called there after {@link #close} when all that was written has been sent, or
     *     cannot be
     */
    ChannelConnection(Runnable onActive, Runnable onInactive, Runnable onSent) {
        this.onActive = onActive;
        this.onInactive = onInactive;
        this.onSent = onSent;
    }

    /** Largest piece that the channel may be configured to read at once. */
    static int readBytes() {
        return READ_BYTES;
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        lock.lock();
        try {
            context = ctx;
            reading = true;
        } finally {
            lock.unlock();
        }
        ctx.read();
        onActive.run();
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        ByteBuf bytes = (ByteBuf) message;
        lock.lock();
        try {
            int n = bytes.readableBytes();
            if (!closing) {
                makeRoom(n);
                bytes.readBytes(inbound, end, n);
                end += n;
                lastArrival = System.nanoTime();
                if (atOnce == null) {
                    changed.signalAll();
                }
            }
        } finally {
            lock.unlock();
            bytes.release();
        }
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext ctx) {
        answerAtOnce(ctx);
        boolean more;
        lock.lock();
        try {
            more = closing || end - start < INBOUND_BYTES;
            reading = more;
        } finally {
            lock.unlock();
        }
        if (more) {
            ctx.read();
        }
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext ctx) {
        lock.lock();
        try {
            if (atOnce == null) {
                changed.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        lock.lock();
        try {
            ended = true;
            giveToTask();
        } finally {
            lock.unlock();
        }
        onInactive.run();
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
        // The peer reset the connection, or the like: the same as its end.
        var _ = ctx.close();
    }

    /** Answers what has come, if it is the event loop's turn; piece by piece, each sent at once. */
    private void answerAtOnce(ChannelHandlerContext ctx) {
        ByteSink answers = ANSWERS.get();
        boolean more = true;
        for (int piece = 1; more; piece++) {
            more = collectAnswers(ctx, answers, piece);
            if (answers.size() > 0) {
                ByteBuf out = ctx.alloc().directBuffer(answers.size());
                out.writeBytes(answers.array(), 0, answers.size());
                answers.clear();
                var _ = ctx.writeAndFlush(out, ctx.voidPromise());
            }
        }
    }

    /** One piece; false if there is nothing more to do here. */
    private boolean collectAnswers(ChannelHandlerContext ctx, ByteSink answers, int piece) {
        lock.lock();
        try {
            Net.AtOnce by = atOnce;
            if (by == null || start == end) {
                return false;
            }
            if (queuedBytes > 0 || piece > PIECES || !ctx.channel().isWritable()) {
                giveToTask();
                return false;
            }
            while (start < end) {
                int n = by.message(inbound, start, end);
                if (n == 0) {
                    return false;
                }
                if (!by.answer(inbound, start, n, answers)) {
                    giveToTask();
                    return false;
                }
                start += n;
                if (answers.size() >= PIECE_BYTES) {
                    return true;
                }
            }
            start = 0;
            end = 0;
            return false;
        } finally {
            lock.unlock();
        }
    }

    /** Ends the event loop's turn, if it is. The caller holds the lock. */
    private void giveToTask() {
        atOnce = null;
        changed.signalAll();
    }

    /** Is it the event loop's turn? For tests. */
    boolean answersAtOnce() {
        lock.lock();
        try {
            return atOnce != null;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public int read(byte[] into, int offset, int length, long timeoutNanos) {
        return read(into, offset, length, timeoutNanos, null);
    }

    @Override
    public int read(
            byte[] into, int offset, int length, long timeoutNanos, Net.@Nullable AtOnce answers) {
        Check.that(length > 0, "read of %d bytes", length);
        lock.lock();
        try {
            taskReads = start == end ? 0 : taskReads + 1;
            if (!isOver() && (start == end || taskReads > TASK_READS)) {
                taskReads = 0;
                lastArrival = System.nanoTime();
                lend(answers);
            }
            while (!isOver() && (atOnce != null || start == end)) {
                long left = timeoutNanos - (System.nanoTime() - lastArrival);
                if (left <= 0) {
                    atOnce = null;
                    return 0;
                }
                await(left);
            }
            if (start == end) {
                return -1;
            }
            int n = Math.min(length, end - start);
            System.arraycopy(inbound, start, into, offset, n);
            start += n;
            if (start == end) {
                start = 0;
                end = 0;
            }
            if (!reading && !ended && end - start < INBOUND_BYTES / 2) {
                reading = true;
                channel().read();
            }
            return n;
        } finally {
            lock.unlock();
        }
    }

    /** Begins the event loop's turn. The caller, which is the task, holds the lock. */
    private void lend(Net.@Nullable AtOnce answers) {
        atOnce = answers;
        if (answers != null && start < end) {
            ChannelHandlerContext ctx = channel();
            try {
                ctx.executor().execute(() -> goOn(ctx));
            } catch (RejectedExecutionException e) {
                atOnce = null;
            }
        }
    }

    /** The event loop's turn has begun with something in the buffer. */
    private void goOn(ChannelHandlerContext ctx) {
        answerAtOnce(ctx);
        lock.lock();
        try {
            if (reading || ended || end - start >= INBOUND_BYTES / 2) {
                return;
            }
            reading = true;
        } finally {
            lock.unlock();
        }
        ctx.read();
    }

    /** Does nothing more arrive? The caller holds the lock. */
    private boolean isOver() {
        return ended || closing || draining;
    }

    @Override
    public void write(byte[] bytes, int offset, int length) {
        ChannelHandlerContext to;
        lock.lock();
        try {
            to = channel();
            long left = STUCK_NANOS;
            while (!ended
                    && !closing
                    && (!to.channel().isWritable() || queuedBytes >= QUEUED_BYTES)) {
                if (left <= 0) {
                    throw new PageserverException(
                            ErrorCode.IO, "the peer " + peer() + " takes no bytes");
                }
                left = await(left);
            }
            if (ended || closing) {
                throw new PageserverException(ErrorCode.IO, "the peer " + peer() + " is gone");
            }
            queuedBytes += length;
        } finally {
            lock.unlock();
        }
        ByteBuf copy = to.alloc().directBuffer(length).writeBytes(bytes, offset, length);
        try {
            to.executor().execute(() -> passOn(to, copy));
        } catch (RejectedExecutionException e) {
            copy.release();
            throw new PageserverException(ErrorCode.IO, "the server has stopped", e);
        }
    }

    /** What the task has written reaches the channel: answers of the event loop come after it. */
    private void passOn(ChannelHandlerContext to, ByteBuf written) {
        lock.lock();
        try {
            queuedBytes -= written.readableBytes();
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        var _ = to.writeAndFlush(written, to.voidPromise());
    }

    /** What has arrived is still answered; then the connection ends as if the peer had ended it. */
    void drain() {
        lock.lock();
        try {
            draining = true;
            giveToTask();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Ends the connection after what was written has been sent. What still arrives is dropped for a
     * moment, since closing with unread bytes would take the last answer away from the peer.
     */
    @Override
    public void close() {
        ChannelHandlerContext ctx;
        lock.lock();
        try {
            if (closing || context == null) {
                return;
            }
            closing = true;
            ctx = context;
            giveToTask();
        } finally {
            lock.unlock();
        }
        ctx.executor().execute(() -> linger(ctx, onSent));
    }

    /**
     * Sends what is on its way, then the end, and closes a moment later.
     *
     * <p>Called on the channel's event loop.
     *
     * @param onSent when that is sent, or cannot be
     */
    static void linger(ChannelHandlerContext ctx, Runnable onSent) {
        ctx.read();
        SslHandler tls = ctx.pipeline().get(SslHandler.class);
        var _ =
                (tls == null ? ctx.writeAndFlush(Unpooled.EMPTY_BUFFER) : tls.closeOutbound())
                        .addListener(sent -> {
                            var _ = ((DuplexChannel) ctx.channel()).shutdownOutput();
                            onSent.run();
                        });
        Runnable close =
                () -> {
                    var _ = ctx.close();
                };
        var _ = ctx.executor().schedule(close, LINGER_MILLIS, TimeUnit.MILLISECONDS);
    }

    private String peer() {
        return String.valueOf(channel().channel().remoteAddress());
    }

    private ChannelHandlerContext channel() {
        ChannelHandlerContext ctx = context;
        if (ctx == null) {
            throw new IllegalStateException("not connected yet");
        }
        return ctx;
    }

    private void makeRoom(int n) {
        if (inbound.length - end >= n) {
            return;
        }
        byte[] target =
                inbound.length - (end - start) >= n
                        ? inbound
                        : new byte[Math.max(inbound.length * 2, end - start + n)];
        System.arraycopy(inbound, start, target, 0, end - start);
        inbound = target;
        end -= start;
        start = 0;
    }

    /** Waits for a change; answers what is left of the time. The callers loop. */
    @SuppressWarnings("WaitNotInLoop")
    private long await(long nanos) {
        try {
            return changed.awaitNanos(nanos);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new PageserverException(ErrorCode.IO, "interrupted", e);
        }
    }
}
