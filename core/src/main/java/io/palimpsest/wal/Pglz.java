package io.palimpsest.wal;

import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.base.PageserverException;

/**
 * Decompression of PostgreSQL's own LZ format, as page images use it: no length in front.
 *
 * <pre>
 * control byte, then for each of its bits from the lowest:
 *   0: one literal byte
 *   1: a copy: byte 0 = offset bits 8..11 in the high nibble, length - 3 in the low nibble
 *              byte 1 = offset bits 0..7; if the low nibble is 15: byte 2 is added to the length
 * </pre>
 *
 * A copy reads from that many bytes back in the output and may overlap what it writes. The end of
 * the input may fall anywhere behind a control byte's items. Source of the format: PostgreSQL's
 * pg_lzcompress.c.
 */
final class Pglz {
    private static final int MIN_COPY = 3;
    private static final int LONGER = MIN_COPY + 15;

    private Pglz() {}

    /**
     * Decompresses {@code from[at .. at+length)} to {@code to}, which it must fill exactly.
     *
     * @return bytes written
     * @throws PageserverException CORRUPTION if the input is cut, left over or points outside
     */
    static int decompress(byte[] from, int at, int length, byte[] to) {
        int p = at;
        int limit = at + length;
        int out = 0;
        while (p < limit && out < to.length) {
            int control = u8(from, p++);
            for (int i = 0; i < 8 && p < limit && out < to.length; i++, control >>>= 1) {
                if ((control & 1) == 0) {
                    to[out++] = from[p++];
                    continue;
                }
                if (limit - p < 2) {
                    throw damaged("a whole copy", p - at, length);
                }
                int offset = (u8(from, p) & 0xF0) << 4 | u8(from, p + 1);
                int copy = (u8(from, p) & 0x0F) + MIN_COPY;
                p += 2;
                if (copy == LONGER) {
                    if (p == limit) {
                        throw damaged("a whole copy", p - at, length);
                    }
                    copy += u8(from, p++);
                }
                if (offset == 0 || offset > out || copy > to.length - out) {
                    throw damaged("a copy within the page", p - at, length);
                }
                // Byte by byte: what is copied may include what was copied just now.
                for (int end = out + copy; out < end; out++) {
                    to[out] = to[out - offset];
                }
            }
        }
        if (p < limit || out < to.length) {
            throw damaged("both ends at once after " + to.length + " bytes", p - at, length);
        }
        return out;
    }

    private static PageserverException damaged(String expected, int at, int length) {
        return PageserverException.corruption(
                "page image: damaged pglz data: expected %s, at byte %d of %d",
                expected, at, length);
    }
}
