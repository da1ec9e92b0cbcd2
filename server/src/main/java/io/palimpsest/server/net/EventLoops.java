package io.palimpsest.server.net;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.IoEventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;

/** The event loops of one listener: epoll where the system has it. */
public final class EventLoops implements AutoCloseable {
    private final IoEventLoopGroup group;

    /**
     * @param threads 0: Netty's choice
     */
    public EventLoops(int threads) {
        group =
                new MultiThreadIoEventLoopGroup(
                        threads,
                        Epoll.isAvailable()
                                ? EpollIoHandler.newFactory()
                                : NioIoHandler.newFactory());
    }

    /** Listens; an IO error that names the address if that fails. */
    public Channel bind(ServerBootstrap bootstrap, String host, int port) {
        bootstrap
                .group(group)
                .channel(
                        Epoll.isAvailable()
                                ? EpollServerSocketChannel.class
                                : NioServerSocketChannel.class);
        ChannelFuture bound =
                bootstrap.bind(new InetSocketAddress(host, port)).awaitUninterruptibly();
        if (!bound.isSuccess()) {
            throw new PageserverException(
                    ErrorCode.IO,
                    "cannot listen on " + host + ":" + port + ": " + bound.cause().getMessage(),
                    bound.cause());
        }
        return bound.channel();
    }

    /** Ends the loops; what is still open is closed. */
    @Override
    public void close() {
        group.shutdownGracefully(0, 2, TimeUnit.SECONDS).awaitUninterruptibly();
    }
}
