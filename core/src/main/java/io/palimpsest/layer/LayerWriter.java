package io.palimpsest.layer;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.LsnRange;
import io.palimpsest.port.Disk;
import io.palimpsest.value.StoredValue;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * Writes a layer file of either kind, front to back. The format is drawn at {@link LayerFormat}.
 */
final class LayerWriter {
    private static final int MIN_INDEX_ROWS = 16;
    private static final int ENTRY_OVERHEAD = 1 + Key.BYTES + 10 + 5;

    private final Disk.Output out;
    private final LayerHeader header;
    private final LsnRange lsns;
    private final int target;
    private final CRC32C fileCrc = new CRC32C();
    private final BlockEncoder encoder;

    /** The block being filled, with room for its frame in front. */
    private final ByteSink block;

    private int[] groups = new int[64];
    private int groupCount;
    private int groupEntries;
    private final byte[] blockFirst = new byte[LayerFormat.ROW_BYTES];

    private final byte[] key = new byte[Key.BYTES];
    private long hi;
    private long mid;
    private long lo;
    private long lsn;

    private final ByteSink rows = new ByteSink(4096);
    private final ByteSink root = new ByteSink(4096);
    private final KeyFilter filter = new KeyFilter();
    private Key firstKey = Key.MIN;
    private long entries;
    private long keys;
    private long images;
    private long initials;
    private long valueBytes;
    private long blockBytes;
    private long minLsn;
    private long maxLsn;
    private long tombstones;
    private long valuesOfKey;
    private long deepest;
    private boolean finished;

    /**
     * @param codec of data blocks
     * @param blockBytes at which a block is cut, before compression
     */
    LayerWriter(
            Disk.Output out, LayerHeader header, LsnRange lsns, BlockCodec codec, int blockBytes) {
        Check.that(out.size() == 0, "layer file has %d bytes already", out.size());
        this.out = out;
        this.header = header;
        this.lsns = lsns;
        target = blockBytes;
        encoder = new BlockEncoder(codec);
        block = new ByteSink(LayerFormat.FRAME_BYTES + Math.min(target, 64 << 10));
        startBlock();
        put(header.write(), 0, LayerHeader.BYTES);
    }

    /**
     * The value is {@code prefix} (if not negative, one byte) and then {@code b[at..at+length)}.
     */
    void append(
            long keyHi,
            long keyMid,
            long keyLo,
            long atLsn,
            int prefix,
            byte[] b,
            int at,
            int length) {
        Check.that(!finished, "layer is finished");
        if (atLsn == 0 || !lsns.contains(atLsn)) {
            Check.that(false, "entry at %s outside %s", Lsn.toString(atLsn), lsns);
        }
        int size = prefix < 0 ? length : length + 1;
        Check.that(length >= 0 && size > 0, "value of %d bytes", size);
        boolean sameKey = entries > 0 && keyHi == hi && keyMid == mid && keyLo == lo;
        checkOrder(keyHi, keyMid, keyLo, atLsn, sameKey);
        int filled = block.size() - LayerFormat.FRAME_BYTES + 4 * (groupCount + 2);
        if (groupCount > 0 && size > target - filled - ENTRY_OVERHEAD) {
            cutBlock();
        }
        boolean initial = prefix == StoredValue.IMAGE || prefix < 0 && StoredValue.isInitial(b, at);
        if (groupCount == 0) {
            Key.write(keyHi, keyMid, keyLo, blockFirst, 0);
            blockFirst[LayerFormat.ROW_FLAGS] =
                    (byte)
                            ((sameKey ? LayerFormat.KEY_CONTINUES : 0)
                                    | (initial ? LayerFormat.FIRST_INITIAL : 0));
            Bytes.putI64(blockFirst, LayerFormat.ROW_LSN, atLsn);
        }
        int p = block.reserve(ENTRY_OVERHEAD + size);
        byte[] to = block.array();
        p = putKey(to, p, keyHi, keyMid, keyLo, atLsn, sameKey);
        p = putVarint(to, p, size);
        if (prefix >= 0) {
            to[p++] = (byte) prefix;
        }
        System.arraycopy(b, at, to, p, length);
        block.truncate(p + length);

        hi = keyHi;
        mid = keyMid;
        lo = keyLo;
        lsn = atLsn;
        count(size, sameKey, initial, prefix >= 0 ? prefix : StoredValue.kind(b, at));
    }

