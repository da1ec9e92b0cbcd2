package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Check;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Prng;
import io.palimpsest.value.Modifications;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class OpenLayerTest {
    @Property(tries = 150)
    void collectsWhatTheModelSays(@ForAll long seed) {
        Prng prng = new Prng(seed);
        History h = History.random(prng, prng.nextInt(prng.oneIn(5) ? 4000 : 300));
        OpenLayer layer = new OpenLayer(h.startLsn);
        assertTrue(layer.isEmpty());
        for (int i = 0; i < h.entries.size(); ) {
            int n = Math.min(1 + prng.nextInt(50), h.entries.size() - i);
            layer.append(h.modifications(i, i + n), 0, n);
            i += n;
        }
        assertEquals(h.entries.isEmpty(), layer.isEmpty());
        if (!layer.isEmpty()) {
            assertEquals(h.entries.getFirst().lsn(), layer.firstLsn());
            assertEquals(h.entries.getLast().lsn(), layer.lastLsn());
        }
        Reconstruction r = new Reconstruction();
        for (int i = 0; i < 100; i++) {
            Key key = h.randomKeyOf(prng);
            long lsn = h.randomLsn(prng);
            r.reset(key.hi(), key.mid(), key.lo(), lsn);
            boolean complete = layer.collect(r);
            List<History.Entry> expected = History.newestFirst(h.entries, key, lsn + 1, 0);
            History.assertSame(expected, r);
            assertEquals(complete, r.complete());
            if (!complete && Long.compareUnsigned(lsn, h.startLsn) >= 0) {
                assertEquals(lsn == h.startLsn ? lsn + 1 : h.startLsn + 1, r.below());
            }
            int limit = prng.nextInt(6);
            r.reset(key.hi(), key.mid(), key.lo(), lsn);
            r.limit(limit);
            assertTrue(!layer.collect(r) || complete);
            if (!r.full()) {
                History.assertSame(expected, r);
            }
            assertTrue(r.count() <= limit, "values collected past the limit");
            long all = h.entries.stream().filter(e -> e.key().equals(key)).count();
            assertTrue(limit <= all || !r.full(), "a limit that was not reached");
        }
        for (int i = 0; i < 10; i++) {
            KeyRange range = History.randomDirectoryRange(prng);
            long lsn = h.randomLsn(prng);
            ImageScan scan = new ImageScan();
            layer.scan(range, lsn, scan);
            History.assertSame(History.contents(h.entries, range, lsn), scan);
        }
        History.assertSame(History.sorted(h.entries), layer.sorted());
    }

    @Test
    void valuesOfOneLsnComeInReverseOrderOfWriting() {
        OpenLayer layer = new OpenLayer(8);
        Modifications m = new Modifications();
        byte[][] values = {{0, 1}, {2, 5}, {2, 6}, {0}, {0, 9}, {2, 7}, {2, 8}};
        for (byte[] v : values) {
            m.begin(1, 2, 3, 16);
            m.out().bytes(v);
            m.end();
        }
        layer.append(m, 0, m.count());
        Reconstruction r = new Reconstruction();
        r.reset(1, 2, 3, 16);
        assertTrue(layer.collect(r));
        assertEquals(3, r.count());
        assertEquals(8, r.bytes()[r.offset(0) + 1]);
        assertEquals(7, r.bytes()[r.offset(1) + 1]);
        assertEquals(9, r.bytes()[r.offset(2) + 1]);
    }

    @Test
    void aValueLargerThanAChunkGetsOneOfItsOwn() {
        OpenLayer layer = new OpenLayer(8);
        byte[] big = new byte[3 << 20];
        big[big.length - 1] = 77;
        Modifications m = new Modifications();
        m.image(new Key(1, 2, 3), 16, new byte[] {1});
        m.image(new Key(1, 2, 3), 24, big);
        m.image(new Key(1, 2, 3), 32, new byte[] {2});
        layer.append(m, 0, 3);
        Reconstruction r = new Reconstruction();
        r.reset(1, 2, 3, 24);
        assertTrue(layer.collect(r));
        assertEquals(big.length + 1, r.length(0));
        assertEquals(77, r.bytes()[r.offset(0) + big.length]);
        assertTrue(layer.bytes() > big.length && layer.bytes() < big.length + (64 << 10));
    }

    @Test
    void refusesAnLsnThatGoesBack() {
        OpenLayer layer = new OpenLayer(100);
        assertThrows(Check.Failed.class, () -> append(layer, 3, 99));
        append(layer, 3, 108);
        assertThrows(Check.Failed.class, () -> append(layer, 4, 106));
        assertThrows(Check.Failed.class, () -> append(layer, 3, 107));
        append(layer, 4, 107);
        assertThrows(Check.Failed.class, () -> append(layer, 5, 106));
        append(layer, 4, 108);
        assertEquals(108, layer.lastLsn());
    }

    private static void append(OpenLayer layer, long lo, long lsn) {
        Modifications m = new Modifications();
        m.tombstone(new Key(1, 2, lo), lsn);
        layer.append(m, 0, 1);
    }

    /**
     * Readers that know an LSN find every entry up to it while the writer goes on and tables grow:
     * the writer puts value number n at LSN n, so what each key must have follows from the LSN.
     */
    @Test
    void readersSeeAllUpToAPublishedLsn() throws InterruptedException {
        int keys = 5000;
        int total = 60_000;
        OpenLayer layer = new OpenLayer(1);
        AtomicLong published = new AtomicLong();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread[] readers = new Thread[3];
        for (int t = 0; t < readers.length; t++) {
            Prng prng = new Prng(t);
            readers[t] =
                    new Thread(() -> {
                        try {
                            Reconstruction r = new Reconstruction();
                            long known = 0;
                            while (known < total && failure.get() == null) {
                                known = published.get();
                                checkRead(layer, r, keys, known, prng);
                            }
                        } catch (Throwable e) {
                            failure.compareAndSet(null, e);
                        }
                    });
            readers[t].start();
        }
        Modifications m = new Modifications();
        for (long lsn = 1; lsn <= total && failure.get() == null; ) {
            m.clear();
            for (int i = 0; i < 7 && lsn <= total; i++, lsn++) {
                long key = lsn * 2654435761L % keys;
                m.begin(key % 3, key, key, lsn);
                m.out().u8(lsn <= keys ? 0 : 2);
                m.out().i64(lsn);
                m.end();
            }
            layer.append(m, 0, m.count());
            published.set(lsn - 1);
        }
        for (Thread t : readers) {
            t.join(30_000);
        }
        if (failure.get() != null) {
            throw new AssertionError(failure.get());
        }
    }

    private static void checkRead(
            OpenLayer layer, Reconstruction r, int keys, long known, Prng prng) {
        if (known == 0) {
            return;
        }
        // The entry at a random LSN at or below the known one, and its key as of the known one.
        long lsn = prng.nextBoolean() ? known : 1 + prng.nextLong(known);
        long key = lsn * 2654435761L % keys;
        r.reset(key % 3, key, key, known);
        layer.collect(r);
        int expected = 0;
        for (long at = lsn; at <= known; at += keys) {
            expected++;
        }
        assertTrue(r.count() >= expected, "seed-free: lsn " + lsn + " known " + known);
        for (int i = 1; i < r.count(); i++) {
            assertEquals(r.lsn(i - 1) - keys, r.lsn(i));
        }
        assertEquals(true, r.complete());
        assertEquals(0, (r.lsn(0) - lsn) % keys);
        assertTrue(r.lsn(0) <= known && r.lsn(0) > known - keys);
    }
}
