package io.palimpsest.sim.fault;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Net;
import io.palimpsest.sim.world.Node;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.sim.world.WaitQueue;
import java.util.ArrayDeque;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** One end of a stream. */
final class SimConnection implements Net.Connection {
    /** The bytes on their way to this end, and those that have arrived and wait to be read. */
    final class Incoming {
        private final ArrayDeque<byte[]> wire = new ArrayDeque<>();
        private final WaitQueue room;
        private final WaitQueue arrival;
        private byte[] arrived = new byte[0];
        private int read;
        private int underWay;
        private long lastArrival;
        private int heldUp;
        private boolean ended;

        Incoming() {
            room = new WaitQueue(simulation, "room on the way to " + node + " from " + remote);
            arrival = new WaitQueue(simulation, "bytes from " + remote);
        }

        /** Puts a message on the wire; an empty one is the end. */
        void send(byte[] message) {
            wire.add(message);
            underWay += message.length;
            lastArrival = Math.max(lastArrival, simulation.deadline(net.delay()));
            simulation.after(lastArrival - simulation.now(), this::arrive);
        }

        private void arrive() {
            if (broken || wire.isEmpty()) {
                return;
            }
            if (net.isBlocked(peer().node, node)) {
                heldUp++;
                return;
            }
            byte[] message = wire.removeFirst();
            simulation.trace().note(message.length);
            if (net.resets()) {
                peer().broken();
                broken();
                return;
            }
            if (message.length == 0) {
                ended = true;
            } else if (closed) {
                // Nobody reads here any more: the sender is told.
                peer().broken();
            } else {
                byte[] all = Arrays.copyOfRange(arrived, read, arrived.length + message.length);
                System.arraycopy(message, 0, all, arrived.length - read, message.length);
                arrived = all;
                read = 0;
            }
            arrival.wakeAll();
        }

        void resume() {
            for (; heldUp > 0; heldUp--) {
                simulation.after(0, this::arrive);
            }
        }
    }

    final Node node;
    final Incoming incoming;
    private final SimNet net;
    private final Simulation simulation;
    private final String remote;
    private @Nullable SimConnection peer;
    private boolean closed;
    private boolean broken;

    SimConnection(SimNet net, Node node, String remote) {
        this.net = net;
        this.simulation = net.simulation();
        this.node = node;
        this.remote = remote;
        this.incoming = new Incoming();
    }

    static void join(SimConnection a, SimConnection b) {
        a.peer = b;
        b.peer = a;
    }

    SimConnection peer() {
        SimConnection p = peer;
        if (p == null) {
            throw new IllegalStateException("connection to " + remote + " has no other end");
        }
        return p;
    }

    @Override
    public int read(byte[] into, int offset, int length, long timeoutNanos) {
        Check.that(length > 0, "read of %d bytes", length);
        long deadline = simulation.deadline(timeoutNanos);
        Incoming in = incoming;
        while (true) {
            usable("read from");
            int there = in.arrived.length - in.read;
            if (there > 0) {
                int n = net.some(Math.min(there, length));
                System.arraycopy(in.arrived, in.read, into, offset, n);
                in.read += n;
                in.underWay -= n;
                in.room.wakeAll();
                return n;
            }
            if (in.ended) {
                return -1;
            }
            if (simulation.now() >= deadline) {
                return 0;
            }
            in.arrival.await(deadline);
        }
    }

    @Override
    public void write(byte[] bytes, int offset, int length) {
        Incoming out = peer().incoming;
        int at = offset;
        int end = offset + length;
        while (at < end) {
            usable("write to");
            int room = SimNet.WINDOW - out.underWay;
            if (room <= 0 && peer().closed) {
                // Nobody will ever read what fills the window.
                broken();
            } else if (room <= 0) {
                out.room.await();
            } else {
                int n = net.some(Math.min(room, end - at));
                out.send(Arrays.copyOfRange(bytes, at, at + n));
                at += n;
            }
        }
        usable("write to");
    }

    /** The other end is gone without a word, or the path is. */
    void broken() {
        broken = true;
        wakeAll();
        net.forget(this);
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            if (!broken) {
                peer().incoming.send(new byte[0]);
            }
            wakeAll();
            net.forget(this);
        }
    }

    private void wakeAll() {
        incoming.arrival.wakeAll();
        incoming.room.wakeAll();
        peer().incoming.room.wakeAll();
    }

    private void usable(String what) {
        if (closed || broken) {
            throw PageserverException.of(
                    ErrorCode.IO,
                    "%s %s: %s",
                    what,
                    remote,
                    closed ? "connection is closed" : "connection was reset");
        }
    }
}
