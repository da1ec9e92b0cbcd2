package io.palimpsest.tenant;

import io.palimpsest.base.OwnershipConfig;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.timeline.TimelineStore;
import org.jspecify.annotations.Nullable;

/**
 * Asks the object store from time to time whether this server still owns its tenants: one that has
 * nothing to put there would never find out. The first time it also has deleted what former owners
 * have left, when attaching is long over. One task for the whole server.
 */
final class OwnershipWatch {
    private final Environment environment;
    private final OwnershipConfig config;
    private final TimelineStore store;
    private final Monitor monitor;
    private boolean stopped;
    private Tasks.@Nullable Task task;

    OwnershipWatch(Environment environment, OwnershipConfig config, TimelineStore store) {
        this.environment = environment;
        this.config = config;
        this.store = store;
        this.monitor = environment.tasks().monitor("ownership");
    }

    void start() {
        task = environment.tasks().spawn(Lane.LATENCY, "ownership", this::run);
    }

    private void run() {
        while (pause()) {
            store.checkOwnership();
        }
    }

    /** False if it is over. */
    private boolean pause() {
        long until = environment.clock().monotonicNanos() + config.checkPeriodNanos();
        monitor.lock();
        try {
            for (long left = config.checkPeriodNanos();
                    !stopped && left > 0;
                    left = until - environment.clock().monotonicNanos()) {
                monitor.await(left);
            }
            return !stopped;
        } finally {
            monitor.unlock();
        }
    }

    /** Returns when nothing is under way. */
    void stop() {
        Tasks.Task last;
        monitor.lock();
        try {
            stopped = true;
            last = task;
            monitor.signalAll();
        } finally {
            monitor.unlock();
        }
        if (last != null) {
            last.cancel();
            last.join();
        }
    }
}
