package io.palimpsest.server.net;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.ssl.SslHandler;
import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Net;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * A Netty channel as a blocking connection. The event loop puts what arrives into a buffer, the
 * task that serves the connection takes it from there and writes answers.
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

    private final Runnable onActive;
    private final Runnable onInactive;
    private final Runnable onSent;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private byte[] inbound = new byte[4 << 10];
    private int start;
    private int end;
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
                changed.signalAll();
            }
        } finally {
            lock.unlock();
            bytes.release();
        }
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext ctx) {
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
        wake(false);
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        wake(true);
        onInactive.run();
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
        // The peer reset the connection, or the like: the same as its end.
        var _ = ctx.close();
    }

    @Override
    public int read(byte[] into, int offset, int length, long timeoutNanos) {
        Check.that(length > 0, "read of %d bytes", length);
        long left = timeoutNanos;
        lock.lock();
        try {
            while (start == end) {
                if (ended || closing || draining) {
                    return -1;
                }
                if (left <= 0) {
                    return 0;
                }
                left = await(left);
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

    @Override
    public void write(byte[] bytes, int offset, int length) {
        ChannelHandlerContext to;
        lock.lock();
        try {
            to = channel();
            long left = STUCK_NANOS;
            while (!ended && !closing && !to.channel().isWritable()) {
                if (left <= 0) {
                    throw new PageserverException(
                            ErrorCode.IO, "the peer " + peer() + " takes no bytes");
                }
                left = await(left);
            }
            if (ended || closing) {
                throw new PageserverException(ErrorCode.IO, "the peer " + peer() + " is gone");
            }
        } finally {
            lock.unlock();
        }
        ByteBuf copy = to.alloc().directBuffer(length).writeBytes(bytes, offset, length);
        var _ = to.writeAndFlush(copy, to.voidPromise());
    }

    /** What has arrived is still answered; then the connection ends as if the peer had ended it. */
    void drain() {
        lock.lock();
        try {
            draining = true;
            changed.signalAll();
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
            changed.signalAll();
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

    private void wake(boolean atEnd) {
        lock.lock();
        try {
            ended |= atEnd;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
