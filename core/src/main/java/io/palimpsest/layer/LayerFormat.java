package io.palimpsest.layer;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.FormatVersion;
import io.palimpsest.base.Key;
import io.palimpsest.base.PageserverException;
import java.util.zip.CRC32C;

/**
 * The layer file, version 1, byte by byte. Integers are little-endian; keys (18 bytes) and ids are
 * big-endian, so that the order of their bytes is their order. All checksums are CRC32C.
 *
 * <pre>
 * file     header | data blocks, in order | index blocks, in order | filter blocks | root block | footer
 *          nothing lies between them; a file without entries has no blocks but a root of no rows
 *
 * header   80 bytes                                         see {@link LayerHeader}
 * block    16 bytes of frame, then the payload as stored
 *   0  u32 checksum over: u64 position of the block in the file, then its bytes from 4 to its end
 *   4  u32 bytes of payload as stored
 *   8  u32 bytes of payload once decoded
 *  12  u8  codec ({@link BlockCodec}): 0 raw, 1 lz4 block, 2 zstd frame
 *  13  u8  type: 1 data, 2 index, 3 root, 4 filter
 *  14  u16 0
 *
 * data     entries in order of key, then LSN, then writing, in groups of at most 16; then
 *          u32 offset in the payload of each group's first entry, u32 number of groups (1 or more)
 * entry    u8  leading bytes of the key equal to the entry's before (0..17; 18: the same key);
 *              0 in the first entry of a group
 *          the other bytes of the key
 *          varint LSN, less the LSN of the entry before if that has the same key and is in the same
 *              group, else less the header's base LSN
 *          varint length of the value, which then follows
 *          (varint: seven bits a byte, lowest first, high bit set in all bytes but the last)
 *
 * index    rows of 40 bytes, one for each data block; root: one for each index block
 *   0  18  key of its first entry
 *  18  u8  flags of the first entry of a data block: 1 its key is also in the block before,
 *          2 its value is initial. 0 in the root
 *  19  u8  0
 *  20  u64 LSN of its first entry
 *  28  u64 position of the block
 *  36  u32 its bytes, frame and all
 *
 * filter   lines of 64 bytes, 512 a block (fewer in the last), always raw: see {@link KeyFilter}
 *
 * footer   256 bytes                                        see {@link LayerFooter}
 * </pre>
 *
 * A block is cut when the next entry would take it past the target size, so a value larger than
 * that has a block to itself. Rows have a fixed size because that makes them searchable in place;
 * what their keys have in common is left to the codec.
 */
final class LayerFormat {
    static final long MAGIC = 0x3152_5941_4C4D_4C50L; // "PLMLAYR1"
    static final long FOOTER_MAGIC = 0x3144_4E45_4C4D_4C50L; // "PLMLEND1"
    static final int VERSION = 1;

    static final int FRAME_BYTES = 16;
    static final int TYPE_DATA = 1;
    static final int TYPE_INDEX = 2;
    static final int TYPE_ROOT = 3;
    static final int TYPE_FILTER = 4;

    static final int GROUP_ENTRIES = 16;
    static final int SAME_KEY = Key.BYTES;

    static final int ROW_BYTES = 40;
    static final int ROW_FLAGS = 18;
    static final int ROW_LSN = 20;
    static final int ROW_POSITION = 28;
    static final int ROW_LENGTH = 36;
    static final int KEY_CONTINUES = 1;
    static final int FIRST_INITIAL = 2;

    private LayerFormat() {}

    /** Spreads a key over 64 bits; the upper ones are the better ones. */
    static long hash(long hi, long mid, long lo) {
        long h = (hi * 0x9E3779B97F4A7C15L ^ mid) * 0xBF58476D1CE4E5B9L;
        return (h ^ h >>> 29 ^ lo) * 0x94D049BB133111EBL;
    }

