package io.palimpsest.tenant;

import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.timeline.Timeline;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Deletes branches whose time is over, as anybody would delete them. One that is protected, has
 * branches or follows a source stays until that changes. And lets go pinned points whose time is
 * over. There is no task before some branch or pin has an end.
 */
final class BranchExpiry {
    /** How soon what failed, or was in the way of a deletion, is looked at again. */
    private static final long AGAIN_MILLIS = 60_000L;

    private final Environment environment;
    private final Supplier<List<Timeline>> timelines;
    private final Consumer<Timeline> delete;
    private final Predicate<Timeline> letGo;
    private final Monitor monitor;
    private boolean changed;
    private boolean stopped;
    private Tasks.@Nullable Task task;

    /**
     * @param timelines all that are open
     * @param delete one whose time is over; throws if it stays
     * @param letGo lets the pinned points go whose time is over; false if there is none
     */
    BranchExpiry(
            Environment environment,
            Supplier<List<Timeline>> timelines,
            Consumer<Timeline> delete,
            Predicate<Timeline> letGo) {
        this.letGo = letGo;
        this.environment = environment;
        this.timelines = timelines;
        this.delete = delete;
        this.monitor = environment.tasks().monitor("branch-expiry");
    }

    /** Something has changed that matters to when a branch goes. */
    void changed() {
        monitor.lock();
        try {
            if (!stopped && (task != null || anyExpires())) {
                changed = true;
                monitor.signalAll();
                if (task == null) {
                    task = environment.tasks().spawn(Lane.BACKGROUND, "branch-expiry", this::run);
                }
            }
        } finally {
            monitor.unlock();
        }
    }

    private boolean anyExpires() {
        return timelines.get().stream()
                .map(Timeline::properties)
                .anyMatch(p -> p.expiresMillis() != 0 || p.firstPinEndMillis() != 0);
    }

    private void run() {
        try {
            while (pause(sweep())) {
                environment.tasks().yieldPoint();
            }
        } catch (Tasks.Cancelled e) {
            // Only stop() cancels.
            environment.tracer().event(Event.BRANCH_EXPIRY_STOPPED, "in a deletion");
        }
    }

    /** Deletes what is over; answers after how many milliseconds to look again, 0: never. */
    private long sweep() {
        long wait = 0;
        for (Timeline timeline : timelines.get()) {
            wait = sooner(wait, timeline.properties().firstPinEndMillis(), this::pinsGo, timeline);
            wait = sooner(wait, timeline.properties().expiresMillis(), this::goes, timeline);
        }
        return wait;
    }

    /**
     * When to look again, if that is to happen to a timeline at a time, and happens now if it is.
     */
    private long sooner(long wait, long until, Predicate<Timeline> happens, Timeline timeline) {
        if (until == 0) {
            return wait;
        }
        long left = until - environment.clock().wallMillis();
        if (left <= 0 && !happens.test(timeline)) {
            left = AGAIN_MILLIS;
        }
        // The wall clock may be set: it is not relied on for long. Another pin may be next.
        left = Math.min(Math.max(left, 0), AGAIN_MILLIS);
        boolean next = left > 0 || timeline.properties().firstPinEndMillis() != 0;
        long again = left > 0 ? left : 1;
        return !next ? wait : wait == 0 ? again : Math.min(wait, again);
    }

    private boolean pinsGo(Timeline timeline) {
        if (!timeline.collects()) {
            return false;
        }
        try {
            if (letGo.test(timeline)) {
                environment
                        .tracer()
                        .event(
                                Event.PINS_ENDED,
                                timeline.subject(),
                                "the time of pinned points was over: their names stay, their history goes with the rest");
            }
            return true;
        } catch (PageserverException e) {
            environment
                    .tracer()
                    .event(
                            Event.PINS_NOT_ENDED,
                            timeline.subject(),
                            String.valueOf(e.getMessage()));
            return false;
        }
    }

    private boolean goes(Timeline timeline) {
        if (timeline.properties().isProtected()
                || timeline.branchCount() > 0
                || !timeline.collects()) {
            return false;
        }
        try {
            delete.accept(timeline);
            environment
                    .tracer()
                    .event(
                            Event.BRANCH_EXPIRED,
                            timeline.subject(),
                            "its time was over: it is deleted");
            return true;
        } catch (PageserverException e) {
            environment
                    .tracer()
                    .event(
                            Event.BRANCH_EXPIRY_FAILED,
                            timeline.subject(),
                            String.valueOf(e.getMessage()));
            return false;
        }
    }

    /** False if it is over. */
    private boolean pause(long millis) {
        long until = environment.clock().monotonicNanos() + millis * 1_000_000L;
        monitor.lock();
        try {
            while (!stopped && !changed) {
                long left = until - environment.clock().monotonicNanos();
                if (millis == 0) {
                    monitor.await();
                } else if (left <= 0) {
                    break;
                } else {
                    boolean _ = monitor.await(left);
                }
            }
            changed = false;
            return !stopped;
        } finally {
            monitor.unlock();
        }
    }

    /** Ends; a deletion under way is cut short, and goes on when the server starts again. */
    void stop() {
        Tasks.Task last;
        monitor.lock();
        try {
            stopped = true;
            monitor.signalAll();
            last = task;
        } finally {
            monitor.unlock();
        }
        if (last != null) {
            last.cancel();
            last.join();
        }
    }
}
