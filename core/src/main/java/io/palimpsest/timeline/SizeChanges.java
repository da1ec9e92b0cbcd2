package io.palimpsest.timeline;

import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * When sizes of a timeline were set last, by hash of the key, so that a size once found need not be
 * looked for again ({@link KnownSizes}). Nothing is known of what was before it was opened: all may
 * have been set in that moment. One task writes, and before the last record's LSN reaches what was
 * set; who has read that LSN first then sees it here. 4 KiB once something is written, nothing
 * before.
 */
final class SizeChanges {
    private static final VarHandle LONGS = MethodHandles.arrayElementVarHandle(long[].class);
    private static final int SLOTS = 512;

    private final long openedLsn;
    private volatile long @Nullable [] slots;

    /**
     * @param openedLsn of the last record when the timeline was opened
     */
    SizeChanges(long openedLsn) {
        this.openedLsn = openedLsn;
    }

    /** Takes note of what is about to be committed. */
    void note(Modifications m) {
        for (int i = 0; i < m.count(); i++) {
            if (Keys.isSize(m.hi(i))) {
                note(m.hi(i), m.mid(i), m.lo(i), m.lsn(i));
            }
        }
    }

    private void note(long hi, long mid, long lo, long lsn) {
        long[] s = slots;
        if (s == null) {
            s = new long[SLOTS];
            Arrays.fill(s, openedLsn);
            slots = s;
        }
        int slot = slot(hi, mid, lo);
        if (Long.compareUnsigned(s[slot], lsn) < 0) {
            LONGS.setRelease(s, slot, lsn);
        }
    }

    /** The LSN at which the key's size was set last, or a later one. */
    long last(long hi, long mid, long lo) {
        long[] s = slots;
        return s == null ? openedLsn : (long) LONGS.getAcquire(s, slot(hi, mid, lo));
    }

    private static int slot(long hi, long mid, long lo) {
        return (int) KnownSizes.hash(0, hi, mid, lo) & SLOTS - 1;
    }
}
