package io.palimpsest.ingest;

import io.palimpsest.pg.Xid;
import io.palimpsest.value.Marker.Deleted;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How many rows the transactions that run have deleted so far. Open addressing over xids; an object
 * for each transaction that deletes, none for a row.
 */
final class DeletedRows {
    /** Relations that are told apart; rows of others only count. */
    private static final int RELATIONS = 8;

    /** Above so many transactions, those that cannot be running any more are looked for. */
    private static final int MANY = 1024;

    /** Rows of one transaction. */
    static final class Rows {
        private final int[] relations = new int[3 * RELATIONS];
        private final long[] rows = new long[RELATIONS];
        private int count;
        private int last;
        private long total;

        private void add(int spc, int db, int rel, long n) {
            total += n;
            int i = last;
            if (i >= count || !is(i, spc, db, rel)) {
                i = 0;
                while (i < count && !is(i, spc, db, rel)) {
                    i++;
                }
                if (i == RELATIONS) {
                    return;
                }
                if (i == count) {
                    relations[3 * i] = spc;
                    relations[3 * i + 1] = db;
                    relations[3 * i + 2] = rel;
                    count++;
                }
                last = i;
            }
            rows[i] += n;
        }

        private boolean is(int i, int spc, int db, int rel) {
            return relations[3 * i + 2] == rel
                    && relations[3 * i + 1] == db
                    && relations[3 * i] == spc;
        }

        private void addAll(Rows other) {
            long told = 0;
            for (int i = 0; i < other.count; i++) {
                add(
                        other.relations[3 * i],
                        other.relations[3 * i + 1],
                        other.relations[3 * i + 2],
                        other.rows[i]);
                told += other.rows[i];
            }
            total += other.total - told;
        }

        long total() {
            return total;
        }

        List<Deleted> byRelation() {
            List<Deleted> all = new ArrayList<>(count);
            for (int i = 0; i < count; i++) {
                all.add(
                        new Deleted(
                                relations[3 * i],
                                relations[3 * i + 1],
                                relations[3 * i + 2],
                                rows[i]));
            }
            return all;
        }
    }

    private int[] xids = new int[64];
    private @Nullable Rows[] running = new Rows[64];
    private int count;

    void deleted(int xid, int spc, int db, int rel) {
        int at = slot(xid);
        Rows rows = running[at];
        if (rows == null) {
            if (2 * ++count > xids.length) {
                grow();
                at = slot(xid);
            }
            rows = new Rows();
            xids[at] = xid;
            running[at] = rows;
        }
        rows.add(spc, db, rel, 1);
    }

    /** What a transaction that ends has deleted, itself and in parts of it; null if nothing. */
    @Nullable Rows end(int xid, XactRecord parts) {
        if (count == 0) {
            return null;
        }
        Rows rows = remove(xid);
        for (int i = 0, n = parts.subxactCount(); i < n && count > 0; i++) {
            Rows more = remove(parts.subxact(i));
            if (rows == null) {
                rows = more;
            } else if (more != null) {
                rows.addAll(more);
            }
        }
        return rows;
    }

    /** No transaction before this one runs: those that a crash ended are forgotten, if many. */
    void oldestRunning(int oldest) {
        if (count <= MANY || !Xid.isNormal(oldest)) {
            return;
        }
        for (int there : Arrays.copyOf(xids, xids.length)) {
            if (there != 0 && Xid.precedes(there, oldest)) {
                Rows _ = remove(there);
            }
        }
    }

    private int slot(int xid) {
        int mask = xids.length - 1;
        int at = home(xid);
        while (running[at] != null && xids[at] != xid) {
            at = at + 1 & mask;
        }
        return at;
    }

    private int home(int xid) {
        return (int) (xid * 0x9E37_79B9_7F4A_7C15L >>> 32) & xids.length - 1;
    }

    /** Those behind it that would have been in its place are moved up. */
    private @Nullable Rows remove(int xid) {
        int at = slot(xid);
        Rows rows = running[at];
        if (rows == null) {
            return null;
        }
        count--;
        int mask = xids.length - 1;
        int hole = at;
        for (int i = at + 1 & mask; running[i] != null; i = i + 1 & mask) {
            int way = i - home(xids[i]) & mask;
            if (way >= (i - hole & mask)) {
                xids[hole] = xids[i];
                running[hole] = running[i];
                hole = i;
            }
        }
        xids[hole] = 0;
        running[hole] = null;
        return rows;
    }

    private void grow() {
        int[] xidsBefore = xids;
        @Nullable Rows[] before = running;
        xids = new int[2 * xidsBefore.length];
        running = new Rows[xids.length];
        for (int i = 0; i < before.length; i++) {
            if (before[i] != null) {
                int at = slot(xidsBefore[i]);
                xids[at] = xidsBefore[i];
                running[at] = before[i];
            }
        }
    }
}
