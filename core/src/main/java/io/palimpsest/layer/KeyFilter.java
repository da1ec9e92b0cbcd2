package io.palimpsest.layer;

import java.util.Arrays;

/**
 * Which keys a layer may hold: a Bloom filter whose probes for one key all lie in one line of 64
 * bytes (Putze, Sanders, Singler 2007), so that a key a layer does not hold costs one memory access
 * and no block. About one in seventy absent keys passes.
 *
 * <pre>
 * h    = hash of the key ({@link LayerFormat#hash})
 * line = (h &gt;&gt;&gt; 32) * lines &gt;&gt;&gt; 32
 * g    = (h ^ h &gt;&gt;&gt; 32) * 0x94D049BB133111EB
 * bits   the six numbers of nine bits each from the top of g; number b is bit b &amp; 7 of byte b &gt;&gt;&gt; 3
 * </pre>
 */
final class KeyFilter {
    static final int LINE_BYTES = 64;

    /** Lines of a block in the file; the last one may have fewer. */
    static final int BLOCK_LINES = 512;

    private static final int BITS_PER_KEY = 10;
    private static final int PROBES = 6;

    private long[] hashes = new long[256];
    private int count;

    void add(long hi, long mid, long lo) {
        if (count == hashes.length) {
            hashes = Arrays.copyOf(hashes, Math.multiplyExact(count, 2));
        }
        hashes[count++] = LayerFormat.hash(hi, mid, lo);
    }

    /** Lines for the keys added; 0 for none. */
    int lines() {
        return (int) (((long) count * BITS_PER_KEY + LINE_BYTES * 8L - 1) / (LINE_BYTES * 8L));
    }

    byte[] build() {
        int lines = lines();
        byte[] b = new byte[Math.multiplyExact(lines, LINE_BYTES)];
        for (int i = 0; i < count; i++) {
            int at = line(hashes[i], lines) * LINE_BYTES;
            long g = probes(hashes[i]);
            for (int k = 0; k < PROBES; k++, g <<= 9) {
                int bit = (int) (g >>> 55);
                b[at + (bit >>> 3)] |= (byte) (1 << (bit & 7));
            }
        }
        return b;
    }

    static int line(long hash, int lines) {
        return (int) ((hash >>> 32) * lines >>> 32);
    }

    /** May the key with this hash be among those whose line is at {@code b[at]}? */
    static boolean mayContain(byte[] b, int at, long hash) {
        long g = probes(hash);
        for (int k = 0; k < PROBES; k++, g <<= 9) {
            int bit = (int) (g >>> 55);
            if ((b[at + (bit >>> 3)] & 1 << (bit & 7)) == 0) {
                return false;
            }
        }
        return true;
    }

    private static long probes(long hash) {
        return (hash ^ hash >>> 32) * 0x94D049BB133111EBL;
    }

    /** Bytes in a file of a filter of so many lines, frames included. */
    static long fileBytes(int lines) {
        long blocks = (lines + BLOCK_LINES - 1L) / BLOCK_LINES;
        return (long) lines * LINE_BYTES + blocks * LayerFormat.FRAME_BYTES;
    }

    /** Bytes of payload of block {@code i} of a filter of so many lines. */
    static int blockBytes(int i, int lines) {
        return (int) Math.min(BLOCK_LINES, lines - (long) i * BLOCK_LINES) * LINE_BYTES;
    }

    /** Position of block {@code i} relative to the first one's. */
    static long blockPosition(int i) {
        return (long) i * (BLOCK_LINES * LINE_BYTES + LayerFormat.FRAME_BYTES);
    }
}
