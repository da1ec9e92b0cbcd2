package io.palimpsest.compaction;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Prng;
import io.palimpsest.compaction.ModelExecutor.Bug;
import io.palimpsest.compaction.ModelTimeline.Entry;
import io.palimpsest.value.Keys;
import io.palimpsest.value.StoredValue;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Random histories on a tree of timelines, and every kind of background work in any order: after
 * each step every legal read of every key gives what the reference says.
 */
class CompactionModelTest {
    /** One history; the same seed gives the same one. */
    private static final class World {
        final Prng prng;
        final ModelExecutor executor;
        final List<ModelTimeline> timelines = new ArrayList<>();
        final List<Key> pages = new ArrayList<>();
        final List<Key> others = new ArrayList<>();
        int number;
        int second = 100;

        World(long seed, Bug bug) {
            prng = new Prng(seed);
            executor = new ModelExecutor(prng.split("executor"), bug);
            for (int i = 2 + prng.nextInt(10); i > 0; i--) {
                pages.add(Key.of(prng.nextInt(2), 1, 2, prng.nextInt(3), 0, i));
            }
            for (int i = 1 + prng.nextInt(5); i > 0; i--) {
                others.add(Key.of(2 + prng.nextInt(8), 1, 2, 3, 0, i));
            }
            ModelTimeline root = new ModelTimeline(10);
            timelines.add(root);
            if (prng.nextBoolean()) {
                importSome(root, 10);
            }
        }

        /** Images of some pages that are not there yet. */
        private void importSome(ModelTimeline t, long lsn) {
            List<Entry> entries = new ArrayList<>();
            for (Key k : new TreeSet<>(pages)) {
                if (t.expected(k, lsn) == null && prng.oneIn(2)) {
                    entries.add(new Entry(k, lsn, image(1)));
                }
            }
            if (entries.isEmpty()) {
                return;
            }
            KeyRange keys = new KeyRange(entries.getFirst().key(), entries.getLast().key().next());
            t.importImages(keys, lsn, executor.bug == Bug.PARTIAL_IMAGE_CALLED_COMPLETE, entries);
            for (Entry e : entries) {
                t.remember(e.key(), lsn, e.value());
                t.rememberLive(e.key(), lsn, true);
            }
        }

        private byte[] image(int numbers) {
            byte[] v = new byte[1 + numbers];
            for (int i = 1; i <= numbers; i++) {
                v[i] = (byte) ++number;
            }
            return v;
        }

        private byte[] record(boolean initial) {
            return new byte[] {
                StoredValue.RECORD, (byte) (initial ? 1 : 0), (byte) ++number, (byte) (number >> 8)
            };
        }

        /** A record, which changes some keys. */
        void ingest(ModelTimeline t) {
            long before = t.lastLsn;
            long lsn = before + 1 + (prng.nextBoolean() ? 0 : prng.nextInt(4));
            for (int i = 1 + prng.nextInt(3); i > 0; i--) {
                if (prng.oneIn(4)) {
                    Key k = others.get(prng.nextInt(others.size()));
                    t.write(k, lsn, prng.oneIn(3) ? new byte[1] : image(1 + prng.nextInt(3)));
                } else {
                    lsn = ingestPage(t, pages.get(prng.nextInt(pages.size())), before, lsn);
                }
            }
            if (prng.oneIn(5)) {
                mark(t, lsn);
            }
            if (prng.oneIn(4)) {
                second += 1 + prng.nextInt(3);
                byte[] v = new byte[17];
                v[1] = (byte) second;
                for (int i = 0; i < 8; i++) {
                    v[9 + i] = (byte) (lsn >> 8 * i);
                }
                t.write(Key.of(Keys.COMMIT_TIME, 0, second, 0, 0, 0), lsn, v);
            }
        }

        private void mark(ModelTimeline t, long lsn) {
            t.write(Keys.marker(lsn), lsn, image(7));
        }

        private long ingestPage(ModelTimeline t, Key page, long before, long lsn) {
            if (!t.isLive(page, t.lastLsn)) {
                // Made one LSN before its relation has the size.
                if (lsn < before + 2 || t.lastLsn != before) {
                    return lsn;
                }
                t.write(page, lsn - 1, new byte[1]);
                t.rememberLive(page, lsn, true);
            }
            switch (prng.nextInt(10)) {
                case 0 -> t.write(page, lsn, image(1 + prng.nextInt(4)));
                case 1 -> t.write(page, lsn, record(true));
                case 2 -> t.rememberLive(page, lsn, prng.oneIn(2));
                default -> t.write(page, lsn, record(false));
            }
            return lsn;
        }

