package io.palimpsest.layer;

import static io.palimpsest.layer.LayerFormat.wrong;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Key;
import io.palimpsest.base.Lsn;
import io.palimpsest.port.Disk;
import io.palimpsest.value.StoredValue;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * Reads a whole layer file, past the cache, and checks everything the format promises: every
 * checksum, that blocks lie end to end, that the index is the one these blocks need, that entries
 * are in order and in range, and that the statistics are theirs.
 */
final class LayerCheck {
    private final Disk.Input input;
    private final String path;
    private final LayerHeader header;
    private final LayerFooter footer;
    private final CRC32C fileCrc = new CRC32C();
    private final BlockDecoder decoder = new BlockDecoder();
    private final EntryReader e = new EntryReader();
    private final KeyFilter filter = new KeyFilter();
    private final ByteSink rows = new ByteSink(4096);
    private final ByteSink rootRows = new ByteSink(4096);

    private long position;
    private long hi;
    private long mid;
    private long lo;
    private long lsn;
    private long entries;
    private long keys;
    private long images;
    private long initials;
    private long valueBytes;
    private long blockBytes;
    private long minLsn;
    private long maxLsn;
    private Key firstKey = Key.MIN;
    private long tombstones;
    private long valuesOfKey;
    private long deepest;

    private LayerCheck(Disk.Input input, String path, LayerHeader header, LayerFooter footer) {
        this.input = input;
        this.path = path;
        this.header = header;
        this.footer = footer;
    }

    static void check(Disk.Input input, String path, LayerHeader header, LayerFooter footer) {
        new LayerCheck(input, path, header, footer).run();
    }

    private void run() {
        byte[] head = new byte[LayerHeader.BYTES];
        input.read(0, head, 0, head.length);
        expect(0, "header", header, LayerHeader.read(path, head));
        fileCrc.update(head, 0, head.length);
        position = head.length;

        while (position < footer.indexPosition()) {
            long at = position;
            byte[] payload = block(LayerFormat.TYPE_DATA, footer.indexPosition());
            checkData(at, payload);
            rows.i64(at);
            rows.i32((int) (position - at));
        }
        int seen = 0;
        while (position < footer.filterPosition()) {
            long at = position;
            byte[] payload = block(LayerFormat.TYPE_INDEX, footer.filterPosition());
            checkRows(at, payload, rows, seen);
            seen += payload.length;
            rootRows.bytes(payload, 0, LayerFormat.ROW_POSITION);
            rootRows.array()[rootRows.size() - LayerFormat.ROW_POSITION + LayerFormat.ROW_FLAGS] =
                    0;
            rootRows.i64(at);
            rootRows.i32((int) (position - at));
        }
        expect(footer.indexPosition(), "bytes of index rows", rows.size(), seen);
        checkFilter();
        long end = input.size() - LayerFooter.BYTES;
        long at = position;
        byte[] root = block(LayerFormat.TYPE_ROOT, end);
        checkRows(at, root, rootRows, 0);
        expect(at, "bytes of root rows", rootRows.size(), root.length);
        expect(position, "end of the root block", end, position);

        byte[] tail = new byte[LayerFooter.BYTES];
        input.read(end, tail, 0, tail.length);
        expect(end, "footer", footer, LayerFooter.read(path, end, tail));
        expect(
                end + LayerFooter.FILE_CHECKSUM,
                "checksum of the file",
                footer.fileCrc(),
                (int) fileCrc.getValue());
        expect(
                end + 16,
                "data blocks",
                footer.dataBlocks(),
                (long) rows.size() / LayerFormat.ROW_BYTES);
        expect(
                end + 80,
                "statistics",
                footer.statistics(),
                new LayerStatistics(
                        entries,
                        keys,
                        images,
                        entries - images,
                        initials,
                        valueBytes,
                        blockBytes,
                        minLsn,
                        maxLsn,
                        firstKey,
                        entries == 0 ? Key.MIN : new Key(hi, mid, lo),
                        tombstones,
                        deepest));
    }

    private void checkFilter() {
        if (footer.filterLines() == 0) {
            return;
        }
        if (footer.filterTie() != 0) {
            expect(
                    input.size() - LayerFooter.BYTES + LayerFooter.FILTER_TIE,
                    "tie of the filter",
                    LayerFormat.tie(header, rows),
                    footer.filterTie());
        }
        byte[] lines = filter.build();
        expect(position, "lines of the filter", filter.lines(), footer.filterLines());
        for (int from = 0; from < lines.length; ) {
            long at = position;
            byte[] payload = block(LayerFormat.TYPE_FILTER, footer.rootPosition());
            int length = Math.min(payload.length, lines.length - from);
            int i = Arrays.mismatch(lines, from, from + length, payload, 0, payload.length);
            expect(at, "first byte of the filter that differs", -1, i);
            from += length;
        }
    }

