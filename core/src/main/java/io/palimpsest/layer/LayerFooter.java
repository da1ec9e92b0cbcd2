package io.palimpsest.layer;

import static io.palimpsest.layer.LayerFormat.wrong;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.LsnRange;

/**
 * The last bytes of a layer file.
 *
 * <pre>
 *   0  u64 position of the first index block = end of the data blocks
 *   8  u64 position of the root block = end of the filter blocks; it ends where the footer starts
 *  16  u64 number of data blocks
 *  24  u32 number of index blocks
 *  28  18  first key (inclusive) of the range covered
 *  46  18  last key (exclusive)
 *  64  u64 first LSN (inclusive)
 *  72  u64 last LSN (exclusive); of an image the first + 1
 *  80  9 x u64 statistics: entries, keys, images, deltas, initials, bytes of values, bytes of data
 *      blocks decoded, lowest LSN, highest LSN
 * 152  u64 position of the first filter block = end of the index blocks
 * 160  u32 lines of the filter; 0: none, as is usual for image layers
 * 164  18  statistics: first key that is in the file; zeros without entries
 * 182  18  last key that is in the file; zeros without entries
 * 200  u64 tombstones
 * 208  u64 the most values under one key
 * 216  u64 tie of the filter blocks ({@link LayerFormat#tie}); 0: none, as in older files
 * 224  8   zeros
 * 232  u32 checksum of the file's bytes before the footer
 * 236  u16 version 1
 * 238  u16 bytes of this footer: 256
 * 240  u32 0
 * 244  u32 checksum of bytes 0..243
 * 248  8   magic "PLMLEND1"
 * </pre>
 */
record LayerFooter(
        long indexPosition,
        long rootPosition,
        long dataBlocks,
        int indexBlocks,
        KeyRange keys,
        LsnRange lsns,
        LayerStatistics statistics,
        long filterPosition,
        int filterLines,
        long filterTie,
        int fileCrc) {
    static final int BYTES = 256;
    static final int FILTER_TIE = 216;
    static final int FILE_CHECKSUM = 232;
    private static final int CHECKSUM = 244;

    byte[] write() {
        byte[] b = new byte[BYTES];
        Bytes.putI64(b, 0, indexPosition);
        Bytes.putI64(b, 8, rootPosition);
        Bytes.putI64(b, 16, dataBlocks);
        Bytes.putI32(b, 24, indexBlocks);
        keys.start().write(b, 28);
        keys.end().write(b, 46);
        Bytes.putI64(b, 64, lsns.start());
        Bytes.putI64(b, 72, lsns.end());
        Bytes.putI64(b, 80, statistics.entries());
        Bytes.putI64(b, 88, statistics.keys());
        Bytes.putI64(b, 96, statistics.images());
        Bytes.putI64(b, 104, statistics.deltas());
        Bytes.putI64(b, 112, statistics.initials());
        Bytes.putI64(b, 120, statistics.valueBytes());
        Bytes.putI64(b, 128, statistics.blockBytes());
        Bytes.putI64(b, 136, statistics.minLsn());
        Bytes.putI64(b, 144, statistics.maxLsn());
        Bytes.putI64(b, 152, filterPosition);
        Bytes.putI32(b, 160, filterLines);
        statistics.firstKey().write(b, 164);
        statistics.lastKey().write(b, 182);
        Bytes.putI64(b, 200, statistics.tombstones());
        Bytes.putI64(b, 208, statistics.deepest());
        Bytes.putI64(b, FILTER_TIE, filterTie);
        Bytes.putI32(b, FILE_CHECKSUM, fileCrc);
        Bytes.putU16(b, 236, LayerFormat.VERSION);
        Bytes.putU16(b, 238, BYTES);
        Bytes.putI32(b, CHECKSUM, LayerFormat.crc(b, 0, CHECKSUM));
        Bytes.putI64(b, 248, LayerFormat.FOOTER_MAGIC);
        return b;
    }

    /**
     * @param position of the footer in the file
     */
    static LayerFooter read(String file, long position, byte[] b) {
        if (Bytes.i64(b, 248) != LayerFormat.FOOTER_MAGIC) {
            throw wrong(
                    file,
                    position + 248,
                    "magic at the end of a layer file (torn?)",
                    LayerFormat.FOOTER_MAGIC,
                    Bytes.i64(b, 248));
        }
        int crc = LayerFormat.crc(b, 0, CHECKSUM);
        if (Bytes.i32(b, CHECKSUM) != crc) {
            throw wrong(file, position + CHECKSUM, "footer checksum", Bytes.i32(b, CHECKSUM), crc);
        }
        if (Bytes.u16(b, 236) != LayerFormat.VERSION) {
            throw LayerFormat.wrongVersion(file, position + 236, Bytes.u16(b, 236));
        }
        if (Bytes.u16(b, 238) != BYTES) {
            throw wrong(file, position + 238, "footer length", BYTES, Bytes.u16(b, 238));
        }
        long index = Bytes.i64(b, 0);
        long root = Bytes.i64(b, 8);
        if (index < LayerHeader.BYTES || index > root) {
            throw wrong(file, position, "position of the index", LayerHeader.BYTES, index);
        }
        if (root > position - LayerFormat.FRAME_BYTES
                || position - root > Integer.MAX_VALUE - LayerFormat.FRAME_BYTES) {
            throw wrong(
                    file,
                    position + 8,
                    "position of the root",
                    position - LayerFormat.FRAME_BYTES,
                    root);
        }
        long filter = Bytes.i64(b, 152);
        int lines = Bytes.i32(b, 160);
        if (filter < index || lines < 0 || filter != root - KeyFilter.fileBytes(lines)) {
            throw wrong(
                    file,
                    position + 152,
                    "position of the filter",
                    root - KeyFilter.fileBytes(lines),
                    filter);
        }
        KeyRange keys;
        LsnRange lsns;
        try {
            keys = new KeyRange(Key.read(b, 28), Key.read(b, 46));
            lsns = new LsnRange(Bytes.i64(b, 64), Bytes.i64(b, 72));
        } catch (Check.Failed e) {
            throw wrong(file, position + 28, "ranges", "not empty", String.valueOf(e.getMessage()));
        }
        return new LayerFooter(
                index,
                root,
                Bytes.i64(b, 16),
                Bytes.i32(b, 24),
                keys,
                lsns,
                new LayerStatistics(
                        Bytes.i64(b, 80),
                        Bytes.i64(b, 88),
                        Bytes.i64(b, 96),
                        Bytes.i64(b, 104),
                        Bytes.i64(b, 112),
                        Bytes.i64(b, 120),
                        Bytes.i64(b, 128),
                        Bytes.i64(b, 136),
                        Bytes.i64(b, 144),
                        Key.read(b, 164),
                        Key.read(b, 182),
                        Bytes.i64(b, 200),
                        Bytes.i64(b, 208)),
                filter,
                lines,
                Bytes.i64(b, FILTER_TIE),
                Bytes.i32(b, FILE_CHECKSUM));
    }
}