        void step() {
            ModelTimeline t = timelines.get(prng.nextInt(timelines.size()));
            switch (prng.nextInt(14)) {
                case 0, 1, 2 -> {
                    for (int i = prng.nextInt(12); i > 0; i--) {
                        ingest(t);
                    }
                    if (prng.nextInt(4) > 0) {
                        t.flush();
                    }
                }
                case 3, 4 -> executor.merge(t);
                case 5, 6 -> executor.createImages(t);
                case 7 -> executor.collect(t);
                case 8, 9 -> executor.dropHistory(t);
                case 10 -> t.cutoff = Math.max(t.cutoff, between(t.cutoff, t.flushedLsn));
                case 11 -> {
                    if (prng.nextBoolean() || t.leases.isEmpty()) {
                        t.leases.add(between(t.cutoff, t.lastLsn));
                    } else {
                        t.leases.remove(t.leases.first());
                    }
                }
                case 12 -> {
                    if (timelines.size() < 4) {
                        timelines.add(new ModelTimeline(t, between(t.cutoff, t.lastLsn)));
                    } else if (prng.oneIn(3)) {
                        t.detach();
                    }
                }
                default -> {
                    if (prng.oneIn(3)) {
                        t.flush();
                        importSome(t, t.lastLsn + 2);
                    }
                }
            }
        }

        private long between(long low, long high) {
            return low >= high ? low : low + prng.nextLong(high - low + 1);
        }

        void check() {
            for (ModelTimeline t : timelines) {
                TreeSet<Long> lsns = new TreeSet<>(t.retention().points());
                lsns.add(t.cutoff);
                lsns.add(t.cutoff + 1);
                lsns.add(t.lastLsn);
                for (int i = 0; i < 4; i++) {
                    lsns.add(between(t.cutoff, t.lastLsn));
                }
                for (long lsn : lsns) {
                    checkReads(t, lsn);
                    if (lsn >= t.cutoff) {
                        checkCommitTimes(t, lsn);
                    }
                }
            }
        }

        private void checkReads(ModelTimeline t, long lsn) {
            for (Key k : pages) {
                if (t.isLive(k, lsn)) {
                    assertArrayEquals(t.expected(k, lsn), t.read(k, lsn), k + " at " + lsn);
                }
            }
            for (Key k : others) {
                assertArrayEquals(t.expected(k, lsn), t.read(k, lsn), k + " at " + lsn);
            }
        }

        /** Those above the cutoff are there, and the newest below. */
        private static void checkCommitTimes(ModelTimeline t, long lsn) {
            Key newest = null;
            for (Key k : t.ownKeys()) {
                if (k.kind() == Keys.COMMIT_TIME) {
                    Map<Long, List<byte[]>> history = t.ownHistory(k);
                    assertNotNull(history);
                    long at = history.keySet().iterator().next();
                    if (at <= t.cutoff) {
                        newest = k;
                    } else {
                        assertArrayEquals(t.expected(k, lsn), t.read(k, lsn), "commit time");
                    }
                }
            }
            for (Key k : t.ownKeys()) {
                if (k.kind() == Keys.MARKER && k.mid() > t.cutoff) {
                    assertArrayEquals(t.expected(k, lsn), t.read(k, lsn), "marker");
                }
            }
            if (newest != null) {
                assertArrayEquals(t.expected(newest, lsn), t.read(newest, lsn), "commit time");
            }
        }
    }

    private static World run(long seed, Bug bug, int steps) {
        World w = new World(seed, bug);
        for (int i = 0; i < steps; i++) {
            w.step();
            w.check();
        }
        return w;
    }

    @Test
    void everyLegalReadIsUnchangedByAnyScheduleOfWork() {
        int merges = 0;
        int images = 0;
        int drops = 0;
        int collected = 0;
        for (long seed = 0; seed < 150; seed++) {
            try {
                World w = run(seed, Bug.NONE, 120);
                merges += w.executor.merges;
                images += w.executor.images;
                drops += w.executor.drops;
                collected += w.executor.collected;
            } catch (AssertionError | RuntimeException e) {
                throw new AssertionError("seed " + seed, e);
            }
        }
        String did = merges + " " + images + " " + drops + " " + collected;
        assertTrue(merges > 300 && images > 300 && drops > 100 && collected > 100, did);
    }

    /** Work that is planned comes to an end, and history dropping reads a bounded part of all. */
    @Test
    void planningComesToRest() {
        for (long seed = 1000; seed < 1025; seed++) {
            World w = run(seed, Bug.NONE, 60);
            for (ModelTimeline t : w.timelines) {
                t.flush();
                t.cutoff = Math.max(t.cutoff, w.between(t.cutoff, t.flushedLsn));
                int jobs = 0;
                boolean busy = true;
                while (busy) {
                    busy = w.executor.merge(t);
                    busy |= w.executor.createImages(t);
                    busy |= w.executor.collect(t);
                    busy |= w.executor.dropHistory(t);
                    w.check();
                    assertTrue(++jobs < 1000, "does not come to rest, seed " + seed);
                }
            }
            long written = 0;
            for (ModelTimeline t : w.timelines) {
                written += t.bytesWritten;
            }
            assertTrue(
                    w.executor.bytesDropped <= 4 * written,
                    w.executor.bytesDropped + " of " + written + " bytes, seed " + seed);
        }
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "NONE")
    void aPlantedBugIsFound(Bug bug) {
        int found = 0;
        for (long seed = 0; seed < 1000 && found == 0; seed++) {
            try {
                World _ = run(seed, bug, 120);
            } catch (AssertionError e) {
                found++;
            }
        }
        assertEquals(1, found, bug + " was not found");
    }
}
