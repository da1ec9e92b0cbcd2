package io.palimpsest.layer;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.PageserverException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Layer files by key, immutable: the borders of the layers cut the keys into segments, neighbouring
 * segments form a chunk. A layer that covers all of a chunk is listed there once, any other in the
 * segments it covers, so what lies over a key is in two pairs of lists:
 *
 * <pre>
 *            chunk 0                         chunk 1
 *   over it: deltas, images         over it: deltas, images
 *   | segment | segment | ...      | segment | segment | ...       each: deltas, images
 * </pre>
 *
 * A change makes anew the chunks that the layer overlaps, of a wide layer mostly no more than their
 * outer lists, and copies the row of chunks; all else is shared with the map before. Chunks hold 64
 * segments when made in bulk, {@value Chunk#MOST} at most.
 *
 * <p>Lists are newest first. Delta layers with a key in common share no LSN, which is checked where
 * something changes.
 */
final class Coverage {
    /** Neighbours that have no more segments than this together become one. */
    private static final int FEW = 32;

    static final LayerFile[] NONE = {};

    static final Comparator<LayerFile> NEWEST_FIRST =
            (a, b) -> {
                int c = Long.compareUnsigned(b.endLsn(), a.endLsn());
                c = c != 0 ? c : Long.compareUnsigned(b.startLsn(), a.startLsn());
                c = c != 0 ? c : a.keys().start().compareTo(b.keys().start());
                c = c != 0 ? c : a.keys().end().compareTo(b.keys().end());
                return c != 0 ? c : a.name().toString().compareTo(b.name().toString());
            };

    static final Comparator<LayerFile> BY_START =
            (a, b) -> {
                int c = a.keys().start().compareTo(b.keys().start());
                return c != 0 ? c : NEWEST_FIRST.compare(a, b);
            };

    static final Coverage EMPTY = of(List.of());

    private final Chunk[] chunks;

    /** Where each chunk starts, three longs each. */
    private final long[] starts;

    private final int size;

    /** No delta layer's end is above it. */
    private final long deltasEnd;

    private Coverage(Chunk[] chunks, long[] starts, int size, long deltasEnd) {
        this.chunks = chunks;
        this.starts = starts;
        this.size = size;
        this.deltasEnd = deltasEnd;
    }

    static Coverage of(Collection<LayerFile> files) {
        Chunk[] chunks = Chunk.build(Key.MIN, Key.MAX, files).toArray(new Chunk[0]);
        return new Coverage(chunks, starts(chunks), files.size(), end(0, files));
    }

    private static long[] starts(Chunk[] chunks) {
        long[] starts = new long[3 * chunks.length];
        for (int i = 0; i < chunks.length; i++) {
            put(starts, i, chunks[i].start);
        }
        return starts;
    }

    static void put(long[] keys, int i, Key key) {
        keys[3 * i] = key.hi();
        keys[3 * i + 1] = key.mid();
        keys[3 * i + 2] = key.lo();
    }

    private static long end(long least, Collection<LayerFile> files) {
        long end = least;
        for (LayerFile f : files) {
            if (!f.image() && Long.compareUnsigned(f.endLsn(), end) > 0) {
                end = f.endLsn();
            }
        }
        return end;
    }

    /** Number of layers. */
    int size() {
        return size;
    }

    // ---- finding ----

    Chunk chunk(long hi, long mid, long lo) {
        return chunks[last(starts, hi, mid, lo)];
    }

    /** Index of the last of the keys (three longs each) at or below this one; the first is. */
    static int last(long[] keys, long hi, long mid, long lo) {
        int low = 1;
        int high = keys.length / 3 - 1;
        while (low <= high) {
            int i = low + high >>> 1;
            if (Key.compare(keys[3 * i], keys[3 * i + 1], keys[3 * i + 2], hi, mid, lo) <= 0) {
                low = i + 1;
            } else {
                high = i - 1;
            }
        }
        return low - 1;
    }

    private int chunkIndex(Key key) {
        return last(starts, key.hi(), key.mid(), key.lo());
    }

    /** Index of the last chunk with a key of the range. */
    private int lastChunk(KeyRange keys) {
        int i = chunkIndex(keys.end());
        return i > 0 && chunks[i].start.equals(keys.end()) ? i - 1 : i;
    }

    /** Each layer once: by the start of its keys, then newest first. */
    void forEach(Consumer<LayerFile> visitor) {
        for (Chunk c : chunks) {
            c.forEachStart(visitor);
        }
    }

    /** Goes through the segments that overlap the range, in order. */
    void forEachSegment(KeyRange range, SegmentVisitor visitor) {
        int to = lastChunk(range);
        for (int i = chunkIndex(range.start()); i <= to; i++) {
            Chunk c = chunks[i];
            for (int s = 0; s < c.segments(); s++) {
                Key start = c.segmentStart(s);
                Key end = c.segmentEnd(s);
                if (start.compareTo(range.end()) < 0 && range.start().compareTo(end) < 0) {
                    visitor.visit(start, end, c, s);
                }
            }
        }
    }

    /** Receives a segment: keys from start (inclusive) to end (exclusive). */
    interface SegmentVisitor {
        void visit(Key start, Key end, Chunk chunk, int segment);
    }

    @Nullable LayerFile find(LayerName name) {
        Key start = name.keys().start();
        Chunk c = chunk(start.hi(), start.mid(), start.lo());
        int s = c.segment(start.hi(), start.mid(), start.lo());
        for (LayerFile[] files :
                name.image()
                        ? new LayerFile[][] {c.images, c.segmentImages[s]}
                        : new LayerFile[][] {c.deltas, c.segmentDeltas[s]}) {
            for (LayerFile f : files) {
                if (f.name().equals(name)) {
                    return f;
                }
            }
        }
        return null;
    }

    // ---- changing ----

    /** This without some layers, which must be here, and with others. */
    Coverage replace(Collection<LayerFile> old, Collection<LayerFile> fresh) {
        if (old.isEmpty() && fresh.isEmpty()) {
            return this;
        }
        int from = chunks.length;
        int to = -1;
        for (Collection<LayerFile> files : List.of(old, fresh)) {
            for (LayerFile f : files) {
                from = Math.min(from, chunkIndex(f.keys().start()));
                to = Math.max(to, lastChunk(f.keys()));
            }
        }
        // One more on each side, with which what is left of a chunk may have to be joined.
        from = Math.max(0, from - 1);
        to = Math.min(chunks.length - 1, to + 1);
        Chunk.Change[] changes = new Chunk.Change[to - from + 1];
        for (LayerFile f : old) {
            note(changes, from, f, true);
        }
        for (LayerFile f : fresh) {
            note(changes, from, f, false);
        }
        List<Chunk> changed = new ArrayList<>();
        for (int i = from; i <= to; i++) {
            Chunk.Change change = changes[i - from];
            if (change == null) {
                append(changed, chunks[i]);
            } else {
                change.apply(chunks[i]).forEach(c -> append(changed, c));
            }
        }
        return with(changed.toArray(new Chunk[0]), from, to + 1, old, fresh);
    }

    private void note(Chunk.@Nullable Change[] changes, int from, LayerFile f, boolean goes) {
        int to = lastChunk(f.keys());
        for (int i = chunkIndex(f.keys().start()); i <= to; i++) {
            Chunk.Change change = changes[i - from];
            if (change == null) {
                change = new Chunk.Change();
                changes[i - from] = change;
            }
            (goes ? change.old : change.fresh).add(f);
        }
    }

    private static void append(List<Chunk> row, Chunk next) {
        if (!row.isEmpty() && row.getLast().segments() + next.segments() <= FEW) {
            row.addAll(Chunk.join(row.removeLast(), next));
        } else {
            row.add(next);
        }
    }

    /** This with other chunks in place of those from {@code from} to {@code to} (exclusive). */
    private Coverage with(
            Chunk[] changed,
            int from,
            int to,
            Collection<LayerFile> old,
            Collection<LayerFile> fresh) {
        int after = chunks.length - to;
        Chunk[] row = Arrays.copyOf(chunks, from + changed.length + after);
        System.arraycopy(changed, 0, row, from, changed.length);
        System.arraycopy(chunks, to, row, from + changed.length, after);
        long[] keys = Arrays.copyOf(starts, 3 * row.length);
        System.arraycopy(starts(changed), 0, keys, 3 * from, 3 * changed.length);
        System.arraycopy(starts, 3 * to, keys, 3 * (from + changed.length), 3 * after);
        return new Coverage(row, keys, size - old.size() + fresh.size(), end(deltasEnd, fresh));
    }

    // ---- checking ----

    /** Refuses an L0 that shares LSNs with a delta layer here: it shares all its keys. */
    void checkApart(LayerFile l0) {
        if (Long.compareUnsigned(l0.startLsn(), deltasEnd) >= 0) {
            return;
        }
        for (Chunk c : chunks) {
            c.checkApart(l0);
        }
    }

    /** Refuses deltas that share LSNs; newest first. */
    static void checkApart(LayerFile[] deltas) {
        for (int i = 1; i < deltas.length; i++) {
            checkApart(deltas[i], deltas[i - 1]);
        }
    }

    /** The same of a delta and any of others that share none among themselves, newest first. */
    static void checkApart(LayerFile delta, LayerFile[] deltas) {
        int i = first(deltas, 0, delta.endLsn());
        if (i < deltas.length) {
            checkApart(delta, deltas[i]);
        }
    }

    static void checkApart(LayerFile a, LayerFile b) {
        if (Long.compareUnsigned(a.startLsn(), b.endLsn()) < 0
                && Long.compareUnsigned(b.startLsn(), a.endLsn()) < 0) {
            throw PageserverException.corruption(
                    "delta layers overlap: expected no LSN in both, found %s and %s",
                    a.path(), b.path());
        }
    }

    /**
     * Index of the first layer from {@code from} on that starts below the LSN; the list is newest
     * first, and starts go down in it (deltas that share no LSN, or images).
     */
    static int first(LayerFile[] files, int from, long below) {
        // Most reads are of the newest.
        if (from == files.length || Long.compareUnsigned(files[from].startLsn(), below) < 0) {
            return from;
        }
        int low = from + 1;
        int high = files.length - 1;
        while (low <= high) {
            int i = low + high >>> 1;
            if (Long.compareUnsigned(files[i].startLsn(), below) < 0) {
                high = i - 1;
            } else {
                low = i + 1;
            }
        }
        return low;
    }
}
