package io.palimpsest.sim.world;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Tasks that wait for one thing, in order of arrival. Every device waits by this. */
public final class WaitQueue {
    private final Simulation simulation;
    private final String what;
    private @Nullable SimTask[] tasks = new SimTask[2];
    private int count;

    /** {@code what} completes the sentence "the task waits for". */
    public WaitQueue(Simulation simulation, String what) {
        this.simulation = simulation;
        this.what = what;
    }

    /** Parks the current task until it is woken. */
    public void await() {
        await(Simulation.NEVER, false);
    }

    /** Parks the current task until it is woken or the virtual time is {@code deadline}. */
    public void await(long deadline) {
        await(deadline, false);
    }

    void await(long deadline, boolean cancellable) {
        SimTask me = simulation.current();
        if (count == tasks.length) {
            tasks = Arrays.copyOf(tasks, 2 * count);
        }
        tasks[count++] = me;
        simulation.park(this, deadline, cancellable);
        remove(me);
    }

    public void wakeAll() {
        int n = count;
        count = 0;
        for (int i = 0; i < n; i++) {
            SimTask t = tasks[i];
            tasks[i] = null;
            if (t != null) {
                simulation.wake(t);
            }
        }
    }

    /** Wakes the one that has waited longest. */
    public void wakeOne() {
        while (count > 0) {
            SimTask first = tasks[0];
            removeAt(0);
            if (first != null && simulation.wake(first)) {
                return;
            }
        }
    }

    private void remove(SimTask task) {
        for (int i = 0; i < count; i++) {
            if (tasks[i] == task) {
                removeAt(i);
                return;
            }
        }
    }

    private void removeAt(int i) {
        System.arraycopy(tasks, i + 1, tasks, i, --count - i);
        tasks[count] = null;
    }

    @Override
    public String toString() {
        return what;
    }
}
