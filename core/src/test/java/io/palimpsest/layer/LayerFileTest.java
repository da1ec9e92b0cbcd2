package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Check;
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
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class LayerFileTest {
    private static int size(Prng prng) {
        return switch (prng.nextInt(8)) {
            case 0 -> prng.nextInt(3);
            case 1 -> prng.nextInt(6000);
            default -> prng.nextInt(300);
        };
    }

    @Property(tries = 200)
    void aDeltaLayerGivesBackWhatWasWritten(@ForAll long seed) {
        Prng prng = new Prng(seed);
        History h = History.random(prng, size(prng));
        List<History.Entry> sorted = History.sorted(h.entries);
        MemoryDisk disk = new MemoryDisk();
        long[] caches = {0, 5000, 1 << 20};
        Limits limits = History.limits(History.randomBlockBytes(prng), caches[prng.nextInt(3)]);
        LayerName name = History.writeDelta(disk, sorted, KeyRange.ALL, h.lsns(), limits);
        BlockCache cache = new BlockCache(limits);
        try (LayerFile file = LayerFile.open(disk, name.toString(), name, cache)) {
            file.verify();
            assertEquals(History.TENANT, file.tenant());
            assertEquals(History.TIMELINE, file.timeline());
            checkStatistics(h, file.statistics());
            History.assertSame(sorted, file.entries());
            Reconstruction r = new Reconstruction();
            for (int i = 0; i < 60; i++) {
                Key key = h.randomKeyOf(prng);
                long lsn = h.randomLsn(prng);
                long floor = prng.nextBoolean() ? 0 : h.randomLsn(prng);
                List<History.Entry> expected = History.newestFirst(h.entries, key, lsn + 1, floor);
                r.reset(key.hi(), key.mid(), key.lo(), lsn);
                if (prng.nextBoolean()) {
                    disk.refusals = prng.nextInt(3);
                    Collected c = file.tryCollect(r, floor);
                    if (c == Collected.NOT_READY) {
                        assertEquals(0, r.count());
                        assertEquals(lsn + 1, r.below());
                        file.collect(r, floor);
                    }
                    disk.refusals = 0;
                } else {
                    file.collect(r, floor);
                }
                History.assertSame(expected, r);
                assertTrue(cache.region(LayerFormat.TYPE_DATA).bytes() <= limits.blockCacheBytes());
            }
            checkScans(h, file, prng);
        }
        assertEquals(0, disk.open);
    }

    private static void checkScans(History h, LayerFile file, Prng prng) {
        for (int i = 0; i < 10; i++) {
            KeyRange range = History.randomDirectoryRange(prng);
            long lsn = h.randomLsn(prng);
            ImageScan scan = new ImageScan();
            file.scan(range, 0, lsn, scan);
            History.assertSame(History.contents(h.entries, range, lsn), scan);
            List<History.Entry> expected =
                    History.sorted(h.entries).stream()
                            .filter(e -> range.contains(e.key()))
                            .toList();
            History.assertSame(expected, file.entries(range));
        }
    }

    private static void checkStatistics(History h, LayerStatistics s) {
        List<History.Entry> all = h.entries;
        long images = all.stream().filter(e -> e.value()[0] == StoredValue.IMAGE).count();
        assertEquals(all.size(), s.entries());
        assertEquals(all.stream().map(History.Entry::key).distinct().count(), s.keys());
        assertEquals(images, s.images());
        assertEquals(all.size() - images, s.deltas());
        assertEquals(
                all.stream().filter(e -> StoredValue.isInitial(e.value(), 0)).count(),
                s.initials());
        assertEquals(all.stream().mapToLong(e -> e.value().length).sum(), s.valueBytes());
        assertEquals(all.isEmpty() ? 0 : all.getFirst().lsn(), s.minLsn());
        assertEquals(all.isEmpty() ? 0 : all.getLast().lsn(), s.maxLsn());
    }

    @Property(tries = 60)
    void anImageLayerGivesBackWhatWasWritten(@ForAll long seed) {
        Prng prng = new Prng(seed);
        History h = History.random(prng, size(prng));
        long lsn = h.endLsn() + 8;
        TreeMap<Key, byte[]> content = History.contents(h.entries, KeyRange.ALL, lsn);
        MemoryDisk disk = new MemoryDisk();
        Limits limits = History.limits(History.randomBlockBytes(prng), 1 << 20);
        LayerName name = History.writeImages(disk, content, KeyRange.ALL, lsn, limits);
        try (LayerFile file = LayerFile.open(disk, name.toString(), name, new BlockCache(limits))) {
            file.verify();
            assertEquals(content.size(), file.statistics().keys());
            Reconstruction r = new Reconstruction();
            for (int i = 0; i < 50; i++) {
                Key key = h.randomKeyOf(prng);
                r.reset(key.hi(), key.mid(), key.lo(), lsn + prng.nextInt(2));
                assertEquals(content.containsKey(key), file.collect(r));
                if (r.complete()) {
                    assertEquals(lsn, r.lsn(0));
                    byte[] v = content.get(key);
                    assertEquals(v.length + 1, r.length(0));
                    assertEquals(StoredValue.IMAGE, r.bytes()[r.offset(0)]);
                    assertTrue(
                            Arrays.equals(
                                    v,
                                    0,
                                    v.length,
                                    r.bytes(),
                                    r.offset(0) + 1,
                                    r.offset(0) + r.length(0)));
                }
                r.reset(key.hi(), key.mid(), key.lo(), lsn - 1);
                assertFalse(file.collect(r));
                assertEquals(0, r.count());
                assertEquals(lsn, r.below());
            }
            ImageScan scan = new ImageScan();
            file.scan(Keys.ofKind(Keys.REL_SIZE), 0, lsn, scan);
            TreeMap<Key, byte[]> sizes =
                    new TreeMap<>(
                            content.subMap(
                                    Keys.ofKind(Keys.REL_SIZE).start(),
                                    Keys.ofKind(Keys.REL_SIZE).end()));
            History.assertSame(sizes, scan);
            ImageScan none = new ImageScan();
            file.scan(Keys.ofKind(Keys.REL_SIZE), 0, lsn - 1, none);
            History.assertSame(new TreeMap<>(), none);
        }
    }

    /** Damage anywhere: verify sees it, and a read gives the right answer or none. */
    @Property(tries = 12)
    void noDamagePasses(@ForAll long seed) {
        Prng prng = new Prng(seed);
        History h = History.random(prng, 1 + prng.nextInt(60));
        MemoryDisk disk = new MemoryDisk();
        Limits limits = History.limits(1 + prng.nextInt(700), prng.nextBoolean() ? 0 : 1 << 20);
        LayerName name =
                History.writeDelta(disk, History.sorted(h.entries), KeyRange.ALL, h.lsns(), limits);
        byte[] good = disk.files.get(name.toString());
        int step = 1 + good.length / 800;
        for (int i = prng.nextInt(step); i < good.length; i += step) {
            byte[] bad = good.clone();
            bad[i] ^= (byte) (1 + prng.nextInt(255));
            disk.files.put(name.toString(), bad);
            checkDamaged(h, disk, name, limits, prng, "byte " + i + " of " + good.length);
        }
        // Torn: cut short anywhere, or cut and filled up with zeros as a file system may do.
        for (int i = 0; i < 100; i++) {
            int cut = prng.nextInt(good.length);
            disk.files.put(name.toString(), Arrays.copyOf(good, cut));
            checkDamaged(h, disk, name, limits, prng, "cut to " + cut + " of " + good.length);
            byte[] zeros = Arrays.copyOf(Arrays.copyOf(good, cut), good.length);
            if (!Arrays.equals(zeros, good)) {
                disk.files.put(name.toString(), zeros);
                checkDamaged(h, disk, name, limits, prng, "zeros from " + cut);
            }
        }
        assertEquals(0, disk.open);
    }

    private static void checkDamaged(
            History h, MemoryDisk disk, LayerName name, Limits limits, Prng prng, String what) {
        LayerFile file;
        try {
            file = LayerFile.open(disk, name.toString(), name, new BlockCache(limits));
        } catch (PageserverException e) {
            assertDescribed(e, name);
            return;
        }
        try (file) {
            assertDescribed(assertThrows(PageserverException.class, file::verify, what), name);
            Reconstruction r = new Reconstruction();
            for (int i = 0; i < 5; i++) {
                Key key = h.randomKeyOf(prng);
                long lsn = h.randomLsn(prng);
                r.reset(key.hi(), key.mid(), key.lo(), lsn);
                try {
                    file.collect(r);
                } catch (PageserverException e) {
                    assertDescribed(e, name);
                    continue;
                }
                History.assertSame(History.newestFirst(h.entries, key, lsn + 1, 0), r);
            }
        }
    }

    private static void assertDescribed(PageserverException e, LayerName name) {
        assertEquals(ErrorCode.CORRUPTION, e.code(), e.getMessage());
        assertTrue(
                e.getMessage().startsWith(name + " at offset ")
                        && e.getMessage().contains("expected ")
                        && e.getMessage().contains("found "),
                e.getMessage());
    }

    /** A block in another's place has a good checksum of its own, and is still refused. */
    @Test
    void blocksThatChangedPlacesAreRefused() {
        History h = History.random(new Prng(5), 0);
        Key[] keys = {new Key(1, 1, 1), new Key(1, 1, 2)};
        MemoryDisk disk = new MemoryDisk();
        for (Key k : keys) {
            h.entries.add(new History.Entry(k, h.startLsn, new byte[] {0, (byte) k.lo()}));
        }
        Limits limits = History.limits(1, 0);
        LayerName name = History.writeDelta(disk, h.entries, KeyRange.ALL, h.lsns(), limits);
        byte[] b = disk.files.get(name.toString());
        int length = 16 + (1 + 18 + 1 + 1 + 2) + 8;
        byte[] first = Arrays.copyOfRange(b, 80, 80 + length);
        System.arraycopy(b, 80 + length, b, 80, length);
        System.arraycopy(first, 0, b, 80 + length, length);
        try (LayerFile file = LayerFile.open(disk, name.toString(), name, new BlockCache(limits))) {
            Reconstruction r = new Reconstruction();
            r.reset(1, 1, 1, h.startLsn);
            assertThrows(PageserverException.class, () -> file.collect(r));
        }
    }

    @Test
    void aFileUnderAnotherNameIsRefused() {
        Prng prng = new Prng(1);
        History h = History.random(prng, 20);
        MemoryDisk disk = new MemoryDisk();
        Limits limits = Limits.DEFAULT;
        LayerName name =
                History.writeDelta(disk, History.sorted(h.entries), KeyRange.ALL, h.lsns(), limits);
        LayerName[] others = {
            new LayerName(
                    name.keys(), name.startLsn(), name.endLsn(), false, 0, 4, name.generation()),
            new LayerName(
                    name.keys(),
                    name.startLsn(),
                    name.endLsn() + 1,
                    false,
                    1,
                    4,
                    name.generation()),
            new LayerName(
                    new KeyRange(Key.MIN, new Key(9, 9, 9)),
                    name.startLsn(),
                    name.endLsn(),
                    false,
                    1,
                    4,
                    name.generation()),
            LayerName.image(KeyRange.ALL, name.startLsn(), History.TENANT, name.generation())
        };
        for (LayerName other : others) {
            PageserverException e =
                    assertThrows(
                            PageserverException.class,
                            () ->
                                    LayerFile.open(
                                            disk, name.toString(), other, new BlockCache(limits)));
            assertDescribed(e, name);
        }
        assertEquals(0, disk.open);
    }

    @Test
    void theWriterRefusesDisorder() {
        MemoryDisk disk = new MemoryDisk();
        byte[] v = {2, 0};
        DeltaLayerWriter w =
                new DeltaLayerWriter(
                        disk.create("a"),
                        History.TENANT,
                        History.TIMELINE,
                        new LsnRange(8, 80),
                        Limits.DEFAULT);
        w.append(1, 1, 1, 16, v, 0, 2);
        w.append(1, 1, 1, 16, v, 0, 2);
        assertThrows(Check.Failed.class, () -> w.append(1, 1, 1, 15, v, 0, 2));
        assertThrows(Check.Failed.class, () -> w.append(1, 1, 0, 16, v, 0, 2));
        assertThrows(Check.Failed.class, () -> w.append(1, 1, 2, 80, v, 0, 2));
        assertThrows(Check.Failed.class, () -> w.append(1, 1, 2, 7, v, 0, 2));
        assertThrows(Check.Failed.class, () -> w.append(1, 1, 2, 8, v, 0, 0));
        assertThrows(
                Check.Failed.class,
                () -> w.finish(new KeyRange(Key.MIN, new Key(1, 1, 1)), new LsnRange(8, 80)));
        assertThrows(Check.Failed.class, () -> w.finish(KeyRange.ALL, new LsnRange(17, 80)));
        ImageLayerWriter images =
                new ImageLayerWriter(
                        disk.create("b"),
                        History.TENANT,
                        History.TIMELINE,
                        8,
                        false,
                        Limits.DEFAULT);
        images.append(1, 1, 1, v, 0, 2);
        assertThrows(Check.Failed.class, () -> images.append(1, 1, 1, v, 0, 2));
    }

    @Test
    void theLastReaderClosesTheFile() {
        MemoryDisk disk = new MemoryDisk();
        History h = History.random(new Prng(2), 10);
        LayerName name =
                History.writeDelta(
                        disk, History.sorted(h.entries), KeyRange.ALL, h.lsns(), Limits.DEFAULT);
        LayerFile file =
                LayerFile.open(disk, name.toString(), name, new BlockCache(Limits.DEFAULT));
        assertTrue(file.acquire());
        file.close();
        assertEquals(1, disk.open);
        file.verify();
        assertTrue(file.acquire());
        file.release();
        file.release();
        assertEquals(0, disk.open);
        assertFalse(file.acquire());
        assertThrows(Check.Failed.class, file::release);
    }

    /** A value far larger than a block, and one that does not compress. */
    @Test
    void largeValues() {
        MemoryDisk disk = new MemoryDisk();
        byte[] noise = new byte[5 << 20];
        new Prng(9).nextBytes(noise, 2, noise.length - 2);
        noise[0] = StoredValue.RECORD;
        byte[] zeros = new byte[9 << 20];
        LsnRange lsns = new LsnRange(8, 80);
        List<History.Entry> all =
                List.of(
                        new History.Entry(new Key(0, 0, 1), 8, new byte[] {0, 1}),
                        new History.Entry(new Key(0, 0, 1), 16, noise),
                        new History.Entry(new Key(0, 0, 1), 24, noise),
                        new History.Entry(new Key(0, 0, 1), 32, new byte[] {2, 2}),
                        new History.Entry(new Key(0, 0, 2), 8, zeros));
        LayerName name = History.writeDelta(disk, all, KeyRange.ALL, lsns, Limits.DEFAULT);
        assertTrue(disk.files.get(name.toString()).length < 2 * noise.length + (100 << 10));
        try (Disk.Input in = disk.open(name.toString());
                LayerFile file =
                        LayerFile.open(
                                disk, name.toString(), name, new BlockCache(Limits.DEFAULT))) {
            assertEquals(in.size(), file.size());
            file.verify();
            Reconstruction r = new Reconstruction();
            for (Key key : List.of(new Key(0, 0, 1), new Key(0, 0, 2))) {
                r.reset(key.hi(), key.mid(), key.lo(), 79);
                assertTrue(file.collect(r));
                History.assertSame(History.newestFirst(all, key, 80, 0), r);
            }
        }
    }

    /** However many pages pass by: index and filter are read once, also where no page is kept. */
    @Test
    void whatFindsAValueStaysInMemory() {
        MemoryDisk disk = new MemoryDisk();
        Limits limits = History.limits(300, 0);
        History h = History.random(new Prng(11), 400);
        LayerName name =
                History.writeDelta(disk, History.sorted(h.entries), KeyRange.ALL, h.lsns(), limits);
        byte[] bytes = disk.files.get(name.toString());
        long footerPosition = bytes.length - LayerFooter.BYTES;
        byte[] end = Arrays.copyOfRange(bytes, (int) footerPosition, bytes.length);
        LayerFooter footer = LayerFooter.read(name.toString(), footerPosition, end);
        assertTrue(footer.indexBlocks() > 1 && footer.filterLines() > 0);
        List<Long> reads = new ArrayList<>();
        try (LayerFile file = LayerFile.open(disk, name.toString(), name, new BlockCache(limits))) {
            Reconstruction r = new Reconstruction();
            for (int round = 0; round < 2; round++) {
                reads.clear();
                disk.onRead = (path, position, length) -> reads.add(position);
                for (History.Entry e : h.entries) {
                    r.reset(e.key().hi(), e.key().mid(), e.key().lo(), e.lsn());
                    assertTrue(file.collect(r) || r.count() > 0);
                }
                assertTrue(reads.size() >= h.entries.size());
            }
        }
        assertTrue(reads.stream().allMatch(at -> at < footer.indexPosition()), reads.toString());
    }
}
