package io.palimpsest.tenant;

import io.palimpsest.port.Environment;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import org.jspecify.annotations.Nullable;

/** The pauses of a task that does something from time to time until it is told to stop. */
final class Intervals {
    private final Environment environment;
    private final String name;
    private final Monitor monitor;
    private boolean stopped;
    private Tasks.@Nullable Task task;

    /**
     * @param name of the task
     */
    Intervals(Environment environment, String name) {
        this.environment = environment;
        this.name = name;
        this.monitor = environment.tasks().monitor(name);
    }

    /**
     * @param body goes on as long as {@link #pause} says so
     */
    void start(Runnable body) {
        task = environment.tasks().spawn(Lane.LATENCY, name, body);
    }

    /** Waits; false if it is over. */
    boolean pause(long nanos) {
        long until = environment.clock().monotonicNanos() + nanos;
        monitor.lock();
        try {
            for (long left = nanos;
                    !stopped && left > 0;
                    left = until - environment.clock().monotonicNanos()) {
                monitor.await(left);
            }
            return !stopped;
        } finally {
            monitor.unlock();
        }
    }

    /** Ends the pauses; the task, if there is one, ends with what it is at. */
    Tasks.@Nullable Task stop() {
        monitor.lock();
        try {
            stopped = true;
            monitor.signalAll();
            return task;
        } finally {
            monitor.unlock();
        }
    }
}
