package io.palimpsest.layer;

import io.palimpsest.base.Check;
import io.palimpsest.base.Key;
import io.palimpsest.value.ReadView;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/**
 * Gathers the newest content under each key of a range, for keys that hold only images, from
 * several layers. The highest LSN wins; of equal ones the first offered, so layers are visited
 * newest first.
 */
public final class ImageScan {
    private record Found(long lsn, byte[] content) {}

    private final TreeMap<Key, Found> found = new TreeMap<>();

    /** Content (without the kind byte) at {@code lsn}; empty is a tombstone. Copied if it wins. */
    public void offer(long hi, long mid, long lo, long lsn, byte[] b, int at, int length) {
        Check.that(length >= 0, "content of %d bytes", length);
        Key key = new Key(hi, mid, lo);
        Found old = found.get(key);
        if (old == null || Long.compareUnsigned(lsn, old.lsn) > 0) {
            found.put(key, new Found(lsn, Arrays.copyOfRange(b, at, at + length)));
        }
    }

    /** Keys with a content, in key order; tombstones are left out. */
    public void forEach(ReadView.Visitor visitor) {
        for (Map.Entry<Key, Found> e : found.entrySet()) {
            if (e.getValue().content.length != 0) {
                visitor.visit(e.getKey(), e.getValue().content);
            }
        }
    }

    public void clear() {
        found.clear();
    }
}
