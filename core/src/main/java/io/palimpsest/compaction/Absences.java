package io.palimpsest.compaction;

import io.palimpsest.base.KeyRange;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.value.Keys;
import java.util.Comparator;
import java.util.List;

/**
 * Where complete images say of a key that it is not there, by not having it. Only of keys that are
 * no pages: a page that is not there is not read, and has an image again before it is. Nor of
 * commit times and markers, which an image lacks because they are old, and which do no harm.
 */
final class Absences {
    static final long NONE = -1L;

    private final KeyRange[] keys;
    private final long[] lsns;

    /** What an image says holds for layers above this LSN. */
    private final long[] floors;

    private final int[] covering;
    private int count;
    private int next;
    private boolean any;
    private long last;

    Absences(List<LayerDescriptor> read, List<Long> adopted) {
        List<LayerDescriptor> images =
                read.stream()
                        .filter(LayerDescriptor::complete)
                        .sorted(Comparator.comparingLong(d -> d.name().startLsn() ^ Long.MIN_VALUE))
                        .toList();
        keys = new KeyRange[images.size()];
        lsns = new long[images.size()];
        floors = new long[images.size()];
        covering = new int[images.size()];
        for (int i = 0; i < lsns.length; i++) {
            keys[i] = images.get(i).name().keys();
            lsns[i] = images.get(i).name().startLsn();
            for (long a : adopted) {
                if (Long.compareUnsigned(a, lsns[i]) < 0
                        && Long.compareUnsigned(a, floors[i]) > 0) {
                    floors[i] = a;
                }
            }
        }
    }

    void startKey(long hi, long mid, long lo) {
        count = 0;
        next = 0;
        any = false;
        long kind = hi >>> 32;
        if (!Keys.isPage(hi) && kind != Keys.COMMIT_TIME && kind != Keys.MARKER) {
            for (int i = 0; i < keys.length; i++) {
                if (keys[i].contains(hi, mid, lo)) {
                    covering[count++] = i;
                }
            }
        }
    }

    /** The key has a value at the LSN; they come in order. */
    void seen(long lsn) {
        any = true;
        last = lsn;
    }

    /** The LSN of the next image that has lost its key, below this LSN (exclusive), or NONE. */
    long next(long below) {
        while (next < count && Long.compareUnsigned(lsns[covering[next]], below) < 0) {
            int i = covering[next++];
            if (any
                    && Long.compareUnsigned(last, lsns[i]) < 0
                    && Long.compareUnsigned(last, floors[i]) > 0) {
                return lsns[i];
            }
        }
        return NONE;
    }
}
