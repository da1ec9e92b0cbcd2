package io.palimpsest.server.net;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.FixedRecvByteBufAllocator;
import io.netty.channel.WriteBufferWaterMark;
import io.palimpsest.port.Event;
import io.palimpsest.port.Net;
import io.palimpsest.port.Tasks;
import io.palimpsest.server.auth.Certificate;
import io.palimpsest.server.config.ServerConfig;
import io.palimpsest.server.metrics.Metrics;
import io.palimpsest.server.runtime.LogTracer;
import io.palimpsest.service.PageService;
import java.net.InetSocketAddress;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Listens for clients of the page service and gives each a task that serves it. */
public final class PageServer implements AutoCloseable {
    /**
     * How clients are treated.
     *
     * @param connections more are turned away: each may hold some buffers and a thread's stack
     * @param drainNanos how long requests under way have when the server stops
     */
    public record Settings(int connections, long drainNanos) {
        public static final Settings DEFAULT = new Settings(4096, 10_000_000_000L);
    }

    /** That clients are turned away is said at most so often. */
    private static final long SAID_EVERY = TimeUnit.SECONDS.toNanos(10);

    private static final long MILLIS = 1_000_000L;

    private static final LogTracer TRACER = new LogTracer(PageServer.class);

    private final Consumer<Net.Connection> service;
    private final @Nullable Certificate certificate;
    private final Tasks tasks;
    private final Settings settings;
    private final EventLoops loops = new EventLoops(0);
    private final Set<Client> clients = ConcurrentHashMap.newKeySet();
    private final AtomicInteger count = new AtomicInteger();
    private final LongAdder accepted = new LongAdder();
    private final AtomicLong refused = new AtomicLong();
    private final AtomicLong lastSaid = new AtomicLong(System.nanoTime() - SAID_EVERY);
    private @Nullable Channel listener;
    private volatile boolean closing;

    private PageServer(
            Consumer<Net.Connection> service,
            @Nullable Certificate certificate,
            Tasks tasks,
            Settings settings) {
        this.service = service;
        this.certificate = certificate;
        this.tasks = tasks;
        this.settings = settings;
    }

    /**
     * Listens; an IO error names the address if that fails.
     *
     * @param certificate every connection is encrypted by it; null: none is
     */
    public static PageServer start(
            ServerConfig.Address address,
            PageService service,
            @Nullable Certificate certificate,
            Tasks tasks,
            Settings settings) {
        return start(address, service::serve, certificate, tasks, settings);
    }

    /** The same for any protocol: {@code service} serves a connection until it ends. */
    static PageServer start(
            ServerConfig.Address address,
            Consumer<Net.Connection> service,
            @Nullable Certificate certificate,
            Tasks tasks,
            Settings settings) {
        PageServer server = new PageServer(service, certificate, tasks, settings);
        boolean done = false;
        try {
            server.listener = server.loops.bind(server.bootstrap(), address.host(), address.port());
            done = true;
            return server;
        } finally {
            if (!done) {
                server.loops.close();
            }
        }
    }

    /** Where it listens, with the port that the system chose if 0 was asked for. */
    public InetSocketAddress address() {
        Channel channel = listener;
        if (channel == null) {
            throw new IllegalStateException("not started");
        }
        return (InetSocketAddress) channel.localAddress();
    }

    /** Clients now, and since the start. */
    public Metrics.Connections connections() {
        return new Metrics.Connections(count.get(), accepted.sum(), refused.get());
    }

    /**
     * Takes no more clients, answers what those that are there have asked, within the time for
     * that, ends their connections and waits for their tasks.
     */
    @Override
    public void close() {
        closing = true;
        Channel channel = listener;
        if (channel != null) {
            channel.close().awaitUninterruptibly();
        }
        clients.forEach(Client::drain);
        long deadline = System.nanoTime() + settings.drainNanos;
        while (!clients.isEmpty() && System.nanoTime() < deadline) {
            LockSupport.parkNanos(MILLIS);
        }
        clients.forEach(Client::end);
        clients.forEach(Client::join);
        loops.close();
    }

