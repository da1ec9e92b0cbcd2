package io.palimpsest.server.backup;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalDecoder;
import io.palimpsest.wal.WalRecord;
import org.jspecify.annotations.Nullable;

/**
 * Looks through the WAL that follows on a backup before any of it is sent: where it ends, and where
 * it says that the backup does. Whatever is no record ends it, as in a recovery; but if another
 * segment follows on that one, it is damage.
 */
public final class WalScan implements WalTrail.Visitor {
    /**
     * What was found.
     *
     * @param endLsn end of the last record that was asked for; the start if there is none
     * @param backupEndLsn where WAL says that the backup ends; 0 if it does not
     * @param records up to endLsn
     * @param why the WAL ends where it does; empty if it goes on behind what was asked for
     */
    public record Found(long endLsn, long backupEndLsn, long records, String why) {}

    private static final int BACKUP_END = 0x50;
    private static final int LONGEST_RECORD = 1 << 30;

    private final BackupFacts facts;
    private final long until;
    private final WalDecoder decoder;
    private final WalRecord record = new WalRecord();
    private String name = "";
    private long at;
    private long segmentEnd;
    private long endLsn;
    private long backupEndLsn;
    private long records;
    private boolean reached;
    private boolean done;
    private @Nullable PageserverException bad;
    private String badSegment = "";

    private WalScan(BackupFacts facts, long until) {
        this.facts = facts;
        this.until = until;
        this.endLsn = facts.startLsn();
        this.decoder =
                new WalDecoder(
                        facts.version(),
                        facts.startLsn(),
                        facts.segmentSize(),
                        facts.systemIdentifier(),
                        LONGEST_RECORD);
    }

    /**
     * Reads it.
     *
     * @param until no record that ends later counts; -1: all do. Reading goes on to the backup's
     *     end, which tells whether that is late enough
     * @throws PageserverException CORRUPTION if WAL is damaged and goes on behind that
     */
    public static Found read(WalTrail trail, BackupFacts facts, long until) {
        WalScan scan = new WalScan(facts, until);
        trail.walk(scan);
        return scan.found(trail);
    }

    private Found found(WalTrail trail) {
        return new Found(endLsn, backupEndLsn, records, reached ? "" : why(trail));
    }

    private String why(WalTrail trail) {
        PageserverException wrong = bad;
        if (wrong != null) {
            return String.valueOf(wrong.getMessage());
        }
        return name.isEmpty()
                ? "there is no WAL segment " + trail.beginning()
                : "no segment follows on " + name;
    }

    @Override
    public void segment(String segment, long startLsn) {
        PageserverException wrong = bad;
        if (wrong != null) {
            throw PageserverException.corruption(
                    "WAL segment %s is damaged, and %s follows on it: %s",
                    badSegment, segment, String.valueOf(wrong.getMessage()));
        }
        name = segment;
        at = startLsn;
        segmentEnd = startLsn + facts.segmentSize();
    }

    @Override
    public void bytes(byte[] bytes, int offset, int length) {
        long from = Math.max(at, decoder.position());
        long end = Math.min(at + length, segmentEnd);
        if (from < end && !done && bad == null) {
            try {
                decoder.feed(bytes, offset + (int) (from - at), (int) (end - from));
                read();
            } catch (PageserverException e) {
                bad = e;
                badSegment = name;
            }
        }
        at += length;
    }

    private void read() {
        while (!done && decoder.next(record)) {
            if (until == -1 || Long.compareUnsigned(record.endLsn(), until) <= 0) {
                endLsn = record.endLsn();
                records++;
            } else {
                reached = true;
                done = backupEndLsn != 0 || facts.label() == null;
            }
            if (record.rmid() == Rmgr.XLOG
                    && (record.info() & 0xF0) == BACKUP_END
                    && record.mainLength() == 8
                    && Bytes.i64(record.bytes(), record.mainOffset()) == facts.startLsn()) {
                backupEndLsn = record.endLsn();
            }
        }
    }

    @Override
    public boolean enough() {
        return done;
    }

    @Override
    public void segmentEnd() {
        if (!done && bad == null && at < segmentEnd) {
            bad =
                    PageserverException.corruption(
                            "%s ends at %s, within the segment", name, Lsn.toString(at));
            badSegment = name;
        }
    }
}
