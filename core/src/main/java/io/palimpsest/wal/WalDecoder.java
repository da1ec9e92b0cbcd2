package io.palimpsest.wal;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.i64;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u32;
import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.base.Check;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.PgVersion;
import java.util.Arrays;
import java.util.Locale;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * WAL bytes to records, incrementally: bytes come in pieces cut anywhere, records come out whole.
 *
 * <pre>
 * decoder.feed(bytes, offset, length);      // the WAL that starts at decoder.position()
 * while (decoder.next(record)) { ... }      // record is a view: good until the next call
 * </pre>
 *
 * A record that lies whole in the bytes fed, on one page, is parsed where it lies; others are
 * gathered in a buffer that grows as their bytes come, never by what a length field says. Fed bytes
 * must stay as they are until {@code next} answered false.
 *
 * <p>Whatever contradicts itself is an error (CORRUPTION, naming the LSN), and the decoder stays
 * failed: page headers, lengths, the chain of xl_prev, checksums. A zero length where a record
 * should start is one too: servers send no such bytes.
 *
 * <p>Source of the rules: PostgreSQL's xlogreader.c, xlog_internal.h, xlogrecord.h.
 */
public final class WalDecoder {
    private static final int NO_MORE_THAN_KEPT = 1 << 20;
    private static final int FIRST_CUSTOM_RMGR = 128;

    private final PgVersion version;
    private final int segmentSize;
    private final long systemIdentifier;
    private final int maxRecordBytes;
    private final CRC32C crc = new CRC32C();

    private byte[] in = new byte[0];
    private int inAt;
    private int inEnd;

    /** LSN of in[inAt]. */
    private long lsn;

    /** Bytes to pass over before anything else: alignment, or the rest of a switched segment. */
    private long skip;

    private final byte[] header = new byte[WalPage.LONG_HEADER];
    private int headerLength;

    /** The record being gathered: its start, its bytes so far, xl_tot_len (0: not known yet). */
    private long recordLsn;

    private byte[] gathered = new byte[WalPage.SIZE];
    private int gatheredLength;
    private int total;

    /** Start of the last record, for xl_prev; not known before the first. */
    private long previousLsn;

    private boolean previousKnown;
    private boolean anyRecord;
    private long lastRecordEnd;
    private int timelineId;

    /** 0: any. */
    private int newestTimeline;

    /** The page says that the record continued on it was lost: the next record must name it. */
    private boolean overwriteExpected;

    private long lostLsn;
    private @Nullable PageserverException failure;

    /**
     * @param startLsn a record boundary: the end of a record or the start of one; the first byte
     *     fed is the one there
     * @param systemIdentifier what long page headers must say, 0 if not known
     * @param maxRecordBytes the longest record taken
     */
    public WalDecoder(
            PgVersion version,
            long startLsn,
            int segmentSize,
            long systemIdentifier,
            int maxRecordBytes) {
        if (!WalPage.isSegmentSize(segmentSize)) {
            throw PageserverException.badRequest(
                    "WAL segment size %d: expected a power of two from 1 MiB to 1 GiB",
                    segmentSize);
        }
        if (!WalPage.isRecordBoundary(startLsn, segmentSize)) {
            throw PageserverException.badRequest(
                    "WAL cannot be decoded from %s: no record starts or ends there",
                    Lsn.toString(startLsn));
        }
        Check.that(maxRecordBytes >= WalRecord.HEADER, "maxRecordBytes %d", maxRecordBytes);
        this.version = version;
        this.segmentSize = segmentSize;
        this.systemIdentifier = systemIdentifier;
        this.maxRecordBytes = maxRecordBytes;
        lsn = startLsn;
        lastRecordEnd = startLsn;
    }

    /**
     * The record that ends at the start LSN starts at {@code recordStart}: the first one must name
     * it, which WAL of another history that happens to have a record here does not.
     */
    public void follow(long recordStart) {
        Check.that(!anyRecord, "the chain is checked from the first record on");
        previousLsn = recordStart;
        previousKnown = true;
    }

    /** WAL of a timeline beyond that one is none that should come. */
    public void within(int newestTimeline) {
        this.newestTimeline = newestTimeline;
    }

    /** Hands over the bytes at {@link #position()}; all fed before must have been read. */
    public void feed(byte[] b, int offset, int length) {
        throwIfFailed();
        Check.that(inAt == inEnd, "%d bytes fed before were not read", inEnd - inAt);
        Check.that(
                offset >= 0 && length >= 0 && length <= b.length - offset,
                "%d bytes at %d",
                length,
                offset);
        in = b;
        inAt = offset;
        inEnd = offset + length;
    }

    /**
     * Decodes the next record into {@code into}, whose bytes are good until the next {@code next}
     * or {@code feed}.
     *
     * @return false if that needs bytes not fed yet
     * @throws PageserverException CORRUPTION; from then on every call throws it
     */
    public boolean next(WalRecord into) {
        throwIfFailed();
        try {
            return advance(into);
        } catch (PageserverException e) {
            failure = e;
            throw e;
        }
    }

