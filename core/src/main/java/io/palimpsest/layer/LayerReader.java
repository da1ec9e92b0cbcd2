package io.palimpsest.layer;

import static io.palimpsest.layer.LayerFormat.wrong;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Disk;
import io.palimpsest.value.StoredValue;
import java.util.Arrays;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * A layer file while it is open: its searches. Any number of tasks may read at once. Trusts nothing
 * in it: whatever is read has passed its checksum and its bounds, or the read fails with CORRUPTION
 * naming file, offset, expected and found.
 *
 * <p>In memory it keeps header, footer and the root of the index (40 bytes for every 409 blocks of
 * 16 KiB); the rest comes through the block cache.
 */
final class LayerReader {
    private final Disk.Input input;

    /** The same if it is not a file on the disk, else null. */
    private final LayerSource.@Nullable Parts parts;

    private final String path;
    private final LayerName name;
    private final BlockCache cache;
    private final long id;
    private final LayerHeader header;
    private final LayerFooter footer;
    private final byte[] root;
    private volatile boolean suspected;

    /**
     * Checks header, footer, index root, and that they are what the name says. The caller closes
     * the input, also if this fails.
     *
     * @param parts the input once more if it is not a file on the disk
     * @param path what errors call it
     * @param id of the file in the cache
     */
    LayerReader(
            Disk.Input input,
            LayerSource.@Nullable Parts parts,
            String path,
            LayerName name,
            BlockCache cache,
            long id) {
        this.input = input;
        this.parts = parts;
        this.path = path;
        this.name = name;
        this.cache = cache;
        this.id = id;
        long size = input.size();
        long least = LayerHeader.BYTES + LayerFormat.FRAME_BYTES + LayerFooter.BYTES;
        if (size < least) {
            throw wrong(path, size, "bytes of a layer file, at least", least, size);
        }
        byte[] b = new byte[LayerHeader.BYTES];
        input.read(0, b, 0, b.length);
        header = LayerHeader.read(path, b);
        long footerPosition = size - LayerFooter.BYTES;
        b = new byte[LayerFooter.BYTES];
        input.read(footerPosition, b, 0, b.length);
        footer = LayerFooter.read(path, footerPosition, b);
        checkName(footerPosition);
        // With the footer once more: what comes from afar at once is of one file, and that the
        // footer is of this one was seen.
        byte[] tail = new byte[(int) (size - footer.rootPosition())];
        input.read(footer.rootPosition(), tail, 0, tail.length);
        int rootBytes = tail.length - LayerFooter.BYTES;
        if (!Arrays.equals(tail, rootBytes, tail.length, b, 0, b.length)) {
            throw wrong(path, footerPosition, "the footer", "as it was read before", "another one");
        }
        root =
                cache.decoder()
                        .decode(
                                path,
                                footer.rootPosition(),
                                tail,
                                0,
                                rootBytes,
                                LayerFormat.TYPE_ROOT);
        if (root.length != (long) footer.indexBlocks() * LayerFormat.ROW_BYTES) {
            throw wrong(
                    path,
                    footer.rootPosition(),
                    "index blocks",
                    footer.indexBlocks(),
                    root.length / LayerFormat.ROW_BYTES);
        }
        checkRows(root, footer.rootPosition(), footer.indexPosition(), footer.rootPosition());
    }

    private void checkName(long footerPosition) {
        if (header.image() != name.image()) {
            throw wrong(path, 10, "layer kind is image", name.image(), header.image());
        }
        if (header.tenant().number() != name.shardNumber()
                || header.tenant().count() != name.shardCount()) {
            throw wrong(
                    path,
                    32,
                    "shard",
                    name.shardNumber() + " of " + name.shardCount(),
                    header.tenant());
        }
        if (!footer.keys().equals(name.keys())) {
            throw wrong(path, footerPosition + 28, "key range", name.keys(), footer.keys());
        }
        if (!footer.lsns().equals(name.lsns())) {
            throw wrong(path, footerPosition + 64, "LSN range", name.lsns(), footer.lsns());
        }
        if (Long.compareUnsigned(header.baseLsn(), footer.lsns().start()) > 0) {
            throw wrong(
                    path,
                    52,
                    "base LSN, at most",
                    Lsn.toString(footer.lsns().start()),
                    Lsn.toString(header.baseLsn()));
        }
    }

