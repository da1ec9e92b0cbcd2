package io.palimpsest.layer;

import io.palimpsest.base.Check;
import io.palimpsest.base.Key;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Neighbouring segments of a {@link Coverage} and what lies over them; immutable. Which layers are
 * listed where depends only on the layers and on the keys from {@code start} to {@code end}.
 */
final class Chunk {
    static final int MOST = 128;
    private static final int FILL = MOST / 2;

    final Key start;
    final Key end;

    /** Over all of the chunk, newest first. */
    final LayerFile[] deltas;

    final LayerFile[] images;

    /** Over all of a segment, but not of the chunk, newest first. */
    final LayerFile[][] segmentDeltas;

    final LayerFile[][] segmentImages;

    /** Where each segment starts, three longs each. */
    private final long[] starts;

    private Chunk(
            Key start,
            Key end,
            LayerFile[] deltas,
            LayerFile[] images,
            long[] starts,
            LayerFile[][] segmentDeltas,
            LayerFile[][] segmentImages) {
        this.start = start;
        this.end = end;
        this.deltas = deltas;
        this.images = images;
        this.starts = starts;
        this.segmentDeltas = segmentDeltas;
        this.segmentImages = segmentImages;
        Coverage.checkApart(deltas);
        for (int s = 0; s < segments(); s++) {
            Coverage.checkApart(segmentDeltas[s]);
            for (LayerFile f : segmentDeltas[s]) {
                if (firstSeen(f, s)) {
                    Coverage.checkApart(f, deltas);
                }
            }
        }
    }

    int segments() {
        return segmentDeltas.length;
    }

    int segment(long hi, long mid, long lo) {
        return Coverage.last(starts, hi, mid, lo);
    }

    Key segmentStart(int s) {
        return new Key(starts[3 * s], starts[3 * s + 1], starts[3 * s + 2]);
    }

    Key segmentEnd(int s) {
        return s + 1 < segments() ? segmentStart(s + 1) : end;
    }

    /** Is this the first segment here that lists the layer, going up? */
    private boolean firstSeen(LayerFile f, int s) {
        return s == 0 || startsAt(f, s);
    }

    private boolean startsAt(LayerFile f, int s) {
        Key k = f.keys().start();
        return k.mid() == starts[3 * s + 1]
                && k.lo() == starts[3 * s + 2]
                && k.hi() == starts[3 * s];
    }

    /** Visits the layers whose keys start here, by their start, then newest first. */
    void forEachStart(Consumer<LayerFile> visitor) {
        List<LayerFile> found = new ArrayList<>();
        for (int s = 0; s < segments(); s++) {
            for (LayerFile[] files :
                    s == 0 ? new LayerFile[][] {deltas, images} : new LayerFile[0][]) {
                addStarting(files, s, found);
            }
            addStarting(segmentDeltas[s], s, found);
            addStarting(segmentImages[s], s, found);
            found.sort(Coverage.NEWEST_FIRST);
            found.forEach(visitor);
            found.clear();
        }
    }

    private void addStarting(LayerFile[] files, int s, List<LayerFile> into) {
        for (LayerFile f : files) {
            if (startsAt(f, s)) {
                into.add(f);
            }
        }
    }

    /** All layers that are listed here, each once. */
    private List<LayerFile> files() {
        List<LayerFile> all = new ArrayList<>(Arrays.asList(deltas));
        all.addAll(Arrays.asList(images));
        for (int s = 0; s < segments(); s++) {
            for (LayerFile f : segmentDeltas[s]) {
                if (firstSeen(f, s)) {
                    all.add(f);
                }
            }
            for (LayerFile f : segmentImages[s]) {
                if (firstSeen(f, s)) {
                    all.add(f);
                }
            }
        }
        return all;
    }

    /** Refuses an L0 that shares LSNs with a delta layer here. */
    void checkApart(LayerFile l0) {
        Coverage.checkApart(l0, deltas);
        for (LayerFile[] list : segmentDeltas) {
            Coverage.checkApart(l0, list);
        }
    }

    private boolean within(LayerFile f) {
        return f.keys().start().compareTo(start) <= 0 && end.compareTo(f.keys().end()) <= 0;
    }

    // ---- changing ----

    /** The layers over a chunk that go and that come. */
    static final class Change {
        final List<LayerFile> old = new ArrayList<>();
        final List<LayerFile> fresh = new ArrayList<>();

        /** The chunk, or the chunks it falls into, with this done. */
        List<Chunk> apply(Chunk c) {
            if (old.stream().allMatch(c::within) && fresh.stream().allMatch(c::within)) {
                return List.of(
                        new Chunk(
                                c.start,
                                c.end,
                                list(changed(Arrays.asList(c.deltas), false)),
                                list(changed(Arrays.asList(c.images), true)),
                                c.starts,
                                c.segmentDeltas,
                                c.segmentImages));
            }
            List<LayerFile> files = c.files();
            Set<LayerFile> going = new HashSet<>(old);
            int before = files.size();
            files.removeIf(going::contains);
            Check.that(before - files.size() == old.size(), "no such layers among %s", old);
            files.addAll(fresh);
            return build(c.start, c.end, files);
        }

