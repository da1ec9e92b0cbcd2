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
import io.palimpsest.base.TimelineId;
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
        final Order check = new Order();
        LayerMap map = LayerMap.EMPTY;

        /**
         * What image layers hold, values at (key, LSN) like any other; without bytes where a
         * complete one left out a key that has values.
         */
        final List<History.Entry> images = new ArrayList<>();

        final long[] adopted;

        Store(long seed) {
            prng = new Prng(seed);
            h = History.random(prng, 1 + prng.nextInt(400));
            limits = History.limits(History.randomBlockBytes(prng), prng.oneIn(3) ? 0 : 100_000);
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
            adopted = randomAdopted();
            map = map.adopt(adopted);
            for (int i = prng.nextInt(8); i > 0; i--) {
                long lsn = h.entries.get(prng.nextInt(h.entries.size())).lsn();
                List<OpenLayer> memory = map.openLayers();
                // Images are made of what is in files already.
                if (memory.isEmpty()
                        || Long.compareUnsigned(lsn, memory.getLast().startLsn()) < 0) {
                    addImages(lsn);
                }
            }
        }

        private long[] randomAdopted() {
            TreeSet<Long> lsns = new TreeSet<>(Long::compareUnsigned);
            for (int i = prng.nextInt(3); i > 0; i--) {
                lsns.add(h.entries.get(prng.nextInt(h.entries.size())).lsn());
            }
            return lsns.stream().mapToLong(Long::longValue).toArray();
        }

        /** The highest adopted LSN below this one, or 0. */
        private long adoptedBelow(long lsn) {
            long found = 0;
            for (long a : adopted) {
                found = Long.compareUnsigned(a, lsn) < 0 ? a : found;
            }
            return found;
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

        /**
         * An image layer of a range: a partial one of some keys whose content one image gives, or a
         * complete one. From that may be missing what is gone, and what the adopted layers have.
         */
        private void addImages(long lsn) {
            List<KeyRange> cuts = cuts();
            KeyRange range = prng.oneIn(5) ? KeyRange.ALL : cuts.get(prng.nextInt(cuts.size()));
            for (LayerFile f : map.files()) {
                if (f.image() && f.startLsn() == lsn && f.keys().overlaps(range)) {
                    return;
                }
            }
            boolean complete = prng.nextBoolean();
            long others = adoptedBelow(lsn);
            TreeMap<Key, byte[]> content = new TreeMap<>();
            List<History.Entry> made = new ArrayList<>();
            for (Key key : h.keys) {
                List<History.Entry> found = expected(key, lsn);
                if (!range.contains(key) || found.isEmpty()) {
                    continue;
                }
                byte[] newest = found.getFirst().value();
                boolean image = newest[0] == StoredValue.IMAGE;
                boolean page = Keys.isPage(key.hi());
                boolean gone = page || newest.length == 1 && adopted.length == 0;
                boolean elsewhere =
                        Long.compareUnsigned(found.getFirst().lsn(), others) <= 0 && others != 0;
                if (complete ? (gone || elsewhere) && prng.oneIn(3) : !image || prng.oneIn(2)) {
                    if (complete) {
                        made.add(new History.Entry(key, lsn, new byte[0]));
                    }
                    continue;
                }
                byte[] value = image ? newest : new byte[] {StoredValue.IMAGE, (byte) lsn};
                content.put(key, Arrays.copyOfRange(value, 1, value.length));
                made.add(new History.Entry(key, lsn, value));
            }
            LayerName name = History.writeImages(disk, content, range, lsn, complete, limits);
            long size = disk.files.get(name.toString()).length;
            map =
                    map.with(
                            LayerFile.lazy(
                                    disk, "", new LayerDescriptor(name, size, complete), cache));
            images.addAll(made);
        }

        /** Newest first, down to an initial one or to where nothing is known of any below. */
        List<History.Entry> expected(Key key, long lsn) {
            List<History.Entry> all = new ArrayList<>(h.entries);
            all.addAll(images);
            all = History.sorted(all);
            List<History.Entry> out = new ArrayList<>();
            long at = lsn;
            for (int i = all.size() - 1; i >= 0; i--) {
                History.Entry e = all.get(i);
                if (!e.key().equals(key) || Long.compareUnsigned(e.lsn(), at) > 0) {
                    continue;
                }
                if (e.value().length == 0) {
                    at = adoptedBelow(e.lsn());
                    if (at == 0) {
                        return out;
                    }
                    continue;
                }
                out.add(e);
                if (StoredValue.isInitial(e.value(), 0)) {
                    return out;
                }
            }
            return out;
        }

        /** Holds that a search looks at nothing that a complete image makes needless. */
        private final class Order implements ReadTrace {
            private long needless;
            private Key key = Key.MIN;

            void reset(Key next) {
                key = next;
                needless = -1L;
            }

            @Override
            public void timeline(TimelineId id, long belowLsn) {
                throw new AssertionError("a map knows of no other timeline");
            }

            @Override
            public void memory(long startLsn, int values) {
                assertTrue(needless == -1L || values == 0);
            }

            @Override
            public void file(LayerDescriptor layer, boolean searched, int values) {
                assertTrue(layer.name().keys().contains(key));
                if (needless != -1L) {
                    assertTrue(
                            Long.compareUnsigned(layer.name().startLsn(), needless) <= 0,
                            "searched for nothing: " + layer);
                }
                if (layer.complete() && values == 0) {
                    needless = adoptedBelow(layer.name().startLsn());
                }
            }
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
        r.trace(s.check);
        for (int i = 0; i < 100; i++) {
            Key key = s.h.randomKeyOf(s.prng);
            long lsn = s.h.randomLsn(s.prng);
            r.reset(key.hi(), key.mid(), key.lo(), lsn);
            s.check.reset(key);
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

    /** Without a cache no byte of a block is read twice in a batch, and all reads find the same. */
    @Property(tries = 150)
    void readsTogetherFindTheSame(@ForAll long seed) {
        Store s = new Store(seed);
        Prng prng = s.prng;
        Reconstruction r = new Reconstruction();
        SharedBlocks shared = new SharedBlocks();
        TreeMap<String, TreeSet<Long>> seen = new TreeMap<>();
        r.share(shared);
        for (int round = 0; round < 6; round++) {
            TreeMap<Key, Long> wanted = new TreeMap<>();
            long same = s.h.randomLsn(prng);
            for (int i = prng.nextInt(60); i >= 0; i--) {
                wanted.put(s.h.randomKeyOf(prng), prng.oneIn(3) ? s.h.randomLsn(prng) : same);
            }
            long[] keys = new long[4 * wanted.size()];
            int n = 0;
            for (Key key : wanted.keySet()) {
                keys[n++] = key.hi();
                keys[n++] = key.mid();
                keys[n++] = key.lo();
                keys[n++] = wanted.get(key);
            }
            shared.begin(keys, wanted.size());
            seen.clear();
            if (s.limits.blockCacheBytes() == 0) {
                s.disk.onRead =
                        (path, position, length) -> {
                            boolean opening =
                                    position == 0
                                            || position + length + LayerFooter.BYTES
                                                    >= s.disk.files.get(path).length;
                            for (long p = position; p < position + length && !opening; p++) {
                                assertTrue(
                                        seen.computeIfAbsent(path, x -> new TreeSet<>()).add(p),
                                        "read twice: " + path + " at " + p);
                            }
                        };
            }
            int i = 0;
            for (Key key : wanted.keySet()) {
                shared.current(i++);
                r.reset(key.hi(), key.mid(), key.lo(), wanted.get(key));
                Collected c = s.map.collect(r);
                List<History.Entry> expected = s.expected(key, wanted.get(key));
                History.assertSame(expected, r);
                assertEquals(History.complete(expected) ? Collected.COMPLETE : Collected.MORE, c);
            }
            s.disk.onRead = (path, position, length) -> {};
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
    void aLayerOverManyOthersGivesWayToPiecesOfItself() {
        BlockCache cache = new BlockCache(Limits.DEFAULT);
        MemoryDisk disk = new MemoryDisk();
        List<LayerFile> files = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            KeyRange keys = new KeyRange(new Key(0, 0, i), new Key(0, 0, i + 1));
            files.add(handle(disk, keys, new LsnRange(8, 16), cache));
        }
        LsnRange lsns = new LsnRange(16, 24);
        LayerFile wide =
                handle(disk, new KeyRange(new Key(0, 0, 3), new Key(0, 0, 497)), lsns, cache);
        files.add(wide);
        LayerFile left =
                handle(disk, new KeyRange(new Key(0, 0, 3), new Key(0, 0, 240)), lsns, cache);
        LayerFile right =
                handle(disk, new KeyRange(new Key(0, 0, 240), new Key(0, 0, 497)), lsns, cache);
        LayerMap map = LayerMap.of(files).replace(List.of(), List.of(wide), List.of(left, right));
        assertSame(left, map.newest(0, 0, 239, 24));
        assertSame(right, map.newest(0, 0, 240, 24));
        assertEquals(502, map.count());
        assertThrows(
                PageserverException.class,
                () -> map.replace(List.of(), List.of(left), List.of(wide)));
    }

    private static LayerFile handle(
            MemoryDisk disk, KeyRange keys, LsnRange lsns, BlockCache cache) {
        LayerName name = LayerName.delta(keys, lsns, History.TENANT, History.GENERATION);
        return LayerFile.lazy(disk, "", new LayerDescriptor(name, 1000, false), cache);
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