    private void checkOrder(long keyHi, long keyMid, long keyLo, long atLsn, boolean sameKey) {
        boolean ordered =
                entries == 0
                        || (sameKey
                                ? Long.compareUnsigned(lsn, atLsn) <= 0 && !header.image()
                                : Key.compare(hi, mid, lo, keyHi, keyMid, keyLo) < 0);
        if (!ordered) {
            Check.that(
                    false,
                    "entries out of order: %s after %s",
                    new Key(keyHi, keyMid, keyLo) + "@" + Lsn.toString(atLsn),
                    new Key(hi, mid, lo) + "@" + Lsn.toString(lsn));
        }
    }

    /** Key and LSN of an entry at {@code to[at]}, where there is room; answers where they end. */
    private int putKey(
            byte[] to, int at, long keyHi, long keyMid, long keyLo, long atLsn, boolean sameKey) {
        boolean groupStart = groupCount == 0 || groupEntries == LayerFormat.GROUP_ENTRIES;
        if (groupStart) {
            if (groupCount == groups.length) {
                groups = Arrays.copyOf(groups, groupCount * 2);
            }
            groups[groupCount++] = at - LayerFormat.FRAME_BYTES;
            groupEntries = 0;
        }
        groupEntries++;
        if (sameKey && !groupStart) {
            to[at] = LayerFormat.SAME_KEY;
            return putVarint(to, at + 1, atLsn - lsn);
        }
        if (!groupStart && keyMid == mid && keyHi == hi) {
            // Most often: another block of the same relation. The bytes past the key are the next
            // to be written.
            int shared = 13 + (Long.numberOfLeadingZeros(keyLo ^ lo) - 24) / 8;
            to[at] = (byte) shared;
            Bytes.putI64BE(to, at + 1, keyLo << 24 + 8 * (shared - 13));
            return putVarint(to, at + 1 + Key.BYTES - shared, atLsn - header.baseLsn());
        }
        Key.write(keyHi, keyMid, keyLo, key, 0);
        int shared = groupStart ? 0 : sharedBytes(keyHi, keyMid);
        to[at] = (byte) shared;
        System.arraycopy(key, shared, to, at + 1, Key.BYTES - shared);
        return putVarint(to, at + 1 + Key.BYTES - shared, atLsn - header.baseLsn());
    }

    /** Leading bytes of a key, of another relation than the one before, that are that one's. */
    private int sharedBytes(long keyHi, long keyMid) {
        return keyHi != hi
                ? (Long.numberOfLeadingZeros(keyHi ^ hi) - 24) / 8
                : 5 + Long.numberOfLeadingZeros(keyMid ^ mid) / 8;
    }

    private static int putVarint(byte[] to, int at, long value) {
        int p = at;
        long v = value;
        while ((v & ~0x7FL) != 0) {
            to[p++] = (byte) (v & 0x7F | 0x80);
            v >>>= 7;
        }
        to[p++] = (byte) v;
        return p;
    }

    private void count(int size, boolean sameKey, boolean initial, int kind) {
        if (entries == 0) {
            firstKey = new Key(hi, mid, lo);
            minLsn = lsn;
            maxLsn = lsn;
        } else if (Long.compareUnsigned(lsn, minLsn) < 0) {
            minLsn = lsn;
        } else if (Long.compareUnsigned(lsn, maxLsn) > 0) {
            maxLsn = lsn;
        }
        entries++;
        if (!sameKey) {
            keys++;
            if (!header.image()) {
                filter.add(hi, mid, lo);
            }
        }
        valuesOfKey = sameKey ? valuesOfKey + 1 : 1;
        deepest = Math.max(deepest, valuesOfKey);
        images += kind == StoredValue.IMAGE ? 1 : 0;
        tombstones += kind == StoredValue.IMAGE && size == 1 ? 1 : 0;
        initials += initial ? 1 : 0;
        valueBytes += size;
    }

