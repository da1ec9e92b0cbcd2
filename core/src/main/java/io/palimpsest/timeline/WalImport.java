package io.palimpsest.timeline;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.protocol.TarEntry;
import io.palimpsest.protocol.TarReader;
import io.palimpsest.wal.WalPage;
import java.nio.charset.StandardCharsets;

/**
 * Takes WAL segments that somebody sends as a tar archive into a timeline that nothing else feeds,
 * from its last record on. Segments come in their order; what the timeline has already is passed
 * over, so what was broken off is begun again with the same archive. Segments of more than one WAL
 * timeline come with the history of the last one before them ({@code 00000002.history}).
 *
 * <p>What arrived before a failure stays, and is durable.
 */
public final class WalImport implements TarReader.Visitor {
    private static final int PIECE = 128 << 10;
    private static final long PATIENCE = 1_000_000_000L;

    /** Where the system identifier is in a segment's first page. */
    private static final int SYSTEM_ID = 24;

    private static final int PAGE_LSN = 8;

    private final Timeline timeline;
    private final Operation operation;
    private final long endLsn;
    private final int segmentSize;
    private final WalWriting writing;
    private final byte[] header = new byte[WalPage.LONG_HEADER];
    private final ByteSink historyText = new ByteSink(64);
    private boolean inSegment;
    private boolean inHistory;
    private String name = "";

    /** LSN of the segment's next byte. */
    private long at;

    private long segmentEnd;
    private int headerBytes;

    private WalImport(Limits limits, Timeline timeline, long endLsn, Operation operation) {
        this.operation = operation;
        this.timeline = timeline;
        this.endLsn = endLsn;
        this.segmentSize = timeline.segmentSize();
        this.writing = new WalWriting(timeline, limits, timeline.lastRecordLsn());
    }

    /**
     * Takes all of it.
     *
     * @param startLsn the archive has the WAL from there on
     * @param endLsn no record that ends later is taken, and all before it must be there
     * @throws PageserverException BAD_REQUEST for segments that do not follow; CORRUPTION for
     *     damaged ones
     */
    public static void run(
            Environment environment,
            Limits limits,
            Timeline timeline,
            long startLsn,
            long endLsn,
            Incoming bytes,
            Operation operation) {
        if (Long.compareUnsigned(startLsn, timeline.lastRecordLsn()) > 0) {
            throw PageserverException.badRequest(
                    "timeline %s has WAL up to %s only: start_lsn %s leaves a gap",
                    timeline.id(), Lsn.toString(timeline.lastRecordLsn()), Lsn.toString(startLsn));
        }
        operation.stage("taking WAL");
        operation.total(Math.max(0, endLsn - timeline.lastRecordLsn()));
        boolean done = false;
        try (Operation.Interruption _ = operation.interruptedBy(bytes::end)) {
            WalImport importing = new WalImport(limits, timeline, endLsn, operation);
            importing.read(bytes);
            importing.requireEnd();
            done = true;
        } finally {
            if (!done) {
                timeline.keepWhatArrived();
            }
        }
        operation.stage("making it durable");
        timeline.flushUpTo(timeline.lastRecordLsn());
        environment
                .tracer()
                .event(
                        Event.WAL_IMPORTED,
                        timeline.subject(),
                        "up to " + Lsn.toString(timeline.lastRecordLsn()));
    }

    private void read(Incoming bytes) {
        TarReader tar = new TarReader(this);
        byte[] piece = new byte[PIECE];
        for (int n; (n = bytes.read(piece, 0, piece.length)) >= 0; ) {
            operation.checkGoesOn();
            while (!timeline.awaitRoomInStore(PATIENCE)) {
                operation.checkGoesOn();
                timeline.checkNotFenced();
            }
            tar.push(piece, 0, n);
        }
        tar.finish();
    }

