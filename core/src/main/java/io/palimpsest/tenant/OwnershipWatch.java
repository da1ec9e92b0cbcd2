package io.palimpsest.tenant;

import io.palimpsest.base.OwnershipConfig;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Tasks;
import io.palimpsest.timeline.TimelineStore;

/**
 * Asks the object store from time to time whether this server still owns its tenants: one that has
 * nothing to put there would never find out. The first time it also has deleted what former owners
 * have left, when attaching is long over. One task for the whole server.
 */
final class OwnershipWatch {
    private final OwnershipConfig config;
    private final TimelineStore store;
    private final Intervals intervals;

    OwnershipWatch(Environment environment, OwnershipConfig config, TimelineStore store) {
        this.config = config;
        this.store = store;
        this.intervals = new Intervals(environment, "ownership");
    }

    void start() {
        intervals.start(this::run);
    }

    private void run() {
        while (intervals.pause(config.checkPeriodNanos())) {
            store.checkOwnership();
        }
    }

    /** Returns when nothing is under way; a request that waits for the store is given up. */
    void stop() {
        Tasks.Task last = intervals.stop();
        if (last != null) {
            last.cancel();
            last.join();
        }
    }
}
