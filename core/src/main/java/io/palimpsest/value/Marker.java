package io.palimpsest.value;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What somebody may want to come back to, as one WAL record tells it: files of relations that went
 * with a commit, many rows that did, a database that was dropped, a restore point.
 *
 * <pre>
 * u8 parts   u64 LSN just before   i64 time, us since 2000 (0: the record has none)   u32 xid (0: none)
 * 01 u8 n, name of the restore point in UTF-8          02 u32 database
 * 04 u32 relations, u8 n, { u32 spc, u32 db, u32 rel, u32 blocks }[n]    the largest of them
 * 08 u64 rows, u8 n, { u32 spc, u32 db, u32 rel, u64 rows }[n]           those deleted from first
 * </pre>
 *
 * @param lsn the record's end: from there on it has happened
 * @param before an LSN at which all before it has happened, and nothing of it
 * @param relations how many relations' files went
 * @param gone the largest of those
 * @param rows how many rows were deleted, at the least: those that were before ingest began in the
 *     midst of the transaction are not counted
 */
public record Marker(
        long lsn,
        long before,
        long micros,
        int xid,
        @Nullable String restorePoint,
        int database,
        int relations,
        List<Gone> gone,
        long rows,
        List<Deleted> deleted) {
    private static final int NAME = 1;
    private static final int DATABASE = 2;
    private static final int GONE = 4;
    private static final int DELETED = 8;

    /** The files of a relation, and of how many blocks its main fork was. */
    public record Gone(int spc, int db, int rel, long blocks) {}

    /** Rows deleted from a relation. */
    public record Deleted(int spc, int db, int rel, long rows) {}

    public Marker {
        gone = List.copyOf(gone);
        deleted = List.copyOf(deleted);
    }

    /** Of a restore point: that is where it is itself, so nothing is before it. */
    public static Marker restorePoint(long lsn, long micros, String name) {
        return new Marker(lsn, lsn, micros, 0, name, 0, 0, List.of(), 0, List.of());
    }

    /** Of a database that was dropped. */
    public static Marker dropDatabase(long lsn, long before, int xid, int db) {
        return new Marker(lsn, before, 0, xid, null, db, 0, List.of(), 0, List.of());
    }

    /** Of what went with a transaction. */
    public static Marker commit(
            long lsn,
            long before,
            long micros,
            int xid,
            int relations,
            List<Gone> gone,
            long rows,
            List<Deleted> deleted) {
        return new Marker(lsn, before, micros, xid, null, 0, relations, gone, rows, deleted);
    }

    /** Appends its bytes. */
    public void write(ByteSink out) {
        out.u8(
                (restorePoint == null ? 0 : NAME)
                        | (database == 0 ? 0 : DATABASE)
                        | (relations == 0 ? 0 : GONE)
                        | (rows == 0 ? 0 : DELETED));
        out.i64(before);
        out.i64(micros);
        out.i32(xid);
        if (restorePoint != null) {
            byte[] name = restorePoint.getBytes(StandardCharsets.UTF_8);
            out.u8(name.length);
            out.bytes(name);
        }
        if (database != 0) {
            out.i32(database);
        }
        if (relations != 0) {
            out.i32(relations);
            out.u8(gone.size());
            for (Gone g : gone) {
                out.i32(g.spc);
                out.i32(g.db);
                out.i32(g.rel);
                out.i32((int) g.blocks);
            }
        }
        if (rows != 0) {
            out.i64(rows);
            out.u8(deleted.size());
            for (Deleted d : deleted) {
                out.i32(d.spc);
                out.i32(d.db);
                out.i32(d.rel);
                out.i64(d.rows);
            }
        }
    }

    /** From its bytes. */
    public static Marker read(long lsn, byte[] content) {
        return new Reader(lsn, content).read();
    }

    /** Passes the bytes, each of which must be there. */
    private static final class Reader {
        private final long lsn;
        private final byte[] b;
        private int p;

        Reader(long lsn, byte[] b) {
            this.lsn = lsn;
            this.b = b;
        }

        Marker read() {
            int parts = Bytes.u8(b, skip(1));
            long before = Bytes.i64(b, skip(8));
            long micros = Bytes.i64(b, skip(8));
            int xid = Bytes.i32(b, skip(4));
            String name = null;
            if ((parts & NAME) != 0) {
                int n = Bytes.u8(b, skip(1));
                name = new String(b, skip(n), n, StandardCharsets.UTF_8);
            }
            int database = (parts & DATABASE) != 0 ? Bytes.i32(b, skip(4)) : 0;
            int relations = 0;
            List<Gone> gone = new ArrayList<>();
            if ((parts & GONE) != 0) {
                relations = Bytes.i32(b, skip(4));
                for (int n = Bytes.u8(b, skip(1)); n > 0; n--) {
                    int at = skip(16);
                    gone.add(
                            new Gone(
                                    Bytes.i32(b, at),
                                    Bytes.i32(b, at + 4),
                                    Bytes.i32(b, at + 8),
                                    Bytes.u32(b, at + 12)));
                }
            }
            long rows = 0;
            List<Deleted> deleted = new ArrayList<>();
            if ((parts & DELETED) != 0) {
                rows = Bytes.i64(b, skip(8));
                for (int n = Bytes.u8(b, skip(1)); n > 0; n--) {
                    int at = skip(20);
                    deleted.add(
                            new Deleted(
                                    Bytes.i32(b, at),
                                    Bytes.i32(b, at + 4),
                                    Bytes.i32(b, at + 8),
                                    Bytes.i64(b, at + 12)));
                }
            }
            return new Marker(
                    lsn, before, micros, xid, name, database, relations, gone, rows, deleted);
        }

        private int skip(int n) {
            if (b.length - p < n) {
                throw PageserverException.corruption(
                        "marker at %s: expected %d bytes at its byte %d, found %d",
                        Lsn.toString(lsn), n, p, b.length - p);
            }
            int at = p;
            p += n;
            return at;
        }
    }
}
