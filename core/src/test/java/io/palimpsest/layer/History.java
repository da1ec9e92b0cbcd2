package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Generation;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Disk;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.StoredValue;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;

/** A random history, and the naive model of it that the layers are held against. */
final class History {
    static final TenantShardId TENANT = new TenantShardId(new TenantId(1, 2), 1, 4);
    static final TimelineId TIMELINE = new TimelineId(3, 4);
    static final Generation GENERATION = new Generation(7);

    record Entry(Key key, long lsn, byte[] value) {}

    /** In the order they were written; LSNs do not go back. */
    final List<Entry> entries = new ArrayList<>();

    final long startLsn;
    final List<Key> keys;

    private History(long startLsn, List<Key> keys) {
        this.startLsn = startLsn;
        this.keys = keys;
    }

    static History random(Prng prng, int size) {
        long start = prng.oneIn(8) ? 0xFFFF_FFFF_0000_0000L : 0x1000 + prng.nextInt(1 << 20);
        TreeSet<Key> keys = new TreeSet<>();
        int keyCount = 1 + prng.nextInt(prng.oneIn(3) ? 3 : 200);
        while (keys.size() < keyCount) {
            keys.add(randomKey(prng));
        }
        History h = new History(start, new ArrayList<>(keys));
        long lsn = start;
        for (int i = 0; i < size; i++) {
            lsn += prng.oneIn(3) ? 0 : 8 * (1 + prng.nextInt(prng.oneIn(10) ? 100_000 : 20));
            Key key = h.keys.get(prng.nextInt(h.keys.size()));
            h.entries.add(new Entry(key, lsn, randomValue(prng, !Keys.isPage(key.hi()))));
        }
        return h;
    }

    private static Key randomKey(Prng prng) {
        int[] f = new int[5];
        for (int i = 0; i < 5; i++) {
            f[i] =
                    switch (prng.nextInt(4)) {
                        case 0 -> 0;
                        case 1 -> -1;
                        default -> prng.nextInt(20);
                    };
        }
        return Key.of(prng.nextInt(prng.nextBoolean() ? 2 : 10), f[0], f[1], f[2], f[3], f[4]);
    }

    private static byte[] randomValue(Prng prng, boolean imageOnly) {
        int length = prng.nextInt(prng.oneIn(20) ? 3000 : 40);
        byte[] v = new byte[2 + length];
        if (prng.nextBoolean()) {
            prng.nextBytes(v, 2, length);
        } else {
            Arrays.fill(v, (byte) prng.nextInt(3));
        }
        switch (imageOnly ? 0 : prng.nextInt(6)) {
            case 0 -> v[0] = StoredValue.IMAGE;
            case 1 -> {
                v[0] = StoredValue.RECORD;
                v[1] = 1;
            }
            case 2, 3 -> {
                v[0] = StoredValue.RECORD;
                v[1] = 0;
            }
            default -> v[0] = StoredValue.VM_CLEAR;
        }
        return v[0] == StoredValue.IMAGE && prng.oneIn(6) ? new byte[] {StoredValue.IMAGE} : v;
    }

    static Limits limits(int blockBytes, long cacheBytes) {
        Limits d = Limits.DEFAULT;
        return new Limits(
                d.openLayerBytes(),
                d.flushDistance(),
                d.flushAgeNanos(),
                d.ingestBatchRecords(),
                d.ingestBatchBytes(),
                blockBytes,
                d.recordBytes(),
                d.waitLsnNanos(),
                cacheBytes,
                d.openLayerFiles(),
                d.batchPages(),
                d.chainDeltas(),
                d.backgroundBytesPerSecond());
    }

    static int randomBlockBytes(Prng prng) {
        int[] sizes = {1, 64, 300, 2000, 64 << 10};
        return sizes[prng.nextInt(sizes.length)];
    }

    long endLsn() {
        return entries.isEmpty() ? startLsn + 8 : entries.getLast().lsn + 1;
    }

    LsnRange lsns() {
        return new LsnRange(startLsn, endLsn());
    }

    /** A random LSN within or around the history. */
    long randomLsn(Prng prng) {
        if (entries.isEmpty() || prng.oneIn(6)) {
            return startLsn - 8 + prng.nextInt(16);
        }
        return entries.get(prng.nextInt(entries.size())).lsn + prng.nextInt(3) - 1;
    }

    Key randomKeyOf(Prng prng) {
        return prng.oneIn(5) ? randomKey(prng) : keys.get(prng.nextInt(keys.size()));
    }

    Modifications modifications(int from, int to) {
        Modifications m = new Modifications();
        for (Entry e : entries.subList(from, to)) {
            m.begin(e.key.hi(), e.key.mid(), e.key.lo(), e.lsn);
            m.out().bytes(e.value);
            m.end();
        }
        return m;
    }

    OpenLayer open() {
        OpenLayer layer = new OpenLayer(startLsn);
        layer.append(modifications(0, entries.size()), 0, entries.size());
        return layer;
    }

