package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
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
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/**
 * The layer map as a set of layers: against a plain list, and with very many. No file is opened.
 */
class LayerMapModelTest {
    private static final MemoryDisk NO_DISK = new MemoryDisk();
    private static final int KEYS = 2000;
    private static final int LAYERS = 1_000_000;

    private static LayerFile delta(KeyRange keys, long start, long end, BlockCache cache) {
        return lazy(
                LayerName.delta(keys, new LsnRange(start, end), History.TENANT, History.GENERATION),
                false,
                cache);
    }

    private static LayerFile image(KeyRange keys, long lsn, boolean complete, BlockCache cache) {
        return lazy(
                LayerName.image(keys, lsn, History.TENANT, History.GENERATION), complete, cache);
    }

    private static LayerFile lazy(LayerName name, boolean complete, BlockCache cache) {
        return LayerFile.lazy(NO_DISK, "", new LayerDescriptor(name, 1000, complete), cache);
    }

    private static Key key(long i) {
        return new Key(i >>> 20, i >>> 10 & 0x3FF, i & 0x3FF);
    }

    private static KeyRange range(long from, long to) {
        return new KeyRange(key(from), key(to));
    }

    /** A map and the list of what is in it. */
    private static final class Pair {
        final BlockCache cache = new BlockCache(History.limits(8192, 0));
        LayerMap map = LayerMap.EMPTY;
        List<LayerFile> model = new ArrayList<>();
        long lsn = 0x1000;

        /** New layers of one kind: what a flush, a compaction or image creation would make. */
        List<LayerFile> fresh(Prng prng) {
            long start = lsn;
            lsn += 8 + 8L * prng.nextInt(20);
            List<LayerFile> out = new ArrayList<>();
            switch (prng.nextInt(4)) {
                case 0 -> out.add(delta(KeyRange.ALL, start, lsn, cache));
                case 1 -> {
                    int from = 0;
                    while (from < KEYS) {
                        int to = from + 1 + prng.nextInt(prng.oneIn(3) ? KEYS : 40);
                        if (prng.oneIn(4)) {
                            out.add(delta(range(from, to), start, lsn, cache));
                        }
                        from = to;
                    }
                }
                default -> {
                    int from = prng.nextInt(KEYS);
                    int count = prng.nextInt(60);
                    for (int i = 0; i < count && from < KEYS; i++) {
                        int to = from + 1 + prng.nextInt(prng.oneIn(3) ? 300 : 5);
                        out.add(image(range(from, to), start, prng.nextBoolean(), cache));
                        from = prng.oneIn(10) ? to + prng.nextInt(100) : to;
                    }
                }
            }
            return out;
        }

        void step(Prng prng) {
            List<LayerFile> old = new ArrayList<>();
            List<LayerFile> fresh = prng.oneIn(3) ? List.of() : fresh(prng);
            int going = prng.oneIn(3) ? prng.nextInt(80) : prng.nextInt(3);
            List<LayerFile> left = new ArrayList<>(model);
            int near = left.isEmpty() ? 0 : prng.nextInt(left.size());
            for (int i = 0; i < going && !left.isEmpty(); i++) {
                old.add(left.remove(Math.floorMod(near - i, left.size())));
            }
            map = map.replace(List.of(), old, fresh);
            left.addAll(fresh);
            model = left;
        }

        void check(Prng prng) {
            List<LayerFile> expected = new ArrayList<>(model);
            expected.sort(
                    Comparator.comparing((LayerFile f) -> !f.name().isL0())
                            .thenComparing(f -> f.keys().start())
                            .thenComparing(Coverage.NEWEST_FIRST));
            assertEquals(expected, map.files());
            assertEquals(expected.stream().map(LayerFile::descriptor).toList(), map.layers());
            assertEquals(model.size(), map.count());
            assertEquals(model.stream().filter(f -> f.name().isL0()).count(), map.l0Count());
            for (int i = 0; i < 20; i++) {
                checkKey(
                        key(prng.nextInt(KEYS + 100)),
                        0x1000 + prng.nextLong(lsn - 0x1000 + 50) - 8);
            }
            for (int i = 0; i < 3 && !model.isEmpty(); i++) {
                LayerFile f = model.get(prng.nextInt(model.size()));
                assertSame(f, map.file(f.name()));
            }
            assertNull(map.file(image(range(1, 2), 8, true, cache).name()));
        }

