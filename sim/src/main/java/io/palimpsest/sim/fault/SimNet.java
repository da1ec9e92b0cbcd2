package io.palimpsest.sim.fault;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.port.Net;
import io.palimpsest.sim.world.Node;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.sim.world.WaitQueue;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A network of streams between nodes. What is written arrives in order, cut anywhere, after a
 * while; never changed, never twice. By plan a connection breaks: both ends get an error, and what
 * was under way is lost. A node that loses its power says nothing; its peers find out later, when
 * their connection is reset. A direction between two nodes can be blocked: nothing arrives until it
 * is freed.
 */
public final class SimNet {
    /** Bytes under way in one direction; a writer waits for room. */
    static final int WINDOW = 256 * 1024;

    private static final long POWER_LOSS_NOTICED_NANOS = 30_000_000_000L;

    /** A port that is listened at. */
    public final class Listener implements AutoCloseable {
        private final Node node;
        private final String address;
        private final ArrayDeque<SimConnection> backlog = new ArrayDeque<>();
        private final WaitQueue accepting;

        Listener(Node node, String address) {
            this.node = node;
            this.address = address;
            accepting = new WaitQueue(simulation, "a connection to " + address);
        }

        /** The next connection, or null if none came in that time or the listener was closed. */
        public Net.@Nullable Connection accept(long timeoutNanos) {
            long deadline = simulation.deadline(timeoutNanos);
            while (backlog.isEmpty()) {
                if (simulation.now() >= deadline || listeners.get(address) != this) {
                    return null;
                }
                accepting.await(deadline);
            }
            return backlog.removeFirst();
        }

        void offer(SimConnection connection) {
            backlog.add(connection);
            accepting.wakeOne();
        }

        @Override
        public void close() {
            listeners.remove(address, this);
            backlog.forEach(SimConnection::close);
            backlog.clear();
            accepting.wakeAll();
        }
    }

    private final Simulation simulation;
    private final Prng random;
    private FaultPlan plan;
    private final TreeMap<String, Listener> listeners = new TreeMap<>();
    private final List<SimConnection> connections = new ArrayList<>();
    private final List<String> blocked = new ArrayList<>();
    private final List<String> attached = new ArrayList<>();

    public SimNet(Simulation simulation, FaultPlan plan) {
        this.simulation = simulation;
        this.plan = plan;
        random = simulation.random("net");
    }

    public Simulation simulation() {
        return simulation;
    }

    /** From now on. */
    public void plan(FaultPlan newPlan) {
        plan = newPlan;
    }

    /** The network as the node sees it. Hosts are names of nodes. */
    public Net of(Node node) {
        attach(node);
        return (host, port, timeoutNanos) -> connect(node, host, port, timeoutNanos);
    }

    /** Listens at a port of the node; CONFLICT if somebody does. */
    public Listener listen(Node node, int port) {
        attach(node);
        String address = node.name() + ":" + port;
        if (listeners.containsKey(address)) {
            throw PageserverException.of(ErrorCode.CONFLICT, "listen at %s: in use", address);
        }
        Listener l = new Listener(node, address);
        listeners.put(address, l);
        return l;
    }

    /** Holds up all that goes from one node to the other. */
    public void block(Node from, Node to) {
        blocked.add(link(from, to));
    }

    /** Frees all that is held up. */
    public void heal() {
        blocked.clear();
        for (SimConnection c : new ArrayList<>(connections)) {
            c.incoming.resume();
        }
    }

    boolean isBlocked(Node from, Node to) {
        return blocked.contains(link(from, to));
    }

    private static String link(Node from, Node to) {
        return from.name() + ">" + to.name();
    }

    private void attach(Node node) {
        if (!attached.contains(node.name())) {
            attached.add(node.name());
            node.attach(() -> powerLost(node));
        }
    }

    private void powerLost(Node node) {
        listeners.values().removeIf(l -> l.node == node);
        for (SimConnection c : new ArrayList<>(connections)) {
            if (c.node == node) {
                connections.remove(c);
                long nanos =
                        random.nextBoolean() ? delay() : random.nextLong(POWER_LOSS_NOTICED_NANOS);
                simulation.after(nanos, c.peer()::broken);
            }
        }
    }

    private Net.Connection connect(Node from, String host, int port, long timeoutNanos) {
        String address = host + ":" + port;
        simulation.trace().note(address);
        long deadline = simulation.deadline(timeoutNanos);
        long answered = simulation.deadline(2 * delay());
        if (isBlocked(from, simulation.node(host)) || answered > deadline) {
            simulation.busy("an answer of " + address, timeoutNanos);
            throw PageserverException.of(
                    ErrorCode.IO, "connect to %s: no answer in %d ns", address, timeoutNanos);
        }
        simulation.busy("an answer of " + address, answered - simulation.now());
        Listener listener = listeners.get(address);
        if (listener == null) {
            throw PageserverException.of(
                    ErrorCode.IO, "connect to %s: connection refused", address);
        }
        SimConnection near = new SimConnection(this, from, address);
        SimConnection far = new SimConnection(this, listener.node, "client on " + from.name());
        SimConnection.join(near, far);
        connections.add(near);
        connections.add(far);
        listener.offer(far);
        return near;
    }

    void forget(SimConnection c) {
        connections.remove(c);
    }

    long delay() {
        return plan.jitter(plan.netNanos(), random);
    }

    boolean resets() {
        return FaultPlan.strikes(plan.resets(), random)
                && simulation.strikes("network", "connection broken");
    }

    /** Some of {@code n}, at least 1: now all, now little. */
    int some(int n) {
        Check.that(n > 0, "some of %d", n);
        return random.nextBoolean() ? n : 1 + random.nextInt(n);
    }
}