    /** Rows point to blocks that follow each other within {@code from .. to}. */
    private void checkRows(byte[] rows, long position, long from, long to) {
        long next = from;
        for (int at = 0; at < rows.length; at += LayerFormat.ROW_BYTES) {
            long block = Bytes.i64(rows, at + LayerFormat.ROW_POSITION);
            int length = Bytes.i32(rows, at + LayerFormat.ROW_LENGTH);
            if (block < next || block > to) {
                throw wrong(path, position, "position in row at " + at, next, block);
            }
            if (length < LayerFormat.FRAME_BYTES || length > to - block) {
                throw wrong(path, position, "length in row at " + at, to - block, length);
            }
            next = block + length;
        }
    }

    LayerHeader header() {
        return header;
    }

    /** Is its file not on the disk? */
    boolean away() {
        return parts != null;
    }

    /** What it was opened with may be what is damaged. */
    void suspect() {
        suspected = true;
    }

    /** Is another one to be opened in its place? */
    boolean suspected() {
        return suspected;
    }

    LayerFooter footer() {
        return footer;
    }

    String path() {
        return path;
    }

    byte[] root() {
        return root;
    }

    void close() {
        input.close();
    }

    Collected search(Reconstruction r, long floor, boolean mayBlock) {
        long from = max(floor, name.startLsn());
        if (Long.compareUnsigned(from, r.below()) >= 0) {
            return Collected.MORE;
        }
        if (name.keys().contains(r.hi(), r.mid(), r.lo())) {
            int before = r.count();
            Collected c = searchBlocks(r, from, mayBlock);
            if (c == Collected.NOT_READY) {
                r.truncate(before);
            }
            if (c != Collected.MORE) {
                return c;
            }
        }
        if (!name.image()) {
            r.lower(from);
        }
        return Collected.MORE;
    }

    /** From the block where the newest wanted value would be, backwards. */
    private Collected searchBlocks(Reconstruction r, long floor, boolean mayBlock) {
        Collected maybe = filter(r, mayBlock);
        if (maybe != Collected.COMPLETE) {
            return maybe;
        }
        r.search();
        int i = LayerFormat.lastRow(root, r.hi(), r.mid(), r.lo(), r.below() - 1);
        boolean newest = true;
        for (; i >= 0; i--) {
            byte[] rows = block(r, root, i, LayerFormat.TYPE_INDEX, mayBlock);
            if (rows == null) {
                return Collected.NOT_READY;
            }
            int j = rows.length / LayerFormat.ROW_BYTES - 1;
            if (newest) {
                j = LayerFormat.lastRow(rows, r.hi(), r.mid(), r.lo(), r.below() - 1);
                newest = false;
            }
            for (; j >= 0; j--) {
                byte[] data = block(r, rows, j, LayerFormat.TYPE_DATA, mayBlock);
                if (data == null) {
                    return Collected.NOT_READY;
                }
                int row = j * LayerFormat.ROW_BYTES;
                boolean back =
                        searchGroups(
                                r, data, Bytes.i64(rows, row + LayerFormat.ROW_POSITION), floor);
                if (r.complete()) {
                    return Collected.COMPLETE;
                }
                if (r.full()) {
                    return Collected.NOT_READY;
                }
                if (!back || (rows[row + LayerFormat.ROW_FLAGS] & LayerFormat.KEY_CONTINUES) == 0) {
                    return Collected.MORE;
                }
            }
        }
        return Collected.MORE;
    }

