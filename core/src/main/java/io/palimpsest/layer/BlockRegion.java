package io.palimpsest.layer;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * Decoded blocks, bounded in bytes. A slot array in sets of {@value #WAYS}: a block lives in the
 * set its file and position hash to. Finding one is a few plain loads; a full set or a full region
 * gives up the first block that was not used since the clock's hand last passed it (second chance).
 * A block that was read once and never again goes at the first pass, so that one long scan takes
 * little from the others; blocks of a file that is gone age out the same way, since nobody asks for
 * them.
 */
final class BlockRegion {
    private static final int WAYS = 8;
    private static final long BYTES_PER_SLOT = 16 << 10;

    /** What a block costs beside its bytes: two objects and a reference. */
    private static final int OVERHEAD = 64;

    private static final class Entry {
        final long file;
        final long position;
        final byte[] block;

        /** A racy hint: losing an update costs a reload, never a wrong block. */
        boolean used;

        Entry(long file, long position, byte[] block) {
            this.file = file;
            this.position = position;
            this.block = block;
        }
    }

    private final long limit;
    private final AtomicReferenceArray<@Nullable Entry> slots;
    private final int setMask;
    private final AtomicLong bytes = new AtomicLong();
    private final AtomicInteger hand = new AtomicInteger();
    private final AtomicInteger turns = new AtomicInteger();

    BlockRegion(long limit) {
        this.limit = limit;
        int sets = 1;
        while (sets < 1 << 20 && (long) sets * WAYS * BYTES_PER_SLOT < limit) {
            sets <<= 1;
        }
        slots = new AtomicReferenceArray<>(sets * WAYS);
        setMask = sets - 1;
    }

    byte @Nullable [] find(long file, long position) {
        int set = set(file, position);
        for (int i = set; i < set + WAYS; i++) {
            Entry e = slots.getAcquire(i);
            if (e != null && e.position == position && e.file == file) {
                if (!e.used) {
                    e.used = true;
                }
                return e.block;
            }
        }
        return null;
    }

    /** Keeps the block, unless it is too large to be worth what it would drive out. */
    void insert(long file, long position, byte[] block) {
        if (block.length > limit / 4) {
            return;
        }
        Entry fresh = new Entry(file, position, block);
        int set = set(file, position);
        int at = -1;
        Entry old = null;
        for (int i = set; i < set + WAYS && at < 0; i++) {
            Entry e = slots.getAcquire(i);
            if (e == null) {
                at = i;
            } else if (e.position == position && e.file == file) {
                return;
            }
        }
        // From another way each time: else those behind the first would never be asked.
        int turn = at < 0 ? turns.getAndIncrement() : 0;
        for (int step = 0; at < 0; step++) {
            int i = set + (turn + step & WAYS - 1);
            old = slots.getAcquire(i);
            if (old == null || !old.used || step >= WAYS) {
                at = i;
            } else {
                old.used = false;
            }
        }
        // If another task took the slot meanwhile, its block is as good as this one.
        if (slots.compareAndSet(at, old, fresh)) {
            bytes.addAndGet(cost(fresh) - (old == null ? 0 : cost(old)));
            while (bytes.get() > limit) {
                evictOne();
            }
        }
    }

    private void evictOne() {
        int i = Math.floorMod(hand.getAndIncrement(), slots.length());
        Entry e = slots.getAcquire(i);
        if (e == null) {
            return;
        }
        if (e.used) {
            e.used = false;
        } else if (slots.compareAndSet(i, e, null)) {
            bytes.addAndGet(-cost(e));
        }
    }

    /** Bytes kept, within the limit but for what tasks are inserting right now. */
    long bytes() {
        return bytes.get();
    }

    private static long cost(Entry e) {
        return (long) e.block.length + OVERHEAD;
    }

    private int set(long file, long position) {
        long h = (file * 0x9E3779B97F4A7C15L ^ position) * 0xD6E8FEB86659FD93L;
        h ^= h >>> 32;
        return ((int) h & setMask) * WAYS;
    }
}