    /** Reads the block at the current position, which ends by {@code end}, and steps over it. */
    private byte[] block(int type, long end) {
        if (end - position < LayerFormat.FRAME_BYTES) {
            throw wrong(
                    path, position, "room for a block", LayerFormat.FRAME_BYTES, end - position);
        }
        byte[] frame = new byte[LayerFormat.FRAME_BYTES];
        input.read(position, frame, 0, frame.length);
        int stored = Bytes.i32(frame, 4);
        if (stored < 0 || stored > Math.min(end - position, Integer.MAX_VALUE) - frame.length) {
            throw wrong(path, position, "stored length", end - position - frame.length, stored);
        }
        byte[] b = new byte[frame.length + stored];
        input.read(position, b, 0, b.length);
        byte[] payload =
                type == LayerFormat.TYPE_FILTER
                        ? decoder.decodeFilter(path, position, b, footer.filterTie())
                        : decoder.decode(path, position, b, type);
        fileCrc.update(b, 0, b.length);
        position += b.length;
        return payload;
    }

    private void checkData(long at, byte[] payload) {
        blockBytes += payload.length;
        int groups = LayerFormat.groups(payload);
        for (int g = 0; g < groups; g++) {
            e.open(path, at, payload, g, g + 1, header.baseLsn());
            for (int n = 0; e.next(); n++) {
                if (n == LayerFormat.GROUP_ENTRIES) {
                    throw wrong(path, at, "entries of a group", LayerFormat.GROUP_ENTRIES, n + 1);
                }
                boolean sameKey = entries > 0 && e.hi == hi && e.mid == mid && e.lo == lo;
                checkEntry(at, payload, sameKey);
                if (g == 0 && n == 0) {
                    int row = rows.reserve(LayerFormat.ROW_POSITION);
                    Key.write(e.hi, e.mid, e.lo, rows.array(), row);
                    Bytes.putU16(
                            rows.array(),
                            row + LayerFormat.ROW_FLAGS,
                            (sameKey ? LayerFormat.KEY_CONTINUES : 0)
                                    | (StoredValue.isInitial(payload, e.at)
                                            ? LayerFormat.FIRST_INITIAL
                                            : 0));
                    Bytes.putI64(rows.array(), row + LayerFormat.ROW_LSN, e.lsn);
                }
                hi = e.hi;
                mid = e.mid;
                lo = e.lo;
                lsn = e.lsn;
                entries++;
            }
        }
    }

    private void checkEntry(long at, byte[] payload, boolean sameKey) {
        boolean ordered =
                entries == 0
                        || (sameKey
                                ? Long.compareUnsigned(lsn, e.lsn) <= 0
                                : Key.compare(hi, mid, lo, e.hi, e.mid, e.lo) < 0);
        if (!ordered) {
            throw wrong(
                    path,
                    at,
                    "order of entries",
                    "above " + new Key(hi, mid, lo) + "@" + Lsn.toString(lsn),
                    new Key(e.hi, e.mid, e.lo) + "@" + Lsn.toString(e.lsn));
        }
        if (!footer.keys().contains(e.hi, e.mid, e.lo)
                || !footer.lsns().contains(e.lsn)
                || e.lsn == 0) {
            throw wrong(
                    path,
                    at,
                    "entry within " + footer.keys(),
                    footer.lsns(),
                    new Key(e.hi, e.mid, e.lo) + "@" + Lsn.toString(e.lsn));
        }
        boolean image = StoredValue.kind(payload, e.at) == StoredValue.IMAGE;
        if (header.image() && (!image || sameKey)) {
            throw wrong(path, at, "an image layer's value", "one image a key", e.length);
        }
        if (!sameKey) {
            keys++;
            if (footer.filterLines() != 0) {
                filter.add(e.hi, e.mid, e.lo);
            }
        }
        firstKey = entries == 0 ? new Key(e.hi, e.mid, e.lo) : firstKey;
        valuesOfKey = sameKey ? valuesOfKey + 1 : 1;
        deepest = Math.max(deepest, valuesOfKey);
        images += image ? 1 : 0;
        tombstones += image && e.length == 1 ? 1 : 0;
        initials += StoredValue.isInitial(payload, e.at) ? 1 : 0;
        valueBytes += e.length;
        minLsn = entries == 0 || Long.compareUnsigned(e.lsn, minLsn) < 0 ? e.lsn : minLsn;
        maxLsn = entries == 0 || Long.compareUnsigned(e.lsn, maxLsn) > 0 ? e.lsn : maxLsn;
    }

    private void checkRows(long at, byte[] found, ByteSink expected, int from) {
        for (int i = 0; i < found.length; i++) {
            if (from + i >= expected.size() || found[i] != expected.array()[from + i]) {
                throw wrong(
                        path,
                        at,
                        "row " + i / LayerFormat.ROW_BYTES + " byte " + i % LayerFormat.ROW_BYTES,
                        from + i < expected.size() ? expected.array()[from + i] : -1,
                        found[i]);
            }
        }
    }

    private void expect(long offset, String what, Object expected, Object found) {
        if (!expected.equals(found)) {
            throw wrong(path, offset, what, expected, found);
        }
    }
}
