package io.palimpsest.timeline;

import io.palimpsest.value.Keys;

/**
 * Tells whether a page is within its relation or segment as of one LSN. Pages that are not need not
 * be kept: every read asks for the size first, and a page that comes to exist again starts anew.
 * Asked in key order it looks once for each relation.
 */
final class Liveness {
    private final ReadPath reads;
    private final long lsn;
    private long hi = -1;
    private long mid;
    private long fork;
    private long pages;

    Liveness(Timeline timeline, long lsn) {
        this.reads = timeline.reads();
        this.lsn = lsn;
    }

    /** The key is a page's. */
    boolean live(long keyHi, long keyMid, long keyLo) {
        if (keyHi != hi || keyMid != mid || keyLo >>> 32 != fork) {
            hi = keyHi;
            mid = keyMid;
            fork = keyLo >>> 32;
            pages = pages() & 0xFFFF_FFFFL;
        }
        return (keyLo & 0xFFFF_FFFFL) < pages;
    }

    private long pages() {
        long kind = hi >>> 32 == Keys.REL_BLOCK ? Keys.REL_SIZE : Keys.SLRU_SIZE;
        int size = reads.size(kind << 32 | hi & 0xFFFF_FFFFL, mid, fork << 32, lsn).blocks();
        // A relation has fewer than 2^32 - 1 blocks.
        return size == -1 ? 0 : size;
    }
}
