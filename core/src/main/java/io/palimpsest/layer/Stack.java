package io.palimpsest.layer;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Layers of one kind over some keys, newest first; immutable. What a search compares lies in arrays
 * of its own, so that it touches only the file it is after.
 */
final class Stack {
    private static final LayerFile[] NONE = {};
    static final Stack EMPTY = new Stack(NONE, null);

    final LayerFile[] files;
    private final long[] starts;
    private final long[] ends;

    /**
     * Of layers over only some of a chunk's segments: from (inclusive) and to (exclusive), two
     * bytes a layer. Null if all are over all keys that this stack is for.
     */
    private final byte @Nullable [] spans;

    private Stack(LayerFile[] files, byte @Nullable [] spans) {
        this.files = files;
        this.spans = spans;
        starts = new long[files.length];
        ends = new long[files.length];
        for (int i = 0; i < files.length; i++) {
            starts[i] = files[i].startLsn();
            ends[i] = files[i].endLsn();
        }
    }

    /** Of layers that all are over the same keys. */
    static Stack of(List<LayerFile> newestFirst) {
        return newestFirst.isEmpty() ? EMPTY : new Stack(newestFirst.toArray(NONE), null);
    }

    /** Of layers over some of the segments. */
    static Stack of(List<LayerFile> newestFirst, byte[] spans) {
        return newestFirst.isEmpty() ? EMPTY : new Stack(newestFirst.toArray(NONE), spans);
    }

    int size() {
        return files.length;
    }

    @Nullable LayerFile at(int i) {
        return i < files.length ? files[i] : null;
    }

    /** End LSN of a layer; 0 past the last. */
    long end(int i) {
        return i < ends.length ? ends[i] : 0;
    }

    /**
     * Index of the first layer from {@code from} on that is over the segment and starts below the
     * LSN, or the size. Starts go down among those over one segment: deltas share no LSN.
     */
    int next(int from, int segment, long below) {
        byte[] s = spans;
        if (s == null) {
            return next(from, below);
        }
        int i = from;
        while (i < starts.length
                && (segment < s[2 * i]
                        || segment >= s[2 * i + 1]
                        || Long.compareUnsigned(starts[i], below) >= 0)) {
            i++;
        }
        return i;
    }

    private int next(int from, long below) {
        // Most reads are of the newest.
        if (from == starts.length || Long.compareUnsigned(starts[from], below) < 0) {
            return from;
        }
        int low = from + 1;
        int high = starts.length - 1;
        while (low <= high) {
            int i = low + high >>> 1;
            if (Long.compareUnsigned(starts[i], below) < 0) {
                high = i - 1;
            } else {
                low = i + 1;
            }
        }
        return low;
    }

    /** With more layers that are over the same keys. */
    Stack with(List<LayerFile> fresh) {
        if (spans == null && files.length == 0) {
            return of(fresh);
        }
        return fresh.isEmpty() ? this : change(fresh, f -> false);
    }

    /** With layers that are over the same keys as these, and without some. */
    Stack change(List<LayerFile> fresh, Predicate<LayerFile> goes) {
        List<LayerFile> next = new ArrayList<>(files.length + fresh.size());
        for (LayerFile f : files) {
            if (!goes.test(f)) {
                next.add(f);
            }
        }
        next.addAll(fresh);
        if (!fresh.isEmpty()) {
            next.sort(Coverage.NEWEST_FIRST);
        }
        return of(next);
    }

    // ---- no two deltas with a key in common share an LSN ----

    /** Refuses layers here that share LSNs and a segment. */
    void checkApart() {
        for (int i = 0; i < files.length; i++) {
            // Ends go down: what follows one that ends below lies below too.
            for (int j = i + 1;
                    j < files.length && Long.compareUnsigned(ends[j], starts[i]) > 0;
                    j++) {
                if (meet(i, j)) {
                    throw Coverage.overlap(files[i], files[j]);
                }
            }
        }
    }

    private boolean meet(int i, int j) {
        byte[] s = spans;
        return s == null || s[2 * i] < s[2 * j + 1] && s[2 * j] < s[2 * i + 1];
    }

    /** Refuses a layer that shares LSNs with one here, whatever the segment. */
    void checkApart(LayerFile f) {
        for (int i = spans == null ? next(0, f.endLsn()) : 0; i < files.length; i++) {
            if (Long.compareUnsigned(starts[i], f.endLsn()) < 0
                    && Long.compareUnsigned(f.startLsn(), ends[i]) < 0) {
                throw Coverage.overlap(f, files[i]);
            }
            if (Long.compareUnsigned(ends[i], f.startLsn()) <= 0) {
                return;
            }
        }
    }

    /** Refuses layers of another stack over part of these keys that share LSNs with one here. */
    void checkApart(Stack narrower) {
        for (int i = 0; i < narrower.size(); i++) {
            int j = next(0, narrower.ends[i]);
            if (j < files.length && Long.compareUnsigned(ends[j], narrower.starts[i]) > 0) {
                throw Coverage.overlap(narrower.files[i], files[j]);
            }
        }
    }
}
