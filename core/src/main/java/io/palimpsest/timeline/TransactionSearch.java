package io.palimpsest.timeline;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Key;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.Slru;
import io.palimpsest.pg.Xid;
import io.palimpsest.timeline.LsnAtTime.Commit;
import io.palimpsest.timeline.TransactionEnd.Kind;
import io.palimpsest.value.Keys;
import org.jspecify.annotations.Nullable;

/**
 * Finds out how a transaction ended: by the changes of its page of pg_xact if the history has them,
 * else by the page itself, which says what it was but not when.
 *
 * <p>A subtransaction ends with the transaction it is part of, for they are in one record.
 */
final class TransactionSearch {
    private static final long LOW = 0xFFFF_FFFFL;

    /** Where the xids of a change begin: after kind, status and time. */
    private static final int XIDS = 10;

    private final Timeline timeline;
    private final CommitLog commits;
    private final long last;
    private final CheckPoint now;

    private long foundLsn;
    private long foundMicros;
    private int foundStatus;

    TransactionSearch(Timeline timeline, CommitLog commits) {
        this.timeline = timeline;
        this.commits = commits;
        last = timeline.lastRecordLsn();
        now = commits.checkPoint(last);
    }

    /**
     * @param asked as pg_current_xact_id() says it, or its low half only
     * @throws PageserverException BAD_REQUEST if no transaction can have it
     */
    TransactionEnd find(long asked) {
        int xid = (int) asked;
        if (asked < 0 || !Xid.isNormal(xid)) {
            throw PageserverException.badRequest(
                    "%s is no transaction's id: expected a number from %d",
                    Long.toUnsignedString(asked), Xid.FIRST_NORMAL);
        }
        long next = now.nextXid();
        boolean whole = asked > LOW;
        if (whole ? asked >= next : !Xid.precedes(xid, (int) next)) {
            return unfinished(whole ? asked : asked | next & ~LOW, Kind.NOT_SEEN);
        }
        long full = Xid.full(xid, next);
        if (whole && asked != full) {
            return past(asked);
        }
        StatusChanges changes = new StatusChanges(timeline);
        changes.visit(
                Keys.slruPage(Slru.CLOG, Slru.clogPage(xid)),
                1,
                last,
                (lsn, b, at, length) -> look(xid, lsn, b, at, length));
        return foundLsn == 0 ? byStatus(full) : ended(full);
    }

    /** Keeps the newest: the same number may have been another's, long ago. */
    private void look(int xid, long lsn, byte[] b, int at, int length) {
        if (lsn <= foundLsn) {
            return;
        }
        for (int i = at + XIDS; i < at + length; i += 4) {
            if (Bytes.i32(b, i) == xid) {
                foundLsn = lsn;
                foundStatus = Bytes.u8(b, at + 1);
                foundMicros = Bytes.i64(b, at + 2);
                return;
            }
        }
    }

    private TransactionEnd ended(long full) {
        Kind kind = foundStatus == Slru.XACT_COMMITTED ? Kind.COMMITTED : Kind.ABORTED;
        if (!timeline.holderOf(foundLsn).readable(foundLsn)) {
            return new TransactionEnd(
                    full, kind, foundLsn, foundMicros, false, null, oldestCommit());
        }
        return new TransactionEnd(
                full,
                kind,
                foundLsn,
                foundMicros,
                true,
                commits.atOrBelow(foundLsn - 1),
                commits.above(foundLsn));
    }

    private TransactionEnd byStatus(long full) {
        int xid = (int) full;
        byte[] page = statusPage(Slru.clogPage(xid));
        int status = Slru.xactStatus(page, xid);
        if (status == Slru.XACT_COMMITTED || status == Slru.XACT_ABORTED) {
            Kind kind = status == Slru.XACT_COMMITTED ? Kind.COMMITTED : Kind.ABORTED;
            return new TransactionEnd(full, kind, 0, 0, false, null, oldestCommit());
        }
        if (Xid.precedes(xid, now.oldestXid())) {
            return past(full);
        }
        Key prepared = Keys.twoPhase((int) (full >>> 32), xid);
        if (timeline.reads().image(prepared.hi(), prepared.mid(), prepared.lo(), last) != null) {
            return unfinished(full, Kind.PREPARED);
        }
        int running = now.oldestActiveXid();
        if (running != 0 && Xid.precedes(xid, running)) {
            // Its server ended without a record of it.
            return unfinished(full, Kind.ABORTED);
        }
        return unfinished(full, laterEnded(page, xid) ? Kind.IN_PROGRESS : Kind.NOT_SEEN);
    }

    private TransactionEnd unfinished(long full, Kind kind) {
        return new TransactionEnd(full, kind, 0, 0, false, commits.atOrBelow(last), null);
    }

    private TransactionEnd past(long full) {
        return new TransactionEnd(full, Kind.PAST, 0, 0, false, null, oldestCommit());
    }

    /** The first commit of the history that is kept, ancestors' included. */
    private @Nullable Commit oldestCommit() {
        return commits.above(timeline.oldestReachableLsn() - 1);
    }

    /** Zeros if there is no such page. */
    private byte[] statusPage(int number) {
        byte[] page = new byte[Page.SIZE];
        Key size = Keys.slruSize(Slru.CLOG, number >>> 5);
        int pages = timeline.reads().size(size.hi(), size.mid(), size.lo(), last).blocks();
        if ((number & Slru.PAGES_PER_SEGMENT - 1) < pages) {
            Key key = Keys.slruPage(Slru.CLOG, number);
            timeline.reads().page(key.hi(), key.mid(), key.lo(), last, page, 0);
        }
        return page;
    }

    /**
     * Ids are given out in their order. What comes next is known in steps that divide those of a
     * page: so of another page than that the next one is on, all were.
     */
    private boolean laterEnded(byte[] page, int xid) {
        if (Slru.clogPage(xid) != Slru.clogPage((int) now.nextXid() - 1)) {
            return true;
        }
        int first = Integer.remainderUnsigned(xid, Slru.XACTS_PER_PAGE) + 1;
        for (int i = first; i < Slru.XACTS_PER_PAGE; i++) {
            if (Slru.xactStatus(page, i) != Slru.XACT_IN_PROGRESS) {
                return true;
            }
        }
        return false;
    }
}
