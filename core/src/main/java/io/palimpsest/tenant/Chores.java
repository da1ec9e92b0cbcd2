package io.palimpsest.tenant;

import io.palimpsest.layer.LayerName;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineState;

/** What is to be done for one timeline, and when. Guarded by the housekeeper's monitor. */
final class Chores {
    /** Kinds of work. */
    enum Kind {
        MERGE,
        COLLECT,
        IMAGES,
        HISTORY,
        /** Merging L0s, fewer than the threshold, of a timeline that nothing is written to. */
        REST
    }

    /** A timeline is at rest when there was no L0 for this many compaction periods. */
    private static final int REST_PERIODS = 3;

    /** No time at all. */
    static final long NEVER = Long.MAX_VALUE;

    /** Work of one kind: when to look whether there is some. */
    static final class Errand {
        private long at = NEVER;
        final CircuitBreaker breaker = new CircuitBreaker();

        /** Asks for it at that time, or when it was asked for already if that is earlier. */
        void want(long time) {
            at = Math.min(at, time);
        }

        /** Asks for it at that time, though it was asked for earlier. */
        void postpone(long time) {
            at = time;
        }

        void done() {
            at = NEVER;
        }

        /** Is it waited for longer than the other? */
        boolean before(Errand other) {
            return at < other.at;
        }

        boolean due(long now) {
            return at <= now && breaker.closed(now);
        }

        long dueAt(long now) {
            return at == NEVER ? NEVER : Math.max(at, breaker.notBefore(now));
        }
    }

    final Timeline timeline;
    private final Errand merge = new Errand();
    private final Errand images = new Errand();
    private final Errand collection = new Errand();
    private final Errand history = new Errand();
    private final Errand rest = new Errand();

    /** The timeline is not at rest before. */
    private long restsAt;

    /** Images are not looked for again before. */
    long imagesNotBefore = Long.MIN_VALUE;

    /** The timeline is leaving: no work on it begins, and what is under way ends. */
    volatile boolean gone;

    Chores(Timeline timeline, long now) {
        this.timeline = timeline;
        restsAt = restFrom(now);
    }

    private long restFrom(long now) {
        return now + REST_PERIODS * timeline.config().compactionPeriodNanos();
    }

    Errand errand(Kind kind) {
        return switch (kind) {
            case MERGE -> merge;
            case IMAGES -> images;
            case COLLECT -> collection;
            case HISTORY -> history;
            case REST -> rest;
        };
    }

    /** It has one more L0. */
    void flushed(long now) {
        restsAt = restFrom(now);
        if (rest.at != NEVER) {
            rest.postpone(restsAt);
        }
        changed(now);
    }

    /** Its layers, or what must be kept of them, have changed. */
    void changed(long now) {
        if (timeline.config().compactionPeriodNanos() > 0) {
            wantMerge(now);
            images.want(Math.max(now, imagesNotBefore));
            if (mergeableL0s() > 0) {
                rest.want(Math.max(now, restsAt));
            }
        } else {
            // It may have been on a moment ago.
            merge.done();
            images.done();
            rest.done();
        }
        if (timeline.config().gcPeriodNanos() > 0) {
            collection.want(now + timeline.config().gcPeriodNanos());
        } else {
            collection.done();
        }
    }

    private long mergeableL0s() {
        return timeline.l0Count()
                - timeline.damaged().names().stream().filter(LayerName::isL0).count();
    }

    void wantMerge(long now) {
        if (mergeableL0s() >= timeline.config().compactionThreshold()) {
            merge.want(now);
        }
    }

    /** Nothing can be done for a timeline that is leaving, or that stopped writing. */
    boolean usable() {
        return !gone
                && timeline.owned()
                && timeline.failure() == null
                && !(timeline.state() instanceof TimelineState.Deleting);
    }

    private boolean does(Kind kind) {
        return usable() && (kind != Kind.COLLECT || timeline.collects());
    }

    boolean due(Kind kind, long now) {
        return does(kind) && errand(kind).due(now);
    }

    /** Both are due: is this one to be done before the other? */
    boolean before(Chores other, Kind kind) {
        return kind == Kind.MERGE
                ? timeline.l0Count() > other.timeline.l0Count()
                : errand(kind).before(other.errand(kind));
    }

    /** When something is due, or NEVER. */
    long dueAt(long now) {
        long at = NEVER;
        if (usable()) {
            for (Kind kind : Kind.values()) {
                at = does(kind) ? Math.min(at, errand(kind).dueAt(now)) : at;
            }
        }
        return at;
    }

    boolean idle() {
        return !usable()
                || merge.at == NEVER
                        && images.at == NEVER
                        && collection.at == NEVER
                        && history.at == NEVER
                        && rest.at == NEVER;
    }

    /** Must flushes wait until L0s have been merged? */
    boolean holdsBack(int factor) {
        return usable()
                && timeline.config().compactionPeriodNanos() > 0
                && !merge.breaker.off()
                && mergeableL0s() >= (long) factor * timeline.config().compactionThreshold();
    }
}
