package io.palimpsest.port;

/**
 * Concurrency. Core code is blocking and straight-line; what runs it, and when, is the world's
 * choice. Data shared between tasks is guarded by a {@link Monitor}, or immutable and published by
 * one volatile write.
 */
public interface Tasks {
    /** Where a task runs. */
    enum Lane {
        /** Somebody waits for it: connections, requests, WAL receivers. Any number may block. */
        LATENCY,
        /**
         * Nobody waits: flush, compaction, upload. A bounded number runs at once; one that is in
         * {@link Monitor#await}, {@link Tasks#sleep} or {@link Task#join} does not count.
         */
        BACKGROUND
    }

    /** A running task. */
    interface Task {
        String name();

        /**
         * Asks the task to end: its current {@link Monitor#await} or {@link Tasks#sleep} and every
         * later one throws {@link Cancelled}. Returns at once. I/O is not disturbed: close the
         * connection it reads from.
         */
        void cancel();

        /**
         * Waits until the task's body has returned or thrown; not to be called with a monitor held,
         * nor by the task itself. Goes on if the caller is cancelled.
         */
        void join();

        boolean isDone();
    }

    /** Thrown in a cancelled task where it would have waited. Let it pass through. */
    final class Cancelled extends RuntimeException {
        private static final long serialVersionUID = 1;

        public Cancelled() {
            super("cancelled", null, false, false);
        }
    }

    /**
     * A lock with one condition. Not reentrant. Locks are held briefly and never over I/O unless
     * said where. Waiting with a second monitor held is a wrong program.
     */
    interface Monitor {
        void lock();

        void unlock();

        /**
         * Gives the lock up, waits for {@link #signalAll}, takes it again. May return for no
         * reason: call it in a loop around the condition. Throws {@link Cancelled}, with the lock
         * held again, if the task is cancelled.
         */
        void await();

        /**
         * The same with a bound in nanoseconds of {@link Clock#monotonicNanos} time.
         *
         * @return false if the bound passed
         */
        boolean await(long nanos);

        /** Wakes all who wait; the caller holds the lock. */
        void signalAll();
    }

    /**
     * Starts {@code body}. A throwable that leaves it is reported to the world, which decides what
     * stops.
     */
    Task spawn(Lane lane, String name, Runnable body);

    Monitor monitor(String name);

    /** Not with a monitor held. */
    void sleep(long nanos);

    /**
     * A place where the world may let others run: in loops of background work. Not with a monitor
     * held.
     */
    void yieldPoint();
}
