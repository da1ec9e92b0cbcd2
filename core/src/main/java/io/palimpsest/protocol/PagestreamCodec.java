package io.palimpsest.protocol;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.PageserverException;
import io.palimpsest.protocol.PagestreamRequest.Operation;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The messages of the pagestream sub-protocol, versions 2 and 3; each travels in one CopyData. All
 * integers are big-endian.
 *
 * <pre>
 *   request   v2: u8 tag |        u64 request LSN | u64 not modified since | body
 *             v3: u8 tag | u64 id | u64 request LSN | u64 not modified since | body
 *   body      EXISTS, BLOCKS: u32 spc, db, rel, u8 fork    PAGE: the same, u32 block
 *             DATABASE_SIZE: u32 db                        SLRU_SEGMENT: u8 kind, u32 segment
 *   response  v2: u8 tag | payload
 *             v3: u8 tag | u64 id | u64 request LSN | u64 not modified since | body as asked | payload
 *   payload   100 EXISTS u8     101 BLOCKS u32    102 PAGE 8192 bytes    104 DATABASE_SIZE i64
 *             105 SLRU_SEGMENT u32 n, n * 8192 bytes    103 error: text NUL (v3: no body before it)
 * </pre>
 */
public final class PagestreamCodec {
    /** Bytes of a page. */
    public static final int PAGE = 8192;

    private static final int ERROR_TAG = 103;
    private static final int FRAME = 5;
    private static final @Nullable Operation[] OPERATIONS = byTag();

    private PagestreamCodec() {}

    /**
     * Reads the request in {@code bytes[at .. at+length)}, the payload of a CopyData; bytes after
     * the request are ignored. BAD_REQUEST if it is too short or unknown.
     */
    public static void decodeRequest(byte[] bytes, int at, int length, PagestreamRequest into) {
        int header = into.version() == 3 ? 25 : 17;
        int tag = length == 0 ? -1 : Bytes.u8(bytes, at);
        Operation operation = tag < 0 || tag >= OPERATIONS.length ? null : OPERATIONS[tag];
        if (operation == null) {
            throw PageserverException.badRequest(
                    "pagestream request: found tag %d, expected 0 to %d",
                    tag, OPERATIONS.length - 1);
        }
        if (length < header + operation.bodyBytes()) {
            throw PageserverException.badRequest(
                    "pagestream request %s: found %d bytes, expected %d",
                    operation, length, header + operation.bodyBytes());
        }
        into.operation = operation;
        into.id = header == 25 ? Bytes.i64BE(bytes, at + 1) : 0;
        into.requestLsn = Bytes.i64BE(bytes, at + header - 16);
        into.notModifiedSince = Bytes.i64BE(bytes, at + header - 8);
        int body = at + header;
        switch (operation) {
            case EXISTS, BLOCKS -> decodeRelation(bytes, body, into);
            case PAGE -> {
                decodeRelation(bytes, body, into);
                into.block = Bytes.i32BE(bytes, body + 13);
            }
            case DATABASE_SIZE -> into.db = Bytes.i32BE(bytes, body);
            case SLRU_SEGMENT -> {
                into.slru = Bytes.u8(bytes, body);
                into.segment = Bytes.i32BE(bytes, body + 1);
            }
        }
    }

    /** Appends the request as a CopyData message: what a client sends. */
    public static void encodeRequest(PagestreamRequest request, ByteSink out) {
        int start = begin(out, request.operation().tag());
        if (request.version() == 3) {
            out.i64BE(request.id());
        }
        out.i64BE(request.requestLsn());
        out.i64BE(request.notModifiedSince());
        body(request, out);
        end(start, out);
    }

    public static void exists(PagestreamRequest request, boolean exists, ByteSink out) {
        int start = response(request, out);
        out.u8(exists ? 1 : 0);
        end(start, out);
    }

    public static void blocks(PagestreamRequest request, int blocks, ByteSink out) {
        int start = response(request, out);
        out.i32BE(blocks);
        end(start, out);
    }

    public static void databaseSize(PagestreamRequest request, long bytes, ByteSink out) {
        int start = response(request, out);
        out.i64BE(bytes);
        end(start, out);
    }

    /**
     * Appends a page response but for the page, which the caller writes to {@code out.array()} at
     * the offset answered, before anything else is appended.
     */
    public static int page(PagestreamRequest request, ByteSink out) {
        int start = response(request, out);
        int at = out.reserve(PAGE);
        end(start, out);
        return at;
    }

