package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Key;
import io.palimpsest.base.Prng;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class KnownSizesTest {
    private static final int KEYS = 30;

    /** A timeline's sizes as they were set, and what is known of them. */
    private static final class Subject {
        final KnownSizes known;
        final List<TreeMap<Long, Integer>> truth = new ArrayList<>();
        SizeChanges changes;
        long owner;
        long last;

        Subject(KnownSizes known, long last) {
            this.known = known;
            this.last = last;
            for (int i = 0; i < KEYS; i++) {
                truth.add(new TreeMap<>());
            }
            changes = new SizeChanges(last);
            owner = known.register();
        }

        void reopen() {
            changes = new SizeChanges(last);
            owner = known.register();
        }

        int size(int i, long lsn) {
            Map.Entry<Long, Integer> e = truth.get(i).floorEntry(lsn);
            return e == null ? -1 : e.getValue();
        }

        /** Where the size was set, or what a read may take for that. */
        long since(int i, long lsn, Prng prng) {
            Long set = truth.get(i).floorKey(lsn);
            return set == null || prng.oneIn(5) ? lsn : set;
        }

        int find(int i, long lsn) {
            Key k = key(i);
            long changed = changes.last(k.hi(), k.mid(), k.lo());
            return known.find(owner, k.hi(), k.mid(), k.lo(), lsn, changed);
        }
    }

    private static Key key(int i) {
        return Key.of(i % 2 == 0 ? Keys.REL_SIZE : Keys.SLRU_SIZE, 1, 2, i, 0, 0);
    }

    /**
     * It may forget, but never errs: whatever is set, and read and learned, and when, on a timeline
     * and on a branch of it, also when they are opened anew. What was read is learned at any later
     * moment, and what is set is there before it counts.
     */
    @Property(tries = 300)
    void whatIsKnownIsTrue(@ForAll long seed) {
        Prng prng = new Prng(seed);
        KnownSizes known = new KnownSizes();
        List<Subject> subjects = new ArrayList<>(List.of(new Subject(known, 1000)));
        List<Runnable> late = new ArrayList<>();
        Modifications m = new Modifications();
        for (int step = 0; step < 1500; step++) {
            Subject s = subjects.get(prng.nextInt(subjects.size()));
            int i = prng.nextInt(KEYS);
            long lsn = s.last - prng.nextLong(Math.min(s.last, 300));
            switch (prng.nextInt(10)) {
                case 0 -> {
                    long end = s.last;
                    for (int n = prng.nextInt(4); n >= 0; n--) {
                        end += 1 + prng.nextInt(10);
                        set(s, m, prng.nextInt(KEYS), end, prng.nextInt(20) - 1);
                    }
                    s.changes.note(m);
                    m.clear();
                    lookAtAll(s, prng);
                    s.last = end;
                }
                case 1 -> {
                    if (prng.oneIn(10)) {
                        s.reopen();
                    } else if (subjects.size() == 1) {
                        Subject branch = new Subject(known, lsn);
                        for (int k = 0; k < KEYS; k++) {
                            branch.truth.get(k).putAll(s.truth.get(k).headMap(lsn, true));
                        }
                        subjects.add(branch);
                    } else {
                        s.last += prng.nextInt(50);
                    }
                }
                case 2, 3, 4 -> {
                    long owner = s.owner;
                    SizeAt size = new SizeAt(s.size(i, lsn), s.since(i, lsn, prng));
                    late.add(() -> learn(known, owner, i, size, lsn));
                }
                case 5, 6 -> {
                    if (!late.isEmpty()) {
                        late.remove(prng.nextInt(late.size())).run();
                    }
                }
                default -> look(s, i, lsn);
            }
        }
    }

    private static void learn(KnownSizes known, long owner, int i, SizeAt size, long lsn) {
        Key k = key(i);
        known.learn(owner, k, size.blocks(), size.sinceLsn(), lsn);
        assertEquals(
                size.blocks(),
                known.find(owner, k.hi(), k.mid(), k.lo(), lsn, Long.MAX_VALUE),
                "what was just learned");
    }

    private static void set(Subject s, Modifications m, int i, long lsn, int size) {
        if (size < 0) {
            m.tombstone(key(i), lsn);
        } else {
            byte[] content = new byte[4];
            Bytes.putI32(content, 0, size);
            m.image(key(i), lsn, content);
        }
        s.truth.get(i).put(lsn, size);
    }

    private static void lookAtAll(Subject s, Prng prng) {
        for (int i = 0; i < KEYS; i++) {
            look(s, i, s.last - prng.nextInt(3));
        }
    }

    private static void look(Subject s, int i, long lsn) {
        int found = s.find(i, lsn);
        if (found != KnownSizes.UNKNOWN) {
            assertEquals(s.size(i, lsn), found, "key " + i + " at " + lsn);
        }
    }

    @Test
    void aSizeHoldsForLaterLsnsUntilAnotherIsSet() {
        KnownSizes known = new KnownSizes();
        Subject s = new Subject(known, 100);
        known.learn(s.owner, key(0), 7, 40, 100);
        assertEquals(KnownSizes.UNKNOWN, s.find(0, 39));
        assertEquals(7, s.find(0, 40));
        assertEquals(7, s.find(0, 1_000_000));
        assertEquals(KnownSizes.UNKNOWN, s.find(1, 100));
        Modifications m = new Modifications();
        m.tombstone(key(0), 200);
        s.changes.note(m);
        assertEquals(7, s.find(0, 100));
        assertEquals(KnownSizes.UNKNOWN, s.find(0, 101));
        known.learn(s.owner, key(0), -1, 200, 300);
        assertEquals(-1, s.find(0, 1_000_000));
        assertEquals(7, s.find(0, 100));
    }

    /** What was before it was opened is not known to be all. */
    @Test
    void afterAnOpeningASizeBelowHoldsForItsOwnLsnsOnly() {
        KnownSizes known = new KnownSizes();
        Subject s = new Subject(known, 100);
        known.learn(s.owner, key(0), 7, 40, 60);
        assertEquals(7, s.find(0, 60));
        assertEquals(KnownSizes.UNKNOWN, s.find(0, 61));
        known.learn(s.owner, key(0), 7, 40, 100);
        assertEquals(7, s.find(0, 61));
        assertEquals(7, s.find(0, 110));
    }
}
