package io.palimpsest.timeline;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.layer.ImageScan;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.Slru;
import io.palimpsest.timeline.LsnAtTime.Commit;
import io.palimpsest.value.Keys;
import java.time.Instant;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The commits of a timeline by time and by LSN, ancestors included. What ingest has noted, the
 * first commit of each second, leads to the right second; in it, the changes of the pages of
 * pg_xact are the commits.
 *
 * <p>Times need not grow with LSNs. The commit of a moment is the last one that comes before the
 * first one that is later, in the order of the WAL: where a recovery to that time ends.
 */
final class CommitLog {
    private static final long MICROS = 1_000_000L;

    /** Seconds that are looked through first; where there is nothing, so many times more. */
    private static final long FIRST_WIDTH = 8;

    private static final long WIDER = 32;

    private static final long SECONDS = 0xFFFF_FFFFL;

    private final Timeline timeline;
    private final StatusChanges changes;

    CommitLog(Timeline timeline) {
        this.timeline = timeline;
        changes = new StatusChanges(timeline);
    }

    /** The commits around a moment. */
    LsnAtTime around(long micros) {
        long last = timeline.lastRecordLsn();
        long second = Math.clamp(Math.floorDiv(micros, MICROS), 0, SECONDS);
        Commit from = noted(second, last);
        if (from != null && from.micros() > micros) {
            from = noted(second - 1, last);
        }
        if (from == null) {
            return new LsnAtTime(null, notedAfter(0, last));
        }
        // The first commit of a later second is later; so the window ends with it.
        Commit to = notedAfter(secondOf(from) + 1, last);
        NavigableMap<Long, Long> commits = commits(from.lsn(), to == null ? last : to.lsn());
        Commit before = from;
        for (Map.Entry<Long, Long> c : commits.entrySet()) {
            Commit commit = new Commit(c.getValue(), c.getKey());
            if (commit.micros() > micros) {
                return new LsnAtTime(before, commit);
            }
            before = commit;
        }
        return new LsnAtTime(before, to);
    }

    /** The last commit at or below an LSN, or null. */
    @Nullable Commit atOrBelow(long lsn) {
        Commit from = newestNoted(lsn);
        if (from == null) {
            return null;
        }
        Map.Entry<Long, Long> last = commits(from.lsn(), lsn).floorEntry(lsn);
        return last == null ? from : new Commit(last.getValue(), last.getKey());
    }

    /** The first commit above an LSN, or null. */
    @Nullable Commit above(long lsn) {
        long last = timeline.lastRecordLsn();
        Commit from = newestNoted(lsn);
        // What is noted of a later second comes later: so the window ends with it.
        Commit to = notedAfter(from == null ? 0 : secondOf(from) + 1, last);
        if (from == null) {
            return to;
        }
        Map.Entry<Long, Long> first = commits(lsn + 1, to == null ? last : to.lsn()).firstEntry();
        return first == null ? to : new Commit(first.getValue(), first.getKey());
    }

    private static long secondOf(Commit commit) {
        return Math.floorDiv(commit.micros(), MICROS);
    }

    /**
     * The first commit of the latest second up to this one, as of an LSN; null if there is none.
     */
    private @Nullable Commit noted(long second, long lsn) {
        long end = second + 1;
        for (long width = FIRST_WIDTH; end > 0; width *= WIDER) {
            long start = Math.max(0, end - width);
            Commit found = edge(start, end, lsn, true);
            if (found != null) {
                return found;
            }
            end = start;
        }
        return null;
    }

    /** The same of all seconds. */
    private @Nullable Commit newestNoted(long lsn) {
        Instant now = Instant.ofEpochMilli(timeline.environment().clock().wallMillis());
        long second = LsnAtTime.microsSince2000(now) / MICROS;
        long start = Math.clamp(second, 0, SECONDS - 1);
        Commit ahead = edge(start, SECONDS + 1, lsn, true);
        return ahead == null ? noted(start, lsn) : ahead;
    }

    /** The first commit of the earliest second from this one on. */
    private @Nullable Commit notedAfter(long second, long lsn) {
        long start = second;
        for (long width = FIRST_WIDTH; start <= SECONDS; width *= WIDER) {
            long end = Math.min(SECONDS + 1, start + width);
            Commit found = edge(start, end, lsn, false);
            if (found != null) {
                return found;
            }
            start = end;
        }
        return null;
    }

    private @Nullable Commit edge(long start, long end, long lsn, boolean last) {
        KeyRange kind = Keys.ofKind(Keys.COMMIT_TIME);
        KeyRange range =
                new KeyRange(
                        Keys.commitTime(start), end > SECONDS ? kind.end() : Keys.commitTime(end));
        ImageScan scan = new ImageScan();
        timeline.reads().scan(range, lsn, scan);
        Commit[] found = new Commit[1];
        scan.forEach((key, content) -> {
            if (last || found[0] == null) {
                found[0] = new Commit(Bytes.i64(content, 0), Bytes.i64(content, 8));
            }
        });
        return found[0];
    }

    /** All commits with {@code from <= LSN <= to}: times by LSN. */
    private NavigableMap<Long, Long> commits(long from, long to) {
        TreeMap<Long, Long> found = new TreeMap<>();
        if (to < from) {
            return found;
        }
        int first = firstPage(from);
        int pages = Slru.clogPage(-1) + 1;
        int last = Slru.clogPage((int) checkPoint(to).nextXid());
        for (int page = first; ; page = (page + 1) % pages) {
            changes.visit(
                    Keys.slruPage(Slru.CLOG, page),
                    from,
                    to,
                    (lsn, b, at, _) -> addCommit(lsn, b, at, found));
            if (page == last) {
                return found;
            }
        }
    }

    /** Value: u8 kind, u8 status, i64 time, xids. */
    private static void addCommit(long lsn, byte[] b, int at, Map<Long, Long> into) {
        if (Bytes.u8(b, at + 1) == Slru.XACT_COMMITTED) {
            into.put(lsn, Bytes.i64(b, at + 2));
        }
    }

    /** No transaction that was running then, or began later, is on a page before this one. */
    private int firstPage(long lsn) {
        CheckPoint then = checkPoint(lsn);
        return Slru.clogPage(
                then.oldestActiveXid() == 0 ? then.oldestXid() : then.oldestActiveXid());
    }

    /** What was kept up to date of the last checkpoint's record. */
    CheckPoint checkPoint(long lsn) {
        Key key = Keys.CHECKPOINT;
        byte[] content = timeline.reads().image(key.hi(), key.mid(), key.lo(), lsn);
        return CheckPoint.read(content == null ? new byte[CheckPoint.BYTES] : content, 0);
    }
}
