package io.palimpsest.ingest;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.ControlFile;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.Xid;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.ReadView;

/**
 * What is true of the whole cluster: the counters a checkpoint would hold if it were taken now, and
 * the settings of the control file. Written where a record changed it.
 */
final class Cluster {
    /** nextXid runs ahead to a multiple of this, so that not every transaction writes it. */
    private static final int XID_STEP = 1024;

    private final PgVersion version;
    private final CheckPoint checkPoint;
    private ControlFile control;
    private int nextXid;
    private boolean checkPointChanged;
    private boolean controlChanged;

    Cluster(PgVersion version, ReadView committed) {
        this.version = version;
        byte[] file = committed.image(Keys.CONTROL_FILE);
        byte[] counters = committed.image(Keys.CHECKPOINT);
        if (file == null || counters == null) {
            throw PageserverException.corruption(
                    "the timeline has no %s: nothing was imported into it",
                    file == null ? "pg_control" : "checkpoint");
        }
        control = ControlFile.parse(file, version);
        checkPoint = CheckPoint.read(counters, 0);
        nextXid = (int) checkPoint.nextXid();
    }

    ControlFile control() {
        return control;
    }

    CheckPoint checkPoint() {
        return checkPoint;
    }

    void write(long lsn, Modifications out) {
        if (checkPointChanged) {
            out.image(Keys.CHECKPOINT, lsn, checkPoint.toBytes());
            checkPointChanged = false;
        }
        if (controlChanged) {
            out.image(Keys.CONTROL_FILE, lsn, control.toBytes());
            controlChanged = false;
        }
    }

    /**
     * This xid is in use: nextXid lies after it. It stops at multiples of the step, which divides
     * the xids of a pg_xact page: a server started from it finds every page it looks for.
     */
    void seen(int xid) {
        if (xid - nextXid >= 0 && Xid.isNormal(xid)) {
            advance(xid);
        }
    }

    private void advance(int xid) {
        long next = checkPoint.nextXid();
        long full = next + (xid - (int) next);
        long rounded = (full + XID_STEP) & -XID_STEP;
        if (!Xid.isNormal((int) rounded)) {
            rounded += Xid.FIRST_NORMAL;
        }
        setNextXid(rounded);
    }

    private void setNextXid(long fullXid) {
        checkPoint.setNextXid(fullXid);
        nextXid = (int) fullXid;
        checkPointChanged = true;
    }

    /**
     * A checkpoint's record. The exact state at shutdown; else a state that may be a little old.
     */
    void checkPoint(byte[] b, int at, boolean shutdown) {
        CheckPoint c = CheckPoint.read(b, at);
        checkPoint.setRedo(c.redo());
        checkPoint.setTimelines(c.timeline(), c.previousTimeline());
        checkPoint.setFullPageWrites(c.fullPageWrites());
        checkPoint.setTime(c.time());
        checkPoint.setOldestActiveXid(c.oldestActiveXid());
        if (version.atLeast(PgVersion.V17)) {
            checkPoint.setWalLevel(c.walLevel());
        }
        if (shutdown) {
            setNextXid(c.nextXid());
            checkPoint.setNextOid(c.nextOid());
            checkPoint.setNextMulti(c.nextMulti());
            checkPoint.setNextMultiOffset(c.nextMultiOffset());
            checkPoint.setCommitTsXids(c.oldestCommitTsXid(), c.newestCommitTsXid());
        } else {
            // The next oid is not taken: every step of it is a record of its own.
            if (Long.compareUnsigned(c.nextXid(), checkPoint.nextXid()) > 0) {
                setNextXid(c.nextXid());
            }
            nextMulti(c.nextMulti(), c.nextMultiOffset());
            onlineCommitTs(c);
        }
        if (Xid.precedes(checkPoint.oldestXid(), c.oldestXid())) {
            checkPoint.setOldestXid(c.oldestXid(), c.oldestXidDatabase());
        }
        if (Xid.multiPrecedes(checkPoint.oldestMulti(), c.oldestMulti())) {
            checkPoint.setOldestMulti(c.oldestMulti(), c.oldestMultiDatabase());
        }
        checkPointChanged = true;
    }