    /** MORE if the filter knows that the key is not here, else COMPLETE, or NOT_READY. */
    private Collected filter(Reconstruction r, boolean mayBlock) {
        int lines = footer.filterLines();
        if (lines == 0) {
            return Collected.COMPLETE;
        }
        long hash = LayerFormat.hash(r.hi(), r.mid(), r.lo());
        int line = KeyFilter.line(hash, lines);
        byte[] block = filterBlock(r.shared(), line / KeyFilter.BLOCK_LINES, lines, mayBlock);
        if (block == null) {
            return Collected.NOT_READY;
        }
        int at = line % KeyFilter.BLOCK_LINES * KeyFilter.LINE_BYTES;
        return KeyFilter.mayContain(block, at, hash) ? Collected.COMPLETE : Collected.MORE;
    }

    private byte @Nullable [] filterBlock(
            @Nullable SharedBlocks shared, int i, int lines, boolean mayBlock) {
        long position = footer.filterPosition() + KeyFilter.blockPosition(i);
        byte[] found = find(shared, position, LayerFormat.TYPE_FILTER);
        if (found != null) {
            return found;
        }
        int bytes = KeyFilter.blockBytes(i, lines);
        byte[] block = block(position, LayerFormat.FRAME_BYTES + bytes, mayBlock);
        if (block == null) {
            return null;
        }
        byte[] decoded = cache.decoder().decodeFilter(path, position, block, footer.filterTie());
        if (decoded.length != bytes) {
            throw wrong(path, position, "bytes of filter", bytes, decoded.length);
        }
        keep(shared, position, LayerFormat.TYPE_FILTER, decoded);
        return decoded;
    }

    /** Group by group backwards; true if the block before may hold more of the key. */
    private boolean searchGroups(Reconstruction r, byte[] data, long position, long floor) {
        EntryReader e = r.reader;
        for (int g = lastGroup(r, data, position); g >= 0; g--) {
            e.open(path, position, data, g, g + 1, header.baseLsn());
            int n = 0;
            int order = -1;
            boolean first = true;
            boolean startsBelow = false;
            while (order <= 0 && e.next()) {
                order = Key.compare(e.hi, e.mid, e.lo, r.hi(), r.mid(), r.lo());
                if (first) {
                    startsBelow = order < 0 || Long.compareUnsigned(e.lsn, floor) < 0;
                    first = false;
                }
                if (order == 0
                        && Long.compareUnsigned(e.lsn, r.below()) < 0
                        && Long.compareUnsigned(e.lsn, floor) >= 0) {
                    if (n == LayerFormat.GROUP_ENTRIES) {
                        throw wrong(
                                path, position, "entries of a group", LayerFormat.GROUP_ENTRIES, n);
                    }
                    r.groupLsn[n] = e.lsn;
                    r.groupAt[n] = e.at;
                    r.groupLength[n++] = e.length;
                }
            }
            while (n-- > 0) {
                if (r.add(r.groupLsn[n], data, r.groupAt[n], r.groupLength[n])) {
                    return false;
                }
            }
            if (startsBelow) {
                return false;
            }
        }
        return true;
    }

    /** The last group that starts at or before (key, below - 1), or -1. */
    private int lastGroup(Reconstruction r, byte[] data, long position) {
        EntryReader e = r.reader;
        int low = 0;
        int high = LayerFormat.groups(data) - 1;
        while (low <= high) {
            int g = low + high >>> 1;
            e.open(path, position, data, g, g + 1, header.baseLsn());
            Check.that(e.next(), "group without entries");
            int c = Key.compare(e.hi, e.mid, e.lo, r.hi(), r.mid(), r.lo());
            if (c < 0 || c == 0 && Long.compareUnsigned(e.lsn, r.below()) < 0) {
                low = g + 1;
            } else {
                high = g - 1;
            }
        }
        return high;
    }

