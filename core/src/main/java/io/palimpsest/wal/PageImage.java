package io.palimpsest.wal;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import java.util.Arrays;

/** Page images as WAL carries them: with the hole cut out, and perhaps compressed. */
public final class PageImage {
    public static final int HAS_HOLE = 1;
    public static final int APPLY = 2;
    public static final int PGLZ = 4;
    public static final int LZ4 = 8;
    public static final int ZSTD = 16;
    static final int COMPRESSION = PGLZ | LZ4 | ZSTD;

    private PageImage() {}

    /** bimg_info as these flags: 15 and later use these very bits, 14 swaps two. */
    static int flags(int info, PgVersion version) {
        if (version != PgVersion.V14) {
            return info & 0x1F;
        }
        return info & HAS_HOLE | ((info & 4) != 0 ? APPLY : 0) | ((info & 2) != 0 ? PGLZ : 0);
    }

    /**
     * Restores the page (all but its LSN, which is the caller's to set).
     *
     * @param stored holds the image at {@code at}, {@code length} bytes
     * @throws PageserverException CORRUPTION if it does not decompress to exactly a page without
     *     its hole
     */
    public static void restore(
            byte[] stored,
            int at,
            int length,
            int flags,
            int holeOffset,
            int holeLength,
            byte[] page) {
        int raw = Page.SIZE - holeLength;
        byte[] source = stored;
        int from = at;
        if ((flags & COMPRESSION) != 0) {
            source = decompress(stored, at, length, flags, raw);
            from = 0;
        } else if (length != raw) {
            throw PageserverException.corruption(
                    "page image: expected %d bytes, found %d", raw, length);
        }
        System.arraycopy(source, from, page, 0, holeOffset);
        Arrays.fill(page, holeOffset, holeOffset + holeLength, (byte) 0);
        System.arraycopy(
                source, from + holeOffset, page, holeOffset + holeLength, raw - holeOffset);
    }

    private static byte[] decompress(byte[] stored, int at, int length, int flags, int raw) {
        throw PageserverException.corruption(
                "page image: compression %x of %d bytes for %d at %d in %d",
                flags, length, raw, at, stored.length);
    }
}
