package io.palimpsest.ingest;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.Slru;
import io.palimpsest.pg.Xid;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.StoredValue;
import java.util.Arrays;

/**
 * Pages and segments of the transaction-status stores. As with relations, every page below a
 * segment's size has an initial value: one that a change finds missing is stored as zeros one byte
 * below the record's end LSN.
 */
final class SlruStore {
    private static final int PAGES = Slru.PAGES_PER_SEGMENT;

    private final Sizes sizes;

    /** Xids of one record as distances from the first; sorted where they are not. */
    private int[] xids = new int[64];

    private int count;

    SlruStore(Sizes sizes) {
        this.sizes = sizes;
    }

    private long size(Slru slru, int segment) {
        return sizes.get(Keys.hi(Keys.SLRU_SIZE, slru.number()), Keys.mid(0, segment), 0);
    }

    private static void begin(Slru slru, int page, long lsn, Modifications out) {
        out.begin(
                Keys.hi(Keys.SLRU_BLOCK, slru.number()),
                Keys.mid(0, page >>> 5),
                Keys.lo(0, page & PAGES - 1),
                lsn);
    }

    private static void zeros(Slru slru, int page, long lsn, Modifications out) {
        begin(slru, page, lsn, out);
        out.out().u8(StoredValue.IMAGE);
        out.end();
    }

    /** Makes the segment reach the page; pages before it that did not exist are zeros. */
    private void extend(Slru slru, int page, boolean initialised, long lsn, Modifications out) {
        int segment = page >>> 5;
        int index = page & PAGES - 1;
        long size = size(slru, segment);
        if (index < size) {
            return;
        }
        int first = segment << 5;
        for (int i = (int) Math.max(0, size); i < index; i++) {
            zeros(slru, first + i, lsn - 1, out);
        }
        if (!initialised) {
            zeros(slru, page, lsn - 1, out);
        }
        sizes.put(Keys.hi(Keys.SLRU_SIZE, slru.number()), Keys.mid(0, segment), 0, index + 1L);
    }

    /** The page becomes all zeros, whatever it was. */
    void zero(Slru slru, int page, long lsn, Modifications out) {
        extend(slru, page, true, lsn, out);
        zeros(slru, page, lsn, out);
    }

    /** As {@link #zero}, but with one entry of the multixact offsets page set. */
    void zeroOffsets(int page, int multi, int memberOffset, long lsn, Modifications out) {
        extend(Slru.MULTIXACT_OFFSETS, page, true, lsn, out);
        byte[] content = new byte[Page.SIZE];
        Bytes.putI32(
                content, 4 * Integer.remainderUnsigned(multi, Slru.OFFSETS_PER_PAGE), memberOffset);
        begin(Slru.MULTIXACT_OFFSETS, page, lsn, out);
        StoredValue.image(out.out(), content, 0, Page.SIZE);
        out.end();
    }

    /** Starts a list of xids: a transaction, then its subtransactions. */
    void transaction(int xid) {
        count = 0;
        add(xid);
    }

    void add(int xid) {
        if (count == xids.length) {
            xids = Arrays.copyOf(xids, 2 * count);
        }
        xids[count++] = xid;
    }

    /**
     * Puts the list in the order in which ids are given out. Servers log it so; then this only
     * looks.
     */
    void sort() {
        int top = xids[0];
        boolean sorted = true;
        for (int i = 1; i < count && sorted; i++) {
            sorted = Integer.compareUnsigned(xids[i - 1] - top, xids[i] - top) <= 0;
        }
        if (!sorted) {
            // Distances from the top, with the sign bit flipped so that they sort as unsigned.
            for (int i = 0; i < count; i++) {
                xids[i] = xids[i] - top ^ Integer.MIN_VALUE;
            }
            Arrays.sort(xids, 0, count);
            for (int i = 0; i < count; i++) {
                xids[i] = (xids[i] ^ Integer.MIN_VALUE) + top;
            }
        }
    }

    int latest() {
        return xids[count - 1];
    }

    /** Sets the status of the transactions listed. */
    void status(int status, long time, long lsn, Modifications out) {
        for (int from = 0; from < count; ) {
            int page = Slru.clogPage(xids[from]);
            int to = from + 1;
            while (to < count && Slru.clogPage(xids[to]) == page) {
                to++;
            }
            extend(Slru.CLOG, page, false, lsn, out);
            begin(Slru.CLOG, page, lsn, out);
            StoredValue.clogStatus(out.out(), status, time, xids, from, to);
            out.end();
            from = to;
        }
    }

    /** Sets the commit time of the transactions listed. */
    void commitTime(long time, int origin, long lsn, Modifications out) {
        for (int from = 0; from < count; ) {
            int page = Slru.commitTsPage(xids[from]);
            int to = from + 1;
            while (to < count && Slru.commitTsPage(xids[to]) == page) {
                to++;
            }
            extend(Slru.COMMIT_TS, page, false, lsn, out);
            begin(Slru.COMMIT_TS, page, lsn, out);
            StoredValue.commitTs(out.out(), time, origin, xids, from, to);
            out.end();
            from = to;
        }
    }