    private ServerBootstrap bootstrap() {
        return new ServerBootstrap()
                .option(ChannelOption.SO_BACKLOG, 1024)
                .option(ChannelOption.SO_REUSEADDR, true)
                .childOption(ChannelOption.TCP_NODELAY, true)
                .childOption(ChannelOption.SO_KEEPALIVE, true)
                .childOption(ChannelOption.SO_RCVBUF, 256 << 10)
                .childOption(ChannelOption.AUTO_READ, false)
                .childOption(
                        ChannelOption.RECVBUF_ALLOCATOR,
                        new FixedRecvByteBufAllocator(ChannelConnection.readBytes())
                                .maxMessagesPerRead(1))
                .childOption(
                        ChannelOption.WRITE_BUFFER_WATER_MARK,
                        new WriteBufferWaterMark(256 << 10, 1 << 20))
                .childHandler(
                        new ChannelInitializer<Channel>() {
                            @Override
                            protected void initChannel(Channel channel) {
                                accept(channel);
                            }
                        });
    }

    private void accept(Channel channel) {
        if (count.incrementAndGet() > settings.connections || closing) {
            count.decrementAndGet();
            turnAway(channel);
            return;
        }
        accepted.increment();
        Client client = new Client(String.valueOf(channel.remoteAddress()));
        clients.add(client);
        if (certificate != null) {
            channel.pipeline().addLast(new TlsStart(certificate));
        }
        channel.pipeline().addLast(client.connection);
    }

    private void turnAway(Channel channel) {
        long n = refused.incrementAndGet();
        long now = System.nanoTime();
        long said = lastSaid.get();
        if (now - said >= SAID_EVERY && lastSaid.compareAndSet(said, now)) {
            TRACER.event(
                    Event.CLIENT_TURNED_AWAY,
                    "%s, the %dth since the start: there are %d clients, the most that page_service_max_connections allows"
                            .formatted(channel.remoteAddress(), n, settings.connections));
        }
        var _ = channel.close();
    }

    /** A connection and the task that serves it. */
    private final class Client {
        final ChannelConnection connection =
                new ChannelConnection(this::active, this::inactive, this::sent);
        private final String name;
        private Tasks.@Nullable Task task;
        private boolean ended;
        private boolean served;
        private boolean sent;

        Client(String peer) {
            this.name = "page-service " + peer;
        }

        private synchronized void active() {
            if (!ended) {
                task = tasks.spawn(Tasks.Lane.LATENCY, name, this::serve);
            }
        }

        private void serve() {
            try {
                service.accept(connection);
            } finally {
                connection.close();
                synchronized (this) {
                    served = true;
                    leaveIfDone();
                }
            }
        }

        private synchronized void sent() {
            sent = true;
            leaveIfDone();
        }

        /**
         * The loops are needed until the task has ended, which may outlive its channel, and until
         * its last answer is on its way.
         */
        private void leaveIfDone() {
            if (served && sent) {
                clients.remove(this);
            }
        }

        private void inactive() {
            count.decrementAndGet();
            synchronized (this) {
                ended = true;
                sent = true;
                served |= task == null;
                leaveIfDone();
            }
            cancel();
        }

        /** Whoever waits for WAL on behalf of a client that is gone need not. */
        private synchronized void cancel() {
            if (task != null) {
                task.cancel();
            }
        }

        void drain() {
            connection.drain();
            boolean idle;
            synchronized (this) {
                idle = task == null;
            }
            if (idle) {
                end();
            }
        }

        void end() {
            synchronized (this) {
                ended = true;
            }
            connection.close();
            cancel();
        }

        void join() {
            Tasks.Task running;
            synchronized (this) {
                running = task;
            }
            if (running != null) {
                running.join();
            }
        }
    }
}
