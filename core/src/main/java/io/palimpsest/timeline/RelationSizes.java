package io.palimpsest.timeline;

import io.palimpsest.base.Key;

/**
 * What is known of the sizes of one timeline's relation forks and SLRU segments. Every read of a
 * page asks for one first.
 */
final class RelationSizes {
    private final KnownSizes known;
    private final SizeChanges changes;
    private final LsnWaiter lastRecord;
    private final long owner;

    RelationSizes(KnownSizes known, SizeChanges changes, LsnWaiter lastRecord) {
        this.known = known;
        this.changes = changes;
        this.lastRecord = lastRecord;
        owner = known.register();
    }

    /**
     * Is the size at this LSN settled? To be asked before {@link #find} and before it is read: then
     * what may still come is above it.
     */
    boolean settled(long lsn) {
        return Long.compareUnsigned(lsn, lastRecord.lsn()) <= 0;
    }

    /** The size at a settled LSN, -1 if there is no such fork, or {@link KnownSizes#UNKNOWN}. */
    int find(long hi, long mid, long lo, long lsn) {
        return known.find(owner, hi, mid, lo, lsn, changes.last(hi, mid, lo));
    }

    /** A size was read at an LSN that was settled before, and that history may be read. */
    void learn(Key key, SizeAt size, long lsn) {
        known.learn(owner, key, size.blocks(), size.sinceLsn(), lsn);
    }
}
