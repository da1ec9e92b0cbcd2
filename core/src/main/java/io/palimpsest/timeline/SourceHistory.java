package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.protocol.ReplicationConnection;
import io.palimpsest.protocol.SystemIdentity;
import java.util.List;

/**
 * Is the WAL of a source the one that a timeline has, as far as that has any? A cluster whose
 * primary failed goes on under a new WAL timeline, from what the standby had of the old one. If
 * that is all we have, or more, it is followed there. What we have beyond it is a tail that the
 * cluster has lost: never is what comes put on top of it.
 */
public final class SourceHistory {
    private SourceHistory() {}

    /**
     * Has the timeline's WAL go on as the source's does from an LSN, which is the last record's.
     *
     * @throws PageserverException SOURCE_BROKEN if the source's is another one there, or ends
     *     before; IO if it is a standby that may have it yet
     */
    static void continued(
            ReplicationConnection connection,
            SystemIdentity identity,
            Timeline timeline,
            WalSource source,
            long from) {
        WalHistory ours = timeline.walHistory().upTo(from);
        WalHistory its = history(connection, identity, ours);
        long common = its.common(ours);
        boolean parted = Long.compareUnsigned(common, from) < 0;
        boolean shorter = Long.compareUnsigned(identity.flushLsn(), from) < 0;
        if (connection.standby()
                && shorter
                && (!parted || Long.compareUnsigned(identity.flushLsn(), common) <= 0)) {
            throw PageserverException.of(
                    ErrorCode.IO,
                    "the source is a standby that has WAL up to %s, this timeline has %s; it is waited for",
                    Lsn.toString(identity.flushLsn()),
                    Lsn.toString(from));
        }
        if (parted) {
            throw parted(timeline, source, ours, its, common);
        }
        if (shorter) {
            throw PageserverException.of(
                    ErrorCode.SOURCE_BROKEN,
                    "the source has WAL up to %s only, this timeline has it up to %s: the source has lost WAL or was restored; %s",
                    Lsn.toString(identity.flushLsn()),
                    Lsn.toString(from),
                    importAnew(timeline, source));
        }
        WalHistory joined =
                its.past().isEmpty() ? timeline.walHistory().from(from) : its.from(from);
        if (joined.timelineId() != ours.timelineId()) {
            timeline.environment()
                    .tracer()
                    .event(
                            Event.WAL_TIMELINE_SWITCHED,
                            timeline.subject(),
                            "the source went over from WAL timeline "
                                    + Integer.toUnsignedString(ours.timelineId())
                                    + " to "
                                    + Integer.toUnsignedString(joined.timelineId())
                                    + " at "
                                    + Lsn.toString(joined.begin()));
        }
        timeline.continueWal(joined);
    }

    /** What a timeline has of a source's WAL: from there that one's goes on. */
    public record Shared(Timeline timeline, long lsn) {}

    /**
     * Which of these timelines has most of what the source has, and up to where.
     *
     * @param follower what follows the source now, one of them
     * @throws PageserverException PRECONDITION_FAILED if that is all that the follower has, or if
     *     the source is another cluster; LSN_OUT_OF_RANGE if it is not kept any more
     */
    public static Shared shared(
            Environment environment, Timeline follower, List<Timeline> all, WalSource source) {
        try (ReplicationConnection connection = SourceSlot.connect(environment, source)) {
            SystemIdentity identity = connection.identifySystem();
            if (identity.systemId() != follower.systemIdentifier()) {
                throw PageserverException.of(
                        ErrorCode.PRECONDITION_FAILED,
                        "the source is another cluster: system identifier %s, expected %s",
                        Long.toUnsignedString(identity.systemId()),
                        Long.toUnsignedString(follower.systemIdentifier()));
            }
            WalHistory its =
                    history(
                            connection,
                            identity,
                            follower.walHistory().upTo(follower.lastRecordLsn()));
            Shared best = shared(follower, its);
            for (Timeline timeline : all) {
                boolean same =
                        timeline.systemIdentifier() == identity.systemId()
                                && timeline.segmentSize() == follower.segmentSize()
                                && timeline.version() == follower.version();
                Shared found = same ? shared(timeline, its) : best;
                if (Long.compareUnsigned(found.lsn, best.lsn) > 0 && reaches(timeline, found.lsn)) {
                    best = found;
                }
            }
            check(best, follower, source);
            return best;
        } catch (PageserverException e) {
            throw SourceError.explain(e, source);
        }
    }

