package io.palimpsest.ingest;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Key;
import io.palimpsest.pg.RelTag;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Marker;
import io.palimpsest.value.Marker.Gone;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.WalRecord;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Notes what somebody may want to come back to ({@link Marker}), as far as the record at hand tells
 * it, and the rows that were deleted since ingest began. What was dropped, emptied or only written
 * anew, and what it was called, the catalogue tells who asks: before and after.
 */
final class Markers {
    /** Rows that one transaction deletes before it is worth a marker. */
    static final long MANY_ROWS = 1000;

    /** Of the relations that go at once, so many are named. */
    static final int NAMED = 16;

    private static final int NAME_BYTES = 64;

    /** The first id that is not one of PostgreSQL's own: FirstNormalObjectId. */
    private static final int FIRST_USER_ID = 16_384;

    private final DeletedRows deleted = new DeletedRows();

    /** A row of a user's table is gone when its transaction commits. */
    void rowDeleted(WalRecord r) {
        if (r.xid() != 0
                && r.blockCount() > 0
                && Integer.compareUnsigned(r.rel(0), FIRST_USER_ID) >= 0) {
            deleted.deleted(r.xid(), r.spc(0), r.db(0), r.rel(0));
        }
    }

    /** The relations are still there, as they were. */
    void commit(WalRecord r, int xid, XactRecord xact, Relations relations, Modifications out) {
        DeletedRows.Rows rows = deleted.end(xid, xact);
        DeletedRows.Rows many = rows != null && rows.total() >= MANY_ROWS ? rows : null;
        if (xact.relationCount() == 0 && many == null) {
            return;
        }
        add(
                Marker.commit(
                        r.endLsn(),
                        r.startLsn(),
                        xact.time(),
                        xid,
                        xact.relationCount(),
                        gone(xact, relations),
                        many == null ? 0 : many.total(),
                        many == null ? List.of() : many.byRelation()),
                out);
    }

    void abort(int xid, XactRecord xact) {
        DeletedRows.Rows _ = deleted.end(xid, xact);
    }

    private static List<Gone> gone(XactRecord xact, Relations relations) {
        List<Gone> gone = new ArrayList<>();
        for (int i = 0; i < xact.relationCount(); i++) {
            long blocks = relations.size(xact.spc(i), xact.db(i), xact.rel(i), RelTag.MAIN);
            gone.add(new Gone(xact.spc(i), xact.db(i), xact.rel(i), Math.max(0, blocks)));
            if (gone.size() > 4 * NAMED) {
                cut(gone);
            }
        }
        cut(gone);
        return gone;
    }

    private static void cut(List<Gone> gone) {
        gone.sort(Comparator.comparingLong(Gone::blocks).reversed());
        if (gone.size() > NAMED) {
            gone.subList(NAMED, gone.size()).clear();
        }
    }

    void databaseDropped(WalRecord r, int db, Modifications out) {
        add(Marker.dropDatabase(r.endLsn(), r.startLsn(), r.xid(), db), out);
    }

    /** 0 time, 8 name, 64 bytes, NUL-terminated. */
    void restorePoint(WalRecord r, Modifications out) {
        int at = WalIngest.main(r, 8 + NAME_BYTES);
        byte[] b = r.bytes();
        int length = 0;
        while (length < NAME_BYTES && b[at + 8 + length] != 0) {
            length++;
        }
        String name = new String(b, at + 8, length, StandardCharsets.UTF_8);
        add(Marker.restorePoint(r.endLsn(), Bytes.i64(b, at), name), out);
    }

    private static void add(Marker marker, Modifications out) {
        Key key = Keys.marker(marker.lsn());
        out.begin(key.hi(), key.mid(), key.lo(), marker.lsn());
        out.out().u8(StoredValue.IMAGE);
        marker.write(out.out());
        out.end();
    }

    /** Transactions before this one have ended. */
    void oldestRunning(int xid) {
        deleted.oldestRunning(xid);
    }
}