    /** LSN of the next byte to feed. */
    public long position() {
        return lsn + (inEnd - inAt);
    }

    /** End of the last record decoded, where decoding may start again; at first the start. */
    public long lastRecordEnd() {
        return lastRecordEnd;
    }

    /** Timeline of the last page header seen, 0 before the first. */
    public int timelineId() {
        return timelineId;
    }

    private void throwIfFailed() {
        if (failure != null) {
            throw failure;
        }
    }

    private boolean advance(WalRecord into) {
        while (true) {
            if (skip > 0) {
                int n = (int) Math.min(skip, inEnd - inAt);
                consume(n);
                skip -= n;
            }
            if (inAt == inEnd) {
                return false;
            }
            int room = WalPage.SIZE - ((int) lsn & WalPage.SIZE - 1);
            if (room == WalPage.SIZE || headerLength > 0) {
                readHeader();
            } else if (gatheredLength == 0 && readInPlace(into, room)
                    || inAt < inEnd && gather(into, room)) {
                return true;
            }
        }
    }

    private void consume(int n) {
        inAt += n;
        lsn += n;
    }

    /** The common case: the record is whole, here. */
    private boolean readInPlace(WalRecord into, int room) {
        int available = Math.min(room, inEnd - inAt);
        recordLsn = lsn;
        if (available < 4) {
            return false;
        }
        int length = checkedLength(in, inAt);
        if (length > available) {
            return false;
        }
        int at = inAt;
        consume(length);
        finish(into, in, at, length);
        return true;
    }

    /** Takes what there is of the record on this page; true if that completes it. */
    private boolean gather(WalRecord into, int room) {
        int available = Math.min(room, inEnd - inAt);
        if (total == 0) {
            int n = Math.min(4 - gatheredLength, available);
            append(n);
            if (gatheredLength < 4) {
                return false;
            }
            total = checkedLength(gathered, 0);
            available -= n;
        }
        boolean hadHeader = gatheredLength >= WalRecord.HEADER;
        append(Math.min(total - gatheredLength, available));
        if (gatheredLength < total) {
            if (!hadHeader && gatheredLength >= WalRecord.HEADER) {
                checkHeader(gathered, 0);
            }
            return false;
        }
        int length = total;
        gatheredLength = 0;
        total = 0;
        finish(into, gathered, 0, length);
        return true;
    }

    private void append(int n) {
        int needed = gatheredLength + n;
        if (needed > gathered.length) {
            long doubled = Math.min(2L * gathered.length, total);
            gathered = Arrays.copyOf(gathered, (int) Math.max(needed, doubled));
        } else if (gatheredLength == 0 && gathered.length > NO_MORE_THAN_KEPT) {
            gathered = new byte[WalPage.SIZE];
        }
        System.arraycopy(in, inAt, gathered, gatheredLength, n);
        gatheredLength = needed;
        consume(n);
    }

    private int checkedLength(byte[] b, int at) {
        long length = u32(b, at);
        if (length < WalRecord.HEADER || length > maxRecordBytes) {
            throw corrupt(
                    recordLsn,
                    "record length (xl_tot_len)",
                    WalRecord.HEADER + " to " + maxRecordBytes,
                    length);
        }
        return (int) length;
    }

    private void checkHeader(byte[] b, int at) {
        long prev = i64(b, at + 8);
        if (previousKnown ? prev != previousLsn : Long.compareUnsigned(prev, recordLsn) >= 0) {
            throw corrupt(
                    recordLsn,
                    "xl_prev",
                    previousKnown ? Lsn.toString(previousLsn) : "an earlier LSN",
                    Lsn.toString(prev));
        }
        int rmid = u8(b, at + 17);
        boolean custom = rmid >= FIRST_CUSTOM_RMGR && version.atLeast(PgVersion.V15);
        if (rmid > Rmgr.LOGICALMSG && !custom) {
            throw corrupt(recordLsn, "resource manager", "one of " + version, rmid);
        }
    }

    private void finish(WalRecord into, byte[] b, int at, int length) {
        checkHeader(b, at);
        crc.reset();
        crc.update(b, at + WalRecord.HEADER, length - WalRecord.HEADER);
        crc.update(b, at, 20);
        int expected = (int) crc.getValue();
        if (expected != i32(b, at + 20)) {
            throw corrupt(
                    recordLsn,
                    "record CRC",
                    Integer.toHexString(expected),
                    Integer.toHexString(i32(b, at + 20)));
        }
        long end = Lsn.align(lsn);
        int opcode = u8(b, at + 17) == Rmgr.XLOG ? u8(b, at + 16) & 0xF0 : -1;
        if (opcode == WalRecord.XLOG_SWITCH) {
            end = end + segmentSize - 1 & -(long) segmentSize;
        }
        into.parse(b, at, length, recordLsn, end, version);
        if (overwriteExpected || opcode == WalRecord.XLOG_OVERWRITE_CONTRECORD) {
            checkOverwrite(into, opcode);
        }
        skip = end - lsn;
        previousLsn = recordLsn;
        previousKnown = true;
        anyRecord = true;
        lastRecordEnd = end;
    }

