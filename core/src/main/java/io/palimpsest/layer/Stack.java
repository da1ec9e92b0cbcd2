package io.palimpsest.layer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Layers of one kind over some keys, newest first; immutable. What a search compares lies in arrays
 * of its own, small, so that it touches only the file it is after.
 *
 * <pre>
 *   all over the same keys    starts, ends   LSNs of each
 *   over some segments        spans          from (inclusive), to (exclusive), ranks of start and
 *                                            end: a byte each
 *                             starts, ends   the LSNs there are, highest first, each at its rank
 * </pre>
 */
final class Stack {
    private static final LayerFile[] NONE = {};
    private static final int SPAN = 4;
    static final Stack EMPTY = new Stack(NONE, null);

    final LayerFile[] files;
    private final long[] starts;
    private final long[] ends;
    private final byte @Nullable [] spans;

    private Stack(LayerFile[] files, byte @Nullable [] segments) {
        this.files = files;
        long[] from = new long[files.length];
        long[] to = new long[files.length];
        for (int i = 0; i < files.length; i++) {
            from[i] = files[i].startLsn();
            to[i] = files[i].endLsn();
        }
        starts = segments == null ? from : distinct(from);
        ends = segments == null ? to : distinct(to);
        spans = segments == null ? null : spans(files, segments, starts, ends);
    }

    /** The LSNs there are, each once, highest (unsigned) first. */
    private static long[] distinct(long[] lsns) {
        for (int i = 0; i < lsns.length; i++) {
            // So that signed order is what is wanted.
            lsns[i] ^= Long.MAX_VALUE;
        }
        Arrays.sort(lsns);
        int n = 0;
        for (int i = 0; i < lsns.length; i++) {
            if (i == 0 || lsns[i] != lsns[i - 1]) {
                lsns[n++] = lsns[i];
            }
        }
        long[] distinct = Arrays.copyOf(lsns, n);
        for (int i = 0; i < n; i++) {
            distinct[i] ^= Long.MAX_VALUE;
        }
        return distinct;
    }

    private static byte[] spans(LayerFile[] files, byte[] segments, long[] starts, long[] ends) {
        byte[] spans = new byte[SPAN * files.length];
        for (int i = 0; i < files.length; i++) {
            spans[SPAN * i] = segments[2 * i];
            spans[SPAN * i + 1] = segments[2 * i + 1];
            spans[SPAN * i + 2] = (byte) first(starts, 0, files[i].startLsn() + 1);
            spans[SPAN * i + 3] = (byte) first(ends, 0, files[i].endLsn() + 1);
        }
        return spans;
    }

    /** Of layers that all are over the same keys. */
    static Stack of(List<LayerFile> newestFirst) {
        return newestFirst.isEmpty() ? EMPTY : new Stack(newestFirst.toArray(NONE), null);
    }

    /**
     * Of layers over some of the segments.
     *
     * @param segments from (inclusive) and to (exclusive), two bytes a layer
     */
    static Stack of(List<LayerFile> newestFirst, byte[] segments) {
        return newestFirst.isEmpty() ? EMPTY : new Stack(newestFirst.toArray(NONE), segments);
    }

    int size() {
        return files.length;
    }

    @Nullable LayerFile at(int i) {
        return i < files.length ? files[i] : null;
    }

    /** End LSN of a layer; 0 past the last. */
    long end(int i) {
        if (i >= files.length) {
            return 0;
        }
        byte[] s = spans;
        return ends[s == null ? i : s[SPAN * i + 3]];
    }

    private long start(int i) {
        byte[] s = spans;
        return starts[s == null ? i : s[SPAN * i + 2]];
    }

    /**
     * Index of the first layer from {@code from} on that is over the segment and starts below the
     * LSN, or the size. Starts go down among those over one segment: deltas share no LSN.
     */
    int next(int from, int segment, long below) {
        byte[] s = spans;
        if (s == null) {
            return first(starts, from, below);
        }
        int rank = first(starts, 0, below);
        int i = from;
        for (int at = SPAN * i; at < s.length; at += SPAN) {
            if (s[at] <= segment && segment < s[at + 1] && rank <= s[at + 2]) {
                break;
            }
            i++;
        }
        return i;
    }

    /**
     * Index of the first LSN, from {@code from} on, that is below; they go down. Halves without
     * branching, so that the processor goes on to load what the search looks at next.
     */
    private static int first(long[] lsns, int from, long below) {
        // Most reads are of the newest.
        if (from == lsns.length || Long.compareUnsigned(lsns[from], below) < 0) {
            return from;
        }
        long signed = below + Long.MIN_VALUE;
        int last = from;
        for (int left = lsns.length - from; left > 1; ) {
            int half = left >>> 1;
            last += lsns[last + half] + Long.MIN_VALUE >= signed ? half : 0;
            left -= half;
        }
        return last + 1;
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
                    j < files.length && Long.compareUnsigned(end(j), start(i)) > 0;
                    j++) {
                if (meet(i, j)) {
                    throw Coverage.overlap(files[i], files[j]);
                }
            }
        }
    }

    private boolean meet(int i, int j) {
        byte[] s = spans;
        return s == null || s[SPAN * i] < s[SPAN * j + 1] && s[SPAN * j] < s[SPAN * i + 1];
    }

    /** Refuses a layer that shares LSNs with one here, whatever the segment. */
    void checkApart(LayerFile f) {
        for (int i = spans == null ? first(starts, 0, f.endLsn()) : 0; i < files.length; i++) {
            if (Long.compareUnsigned(start(i), f.endLsn()) < 0
                    && Long.compareUnsigned(f.startLsn(), end(i)) < 0) {
                throw Coverage.overlap(f, files[i]);
            }
            if (Long.compareUnsigned(end(i), f.startLsn()) <= 0) {
                return;
            }
        }
    }

    /** Refuses layers of another stack over part of these keys that share LSNs with one here. */
    void checkApart(Stack narrower) {
        for (int i = 0; i < narrower.size(); i++) {
            int j = first(starts, 0, narrower.end(i));
            if (j < files.length && Long.compareUnsigned(end(j), narrower.start(i)) > 0) {
                throw Coverage.overlap(narrower.files[i], files[j]);
            }
        }
    }
}
