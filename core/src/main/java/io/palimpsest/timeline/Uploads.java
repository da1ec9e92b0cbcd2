package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Brings what timelines have made durable into the store: a few tasks for the whole server, which
 * are there only while there is something to do. A timeline that has something waits in a queue and
 * gets one step at a time, so that none keeps the others waiting; its layers may be put by several
 * tasks at once. What fails is tried again for ever, later and later.
 */
final class Uploads {
    private static final long FIRST_PAUSE = 100_000_000L;
    private static final long LONGEST_PAUSE = 30_000_000_000L;

    private static final long AT_ONCE = Long.MIN_VALUE;

    /** A timeline's place in the queue; guarded by the monitor. */
    static final class Turn {
        private final RemoteTimeline timeline;
        private boolean queued;
        private long notBefore = AT_ONCE;
        private long pause = FIRST_PAUSE;

        Turn(RemoteTimeline timeline) {
            this.timeline = timeline;
        }
    }

    private final Tasks tasks;
    private final Clock clock;
    private final int most;
    private final Monitor monitor;
    private final ArrayDeque<Turn> queue = new ArrayDeque<>();
    private final List<Tasks.Task> workers = new ArrayList<>();
    private int running;
    private int working;
    private volatile boolean stopped;

    /** One of the workers waits for the first turn that is not due yet. */
    private boolean watched;

    /**
     * @param most tasks at once
     */
    Uploads(Environment environment, int most) {
        Check.that(most > 0, "%d upload tasks", most);
        tasks = environment.tasks();
        clock = environment.clock();
        this.most = most;
        monitor = tasks.monitor("uploads");
    }

    /** The timeline may have something to do. Returns at once. */
    void wake(Turn turn) {
        monitor.lock();
        try {
            enqueue(turn);
        } finally {
            monitor.unlock();
        }
    }

    private void enqueue(Turn turn) {
        if (stopped) {
            return;
        }
        if (!turn.queued) {
            turn.queued = true;
            queue.addLast(turn);
        }
        if (watched) {
            monitor.signalAll();
        }
        startWorker();
    }

    /** If more wait than there are idle ones to take them. */
    private void startWorker() {
        if (!stopped && running < most && running - working < queue.size()) {
            running++;
            workers.removeIf(Tasks.Task::isDone);
            workers.add(tasks.spawn(Lane.LATENCY, "upload", this::work));
        }
    }

    private void work() {
        for (Turn turn = take(); turn != null; turn = take()) {
            UploadPlan.Step step = turn.timeline.begin();
            if (step instanceof UploadPlan.Step.Layer) {
                wake(turn);
            }
            boolean good = step == null || turn.timeline.run(step);
            monitor.lock();
            try {
                working--;
                if (step != null) {
                    turn.pause = good ? FIRST_PAUSE : Math.min(LONGEST_PAUSE, 2 * turn.pause);
                    turn.notBefore = good ? AT_ONCE : clock.monotonicNanos() + turn.pause;
                    enqueue(turn);
                }
                monitor.signalAll();
            } finally {
                monitor.unlock();
            }
        }
    }

    private @Nullable Turn take() {
        monitor.lock();
        try {
            while (!stopped && !queue.isEmpty()) {
                long now = clock.monotonicNanos();
                Turn first = queue.getFirst();
                for (Turn turn : queue) {
                    if (turn.notBefore < first.notBefore) {
                        first = turn;
                    }
                }
                if (first.notBefore <= now) {
                    queue.remove(first);
                    first.queued = false;
                    working++;
                    startWorker();
                    return first;
                }
                if (watched) {
                    break;
                }
                watched = true;
                try {
                    monitor.await(first.notBefore - now);
                } finally {
                    watched = false;
                }
            }
            running--;
            monitor.signalAll();
            return null;
        } finally {
            monitor.unlock();
        }
    }

    /** Waits until there is nothing to do, for that long at most. */
    boolean drain(long nanos) {
        long deadline = clock.monotonicNanos() + nanos;
        monitor.lock();
        try {
            while (!queue.isEmpty() || working > 0) {
                long left = deadline - clock.monotonicNanos();
                if (left <= 0) {
                    return false;
                }
                monitor.await(left);
            }
            return true;
        } finally {
            monitor.unlock();
        }
    }

    boolean stopped() {
        return stopped;
    }

    /** Ends what is under way and begins nothing more. */
    void stop() {
        List<Tasks.Task> last;
        monitor.lock();
        try {
            stopped = true;
            last = List.copyOf(workers);
            monitor.signalAll();
        } finally {
            monitor.unlock();
        }
        last.forEach(Tasks.Task::cancel);
        last.forEach(Tasks.Task::join);
    }
}