    private void startBlock() {
        block.clear();
        int _ = block.reserve(LayerFormat.FRAME_BYTES);
        groupCount = 0;
        groupEntries = 0;
    }

    private void cutBlock() {
        for (int i = 0; i < groupCount; i++) {
            block.i32(groups[i]);
        }
        block.i32(groupCount);
        blockBytes += block.size() - LayerFormat.FRAME_BYTES;
        rows.bytes(blockFirst, 0, LayerFormat.ROW_POSITION);
        rows.i64(out.size());
        rows.i32(putBlock(LayerFormat.TYPE_DATA));
        startBlock();
    }

    /** Writes what is in {@link #block}; answers the bytes it takes in the file. */
    private int putBlock(int type) {
        return putBlock(type, 0);
    }

    private int putBlock(int type, long tie) {
        int length = encoder.encode(out.size() ^ tie, type, block);
        put(encoder.block(), 0, length);
        return length;
    }

    private void put(byte[] b, int at, int length) {
        fileCrc.update(b, at, length);
        out.append(b, at, length);
    }

    /** Bytes of the file so far, the block being filled at its size before compression. */
    long size() {
        return out.size() + block.size();
    }

    long entries() {
        return entries;
    }

    /** Writes index and footer; answers the file's size. The caller syncs. */
    long finish(KeyRange keyRange, LsnRange lsnRange) {
        Check.that(!finished, "layer is finished already");
        if (entries > 0) {
            Check.that(
                    keyRange.contains(firstKey) && keyRange.contains(hi, mid, lo),
                    "keys from %s on outside of the layer's %s",
                    firstKey,
                    keyRange);
            Check.that(
                    lsnRange.contains(minLsn) && lsnRange.contains(maxLsn),
                    "LSNs from %s on outside of the layer's %s",
                    Lsn.toString(minLsn),
                    lsnRange);
            cutBlock();
        }
        finished = true;
        long indexPosition = out.size();
        int indexBlocks = 0;
        int bytes =
                Math.max(MIN_INDEX_ROWS, target / LayerFormat.ROW_BYTES) * LayerFormat.ROW_BYTES;
        for (int at = 0; at < rows.size(); at += bytes) {
            startBlock();
            block.bytes(rows.array(), at, Math.min(bytes, rows.size() - at));
            root.bytes(rows.array(), at, LayerFormat.ROW_POSITION);
            root.array()[root.size() - LayerFormat.ROW_POSITION + LayerFormat.ROW_FLAGS] = 0;
            root.i64(out.size());
            root.i32(putBlock(LayerFormat.TYPE_INDEX));
            indexBlocks++;
        }
        long filterPosition = out.size();
        byte[] lines = filter.build();
        long tie = lines.length == 0 ? 0 : LayerFormat.tie(header, rows);
        for (int at = 0; at < lines.length; at += KeyFilter.BLOCK_LINES * KeyFilter.LINE_BYTES) {
            startBlock();
            block.bytes(
                    lines,
                    at,
                    Math.min(KeyFilter.BLOCK_LINES * KeyFilter.LINE_BYTES, lines.length - at));
            int _ = putBlock(LayerFormat.TYPE_FILTER, tie);
        }
        long rootPosition = out.size();
        startBlock();
        block.bytes(root.array(), 0, root.size());
        int _ = putBlock(LayerFormat.TYPE_ROOT);
        LayerFooter footer =
                new LayerFooter(
                        indexPosition,
                        rootPosition,
                        rows.size() / LayerFormat.ROW_BYTES,
                        indexBlocks,
                        keyRange,
                        lsnRange,
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
                                deepest),
                        filterPosition,
                        filter.lines(),
                        tie,
                        (int) fileCrc.getValue());
        out.append(footer.write(), 0, LayerFooter.BYTES);
        return out.size();
    }
}