    static int crc(byte[] b, int at, int length) {
        CRC32C crc = new CRC32C();
        crc.update(b, at, length);
        return (int) crc.getValue();
    }

    /**
     * What ties blocks to their layer that say nothing about themselves: who wrote it, and all
     * keys, LSNs and lengths of its data blocks. Never 0.
     *
     * @param rows of the index, all of them
     */
    static long tie(LayerHeader header, ByteSink rows) {
        long tie = (long) header.checksum() << 32 | crc(rows.array(), 0, rows.size()) & 0xFFFFFFFFL;
        return tie == 0 ? 1 : tie;
    }

    /**
     * Checksum of the block whose frame starts at {@code b[at]}.
     *
     * @param position where it stands; of a filter block, XOR the layer's tie
     */
    static int blockCrc(long position, byte[] b, int at, int length) {
        CRC32C crc = new CRC32C();
        for (int shift = 0; shift < 64; shift += 8) {
            crc.update((int) (position >>> shift) & 0xFF);
        }
        crc.update(b, at + 4, length - 4);
        return (int) crc.getValue();
    }

    static void checkGroups(String file, long position, byte[] payload) {
        int n = payload.length < 8 ? 0 : groups(payload);
        if (n <= 0 || n > (payload.length - 4) / 4) {
            throw wrong(file, position, "groups", payload.length / 4, n);
        }
        int end = entriesEnd(payload);
        for (int i = 0, before = -1; i < n; i++) {
            int at = group(payload, i);
            if (at <= before || at >= end || i == 0 && at != 0) {
                throw wrong(file, position, "offset of group " + i, before + 1, at);
            }
            before = at;
        }
    }

    static int groups(byte[] payload) {
        return Bytes.i32(payload, payload.length - 4);
    }

    /** Offset of a group; that of the number of groups is the end of the entries. */
    static int group(byte[] payload, int i) {
        int n = groups(payload);
        return i == n ? entriesEnd(payload) : Bytes.i32(payload, payload.length - 4 - 4 * (n - i));
    }

    static int entriesEnd(byte[] payload) {
        return payload.length - 4 - 4 * groups(payload);
    }

    /** Position in the file of the block that a row points to. */
    static long position(byte[] rows, int row) {
        return Bytes.i64(rows, row * ROW_BYTES + ROW_POSITION);
    }

    /** Bytes of the block that a row points to, frame and all. */
    static int length(byte[] rows, int row) {
        return Bytes.i32(rows, row * ROW_BYTES + ROW_LENGTH);
    }

    /** Index of the last row at or before (key, lsn), or -1. */
    static int lastRow(byte[] rows, long hi, long mid, long lo, long lsn) {
        int low = 0;
        int high = rows.length / ROW_BYTES - 1;
        while (low <= high) {
            int i = low + high >>> 1;
            int at = i * ROW_BYTES;
            int c =
                    Key.compare(
                            Key.readHi(rows, at),
                            Key.readMid(rows, at),
                            Key.readLo(rows, at),
                            hi,
                            mid,
                            lo);
            if (c == 0) {
                c = Long.compareUnsigned(Bytes.i64(rows, at + ROW_LSN), lsn);
            }
            if (c <= 0) {
                low = i + 1;
            } else {
                high = i - 1;
            }
        }
        return high;
    }

    static PageserverException wrongVersion(String file, long offset, int found) {
        return found > VERSION
                ? FormatVersion.later(file + " at offset " + offset, "layer file", found, VERSION)
                : wrong(file, offset, "format version", VERSION, found);
    }

    static PageserverException wrong(
            String file, long offset, String what, long expected, long found) {
        return PageserverException.corruption(
                "%s at offset %d: %s: expected %d, found %d", file, offset, what, expected, found);
    }

    static PageserverException wrong(
            String file, long offset, String what, Object expected, Object found) {
        return PageserverException.corruption(
                "%s at offset %d: %s: expected %s, found %s", file, offset, what, expected, found);
    }
}
