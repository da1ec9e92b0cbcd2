package io.palimpsest.sim.fault;

import io.palimpsest.base.Check;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Ids;
import io.palimpsest.port.Net;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tracer;
import io.palimpsest.sim.world.Node;
import java.util.List;

/** A node with a disk and a network: all the ports a server takes. */
public record Machine(Node node, SimDisk disk, SimNet network) {
    public Machine(SimNet network, String name, FaultPlan plan) {
        Node node = network.simulation().node(name);
        this(node, new SimDisk(node, plan), network);
    }

    public Clock clock() {
        return node.clock();
    }

    public Tasks tasks() {
        return node.tasks();
    }

    public Ids ids() {
        return node.ids();
    }

    public Tracer tracer() {
        return node.tracer();
    }

    /** What a scenario has to tell, in the trace. */
    public void note(String what, String detail) {
        node.note(what, detail);
    }

    public Net net() {
        return network.of(node);
    }

    public Disk files() {
        return disk;
    }

    /** What a server on it is given. */
    public Environment environment() {
        return environment(disk);
    }

    /** The same, but that it sees the disk so. */
    public Environment environment(Disk seen) {
        return new Environment(clock(), tasks(), seen, net(), ids(), tracer());
    }

    /** Starts a task on it, as its boot would. */
    public Tasks.Task start(String name, Runnable body) {
        return node.tasks().spawn(Tasks.Lane.LATENCY, name, body);
    }

    public void losePower() {
        node.simulation().kill(node);
    }

    /** Fails unless what ran here has ended in good order: no task, nothing open. */
    public void checkIdle() {
        Check.that(node.liveTasks() == 0, "%d tasks left", node.liveTasks());
        List<String> open = disk.openHandles();
        Check.that(
                open.isEmpty(),
                "%d files left open, %s",
                open.size(),
                open.subList(0, Math.min(3, open.size())));
    }
}
