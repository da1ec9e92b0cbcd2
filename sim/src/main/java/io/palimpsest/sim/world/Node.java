package io.palimpsest.sim.world;

import io.palimpsest.base.Check;
import io.palimpsest.base.Prng;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Event;
import io.palimpsest.port.Ids;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tracer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * A machine: its tasks, its clock and its devices. It can lose its power ({@link Simulation#kill})
 * and then be given new tasks, which is a restart: nothing but the devices' contents is left.
 */
public final class Node {
    private final Simulation simulation;
    private final String name;
    private final int index;
    private final Prng ids;
    private final long monotonicStart;
    private final int slots;
    private final WaitQueue slotQueue;
    private final List<SimTask> live = new ArrayList<>();
    private final List<Device> devices = new ArrayList<>();
    private int freeSlots;
    private int incarnation;
    private Consumer<StackTraceElement> atPowerLoss = frame -> {};
    private long wallOffsetMillis;

    private final Clock clock =
            new Clock() {
                @Override
                public long monotonicNanos() {
                    return monotonicStart + simulation().now();
                }

                @Override
                public long wallMillis() {
                    return Simulation.EPOCH_MILLIS + simulation().now() / 1_000_000 + wallOffset();
                }
            };

    private final Tasks tasks =
            new Tasks() {
                @Override
                public Task spawn(Lane lane, String taskName, Runnable body) {
                    return simulation().start(Node.this, lane, taskName, body);
                }

                @Override
                public Monitor monitor(String monitorName) {
                    return new SimMonitor(Node.this, monitorName);
                }

                @Override
                public void sleep(long nanos) {
                    simulation().sleep(nanos);
                }

                @Override
                public void yieldPoint() {
                    simulation().yieldPoint();
                }
            };

    private final Tracer tracer =
            new Tracer() {
                @Override
                public void event(Event event, Subject subject, String detail) {
                    String whom = subject.toString();
                    note(event.word(), whom.isEmpty() ? detail : whom + ": " + detail);
                }
            };

    Node(Simulation simulation, String name, int index) {
        this.simulation = simulation;
        this.name = name;
        this.index = index;
        Prng random = simulation.random("node " + name);
        ids = random.split("ids");
        // Each machine counts from a moment of its own, so that a time sent to another one shows.
        monotonicStart = random.nextLong(1L << 50);
        slots = 1 + random.nextInt(3);
        freeSlots = slots;
        slotQueue = new WaitQueue(simulation, "background slot of " + name);
    }

    public String name() {
        return name;
    }

    public int index() {
        return index;
    }

    public Simulation simulation() {
        return simulation;
    }

    /** How often it lost its power. */
    public int incarnation() {
        return incarnation;
    }

    public Clock clock() {
        return clock;
    }

    public Tasks tasks() {
        return tasks;
    }

    public Tracer tracer() {
        return tracer;
    }

    /** What a scenario has to tell, in the trace beside what the server tells. */
    public void note(String what, String detail) {
        simulation().event(this, what, detail);
    }

    public Ids ids() {
        return ids::nextLong;
    }

    public void attach(Device device) {
        devices.add(device);
    }

    /** Sets the date back or forth; the monotonic clock does not notice. */
    public void shiftWall(long millis) {
        wallOffsetMillis += millis;
    }

    private long wallOffset() {
        return wallOffsetMillis;
    }

    /** Tasks that have not ended. */
    public int liveTasks() {
        return live.size();
    }

    List<SimTask> live() {
        return live;
    }

    void add(SimTask task) {
        task.place = live.size();
        live.add(task);
    }

    void remove(SimTask task) {
        SimTask last = live.removeLast();
        if (last != task) {
            Check.that(live.get(task.place) == task, "task %s is not in its place", task);
            live.set(task.place, last);
            last.place = task.place;
        }
    }

    /** When the power goes, {@code where} is told all that the tasks are in the middle of. */
    public void atPowerLoss(Consumer<StackTraceElement> where) {
        atPowerLoss = where;
    }

    void powerLost() {
        for (SimTask task : live) {
            for (StackTraceElement frame : task.thread.getStackTrace()) {
                atPowerLoss.accept(frame);
            }
        }
        incarnation++;
        live.clear();
        freeSlots = slots;
        for (Device d : devices) {
            d.powerLost();
        }
    }

    /** Background tasks run a few at a time, others at will. */
    void enterSlot(SimTask task) {
        if (task.lane == Tasks.Lane.BACKGROUND) {
            while (freeSlots == 0) {
                slotQueue.await();
            }
            freeSlots--;
        }
    }

    void leaveSlot(SimTask task) {
        if (task.lane == Tasks.Lane.BACKGROUND) {
            freeSlots++;
            slotQueue.wakeOne();
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
