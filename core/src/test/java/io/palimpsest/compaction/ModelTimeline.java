package io.palimpsest.compaction;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Generation;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.value.Keys;
import io.palimpsest.value.StoredValue;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * A timeline twice: as layers in memory, read the way layers are read, and as the naive reference,
 * which forgets nothing. Redo is a toy that shows every wrong chain: a delta appends a number to
 * the page, an initial record makes the page of its number alone.
 */
final class ModelTimeline {
    static final TenantShardId TENANT = new TenantShardId(new TenantId(1, 2), 0, 0);
    static final Generation GENERATION = new Generation(1);

    record Entry(Key key, long lsn, byte[] value) {}

    /** A layer in memory; the size is what its entries would take, and a little. */
    record Layer(LayerDescriptor descriptor, TreeMap<Key, List<Entry>> entries) {
        static Layer delta(KeyRange keys, long start, long end, List<Entry> entries) {
            LayerName name = LayerName.delta(keys, new LsnRange(start, end), TENANT, GENERATION);
            return of(name, false, entries);
        }

        static Layer image(KeyRange keys, long lsn, boolean complete, List<Entry> entries) {
            return of(LayerName.image(keys, lsn, TENANT, GENERATION), complete, entries);
        }

        private static Layer of(LayerName name, boolean complete, List<Entry> entries) {
            long size = 20;
            TreeMap<Key, List<Entry>> byKey = new TreeMap<>();
            for (Entry e : entries) {
                assertTrue(name.keys().contains(e.key), () -> "outside of " + name + ": " + e);
                assertTrue(name.lsns().contains(e.lsn), () -> "outside of " + name + ": " + e);
                List<Entry> mine = byKey.computeIfAbsent(e.key, k -> new ArrayList<>());
                assertTrue(mine.isEmpty() || mine.getLast().lsn <= e.lsn, "order");
                assertTrue(mine.isEmpty() || !name.image(), "an image has a key once");
                mine.add(e);
                size += 10 + e.value.length;
            }
            return new Layer(new LayerDescriptor(name, size, complete), byKey);
        }

        LayerName name() {
            return descriptor.name();
        }

        /** Those with a key in the range and an LSN from {@code floor} on, in order. */
        List<Entry> of(KeyRange range, long floor) {
            List<Entry> out = new ArrayList<>();
            for (List<Entry> list : entries.subMap(range.start(), range.end()).values()) {
                for (Entry e : list) {
                    if (e.lsn >= floor) {
                        out.add(e);
                    }
                }
            }
            return out;
        }
    }

    final List<Layer> layers = new ArrayList<>();
    final List<ModelTimeline> children = new ArrayList<>();
    final TreeSet<Long> leases = new TreeSet<>();
    final List<Long> adopted = new ArrayList<>();
    @Nullable ModelTimeline ancestor;
    long ancestorLsn;
    long cutoff;
    long lastLsn;
    long flushedLsn;

    /** Of all layers there ever were: none is used again. */
    private final TreeSet<String> names = new TreeSet<>();

    /** In the open layer. */
    final List<Entry> open = new ArrayList<>();

    /** Bytes that were flushed or imported, and written by merges and image creation. */
    long bytesWritten;

    // The reference.
    private final @Nullable ModelTimeline parent;
    private final long parentLsn;
    private final TreeMap<Key, TreeMap<Long, List<byte[]>>> all = new TreeMap<>();
    private final TreeMap<Key, TreeMap<Long, Boolean>> live = new TreeMap<>();

    ModelTimeline(long firstLsn) {
        parent = null;
        parentLsn = 0;
        lastLsn = firstLsn;
        flushedLsn = firstLsn;
        cutoff = firstLsn;
    }

    /** A branch. */
    ModelTimeline(ModelTimeline from, long lsn) {
        assertTrue(from.retention().readable(lsn) && lsn <= from.lastLsn);
        parent = from;
        parentLsn = lsn;
        ancestor = from;
        ancestorLsn = lsn;
        lastLsn = lsn;
        flushedLsn = lsn;
        cutoff = lsn;
        from.children.add(this);
    }

    Retention retention() {
        TreeSet<Long> points = new TreeSet<>(leases);
        children.forEach(c -> points.add(c.ancestorLsn));
        return Retention.of(cutoff, points.stream().mapToLong(p -> p).toArray());
    }

    LayerInventory inventory() {
        return new LayerInventory(
                layers.stream().map(Layer::descriptor).toList(),
                flushedLsn,
                adopted,
                Collections.emptySet());
    }

    boolean hasAncestor() {
        return ancestor != null || !adopted.isEmpty();
    }

    void write(Key key, long lsn, byte[] value) {
        open.add(new Entry(key, lsn, value));
        remember(key, lsn, value);
    }

