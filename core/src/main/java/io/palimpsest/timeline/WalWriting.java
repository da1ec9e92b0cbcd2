package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.ingest.WalIngest;
import io.palimpsest.value.Modifications;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalDecoder;
import io.palimpsest.wal.WalRecord;

/**
 * WAL bytes into a timeline: decode, ingest, commit in batches. One stream from one start; after
 * any error another one starts at the timeline's last record.
 */
public final class WalWriting {
    private final Timeline timeline;
    private final Limits limits;
    private final WalDecoder decoder;
    private final WalIngest ingest;
    private final WalRecord record = new WalRecord();
    private final Modifications batch = new Modifications();
    private int records;
    private long recordStart;
    private long recordEnd;
    private boolean hintBitsLogged;

    /**
     * @param from the timeline's last record LSN
     */
    public WalWriting(Timeline timeline, Limits limits, long from) {
        this.timeline = timeline;
        this.limits = limits;
        timeline.abandonParts();
        this.decoder =
                new WalDecoder(
                        timeline.version(),
                        from,
                        timeline.segmentSize(),
                        timeline.systemIdentifier(),
                        limits.recordBytes());
        long previous = timeline.prevRecordLsn();
        if (previous != 0) {
            decoder.follow(previous);
        }
        this.ingest = new WalIngest(timeline.version(), timeline.origin(), timeline.latest());
        this.recordEnd = from;
        this.hintBitsLogged = ingest.hintBitsLogged();
    }

    /** LSN of the next byte. */
    public long position() {
        return decoder.position();
    }

    /**
     * Takes the bytes that start at {@code lsn}; returns when all complete records in them are
     * committed.
     *
     * @throws PageserverException IO if they do not follow on what came before
     */
    public void write(long lsn, byte[] b, int offset, int length) {
        if (lsn != decoder.position()) {
            throw PageserverException.of(
                    ErrorCode.IO,
                    "WAL stream: expected bytes at %s, found %s",
                    Lsn.toString(decoder.position()),
                    Lsn.toString(lsn));
        }
        decoder.within(timeline.walTimeline());
        decoder.feed(b, offset, length);
        while (decoder.next(record)) {
            if (record.rmid() == Rmgr.DBASE && records > 0) {
                // What it does depends on all relations there are: let them be committed first.
                commit();
            }
            ingest.ingest(record, batch);
            recordStart = record.startLsn();
            recordEnd = record.endLsn();
            Modifications.DatabaseCopy copy = batch.copy();
            if (copy != null) {
                copy(copy);
            } else if (++records >= limits.ingestBatchRecords()
                    || batch.bytes() >= limits.ingestBatchBytes()) {
                commit();
            }
        }
        if (records > 0) {
            commit();
        }
    }

    private void copy(Modifications.DatabaseCopy copy) {
        timeline.commitPart(batch, copy.lsn());
        DatabaseCopier.copy(timeline, copy, limits.ingestBatchBytes());
        batch.clear();
        commit();
    }

    private void commit() {
        timeline.commit(batch, recordStart, recordEnd);
        ingest.committed();
        if (ingest.hintBitsLogged() != hintBitsLogged) {
            hintBitsLogged = ingest.hintBitsLogged();
            timeline.redoContextChanged();
        }
        batch.clear();
        records = 0;
    }
}
