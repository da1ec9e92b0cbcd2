package io.palimpsest.service;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Net;
import io.palimpsest.protocol.PagestreamCodec;
import io.palimpsest.protocol.PagestreamRequest;
import io.palimpsest.protocol.PagestreamResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Gives what was put in, piece by piece, then the end; keeps what was written, by write. */
final class Pipe implements Net.Connection {
    final ByteSink in = new ByteSink(64);
    final List<byte[]> writes = new ArrayList<>();
    int at;
    boolean closed;
    boolean broken;

    @Override
    public int read(byte[] into, int offset, int length, long timeoutNanos) {
        int n = Math.min(in.size() - at, length);
        System.arraycopy(in.array(), at, into, offset, n);
        at += n;
        return n == 0 ? -1 : n;
    }

    @Override
    public void write(byte[] bytes, int offset, int length) {
        if (broken) {
            throw new PageserverException(ErrorCode.IO, "the peer is gone");
        }
        writes.add(Arrays.copyOfRange(bytes, offset, offset + length));
    }

    @Override
    public void close() {
        closed = true;
    }

    void startup() {
        in.i32BE(9);
        in.i32BE(196608);
        in.u8(0);
    }

    void query(String text) {
        in.u8('Q');
        in.i32BE(5 + text.length());
        in.bytes(text.getBytes(StandardCharsets.UTF_8));
        in.u8(0);
    }

    void request(PagestreamRequest request) {
        PagestreamCodec.encodeRequest(request, in);
    }

    /** Messages after the welcome: type and body. */
    List<byte[]> messages() {
        ByteSink all = new ByteSink(64);
        writes.forEach(all::bytes);
        List<byte[]> messages = new ArrayList<>();
        for (int m = 0; m < all.size(); m += 1 + Bytes.i32BE(all.array(), m + 1)) {
            messages.add(
                    Arrays.copyOfRange(all.array(), m, m + 1 + Bytes.i32BE(all.array(), m + 1)));
        }
        return messages.subList(5, messages.size());
    }

    String types() {
        StringBuilder types = new StringBuilder();
        messages().forEach(m -> types.append((char) m[0]));
        return types.toString();
    }

    PagestreamResponse response(int index, PagestreamRequest request) {
        byte[] m = messages().get(index);
        assertEquals('d', m[0]);
        return PagestreamCodec.decodeResponse(m, 5, m.length - 5, request);
    }

    String text(int index) {
        byte[] m = messages().get(index);
        return new String(m, 5, m.length - 5, StandardCharsets.UTF_8);
    }
}
