package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import org.jspecify.annotations.Nullable;

/** At which LSN a request is answered, and the waiting until WAL is there. */
final class LsnRequests {
    private final Timeline timeline;
    private final LsnWaiter lastRecord;
    private final HistoryWindow window;
    private volatile @Nullable String walEnd;

    LsnRequests(Timeline timeline, LsnWaiter lastRecord, HistoryWindow window) {
        this.timeline = timeline;
        this.lastRecord = lastRecord;
        this.window = window;
    }

    /** No more WAL will come, for this reason; or null: it comes again. */
    void end(@Nullable String why) {
        walEnd = why;
    }

    /** See {@link Timeline#effectiveLsn}. */
    long effectiveLsn(long requestLsn, long notModifiedSince) {
        if (requestLsn == 0 || Long.compareUnsigned(requestLsn, notModifiedSince) < 0) {
            throw PageserverException.badRequest(
                    "request LSN %s, not modified since %s: expected a valid request LSN at or above the other",
                    Lsn.toString(requestLsn), Lsn.toString(notModifiedSince));
        }
        long last = lastRecord.lsn();
        long lsn;
        if (Long.compareUnsigned(notModifiedSince, last) > 0) {
            waitFor(notModifiedSince);
            lsn = notModifiedSince;
        } else {
            lsn = Long.compareUnsigned(requestLsn, last) < 0 ? requestLsn : last;
        }
        if (!(timeline.state() instanceof TimelineState.Active)) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "timeline %s is archived; it is not read until that is taken back",
                    timeline.id());
        }
        window.checkReadable(lsn);
        return lsn;
    }

    /**
     * See {@link Timeline#tryEffectiveLsn}: what {@link #effectiveLsn} says, unless that is news.
     */
    long tryEffectiveLsn(long requestLsn, long notModifiedSince) {
        long last = lastRecord.lsn();
        if (Long.compareUnsigned(requestLsn, notModifiedSince) < 0
                || Long.compareUnsigned(notModifiedSince, last) > 0
                || !(timeline.state() instanceof TimelineState.Active)) {
            return 0;
        }
        long lsn = Long.compareUnsigned(requestLsn, last) < 0 ? requestLsn : last;
        return window.readable(lsn) ? lsn : 0;
    }

    /** See {@link Timeline#awaitArrived}. */
    boolean await(long lsn, long nanos) {
        if (lsn >= 0 && lastRecord.await(lsn, nanos)) {
            return true;
        }
        if (timeline.closed()) {
            throw PageserverException.of(
                    ErrorCode.SHUTTING_DOWN, "timeline %s is shutting down", timeline.id());
        }
        return false;
    }

    /** See {@link Timeline#waitFor}. */
    void waitFor(long lsn) {
        if (lsn >= 0 && lastRecord.await(lsn, timeline.limits().waitLsnNanos())) {
            return;
        }
        if (timeline.closed()) {
            throw PageserverException.of(
                    ErrorCode.SHUTTING_DOWN, "timeline %s is shutting down", timeline.id());
        }
        String end = walEnd;
        if (end != null) {
            throw PageserverException.of(
                    ErrorCode.LSN_TIMEOUT,
                    "LSN %s of timeline %s will not come: WAL has arrived up to %s, and its source is broken: %s",
                    Lsn.toString(lsn),
                    timeline.id(),
                    Lsn.toString(lastRecord.lsn()),
                    end);
        }
        throw PageserverException.of(
                ErrorCode.LSN_TIMEOUT,
                "timed out after %d s waiting for LSN %s of timeline %s: WAL has arrived up to %s; is the source running?",
                timeline.limits().waitLsnNanos() / 1_000_000_000L,
                Lsn.toString(lsn),
                timeline.id(),
                Lsn.toString(lastRecord.lsn()));
    }
}
