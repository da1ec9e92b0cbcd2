package io.palimpsest.layer;

import io.palimpsest.base.Check;
import io.palimpsest.base.KeyRange;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The layers of one timeline at a moment, immutable: a reader that has it sees one consistent
 * history, whatever is flushed or compacted meanwhile. It does not hold the files open: {@link
 * #collect} and the like take hold of each while they read it, and answer STALE if one is gone,
 * which cannot be so in the timeline's current map.
 *
 * <p>Newest first: the open layer and frozen ones, then L0 deltas, which all cover all keys, then
 * the others by key ({@link Coverage}). Delta layers that have a key in common have no LSN in
 * common; a set of layers that breaks this is refused as CORRUPTION, since a read would miss
 * values.
 *
 * <p>A step to another map costs by what it changes, not by what is there: with a million layers
 * about a tenth of a millisecond.
 */
public final class LayerMap {
    public static final LayerMap EMPTY =
            new LayerMap(new OpenLayer[0], Stack.EMPTY, Coverage.EMPTY, new long[0]);

    private final OpenLayer[] memory;
    private final Stack l0;
    private final Coverage coverage;

    /** Ascending, see {@link #adopt}. */
    private final long[] adopted;

    private LayerMap(OpenLayer[] memory, Stack l0, Coverage coverage, long[] adopted) {
        this.memory = memory;
        this.l0 = l0;
        this.coverage = coverage;
        this.adopted = adopted;
    }

    /** Makes it at once, which is much faster than one by one. */
    public static LayerMap of(Collection<LayerFile> files) {
        List<LayerFile> zero = new ArrayList<>();
        List<LayerFile> deeper = new ArrayList<>(files.size());
        for (LayerFile f : files) {
            (f.name().isL0() ? zero : deeper).add(f);
        }
        zero.sort(Coverage.NEWEST_FIRST);
        LayerMap map =
                new LayerMap(EMPTY.memory, Stack.of(zero), Coverage.of(deeper), EMPTY.adopted);
        map.l0.checkApart();
        zero.forEach(map.coverage::checkApart);
        return map;
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
        return new LayerMap(more, l0, coverage, adopted);
    }

    /**
     * This of a timeline that took over an ancestor's layers up to these LSNs (inclusive,
     * ascending), one for each branch point that was crossed. A complete image tells of what lies
     * above the highest of them below its own LSN: below that is another timeline's history, of
     * which it knew nothing, and a key that is not in the image is looked for from there on.
     */
    public LayerMap adopt(long... lsns) {
        for (int i = 0; i < lsns.length; i++) {
            Check.that(
                    Long.compareUnsigned(i == 0 ? 0 : lsns[i - 1], lsns[i]) < 0,
                    "adopted LSNs are not ascending at %x",
                    lsns[i]);
        }
        return new LayerMap(memory, l0, coverage, lsns.clone());
    }

    /** The highest adopted LSN below this one, or 0. */
    static long adoptedBelow(long[] adopted, long lsn) {
        for (int i = adopted.length - 1; i >= 0; i--) {
            if (Long.compareUnsigned(adopted[i], lsn) < 0) {
                return adopted[i];
            }
        }
        return 0;
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
        List<LayerFile> zero = new ArrayList<>(Arrays.asList(l0.files));
        List<LayerFile> goes = new ArrayList<>();
        List<LayerFile> comes = new ArrayList<>();
        for (LayerFile f : old) {
            if (f.name().isL0()) {
                Check.that(zero.remove(f), "no such layer: %s", f);
            } else {
                goes.add(f);
            }
        }
        for (LayerFile f : fresh) {
            (f.name().isL0() ? zero : comes).add(f);
        }
        zero.sort(Coverage.NEWEST_FIRST);
        LayerMap next =
                new LayerMap(
                        inMemory.toArray(new OpenLayer[0]),
                        Stack.of(zero),
                        coverage.replace(goes, comes),
                        adopted);
        next.l0.checkApart();
        for (LayerFile f : fresh) {
            if (f.name().isL0()) {
                next.coverage.checkApart(f);
            } else if (!f.image()) {
                next.l0.checkApart(f);
            }
        }
        return next;
    }

    /** Open layer and frozen ones, newest first. */
    public List<OpenLayer> openLayers() {
        return Collections.unmodifiableList(Arrays.asList(memory));
    }

    /** Visits each file once: L0s, newest first, then the others by the start of their keys. */
    public void forEach(Consumer<LayerFile> visitor) {
        for (LayerFile f : l0.files) {
            visitor.accept(f);
        }
        coverage.forEach(visitor);
    }

    /** All files, in the order of {@link #forEach}. */
    public List<LayerFile> files() {
        List<LayerFile> all = new ArrayList<>(count());
        forEach(all::add);
        return all;
    }

    /** What is known of all files without opening them, in the order of {@link #forEach}. */
    public List<LayerDescriptor> layers() {
        List<LayerDescriptor> all = new ArrayList<>(count());
        forEach(f -> all.add(f.descriptor()));
        return all;
    }

    /** Number of files. */
    public int count() {
        return l0.size() + coverage.size();
    }

    /** The file of that name, or null if it is not in here. */
    public @Nullable LayerFile file(LayerName name) {
        if (!name.isL0()) {
            return coverage.find(name);
        }
        for (LayerFile f : l0.files) {
            if (f.name().equals(name)) {
                return f;
            }
        }
        return null;
    }

    /** L0 files, newest first. */
    public List<LayerFile> l0Files() {
        return Collections.unmodifiableList(Arrays.asList(l0.files));
    }

    public long l0Count() {
        return l0.size();
    }

    /**
     * The files that can hold a value of the key below the LSN (exclusive), newest end first; of an
     * image and a delta with the same end, the image.
     */
    public List<LayerFile> candidates(long hi, long mid, long lo, long below) {
        List<LayerFile> found = new ArrayList<>();
        Chunk c = coverage.chunk(hi, mid, lo);
        int s = c.segment(hi, mid, lo);
        for (Stack stack : List.of(c.images, c.narrowImages, l0, c.deltas, c.narrowDeltas)) {
            for (int i = stack.next(0, s, below);
                    i < stack.size();
                    i = stack.next(i + 1, s, below)) {
                found.add(stack.files[i]);
            }
        }
        found.sort((a, b) -> Long.compareUnsigned(b.endLsn(), a.endLsn()));
        return found;
    }

    /**
     * The newest file that can hold a value of the key below the LSN (exclusive), or null: where
     * {@link #collect} begins. Takes no memory.
     */
    public @Nullable LayerFile newest(long hi, long mid, long lo, long below) {
        Chunk c = coverage.chunk(hi, mid, lo);
        int s = c.segment(hi, mid, lo);
        Stack best = l0;
        int at = l0.next(0, s, below);
        // All are asked; an image comes before a delta with the same end.
        for (int k = 0; k < 4; k++) {
            Stack other =
                    switch (k) {
                        case 0 -> c.deltas;
                        case 1 -> c.narrowDeltas;
                        case 2 -> c.images;
                        default -> c.narrowImages;
                    };
            int i = other.next(0, s, below);
            if (i < other.size() && Long.compareUnsigned(other.end(i), best.end(at)) >= 0) {
                best = other;
                at = i;
            }
        }
        return best.at(at);
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
                int before = r.count();
                boolean complete = o.collect(r);
                r.visited(o, before);
                if (complete) {
                    return Collected.COMPLETE;
                }
                if (r.full()) {
                    return Collected.NOT_READY;
                }
            }
        }
        return collectFiles(r, mayBlock);
    }

    /**
     * Five lists, each newest first, from the top down: of the deltas on top the newest, down to
     * the next image; the image once nothing is above it.
     */
    private Collected collectFiles(Reconstruction r, boolean mayBlock) {
        Chunk chunk = coverage.chunk(r.hi(), r.mid(), r.lo());
        int s = chunk.segment(r.hi(), r.mid(), r.lo());
        int zero = 0;
        int wide = 0;
        int narrow = 0;
        int wideImage = 0;
        int narrowImage = 0;
        while (true) {
            zero = l0.next(zero, s, r.below());
            wide = chunk.deltas.next(wide, s, r.below());
            narrow = chunk.narrowDeltas.next(narrow, s, r.below());
            wideImage = chunk.images.next(wideImage, s, r.below());
            narrowImage = chunk.narrowImages.next(narrowImage, s, r.below());
            LayerFile delta =
                    newer(l0.at(zero), newer(chunk.deltas.at(wide), chunk.narrowDeltas.at(narrow)));
            LayerFile a = chunk.images.at(wideImage);
            LayerFile image = newer(a, chunk.narrowImages.at(narrowImage));
            if (image != null && (delta == null || atTop(image, delta, r.below()))) {
                if (image == a) {
                    wideImage++;
                } else {
                    narrowImage++;
                }
                Collected found = visit(image, r, 0, mayBlock);
                if (found != Collected.MORE) {
                    return found;
                }
                if (image.complete()) {
                    long next = adoptedBelow(adopted, image.startLsn());
                    if (next == 0) {
                        return Collected.MORE;
                    }
                    r.lower(next + 1);
                }
            } else if (delta != null) {
                // Down to the image if there is one, which then comes first; the rest of the delta
                // is only read if the image lacks the key.
                Collected found = visit(delta, r, image == null ? 0 : image.endLsn(), mayBlock);
                if (found != Collected.MORE) {
                    return found;
                }
            } else {
                return Collected.MORE;
            }
        }
    }

    /** Is the image as new as anything in the delta below the LSN? */
    private static boolean atTop(LayerFile image, LayerFile delta, long below) {
        long end = image.endLsn();
        return Long.compareUnsigned(end, below) >= 0
                || Long.compareUnsigned(end, delta.endLsn()) >= 0;
    }

    /** The one with the higher end, else the first. */
    private static @Nullable LayerFile newer(@Nullable LayerFile a, @Nullable LayerFile b) {
        if (a == null || b == null) {
            return a == null ? b : a;
        }
        return Long.compareUnsigned(a.endLsn(), b.endLsn()) >= 0 ? a : b;
    }

    private static Collected visit(LayerFile file, Reconstruction r, long floor, boolean mayBlock) {
        int values = r.count();
        int searches = r.searches();
        Collected found = file.search(r, floor, mayBlock);
        if (found == Collected.COMPLETE || found == Collected.MORE) {
            r.visited(file, searches, values);
        }
        return found;
    }

    /**
     * Offers the content of all keys in the range as of {@code lsn} (inclusive), from all layers
     * that can have one; the keys hold only images. May block.
     *
     * @return MORE, since an ancestor may have more, or STALE
     */
    public Collected scan(KeyRange range, long lsn, ImageScan into) {
        for (OpenLayer o : memory) {
            o.scan(range, lsn, into);
        }
        return RangeScan.run(coverage, l0, adopted, range, lsn, into);
    }
}