    /**
     * The block that a row of an index points to, decoded; null if it would block to get it and
     * that is not allowed. Data blocks that the reads to come begin in are read with it.
     */
    private byte @Nullable [] block(
            Reconstruction r, byte[] rows, int row, int type, boolean mayBlock) {
        long position = LayerFormat.position(rows, row);
        SharedBlocks shared = r.shared();
        byte[] found = find(shared, position, type);
        if (found != null) {
            return found;
        }
        if (shared != null && type == LayerFormat.TYPE_DATA && mayBlock) {
            int wanted = shared.lastTogether(rows, row);
            int last = row;
            while (last < wanted
                    && find(shared, LayerFormat.position(rows, last + 1), type) == null) {
                last++;
            }
            if (last > row) {
                return together(shared, rows, row, last);
            }
        }
        return load(shared, rows, row, type, mayBlock, true);
    }

    /** The block, decoded, if it is in memory. */
    private byte @Nullable [] find(@Nullable SharedBlocks shared, long position, int type) {
        byte[] cached = cache.region(type).find(id, position);
        return cached != null || shared == null ? cached : shared.find(id, position);
    }

    /** Reads blocks that lie next to each other at once, and answers the first. */
    private byte[] together(SharedBlocks shared, byte[] rows, int first, int last) {
        long from = LayerFormat.position(rows, first);
        long end = LayerFormat.position(rows, last) + LayerFormat.length(rows, last);
        byte[] bytes = new byte[(int) (end - from)];
        input.read(from, bytes, 0, bytes.length);
        byte[] answer = bytes;
        // Backwards, so that in a set of the cache that is full the first ones stay.
        for (int row = last; row >= first; row--) {
            long position = LayerFormat.position(rows, row);
            int at = (int) (position - from);
            int length = LayerFormat.length(rows, row);
            byte[] decoded;
            try {
                decoded =
                        cache.decoder()
                                .decode(path, position, bytes, at, length, LayerFormat.TYPE_DATA);
                checkFirst(rows, row, decoded, LayerFormat.TYPE_DATA);
            } catch (PageserverException e) {
                if (row > first) {
                    // Whoever needs it fails, and nobody else.
                    continue;
                }
                throw e;
            }
            keep(shared, position, LayerFormat.TYPE_DATA, decoded);
            answer = decoded;
        }
        return answer;
    }

    private void keep(@Nullable SharedBlocks shared, long position, int type, byte[] decoded) {
        cache.region(type).insert(id, position, decoded);
        if (shared != null && shared.find(id, position) == null) {
            shared.keep(id, position, decoded);
        }
    }

    /** Reads a block and decodes it; null if it would block to get it and that is not allowed. */
    private byte @Nullable [] load(
            @Nullable SharedBlocks shared,
            byte[] rows,
            int row,
            int type,
            boolean mayBlock,
            boolean keep) {
        long position = LayerFormat.position(rows, row);
        int length = LayerFormat.length(rows, row);
        byte[] decoded = decoded(position, length, type, mayBlock);
        if (decoded == null) {
            return null;
        }
        checkFirst(rows, row, decoded, type);
        if (type == LayerFormat.TYPE_INDEX) {
            checkRows(decoded, position, LayerHeader.BYTES, footer.indexPosition());
        }
        if (keep) {
            keep(shared, position, type, decoded);
        }
        return decoded;
    }

    private byte @Nullable [] decoded(long position, int length, int type, boolean mayBlock) {
        byte[] block = block(position, length, mayBlock);
        return block == null ? null : cache.decoder().decode(path, position, block, type);
    }

    /** As it is in the file; null if that would block. */
    private byte @Nullable [] block(long position, int length, boolean mayBlock) {
        byte[] block = new byte[length];
        if (mayBlock) {
            input.read(position, block, 0, block.length);
        } else if (!input.tryRead(position, block, 0, block.length)) {
            return null;
        }
        return block;
    }

