package io.palimpsest.wal;

import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.putI64;
import static io.palimpsest.base.Bytes.putU16;

import io.palimpsest.base.Check;
import io.palimpsest.pg.PgVersion;
import java.util.Locale;

/**
 * The header of a WAL page; pages of a segment's start have the long one.
 *
 * <pre>
 *  0 u16 magic (by major version)   2 u16 info   4 u32 timeline   8 u64 LSN of this page
 * 16 u32 bytes still to come of the record continued here        20 4 zero
 * 24 u64 system identifier         32 u32 segment size           36 u32 WAL page size     (long only)
 * </pre>
 *
 * Source: PostgreSQL's xlog_internal.h.
 */
public final class WalPage {
    public static final int SIZE = 8192;
    public static final int HEADER = 24;
    public static final int LONG_HEADER = 40;

    /** The page begins with the rest of a record from the page before. */
    public static final int FIRST_IS_CONTRECORD = 1;

    public static final int LONG = 2;

    /** No backup needs the images on this page; of no meaning to a reader. */
    public static final int BACKUP_REMOVABLE = 4;

    /** The rest of the record that should continue here was lost in a crash. */
    public static final int FIRST_IS_OVERWRITE_CONTRECORD = 8;

    static final int ALL_FLAGS =
            FIRST_IS_CONTRECORD | LONG | BACKUP_REMOVABLE | FIRST_IS_OVERWRITE_CONTRECORD;
    private static final int MIN_SEGMENT = 1 << 20;
    private static final int MAX_SEGMENT = 1 << 30;

    private WalPage() {}

    /** PostgreSQL takes powers of two from 1 MiB to 1 GiB. */
    public static boolean isSegmentSize(long bytes) {
        return bytes >= MIN_SEGMENT && bytes <= MAX_SEGMENT && Long.bitCount(bytes) == 1;
    }

    /** A segment's file name: timeline and number in hexadecimal digits. */
    public static String segmentName(int timelineId, long number, int segmentSize) {
        long perId = (1L << 32) / segmentSize;
        return String.format(
                Locale.ROOT,
                "%08X%08X%08X",
                timelineId,
                Long.divideUnsigned(number, perId),
                Long.remainderUnsigned(number, perId));
    }

    /** Bytes of header that the page starting at {@code pageLsn} has. */
    public static int headerSize(long pageLsn, int segmentSize) {
        return (pageLsn & segmentSize - 1) == 0 ? LONG_HEADER : HEADER;
    }

    /** Is this LSN one that a record may start at, or end at? */
    public static boolean isRecordBoundary(long lsn, int segmentSize) {
        int inPage = (int) lsn & SIZE - 1;
        return (lsn & 7) == 0 && (inPage == 0 || inPage >= headerSize(lsn & -SIZE, segmentSize));
    }

    /** Where a record ends, alignment included, that starts at {@code start}. */
    public static long recordEnd(long start, int length, int segmentSize) {
        long at = start;
        long left = length + 7 & ~7L;
        while (true) {
            long room = SIZE - (at & SIZE - 1);
            if (left <= room) {
                return at + left;
            }
            left -= room;
            at += room;
            at += headerSize(at, segmentSize);
        }
    }

    /**
     * The number of the segment that a file of that name is; -1 if it is none, or of another WAL
     * timeline.
     */
    public static long segmentNumber(String name, int timelineId, int segmentSize) {
        if (!isSegmentName(name) || timelineId(name) != timelineId) {
            return -1;
        }
        long low = Long.parseLong(name, 16, 24, 16);
        long perId = (1L << 32) / segmentSize;
        return low >= perId ? -1 : Long.parseLong(name, 8, 16, 16) * perId + low;
    }

    /** 24 hexadecimal digits, as PostgreSQL writes them. */
    public static boolean isSegmentName(String name) {
        return name.length() == 24
                && name.chars().allMatch(c -> c >= '0' && c <= '9' || c >= 'A' && c <= 'F');
    }

    /** The WAL timeline in a segment's name. */
    public static int timelineId(String segmentName) {
        return Integer.parseUnsignedInt(segmentName, 0, 8, 16);
    }

    /**
     * Writes the header of the page at {@code pageLsn} and answers its size.
     *
     * @param flags of the above; {@link #LONG} is added where it belongs
     * @param continued bytes still to come of the record continued here, 0 if none
     */
    public static int putHeader(
            byte[] b,
            int at,
            PgVersion version,
            int flags,
            int timelineId,
            long pageLsn,
            int continued,
            long systemIdentifier,
            int segmentSize) {
        Check.that((pageLsn & SIZE - 1) == 0, "WAL page at %d", pageLsn);
        boolean first = headerSize(pageLsn, segmentSize) == LONG_HEADER;
        putU16(b, at, version.walMagic());
        putU16(b, at + 2, flags | (first ? LONG : 0));
        putI32(b, at + 4, timelineId);
        putI64(b, at + 8, pageLsn);
        putI32(b, at + 16, continued);
        putI32(b, at + 20, 0);
        if (!first) {
            return HEADER;
        }
        putI64(b, at + 24, systemIdentifier);
        putI32(b, at + 32, segmentSize);
        putI32(b, at + 36, SIZE);
        return LONG_HEADER;
    }
}
