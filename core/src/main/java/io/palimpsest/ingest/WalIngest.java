package io.palimpsest.ingest;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.i64;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.pg.Xid;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.ReadView;
import io.palimpsest.wal.HeapLayout;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalRecord;
import java.util.Arrays;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What each WAL record of an unmodified PostgreSQL 14 to 18, or of Neon's, means for the keys of
 * {@link Keys}, at the record's end LSN.
 *
 * <p>Used so: {@link #ingest} for one record after another, in WAL order, into one Modifications;
 * when that is written, so that the view given to the constructor sees it, {@link #committed}. At
 * the latest a record whose Modifications hold a {@link Modifications#copy} must be followed by
 * that: write, copy, committed. Between two calls of committed it knows itself what it has changed.
 *
 * <p>No key gets two values at one LSN. A page that a record makes exist without initialising it is
 * stored as zeros one byte below the record's end LSN.
 *
 * <p>If a call throws, what was added for its record is incomplete: give up this object and the
 * Modifications, and start anew from what is committed.
 *
 * <p>Nothing is taken from STANDBY (but the oldest active transaction), REPLORIGIN and LOGICALMSG:
 * they change no page. The record kinds and layouts are those of PostgreSQL's rmgrdesc and redo
 * sources; docs name the version where they differ.
 */
public final class WalIngest {
    private static final byte[] PRESENT = {1};
    private static final byte[] GONE = {};

    /** Sizes kept in memory, twice over; an entry takes 64 to 128 bytes. */
    private static final int CACHED_SIZES = 1 << 16;

    private final PgVersion version;
    private final WalOrigin origin;
    private final ReadView committed;
    private final Sizes sizes;
    private final Relations relations;
    private final HeapVisibility visibility;
    private final SlruStore slru;
    private final Cluster cluster;
    private final XactRecord xact = new XactRecord();
    private final CommitTimes commitTimes = new CommitTimes();
    private final Markers markers = new Markers();

    /** Database and relation-map keys changed since the last commit; no content: dropped. */
    private final TreeMap<Key, byte[]> uncommitted = new TreeMap<>();

    private boolean copying;
    private boolean hintsAtCommit;

    /**
     * @param origin whose WAL it is
     * @param committed the timeline as of the last record that is committed, now and after each
     *     commit
     * @throws PageserverException CORRUPTION if there is no control file or checkpoint in it
     */
    public WalIngest(PgVersion version, WalOrigin origin, ReadView committed) {
        this(version, origin, committed, CACHED_SIZES);
    }

    /** Of the WAL of an unmodified PostgreSQL. */
    public WalIngest(PgVersion version, ReadView committed) {
        this(version, WalOrigin.STOCK, committed);
    }

    /** With at most {@code cachedSizes} sizes of relations kept in memory (twice over). */
    public WalIngest(PgVersion version, WalOrigin origin, ReadView committed, int cachedSizes) {
        this.version = version;
        this.origin = origin;
        this.committed = committed;
        sizes = new Sizes(committed, cachedSizes);
        relations = new Relations(sizes);
        visibility = new HeapVisibility(relations, HeapLayout.of(version, origin));
        slru = new SlruStore(sizes);
        cluster = new Cluster(version, committed);
        hintsAtCommit = hintBitsLogged();
    }

    /** As redo must know it; changes only by a PARAMETER_CHANGE record. */
    public boolean hintBitsLogged() {
        return cluster.control().hintBitsLogged();
    }

    public boolean tracksCommitTimestamps() {
        return cluster.control().tracksCommitTimestamps();
    }

    /**
     * The view now shows everything ingested so far.
     *
     * @return whether {@link #hintBitsLogged} has changed since the last commit: redo of what comes
     *     from now on must know
     */
    public boolean committed() {
        sizes.committed();
        uncommitted.clear();
        if (copying) {
            sizes.forget();
            copying = false;
        }
        boolean changed = hintsAtCommit != hintBitsLogged();
        hintsAtCommit = hintBitsLogged();
        return changed;
    }

    /**
     * Adds what the record changes.
     *
     * @throws PageserverException CORRUPTION if the record is not as its kind demands, UNSUPPORTED
     *     if its kind is unknown here
     */
    public void ingest(WalRecord r, Modifications out) {
        Check.that(!copying, "a record after a database copy, before its commit");
        cluster.seen(r.xid());
        switch (r.rmid()) {
            case Rmgr.HEAP -> {
                visibility.clear(r, out);
                if ((r.info() & 0x70) == 0x10) {
                    markers.rowDeleted(r);
                }
            }
            case Rmgr.HEAP2 -> visibility.clear(r, out);
            case Rmgr.XLOG -> xlog(r, out);
            case Rmgr.XACT -> xact(r, out);
            case Rmgr.SMGR -> smgr(r, out);
            case Rmgr.CLOG -> clog(r, out);
            case Rmgr.DBASE -> database(r, out);
            case Rmgr.TBLSPC -> tablespace(r, out);
            case Rmgr.MULTIXACT -> multixact(r, out);
            case Rmgr.RELMAP -> relationMap(r, out);
            case Rmgr.STANDBY -> standby(r);
            case Rmgr.COMMIT_TS -> commitTs(r, out);
            case Rmgr.NEON -> neon(r, out);
            default -> {}
        }
        relations.blocks(r, out);
        sizes.write(r.endLsn(), out);
        cluster.write(r.endLsn(), out);
    }

    /** Where the main data starts, which must be at least {@code length} bytes. */
    static int main(WalRecord r, long length) {
        if (r.mainLength() < length) {
            throw PageserverException.corruption(
                    "%s record info %02X at %s: expected %d bytes of main data, found %d",
                    Rmgr.name(r.rmid()),
                    r.info(),
                    Lsn.toString(r.startLsn()),
                    length,
                    r.mainLength());
        }
        return r.mainOffset();
    }

    private PageserverException unsupported(WalRecord r) {
        return PageserverException.of(
                ErrorCode.UNSUPPORTED,
                "%s record info %02X at %s is unknown in PostgreSQL %d of origin %s",
                Rmgr.name(r.rmid()),
                r.info(),
                Lsn.toString(r.startLsn()),
                version.major(),
                origin);
    }

    /** Heap records of Neon's own resource manager. */
    private void neon(WalRecord r, Modifications out) {
        if (!origin.hasNeonRecords(version) || !visibility.clearForNeon(r, out)) {
            throw unsupported(r);
        }
        if ((r.info() & 0x70) == 0x10) {
            markers.rowDeleted(r);
        }
    }

    private void xlog(WalRecord r, Modifications out) {
        byte[] b = r.bytes();
        switch (r.info() & 0xF0) {
            case XlogInfo.CHECKPOINT_SHUTDOWN -> cluster.checkPoint(b, main(r, 88), true);
            case XlogInfo.CHECKPOINT_ONLINE -> cluster.checkPoint(b, main(r, 88), false);
            case XlogInfo.RESTORE_POINT -> markers.restorePoint(r, out);
            case XlogInfo.NEXTOID -> cluster.nextOid(i32(b, main(r, 4)));
            case XlogInfo.PARAMETER_CHANGE -> {
                if (cluster.parameters(b, main(r, 26))) {
                    slru.dropAll(Slru.COMMIT_TS, r.endLsn(), out);
                }
            }
            case XlogInfo.FPW_CHANGE -> cluster.fullPageWrites(b[main(r, 1)] != 0);
            case XlogInfo.END_OF_RECOVERY -> {
                int at = main(r, version.atLeast(PgVersion.V17) ? 20 : 16);
                cluster.timelines(i32(b, at + 8), i32(b, at + 12));
                if (version.atLeast(PgVersion.V17)) {
                    cluster.walLevel(i32(b, at + 16));
                }
            }
            case XlogInfo.NOOP,
                    XlogInfo.SWITCH,
                    XlogInfo.BACKUP_END,
                    XlogInfo.FPI_FOR_HINT,
                    XlogInfo.FPI,
                    XlogInfo.OVERWRITE_CONTRECORD,
                    XlogInfo.CHECKPOINT_REDO -> {}
            default -> throw unsupported(r);
        }
    }

    private void xact(WalRecord r, Modifications out) {
        switch (r.info() & XactRecord.OP_MASK) {
            case XactRecord.COMMIT,
                    XactRecord.ABORT,
                    XactRecord.COMMIT_PREPARED,
                    XactRecord.ABORT_PREPARED ->
                    finish(r, out);
            case XactRecord.PREPARE -> {
                int at = main(r, 64);
                out.image(preparedKey(r.xid()), r.endLsn(), r.bytes(), at, r.mainLength());
            }
            case XactRecord.ASSIGNMENT, XactRecord.INVALIDATIONS -> {}
            default -> throw unsupported(r);
        }
    }

    private Key preparedKey(int xid) {
        long full = Xid.full(xid, cluster.checkPoint().nextXid());
        return Keys.twoPhase((int) (full >>> 32), xid);
    }

    /** Commit or abort: status, commit time, files of relations dropped or never to be. */
    private void finish(WalRecord r, Modifications out) {
        long lsn = r.endLsn();
        boolean commit = XactRecord.isCommit(r.info());
        xact.parse(r, version);
        int xid = XactRecord.isPrepared(r.info()) ? xact.preparedXid() : r.xid();
        if (!Xid.isNormal(xid)) {
            throw PageserverException.corruption(
                    "transaction record at %s: xid %d", Lsn.toString(r.startLsn()), xid);
        }
        slru.transaction(xid);
        for (int i = 0, n = xact.subxactCount(); i < n; i++) {
            slru.add(xact.subxact(i));
        }
        slru.sort();
        cluster.seen(slru.latest());
        if (commit) {
            slru.status(Slru.XACT_COMMITTED, xact.time(), lsn, out);
            commitTimes.commit(xact.time(), lsn, committed, out);
            markers.commit(r, xid, xact, relations, out);
            if (cluster.control().tracksCommitTimestamps()) {
                slru.commitTime(xact.commitTime(), r.originId(), lsn, out);
                cluster.newestCommitTs(slru.latest());
            }
        } else {
            slru.status(Slru.XACT_ABORTED, 0, lsn, out);
            markers.abort(xid, xact);
        }
        if (XactRecord.isPrepared(r.info())) {
            out.tombstone(preparedKey(xid), lsn);
        }
        for (int i = 0, n = xact.relationCount(); i < n; i++) {
            relations.drop(xact.spc(i), xact.db(i), xact.rel(i), lsn, out);
        }
    }

    /** CREATE: 0 spc db rel, 12 fork. TRUNCATE: 0 blocks, 4 spc db rel, 16 flags. */
    private void smgr(WalRecord r, Modifications out) {
        byte[] b = r.bytes();
        switch (r.info() & 0xF0) {
            case 0x10 -> {
                int at = main(r, 16);
                int fork = i32(b, at + 12);
                if (fork < RelTag.MAIN || fork > RelTag.INIT) {
                    throw PageserverException.corruption(
                            "SMGR record at %s: expected a fork of 0 to 3, found %d",
                            Lsn.toString(r.startLsn()), fork);
                }
                relations.create(i32(b, at), i32(b, at + 4), i32(b, at + 8), fork);
            }
            case 0x20 -> {
                int at = main(r, 20);
                relations.truncate(
                        i32(b, at + 4),
                        i32(b, at + 8),
                        i32(b, at + 12),
                        i32(b, at),
                        i32(b, at + 16),
                        r.endLsn(),
                        out);
            }
            default -> throw unsupported(r);
        }
    }

    /** Bytes of a page number: 4, from 17 on 8. */
    private int pageNumberBytes() {
        return version.atLeast(PgVersion.V17) ? 8 : 4;
    }

    private int pageNumber(WalRecord r) {
        int at = main(r, pageNumberBytes());
        long page = pageNumberBytes() == 8 ? i64(r.bytes(), at) : i32(r.bytes(), at) & 0xFFFF_FFFFL;
        // The largest there is: commit timestamps of 2^32 transactions.
        if (page < 0 || page > 0xFFFF_FFFFL / Slru.COMMIT_TS_PER_PAGE) {
            throw PageserverException.corruption(
                    "%s record at %s: page %d",
                    Rmgr.name(r.rmid()), Lsn.toString(r.startLsn()), page);
        }
        return (int) page;
    }

    /** ZEROPAGE: page. TRUNCATE: page, oldest xid, its database. */
    private void clog(WalRecord r, Modifications out) {
        switch (r.info() & 0xF0) {
            case 0x00 -> slru.zero(Slru.CLOG, pageNumber(r), r.endLsn(), out);
            case 0x10 -> {
                int at = main(r, pageNumberBytes() + 8L) + pageNumberBytes();
                int cutoff = pageNumber(r);
                cluster.oldestXid(i32(r.bytes(), at), i32(r.bytes(), at + 4));
                int latest = Slru.clogPage((int) cluster.checkPoint().nextXid());
                // Where nearly all xids are in use, "before" is ambiguous: rather keep everything.
                if (!SlruStore.precedes(Slru.CLOG, latest, cutoff)) {
                    slru.truncate(Slru.CLOG, cutoff, r.endLsn(), out);
                }
            }
            default -> throw unsupported(r);
        }
    }

    /** ZEROPAGE: page. TRUNCATE: page, oldest xid. Entries come with commits. */
    private void commitTs(WalRecord r, Modifications out) {
        switch (r.info() & 0xF0) {
            case 0x00 -> slru.zero(Slru.COMMIT_TS, pageNumber(r), r.endLsn(), out);
            case 0x10 -> {
                int at = main(r, pageNumberBytes() + 4L) + pageNumberBytes();
                cluster.oldestCommitTs(i32(r.bytes(), at));
                slru.truncate(Slru.COMMIT_TS, pageNumber(r), r.endLsn(), out);
            }
            default -> throw unsupported(r);
        }
    }

    private void multixact(WalRecord r, Modifications out) {
        switch (r.info() & 0xF0) {
            case 0x00 -> zeroOffsets(pageNumber(r), r.endLsn(), out);
            case 0x10 -> slru.zero(Slru.MULTIXACT_MEMBERS, pageNumber(r), r.endLsn(), out);
            case 0x20 -> createMultixact(r, out);
            case 0x30 -> truncateMultixacts(r, out);
            default -> throw unsupported(r);
        }
    }

    /**
     * A page of offsets starts. Minor releases of 2026 store, with each multixact, where the next
     * one's members will start, and so does {@link #createMultixact} for all: that may have put the
     * page's first entry there before this record, which servers of older minors log only when the
     * next multixact is made. It is the one entry the page can have, and known from the counters.
     */
    private void zeroOffsets(int page, long lsn, Modifications out) {
        int next = orFirstMulti(cluster.checkPoint().nextMulti());
        if (Slru.offsetsPage(next) == page) {
            int offset = orFirstMulti(cluster.checkPoint().nextMultiOffset());
            slru.zeroOffsets(page, next, offset, lsn, out);
        } else {
            slru.zero(Slru.MULTIXACT_OFFSETS, page, lsn, out);
        }
    }

    /** Neither a multixact nor an offset is ever 0: after the last one comes 1. */
    private static int orFirstMulti(int value) {
        return value == 0 ? Xid.FIRST_MULTI : value;
    }

    /** 0 multixact, 4 offset of its first member, 8 n, 12 {xid, status}[n]. */
    private void createMultixact(WalRecord r, Modifications out) {
        byte[] b = r.bytes();
        int at = main(r, 12);
        int multi = i32(b, at);
        int offset = i32(b, at + 4);
        int n = i32(b, at + 8);
        main(r, 12 + 8L * (n & 0xFFFF_FFFFL));
        int nextOffset = offset + n;
        slru.offsets(
                multi, offset, orFirstMulti(multi + 1), orFirstMulti(nextOffset), r.endLsn(), out);
        slru.members(offset, b, at + 12, n, r.endLsn(), out);
        cluster.nextMulti(multi + 1, nextOffset);
        for (int i = 0; i < n; i++) {
            cluster.seen(i32(b, at + 12 + 8 * i));
        }
    }

    /** 0 database, 4 multixacts from, 8 to, 12 members from, 16 to. */
    private void truncateMultixacts(WalRecord r, Modifications out) {
        byte[] b = r.bytes();
        int at = main(r, 20);
        int oldest = i32(b, at + 8);
        cluster.oldestMulti(oldest, i32(b, at));
        slru.truncateMembers(i32(b, at + 12), i32(b, at + 16), r.endLsn(), out);
        // The one before the oldest keeps its page: where its members end is read from there.
        int previous = oldest == Xid.FIRST_MULTI ? -1 : oldest - 1;
        slru.truncate(Slru.MULTIXACT_OFFSETS, Slru.offsetsPage(previous), r.endLsn(), out);
    }

    /**
     * CREATE by file copy: 0 db spc, 8 source db spc. CREATE with its pages in WAL (15 and later):
     * 0 db spc. DROP: 0 db, 4 n, 8 spc[n].
     */
    private void database(WalRecord r, Modifications out) {
        byte[] b = r.bytes();
        int op = r.info() & 0xF0;
        boolean walLog = version.atLeast(PgVersion.V15);
        if (op == 0x00) {
            int at = main(r, 16);
            copyDatabase(
                    i32(b, at + 12), i32(b, at + 8), i32(b, at + 4), i32(b, at), r.endLsn(), out);
        } else if (op == 0x10 && walLog) {
            int at = main(r, 8);
            put(Keys.database(i32(b, at + 4), i32(b, at)), r.endLsn(), PRESENT, out);
        } else if (op == (walLog ? 0x20 : 0x10)) {
            int at = main(r, 8);
            long n = i32(b, at + 4) & 0xFFFF_FFFFL;
            main(r, 8 + 4 * n);
            markers.databaseDropped(r, i32(b, at), out);
            for (int i = 0; i < n; i++) {
                int spc = i32(b, at + 8 + 4 * i);
                sizes.dropAll(Keys.ofDatabase(Keys.REL_SIZE, spc, i32(b, at)), r.endLsn(), out);
                put(Keys.relmap(spc, i32(b, at)), r.endLsn(), GONE, out);
                put(Keys.database(spc, i32(b, at)), r.endLsn(), GONE, out);
            }
        } else {
            throw unsupported(r);
        }
    }

    /**
     * One record a tablespace that the source has files in; its map and version are in one of them.
     */
    private void copyDatabase(
            int fromSpc, int fromDb, int toSpc, int toDb, long lsn, Modifications out) {
        Check.that(fromSpc != toSpc || fromDb != toDb, "database %d copied onto itself", fromDb);
        byte[] map = current(Keys.relmap(fromSpc, fromDb));
        if (map != null) {
            put(Keys.relmap(toSpc, toDb), lsn, map, out);
        }
        if (map != null || current(Keys.database(fromSpc, fromDb)) != null) {
            put(Keys.database(toSpc, toDb), lsn, PRESENT, out);
        }
        out.copyDatabase(new Modifications.DatabaseCopy(fromSpc, fromDb, toSpc, toDb, lsn));
        copying = true;
    }

    private byte @Nullable [] current(Key key) {
        byte[] changed = uncommitted.get(key);
        if (changed != null) {
            return changed.length == 0 ? null : changed;
        }
        return committed.image(key);
    }

    private void put(Key key, long lsn, byte[] content, Modifications out) {
        out.image(key, lsn, content);
        uncommitted.put(key, content);
    }

    /** CREATE: 0 oid, 4 path, NUL. DROP: 0 oid. */
    private void tablespace(WalRecord r, Modifications out) {
        byte[] b = r.bytes();
        int at = main(r, 4);
        int spc = i32(b, at);
        switch (r.info() & 0xF0) {
            case 0x00 -> {
                int start = at + 4;
                int end = start;
                int limit = at + r.mainLength();
                while (end < limit && b[end] != 0) {
                    end++;
                }
                if (end == start) {
                    throw PageserverException.corruption(
                            "TBLSPC record at %s: expected a path", Lsn.toString(r.startLsn()));
                }
                out.image(Keys.tablespace(spc), r.endLsn(), b, start, end - start);
            }
            case 0x10 -> {
                // Empty where it came from; redo removes even what should not be there.
                sizes.dropAll(
                        new KeyRange(
                                Key.of(Keys.REL_SIZE, spc, 0, 0, 0, 0),
                                Key.of(Keys.REL_SIZE, spc, -1, -1, 0xFF, -1).next()),
                        r.endLsn(),
                        out);
                out.tombstone(Keys.tablespace(spc), r.endLsn());
            }
            default -> throw unsupported(r);
        }
    }

    /** 0 db, 4 spc, 8 length, 12 pg_filenode.map. */
    private void relationMap(WalRecord r, Modifications out) {
        byte[] b = r.bytes();
        int at = main(r, 12L + version.relmapBytes());
        if ((r.info() & 0xF0) != 0) {
            throw unsupported(r);
        }
        if (i32(b, at + 8) != version.relmapBytes()) {
            throw PageserverException.corruption(
                    "RELMAP record at %s: expected a map of %d bytes, found %d",
                    Lsn.toString(r.startLsn()), version.relmapBytes(), i32(b, at + 8));
        }
        byte[] map = Arrays.copyOfRange(b, at + 12, at + 12 + version.relmapBytes());
        put(Keys.relmap(i32(b, at + 4), i32(b, at)), r.endLsn(), map, out);
    }

    /** RUNNING_XACTS: 12 next xid, 16 oldest running. */
    private void standby(WalRecord r) {
        if ((r.info() & 0xF0) == 0x10) {
            int at = main(r, 24);
            cluster.seen(i32(r.bytes(), at + 12) - 1);
            int oldest = i32(r.bytes(), at + 16);
            cluster.oldestActiveXid(oldest);
            markers.oldestRunning(oldest);
        }
    }
}
