package io.palimpsest.ingest;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.redo.PageRedo;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.ReadView;
import io.palimpsest.value.StoredValue;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A timeline as plain as can be: all values of all keys in a map. Holds no key twice at one LSN.
 */
public final class StoredHistory implements ReadView {
    private final TreeMap<Key, TreeMap<Long, byte[]>> values = new TreeMap<>();
    private final PageRedo redo;

    public StoredHistory(PgVersion version) {
        this(version, WalOrigin.STOCK);
    }

    StoredHistory(PgVersion version, WalOrigin origin) {
        redo = new PageRedo(new RedoContext(version, origin, true));
    }

    public void commit(Modifications batch) {
        for (int i = 0; i < batch.count(); i++) {
            Key key = new Key(batch.hi(i), batch.mid(i), batch.lo(i));
            byte[] value =
                    Arrays.copyOfRange(
                            batch.array(), batch.offset(i), batch.offset(i) + batch.length(i));
            byte[] before =
                    values.computeIfAbsent(key, _ -> new TreeMap<>()).put(batch.lsn(i), value);
            assertTrue(before == null, "two values under " + key);
        }
    }

    public TreeMap<Key, TreeMap<Long, byte[]>> values() {
        return values;
    }

    @Override
    public byte @Nullable [] image(Key key) {
        return imageAt(key, Long.MAX_VALUE);
    }

    public byte @Nullable [] imageAt(Key key, long lsn) {
        Map.Entry<Long, byte[]> newest = values.getOrDefault(key, new TreeMap<>()).floorEntry(lsn);
        if (newest == null || newest.getValue().length == 1) {
            return null;
        }
        assertTrue(newest.getValue()[0] == StoredValue.IMAGE, "an image under " + key);
        return Arrays.copyOfRange(newest.getValue(), 1, newest.getValue().length);
    }

    @Override
    public void scan(KeyRange range, Visitor visitor) {
        for (Key key : values.subMap(range.start(), range.end()).keySet()) {
            byte[] content = image(key);
            if (content != null) {
                visitor.visit(key, content);
            }
        }
    }

    /** The page as of the LSN, as the read path makes it. */
    public byte[] page(Key key, long lsn) {
        assertTrue(Keys.isPage(key.hi()), "a page's key: " + key);
        TreeMap<Long, byte[]> history = values.getOrDefault(key, new TreeMap<>());
        Long from = history.floorKey(lsn);
        while (from != null && !StoredValue.isInitial(history.get(from), 0)) {
            from = history.lowerKey(from);
        }
        assertTrue(from != null, "an initial value under " + key);
        byte[] page = new byte[Page.SIZE];
        history.subMap(from, true, lsn, true)
                .forEach((at, value) -> redo.apply(page, value, 0, value.length, at));
        return page;
    }
}
