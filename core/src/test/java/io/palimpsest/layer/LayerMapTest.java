package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.StoredValue;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class LayerMapTest {
    /** One history, cut at random into layers of every kind. */
    private static final class Store {
        final Prng prng;
        final History h;
        final MemoryDisk disk = new MemoryDisk();
        final Limits limits;
        final BlockCache cache;
        LayerMap map = LayerMap.EMPTY;

        /** What image layers hold; values at (key, LSN) like any other. */
        final List<History.Entry> images = new ArrayList<>();

        Store(long seed) {
            prng = new Prng(seed);
            h = History.random(prng, 1 + prng.nextInt(400));
            limits = History.limits(History.randomBlockBytes(prng), 100_000);
            cache = new BlockCache(limits);
            long start = h.startLsn;
            while (start != h.endLsn()) {
                long end =
                        prng.oneIn(3)
                                ? h.endLsn()
                                : h.entries.get(prng.nextInt(h.entries.size())).lsn() + 1;
                if (Long.compareUnsigned(start, end) < 0) {
                    addLayers(start, end, end == h.endLsn());
                    start = end;
                }
            }
            for (int i = prng.nextInt(6); i > 0; i--) {
                long lsn = h.entries.get(prng.nextInt(h.entries.size())).lsn();
                List<OpenLayer> memory = map.openLayers();
                // Images are made of what is in files already.
                if (memory.isEmpty()
                        || Long.compareUnsigned(lsn, memory.getLast().startLsn()) < 0) {
                    addImages(lsn);
                }
            }
        }

        private void addLayers(long start, long end, boolean newest) {
            List<History.Entry> part = new ArrayList<>();
            for (History.Entry e : h.entries) {
                if (Long.compareUnsigned(e.lsn(), start) >= 0
                        && Long.compareUnsigned(e.lsn(), end) < 0) {
                    part.add(e);
                }
            }
            // Once a layer is in memory, all newer ones are.
            if (!map.openLayers().isEmpty() || prng.oneIn(newest ? 2 : 6)) {
                OpenLayer open = new OpenLayer(start);
                int from = h.entries.indexOf(part.getFirst());
                open.append(h.modifications(from, from + part.size()), 0, part.size());
                map = map.with(open);
            } else if (map.l0Count() > 0 || prng.nextBoolean()) {
                map = map.with(write(part, KeyRange.ALL, start, end));
            } else {
                for (KeyRange range : cuts()) {
                    List<History.Entry> mine =
                            part.stream().filter(e -> range.contains(e.key())).toList();
                    if (!mine.isEmpty() || prng.oneIn(4)) {
                        map = map.with(write(mine, range, start, end));
                    }
                }
            }
        }

        private LayerFile write(List<History.Entry> part, KeyRange range, long start, long end) {
            LayerName name =
                    History.writeDelta(
                            disk, History.sorted(part), range, new LsnRange(start, end), limits);
            return LayerFile.open(disk, name.toString(), name, cache);
        }

        /** Ranges that do not overlap, none over all keys, together all keys. */
        private List<KeyRange> cuts() {
            TreeSet<Key> borders = new TreeSet<>();
            for (int i = 1 + prng.nextInt(5); i > 0; i--) {
                borders.add(h.keys.get(prng.nextInt(h.keys.size())));
            }
            borders.remove(Key.MIN);
            borders.add(new Key(1L << 30, 0, 0));
            borders.add(Key.MAX);
            List<KeyRange> out = new ArrayList<>();
            Key from = Key.MIN;
            for (Key to : borders) {
                out.add(new KeyRange(from, to));
                from = to;
            }
            return out;
        }

        /** An image layer of some keys in a range, of those whose content one image gives. */
        private void addImages(long lsn) {
            List<KeyRange> cuts = cuts();
            KeyRange range = cuts.get(prng.nextInt(cuts.size()));
            TreeMap<Key, byte[]> content = new TreeMap<>();
            for (Key key : h.keys) {
                List<History.Entry> found = History.newestFirst(h.entries, key, lsn + 1, 0);
                if (range.contains(key)
                        && found.size() == 1
                        && found.getFirst().value()[0] == StoredValue.IMAGE
                        && prng.oneIn(2)) {
                    byte[] v = found.getFirst().value();
                    content.put(key, Arrays.copyOfRange(v, 1, v.length));
                }
            }
            LayerName name = LayerName.image(range, lsn, History.TENANT, History.GENERATION);
            if (!disk.exists(name.toString())) {
                History.writeImages(disk, content, range, lsn, limits);
                map = map.with(LayerFile.open(disk, name.toString(), name, cache));
                content.forEach((k, v) -> {
                    byte[] value = new byte[v.length + 1];
                    System.arraycopy(v, 0, value, 1, v.length);
                    images.add(new History.Entry(k, lsn, value));
                });
            }
        }

        List<History.Entry> expected(Key key, long lsn) {
            List<History.Entry> all = new ArrayList<>(h.entries);
            all.addAll(images);
            return History.newestFirst(History.sorted(all), key, lsn + 1, 0);
        }

        void close() {
            map.files().forEach(LayerFile::close);
            assertEquals(0, disk.open);
        }
    }

    @Property(tries = 300)
    void readsAsOneHistory(@ForAll long seed) {
        Store s = new Store(seed);
        Reconstruction r = new Reconstruction();
        for (int i = 0; i < 100; i++) {
            Key key = s.h.randomKeyOf(s.prng);
            long lsn = s.h.randomLsn(s.prng);
            r.reset(key.hi(), key.mid(), key.lo(), lsn);
            Collected c;
            if (s.prng.nextBoolean()) {
                s.disk.refusals = s.prng.nextInt(4);
                c = s.map.tryCollect(r);
                if (c == Collected.NOT_READY) {
                    c = s.map.collect(r);
                }
                s.disk.refusals = 0;
            } else {
                c = s.map.collect(r);
            }
            List<History.Entry> expected = s.expected(key, lsn);
            History.assertSame(expected, r);
            assertEquals(History.complete(expected) ? Collected.COMPLETE : Collected.MORE, c);
            checkCandidates(s, key, lsn);
        }
        for (int i = 0; i < 10; i++) {
            KeyRange range = History.randomDirectoryRange(s.prng);
            long lsn = s.h.randomLsn(s.prng);
            ImageScan scan = new ImageScan();
            assertEquals(Collected.MORE, s.map.scan(range, lsn, scan));
            History.assertSame(History.contents(s.h.entries, range, lsn), scan);
        }
        s.close();
    }

    private static void checkCandidates(Store s, Key key, long lsn) {
        List<LayerFile> expected = new ArrayList<>();
        for (LayerFile f : s.map.files()) {
            if (f.keys().contains(key) && Long.compareUnsigned(f.name().startLsn(), lsn + 1) < 0) {
                expected.add(f);
            }
        }
        List<LayerFile> found = s.map.candidates(key.hi(), key.mid(), key.lo(), lsn + 1);
        assertEquals(new TreeSet<>(paths(expected)), new TreeSet<>(paths(found)));
        assertEquals(expected.size(), found.size());
        for (int i = 1; i < found.size(); i++) {
            LayerName a = found.get(i - 1).name();
            LayerName b = found.get(i).name();
            int c = Long.compareUnsigned(a.endLsn(), b.endLsn());
            assertTrue(c > 0 || c == 0 && (a.image() || !b.image()));
        }
    }

    private static List<String> paths(List<LayerFile> files) {
        return files.stream().map(LayerFile::path).toList();
    }

    @Property(tries = 50)
    void anyOrderOfAddingAndTakingAwayGivesTheSameMap(@ForAll long seed) {
        Store s = new Store(seed);
        List<LayerFile> files = new ArrayList<>(s.map.files());
        LayerMap map = LayerMap.EMPTY;
        while (!files.isEmpty()) {
            LayerFile f = files.remove(s.prng.nextInt(files.size()));
            map = map.with(f);
            if (s.prng.oneIn(3)) {
                map = map.without(f);
                files.add(f);
            }
        }
        assertEquals(paths(s.map.files()), paths(map.files()));
        assertEquals(paths(s.map.files()), paths(LayerMap.of(s.map.files()).files()));
        assertEquals(s.map.l0Count(), map.l0Count());
        s.close();
    }

    @Test
    void flushSwapsAFrozenLayerForItsFile() {
        MemoryDisk disk = new MemoryDisk();
        BlockCache cache = new BlockCache(Limits.DEFAULT);
        OpenLayer frozen = new OpenLayer(8);
        OpenLayer open = new OpenLayer(16);
        LayerMap before = LayerMap.EMPTY.with(frozen).with(open);
        assertEquals(List.of(open, frozen), before.openLayers());
        LayerName name =
                History.writeDelta(
                        disk, List.of(), KeyRange.ALL, new LsnRange(8, 16), Limits.DEFAULT);
        LayerFile file = LayerFile.open(disk, name.toString(), name, cache);
        LayerMap after = before.flushed(frozen, List.of(file));
        assertEquals(List.of(open), after.openLayers());
        assertSame(file, after.l0Files().getFirst());
        assertEquals(1, after.l0Count());
        assertEquals(0, before.l0Count());
        file.close();
        Reconstruction r = new Reconstruction();
        r.reset(1, 1, 1, 20);
        assertEquals(Collected.STALE, after.collect(r));
        assertEquals(Collected.STALE, after.scan(Keys.ofKind(2), 20, new ImageScan()));
        r.reset(1, 1, 1, 20);
        assertEquals(Collected.MORE, before.collect(r));
    }

    /** Something large, written in parts at LSN 16, flushed as images, oldest first. */
    @Test
    void partsOfOneLsnAreAllFound() {
        MemoryDisk disk = new MemoryDisk();
        LayerMap map = LayerMap.EMPTY;
        for (int i = 1; i <= 4; i++) {
            Modifications m = new Modifications();
            m.image(new Key(0, 0, i), 16, new byte[] {(byte) i});
            OpenLayer part = new OpenLayer(i == 1 ? 9 : 16);
            part.append(m, 0, 1);
            map = map.with(part);
        }
        checkParts(map);
        for (int i = 1; i <= 3; i++) {
            TreeMap<Key, byte[]> content = new TreeMap<>();
            content.put(new Key(0, 0, i), new byte[] {(byte) i});
            KeyRange keys = new KeyRange(new Key(0, 0, i), new Key(0, 0, i + 1));
            LayerName name = History.writeImages(disk, content, keys, 16, Limits.DEFAULT);
            LayerFile file =
                    LayerFile.open(disk, name.toString(), name, new BlockCache(Limits.DEFAULT));
            map = map.flushed(map.openLayers().getLast(), List.of(file));
            checkParts(map);
        }
    }

    private static void checkParts(LayerMap map) {
        Reconstruction r = new Reconstruction();
        for (int i = 1; i <= 4; i++) {
            r.reset(0, 0, i, 20);
            assertEquals(Collected.COMPLETE, map.collect(r), "part " + i);
            assertEquals(i, r.bytes()[r.offset(0) + 1]);
        }
    }

    @Test
    void deltasThatShareKeysAndLsnsAreRefused() {
        MemoryDisk disk = new MemoryDisk();
        BlockCache cache = new BlockCache(Limits.DEFAULT);
        KeyRange low = new KeyRange(Key.MIN, new Key(5, 0, 0));
        KeyRange mid = new KeyRange(new Key(4, 0, 0), new Key(6, 0, 0));
        KeyRange high = new KeyRange(new Key(6, 0, 0), Key.MAX);
        List<LayerFile> files = new ArrayList<>();
        for (KeyRange keys : List.of(low, mid, high, KeyRange.ALL)) {
            for (LsnRange lsns : List.of(new LsnRange(8, 24), new LsnRange(16, 32))) {
                LayerName name = History.writeDelta(disk, List.of(), keys, lsns, Limits.DEFAULT);
                files.add(LayerFile.open(disk, name.toString(), name, cache));
            }
        }
        for (LayerFile a : files) {
            for (LayerFile b : files) {
                LayerMap map = LayerMap.of(List.of(a));
                if (a == b) {
                    continue;
                }
                if (a.keys().overlaps(b.keys())) {
                    PageserverException e =
                            assertThrows(PageserverException.class, () -> map.with(b));
                    assertEquals(ErrorCode.CORRUPTION, e.code());
                } else {
                    assertEquals(2, map.with(b).files().size());
                }
            }
        }
    }
}