    @Override
    public void entry(TarEntry entry) {
        inSegment = false;
        inHistory = false;
        if (entry.type() == TarEntry.Type.DIRECTORY) {
            return;
        }
        if (entry.type() != TarEntry.Type.FILE) {
            throw PageserverException.badRequest(
                    "%s: found a link, expected WAL segments", entry.name());
        }
        String path = entry.name().startsWith("pg_wal/") ? entry.name().substring(7) : entry.name();
        name = path;
        if (WalHistory.isFileName(path)) {
            if (entry.size() > WalHistory.LONGEST_FILE) {
                throw PageserverException.badRequest(
                        "%s of %d bytes is no history of a WAL timeline", name, entry.size());
            }
            inHistory = true;
            historyText.clear();
            return;
        }
        if (!WalPage.isSegmentName(path)) {
            // Marks of archiving, partial segments.
            return;
        }
        int of = WalPage.timelineId(name);
        long number = WalPage.segmentNumber(name, of, segmentSize);
        int wanted = timeline.walHistory().timelineOfSegment(number, segmentSize);
        if (number >= 0 && of != wanted) {
            throw PageserverException.badRequest(
                    "WAL segment %s is of WAL timeline %s, and this branch is on %s there: what a promotion has ended goes on with the history of the next one, %s before its segments",
                    name,
                    Integer.toUnsignedString(of),
                    Integer.toUnsignedString(wanted),
                    WalHistory.fileName(of));
        }
        if (number < 0 || entry.size() > segmentSize) {
            throw PageserverException.badRequest(
                    "WAL segment %s of %d bytes: this cluster's segments have %d",
                    name, entry.size(), segmentSize);
        }
        inSegment = true;
        at = number * segmentSize;
        segmentEnd = at + segmentSize;
        headerBytes = 0;
        if (at > writing.position() && writing.position() < endLsn) {
            throw PageserverException.badRequest(
                    "the WAL from %s to %s is missing: found segment %s",
                    Lsn.toString(writing.position()), Lsn.toString(at), name);
        }
    }

    @Override
    public void content(byte[] bytes, int offset, int length) {
        if (inHistory) {
            historyText.bytes(bytes, offset, length);
        }
        if (!inSegment) {
            return;
        }
        int used = Math.min(header.length - headerBytes, length);
        if (used > 0) {
            System.arraycopy(bytes, offset, header, headerBytes, used);
            headerBytes += used;
            if (headerBytes == header.length) {
                checkHeader();
                feed(header, 0, header.length);
            }
        }
        feed(bytes, offset + used, length - used);
    }

    /** What the timeline lacks of the bytes at {@code at}. */
    private void feed(byte[] bytes, int offset, int length) {
        long from = Math.max(at, writing.position());
        long to = Math.min(at + length, endLsn);
        if (from < to) {
            writing.write(from, bytes, offset + (int) (from - at), (int) (to - from));
            operation.moved(to - from);
        }
        at += length;
    }

    /**
     * It must be this cluster's, and the segment that its name says: the decoder, which may begin
     * behind the header, does not see that.
     */
    private void checkHeader() {
        long start = segmentEnd - segmentSize;
        if (Bytes.i64(header, PAGE_LSN) != start) {
            throw PageserverException.corruption(
                    "WAL segment %s: its first page says %s, expected %s",
                    name, Lsn.toString(Bytes.i64(header, PAGE_LSN)), Lsn.toString(start));
        }
        if (Bytes.i64(header, SYSTEM_ID) != timeline.systemIdentifier()) {
            throw PageserverException.badRequest(
                    "WAL segment %s is of another cluster: system identifier %s, expected %s",
                    name,
                    Long.toUnsignedString(Bytes.i64(header, SYSTEM_ID)),
                    Long.toUnsignedString(timeline.systemIdentifier()));
        }
    }

    /** Of a later WAL timeline than ours, it must go on from all we have. */
    private void takeHistory() {
        WalHistory theirs =
                WalHistory.parse(
                        WalHistory.timelineOf(name),
                        new String(historyText.toByteArray(), StandardCharsets.UTF_8));
        WalHistory ours = timeline.walHistory();
        if (Integer.compareUnsigned(theirs.timelineId(), ours.timelineId()) < 0) {
            return;
        }
        long last = timeline.lastRecordLsn();
        long common = theirs.common(ours.upTo(last));
        if (Long.compareUnsigned(common, last) < 0) {
            throw PageserverException.badRequest(
                    "%s: WAL timeline %s went on from %s, and this branch has WAL of %s up to %s: that is another history; make a branch at %s and go on with that",
                    name,
                    Integer.toUnsignedString(theirs.timelineId()),
                    Lsn.toString(common),
                    Integer.toUnsignedString(ours.timelineId()),
                    Lsn.toString(last),
                    Lsn.toString(common));
        }
        timeline.continueWal(theirs);
    }

    @Override
    public void entryEnd() {
        if (inHistory) {
            inHistory = false;
            takeHistory();
        }
        if (inSegment && at < Math.min(segmentEnd, endLsn) && writing.position() <= at) {
            throw PageserverException.badRequest(
                    "WAL segment %s ends at %s, which is before both its end and end_lsn %s",
                    name, Lsn.toString(at), Lsn.toString(endLsn));
        }
        inSegment = false;
    }

    private void requireEnd() {
        if (writing.position() < endLsn) {
            throw PageserverException.badRequest(
                    "the WAL ends at %s, before end_lsn %s; what there was is in: go on from %s",
                    Lsn.toString(writing.position()),
                    Lsn.toString(endLsn),
                    Lsn.toString(timeline.lastRecordLsn()));
        }
    }
}
