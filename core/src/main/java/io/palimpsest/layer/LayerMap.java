package io.palimpsest.layer;

import io.palimpsest.base.Check;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.PageserverException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The layers of one timeline at a moment, immutable: a reader that has it sees one consistent
 * history, whatever is flushed or compacted meanwhile. It does not hold the files open: {@link
 * #collect} and the like take hold of each while they read it, and answer STALE if one is gone,
 * which cannot be so in the timeline's current map.
 *
 * <p>Newest first: the open layer and frozen ones, then L0 deltas, which all cover all keys, then
 * the others through {@link Coverage}. Delta layers that have a key in common have no LSN in
 * common; a set of layers that breaks this is refused as CORRUPTION, since a read would miss
 * values.
 */
public final class LayerMap {
    public static final LayerMap EMPTY =
            new LayerMap(new OpenLayer[0], new LayerFile[0], Coverage.EMPTY);

    private static final Comparator<LayerFile> NEWEST_FIRST =
            (a, b) -> {
                int c = Long.compareUnsigned(b.name().endLsn(), a.name().endLsn());
                c = c != 0 ? c : Long.compareUnsigned(b.name().startLsn(), a.name().startLsn());
                c = c != 0 ? c : a.keys().start().compareTo(b.keys().start());
                return c != 0 ? c : a.name().toString().compareTo(b.name().toString());
            };

    private final OpenLayer[] memory;
    private final LayerFile[] l0;
    private final Coverage coverage;

    private LayerMap(OpenLayer[] memory, LayerFile[] l0, Coverage coverage) {
        this.memory = memory;
        this.l0 = l0;
        this.coverage = coverage;
    }

    public static LayerMap of(Collection<LayerFile> files) {
        return EMPTY.replace(List.of(), List.of(), files);
    }

    /**
     * This with a new open layer; the one before it is frozen from now on. They may start at the
     * same LSN if no key has values at it in both.
     */
    public LayerMap with(OpenLayer newest) {
        OpenLayer[] more = new OpenLayer[memory.length + 1];
        more[0] = newest;
        System.arraycopy(memory, 0, more, 1, memory.length);
        if (memory.length > 0) {
            Check.that(
                    Long.compareUnsigned(newest.startLsn(), memory[0].startLsn()) >= 0,
                    "open layer starts at %x, the one before it at %x",
                    newest.startLsn(),
                    memory[0].startLsn());
        }
        return new LayerMap(more, l0, coverage);
    }

    public LayerMap with(LayerFile file) {
        return replace(List.of(), List.of(), List.of(file));
    }

    public LayerMap without(OpenLayer layer) {
        return replace(List.of(layer), List.of(), List.of());
    }

    public LayerMap without(LayerFile file) {
        return replace(List.of(), List.of(file), List.of());
    }

    /** This without a frozen layer, and with the file (if any) it was flushed to. */
    public LayerMap flushed(OpenLayer frozen, Collection<LayerFile> files) {
        return replace(List.of(frozen), List.of(), files);
    }

    /** One step from old layers to new ones. What is taken away must be there. */
    public LayerMap replace(
            Collection<OpenLayer> frozen, Collection<LayerFile> old, Collection<LayerFile> fresh) {
        List<OpenLayer> inMemory = new ArrayList<>(Arrays.asList(memory));
        for (OpenLayer o : frozen) {
            Check.that(inMemory.remove(o), "no such open layer, from LSN %x", o.startLsn());
        }
        List<LayerFile> levelZero = new ArrayList<>(Arrays.asList(l0));
        List<LayerFile> deeper = new ArrayList<>(Arrays.asList(coverage.files));
        boolean same = true;
        for (LayerFile f : old) {
            boolean isL0 = f.name().isL0();
            same &= isL0;
            Check.that((isL0 ? levelZero : deeper).remove(f), "no such layer: %s", f.path());
        }
        for (LayerFile f : fresh) {
            boolean isL0 = f.name().isL0();
            same &= isL0;
            (isL0 ? levelZero : deeper).add(f);
        }
        levelZero.sort(NEWEST_FIRST);
        LayerMap next =
                new LayerMap(
                        inMemory.toArray(new OpenLayer[0]),
                        levelZero.toArray(new LayerFile[0]),
                        same ? coverage : Coverage.of(deeper));
        checkDisjoint(next.l0);
        for (LayerFile a : next.l0) {
            for (LayerFile b : next.coverage.files) {
                if (!b.image() && overlaps(a, b)) {
                    throw overlap(a, b);
                }
            }
        }
        return next;
    }

    private static void checkDisjoint(LayerFile[] deltas) {
        for (int i = 1; i < deltas.length; i++) {
            if (overlaps(deltas[i], deltas[i - 1])) {
                throw overlap(deltas[i], deltas[i - 1]);
            }
        }
    }

    private static boolean overlaps(LayerFile a, LayerFile b) {
        return Long.compareUnsigned(a.name().startLsn(), b.name().endLsn()) < 0
                && Long.compareUnsigned(b.name().startLsn(), a.name().endLsn()) < 0;
    }

    private static PageserverException overlap(LayerFile a, LayerFile b) {
        return PageserverException.corruption(
                "delta layers overlap: expected no LSN in both, found %s and %s",
                a.path(), b.path());
    }

    /** Open layer and frozen ones, newest first. */
    public List<OpenLayer> openLayers() {
        return Collections.unmodifiableList(Arrays.asList(memory));
    }

    /** All files: L0s, then the others, each newest first. */
    public List<LayerFile> files() {
        List<LayerFile> all = new ArrayList<>(Arrays.asList(l0));
        all.addAll(Arrays.asList(coverage.files));
        return all;
    }

    /** L0 files, newest first. */
    public List<LayerFile> l0Files() {
        return Collections.unmodifiableList(Arrays.asList(l0));
    }

    public long l0Count() {
        return l0.length;
    }

    /**
     * The files that can hold a value of the key below the LSN (exclusive), newest end first; of an
     * image and a delta with the same end, the image.
     */
    public List<LayerFile> candidates(long hi, long mid, long lo, long below) {
        List<LayerFile> found = new ArrayList<>();
        Segment s = coverage.find(hi, mid, lo);
        for (LayerFile[] files : List.of(s.images, l0, s.deltas)) {
            for (LayerFile f : files) {
                if (Long.compareUnsigned(f.name().startLsn(), below) < 0) {
                    found.add(f);
                }
            }
        }
        found.sort((a, b) -> Long.compareUnsigned(b.name().endLsn(), a.name().endLsn()));
        return found;
    }

    /**
     * Collects the values of {@code r}'s key below {@code r.below()} from all layers, newest first,
     * down to an initial one. COMPLETE, MORE (this timeline has no more; an ancestor may) or STALE.
     * May block.
     */
    public Collected collect(Reconstruction r) {
        return collect(r, true);
    }

    /**
     * The same without blocking, or NOT_READY; then {@link #collect(Reconstruction)} goes on with
     * the same {@code r}, unless that had a {@link Reconstruction#limit}: then with a fresh one.
     */
    public Collected tryCollect(Reconstruction r) {
        return collect(r, false);
    }

    private Collected collect(Reconstruction r, boolean mayBlock) {
        for (OpenLayer o : memory) {
            if (Long.compareUnsigned(o.startLsn(), r.below()) < 0) {
                if (o.collect(r)) {
                    return Collected.COMPLETE;
                }
                if (r.full()) {
                    return Collected.NOT_READY;
                }
            }
        }
        Segment s = coverage.find(r.hi(), r.mid(), r.lo());
        int zero = 0;
        int one = 0;
        int im = 0;
        while (true) {
            zero = skip(l0, zero, r.below());
            one = skip(s.deltas, one, r.below());
            im = skip(s.images, im, r.below());
            LayerFile delta = newer(at(l0, zero), at(s.deltas, one));
            LayerFile image = at(s.images, im);
            Collected c;
            if (image != null && (delta == null || atTop(image, delta, r.below()))) {
                im++;
                c = visit(image, r, 0, mayBlock);
            } else if (delta != null) {
                // Down to the image if there is one, which then comes first; the rest of the delta
                // is only read if the image lacks the key.
                c = visit(delta, r, image == null ? 0 : image.name().endLsn(), mayBlock);
            } else {
                return Collected.MORE;
            }
            if (c != Collected.MORE) {
                return c;
            }
        }
    }

    /** Is the image as new as anything in the delta below the LSN? */
    private static boolean atTop(LayerFile image, LayerFile delta, long below) {
        long end = image.name().endLsn();
        return Long.compareUnsigned(end, below) >= 0
                || Long.compareUnsigned(end, delta.name().endLsn()) >= 0;
    }

    private static int skip(LayerFile[] files, int from, long below) {
        int i = from;
        while (i < files.length && Long.compareUnsigned(files[i].name().startLsn(), below) >= 0) {
            i++;
        }
        return i;
    }

    private static @Nullable LayerFile at(LayerFile[] files, int i) {
        return i < files.length ? files[i] : null;
    }

    private static @Nullable LayerFile newer(@Nullable LayerFile a, @Nullable LayerFile b) {
        if (a == null || b == null) {
            return a == null ? b : a;
        }
        return Long.compareUnsigned(a.name().endLsn(), b.name().endLsn()) >= 0 ? a : b;
    }

    private static Collected visit(LayerFile file, Reconstruction r, long floor, boolean mayBlock) {
        if (!file.acquire()) {
            return Collected.STALE;
        }
        try {
            return file.search(r, floor, mayBlock);
        } finally {
            file.release();
        }
    }

    /**
     * Offers the content of all keys in the range as of {@code lsn} (inclusive), from all layers;
     * the keys hold only images. May block.
     *
     * @return MORE, since an ancestor may have more, or STALE
     */
    public Collected scan(KeyRange range, long lsn, ImageScan into) {
        for (OpenLayer o : memory) {
            o.scan(range, lsn, into);
        }
        for (LayerFile[] files : List.of(l0, coverage.files)) {
            for (LayerFile f : files) {
                if (!f.keys().overlaps(range)) {
                    continue;
                }
                if (!f.acquire()) {
                    return Collected.STALE;
                }
                try {
                    f.scan(range, lsn, into);
                } finally {
                    f.release();
                }
            }
        }
        return Collected.MORE;
    }

    /** The layers over a stretch of keys within which no layer begins or ends; newest first. */
    private record Segment(LayerFile[] deltas, LayerFile[] images) {
        static final Segment NONE = new Segment(new LayerFile[0], new LayerFile[0]);
    }

    /**
     * Layers that do not cover all keys, by key: the borders of all of them cut the keys into
     * segments, and each has its own list. Finding one is a binary search; the price is that a
     * layer is listed once for each segment it spans (about as many as there are layers stacked
     * above each other), and that all of it is built anew when a layer comes or goes that is not an
     * L0. That holds for tens of thousands of layers; beyond, a persistent tree takes its place.
     */
    private static final class Coverage {
        static final Coverage EMPTY = new Coverage(new LayerFile[0], new Key[0], new Segment[0]);

        final LayerFile[] files;
        private final Key[] borders;

        /** {@code segments[i]} is from border i to the next. */
        private final Segment[] segments;

        private Coverage(LayerFile[] files, Key[] borders, Segment[] segments) {
            this.files = files;
            this.borders = borders;
            this.segments = segments;
        }

        static Coverage of(List<LayerFile> unsorted) {
            LayerFile[] files = unsorted.toArray(new LayerFile[0]);
            Arrays.sort(files, NEWEST_FIRST);
            Key[] all = new Key[files.length * 2];
            for (int i = 0; i < files.length; i++) {
                all[2 * i] = files[i].keys().start();
                all[2 * i + 1] = files[i].keys().end();
            }
            Arrays.sort(all);
            int n = 0;
            for (Key k : all) {
                if (n == 0 || !all[n - 1].equals(k)) {
                    all[n++] = k;
                }
            }
            Key[] borders = Arrays.copyOf(all, n);
            List<List<LayerFile>> deltas = new ArrayList<>();
            List<List<LayerFile>> images = new ArrayList<>();
            for (int i = 0; i < n; i++) {
                deltas.add(new ArrayList<>(2));
                images.add(new ArrayList<>(2));
            }
            for (LayerFile f : files) {
                int from = Arrays.binarySearch(borders, f.keys().start());
                int to = Arrays.binarySearch(borders, f.keys().end());
                for (int i = from; i < to; i++) {
                    (f.image() ? images : deltas).get(i).add(f);
                }
            }
            Segment[] segments = new Segment[n];
            for (int i = 0; i < n; i++) {
                segments[i] =
                        new Segment(
                                deltas.get(i).toArray(new LayerFile[0]),
                                images.get(i).toArray(new LayerFile[0]));
                checkDisjoint(segments[i].deltas);
            }
            return new Coverage(files, borders, segments);
        }

        Segment find(long hi, long mid, long lo) {
            int low = 0;
            int high = borders.length - 1;
            while (low <= high) {
                int i = low + high >>> 1;
                Key k = borders[i];
                if (Key.compare(k.hi(), k.mid(), k.lo(), hi, mid, lo) <= 0) {
                    low = i + 1;
                } else {
                    high = i - 1;
                }
            }
            return high < 0 ? Segment.NONE : segments[high];
        }
    }
}
