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
    /** Borders of layers within a chunk, at most; a segment's number fits a byte. */
    static final int MOST = 120;

    /** Borders of the chunks that a larger one falls into, and of those made in bulk. */
    private static final int FILL = 80;

    final Key start;
    final Key end;

    /** Over all of the chunk. */
    final Stack deltas;

    final Stack images;

    /** Over some of its segments. */
    final Stack narrowDeltas;

    final Stack narrowImages;

    /** Where each segment starts. */
    private final Borders starts;

    private Chunk(
            Key start,
            Key end,
            Stack deltas,
            Stack images,
            Stack narrowDeltas,
            Stack narrowImages,
            Borders starts) {
        this.start = start;
        this.end = end;
        this.deltas = deltas;
        this.images = images;
        this.narrowDeltas = narrowDeltas;
        this.narrowImages = narrowImages;
        this.starts = starts;
    }

    int segments() {
        return starts.size();
    }

    int segment(long hi, long mid, long lo) {
        return starts.last(hi, mid, lo);
    }

    Key segmentStart(int s) {
        return starts.key(s);
    }

    Key segmentEnd(int s) {
        return s + 1 < segments() ? segmentStart(s + 1) : end;
    }

    /** Layers over part of it. */
    int narrow() {
        return narrowDeltas.size() + narrowImages.size();
    }

    private boolean within(LayerFile f) {
        return f.keys().start().compareTo(start) <= 0 && end.compareTo(f.keys().end()) <= 0;
    }

    /** Visits the layers whose keys start here, by their start, then newest first. */
    void forEachStart(Consumer<LayerFile> visitor) {
        List<LayerFile> found = new ArrayList<>(narrow());
        for (Stack stack : List.of(deltas, images, narrowDeltas, narrowImages)) {
            for (LayerFile f : stack.files) {
                if (f.keys().start().compareTo(start) >= 0) {
                    found.add(f);
                }
            }
        }
        found.sort(Coverage.BY_START);
        found.forEach(visitor);
    }

    /** Refuses an L0 that shares LSNs with a delta layer here. */
    void checkApart(LayerFile l0) {
        deltas.checkApart(l0);
        narrowDeltas.checkApart(l0);
    }

    // ---- changing ----

    /** The layers over a chunk that go and that come. */
    static final class Change {
        final List<LayerFile> old = new ArrayList<>();
        final List<LayerFile> fresh = new ArrayList<>();

        /** Is it done without taking the chunk apart? */
        boolean outer(Chunk c) {
            return old.stream().allMatch(c::within) && fresh.stream().allMatch(c::within);
        }

        /** The chunk, or the chunks it falls into, with this done. */
        List<Chunk> apply(Chunk c) {
            Set<LayerFile> going = new HashSet<>(old);
            Stack deltas = c.deltas.change(wide(c, false), going::contains);
            Stack images = c.images.change(wide(c, true), going::contains);
            List<LayerFile> narrow = new ArrayList<>(c.narrow() + fresh.size());
            narrow.addAll(Arrays.asList(c.narrowDeltas.files));
            narrow.addAll(Arrays.asList(c.narrowImages.files));
            narrow.removeIf(going::contains);
            for (LayerFile f : fresh) {
                if (!c.within(f)) {
                    narrow.add(f);
                }
            }
            int before = c.deltas.size() + c.images.size() + c.narrow() + fresh.size();
            Check.that(
                    before - deltas.size() - images.size() - narrow.size() == old.size(),
                    "no such layers among %s",
                    old);
            if (!outer(c)) {
                return build(c.start, c.end, deltas, images, narrow);
            }
            for (LayerFile f : fresh) {
                if (!f.image()) {
                    c.narrowDeltas.checkApart(f);
                }
            }
            deltas.checkApart();
            return List.of(
                    new Chunk(
                            c.start,
                            c.end,
                            deltas,
                            images,
                            c.narrowDeltas,
                            c.narrowImages,
                            c.starts));
        }

        private List<LayerFile> wide(Chunk c, boolean image) {
            List<LayerFile> wide = new ArrayList<>();
            for (LayerFile f : fresh) {
                if (f.image() == image && c.within(f)) {
                    wide.add(f);
                }
            }
            return wide;
        }
    }

    /** Two neighbours as one, or as they were if there is too much over them. */
    static List<Chunk> join(Chunk a, Chunk b) {
        List<LayerFile> narrow = new ArrayList<>();
        List<LayerFile> deltas = new ArrayList<>();
        List<LayerFile> images = new ArrayList<>();
        for (Stack stack : List.of(a.deltas, a.images, a.narrowDeltas, a.narrowImages)) {
            for (LayerFile f : stack.files) {
                if (a.within(f) && b.within(f)) {
                    (f.image() ? images : deltas).add(f);
                } else {
                    narrow.add(f);
                }
            }
        }
        for (Stack stack : List.of(b.deltas, b.images, b.narrowDeltas, b.narrowImages)) {
            for (LayerFile f : stack.files) {
                if (f.keys().start().compareTo(b.start) >= 0) {
                    narrow.add(f);
                }
            }
        }
        if (2 * narrow.size() > FILL) {
            return List.of(a, b);
        }
        return build(a.start, b.end, Stack.of(deltas), Stack.of(images), narrow);
    }

    // ---- building ----

    /** The chunks over all keys. */
    static List<Chunk> build(Collection<LayerFile> files) {
        return build(Key.MIN, Key.MAX, Stack.EMPTY, Stack.EMPTY, files);
    }

    /**
     * The chunks over a range of keys, of layers that cover all of it and of others that overlap
     * it.
     */
    private static List<Chunk> build(
            Key start, Key end, Stack deltas, Stack images, Collection<LayerFile> others) {
        LayerFile[] byStart = others.toArray(new LayerFile[0]);
        Arrays.sort(byStart, Coverage.BY_START);
        Key[] borders = borders(start, end, byStart);
        List<Chunk> built = new ArrayList<>();
        // What overlaps the current chunk, newest first.
        List<LayerFile> active = new ArrayList<>();
        int next = 0;
        int from = 0;
        while (from < borders.length - 1) {
            int to = cut(borders, from);
            Key first = borders[from];
            Key last = borders[to];
            active.removeIf(f -> f.keys().end().compareTo(first) <= 0);
            while (next < byStart.length && byStart[next].keys().start().compareTo(last) < 0) {
                LayerFile f = byStart[next++];
                int at = Collections.binarySearch(active, f, Coverage.NEWEST_FIRST);
                Check.that(at < 0, "twice the same layer: %s", f);
                active.add(~at, f);
            }
            built.add(build(borders, from, to, deltas, images, active));
            from = to;
        }
        return built;
    }

    /** The start, the keys within at which a layer begins or ends, as often as it does, the end. */
    private static Key[] borders(Key start, Key end, LayerFile[] files) {
        Key[] keys = new Key[2 * files.length + 2];
        int n = 0;
        keys[n++] = start;
        for (LayerFile f : files) {
            if (start.compareTo(f.keys().start()) < 0) {
                keys[n++] = f.keys().start();
            }
            if (f.keys().end().compareTo(end) < 0) {
                keys[n++] = f.keys().end();
            }
        }
        Arrays.sort(keys, 1, n);
        keys[n++] = end;
        return Arrays.copyOf(keys, n);
    }

    /**
     * Where the chunk that starts at a border ends, so that few layers begin or end within: those
     * that do at its ends do not count, so a key where many do is an end.
     */
    private static int cut(Key[] borders, int from) {
        int left = borders.length - 2 - from;
        if (left <= MOST) {
            return borders.length - 1;
        }
        int within = 0;
        // Equal ones at the start itself are not within.
        int i = skip(borders, from);
        while (i < borders.length - 1) {
            int next = skip(borders, i);
            if (within + (next - i) > FILL) {
                return i;
            }
            within += next - i;
            i = next;
        }
        return borders.length - 1;
    }

    /** Index of the next border that is another key. */
    private static int skip(Key[] borders, int i) {
        int next = i + 1;
        while (next < borders.length && borders[next].equals(borders[i])) {
            next++;
        }
        return next;
    }

    private static Chunk build(
            Key[] borders, int from, int to, Stack deltas, Stack images, List<LayerFile> active) {
        Key start = borders[from];
        Key end = borders[to];
        Key[] keys = new Key[to - from];
        int segments = 0;
        for (int i = from; i < to; i = skip(borders, i)) {
            keys[segments++] = borders[i];
        }
        List<List<LayerFile>> wide = List.of(new ArrayList<>(), new ArrayList<>());
        List<List<LayerFile>> narrow = List.of(new ArrayList<>(), new ArrayList<>());
        byte[][] spans = new byte[2][2 * active.size()];
        for (LayerFile f : active) {
            int kind = f.image() ? 1 : 0;
            Key first = f.keys().start();
            Key last = f.keys().end();
            boolean before = first.compareTo(start) <= 0;
            boolean past = end.compareTo(last) <= 0;
            if (before && past) {
                wide.get(kind).add(f);
            } else {
                int at = 2 * narrow.get(kind).size();
                narrow.get(kind).add(f);
                spans[kind][at] =
                        (byte) (before ? 0 : Arrays.binarySearch(keys, 0, segments, first));
                spans[kind][at + 1] =
                        (byte) (past ? segments : Arrays.binarySearch(keys, 0, segments, last));
            }
        }
        Chunk c =
                new Chunk(
                        start,
                        end,
                        deltas.with(wide.get(0)),
                        images.with(wide.get(1)),
                        narrow(narrow.get(0), spans[0]),
                        narrow(narrow.get(1), spans[1]),
                        Borders.of(keys, segments));
        c.deltas.checkApart();
        c.narrowDeltas.checkApart();
        c.deltas.checkApart(c.narrowDeltas);
        return c;
    }

    private static Stack narrow(List<LayerFile> files, byte[] spans) {
        return Stack.of(files, Arrays.copyOf(spans, 2 * files.size()));
    }
}
