package io.palimpsest.wal;

import io.airlift.compress.v3.lz4.Lz4JavaDecompressor;
import io.airlift.compress.v3.zstd.ZstdJavaDecompressor;
import io.palimpsest.base.ErrorCode;
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
    public static final int COMPRESSION = PGLZ | LZ4 | ZSTD;

    private PageImage() {}

    /** bimg_info as these flags: 15 and later use these very bits, 14 swaps two. */
    static int flags(int info, PgVersion version) {
        if (version != PgVersion.V14) {
            return info & 0x1F;
        }
        return info & HAS_HOLE | ((info & 4) != 0 ? APPLY : 0) | ((info & 2) != 0 ? PGLZ : 0);
    }

    /** The reverse of {@link #flags}. */
    public static int info(int flags, PgVersion version) {
        if (version != PgVersion.V14) {
            return flags;
        }
        return flags & HAS_HOLE | ((flags & APPLY) != 0 ? 4 : 0) | ((flags & PGLZ) != 0 ? 2 : 0);
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
        byte[] page = new byte[raw];
        int written;
        try {
            written =
                    switch (flags & COMPRESSION) {
                        case PGLZ -> Pglz.decompress(stored, at, length, page);
                        case LZ4 ->
                                new Lz4JavaDecompressor()
                                        .decompress(stored, at, length, page, 0, raw);
                        case ZSTD ->
                                new ZstdJavaDecompressor()
                                        .decompress(stored, at, length, page, 0, raw);
                        default ->
                                throw PageserverException.corruption(
                                        "page image: expected one compression method, found %x",
                                        flags);
                    };
        } catch (PageserverException e) {
            throw e;
        } catch (RuntimeException e) {
            // The decompressors reject damaged input with exceptions of many kinds.
            throw new PageserverException(
                    ErrorCode.CORRUPTION,
                    "page image: damaged " + method(flags) + " data: " + e.getMessage(),
                    e);
        }
        if (written != raw) {
            throw PageserverException.corruption(
                    "page image: expected %d bytes of %s data, found %d",
                    raw, method(flags), written);
        }
        return page;
    }

    private static String method(int flags) {
        return switch (flags & COMPRESSION) {
            case PGLZ -> "pglz";
            case LZ4 -> "lz4";
            default -> "zstd";
        };
    }
}
