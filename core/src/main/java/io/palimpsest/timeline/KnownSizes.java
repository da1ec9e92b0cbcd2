package io.palimpsest.timeline;

import io.palimpsest.base.Key;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * Sizes of relation forks and SLRU segments that reads have found, of all timelines of a server: so
 * many at most, whatever their number. A size holds for the LSNs from where it was set to where it
 * was asked for, and for later ones as long as nothing was set since, which the timeline's {@link
 * SizeChanges} tell.
 *
 * <p>A slot array in sets of {@value #WAYS}. Finding takes a few plain loads and no memory; a full
 * set gives up its entries in turn. Those of a timeline that is gone age out the same way.
 */
final class KnownSizes {
    /** In place of a size or -1: it is not known. */
    static final int UNKNOWN = -2;

    private static final int WAYS = 4;

    /** With 88 bytes each, 2.8 MB in all. */
    private static final int SLOTS = 1 << 15;

    /**
     * The size of an owner's key from an LSN to another, both inclusive; -1 if there is no such
     * fork.
     */
    private record Entry(
            long owner, long hi, long mid, long lo, long fromLsn, long toLsn, int size) {
        boolean isOf(long itsOwner, long itsHi, long itsMid, long itsLo) {
            return mid == itsMid && lo == itsLo && hi == itsHi && owner == itsOwner;
        }
    }

    private final AtomicReferenceArray<@Nullable Entry> slots = new AtomicReferenceArray<>(SLOTS);
    private final AtomicLong owners = new AtomicLong();

    /** Which of a full set's entries goes next; a lost update does no harm. */
    private int turn;

    /** A number for a timeline that was opened; never given twice. */
    long register() {
        return owners.incrementAndGet();
    }

    /**
     * The size at an LSN, -1 if there is no such fork, or {@link #UNKNOWN}.
     *
     * @param changedLsn at which the size was set last, or a later one
     */
    int find(long owner, long hi, long mid, long lo, long lsn, long changedLsn) {
        int set = set(owner, hi, mid, lo);
        for (int i = set; i < set + WAYS; i++) {
            Entry e = slots.getAcquire(i);
            if (e != null
                    && e.isOf(owner, hi, mid, lo)
                    && Long.compareUnsigned(e.fromLsn, lsn) <= 0
                    && (Long.compareUnsigned(lsn, e.toLsn) <= 0
                            || Long.compareUnsigned(changedLsn, e.toLsn) <= 0)) {
                return e.size;
            }
        }
        return UNKNOWN;
    }

    /** The size of a key was set at one LSN and is the same at another. */
    void learn(long owner, Key key, int size, long fromLsn, long toLsn) {
        int set = set(owner, key.hi(), key.mid(), key.lo());
        int at = -1;
        for (int i = set; i < set + WAYS; i++) {
            Entry e = slots.getAcquire(i);
            if (e == null) {
                at = at < 0 ? i : at;
            } else if (e.isOf(owner, key.hi(), key.mid(), key.lo()) && e.fromLsn == fromLsn) {
                if (Long.compareUnsigned(toLsn, e.toLsn) <= 0) {
                    return;
                }
                at = i;
                break;
            }
        }
        int way = at < 0 ? set + (turn++ & WAYS - 1) : at;
        slots.setRelease(
                way, new Entry(owner, key.hi(), key.mid(), key.lo(), fromLsn, toLsn, size));
    }

    private static int set(long owner, long hi, long mid, long lo) {
        return (int) (hash(owner, hi, mid, lo) & SLOTS / WAYS - 1) * WAYS;
    }

    static long hash(long owner, long hi, long mid, long lo) {
        long h = (owner * 0x9E3779B97F4A7C15L ^ hi) * 0xD6E8FEB86659FD93L;
        h = ((h ^ h >>> 32) + mid) * 0xD6E8FEB86659FD93L;
        h = ((h ^ h >>> 32) + lo) * 0xD6E8FEB86659FD93L;
        return h ^ h >>> 32;
    }
}
