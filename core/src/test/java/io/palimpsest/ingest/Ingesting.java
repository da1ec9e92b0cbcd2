package io.palimpsest.ingest;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Key;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.ControlFiles;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.wal.WalDecoder;
import io.palimpsest.wal.WalRecord;
import io.palimpsest.wal.WalWriter;

/** Writes records, reads them back as WAL and ingests them into a {@link StoredHistory}. */
final class Ingesting {
    static final int SPC = RelTag.DEFAULT_TABLESPACE;
    static final int DB = 5;
    static final int REL = 16384;
    private static final long START = 0x100_0000;
    private static final int SEGMENT = 1 << 24;

    final PgVersion version;
    final StoredHistory history;
    final Modifications out = new Modifications();
    final WalRecord record = new WalRecord();
    private final ByteSink wal = new ByteSink(1 << 16);
    private final WalWriter writer;
    private final WalDecoder decoder;
    private final WalIngest ingest;

    /** Commit after every record; else only at {@link #commit}. */
    boolean eager = true;

    Ingesting(PgVersion version) {
        this(version, WalOrigin.STOCK);
    }

    Ingesting(PgVersion version, WalOrigin origin) {
        this(version, origin, false, 700);
    }

    Ingesting(PgVersion version, boolean commitTimestamps, long nextXid) {
        this(version, WalOrigin.STOCK, commitTimestamps, nextXid);
    }

    private Ingesting(PgVersion version, WalOrigin origin, boolean commitTimestamps, long nextXid) {
        this.version = version;
        history = new StoredHistory(version, origin);
        CheckPoint checkPoint = ControlFiles.checkPoint(nextXid);
        out.image(Keys.CHECKPOINT, START - 8, checkPoint.toBytes());
        out.image(
                Keys.CONTROL_FILE,
                START - 8,
                ControlFiles.control(version, checkPoint, commitTimestamps).toBytes());
        history.commit(out);
        out.clear();
        writer = new WalWriter(version, START, SEGMENT, 77, 1, START - 100, wal);
        decoder = new WalDecoder(version, START, SEGMENT, 77, 1 << 24);
        ingest = new WalIngest(version, origin, history, 8);
    }

    WalIngest ingest() {
        return ingest;
    }

    Ingesting begin(int rmid, int info, int xid) {
        writer.begin(rmid, info, xid);
        return this;
    }

    Ingesting block(int id, int fork, int rel, int block) {
        writer.block(id, fork, SPC, DB, rel, block);
        return this;
    }

    Ingesting data(byte... bytes) {
        writer.blockData(bytes, 0, bytes.length);
        return this;
    }

    Ingesting init() {
        writer.willInit();
        return this;
    }

    Ingesting image(byte[] page) {
        writer.image(page, false, true);
        return this;
    }

    Ingesting origin(int id) {
        writer.origin(id);
        return this;
    }

    Ingesting main(byte... bytes) {
        writer.mainData(bytes);
        return this;
    }

    Ingesting ints(int... values) {
        for (int value : values) {
            byte[] b = new byte[4];
            Bytes.putI32(b, 0, value);
            writer.mainData(b);
        }
        return this;
    }

    Ingesting longs(long... values) {
        for (long value : values) {
            byte[] b = new byte[8];
            Bytes.putI64(b, 0, value);
            writer.mainData(b);
        }
        return this;
    }

    /** A page number as the version writes it. */
    Ingesting page(int number) {
        return version.atLeast(PgVersion.V17) ? longs(number) : ints(number);
    }

    /** Ends the record, ingests it and answers its end LSN. */
    long end() {
        wal.clear();
        writer.end();
        decoder.feed(wal.array(), 0, wal.size());
        while (decoder.next(record)) {
            ingest.ingest(record, out);
        }
        if (eager) {
            commit();
        }
        return record.endLsn();
    }

    boolean commit() {
        history.commit(out);
        out.clear();
        return ingest.committed();
    }

    /** Committed size, -1 if there is none. */
    long size(int rel, int fork) {
        return size(Keys.relationSize(new RelTag(SPC, DB, rel, fork)));
    }

    long size(Slru slru, int segment) {
        return size(Keys.slruSize(slru, segment));
    }

    private long size(Key key) {
        byte[] content = history.image(key);
        return content == null ? -1 : Bytes.u32(content, 0);
    }

    byte[] page(int rel, int fork, int block, long lsn) {
        return history.page(Keys.block(new RelTag(SPC, DB, rel, fork), block), lsn);
    }

    byte[] page(Slru slru, int page, long lsn) {
        return history.page(Keys.slruPage(slru, page), lsn);
    }

    CheckPoint checkPoint() {
        byte[] b = history.image(Keys.CHECKPOINT);
        if (b == null) {
            throw new AssertionError("no checkpoint");
        }
        return CheckPoint.read(b, 0);
    }
}