    /** Where the members of {@code multi} start, and those of the multixact after it. */
    void offsets(int multi, int offset, int next, int nextOffset, long lsn, Modifications out) {
        int page = Slru.offsetsPage(multi);
        int nextPage = Slru.offsetsPage(next);
        extend(Slru.MULTIXACT_OFFSETS, page, false, lsn, out);
        begin(Slru.MULTIXACT_OFFSETS, page, lsn, out);
        if (page == nextPage) {
            StoredValue.multixactOffsets(out.out(), multi, offset, next, nextOffset);
            out.end();
            return;
        }
        StoredValue.multixactOffset(out.out(), multi, offset);
        out.end();
        extend(Slru.MULTIXACT_OFFSETS, nextPage, false, lsn, out);
        begin(Slru.MULTIXACT_OFFSETS, nextPage, lsn, out);
        StoredValue.multixactOffset(out.out(), next, nextOffset);
        out.end();
    }

    /**
     * Stores members from {@code offset} on, page by page; offsets wrap around at 2^32, in the
     * middle of a page.
     *
     * @param members {u32 xid, u32 status} each, from {@code at} on
     */
    void members(int offset, byte[] members, int at, int n, long lsn, Modifications out) {
        int done = 0;
        while (done < n) {
            int first = offset + done;
            int onPage =
                    Slru.MEMBERS_PER_PAGE - Integer.remainderUnsigned(first, Slru.MEMBERS_PER_PAGE);
            long toWrap = 0x1_0000_0000L - (first & 0xFFFF_FFFFL);
            int part = (int) Math.min(Math.min(onPage, toWrap), n - done);
            int page = Slru.membersPage(first);
            extend(Slru.MULTIXACT_MEMBERS, page, false, lsn, out);
            begin(Slru.MULTIXACT_MEMBERS, page, lsn, out);
            StoredValue.multixactMembers(out.out(), first, members, at + 8 * done, part);
            out.end();
            done += part;
        }
    }

    /**
     * Drops the segments that lie wholly before {@code cutoff}, modulo wraparound. PostgreSQL's
     * SlruMayDeleteSegment: a segment goes if its first and its last page precede the cutoff.
     */
    void truncate(Slru slru, int cutoff, long lsn, Modifications out) {
        sizes.existing(
                range(slru),
                key -> {
                    int first = key.field4() << 5;
                    if (precedes(slru, first, cutoff)
                            && precedes(slru, first + PAGES - 1, cutoff)) {
                        sizes.drop(key.hi(), key.mid(), key.lo(), lsn, out);
                    }
                });
    }

    /**
     * Drops the segments of members from that of {@code start} up to, not including, {@code end}'s.
     */
    void truncateMembers(int start, int end, long lsn, Modifications out) {
        int from = Slru.membersPage(start) >>> 5;
        int to = Slru.membersPage(end) >>> 5;
        sizes.existing(
                range(Slru.MULTIXACT_MEMBERS),
                key -> {
                    int segment = key.field4();
                    boolean gone =
                            from <= to
                                    ? segment >= from && segment < to
                                    : segment >= from || segment < to;
                    if (gone) {
                        sizes.drop(key.hi(), key.mid(), key.lo(), lsn, out);
                    }
                });
    }

    void dropAll(Slru slru, long lsn, Modifications out) {
        sizes.dropAll(range(slru), lsn, out);
    }

    private static KeyRange range(Slru slru) {
        return new KeyRange(
                Key.of(Keys.SLRU_SIZE, slru.number(), 0, 0, 0, 0),
                Key.of(Keys.SLRU_SIZE, slru.number() + 1, 0, 0, 0, 0));
    }

    /**
     * Is all of page {@code a} before all of page {@code b}? The ids compared are those PostgreSQL
     * compares in CLOGPagePrecedes and its likes: one past the first usable id, so that page 0
     * works too.
     */
    static boolean precedes(Slru slru, int a, int b) {
        int perPage =
                switch (slru) {
                    case CLOG -> Slru.XACTS_PER_PAGE;
                    case MULTIXACT_OFFSETS -> Slru.OFFSETS_PER_PAGE;
                    case MULTIXACT_MEMBERS -> Slru.MEMBERS_PER_PAGE;
                    case COMMIT_TS -> Slru.COMMIT_TS_PER_PAGE;
                };
        boolean xids = slru == Slru.CLOG || slru == Slru.COMMIT_TS;
        int bias = xids ? Xid.FIRST_NORMAL + 1 : slru == Slru.MULTIXACT_OFFSETS ? 2 : 0;
        int first = a * perPage + bias;
        int other = b * perPage + bias;
        int otherLast = other + perPage - 1;
        return xids
                ? Xid.precedes(first, other) && Xid.precedes(first, otherLast)
                : Xid.multiPrecedes(first, other) && Xid.multiPrecedes(first, otherLast);
    }
}