    void remember(Key key, long lsn, byte[] value) {
        all.computeIfAbsent(key, k -> new TreeMap<>())
                .computeIfAbsent(lsn, l -> new ArrayList<>())
                .add(value);
        lastLsn = Math.max(lastLsn, lsn);
    }

    void rememberLive(Key key, long lsn, boolean is) {
        live.computeIfAbsent(key, k -> new TreeMap<>()).put(lsn, is);
        lastLsn = Math.max(lastLsn, lsn);
    }

    /** Keys that were ever written here. */
    Collection<Key> ownKeys() {
        return all.keySet();
    }

    @Nullable Map<Long, List<byte[]>> ownHistory(Key key) {
        return all.get(key);
    }

    boolean isLive(Key key, long lsn) {
        Map.Entry<Long, Boolean> e = live.getOrDefault(key, new TreeMap<>()).floorEntry(lsn);
        if (e != null) {
            return e.getValue();
        }
        return parent != null && parent.isLive(key, Math.min(lsn, parentLsn));
    }

    /** What the reference says; null: nothing there. */
    byte @Nullable [] expected(Key key, long lsn) {
        List<byte[]> chain = new ArrayList<>();
        referenceChain(key, lsn, chain);
        return redo(key, lsn, chain);
    }

    private void referenceChain(Key key, long lsn, List<byte[]> newestFirst) {
        TreeMap<Long, List<byte[]>> mine = all.getOrDefault(key, new TreeMap<>());
        for (List<byte[]> values : mine.headMap(lsn, true).descendingMap().values()) {
            for (byte[] v : values.reversed()) {
                newestFirst.add(v);
            }
        }
        if (parent != null) {
            parent.referenceChain(key, Math.min(lsn, parentLsn), newestFirst);
        }
    }

    /** What the layers say, or a failure if there is no base. */
    byte @Nullable [] read(Key key, long lsn) {
        return read(layers, key, lsn);
    }

    /** The same with other layers in place of this timeline's, but the ancestors' as they are. */
    byte @Nullable [] read(Collection<Layer> own, Key key, long lsn) {
        List<byte[]> chain = new ArrayList<>();
        ModelTimeline t = this;
        Collection<Layer> from = own;
        long at = lsn;
        while (t != null && !collect(from, t.open, t.adopted, key, at, chain)) {
            at = Math.min(at, t.ancestorLsn);
            t = t.ancestor;
            from = t == null ? List.of() : t.layers;
        }
        return redo(key, lsn, chain);
    }

    /** How many values a read has to apply. */
    int chainLength(Key key, long lsn) {
        List<byte[]> chain = new ArrayList<>();
        boolean _ = collect(layers, open, adopted, key, lsn, chain);
        return chain.size();
    }

    /** A value, or a complete image that lacks the key (null). */
    private record Seen(long lsn, int rank, byte @Nullable [] value) {}

    private static boolean collect(
            Collection<Layer> layers,
            List<Entry> open,
            List<Long> adopted,
            Key key,
            long lsn,
            List<byte[]> newestFirst) {
        List<Seen> seen = new ArrayList<>();
        for (Layer l : layers) {
            if (l.name().startLsn() > lsn || !l.name().keys().contains(key)) {
                continue;
            }
            List<Entry> mine = l.entries.get(key);
            int rank = l.name().image() ? 1 : 0;
            if (mine == null && l.descriptor.complete()) {
                seen.add(new Seen(l.name().startLsn(), 1, null));
            } else if (mine != null) {
                mine.stream()
                        .filter(e -> e.lsn <= lsn)
                        .forEach(e -> seen.add(new Seen(e.lsn, rank, e.value)));
            }
        }
        open.stream()
                .filter(e -> e.key.equals(key) && e.lsn <= lsn)
                .forEach(e -> seen.add(new Seen(e.lsn, 0, e.value)));
        // Stable: entries of one LSN stay in the order they were written.
        seen.sort((a, b) ->
                a.lsn != b.lsn ? Long.compare(a.lsn, b.lsn) : Integer.compare(a.rank, b.rank));
        long below = Long.MAX_VALUE;
        for (Seen s : seen.reversed()) {
            if (s.lsn >= below) {
                continue;
            }
            if (s.value == null) {
                below = 0;
                for (long a : adopted) {
                    below = a < s.lsn ? Math.max(below, a + 1) : below;
                }
            } else {
                newestFirst.add(s.value);
                if (StoredValue.isInitial(s.value, 0)) {
                    return true;
                }
            }
        }
        return false;
    }

