package io.palimpsest.server.net;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.palimpsest.protocol.ServerSession;
import io.palimpsest.server.auth.Certificate;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The beginning of a connection that has to be encrypted. A client either begins with TLS at once,
 * or asks for it:
 *
 * <pre>
 *   16 ...                       a TLS handshake
 *   u32 8, u32 80877103          SSLRequest: 'S', and then a TLS handshake
 *   u32 8, u32 80877104          GSSENCRequest: 'N', and again
 *   anything else                is told that it has to
 * </pre>
 *
 * What comes together with an SSLRequest was sent before the client could know the answer, by
 * somebody in between perhaps: it ends the connection.
 */
final class TlsStart extends ByteToMessageDecoder {
    private static final int HANDSHAKE = 0x16;
    private static final int REQUEST_BYTES = 8;
    private static final int SSL_REQUEST = 80877103;
    private static final int GSSENC_REQUEST = 80877104;
    private static final String PROTOCOL_VIOLATION = "08P01";
    private static final Logger LOG = LoggerFactory.getLogger(TlsStart.class);

    private final Certificate certificate;
    private boolean answered;
    private boolean refusedGss;
    private boolean refused;

    TlsStart(Certificate certificate) {
        this.certificate = certificate;
    }

    @Override
    protected void decode(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) {
        if (refused) {
            in.skipBytes(in.readableBytes());
            return;
        }
        int first = in.getUnsignedByte(in.readerIndex());
        if (first == HANDSHAKE) {
            ctx.pipeline().replace(this, null, certificate.handler(ctx.alloc()));
        } else if (answered || first != 0) {
            refuse(ctx, in);
        } else if (in.readableBytes() >= REQUEST_BYTES) {
            request(ctx, in);
        }
    }

    private void request(ChannelHandlerContext ctx, ByteBuf in) {
        boolean isRequest = in.getInt(in.readerIndex()) == REQUEST_BYTES;
        int code = in.getInt(in.readerIndex() + 4);
        if (isRequest && code == SSL_REQUEST && in.readableBytes() == REQUEST_BYTES) {
            answered = true;
            in.skipBytes(REQUEST_BYTES);
            var _ = ctx.writeAndFlush(Unpooled.wrappedBuffer(new byte[] {'S'}));
        } else if (isRequest && code == GSSENC_REQUEST && !refusedGss) {
            refusedGss = true;
            in.skipBytes(REQUEST_BYTES);
            var _ = ctx.writeAndFlush(Unpooled.wrappedBuffer(new byte[] {'N'}));
        } else {
            refuse(ctx, in);
        }
    }

    private void refuse(ChannelHandlerContext ctx, ByteBuf in) {
        refused = true;
        in.skipBytes(in.readableBytes());
        LOG.debug("{} does not begin with TLS", ctx.channel().remoteAddress());
        ServerSession refusal = new ServerSession(false);
        refusal.failAndEnd(PROTOCOL_VIOLATION, "must connect with TLS");
        var _ = ctx.write(Unpooled.wrappedBuffer(refusal.out().toByteArray()));
        ChannelConnection.linger(ctx, () -> {});
    }
}
