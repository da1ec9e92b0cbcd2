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
 * segments form a chunk. What is over a key is in the chunk's four stacks: layers over all of the
 * chunk, and narrow ones, which say over which of its segments they are.
 *
 * <pre>
 *              chunk 0                          chunk 1
 *   over it    deltas, images                   deltas, images
 *   narrow     deltas 2..5, 0..1, images ...    ...
 *   segments   0 | 1 | 2 | 3 | 4                0 | 1 | 2 ...
 * </pre>
 *
 * So a layer is listed twice, where its borders are, and once for each chunk between. A change
 * makes anew the chunks that the layer overlaps, between its borders no more than one stack of
 * each, and copies the row of chunks; all else is shared with the map before. At most {@value
 * Chunk#MOST} layers begin or end within a chunk, so that a search that has found it looks at few.
 *
 * <p>Stacks are newest first. Delta layers with a key in common share no LSN, which is checked
 * where something changes.
 */
final class Coverage {
    /** A chunk that was taken apart and has fewer narrow layers joins its neighbour if it can. */
    private static final int FEW = 20;

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

    /** Where each chunk starts. */
    private final Borders starts;

    private final int size;

    /** No delta layer's end is above it. */
    private final long deltasEnd;

    private Coverage(Chunk[] chunks, Borders starts, int size, long deltasEnd) {
        this.chunks = chunks;
        this.starts = starts;
        this.size = size;
        this.deltasEnd = deltasEnd;
    }

    static Coverage of(Collection<LayerFile> files) {
        Chunk[] chunks = Chunk.build(files).toArray(new Chunk[0]);
        Borders starts = Borders.of(starts(chunks), chunks.length);
        return new Coverage(chunks, starts, files.size(), end(0, files));
    }

    private static Key[] starts(Chunk[] chunks) {
        Key[] starts = new Key[chunks.length];
        for (int i = 0; i < chunks.length; i++) {
            starts[i] = chunks[i].start;
        }
        return starts;
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
        return chunks[starts.last(hi, mid, lo)];
    }

    private int chunkIndex(Key key) {
        return starts.last(key.hi(), key.mid(), key.lo());
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
        for (Stack stack :
                name.image()
                        ? List.of(c.images, c.narrowImages)
                        : List.of(c.deltas, c.narrowDeltas)) {
            for (int i = stack.next(0, s, name.endLsn());
                    stack.end(i) == name.endLsn();
                    i = stack.next(i + 1, s, name.endLsn())) {
                if (stack.files[i].name().equals(name)) {
                    return stack.files[i];
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
        boolean joins = false;
        for (int i = from; i <= to; i++) {
            Chunk.Change change = changes[i - from];
            if (change == null) {
                append(changed, chunks[i], joins);
                joins = false;
            } else {
                boolean apart = !change.outer(chunks[i]);
                for (Chunk c : change.apply(chunks[i])) {
                    append(changed, c, joins || apart);
                }
                joins = apart;
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

    /**
     * @param joins may it become one with the chunk before: one of the two was taken apart
     */
    private static void append(List<Chunk> row, Chunk next, boolean joins) {
        if (joins && !row.isEmpty() && row.getLast().narrow() + next.narrow() <= FEW) {
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
        return new Coverage(
                row,
                starts.splice(from, to, starts(changed)),
                size - old.size() + fresh.size(),
                end(deltasEnd, fresh));
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

    static PageserverException overlap(LayerFile a, LayerFile b) {
        return PageserverException.corruption(
                "delta layers overlap: expected no LSN in both, found %s and %s",
                a.path(), b.path());
    }
}
