package io.palimpsest.server.runtime;

import io.palimpsest.base.Check;
import io.palimpsest.port.Event;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tracer;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Tasks on virtual threads. Background tasks run while they hold one of a few slots, which they
 * give back while they wait; virtual threads are not preempted, so this keeps processors free for
 * those somebody waits for.
 *
 * <p>Cancelling interrupts a thread only while it is in await or sleep: an interrupt at any other
 * moment would close the file or socket it is using.
 */
public final class SystemTasks implements Tasks {
    /** Is told what left a task's body. */
    public interface FailureHandler {
        void failed(String task, Throwable failure);
    }

    private static final ThreadLocal<@Nullable SystemTask> CURRENT = new ThreadLocal<>();

    private final Tracer tracer;
    private final FailureHandler handler;
    private final Semaphore slots;

    /**
     * @param backgroundSlots how many background tasks run at once
     * @param handler called on the failed task's thread, after the failure was traced
     */
    public SystemTasks(int backgroundSlots, Tracer tracer, FailureHandler handler) {
        Check.that(backgroundSlots > 0, "background slots: %d", backgroundSlots);
        this.tracer = tracer;
        this.handler = handler;
        slots = new Semaphore(backgroundSlots, true);
    }

    /** Half of the machine's processors for background tasks, at least one. */
    public SystemTasks(Tracer tracer, FailureHandler handler) {
        this(Math.max(1, Runtime.getRuntime().availableProcessors() / 2), tracer, handler);
    }

    @Override
    public Task spawn(Lane lane, String name, Runnable body) {
        SystemTask t = new SystemTask(lane, name);
        Thread.ofVirtual().name(name).start(() -> run(t, body));
        return t;
    }

    @Override
    public Monitor monitor(String name) {
        return new SystemMonitor(name);
    }

    @Override
    public void sleep(long nanos) {
        SystemTask me = CURRENT.get();
        if (me != null) {
            me.beginWait();
        }
        leaveSlot(me);
        try {
            TimeUnit.NANOSECONDS.sleep(nanos);
        } catch (InterruptedException e) {
            interrupted(me, e);
        } finally {
            if (me != null) {
                me.endWait();
            }
            enterSlot(me);
        }
        if (me != null) {
            me.throwIfCancelled();
        }
    }

    /** Others at once get the slot, if they wait for one, and the carrier. */
    @Override
    @SuppressWarnings("ThreadPriorityCheck")
    public void yieldPoint() {
        SystemTask me = CURRENT.get();
        leaveSlot(me);
        Thread.yield();
        enterSlot(me);
    }

    private void run(SystemTask t, Runnable body) {
        CURRENT.set(t);
        enterSlot(t);
        try {
            body.run();
        } catch (Cancelled e) {
            if (!t.cancelled) {
                report(t, e);
            }
        } catch (Throwable e) {
            report(t, e);
        } finally {
            leaveSlot(t);
            t.done.countDown();
        }
    }

    private void report(SystemTask t, Throwable e) {
        tracer.event(Event.TASK_FAILED, t.name + ": " + e);
        handler.failed(t.name, e);
    }

    private void enterSlot(@Nullable SystemTask t) {
        if (t != null && t.lane == Lane.BACKGROUND) {
            slots.acquireUninterruptibly();
        }
    }

    private void leaveSlot(@Nullable SystemTask t) {
        if (t != null && t.lane == Lane.BACKGROUND) {
            slots.release();
        }
    }

    private static void interrupted(@Nullable SystemTask me, InterruptedException e) {
        if (me == null || !me.cancelled) {
            // Not by us: a task is only interrupted by cancel, and other threads have no business
            // here that somebody would interrupt.
            throw new IllegalStateException("interrupted by somebody else", e);
        }
    }

    private final class SystemTask implements Task {
        private final Lane lane;
        private final String name;
        private final CountDownLatch done = new CountDownLatch(1);
        private final Object waitLock = new Object();
        private volatile boolean cancelled;

        /** The thread, while it is in await or sleep; guarded by waitLock. */
        private @Nullable Thread waiting;

        SystemTask(Lane lane, String name) {
            this.lane = lane;
            this.name = name;
        }

        void beginWait() {
            synchronized (waitLock) {
                throwIfCancelled();
                waiting = Thread.currentThread();
            }
        }

        void endWait() {
            synchronized (waitLock) {
                waiting = null;
                if (cancelled) {
                    // An interrupt that came too late for the wait must not hit what follows.
                    Thread.interrupted();
                }
            }
        }

        void throwIfCancelled() {
            if (cancelled) {
                throw new Cancelled();
            }
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public void cancel() {
            synchronized (waitLock) {
                cancelled = true;
                if (waiting != null) {
                    waiting.interrupt();
                }
            }
        }

        @Override
        public void join() {
            SystemTask me = CURRENT.get();
            Check.that(me != this, "task %s joins itself", name);
            leaveSlot(me);
            try {
                done.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException("interrupted while joining " + name, e);
            } finally {
                enterSlot(me);
            }
        }

        @Override
        public boolean isDone() {
            return done.getCount() == 0;
        }
    }

    /** Name, lock and condition. A background task takes its slot again before the lock. */
    private final class SystemMonitor implements Monitor {
        private final String name;
        private final ReentrantLock lock = new ReentrantLock();
        private final Condition condition = lock.newCondition();

        SystemMonitor(String name) {
            this.name = name;
        }

        @Override
        public void lock() {
            Check.that(!lock.isHeldByCurrentThread(), "monitor %s is locked again", name);
            lock.lock();
        }

        @Override
        public void unlock() {
            Check.that(lock.isHeldByCurrentThread(), "monitor %s is not held", name);
            lock.unlock();
        }

        @Override
        public void await() {
            await(Long.MAX_VALUE);
        }

        /** The loop is the caller's. */
        @Override
        @SuppressWarnings("WaitNotInLoop")
        public boolean await(long nanos) {
            Check.that(lock.isHeldByCurrentThread(), "monitor %s is not held", name);
            SystemTask me = CURRENT.get();
            if (me != null) {
                me.beginWait();
            }
            leaveSlot(me);
            boolean inTime = true;
            try {
                inTime = condition.awaitNanos(nanos) > 0;
            } catch (InterruptedException e) {
                interrupted(me, e);
            } finally {
                if (me != null) {
                    me.endWait();
                    retakeSlot(me);
                }
            }
            if (me != null) {
                me.throwIfCancelled();
            }
            return inTime;
        }

        /**
         * Waiting for a slot with the lock held could be waiting for one who waits for the lock.
         */
        private void retakeSlot(SystemTask me) {
            if (me.lane == Lane.BACKGROUND && !slots.tryAcquire()) {
                lock.unlock();
                slots.acquireUninterruptibly();
                lock.lock();
            }
        }

        @Override
        public void signalAll() {
            Check.that(lock.isHeldByCurrentThread(), "monitor %s is not held", name);
            condition.signalAll();
        }
    }
}