        private void checkKey(Key k, long below) {
            List<LayerFile> over = new ArrayList<>();
            for (LayerFile f : model) {
                if (f.keys().contains(k) && Long.compareUnsigned(f.startLsn(), below) < 0) {
                    over.add(f);
                }
            }
            List<LayerFile> found = map.candidates(k.hi(), k.mid(), k.lo(), below);
            assertEquals(over.size(), found.size());
            assertTrue(found.containsAll(over));
            long end = over.stream().mapToLong(LayerFile::endLsn).max().orElse(0);
            LayerFile newest = map.newest(k.hi(), k.mid(), k.lo(), below);
            assertEquals(end, newest == null ? 0 : newest.endLsn());
        }

        boolean refused(LayerFile f) {
            return !f.image()
                    && model.stream()
                            .anyMatch(m ->
                                    !m.image()
                                            && m.keys().overlaps(f.keys())
                                            && m.startLsn() < f.endLsn()
                                            && f.startLsn() < m.endLsn());
        }
    }

    @Property(tries = 60)
    void isTheSameAsAListOfLayers(@ForAll long seed) {
        Prng prng = new Prng(seed);
        Pair p = new Pair();
        if (prng.nextBoolean()) {
            for (int i = 0; i < 10; i++) {
                p.model.addAll(p.fresh(prng));
            }
            p.map = LayerMap.of(p.model);
            p.check(prng);
        }
        LayerMap before = p.map;
        List<LayerFile> were = p.model;
        for (int i = 0; i < 40; i++) {
            p.step(prng);
            p.check(prng);
            int from = prng.nextInt(KEYS);
            KeyRange keys =
                    prng.oneIn(4) ? KeyRange.ALL : range(from, from + 1 + prng.nextInt(KEYS));
            long start = 0x1000 + prng.nextLong(p.lsn - 0x1000 + 8);
            LayerFile wrong = delta(keys, start, start + 1 + prng.nextInt(100), p.cache);
            if (p.refused(wrong)) {
                PageserverException e =
                        assertThrows(PageserverException.class, () -> p.map.with(wrong));
                assertEquals(ErrorCode.CORRUPTION, e.code());
            } else {
                assertEquals(p.model.size() + 1, p.map.with(wrong).count());
            }
        }
        // Who holds an older map sees what was there then.
        p.map = before;
        p.model = were;
        p.check(prng);
        // And nothing is left when all are gone.
        LayerMap empty = before.replace(List.of(), were, List.of());
        assertEquals(List.of(), empty.files());
        assertEquals(List.of(), empty.candidates(0, 0, 0, -1L));
    }

    /**
     * Very many layers: a stack of generations, each cut at keys of its own into layers, with a row
     * of narrow images now and then.
     */
    static LayerMap many(BlockCache cache, Prng prng, int layers) {
        List<LayerFile> files = new ArrayList<>(layers);
        long lsn = 0x1000;
        while (files.size() < layers) {
            boolean images = files.size() % 5 == 0;
            int width = images ? 900 : 9000;
            long from = prng.nextInt(width);
            while (from < 20_000_000L && files.size() < layers) {
                long to = from + 1 + prng.nextInt(2 * width);
                files.add(
                        images
                                ? image(range(from, to), lsn, true, cache)
                                : delta(range(from, to), lsn, lsn + 800, cache));
                from = to;
            }
            lsn += 800;
        }
        return LayerMap.of(files);
    }

    @Test
    void manyLayersAreBuiltSearchedAndChanged() {
        BlockCache cache = new BlockCache(Limits.DEFAULT);
        Prng prng = new Prng(7);
        LayerMap map = many(cache, prng, LAYERS);
        assertEquals(LAYERS, map.count());
        TreeMap<Long, Integer> ends = new TreeMap<>();
        for (int i = 0; i < 50_000; i++) {
            Key k = key(prng.nextLong(20_000_000L));
            LayerFile f = map.newest(k.hi(), k.mid(), k.lo(), Long.MAX_VALUE);
            if (f != null) {
                assertTrue(f.keys().contains(k));
                ends.merge(f.endLsn(), 1, Integer::sum);
            }
        }
        assertTrue(ends.size() > 1);
        long lsn = ends.lastKey() + 800;
        for (int i = 0; i < 300; i++) {
            long from = prng.nextLong(20_000_000L);
            LayerFile fresh =
                    delta(range(from, from + 1 + prng.nextInt(9000)), lsn, lsn + 8, cache);
            LayerMap next = map.with(fresh);
            Key k = fresh.keys().start();
            assertSame(fresh, next.newest(k.hi(), k.mid(), k.lo(), Long.MAX_VALUE));
            assertTrue(fresh != map.newest(k.hi(), k.mid(), k.lo(), Long.MAX_VALUE));
            map = prng.nextBoolean() ? next.without(fresh) : next;
            lsn += 8;
        }
        int[] seen = new int[1];
        map.forEach(f -> seen[0]++);
        assertEquals(map.count(), seen[0]);
    }
}