    /** In order of key, LSN, writing. */
    static List<Entry> sorted(Collection<Entry> entries) {
        List<Entry> out = new ArrayList<>(entries);
        out.sort((a, b) -> {
            int c = a.key.compareTo(b.key);
            return c != 0 ? c : Long.compareUnsigned(a.lsn, b.lsn);
        });
        return out;
    }

    static LayerName writeDelta(
            Disk disk, List<Entry> sorted, KeyRange keys, LsnRange lsns, Limits limits) {
        LayerName name = LayerName.delta(keys, lsns, TENANT, GENERATION);
        try (Disk.Output out = disk.create(name.toString())) {
            DeltaLayerWriter w = new DeltaLayerWriter(out, TENANT, TIMELINE, lsns, limits);
            ByteSink odd = new ByteSink(16);
            for (Entry e : sorted) {
                odd.clear();
                odd.zeros(3);
                odd.bytes(e.value);
                w.append(
                        e.key.hi(), e.key.mid(), e.key.lo(), e.lsn, odd.array(), 3, e.value.length);
            }
            assertEquals(sorted.size(), w.entries());
            assertEquals(w.finish(keys, lsns), out.size());
        }
        return name;
    }

    static LayerName writeImages(
            Disk disk, TreeMap<Key, byte[]> content, KeyRange keys, long lsn, Limits limits) {
        return writeImages(disk, content, keys, lsn, false, limits);
    }

    static LayerName writeImages(
            Disk disk,
            TreeMap<Key, byte[]> content,
            KeyRange keys,
            long lsn,
            boolean complete,
            Limits limits) {
        LayerName name = LayerName.image(keys, lsn, TENANT, GENERATION);
        try (Disk.Output out = disk.create(name.toString())) {
            ImageLayerWriter w = new ImageLayerWriter(out, TENANT, TIMELINE, lsn, complete, limits);
            content.forEach((k, v) -> w.append(k.hi(), k.mid(), k.lo(), v, 0, v.length));
            assertEquals(w.finish(keys), out.size());
        }
        return name;
    }

    /** What a search from {@code below} (exclusive) down to {@code floor} collects. */
    static List<Entry> newestFirst(Collection<Entry> all, Key key, long below, long floor) {
        List<Entry> mine = new ArrayList<>();
        for (Entry e : all) {
            if (e.key.equals(key)
                    && Long.compareUnsigned(e.lsn, below) < 0
                    && Long.compareUnsigned(e.lsn, floor) >= 0) {
                mine.add(e);
            }
        }
        Collections.reverse(mine);
        List<Entry> out = new ArrayList<>();
        for (Entry e : mine) {
            out.add(e);
            if (StoredValue.isInitial(e.value, 0)) {
                break;
            }
        }
        return out;
    }

    static boolean complete(List<Entry> found) {
        return !found.isEmpty() && StoredValue.isInitial(found.getLast().value, 0);
    }

    static void assertSame(List<Entry> expected, Reconstruction r) {
        assertEquals(expected.size(), r.count());
        for (int i = 0; i < r.count(); i++) {
            assertEquals(expected.get(i).lsn, r.lsn(i));
            assertArrayEquals(
                    expected.get(i).value,
                    Arrays.copyOfRange(r.bytes(), r.offset(i), r.offset(i) + r.length(i)));
        }
        assertEquals(complete(expected), r.complete());
    }

    static void assertSame(List<Entry> expected, LayerCursor c) {
        for (Entry e : expected) {
            assertEquals(true, c.next());
            assertEquals(e.key, new Key(c.hi(), c.mid(), c.lo()));
            assertEquals(e.lsn, c.lsn());
            assertArrayEquals(
                    e.value, Arrays.copyOfRange(c.bytes(), c.offset(), c.offset() + c.length()));
        }
        assertEquals(false, c.next());
        assertEquals(false, c.next());
    }

    /** Contents as of {@code lsn} of the keys in the range, which hold only images. */
    static TreeMap<Key, byte[]> contents(Collection<Entry> all, KeyRange range, long lsn) {
        TreeMap<Key, byte[]> out = new TreeMap<>();
        for (Entry e : all) {
            if (range.contains(e.key) && Long.compareUnsigned(e.lsn, lsn) <= 0) {
                out.put(e.key, Arrays.copyOfRange(e.value, 1, e.value.length));
            }
        }
        return out;
    }

    static void assertSame(TreeMap<Key, byte[]> contents, ImageScan scan) {
        TreeMap<Key, byte[]> expected = new TreeMap<>(contents);
        expected.values().removeIf(v -> v.length == 0);
        List<Key> found = new ArrayList<>();
        scan.forEach((k, v) -> {
            found.add(k);
            assertArrayEquals(expected.get(k), v);
        });
        assertEquals(new ArrayList<>(expected.keySet()), found);
    }

    /** A range of keys that hold only images. */
    static KeyRange randomDirectoryRange(Prng prng) {
        if (prng.nextBoolean()) {
            return Keys.ofKind(2 + prng.nextInt(7));
        }
        Key a = Key.of(2 + prng.nextInt(3), prng.nextInt(20), 0, 0, 0, 0);
        return new KeyRange(a, Key.of(a.kind() + prng.nextInt(4), -1, -1, -1, -1, -1));
    }
}
