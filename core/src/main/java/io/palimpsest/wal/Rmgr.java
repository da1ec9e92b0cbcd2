package io.palimpsest.wal;

/** Resource manager ids, the same in 14 to 18. Source: PostgreSQL's rmgrlist.h. */
public final class Rmgr {
    public static final int XLOG = 0;
    public static final int XACT = 1;
    public static final int SMGR = 2;
    public static final int CLOG = 3;
    public static final int DBASE = 4;
    public static final int TBLSPC = 5;
    public static final int MULTIXACT = 6;
    public static final int RELMAP = 7;
    public static final int STANDBY = 8;
    public static final int HEAP2 = 9;
    public static final int HEAP = 10;
    public static final int BTREE = 11;
    public static final int HASH = 12;
    public static final int GIN = 13;
    public static final int GIST = 14;
    public static final int SEQ = 15;
    public static final int SPGIST = 16;
    public static final int BRIN = 17;
    public static final int COMMIT_TS = 18;
    public static final int REPLORIGIN = 19;
    public static final int GENERIC = 20;
    public static final int LOGICALMSG = 21;

    /** Neon's, in 16 and 17; custom ids start at 128. Source: Neon's neon_xlog.h. */
    public static final int NEON = 134;

    private static final String[] NAMES = {
        "XLOG",
        "XACT",
        "SMGR",
        "CLOG",
        "DBASE",
        "TBLSPC",
        "MULTIXACT",
        "RELMAP",
        "STANDBY",
        "HEAP2",
        "HEAP",
        "BTREE",
        "HASH",
        "GIN",
        "GIST",
        "SEQ",
        "SPGIST",
        "BRIN",
        "COMMIT_TS",
        "REPLORIGIN",
        "GENERIC",
        "LOGICALMSG"
    };

    private Rmgr() {}

    public static String name(int rmid) {
        if (rmid == NEON) {
            return "NEON";
        }
        return rmid >= 0 && rmid < NAMES.length ? NAMES[rmid] : "rmgr" + rmid;
    }
}
