package io.palimpsest.layer;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What reads that are done together share: the blocks that one of them has decoded, and the
 * knowledge of which keys come next, so that blocks next to each other are read at once. For one
 * batch of reads in order of key, by one task; then {@link #begin} again.
 *
 * <p>Keeps {@value #MOST_BYTES} bytes of blocks; past that a block is decoded again if it is needed
 * again and not in the cache.
 */
public final class SharedBlocks {
    private static final int MOST_BYTES = 16 << 20;

    /** Bytes read at once, at most, if more than one block is. */
    private static final int READ_BYTES = 1 << 20;

    /** What is wanted, in order: four longs each, the key and the LSN. */
    private long[] wanted = new long[0];

    private int count;
    private int current;

    // Open addressing, a power of two, at most half full.
    private byte[] @Nullable [] blocks = new byte[64][];
    private long[] files = new long[64];
    private long[] positions = new long[64];
    private int kept;
    private int bytes;

    /**
     * A new batch.
     *
     * @param keys in order; four longs each, the key and the LSN (inclusive); not copied
     */
    public void begin(long[] keys, int howMany) {
        wanted = keys;
        count = howMany;
        current = 0;
        clear();
    }

    /** Forgets the blocks. */
    public void clear() {
        if (kept > 0) {
            Arrays.fill(blocks, null);
            kept = 0;
            bytes = 0;
        }
    }

    /** The reads have come to this one. */
    public void current(int i) {
        current = i;
    }

    byte @Nullable [] find(long file, long position) {
        return blocks[slot(file, position)];
    }

    void keep(long file, long position, byte[] block) {
        if (block.length > MOST_BYTES - bytes) {
            return;
        }
        if (2 * ++kept > blocks.length) {
            grow();
        }
        int i = slot(file, position);
        bytes += block.length;
        blocks[i] = block;
        files[i] = file;
        positions[i] = position;
    }

    private int slot(long file, long position) {
        int mask = blocks.length - 1;
        int i = (int) ((file * 0x9E3779B97F4A7C15L ^ position) * 0xD6E8FEB86659FD93L >>> 40) & mask;
        while (blocks[i] != null && (files[i] != file || positions[i] != position)) {
            i = i + 1 & mask;
        }
        return i;
    }

    private void grow() {
        byte[] @Nullable [] before = blocks;
        long[] ids = files;
        long[] at = positions;
        blocks = new byte[2 * before.length][];
        files = new long[blocks.length];
        positions = new long[blocks.length];
        for (int i = 0; i < before.length; i++) {
            if (before[i] != null) {
                int j = slot(ids[i], at[i]);
                blocks[j] = before[i];
                files[j] = ids[i];
                positions[j] = at[i];
            }
        }
    }

    /**
     * Starting from a row of an index, the last of those next to each other whose blocks the reads
     * to come begin their search in, as far as they are worth reading at once.
     */
    int lastTogether(byte[] rows, int row) {
        long from = LayerFormat.position(rows, row);
        int last = row;
        for (int i = current + 1; i < count; i++) {
            int next =
                    LayerFormat.lastRow(
                            rows,
                            wanted[4 * i],
                            wanted[4 * i + 1],
                            wanted[4 * i + 2],
                            wanted[4 * i + 3]);
            if (next == last) {
                continue;
            }
            if (next != last + 1
                    || LayerFormat.position(rows, next) + LayerFormat.length(rows, next) - from
                            > READ_BYTES) {
                break;
            }
            last = next;
        }
        return last;
    }
}
