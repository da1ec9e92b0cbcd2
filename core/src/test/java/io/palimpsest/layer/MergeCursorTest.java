package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Key;
import io.palimpsest.base.Prng;
import io.palimpsest.value.Modifications;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class MergeCursorTest {
    /** key, LSN, which layer. */
    private record Entry(int key, long lsn, int layer) {}

    @Test
    void severalLayersAreReadAsOne() {
        for (int seed = 0; seed < 200; seed++) {
            Prng prng = new Prng(seed);
            List<Entry> expected = new ArrayList<>();
            List<LayerCursor> cursors = new ArrayList<>();
            for (int layer = prng.nextInt(6); layer > 0; layer--) {
                OpenLayer open = new OpenLayer(8);
                Modifications m = new Modifications();
                long lsn = 8;
                for (int i = prng.nextInt(30); i > 0; i--) {
                    lsn += prng.nextInt(3);
                    int key = prng.nextInt(8);
                    m.image(Key.of(0, 0, 0, 0, 0, key), lsn, new byte[] {(byte) cursors.size()});
                    expected.add(new Entry(key, lsn, cursors.size()));
                }
                open.append(m, 0, m.count());
                cursors.add(open.sorted());
            }
            expected.sort((a, b) -> {
                int c = Integer.compare(a.key, b.key);
                c = c != 0 ? c : Long.compare(a.lsn, b.lsn);
                return c != 0 ? c : Integer.compare(a.layer, b.layer);
            });
            MergeCursor merged = new MergeCursor(cursors);
            for (Entry e : expected) {
                assertTrue(merged.next(), "seed " + seed);
                assertEquals(
                        e,
                        new Entry(
                                (int) merged.lo(),
                                merged.lsn(),
                                merged.bytes()[merged.offset() + 1]),
                        "seed " + seed);
            }
            assertFalse(merged.next());
        }
    }
}
