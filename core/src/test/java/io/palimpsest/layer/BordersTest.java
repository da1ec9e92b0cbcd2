package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.palimpsest.base.Key;
import io.palimpsest.base.Prng;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/** Against a set of keys, whether they are all of a relation, of several, or come to be. */
class BordersTest {
    @Property(tries = 300)
    void findsAndReplacesAsASetDoes(@ForAll long seed) {
        Prng prng = new Prng(seed);
        int relations = 1 + prng.nextInt(prng.oneIn(2) ? 1 : 3);
        TreeSet<Key> keys = new TreeSet<>();
        keys.add(prng.oneIn(2) ? Key.MIN : key(prng, relations));
        Key first = keys.first();
        add(prng, keys, first, relations, prng.nextInt(200));
        Borders borders = Borders.of(keys.toArray(new Key[0]), keys.size());
        for (int step = 0; step < 4; step++) {
            check(prng, new ArrayList<>(keys), borders);
            List<Key> before = new ArrayList<>(keys);
            int from = prng.nextInt(before.size());
            int to = from + 1 + prng.nextInt(before.size() - from);
            TreeSet<Key> fresh = new TreeSet<>();
            fresh.add(from == 0 ? first : before.get(from));
            int more = prng.nextInt(5);
            for (int i = 0; i < more; i++) {
                Key key = key(prng, prng.oneIn(4) ? 3 : relations);
                if (key.compareTo(before.get(from)) > 0
                        && (to == before.size() || key.compareTo(before.get(to)) < 0)) {
                    fresh.add(key);
                }
            }
            keys.removeAll(before.subList(from, to));
            keys.addAll(fresh);
            borders = borders.splice(from, to, fresh.toArray(new Key[0]));
        }
        check(prng, new ArrayList<>(keys), borders);
    }

    private static void add(Prng prng, TreeSet<Key> keys, Key first, int relations, int n) {
        for (int i = 0; i < n; i++) {
            Key key = key(prng, relations);
            if (key.compareTo(first) > 0) {
                keys.add(key);
            }
        }
    }

    /** Blocks on both sides of where a signed comparison would go wrong. */
    private static Key key(Prng prng, int relations) {
        int block = prng.nextInt(1000) + (prng.oneIn(2) ? Integer.MAX_VALUE - 500 : 0);
        int relation = prng.nextInt(relations);
        return Key.of(1, 7, relation == 2 ? 8 : 7, 9, relation == 1 ? 1 : 0, block);
    }

    private static void check(Prng prng, List<Key> keys, Borders borders) {
        assertEquals(keys.size(), borders.size());
        for (int i = 0; i < keys.size(); i++) {
            assertEquals(keys.get(i), borders.key(i));
            assertEquals(i, last(borders, keys.get(i)));
        }
        assertEquals(0, last(borders, Key.MIN));
        assertEquals(keys.size() - 1, last(borders, Key.MAX));
        for (int n = 0; n < 100; n++) {
            Key key = key(prng, 3);
            int expected = 0;
            while (expected + 1 < keys.size() && keys.get(expected + 1).compareTo(key) <= 0) {
                expected++;
            }
            assertEquals(expected, last(borders, key), () -> key + " among " + keys);
        }
    }

    private static int last(Borders borders, Key key) {
        return borders.last(key.hi(), key.mid(), key.lo());
    }
}
