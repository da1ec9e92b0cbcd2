package io.palimpsest.compaction;

import org.jspecify.annotations.Nullable;

/**
 * What compaction asks of the timeline about pages. Both may block, and are asked in key order, so
 * that a size that was looked up serves a whole relation.
 */
public interface Pages {
    /**
     * Is the page there as of the LSN: below the size that its relation or SLRU segment has then?
     */
    boolean live(long hi, long mid, long lo, long lsn);

    /** The page as of the LSN, ancestors included; null if there is nothing stored under it. */
    byte @Nullable [] at(long hi, long mid, long lo, long lsn);
}
