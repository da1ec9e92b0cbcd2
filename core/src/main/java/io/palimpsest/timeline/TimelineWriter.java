package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.Limits;
import io.palimpsest.base.LsnRange;
import io.palimpsest.layer.OpenLayer;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.value.Modifications;
import org.jspecify.annotations.Nullable;

/**
 * The end of a timeline that is written to: one task commits batches of modifications to the open
 * layer and then publishes the new last record LSN. An open layer that is full, wide or old is
 * frozen and handed to the {@link Flusher}. Until something is written there is no open layer.
 */
final class TimelineWriter {
    /** Flushing may lag behind writing by this many frozen layers; then writing waits. */
    private static final int MAX_FROZEN = 2;

    private final Timeline timeline;
    private final TimelineLayers layers;
    private final LsnWaiter lastRecord;
    private final Flusher flusher;
    private final SizeChanges sizeChanges;
    private final Environment environment;
    private final Limits limits;

    /** Held while a batch is appended and while the open layer is exchanged. */
    private final Monitor writing;

    private @Nullable OpenLayer open;
    private long openSinceNanos;

    /** The next layer file of what is committed starts here. */
    private long openStartLsn;

    /** No value below it comes any more: where the next open layer starts. */
    private long nextStartLsn;

    private long prevRecordLsn;

    /** LSN of the large thing that is under way, see {@link #commitPart}; 0 if none. */
    private long midway;

    private boolean freezeWanted;

    TimelineWriter(
            Timeline timeline,
            Surroundings surroundings,
            TimelineLayers layers,
            LsnWaiter lastRecord,
            Flusher flusher,
            SizeChanges sizeChanges) {
        this.sizeChanges = sizeChanges;
        this.timeline = timeline;
        this.layers = layers;
        this.lastRecord = lastRecord;
        this.flusher = flusher;
        environment = surroundings.environment();
        limits = surroundings.limits();
        writing = environment.tasks().monitor("timeline-write");
        prevRecordLsn = layers.index().prevRecordLsn();
        openStartLsn = lastRecord.lsn() + 1;
        nextStartLsn = openStartLsn;
    }

    /** Start of the last record, 0 if not known. */
    long prevRecordLsn() {
        return prevRecordLsn;
    }

    /** See {@link Timeline#commit}. */
    void commit(Modifications m, long recordStart, long endLsn) {
        timeline.checkWritable();
        Check.that(endLsn >= lastRecord.lsn(), "commit at %x behind %x", endLsn, lastRecord.lsn());
        boolean full;
        writing.lock();
        try {
            append(m);
            prevRecordLsn = recordStart;
            lastRecord.advance(endLsn);
            midway = 0;
            full = freezeWanted || full() || endLsn - openStartLsn >= limits.flushDistance();
        } finally {
            writing.unlock();
        }
        if (full) {
            freeze();
        } else {
            flushIfOld();
        }
    }

    /** See {@link Timeline#commitPart}. */
    void commitPart(Modifications m, long lsn) {
        timeline.checkWritable();
        if (midway == 0) {
            freeze();
        }
        writing.lock();
        try {
            append(m);
            midway = lsn;
            if (full()) {
                hand(new LsnRange(lsn, lsn + 1), false);
            }
        } finally {
            writing.unlock();
        }
        awaitFlusher();
    }

    /** See {@link Timeline#abandonParts}. */
    void abandonParts() {
        if (midway == 0) {
            return;
        }
        flusher.awaitFewerThan(1);
        timeline.checkWritable();
        writing.lock();
        try {
            layers.abandonParts(open);
            open = null;
            nextStartLsn = openStartLsn;
            midway = 0;
        } finally {
            writing.unlock();
        }
    }

    private void append(Modifications m) {
        if (m.count() == 0) {
            return;
        }
        sizeChanges.note(m);
        OpenLayer into = open;
        if (into == null) {
            into = new OpenLayer(nextStartLsn);
            openSinceNanos = environment.clock().monotonicNanos();
            open = into;
            layers.open(into);
        }
        try {
            into.append(m, 0, m.count());
        } catch (RuntimeException e) {
            // A part of it may be in: this open layer must never be flushed.
            timeline.fail(e);
            throw e;
        }
    }

    /** Freezes the open layer if its oldest value is older than the limit says. */
    void flushIfOld() {
        if (open != null
                && environment.clock().monotonicNanos() - openSinceNanos
                        >= limits.flushAgeNanos()) {
            freeze();
        }
    }

    /** Hands what is in the open layer to the flusher; waits while that is too far behind. */
    void freeze() {
        writing.lock();
        try {
            // In the middle of something large the next commit does it.
            freezeWanted = midway != 0;
            long last = lastRecord.lsn();
            if (freezeWanted || last < openStartLsn) {
                return;
            }
            hand(new LsnRange(openStartLsn, last + 1), true);
            openStartLsn = last + 1;
        } finally {
            writing.unlock();
        }
        awaitFlusher();
    }

    private boolean full() {
        OpenLayer o = open;
        return o != null && o.bytes() >= limits.openLayerBytes();
    }

    private void hand(LsnRange lsns, boolean commits) {
        flusher.add(new Flusher.Frozen(open, lsns, lastRecord.lsn(), prevRecordLsn, commits));
        open = null;
        // At the LSN of something large several layers have values, of other keys.
        nextStartLsn = commits ? lsns.end() : lsns.start();
    }

    private void awaitFlusher() {
        flusher.awaitFewerThan(MAX_FROZEN);
        timeline.checkWritable();
    }
}
