package io.palimpsest.layer;

import static io.palimpsest.layer.LayerFormat.wrong;

import io.airlift.compress.v3.MalformedInputException;
import io.airlift.compress.v3.lz4.Lz4JavaDecompressor;
import io.airlift.compress.v3.zstd.ZstdJavaDecompressor;
import io.palimpsest.base.Bytes;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/** Checks and decodes blocks of layer files, of any codec; for any number of tasks at once. */
final class BlockDecoder {
    /** zstd's decoder has tables and buffers of some 200 KiB: a few are kept. */
    private static final int SPARES = 8;

    /** The most one byte of an lz4 block can stand for. */
    private static final int LZ4_MAX_RATIO = 255;

    /** A zstd frame is blocks of three bytes or more, each of which stands for 128 KiB at most. */
    private static final int ZSTD_MIN_BLOCK = 3;

    private static final int ZSTD_MAX_BLOCK = 128 << 10;

    private final Lz4JavaDecompressor lz4 = new Lz4JavaDecompressor();
    private final AtomicReferenceArray<@Nullable ZstdJavaDecompressor> spares =
            new AtomicReferenceArray<>(SPARES);

    /**
     * Checks a block as read from the file and decodes its payload. What comes back has been
     * checked in structure too: groups of a data block lie within it, rows of an index are whole.
     */
    byte[] decode(String file, long position, byte[] block, int type) {
        return decode(file, position, block, 0, block.length, type);
    }

    /** The same of a filter block of a layer with that tie, see {@link LayerFormat#tie}. */
    byte[] decodeFilter(String file, long position, byte[] block, long tie) {
        return decode(
                file, position, block, 0, block.length, LayerFormat.TYPE_FILTER, position ^ tie);
    }

    /** The same of a block that lies in {@code b[at .. at+length)}. */
    byte[] decode(String file, long position, byte[] b, int at, int length, int type) {
        return decode(file, position, b, at, length, type, position);
    }

    private byte[] decode(
            String file, long position, byte[] b, int at, int length, int type, long place) {
        int crc = LayerFormat.blockCrc(place, b, at, length);
        if (crc != Bytes.i32(b, at)) {
            throw wrong(file, position, "checksum", Bytes.i32(b, at), crc);
        }
        int stored = Bytes.i32(b, at + 4);
        if (stored != length - LayerFormat.FRAME_BYTES) {
            throw wrong(file, position, "stored length", length - LayerFormat.FRAME_BYTES, stored);
        }
        if (Bytes.u8(b, at + 13) != type || Bytes.u16(b, at + 14) != 0) {
            throw wrong(file, position, "block type", type, Bytes.i32(b, at + 12) >>> 8);
        }
        byte[] payload = payload(file, position, b, at, stored);
        if (type == LayerFormat.TYPE_DATA) {
            LayerFormat.checkGroups(file, position, payload);
        } else if (type != LayerFormat.TYPE_FILTER && payload.length % LayerFormat.ROW_BYTES != 0) {
            throw wrong(
                    file,
                    position,
                    "index bytes modulo row",
                    0,
                    payload.length % LayerFormat.ROW_BYTES);
        }
        return payload;
    }

    private byte[] payload(String file, long position, byte[] b, int at, int stored) {
        int raw = Bytes.i32(b, at + 8);
        int codec = Bytes.u8(b, at + 12);
        int from = at + LayerFormat.FRAME_BYTES;
        if (codec == BlockCodec.RAW.number()) {
            if (raw != stored) {
                throw wrong(file, position, "decoded length", stored, raw);
            }
            return Arrays.copyOfRange(b, from, from + stored);
        }
        boolean zstd = codec == BlockCodec.ZSTD.number();
        if (!zstd && codec != BlockCodec.LZ4.number()) {
            throw wrong(file, position, "codec, at most", BlockCodec.ZSTD.number(), codec);
        }
        long most =
                zstd
                        ? (long) stored / ZSTD_MIN_BLOCK * ZSTD_MAX_BLOCK
                        : (long) stored * LZ4_MAX_RATIO;
        if (raw < 0 || raw > most) {
            throw wrong(file, position, "decoded length, at most", most, raw);
        }
        byte[] payload = new byte[raw];
        int found;
        try {
            found =
                    zstd
                            ? zstd(b, from, stored, payload)
                            : lz4.decompress(b, from, stored, payload, 0, raw);
        } catch (MalformedInputException e) {
            found = -1;
        }
        if (found != raw) {
            throw wrong(file, position, "decoded length", raw, found);
        }
        return payload;
    }

    private int zstd(byte[] b, int from, int stored, byte[] payload) {
        int at = 0;
        ZstdJavaDecompressor zstd = spares.getAndSet(at, null);
        while (zstd == null && ++at < SPARES) {
            zstd = spares.getAndSet(at, null);
        }
        if (zstd == null) {
            zstd = new ZstdJavaDecompressor();
        }
        try {
            return zstd.decompress(b, from, stored, payload, 0, payload.length);
        } finally {
            spares.set(at % SPARES, zstd);
        }
    }
}