    private static Shared shared(Timeline timeline, WalHistory its) {
        long last = timeline.lastRecordLsn();
        long common = its.common(timeline.walHistory().upTo(last));
        return new Shared(timeline, Long.compareUnsigned(common, last) < 0 ? common : last);
    }

    /** May a branch be made there, of the timeline or of what it branched off? */
    private static boolean reaches(Timeline timeline, long lsn) {
        return timeline.holderOf(lsn).readable(lsn);
    }

    private static void check(Shared best, Timeline follower, WalSource source) {
        if (best.timeline.equals(follower) && best.lsn == follower.lastRecordLsn()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "the source's WAL goes on from all that timeline %s has, up to %s, and no other timeline of the tenant has more of it: there is nothing to rewind",
                    follower.id(),
                    Lsn.toString(best.lsn));
        }
        if (!reaches(best.timeline, best.lsn)) {
            throw PageserverException.of(
                    ErrorCode.LSN_OUT_OF_RANGE,
                    "the source's WAL is another one from %s on, and history up to there is not kept any more: the oldest is %s; %s",
                    Lsn.toString(best.lsn),
                    Lsn.toString(follower.oldestReadableLsn()),
                    importAnew(follower, source));
        }
    }

    /** Without a file of it a server on our own timeline is believed to be on the same one. */
    private static WalHistory history(
            ReplicationConnection connection, SystemIdentity identity, WalHistory ours) {
        WalHistory its = connection.timelineHistory(identity.timelineId());
        if (its != null) {
            return its;
        }
        if (identity.timelineId() == ours.timelineId()) {
            return ours;
        }
        throw PageserverException.of(
                ErrorCode.SOURCE_BROKEN,
                "the source is on WAL timeline %1$s, this timeline on %2$s, and the source has lost pg_wal/%3$s, which says where it left that; put the file back there from an archive or another server of the cluster",
                Integer.toUnsignedString(identity.timelineId()),
                Integer.toUnsignedString(ours.timelineId()),
                WalHistory.fileName(identity.timelineId()));
    }

    private static PageserverException parted(
            Timeline timeline, WalSource source, WalHistory ours, WalHistory its, long common) {
        String advice =
                reaches(timeline, common)
                        ? "everything up to "
                                + Lsn.toString(timeline.lastRecordLsn())
                                + " stays readable here; `palimpsest source rewind` makes a branch of what both have, which follows the source from there, and keeps the rest under another name"
                        : importAnew(timeline, source);
        String theirs = Integer.toUnsignedString(its.timelineId());
        String mine = Integer.toUnsignedString(ours.timelineId());
        return Integer.compareUnsigned(its.timelineId(), ours.timelineId()) < 0
                ? PageserverException.of(
                        ErrorCode.SOURCE_BROKEN,
                        "the source is on WAL timeline %s, this timeline on %s: the source is an older server or was restored from before a promotion; %s",
                        theirs,
                        mine,
                        advice)
                : PageserverException.of(
                        ErrorCode.SOURCE_BROKEN,
                        "the source is on WAL timeline %s, which has in common with timeline %s what is up to %s (a failover, or a point-in-time recovery), and here there is WAL of %s up to %s, which the source's cluster has lost; %s",
                        theirs,
                        mine,
                        Lsn.toString(common),
                        mine,
                        Lsn.toString(timeline.lastRecordLsn()),
                        advice);
    }

    /** What is to be done when the source's history is not ours any more. */
    static String importAnew(Timeline timeline, WalSource source) {
        return "everything up to "
                + Lsn.toString(timeline.lastRecordLsn())
                + " stays readable here; import the source as a new timeline, with a slot of another name, and drop slot "
                + source.slot()
                + " on it, which keeps WAL for nobody";
    }
}
