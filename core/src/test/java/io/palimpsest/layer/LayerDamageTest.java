package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.port.Disk;
import io.palimpsest.value.Keys;
import io.palimpsest.value.StoredValue;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Small layer files of every kind and codec with one bit flipped in each of their bytes, cut short
 * or made longer: whatever still opens gives the right bytes or CORRUPTION, and the check of the
 * whole file always finds it.
 */
class LayerDamageTest {
    private static final LsnRange LSNS = new LsnRange(0x1000, 0x2000);
    private static final long AT = 0x1800;

    enum Kind {
        DELTA(BlockCodec.LZ4),
        RANDOM_DELTA(BlockCodec.RAW),
        HISTORY(BlockCodec.ZSTD),
        IMAGES(BlockCodec.LZ4),
        RANDOM_IMAGES(BlockCodec.RAW);

        final BlockCodec codec;

        Kind(BlockCodec codec) {
            this.codec = codec;
        }

        boolean image() {
            return this == IMAGES || this == RANDOM_IMAGES;
        }
    }

    private final MemoryDisk disk = new MemoryDisk();
    private final Limits limits = History.limits(600, 0);
    private final List<History.Entry> entries = new ArrayList<>();
    private final TreeSet<Key> keys = new TreeSet<>();

    private byte[] content(Kind kind, Prng prng, int length) {
        byte[] b = new byte[length];
        if (kind.codec == BlockCodec.RAW) {
            prng.nextBytes(b, 0, length);
        } else {
            for (int i = 0; i < length; i++) {
                b[i] = (byte) (i % 11 + prng.nextInt(2));
            }
        }
        return b;
    }

    private LayerName write(Kind kind) {
        Prng prng = new Prng(kind.ordinal());
        for (int i = 0; i < 12; i++) {
            Key key = Key.of(Keys.REL_BLOCK, 1663, 5, 16384 + i / 5, 0, i);
            keys.add(key);
            keys.add(key.next());
            for (int n = kind.image() ? 1 : i == 5 ? 20 : prng.nextInt(4); n > 0; n--) {
                byte[] value = content(kind, prng, prng.oneIn(6) ? 1 : 50 + prng.nextInt(150));
                value[0] = (byte) (prng.oneIn(3) || kind.image() ? 0 : StoredValue.VM_CLEAR);
                long lsn = kind.image() ? AT : 0x1100 + 0x20L * (20 - n);
                entries.add(new History.Entry(key, lsn, value));
            }
        }
        if (kind.image()) {
            TreeMap<Key, byte[]> contents = new TreeMap<>();
            entries.forEach(
                    e -> contents.put(e.key(), Arrays.copyOfRange(e.value(), 1, e.value().length)));
            return History.writeImages(disk, contents, KeyRange.ALL, AT, limits);
        }
        if (kind != Kind.HISTORY) {
            return History.writeDelta(disk, entries, KeyRange.ALL, LSNS, limits);
        }
        LayerName name = LayerName.delta(KeyRange.ALL, LSNS, History.TENANT, History.GENERATION);
        try (Disk.Output out = disk.create(name.toString())) {
            DeltaLayerWriter w =
                    DeltaLayerWriter.ofHistory(out, History.TENANT, History.TIMELINE, LSNS, limits);
            for (History.Entry e : entries) {
                w.append(
                        e.key().hi(),
                        e.key().mid(),
                        e.key().lo(),
                        e.lsn(),
                        e.value(),
                        0,
                        e.value().length);
            }
            w.finish();
        }
        return name;
    }

    @ParameterizedTest
    @EnumSource
    void noFlippedBitIsServed(Kind kind) {
        LayerName name = write(kind);
        byte[] good = disk.files.get(name.toString());
        assertTrue(dataCodecs(good).contains(kind.codec.number()), "codecs " + dataCodecs(good));
        assertEquals(0, damaged(name, "nothing"), "the file as written");
        Prng prng = new Prng(kind.ordinal());
        for (int i = 0; i < good.length; i++) {
            byte[] bad = good.clone();
            bad[i] ^= (byte) (1 << prng.nextInt(8));
            disk.files.put(name.toString(), bad);
            assertTrue(damaged(name, "byte " + i) > 0, "byte " + i + " of " + good.length);
        }
        assertEquals(0, disk.open);
    }

    @ParameterizedTest
    @EnumSource
    void noFileOfAnotherLengthIsServed(Kind kind) {
        LayerName name = write(kind);
        byte[] good = disk.files.get(name.toString());
        for (int length = 0; length < 2 * good.length; length += 1 + length % 5) {
            if (length == good.length) {
                continue;
            }
            byte[] bad = Arrays.copyOf(good, length);
            for (int i = good.length; i < length && length % 2 == 0; i++) {
                bad[i] = good[i - good.length];
            }
            disk.files.put(name.toString(), bad);
            assertTrue(damaged(name, "length " + length) > 0, "length " + length);
        }
        assertEquals(0, disk.open);
    }

    /** Codecs of the data blocks. */
    private static TreeSet<Integer> dataCodecs(byte[] file) {
        TreeSet<Integer> codecs = new TreeSet<>();
        long end = Bytes.i64(file, file.length - LayerFooter.BYTES);
        for (int at = LayerHeader.BYTES; at < end; ) {
            codecs.add(Bytes.u8(file, at + 12));
            at += LayerFormat.FRAME_BYTES + Bytes.i32(file, at + 4);
        }
        return codecs;
    }

    /** How many of opening, checking and reading found the damage; none may answer wrongly. */
    private int damaged(LayerName name, String what) {
        int found = 0;
        LayerFile opened = null;
        try {
            opened = LayerFile.open(disk, name.toString(), name, new BlockCache(limits));
        } catch (PageserverException e) {
            assertDescribed(e, name);
            return 1;
        }
        try (LayerFile file = opened) {
            try {
                file.verify();
            } catch (PageserverException e) {
                assertDescribed(e, name);
                found++;
            }
            Reconstruction r = new Reconstruction();
            for (Key key : keys) {
                for (long lsn : new long[] {0x1200, 0x1290, AT, 0x1FFF}) {
                    r.reset(key.hi(), key.mid(), key.lo(), lsn);
                    try {
                        file.collect(r);
                        History.assertSame(History.newestFirst(entries, key, lsn + 1, 0), r);
                    } catch (PageserverException e) {
                        assertDescribed(e, name);
                        assertTrue(found > 0, what + " was not found by the check of the file");
                    }
                }
            }
        }
        return found;
    }

    private static void assertDescribed(PageserverException e, LayerName name) {
        assertEquals(ErrorCode.CORRUPTION, e.code(), e.getMessage());
        assertTrue(
                e.getMessage().startsWith(name + " at offset ")
                        && e.getMessage().contains("expected ")
                        && e.getMessage().contains("found "),
                e.getMessage());
    }

    /** What the codec is for, and that what one has written another reads. */
    @ParameterizedTest
    @EnumSource
    void everyCodecGivesBackWhatWasWritten(Kind kind) {
        LayerName name = write(kind);
        try (LayerFile file = LayerFile.open(disk, name.toString(), name, new BlockCache(limits))) {
            History.assertSame(entries, file.entries());
            LayerStatistics s = file.statistics();
            assertEquals(entries.getFirst().key(), s.firstKey());
            assertEquals(entries.getLast().key(), s.lastKey());
            assertEquals(kind.image() ? 1 : 20, s.deepest());
            assertEquals(
                    entries.stream()
                            .filter(e -> e.value().length == 1 && e.value()[0] == 0)
                            .count(),
                    s.tombstones());
        }
    }
}
