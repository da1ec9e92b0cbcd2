package io.palimpsest.tenant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Prng;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** Against a TreeMap, and what it was before is what it is still. */
class SnapshotMapTest {
    @Test
    void isASortedMapThatNeverChanges() {
        for (long seed = 1; seed <= 20; seed++) {
            Prng random = new Prng(seed);
            TreeMap<Integer, Integer> model = new TreeMap<>();
            SnapshotMap<Integer, Integer> map = SnapshotMap.empty();
            List<SnapshotMap<Integer, Integer>> olds = new ArrayList<>();
            List<TreeMap<Integer, Integer>> models = new ArrayList<>();
            for (int step = 0; step < 2000; step++) {
                int key = random.nextInt(1 + random.nextInt(500));
                if (random.nextInt(5) < 3) {
                    map = map.with(key, step);
                    model.put(key, step);
                } else {
                    map = map.without(key);
                    model.remove(key);
                }
                assertEquals(model.get(key), map.get(key));
                if (step % 100 == 0) {
                    olds.add(map);
                    models.add(new TreeMap<>(model));
                }
            }
            for (int i = 0; i < olds.size(); i++) {
                assertEquals(
                        new ArrayList<>(models.get(i).entrySet()).toString(), text(olds.get(i)));
                assertEquals(models.get(i).size(), olds.get(i).size());
            }
        }
    }

    private static String text(SnapshotMap<Integer, Integer> map) {
        List<String> all = new ArrayList<>();
        map.forEach((k, v) -> all.add(k + "=" + v));
        return all.toString();
    }

    /** Keys in order are the worst case of a tree that is not balanced. */
    @Test
    void isBalanced() {
        SnapshotMap<Integer, Integer> map = SnapshotMap.empty();
        int n = 100_000;
        for (int i = 0; i < n; i++) {
            map = map.with(i, i);
        }
        assertTrue(map.depth() <= 41, "depth " + map.depth());
        for (int i = 0; i < n - 100; i++) {
            map = map.without(i);
        }
        assertEquals(100, map.size());
        assertTrue(map.depth() <= 17, "depth " + map.depth());
    }
}
