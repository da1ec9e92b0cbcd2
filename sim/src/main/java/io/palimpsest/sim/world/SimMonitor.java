package io.palimpsest.sim.world;

import io.palimpsest.base.Check;
import io.palimpsest.port.Tasks;
import org.jspecify.annotations.Nullable;

/**
 * A monitor of one node. Locking, unlocking and waking are places where others may run, and waits
 * now and then end for no reason: both by seed. Held by a killed task it stays held; so it must not
 * be shared between nodes, which is checked.
 */
final class SimMonitor implements Tasks.Monitor {
    private final Node node;
    private final Simulation simulation;
    private final String name;
    private final WaitQueue lockers;
    private final WaitQueue waiters;
    private @Nullable SimTask owner;

    SimMonitor(Node node, String name) {
        this.node = node;
        this.simulation = node.simulation();
        this.name = name;
        this.lockers = new WaitQueue(simulation, "lock of " + name);
        this.waiters = new WaitQueue(simulation, "signal of " + name);
    }

    @Override
    public void lock() {
        SimTask me = simulation.current();
        Check.that(me.node == node, "%s locks monitor %s of another node", me, name);
        Check.that(owner != me, "%s locks monitor %s again", me, name);
        simulation.maybeYield(me);
        take(me);
    }

    @Override
    public void unlock() {
        SimTask me = simulation.current();
        release(me);
        simulation.maybeYield(me);
    }

    @Override
    public void await() {
        await(Simulation.NEVER);
    }

    @Override
    public boolean await(long nanos) {
        SimTask me = simulation.current();
        Check.that(owner == me, "%s waits on monitor %s without its lock", me, name);
        Check.that(me.held == 1, "%s waits on monitor %s with another one locked", me, name);
        if (me.cancelled) {
            throw new Tasks.Cancelled();
        }
        long deadline = simulation.deadline(nanos);
        release(me);
        node.leaveSlot(me);
        if (simulation.spuriousWake()) {
            simulation.yieldNow(me);
        } else {
            waiters.await(deadline, true);
        }
        node.enterSlot(me);
        take(me);
        if (me.cancelled) {
            throw new Tasks.Cancelled();
        }
        return simulation.now() < deadline;
    }

    @Override
    public void signalAll() {
        SimTask me = simulation.current();
        Check.that(owner == me, "%s signals monitor %s without its lock", me, name);
        waiters.wakeAll();
    }

    private void take(SimTask me) {
        while (owner != null) {
            lockers.await();
        }
        owner = me;
        me.held++;
    }

    private void release(SimTask me) {
        Check.that(owner == me, "%s unlocks monitor %s, which it does not hold", me, name);
        owner = null;
        me.held--;
        lockers.wakeOne();
    }
}
