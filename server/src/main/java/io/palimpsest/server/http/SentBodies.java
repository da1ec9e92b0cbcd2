package io.palimpsest.server.http;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.LastHttpContent;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Takes requests whose bodies are read as they come out of the way of the aggregator, which would
 * keep a body in memory.
 */
final class SentBodies extends ChannelInboundHandlerAdapter {
    /** Such a request. */
    record Begun(HttpRequest head, SentBody body) {}

    private final Predicate<HttpRequest> streamed;
    private @Nullable SentBody open;

    SentBodies(Predicate<HttpRequest> streamed) {
        this.streamed = streamed;
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        SentBody body = open;
        if (message instanceof HttpRequest head
                && head.decoderResult().isSuccess()
                && streamed.test(head)) {
            SentBody begun = new SentBody(ctx.channel(), HttpUtil.is100ContinueExpected(head));
            open = begun;
            ctx.fireChannelRead(new Begun(head, begun));
            if (message instanceof HttpContent whole) {
                take(begun, whole);
            }
        } else if (message instanceof HttpContent part && body != null) {
            take(body, part);
        } else {
            ctx.fireChannelRead(message);
        }
    }

    private void take(SentBody body, HttpContent part) {
        boolean last = part instanceof LastHttpContent;
        body.add(part);
        if (last) {
            open = null;
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        SentBody body = open;
        if (body != null) {
            body.disconnected();
        }
        ctx.fireChannelInactive();
    }
}
