package io.palimpsest.pg;

import io.palimpsest.base.PageserverException;

/**
 * The transaction-status stores that are arrays of pages in files of 32 pages. Source: PostgreSQL's
 * slru.h, clog.c, multixact.c, commit_ts.c.
 */
public enum Slru {
    /** pg_xact: 2 bits a transaction. */
    CLOG(0, "pg_xact"),
    /** Groups of 4 flag bytes and 4 xids. */
    MULTIXACT_MEMBERS(1, "pg_multixact/members"),
    /** A u32 a multixact. */
    MULTIXACT_OFFSETS(2, "pg_multixact/offsets"),
    /**
     * 10 bytes a transaction: i64 time, u16 origin. Ours alone; the page service's wire protocol
     * knows the first three.
     */
    COMMIT_TS(3, "pg_commit_ts");

    public static final int PAGES_PER_SEGMENT = 32;
    public static final int XACTS_PER_PAGE = Page.SIZE * 4;
    public static final int OFFSETS_PER_PAGE = Page.SIZE / 4;
    public static final int MEMBERS_PER_GROUP = 4;
    public static final int MEMBER_GROUP_BYTES = 20;
    public static final int MEMBERS_PER_PAGE = Page.SIZE / MEMBER_GROUP_BYTES * MEMBERS_PER_GROUP;
    public static final int COMMIT_TS_BYTES = 10;
    public static final int COMMIT_TS_PER_PAGE = Page.SIZE / COMMIT_TS_BYTES;

    public static final int XACT_IN_PROGRESS = 0;
    public static final int XACT_COMMITTED = 1;
    public static final int XACT_ABORTED = 2;
    public static final int XACT_SUB_COMMITTED = 3;

    private final int number;
    private final String directory;

    Slru(int number, String directory) {
        this.number = number;
        this.directory = directory;
    }

    /** The store with this {@link #number}; BAD_REQUEST if there is none. */
    public static Slru ofNumber(int number) {
        for (Slru slru : values()) {
            if (slru.number == number) {
                return slru;
            }
        }
        throw PageserverException.badRequest("found SLRU kind %d, expected 0 to 3", number);
    }

    /** As in keys and on the wire. */
    public int number() {
        return number;
    }

    public String directory() {
        return directory;
    }

    public static int clogPage(int xid) {
        return Integer.divideUnsigned(xid, XACTS_PER_PAGE);
    }

    /** A transaction's status on its page of the clog: two bits each, the first one lowest. */
    public static int xactStatus(byte[] page, int xid) {
        int index = Integer.remainderUnsigned(xid, XACTS_PER_PAGE);
        return page[index / 4] >> 2 * (index % 4) & 3;
    }

    public static int offsetsPage(int multi) {
        return Integer.divideUnsigned(multi, OFFSETS_PER_PAGE);
    }

    public static int membersPage(int memberOffset) {
        return Integer.divideUnsigned(memberOffset, MEMBERS_PER_PAGE);
    }

    public static int commitTsPage(int xid) {
        return Integer.divideUnsigned(xid, COMMIT_TS_PER_PAGE);
    }
}