    private void onlineCommitTs(CheckPoint c) {
        if (c.oldestCommitTsXid() == 0 || !control.tracksCommitTimestamps()) {
            return;
        }
        int oldest = checkPoint.oldestCommitTsXid();
        int newest = checkPoint.newestCommitTsXid();
        checkPoint.setCommitTsXids(
                oldest == 0 || Xid.precedes(oldest, c.oldestCommitTsXid())
                        ? c.oldestCommitTsXid()
                        : oldest,
                newest == 0 || Xid.precedes(newest, c.newestCommitTsXid())
                        ? c.newestCommitTsXid()
                        : newest);
    }

    /** The next multixact and its members' offset are at least these. */
    void nextMulti(int multi, int offset) {
        if (Xid.multiPrecedes(checkPoint.nextMulti(), multi)) {
            checkPoint.setNextMulti(multi);
            checkPointChanged = true;
        }
        if (Xid.multiPrecedes(checkPoint.nextMultiOffset(), offset)) {
            checkPoint.setNextMultiOffset(offset);
            checkPointChanged = true;
        }
    }

    void oldestMulti(int multi, int database) {
        checkPoint.setOldestMulti(multi, database);
        checkPointChanged = true;
    }

    void oldestXid(int xid, int database) {
        if (Xid.precedes(checkPoint.oldestXid(), xid)) {
            checkPoint.setOldestXid(xid, database);
            checkPointChanged = true;
        }
    }

    void nextOid(int oid) {
        checkPoint.setNextOid(oid);
        checkPointChanged = true;
    }

    void oldestActiveXid(int xid) {
        if (checkPoint.oldestActiveXid() != xid) {
            checkPoint.setOldestActiveXid(xid);
            checkPointChanged = true;
        }
    }

    void fullPageWrites(boolean on) {
        checkPoint.setFullPageWrites(on);
        checkPointChanged = true;
    }

    void timelines(int timeline, int previous) {
        checkPoint.setTimelines(timeline, previous);
        checkPointChanged = true;
    }

    void walLevel(int level) {
        if (version.atLeast(PgVersion.V17)) {
            checkPoint.setWalLevel(level);
            checkPointChanged = true;
        }
    }

    /** Commit timestamps reach up to this transaction. */
    void newestCommitTs(int xid) {
        int newest = checkPoint.newestCommitTsXid();
        if (newest == 0 || Xid.precedes(newest, xid)) {
            checkPoint.setCommitTsXids(
                    checkPoint.oldestCommitTsXid() == 0 ? xid : checkPoint.oldestCommitTsXid(),
                    xid);
            checkPointChanged = true;
        }
    }

    void oldestCommitTs(int xid) {
        int oldest = checkPoint.oldestCommitTsXid();
        if (oldest != 0 && Xid.precedes(oldest, xid)) {
            checkPoint.setCommitTsXids(xid, checkPoint.newestCommitTsXid());
            checkPointChanged = true;
        }
    }

    /** XLOG_PARAMETER_CHANGE; answers whether commit timestamps have ended. */
    boolean parameters(byte[] b, int at) {
        boolean tracked = control.tracksCommitTimestamps();
        control = control.withParameters(b, at);
        controlChanged = true;
        walLevel(Bytes.i32(b, at + 20));
        if (!tracked && control.tracksCommitTimestamps()) {
            if (checkPoint.oldestCommitTsXid() == 0) {
                checkPoint.setCommitTsXids(nextXid, nextXid);
                checkPointChanged = true;
            }
        } else if (tracked && !control.tracksCommitTimestamps()) {
            checkPoint.setCommitTsXids(0, 0);
            checkPointChanged = true;
            return true;
        }
        return false;
    }
}
