package io.palimpsest.pg;

import io.palimpsest.base.Bytes;

/**
 * pd_checksum of a page: FNV-1a over 32 lanes of 32-bit words, folded to 1..65535. Redo leaves the
 * field as the page image had it, so whoever gives pages to a cluster with data checksums stamps
 * it. Source: PostgreSQL's checksum_impl.h.
 */
public final class PageChecksum {
    private static final int LANES = 32;
    private static final int ROW = 4 * LANES;
    private static final int PRIME = 16_777_619;

    /** Where in the page it is, 16 bits. */
    public static final int OFFSET = 8;

    /** Where each lane starts. */
    private static final int[] OFFSETS = {
        0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2,
        0x83E13D2C, 0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C,
        0xF718902A, 0x0B1C9CDB, 0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979,
        0xCCA6C0B2, 0x304A0979, 0x85AA43D4, 0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E,
        0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756
    };

    private PageChecksum() {}

    /**
     * The checksum that the page at {@code at} should have, whatever it has.
     *
     * @param block its number within the relation's fork, not the segment
     */
    public static int of(byte[] b, int at, int block) {
        int[] lanes = OFFSETS.clone();
        for (int row = 0; row < Page.SIZE; row += ROW) {
            for (int lane = 0; lane < LANES; lane++) {
                int word = Bytes.i32(b, at + row + 4 * lane);
                if (row == 0 && lane == OFFSET / 4) {
                    word &= 0xFFFF0000;
                }
                lanes[lane] = mix(lanes[lane], word);
            }
        }
        int sum = 0;
        for (int lane = 0; lane < LANES; lane++) {
            sum ^= mix(mix(lanes[lane], 0), 0);
        }
        return Integer.remainderUnsigned(sum ^ block, 65_535) + 1;
    }

    private static int mix(int sum, int word) {
        int x = sum ^ word;
        return x * PRIME ^ x >>> 17;
    }

    /** Sets the field; a page that was never initialised stays all zeros. */
    public static void stamp(byte[] b, int at, int block) {
        if (Bytes.u16(b, at + 14) != 0) {
            Bytes.putU16(b, at + OFFSET, of(b, at, block));
        }
    }
}
