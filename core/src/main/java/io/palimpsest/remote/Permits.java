package io.palimpsest.remote;

import io.palimpsest.base.Check;
import io.palimpsest.port.Tasks;

/** So many at once, and the others wait. */
final class Permits {
    private final Tasks.Monitor monitor;
    private int free;

    Permits(Tasks tasks, int count) {
        Check.that(count > 0, "permits %d", count);
        monitor = tasks.monitor("store permits");
        free = count;
    }

    /** Waits for one; a cancelled task gets none. */
    void acquire() {
        monitor.lock();
        try {
            while (free == 0) {
                monitor.await();
            }
            free--;
        } finally {
            monitor.unlock();
        }
    }

    void release() {
        monitor.lock();
        try {
            free++;
            monitor.signalAll();
        } finally {
            monitor.unlock();
        }
    }
}