    /** The same for the {@code pages} pages of a segment. */
    public static int slruSegment(PagestreamRequest request, int pages, ByteSink out) {
        int start = response(request, out);
        out.i32BE(pages);
        int at = out.reserve(Math.multiplyExact(pages, PAGE));
        end(start, out);
        return at;
    }

    /** The request failed; the stream goes on. */
    public static void error(PagestreamRequest request, String message, ByteSink out) {
        int start = begin(out, ERROR_TAG);
        if (request.version() == 3) {
            echo(request, out);
        }
        out.bytes(message.replace('\0', ' ').getBytes(StandardCharsets.UTF_8));
        out.u8(0);
        end(start, out);
    }

    /**
     * Reads the response to {@code request} from the payload of a CopyData, as strictly as a
     * compute does: what is echoed must be what was asked, and no byte may be left.
     */
    public static PagestreamResponse decodeResponse(
            byte[] bytes, int at, int length, PagestreamRequest request) {
        BodyReader body = new BodyReader().reset(bytes, at, length, "pagestream response");
        int tag = body.u8();
        boolean error = tag == ERROR_TAG;
        if (!error && tag != request.operation().responseTag()) {
            throw body.malformed("tag " + tag + ", expected " + request.operation().responseTag());
        }
        if (request.version() == 3) {
            ByteSink expected = new ByteSink(64);
            echo(request, expected);
            if (!error) {
                body(request, expected);
            }
            if (!Arrays.equals(expected.toByteArray(), body.bytes(expected.size()))) {
                throw body.malformed("an echo that differs from the request");
            }
        }
        PagestreamResponse response =
                error
                        ? new PagestreamResponse.Failure(body.text())
                        : switch (request.operation()) {
                            case EXISTS -> new PagestreamResponse.Exists(body.u8() != 0);
                            case BLOCKS -> new PagestreamResponse.Blocks(body.i32());
                            case DATABASE_SIZE -> new PagestreamResponse.DatabaseSize(body.i64());
                            case PAGE -> new PagestreamResponse.Pages(body.bytes(PAGE));
                            case SLRU_SEGMENT -> {
                                int pages = body.i32();
                                if (body.remaining() != (long) pages * PAGE) {
                                    throw body.malformed(pages + " pages");
                                }
                                yield new PagestreamResponse.Pages(body.bytes(pages * PAGE));
                            }
                        };
        body.finish();
        return response;
    }

    private static int response(PagestreamRequest request, ByteSink out) {
        int start = begin(out, request.operation().responseTag());
        if (request.version() == 3) {
            echo(request, out);
            body(request, out);
        }
        return start;
    }

    private static int begin(ByteSink out, int tag) {
        int start = out.reserve(FRAME + 1);
        out.array()[start] = 'd';
        out.array()[start + FRAME] = (byte) tag;
        return start;
    }

    private static void end(int start, ByteSink out) {
        Bytes.putI32BE(out.array(), start + 1, out.size() - start - 1);
    }

    private static void echo(PagestreamRequest request, ByteSink out) {
        out.i64BE(request.id());
        out.i64BE(request.requestLsn());
        out.i64BE(request.notModifiedSince());
    }

    private static void body(PagestreamRequest request, ByteSink out) {
        switch (request.operation()) {
            case EXISTS, BLOCKS -> relation(request, out);
            case PAGE -> {
                relation(request, out);
                out.i32BE(request.block());
            }
            case DATABASE_SIZE -> out.i32BE(request.db());
            case SLRU_SEGMENT -> {
                out.u8(request.slru());
                out.i32BE(request.segment());
            }
        }
    }

    private static void relation(PagestreamRequest request, ByteSink out) {
        out.i32BE(request.spc());
        out.i32BE(request.db());
        out.i32BE(request.rel());
        out.u8(request.fork());
    }

    private static void decodeRelation(byte[] bytes, int at, PagestreamRequest into) {
        into.spc = Bytes.i32BE(bytes, at);
        into.db = Bytes.i32BE(bytes, at + 4);
        into.rel = Bytes.i32BE(bytes, at + 8);
        into.fork = Bytes.u8(bytes, at + 12);
    }

    private static @Nullable Operation[] byTag() {
        @Nullable Operation[] operations = new @Nullable Operation[5];
        for (Operation operation : Operation.values()) {
            operations[operation.tag()] = operation;
        }
        return operations;
    }
}
