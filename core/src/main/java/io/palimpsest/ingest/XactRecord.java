package io.palimpsest.ingest;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.wal.WalRecord;

/**
 * The end of a transaction, as a view over its record. The parts in their order, each there if its
 * bit of xinfo is set:
 *
 * <pre>
 * i64 time   u32 xinfo (if info has 0x80)
 * 001 u32 database, u32 tablespace             002 i32 n, u32 subxact[n]
 * 004 i32 n, { u32 spc, u32 db, u32 rel }[n]   100 i32 n, dropped statistics[n] (15: 12 bytes, 18: 16)
 * 008 i32 n, 16 bytes invalidation[n]          010 u32 xid of the prepared transaction
 * 080 its name, NUL-terminated                 020 u64 origin LSN, i64 origin time
 * </pre>
 *
 * Source: PostgreSQL's xact.h, ParseCommitRecord.
 */
final class XactRecord {
    static final int COMMIT = 0x00;
    static final int PREPARE = 0x10;
    static final int ABORT = 0x20;
    static final int COMMIT_PREPARED = 0x30;
    static final int ABORT_PREPARED = 0x40;
    static final int ASSIGNMENT = 0x50;
    static final int INVALIDATIONS = 0x60;
    static final int OP_MASK = 0x70;

    private static final int HAS_INFO = 0x80;
    private static final int DATABASE = 0x001;
    private static final int SUBXACTS = 0x002;
    private static final int RELATIONS = 0x004;
    private static final int MESSAGES = 0x008;
    private static final int TWO_PHASE = 0x010;
    private static final int ORIGIN = 0x020;
    private static final int NAME = 0x080;
    private static final int STATISTICS = 0x100;

    private byte[] b = new byte[0];
    private int p;
    private int limit;
    private long recordLsn;

    private long time;
    private int subxacts;
    private int subxactCount;
    private int relations;
    private int relationCount;
    private int preparedXid;
    private boolean hasOrigin;
    private long originTime;

    void parse(WalRecord r, PgVersion version) {
        b = r.bytes();
        p = r.mainOffset();
        limit = p + r.mainLength();
        recordLsn = r.startLsn();
        boolean commit = isCommit(r.info());
        boolean prepared = isPrepared(r.info());
        time = Bytes.i64(b, skip(8, "time"));
        int xinfo = (r.info() & HAS_INFO) != 0 ? Bytes.i32(b, skip(4, "xinfo")) : 0;
        if ((xinfo & DATABASE) != 0) {
            skip(8, "database");
        }
        subxactCount = (xinfo & SUBXACTS) != 0 ? count(4, "subtransactions") : 0;
        subxacts = skip(4 * subxactCount, "subtransactions");
        relationCount = (xinfo & RELATIONS) != 0 ? count(12, "relations") : 0;
        relations = skip(12 * relationCount, "relations");
        if ((xinfo & STATISTICS) != 0 && version.atLeast(PgVersion.V15)) {
            int item = version.atLeast(PgVersion.V18) ? 16 : 12;
            skip(item * count(item, "statistics"), "statistics");
        }
        if (commit && (xinfo & MESSAGES) != 0) {
            skip(16 * count(16, "invalidations"), "invalidations");
        }
        preparedXid = 0;
        if ((xinfo & TWO_PHASE) != 0) {
            preparedXid = Bytes.i32(b, skip(4, "prepared xid"));
            if ((xinfo & NAME) != 0) {
                while (b[skip(1, "name of the prepared transaction")] != 0) {}
            }
        }
        if (prepared && preparedXid == 0) {
            throw damaged("the xid of a prepared transaction");
        }
        hasOrigin = (xinfo & ORIGIN) != 0;
        originTime = hasOrigin ? Bytes.i64(b, skip(16, "origin") + 8) : 0;
    }

    static boolean isCommit(int info) {
        int op = info & OP_MASK;
        return op == COMMIT || op == COMMIT_PREPARED;
    }

    static boolean isPrepared(int info) {
        int op = info & OP_MASK;
        return op == COMMIT_PREPARED || op == ABORT_PREPARED;
    }

    /** Passes {@code n} bytes and answers where they are. */
    private int skip(int n, String what) {
        if (n < 0 || limit - p < n) {
            throw damaged(what);
        }
        int at = p;
        p += n;
        return at;
    }

    /** A count of items, which must all be there. */
    private int count(int itemBytes, String what) {
        int n = Bytes.i32(b, skip(4, what));
        if (n < 0 || n > (limit - p) / itemBytes) {
            throw damaged(what + ", " + n + " of them");
        }
        return n;
    }

    private PageserverException damaged(String expected) {
        return PageserverException.corruption(
                "transaction record at %s: expected %s at its byte %d of %d",
                Lsn.toString(recordLsn), expected, p, limit);
    }

    /** When it ended, in microseconds since 2000. */
    long time() {
        return time;
    }

    /** When it was committed where it came from; here, if it came from nowhere else. */
    long commitTime() {
        return hasOrigin ? originTime : time;
    }

    int subxactCount() {
        return subxactCount;
    }

    int subxact(int i) {
        return Bytes.i32(b, subxacts + 4 * i);
    }

    /** Relations whose files go. */
    int relationCount() {
        return relationCount;
    }

    int spc(int i) {
        return Bytes.i32(b, relations + 12 * i);
    }

    int db(int i) {
        return Bytes.i32(b, relations + 12 * i + 4);
    }

    int rel(int i) {
        return Bytes.i32(b, relations + 12 * i + 8);
    }

    /** 0 if it was not a prepared one. */
    int preparedXid() {
        return preparedXid;
    }
}
