package io.palimpsest.wal;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Check;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.PgVersion;

/**
 * The WAL that a data directory needs so that PostgreSQL starts from it without recovery: one
 * record, that of a shutdown checkpoint, which nobody has written, at the LSN that the cluster is
 * to go on from.
 *
 * <pre>
 *   segment:  page headers that say "all of this belongs to a record from before" .. record .. zeros
 * </pre>
 *
 * So whoever looks for the first record of the segment finds ours. A record that crosses a
 * segment's end makes two of them. Everything that PostgreSQL checks at start was tried with 14 to
 * 18; the shape of the record is that of its own ones.
 */
public final class BootWal {
    /** Receives the bytes of a segment. */
    public interface Sink {
        void bytes(byte[] bytes, int offset, int length);

        void zeros(long count);
    }

    private final PgVersion version;
    private final long lsn;
    private final int segmentSize;
    private final long systemIdentifier;
    private final int timeline;
    private final ByteSink record = new ByteSink(512);
    private final long end;

    /**
     * @param lsn where the record starts; see {@link #recordStart}
     * @param previousLsn start of the record before; any lower one will do where it is not known
     * @param checkPoint what the record says; its redo must be {@code lsn}
     */
    public BootWal(
            PgVersion version,
            long lsn,
            int segmentSize,
            long systemIdentifier,
            long previousLsn,
            CheckPoint checkPoint) {
        Check.that(recordStart(lsn, segmentSize) == lsn, "no record starts at %x", lsn);
        Check.that(checkPoint.redo() == lsn, "redo %x, record at %x", checkPoint.redo(), lsn);
        Check.that(Long.compareUnsigned(previousLsn, lsn) < 0, "previous %x", previousLsn);
        this.version = version;
        this.lsn = lsn;
        this.segmentSize = segmentSize;
        this.systemIdentifier = systemIdentifier;
        this.timeline = checkPoint.timeline();
        WalWriter writer =
                new WalWriter(
                        version, lsn, segmentSize, systemIdentifier, timeline, previousLsn, record);
        writer.begin(Rmgr.XLOG, WalRecord.XLOG_CHECKPOINT_SHUTDOWN, 0);
        writer.mainData(checkPoint.toBytes());
        writer.end();
        end = writer.position();
    }

    /** Where the record starts that comes next after all WAL before {@code lsn}. */
    public static long recordStart(long lsn, int segmentSize) {
        long aligned = lsn + 7 & ~7L;
        long page = aligned & -WalPage.SIZE;
        return Math.max(aligned, page + WalPage.headerSize(page, segmentSize));
    }

    /** One, or two if the record crosses a segment's end. */
    public int segments() {
        return (int) (Long.divideUnsigned(end - 1, segmentSize) - firstSegment()) + 1;
    }

    private long firstSegment() {
        return Long.divideUnsigned(lsn, segmentSize);
    }

    /** File name of a segment, counted from 0. */
    public String name(int segment) {
        return WalPage.segmentName(timeline, firstSegment() + segment, segmentSize);
    }

    /** Writes a whole segment, counted from 0. */
    public void write(int segment, Sink sink) {
        Check.that(segment >= 0 && segment < segments(), "segment %d", segment);
        long start = (firstSegment() + segment) * segmentSize;
        long to = start + segmentSize;
        if (segment == 0) {
            before(start, sink);
        }
        long from = segment == 0 ? lsn : start;
        long until = Math.min(to, end);
        sink.bytes(record.array(), (int) (from - lsn), (int) (until - from));
        sink.zeros(to - until);
    }

    /** From the segment's start to the record: pages of a record that has begun earlier. */
    private void before(long start, Sink sink) {
        byte[] header = new byte[WalPage.LONG_HEADER];
        long left = payload(start);
        for (long page = start; page < lsn; page += WalPage.SIZE) {
            int length =
                    pageHeader(
                            header,
                            version,
                            left == 0 ? 0 : WalPage.FIRST_IS_CONTRECORD,
                            timeline,
                            page,
                            left,
                            systemIdentifier,
                            segmentSize,
                            sink);
            long here = Math.min(left, WalPage.SIZE - length);
            sink.zeros(here);
            left -= here;
        }
    }

    /** Bytes between the segment's start and the record that are no page headers. */
    private long payload(long start) {
        long pages = (lsn - start + WalPage.SIZE - 1) / WalPage.SIZE;
        return lsn - start - WalPage.LONG_HEADER - (pages - 1) * WalPage.HEADER;
    }

    /**
     * The segment of {@code lsn} as a compute node of Neon's wants it: no record, only the headers
     * of the first page and of the one that WAL goes on in, which say that a record ends there.
     */
    public static void headers(
            PgVersion version, long lsn, int segmentSize, long systemIdentifier, Sink sink) {
        long start = lsn & -(long) segmentSize;
        long page = lsn & -WalPage.SIZE;
        byte[] header = new byte[WalPage.LONG_HEADER];
        long done = start;
        if (page > start) {
            done +=
                    pageHeader(
                            header, version, 0, 1, start, 0, systemIdentifier, segmentSize, sink);
            sink.zeros(page - done);
        }
        long into = Math.max(0, lsn - page - WalPage.headerSize(page, segmentSize));
        done =
                page
                        + pageHeader(
                                header,
                                version,
                                into > 0 ? WalPage.FIRST_IS_CONTRECORD : 0,
                                1,
                                page,
                                into,
                                systemIdentifier,
                                segmentSize,
                                sink);
        sink.zeros(start + segmentSize - done);
    }

    private static int pageHeader(
            byte[] header,
            PgVersion version,
            int flags,
            int timeline,
            long page,
            long continued,
            long systemIdentifier,
            int segmentSize,
            Sink sink) {
        int length =
                WalPage.putHeader(
                        header,
                        0,
                        version,
                        flags,
                        timeline,
                        page,
                        (int) continued,
                        systemIdentifier,
                        segmentSize);
        sink.bytes(header, 0, length);
        return length;
    }
}
