package io.palimpsest.tenant;

import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.timeline.BranchProperties;
import io.palimpsest.timeline.Timeline;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Deletes branches whose time is over, as anybody would delete them. One that is protected, has
 * branches or follows a source stays until that changes. There is no task before some branch has an
 * end.
 */
final class BranchExpiry {
    /** How soon what failed, or was in the way of a deletion, is looked at again. */
    private static final long AGAIN_MILLIS = 60_000L;

    private final Environment environment;
    private final Supplier<List<Timeline>> timelines;
    private final Consumer<Timeline> delete;
    private final Monitor monitor;
    private boolean changed;
    private boolean stopped;
    private Tasks.@Nullable Task task;

    /**
     * @param timelines all that are open
     * @param delete one whose time is over; throws if it stays
     */
    BranchExpiry(
            Environment environment,
            Supplier<List<Timeline>> timelines,
            Consumer<Timeline> delete) {
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
        return timelines.get().stream().anyMatch(t -> t.properties().expiresMillis() != 0);
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
            BranchProperties properties = timeline.properties();
            long until = properties.expiresMillis();
            if (until == 0) {
                continue;
            }
            long left = until - environment.clock().wallMillis();
            if (left <= 0 && !goes(timeline)) {
                left = AGAIN_MILLIS;
            }
            // The wall clock may be set: it is not relied on for long.
            left = Math.min(left, AGAIN_MILLIS);
            wait = left <= 0 ? wait : wait == 0 ? left : Math.min(wait, left);
        }
        return wait;
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
