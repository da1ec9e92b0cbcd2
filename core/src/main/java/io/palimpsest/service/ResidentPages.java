package io.palimpsest.service;

import io.palimpsest.base.ByteSink;
import io.palimpsest.port.Net;
import io.palimpsest.protocol.PagestreamCodec;
import io.palimpsest.protocol.PagestreamRequest;
import io.palimpsest.protocol.ServerSession;

/**
 * Answers requests of one pagestream for pages that are in memory, on the thread that receives
 * them. It shares nothing with the {@link PageConnection} but the source, and has no state that the
 * next request depends on: what it declines is asked of the connection, as if this were not there.
 */
final class ResidentPages implements Net.AtOnce {
    private static final int HEADER = 5;

    private final PagestreamRequest request;
    private final PageSource source;
    private final RequestedRelation relation = new RequestedRelation();

    /**
     * @param version of the sub-protocol
     */
    ResidentPages(int version, PageSource source) {
        this.request = new PagestreamRequest(version);
        this.source = source;
    }

    @Override
    public int message(byte[] bytes, int from, int to) {
        return ServerSession.copyData(bytes, from, to);
    }

    @Override
    public boolean answer(byte[] bytes, int from, int length, ByteSink out) {
        int mark = out.size();
        boolean done = false;
        try {
            done = isPage(bytes, from, length) && page(out);
        } catch (RuntimeException e) {
            // Whatever it is, the connection finds it again, and answers or reports it there.
            done = false;
        }
        if (!done) {
            out.truncate(mark);
        }
        return done;
    }

    private boolean isPage(byte[] bytes, int from, int length) {
        if (bytes[from] != 'd' || length < HEADER) {
            return false;
        }
        PagestreamCodec.decodeRequest(bytes, from + HEADER, length - HEADER, request);
        return request.operation() == PagestreamRequest.Operation.PAGE
                && RequestedRelation.isPossible(request);
    }

    private boolean page(ByteSink out) {
        int at = PagestreamCodec.page(request, out);
        return source.tryReadPage(
                relation.of(request),
                request.block(),
                request.requestLsn(),
                request.notModifiedSince(),
                out.array(),
                at);
    }
}
