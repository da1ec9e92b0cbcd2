package io.palimpsest.timeline;

import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.value.ReadView;

/** One branch of a tenant's history. (Signatures first; the body follows.) */
public final class Timeline {
    public TenantShardId tenant() {
        throw new UnsupportedOperationException();
    }

    public TimelineId id() {
        throw new UnsupportedOperationException();
    }

    public PgVersion version() {
        throw new UnsupportedOperationException();
    }

    public long lastRecordLsn() {
        throw new UnsupportedOperationException();
    }

    public long diskConsistentLsn() {
        throw new UnsupportedOperationException();
    }

    /** Reads and branches below are refused: history starts here. */
    public long oldestReadableLsn() {
        throw new UnsupportedOperationException();
    }

    /**
     * The LSN a request reads at (wire-protocol rules): R &lt; M or R = 0 is BAD_REQUEST, R below
     * the oldest readable is LSN_OUT_OF_RANGE; waits until last_record_lsn &gt;= M, else
     * LSN_TIMEOUT.
     */
    public long effectiveLsn(long requestLsn, long notModifiedSince) {
        throw new UnsupportedOperationException("" + requestLsn + notModifiedSince);
    }

    /** Number of blocks, or -1 if the fork does not exist at that LSN. */
    public int relationBlocks(RelTag tag, long lsn) {
        throw new UnsupportedOperationException("" + tag + lsn);
    }

    /**
     * Writes the page to {@code into[at .. at+8192)}; zeros past the relation's end; NOT_FOUND if
     * there is no such fork.
     */
    public void readPage(RelTag tag, int block, long lsn, byte[] into, int at) {
        throw new UnsupportedOperationException("" + tag + block + lsn + into.length + at);
    }

    /** Pages in an SLRU segment, or -1 if it does not exist. */
    public int slruBlocks(Slru slru, int segment, long lsn) {
        throw new UnsupportedOperationException("" + slru + segment + lsn);
    }

    public void readSlruPage(Slru slru, int segment, int page, long lsn, byte[] into, int at) {
        throw new UnsupportedOperationException(
                "" + slru + segment + page + lsn + into.length + at);
    }

    /** Directories as of an LSN (see Keys). */
    public ReadView viewAt(long lsn) {
        throw new UnsupportedOperationException("" + lsn);
    }
}
