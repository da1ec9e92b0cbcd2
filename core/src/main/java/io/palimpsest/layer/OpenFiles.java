package io.palimpsest.layer;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * Bounds how many layer files are open at once. A file that is opened takes a slot; if none is
 * free, that of the first file that nobody holds and nobody has used since the clock's hand last
 * passed it (second chance), which is closed until it is used again. If all are held, the file does
 * without a slot and is closed when its last reader is done. Only opening and closing come here,
 * never a read of a file that is open.
 */
final class OpenFiles {
    private final AtomicReferenceArray<@Nullable LayerFile> slots;
    private final AtomicInteger hand = new AtomicInteger();

    /** What {@link LayerFile#lastRead} counts in, as it was told last. */
    private volatile int now;

    OpenFiles(int limit) {
        slots = new AtomicReferenceArray<>(limit);
    }

    int now() {
        return now;
    }

    void now(int time) {
        now = time;
    }

    /**
     * Takes a slot for a file that was just opened and is held.
     *
     * @return its number, or -1: all are held
     */
    int take(LayerFile file) {
        int n = slots.length();
        for (int step = 0; step < 2 * n; step++) {
            int i = Math.floorMod(hand.getAndIncrement(), n);
            LayerFile before = slots.getAcquire(i);
            if ((before == null || before.evict()) && slots.compareAndSet(i, before, file)) {
                return i;
            }
        }
        return -1;
    }

    /** Gives the slot back if it is still the file's. */
    void free(int slot, LayerFile file) {
        slots.compareAndSet(slot, file, null);
    }
}
