package io.palimpsest.layer;

import io.airlift.compress.v3.Compressor;
import io.airlift.compress.v3.lz4.Lz4JavaCompressor;
import io.airlift.compress.v3.zstd.ZstdJavaCompressor;
import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;

/** Frames blocks, compressed if that saves an eighth. For one writer. */
final class BlockEncoder {
    private static final int MIN_COMPRESSED_BYTES = 128;

    private final BlockCodec dataCodec;
    private final Compressor dataCompressor;
    private final Compressor lz4 = new Lz4JavaCompressor();
    private final ByteSink compressed = new ByteSink(1024);
    private byte[] block = new byte[0];

    /**
     * @param dataCodec of data blocks; an index is searched in every read, and is always lz4
     */
    BlockEncoder(BlockCodec dataCodec) {
        this.dataCodec = dataCodec;
        dataCompressor = dataCodec == BlockCodec.ZSTD ? new ZstdJavaCompressor() : lz4;
    }

    /**
     * Makes the block of a payload.
     *
     * @param place where the block will stand in the file; of a filter block, XOR the layer's tie
     * @param payload starts after room for a frame, which may be filled
     * @return the block's length; its bytes are in {@link #block} until the next call
     */
    int encode(long place, int type, ByteSink payload) {
        int raw = payload.size() - LayerFormat.FRAME_BYTES;
        block = payload.array();
        int stored = raw;
        BlockCodec codec = codec(type, raw);
        if (codec != BlockCodec.RAW) {
            int n = compress(codec == dataCodec ? dataCompressor : lz4, raw);
            if (n <= raw - raw / 8) {
                block = compressed.array();
                stored = n;
            } else {
                codec = BlockCodec.RAW;
            }
        }
        Bytes.putI32(block, 4, stored);
        Bytes.putI32(block, 8, raw);
        Bytes.putU8(block, 12, codec.number());
        Bytes.putU8(block, 13, type);
        Bytes.putU16(block, 14, 0);
        int length = LayerFormat.FRAME_BYTES + stored;
        Bytes.putI32(block, 0, LayerFormat.blockCrc(place, block, 0, length));
        return length;
    }

    private BlockCodec codec(int type, int raw) {
        if (raw < MIN_COMPRESSED_BYTES) {
            return BlockCodec.RAW;
        }
        return switch (type) {
            case LayerFormat.TYPE_FILTER -> BlockCodec.RAW;
            case LayerFormat.TYPE_DATA -> dataCodec;
            default -> BlockCodec.LZ4;
        };
    }

    private int compress(Compressor compressor, int raw) {
        compressed.clear();
        int room = compressor.maxCompressedLength(raw);
        int _ = compressed.reserve(LayerFormat.FRAME_BYTES + room);
        return compressor.compress(
                block,
                LayerFormat.FRAME_BYTES,
                raw,
                compressed.array(),
                LayerFormat.FRAME_BYTES,
                room);
    }

    byte[] block() {
        return block;
    }
}
