package io.palimpsest.protocol;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.util.Arrays;
import java.util.HexFormat;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class PagestreamCodecTest {
    private static PagestreamRequest request(
            int operation, int version, long id, long lsn, long since, int[] f) {
        PagestreamRequest r = new PagestreamRequest(version).header(id, lsn, since);
        return switch (operation) {
            case 0 -> r.exists(f[0], f[1], f[2], f[3] & 0xFF);
            case 1 -> r.blocks(f[0], f[1], f[2], f[3] & 0xFF);
            case 2 -> r.page(f[0], f[1], f[2], f[3] & 0xFF, f[4]);
            case 3 -> r.databaseSize(f[1]);
            default -> r.slruSegment(f[3] & 0xFF, f[4]);
        };
    }

    private static byte[] payload(ByteSink message) {
        byte[] all = message.toByteArray();
        assertEquals('d', all[0]);
        assertEquals(all.length - 1, Bytes.i32BE(all, 1));
        return Arrays.copyOfRange(all, 5, all.length);
    }

    @Test
    void looksAsTheSpecificationSays() {
        ByteSink out = new ByteSink(64);
        PagestreamRequest v3 =
                new PagestreamRequest(3)
                        .header(0x0102030405060708L, -1L, 0x20)
                        .page(1663, 5, 16384, 2, 7);
        PagestreamCodec.encodeRequest(v3, out);
        assertEquals(
                "640000002e"
                        + "02"
                        + "0102030405060708"
                        + "ffffffffffffffff"
                        + "0000000000000020"
                        + "0000067f"
                        + "00000005"
                        + "00004000"
                        + "02"
                        + "00000007",
                HexFormat.of().formatHex(out.toByteArray()));
        int[] f = new int[5];
        int[] v2Bytes = {30, 30, 34, 21, 22};
        int[] v3Bytes = {38, 38, 42, 29, 30};
        for (int operation = 0; operation < 5; operation++) {
            out.clear();
            PagestreamCodec.encodeRequest(request(operation, 2, 1, 2, 1, f), out);
            assertEquals(v2Bytes[operation], payload(out).length);
            out.clear();
            PagestreamCodec.encodeRequest(request(operation, 3, 1, 2, 1, f), out);
            assertEquals(v3Bytes[operation], payload(out).length);
        }
        out.clear();
        PagestreamCodec.page(v3, out);
        assertEquals(8234, payload(out).length);
        out.clear();
        PagestreamCodec.exists(request(0, 3, 1, 2, 1, f), true, out);
        assertEquals(39, payload(out).length);
        out.clear();
        PagestreamCodec.blocks(request(1, 3, 1, 2, 1, f), 3, out);
        assertEquals(42, payload(out).length);
        out.clear();
        PagestreamCodec.databaseSize(request(3, 3, 1, 2, 1, f), 3, out);
        assertEquals(37, payload(out).length);
        out.clear();
        PagestreamCodec.slruSegment(request(4, 3, 1, 2, 1, f), 2, out);
        assertEquals(34 + 2 * 8192, payload(out).length);
        out.clear();
        PagestreamCodec.error(v3, "abc", out);
        assertEquals(26 + 3, payload(out).length);
    }

    @Property(tries = 300)
    void requestsSurviveTheTrip(
            @ForAll @IntRange(max = 4) int operation,
            @ForAll boolean three,
            @ForAll long id,
            @ForAll long lsn,
            @ForAll long since,
            @ForAll @Size(5) int[] fields,
            @ForAll @IntRange(max = 9) int trailing) {
        int version = three ? 3 : 2;
        PagestreamRequest sent = request(operation, version, id, lsn, since, fields);
        ByteSink out = new ByteSink(8);
        PagestreamCodec.encodeRequest(sent, out);
        byte[] payload = payload(out);
        PagestreamRequest got = new PagestreamRequest(version);
        PagestreamCodec.decodeRequest(
                Arrays.copyOf(payload, payload.length + trailing),
                0,
                payload.length + trailing,
                got);
        assertEquals(sent.operation(), got.operation());
        ByteSink again = new ByteSink(8);
        PagestreamCodec.encodeRequest(got, again);
        assertArrayEquals(out.toByteArray(), again.toByteArray());
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () -> PagestreamCodec.decodeRequest(payload, 0, payload.length - 1, got));
        assertEquals(ErrorCode.BAD_REQUEST, e.code());
    }

    @Property(tries = 300)
    void responsesSurviveTheTrip(
            @ForAll @IntRange(max = 5) int kind,
            @ForAll boolean three,
            @ForAll long id,
            @ForAll long lsn,
            @ForAll long value,
            @ForAll @Size(5) int[] fields) {
        PagestreamRequest r = request(Math.min(kind, 4), three ? 3 : 2, id, lsn, 1, fields);
        ByteSink out = new ByteSink(8);
        byte[] pages = new byte[kind == 4 ? 3 * 8192 : 8192];
        Arrays.fill(pages, (byte) value);
        PagestreamResponse expected = null;
        switch (kind) {
            case 0 -> {
                PagestreamCodec.exists(r, value > 0, out);
                expected = new PagestreamResponse.Exists(value > 0);
            }
            case 1 -> {
                PagestreamCodec.blocks(r, (int) value, out);
                expected = new PagestreamResponse.Blocks((int) value);
            }
            case 2 -> {
                int at = PagestreamCodec.page(r, out);
                System.arraycopy(pages, 0, out.array(), at, pages.length);
            }
            case 3 -> {
                PagestreamCodec.databaseSize(r, value, out);
                expected = new PagestreamResponse.DatabaseSize(value);
            }
            case 4 -> {
                int at = PagestreamCodec.slruSegment(r, 3, out);
                System.arraycopy(pages, 0, out.array(), at, pages.length);
            }
            default -> {
                PagestreamCodec.error(r, "no such thing", out);
                expected = new PagestreamResponse.Failure("no such thing");
            }
        }
        byte[] payload = payload(out);
        PagestreamResponse got = PagestreamCodec.decodeResponse(payload, 0, payload.length, r);
        if (expected == null) {
            assertArrayEquals(pages, ((PagestreamResponse.Pages) got).bytes());
        } else {
            assertEquals(expected, got);
        }
        if (three) {
            int damaged = 1 + (int) (id & 7);
            payload[damaged] ^= 1;
            assertThrows(
                    PageserverException.class,
                    () -> PagestreamCodec.decodeResponse(payload, 0, payload.length, r));
        }
    }
}
