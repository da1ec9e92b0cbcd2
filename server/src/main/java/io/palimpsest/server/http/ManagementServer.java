package io.palimpsest.server.http;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.QueryStringDecoder;
import io.netty.handler.flow.FlowControlHandler;
import io.netty.handler.timeout.ReadTimeoutHandler;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Tasks;
import io.palimpsest.server.auth.Certificate;
import io.palimpsest.server.auth.Doors;
import io.palimpsest.server.bootstrap.Bootstrap;
import io.palimpsest.server.config.ServerConfig;
import io.palimpsest.server.net.EventLoops;
import io.palimpsest.server.source.Sources;
import io.palimpsest.service.Access;
import io.palimpsest.service.Authentication;
import io.palimpsest.service.Management;
import java.net.InetSocketAddress;
import java.time.Instant;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Listens for operators: HTTP/1.1, JSON, one request after the other on a connection. */
public final class ManagementServer implements AutoCloseable {
    /** Bodies are ids and connection strings, but for those that are read as they come. */
    private static final int MAX_BODY = 64 << 10;

    /** Longer than the longest answer takes (an import of a large cluster). */
    private static final int IDLE_SECONDS = 6 * 3600;

    private static final String IDEMPOTENCY_KEY = "Idempotency-Key";
    private static final String BEARER = "Bearer ";

    private static final Logger LOG = LoggerFactory.getLogger(ManagementServer.class);

    /**
     * What is served.
     *
     * @param metrics in the format of Prometheus
     */
    public record Service(
            Management management,
            Sources sources,
            Bootstrap bootstrap,
            Doors doors,
            Health health,
            Supplier<String> metrics) {}

    private final ManagementRoutes routes;
    private final Authentication authentication;

    /** Who is on this machine may do everything, and nobody else reaches it. */
    private final boolean anybody;

    private final @Nullable Certificate certificate;
    private final Tasks tasks;
    private final EventLoops loops = new EventLoops(1);
    private final String launched = Instant.now().toString();
    private @Nullable Channel listener;

    private ManagementServer(
            Service service, boolean loopback, @Nullable Certificate certificate, Tasks tasks) {
        this.anybody = loopback && !service.doors().ofManagement().asksForToken();
        this.certificate = certificate;
        this.routes = new ManagementRoutes(service);
        this.authentication = service.doors().ofManagement();
        this.tasks = tasks;
    }