    /**
     * A checksum holds for a position, in whatever file. That a file on the disk is the right one
     * was seen when it was opened; what comes from afar could be of another one each time, the
     * header too, so it must begin as the index says.
     */
    private void checkFirst(byte[] rows, int row, byte[] decoded, int type) {
        if (parts == null) {
            return;
        }
        int at = row * LayerFormat.ROW_BYTES;
        long position = LayerFormat.position(rows, row);
        Key expected = Key.read(rows, at);
        long expectedLsn = Bytes.i64(rows, at + LayerFormat.ROW_LSN);
        Key found;
        long lsn;
        if (type == LayerFormat.TYPE_DATA) {
            EntryReader e = new EntryReader();
            e.open(path, position, decoded, 0, 1, header.baseLsn());
            Check.that(e.next(), "group without entries");
            found = new Key(e.hi, e.mid, e.lo);
            lsn = e.lsn;
        } else {
            found = Key.read(decoded, 0);
            lsn = Bytes.i64(decoded, LayerFormat.ROW_LSN);
        }
        if (!found.equals(expected) || lsn != expectedLsn) {
            throw wrong(
                    path,
                    position,
                    "first entry",
                    expected + " at " + Lsn.toString(expectedLsn),
                    found + " at " + Lsn.toString(lsn));
        }
    }

    /**
     * @param keep in the cache: not if it is only passed through, which would drive out what is
     *     needed again
     */
    byte[] blockNow(byte[] rows, int row, int type, boolean keep) {
        byte[] found = find(null, LayerFormat.position(rows, row), type);
        byte[] b = found != null ? found : load(null, rows, row, type, true, keep);
        if (b == null) {
            throw new AssertionError("a blocking read answers");
        }
        return b;
    }

    /**
     * Offers the newest content of every key in the range with {@code floor <= LSN <= lsn}; the
     * keys hold only images. May block.
     */
    void scan(KeyRange range, long floor, long lsn, ImageScan into) {
        if (!range.overlaps(name.keys()) || Long.compareUnsigned(name.startLsn(), lsn) > 0) {
            return;
        }
        FileCursor e = new FileCursor(this, range, true);
        boolean pending = false;
        long hi = 0;
        long mid = 0;
        long lo = 0;
        long at = 0;
        byte[] bytes = root;
        int offset = 0;
        int length = 0;
        while (e.next()) {
            if (Long.compareUnsigned(e.lsn(), lsn) > 0
                    || Long.compareUnsigned(e.lsn(), floor) < 0) {
                continue;
            }
            if (StoredValue.kind(e.bytes(), e.offset()) != StoredValue.IMAGE) {
                throw wrong(
                        path,
                        e.position(),
                        "kind of the value of " + new Key(e.hi(), e.mid(), e.lo()),
                        StoredValue.IMAGE,
                        StoredValue.kind(e.bytes(), e.offset()));
            }
            if (pending && (e.hi() != hi || e.mid() != mid || e.lo() != lo)) {
                into.offer(hi, mid, lo, at, bytes, offset, length);
            }
            pending = true;
            hi = e.hi();
            mid = e.mid();
            lo = e.lo();
            at = e.lsn();
            bytes = e.bytes();
            offset = e.offset() + 1;
            length = e.length() - 1;
        }
        if (pending) {
            into.offer(hi, mid, lo, at, bytes, offset, length);
        }
    }

    /** Reads the whole file and checks all that can be checked; CORRUPTION at the first flaw. */
    void verify() {
        LayerCheck.check(input, path, header, footer);
    }

    /**
     * Reads the file and compares its checksum with what its footer says; CORRUPTION if it is
     * another. What is in the blocks is not looked at.
     */
    void verifyChecksum() {
        long end = input.size() - LayerFooter.BYTES;
        byte[] buffer = new byte[(int) Math.min(end, 256 << 10)];
        CRC32C crc = new CRC32C();
        for (long at = 0; at < end; ) {
            int n = (int) Math.min(buffer.length, end - at);
            input.read(at, buffer, 0, n);
            crc.update(buffer, 0, n);
            at += n;
        }
        int found = (int) crc.getValue();
        if (found != footer.fileCrc()) {
            throw wrong(
                    path,
                    end + LayerFooter.FILE_CHECKSUM,
                    "checksum of the file",
                    footer.fileCrc(),
                    found);
        }
    }

    private static long max(long a, long b) {
        return Long.compareUnsigned(a, b) > 0 ? a : b;
    }
}