    /** Values newest first, maybe more than needed. */
    private static byte @Nullable [] redo(Key key, long lsn, List<byte[]> newestFirst) {
        int n = 0;
        while (n < newestFirst.size() && !StoredValue.isInitial(newestFirst.get(n), 0)) {
            n++;
        }
        if (newestFirst.isEmpty()) {
            return null;
        }
        assertTrue(n < newestFirst.size(), () -> "no base for " + key + " at " + lsn);
        byte[] state = new byte[0];
        for (int i = n; i >= 0; i--) {
            byte[] v = newestFirst.get(i);
            if (v[0] == StoredValue.IMAGE) {
                state = Arrays.copyOfRange(v, 1, v.length);
            } else {
                int kept = StoredValue.isInitial(v, 0) ? 0 : state.length;
                byte[] next = Arrays.copyOf(state, kept + v.length - 2);
                System.arraycopy(v, 2, next, kept, v.length - 2);
                state = next;
            }
        }
        return state.length == 0 && !Keys.isPage(key.hi()) ? null : state;
    }

    /** In order of key, then LSN, deltas before images, then as they were written. */
    static List<Entry> merged(Collection<Layer> layers, KeyRange keys) {
        List<Entry> out = new ArrayList<>();
        for (boolean image : new boolean[] {false, true}) {
            for (Layer l : layers) {
                if (l.name().image() == image) {
                    out.addAll(l.of(keys, 0));
                }
            }
        }
        sort(out);
        return out;
    }

    static void sort(List<Entry> entries) {
        entries.sort((a, b) -> {
            int c = a.key.compareTo(b.key);
            return c != 0 ? c : Long.compare(a.lsn, b.lsn);
        });
    }

    void flush() {
        if (open.isEmpty()) {
            flushedLsn = lastLsn;
            return;
        }
        List<Entry> sorted = new ArrayList<>(open);
        sort(sorted);
        Layer l0 = Layer.delta(KeyRange.ALL, flushedLsn + 1, lastLsn + 1, sorted);
        open.clear();
        flushedLsn = lastLsn;
        bytesWritten += l0.descriptor.size();
        replace(List.of(), List.of(l0));
    }

    /** Layers of an import, or the copy of a database: what is in them is not in the open layer. */
    void importImages(KeyRange keys, long lsn, boolean complete, List<Entry> entries) {
        assertTrue(open.isEmpty() && lsn >= flushedLsn);
        Layer l = Layer.image(keys, lsn, complete, entries);
        flushedLsn = lsn;
        lastLsn = lsn;
        bytesWritten += l.descriptor.size();
        replace(List.of(), List.of(l));
    }

    void replace(Collection<Layer> removed, Collection<Layer> added) {
        assertTrue(layers.containsAll(removed));
        for (Layer l : added) {
            assertTrue(names.add(l.name().toString()), () -> "name used again: " + l.name());
        }
        layers.removeAll(removed);
        layers.addAll(added);
        for (Layer a : added) {
            for (Layer b : layers) {
                boolean together =
                        a.name().keys().overlaps(b.name().keys())
                                && a.name().startLsn() < b.name().endLsn()
                                && b.name().startLsn() < a.name().endLsn();
                assertFalse(
                        a != b && together && a.name().image() == b.name().image(),
                        () -> "overlap: " + a.name() + " and " + b.name());
            }
        }
    }

    /** Takes over what the ancestors have up to the branch points, and leaves them. */
    void detach() {
        ModelTimeline from = ancestor;
        if (from == null) {
            return;
        }
        from.children.remove(this);
        long bound = ancestorLsn;
        List<Layer> taken = new ArrayList<>();
        for (ModelTimeline t = from; t != null; t = t.ancestor) {
            adopted.add(bound);
            adopted.addAll(t.adopted);
            List<Layer> theirs = new ArrayList<>(t.layers);
            if (!t.open.isEmpty()) {
                List<Entry> sorted = new ArrayList<>(t.open);
                sort(sorted);
                theirs.add(Layer.delta(KeyRange.ALL, t.flushedLsn + 1, t.lastLsn + 1, sorted));
            }
            for (Layer l : theirs) {
                if (l.name().endLsn() <= bound + 1) {
                    taken.add(l);
                } else if (l.name().startLsn() <= bound) {
                    long below = bound;
                    taken.add(
                            Layer.delta(
                                    l.name().keys(),
                                    l.name().startLsn(),
                                    bound + 1,
                                    l.of(KeyRange.ALL, 0).stream()
                                            .filter(e -> e.lsn <= below)
                                            .toList()));
                }
            }
            bound = Math.min(bound, t.ancestorLsn);
        }
        Collections.sort(adopted);
        ancestor = null;
        ancestorLsn = 0;
        replace(List.of(), taken);
    }
}
