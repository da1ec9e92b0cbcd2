package io.palimpsest.sim.world;

import io.palimpsest.base.Check;
import io.palimpsest.port.Tasks;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** A task of the simulation: a virtual thread that runs only while it holds the baton. */
public final class SimTask implements Tasks.Task {
    /** Wakes the task when its time has come. */
    private final class Alarm extends Event {
        @Override
        void fire() {
            simulation.wake(SimTask.this);
        }
    }

    final Simulation simulation;
    final Node node;
    final int id;
    final Tasks.Lane lane;
    final Thread thread;
    final Event alarm = new Alarm();
    private final String name;
    private final WaitQueue joiners;
    private boolean started;

    /** Parked, so that a wake makes it runnable. */
    boolean parked;

    /** The wait ends when the task is cancelled. */
    boolean cancellable;

    boolean cancelled;
    boolean killed;
    boolean done;

    /** Monitors it holds. */
    int held;

    /** What is about to come over it. */
    @Nullable Stall stall;

    /** What it waits for, in the words of {@code toString}. */
    @Nullable Object waitingFor;

    /** Its place in its node's list of live tasks. */
    int place;

    SimTask(Node node, int id, Tasks.Lane lane, String name, Runnable body) {
        this.simulation = node.simulation();
        this.node = node;
        this.id = id;
        this.lane = lane;
        this.name = name;
        this.joiners = new WaitQueue(simulation, "end of " + name);
        this.thread =
                Thread.ofVirtual()
                        .name(node.name() + "/" + name)
                        .inheritInheritableThreadLocals(false)
                        .unstarted(() -> simulation.runBody(this, body));
    }

    /** Gives its thread the go after it was given the baton. */
    void go() {
        if (started) {
            LockSupport.unpark(thread);
        } else {
            started = true;
            thread.start();
        }
    }

    void ended() {
        done = true;
        joiners.wakeAll();
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public void cancel() {
        cancelled = true;
        if (parked && cancellable) {
            simulation.wake(this);
        }
    }

    /** Waits until the body has returned or thrown, or the task was killed with its node. */
    @Override
    public void join() {
        SimTask me = simulation.current();
        Check.that(me != this, "task %s joins itself", name);
        Check.that(me.held == 0, "task %s joins with a monitor held", me.name);
        me.node.leaveSlot(me);
        while (!done) {
            joiners.await();
        }
        me.node.enterSlot(me);
    }

    @Override
    public boolean isDone() {
        return done;
    }

    /** Ended by the end of its node. */
    public boolean isKilled() {
        return killed;
    }

    @Override
    public String toString() {
        return node.name() + "/" + name;
    }
}
