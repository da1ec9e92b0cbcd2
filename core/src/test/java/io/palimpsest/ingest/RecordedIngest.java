package io.palimpsest.ingest;

import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.ControlFiles;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.wal.WalDecoder;

/**
 * A recorded section, to be ingested into a history that has a first checkpoint and control file.
 */
public final class RecordedIngest {
    private final StoredHistory history;
    private final WalIngest ingest;
    private final WalDecoder decoder;
    private final Modifications out = new Modifications();

    /**
     * @param commitTimestamps the cluster tracks them
     */
    public RecordedIngest(RecordedWal wal, boolean commitTimestamps) {
        PgVersion version = PgVersion.ofMajor(wal.major());
        history = new StoredHistory(version);
        CheckPoint first = ControlFiles.checkPoint(3);
        out.image(Keys.CHECKPOINT, wal.startLsn() - 8, first.toBytes());
        out.image(
                Keys.CONTROL_FILE,
                wal.startLsn() - 8,
                ControlFiles.control(version, first, commitTimestamps).toBytes());
        history.commit(out);
        out.clear();
        ingest = new WalIngest(version, WalOrigin.STOCK, history, 64);
        decoder =
                new WalDecoder(
                        version,
                        wal.startLsn(),
                        wal.segmentSize(),
                        wal.systemIdentifier(),
                        1 << 24);
        decoder.feed(wal.bytes(), 0, wal.bytes().length);
    }

    public StoredHistory history() {
        return history;
    }

    public WalIngest ingest() {
        return ingest;
    }

    public WalDecoder decoder() {
        return decoder;
    }

    /** What ingest adds to, until it is committed. */
    public Modifications out() {
        return out;
    }

    public void commit() {
        history.commit(out);
        out.clear();
        ingest.committed();
    }
}