    private void checkOverwrite(WalRecord r, int opcode) {
        if (!overwriteExpected
                || opcode != WalRecord.XLOG_OVERWRITE_CONTRECORD
                || r.mainLength() < 8) {
            throw corrupt(
                    recordLsn,
                    "record",
                    overwriteExpected
                            ? "XLOG_OVERWRITE_CONTRECORD at the top of a page that says so"
                            : "XLOG_OVERWRITE_CONTRECORD only at the top of a page that says so",
                    String.format(
                            Locale.ROOT,
                            "%s info %02X, %d bytes of main data",
                            Rmgr.name(r.rmid()),
                            r.info(),
                            r.mainLength()));
        }
        long named = i64(r.bytes(), r.mainOffset());
        if (lostLsn != 0 && named != lostLsn) {
            throw corrupt(
                    recordLsn, "overwritten record", Lsn.toString(lostLsn), Lsn.toString(named));
        }
        overwriteExpected = false;
        lostLsn = 0;
    }

    /** Gathers the page header and takes it when it is whole. */
    private void readHeader() {
        long pageLsn = lsn - headerLength;
        int size = WalPage.headerSize(pageLsn, segmentSize);
        int n = Math.min(size - headerLength, inEnd - inAt);
        System.arraycopy(in, inAt, header, headerLength, n);
        headerLength += n;
        consume(n);
        if (headerLength == size) {
            headerLength = 0;
            takeHeader(pageLsn, size == WalPage.LONG_HEADER);
        }
    }

    private void takeHeader(long pageLsn, boolean first) {
        byte[] h = header;
        expect(pageLsn, "WAL page magic", version.walMagic(), u16(h, 0));
        int flags = u16(h, 2);
        if ((flags & ~WalPage.ALL_FLAGS) != 0) {
            throw corrupt(
                    pageLsn,
                    "WAL page flags",
                    "none but " + WalPage.ALL_FLAGS,
                    Integer.toHexString(flags));
        }
        expect(pageLsn, "long WAL page header", first ? 1 : 0, (flags & WalPage.LONG) / 2);
        if (i64(h, 8) != pageLsn) {
            throw corrupt(
                    pageLsn, "WAL page address", Lsn.toString(pageLsn), Lsn.toString(i64(h, 8)));
        }
        if (Integer.compareUnsigned(i32(h, 4), timelineId) < 0) {
            throw corrupt(
                    pageLsn,
                    "timeline",
                    "no less than " + Integer.toUnsignedString(timelineId),
                    u32(h, 4));
        }
        if (newestTimeline != 0 && Integer.compareUnsigned(i32(h, 4), newestTimeline) > 0) {
            throw corrupt(
                    pageLsn,
                    "timeline",
                    "no more than " + Integer.toUnsignedString(newestTimeline),
                    u32(h, 4));
        }
        if (first) {
            if (systemIdentifier != 0) {
                expect(pageLsn, "system identifier", systemIdentifier, i64(h, 24));
            }
            expect(pageLsn, "WAL segment size", segmentSize, u32(h, 32));
            expect(pageLsn, "WAL page size", WalPage.SIZE, u32(h, 36));
        }
        timelineId = i32(h, 4);
        boolean overwritten = (flags & WalPage.FIRST_IS_OVERWRITE_CONTRECORD) != 0;
        if (overwritten) {
            dropLost(pageLsn);
        }
        int continued = gatheredLength == 0 ? 0 : total - gatheredLength;
        expect(
                pageLsn,
                "continued record",
                continued > 0 ? 1 : 0,
                flags & WalPage.FIRST_IS_CONTRECORD);
        expect(pageLsn, "bytes left of the continued record", continued, u32(h, 16));
    }

    private void dropLost(long pageLsn) {
        boolean atStart = !anyRecord && pageLsn == lastRecordEnd;
        if (gatheredLength == 0 && !atStart) {
            throw corrupt(
                    pageLsn, "overwritten record", "a record to continue on this page", "none");
        }
        lostLsn = gatheredLength == 0 ? 0 : recordLsn;
        overwriteExpected = true;
        gatheredLength = 0;
        total = 0;
    }

    private static void expect(long at, String what, long expected, long found) {
        if (expected != found) {
            throw corrupt(at, what, Long.toUnsignedString(expected), Long.toUnsignedString(found));
        }
    }

    private static PageserverException corrupt(
            long at, String what, Object expected, Object found) {
        return PageserverException.corruption(
                "WAL at %s: %s: expected %s, found %s", Lsn.toString(at), what, expected, found);
    }
}