    /**
     * Listens; an IO error names the address if that fails.
     *
     * @param certificate HTTPS by it; null: HTTP
     */
    public static ManagementServer start(
            ServerConfig.Address address,
            Service service,
            @Nullable Certificate certificate,
            Tasks tasks) {
        ManagementServer server =
                new ManagementServer(service, address.isLoopback(), certificate, tasks);
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

    /** What it answers, and how often it has. */
    Router router() {
        return routes.router();
    }

    /** Takes no more requests and closes the connections; requests under way go on unheard. */
    @Override
    public void close() {
        Channel channel = listener;
        if (channel != null) {
            channel.close().awaitUninterruptibly();
        }
        loops.close();
    }

    private ServerBootstrap bootstrap() {
        return new ServerBootstrap()
                .option(ChannelOption.SO_REUSEADDR, true)
                .childOption(ChannelOption.TCP_NODELAY, true)
                .childHandler(
                        new ChannelInitializer<Channel>() {
                            @Override
                            protected void initChannel(Channel channel) {
                                if (certificate != null) {
                                    channel.pipeline()
                                            .addLast(certificate.handler(channel.alloc()));
                                }
                                channel.pipeline()
                                        .addLast(
                                                new ReadTimeoutHandler(IDLE_SECONDS),
                                                new HttpServerCodec(),
                                                new SentBodies(ManagementServer.this::isStreamed),
                                                new HttpObjectAggregator(MAX_BODY),
                                                new FlowControlHandler(),
                                                new Requests());
                            }
                        });
    }

    private boolean isStreamed(HttpRequest request) {
        return routes.router()
                .isStreamed(
                        request.method().name(), new QueryStringDecoder(request.uri()).rawPath());
    }

    /** Gives each request to a task; the next one is read when it is answered. */
    private final class Requests extends SimpleChannelInboundHandler<Object> {
        @Override
        protected void channelRead0(ChannelHandlerContext ctx, Object message) {
            switch (message) {
                case FullHttpRequest request -> whole(ctx, request);
                case SentBodies.Begun request -> begun(ctx, request.head(), request.body());
                default -> throw new IllegalStateException("found a " + message.getClass());
            }
        }

        private void whole(ChannelHandlerContext ctx, FullHttpRequest request) {
            ctx.channel().config().setAutoRead(false);
            boolean keepAlive = HttpUtil.isKeepAlive(request);
            if (request.decoderResult().isFailure()) {
                send(ctx, ManagementRoutes.failure(400, "this is no HTTP request"), false);
                return;
            }
            ManagementRoutes.Answer refusal =
                    WebPages.refusal(request, request.content().isReadable(), anybody);
            if (refusal != null) {
                send(ctx, refusal, false);
                return;
            }
            byte[] body = ByteBufUtil.getBytes(request.content());
            task(request, new Request.Body(body, null), answer -> send(ctx, answer, keepAlive));
        }

        /** Who is refused may be sending still: he is listened to until he has read why. */
        private void begun(ChannelHandlerContext ctx, HttpRequest head, SentBody body) {
            boolean keepAlive = HttpUtil.isKeepAlive(head);
            ManagementRoutes.Answer refusal = WebPages.refusal(head, false, anybody);
            if (refusal != null) {
                end(ctx, body, refusal, false);
                return;
            }
            task(
                    head,
                    new Request.Body(new byte[0], body),
                    answer -> end(ctx, body, answer, keepAlive));
        }

        private void end(
                ChannelHandlerContext ctx,
                SentBody body,
                ManagementRoutes.Answer answer,
                boolean keepAlive) {
            body.discard();
            if (body.isComplete()) {
                send(ctx, answer, keepAlive);
                return;
            }
            ChannelFuture _ = ctx.writeAndFlush(response(answer, false));
            body.closeLater();
        }

        private void task(
                HttpRequest request, Request.Body body, Consumer<ManagementRoutes.Answer> done) {
            String method = request.method().name();
            QueryStringDecoder uri = new QueryStringDecoder(request.uri());
            String path = uri.rawPath();
            String authorization = request.headers().get(HttpHeaderNames.AUTHORIZATION, "");
            String key = request.headers().get(IDEMPOTENCY_KEY);
            tasks.spawn(
                    Tasks.Lane.LATENCY,
                    method + " " + path,
                    () -> {
                        ManagementRoutes.Answer answer =
                                answer(method, uri, authorization, key, body);
                        LOG.debug("{} {}: {}", method, path, answer.status());
                        done.accept(answer);
                    });
        }

        private ManagementRoutes.Answer answer(
                String method,
                QueryStringDecoder uri,
                String authorization,
                @Nullable String key,
                Request.Body body) {
            try {
                Access access =
                        routes.router().isOpen(uri.rawPath())
                                ? Access.EVERYTHING
                                : access(authorization);
                return routes.answer(
                        access,
                        method,
                        uri.rawPath(),
                        uri.parameters(),
                        IdempotencyKeys.checked(key),
                        body);
            } catch (PageserverException e) {
                return ManagementRoutes.failure(e);
            } catch (IllegalArgumentException e) {
                return ManagementRoutes.failure(400, "the query is damaged: " + e.getMessage());
            }
        }

        private Access access(String authorization) {
            if (!authentication.asksForToken()) {
                return authentication.check("");
            }
            if (!authorization.regionMatches(true, 0, BEARER, 0, BEARER.length())) {
                throw PageserverException.of(
                        ErrorCode.UNAUTHORIZED,
                        "there is no token: expected a header 'Authorization: Bearer TOKEN'");
            }
            return authentication.check(authorization.substring(BEARER.length()).strip());
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
            LOG.debug("management connection {}", ctx.channel().remoteAddress(), cause);
            var _ = ctx.close();
        }

        /**
         * On the event loop: reading goes on after the answer, and not while that is passing on
         * what has arrived, or two requests would be under way at once.
         */
        private void send(
                ChannelHandlerContext ctx, ManagementRoutes.Answer answer, boolean keepAlive) {
            DefaultFullHttpResponse response = response(answer, keepAlive);
            if (ctx.executor().inEventLoop()) {
                send(ctx, response, keepAlive);
                return;
            }
            try {
                ctx.executor().execute(() -> send(ctx, response, keepAlive));
            } catch (RejectedExecutionException e) {
                LOG.debug("the server has stopped, and nobody hears this answer", e);
            }
        }

        private void send(
                ChannelHandlerContext ctx, DefaultFullHttpResponse response, boolean keepAlive) {
            ChannelFuture sent = ctx.writeAndFlush(response);
            if (keepAlive) {
                ctx.channel().config().setAutoRead(true);
            } else {
                var _ = sent.addListener(ChannelFutureListener.CLOSE);
            }
        }

        private DefaultFullHttpResponse response(
                ManagementRoutes.Answer answer, boolean keepAlive) {
            byte[] bytes = routes.bytes(answer);
            DefaultFullHttpResponse response =
                    new DefaultFullHttpResponse(
                            HttpVersion.HTTP_1_1,
                            HttpResponseStatus.valueOf(answer.status()),
                            Unpooled.wrappedBuffer(bytes));
            response.headers()
                    .set(HttpHeaderNames.CONTENT_TYPE, answer.contentType())
                    .setInt(HttpHeaderNames.CONTENT_LENGTH, bytes.length)
                    .set("PAGESERVER_LAUNCH_TIMESTAMP", launched);
            if (answer.status() == HttpResponseStatus.UNAUTHORIZED.code()) {
                response.headers().set(HttpHeaderNames.WWW_AUTHENTICATE, BEARER.strip());
            }
            HttpUtil.setKeepAlive(response, keepAlive);
            return response;
        }
    }
}