        private List<LayerFile> changed(List<LayerFile> files, boolean image) {
            List<LayerFile> next = new ArrayList<>(files);
            for (LayerFile f : old) {
                Check.that(f.image() != image || next.remove(f), "no such layer: %s", f);
            }
            for (LayerFile f : fresh) {
                if (f.image() == image) {
                    next.add(f);
                }
            }
            next.sort(Coverage.NEWEST_FIRST);
            return next;
        }
    }

    /** Two neighbours as one. */
    static List<Chunk> join(Chunk a, Chunk b) {
        List<LayerFile> files = a.files();
        for (LayerFile f : b.files()) {
            if (f.keys().start().compareTo(b.start) >= 0) {
                files.add(f);
            }
        }
        return build(a.start, b.end, files);
    }

    // ---- building ----

    /** The chunks over a range of keys, of the layers that overlap it. */
    static List<Chunk> build(Key start, Key end, Collection<LayerFile> files) {
        LayerFile[] byStart = files.toArray(Coverage.NONE);
        Arrays.sort(byStart, Coverage.BY_START);
        Key[] borders = borders(start, end, byStart);
        int n = borders.length - 1;
        int chunks = n <= MOST ? 1 : (n + FILL - 1) / FILL;
        List<Chunk> built = new ArrayList<>(chunks);
        // What overlaps the current chunk, newest first.
        List<LayerFile> active = new ArrayList<>();
        int next = 0;
        for (int i = 0; i < chunks; i++) {
            int from = (int) ((long) n * i / chunks);
            int to = (int) ((long) n * (i + 1) / chunks);
            active.removeIf(f -> f.keys().end().compareTo(borders[from]) <= 0);
            for (;
                    next < byStart.length
                            && byStart[next].keys().start().compareTo(borders[to]) < 0;
                    next++) {
                LayerFile f = byStart[next];
                int at = Collections.binarySearch(active, f, Coverage.NEWEST_FIRST);
                Check.that(at < 0, "twice the same layer: %s", f);
                active.add(~at, f);
            }
            built.add(build(borders, from, to, active));
        }
        return built;
    }

    /** The keys where segments start, and the end. */
    private static Key[] borders(Key start, Key end, LayerFile[] files) {
        Key[] keys = new Key[2 * files.length + 2];
        int n = 0;
        keys[n++] = start;
        keys[n++] = end;
        for (LayerFile f : files) {
            for (Key k : new Key[] {f.keys().start(), f.keys().end()}) {
                if (start.compareTo(k) < 0 && k.compareTo(end) < 0) {
                    keys[n++] = k;
                }
            }
        }
        Arrays.sort(keys, 0, n);
        int unique = 0;
        for (int i = 0; i < n; i++) {
            if (unique == 0 || !keys[unique - 1].equals(keys[i])) {
                keys[unique++] = keys[i];
            }
        }
        return Arrays.copyOf(keys, unique);
    }

    private static Chunk build(Key[] borders, int from, int to, List<LayerFile> active) {
        int n = to - from;
        List<LayerFile> deltas = new ArrayList<>();
        List<LayerFile> images = new ArrayList<>();
        List<List<LayerFile>> segmentDeltas = lists(n);
        List<List<LayerFile>> segmentImages = lists(n);
        for (LayerFile f : active) {
            int first = at(borders, from, to, f.keys().start(), from);
            int last = at(borders, from, to, f.keys().end(), to);
            if (first == from && last == to) {
                (f.image() ? images : deltas).add(f);
            } else {
                for (int s = first - from; s < last - from; s++) {
                    (f.image() ? segmentImages : segmentDeltas).get(s).add(f);
                }
            }
        }
        long[] starts = new long[3 * n];
        for (int s = 0; s < n; s++) {
            Coverage.put(starts, s, borders[from + s]);
        }
        return new Chunk(
                borders[from],
                borders[to],
                list(deltas),
                list(images),
                starts,
                arrays(segmentDeltas),
                arrays(segmentImages));
    }

    /** Index of a border, or {@code outside} if the key lies out of the chunk. */
    private static int at(Key[] borders, int from, int to, Key key, int outside) {
        if (key.compareTo(borders[from]) <= 0 || key.compareTo(borders[to]) >= 0) {
            return outside;
        }
        return Arrays.binarySearch(borders, from, to, key);
    }

    private static List<List<LayerFile>> lists(int n) {
        List<List<LayerFile>> lists = new ArrayList<>(n);
        for (int i = 0; i < n; i++) {
            lists.add(new ArrayList<>(4));
        }
        return lists;
    }

    private static LayerFile[][] arrays(List<List<LayerFile>> lists) {
        LayerFile[][] arrays = new LayerFile[lists.size()][];
        for (int i = 0; i < arrays.length; i++) {
            arrays[i] = list(lists.get(i));
        }
        return arrays;
    }

    private static LayerFile[] list(List<LayerFile> files) {
        return files.isEmpty() ? Coverage.NONE : files.toArray(Coverage.NONE);
    }
}
