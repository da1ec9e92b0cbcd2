package io.palimpsest.sim.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Net;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;

class SimNetTest {
    private static final long SECOND = 1_000_000_000;

    private static void each(int seeds, FaultPlan plan, BiConsumer<Machine, Machine> body) {
        for (long seed = 0; seed < seeds; seed++) {
            Scenario scenario =
                    new Scenario() {
                        @Override
                        public String name() {
                            return "net";
                        }

                        @Override
                        public void run(Simulation s) {
                            SimNet net = new SimNet(s, plan);
                            body.accept(
                                    new Machine(net, "client", plan),
                                    new Machine(net, "server", plan));
                        }
                    };
            Simulation.run(scenario, seed).check();
        }
    }

    /** A server that sends a byte to all who come. */
    private static void greet(Machine server) {
        SimNet.Listener listener = server.network().listen(server.node(), 1);
        for (Net.Connection c = listener.accept(1000 * SECOND);
                c != null;
                c = listener.accept(1000 * SECOND)) {
            c.write(new byte[] {42}, 0, 1);
        }
    }

    private static Net.Connection connect(Machine client) {
        client.tasks().sleep(SECOND);
        return client.net().connect("server", 1, 10 * SECOND);
    }

    @Test
    void peersOfADeadNodeFindOutInTheEnd() {
        each(
                50,
                FaultPlan.quiet(),
                (client, server) -> {
                    server.start("greeter", () -> greet(server));
                    Tasks.Task t =
                            client.start(
                                    "client",
                                    () -> {
                                        Net.Connection c = connect(client);
                                        byte[] b = new byte[1];
                                        assertEquals(1, c.read(b, 0, 1, SECOND));
                                        assertEquals(42, b[0]);
                                        server.losePower();
                                        PageserverException e =
                                                assertThrows(
                                                        PageserverException.class,
                                                        () -> c.read(b, 0, 1, 100 * SECOND));
                                        assertEquals(ErrorCode.IO, e.code());
                                        assertTrue(e.getMessage().contains("reset"));
                                        assertThrows(
                                                PageserverException.class,
                                                () -> client.net().connect("server", 1, SECOND));
                                    });
                    t.join();
                });
    }

    @Test
    void aBlockedDirectionDeliversWhenHealed() {
        each(
                50,
                FaultPlan.quiet(),
                (client, server) -> {
                    server.start("greeter", () -> greet(server));
                    client.start(
                                    "client",
                                    () -> {
                                        byte[] b = new byte[1];
                                        client.tasks().sleep(SECOND);
                                        client.network().block(server.node(), client.node());
                                        Net.Connection c =
                                                client.net().connect("server", 1, 10 * SECOND);
                                        assertEquals(0, c.read(b, 0, 1, 60 * SECOND));
                                        client.network().heal();
                                        assertEquals(1, c.read(b, 0, 1, 60 * SECOND));
                                        client.network().block(client.node(), server.node());
                                        assertThrows(
                                                PageserverException.class,
                                                () -> client.net().connect("server", 1, SECOND));
                                    })
                            .join();
                });
    }

    @Test
    void connectionsBreakByPlan() {
        each(
                20,
                FaultPlan.quiet().withResets(1),
                (client, server) -> {
                    server.start("greeter", () -> greet(server));
                    client.start(
                                    "client",
                                    () ->
                                            assertThrows(
                                                    PageserverException.class,
                                                    () ->
                                                            connect(client)
                                                                    .read(
                                                                            new byte[1],
                                                                            0,
                                                                            1,
                                                                            60 * SECOND)))
                            .join();
                });
    }

    @Test
    void listeningTwiceIsAConflictAndClosingEndsAccept() {
        each(
                5,
                FaultPlan.quiet(),
                (client, server) -> {
                    SimNet.Listener l = server.network().listen(server.node(), 1);
                    PageserverException e =
                            assertThrows(
                                    PageserverException.class,
                                    () -> server.network().listen(server.node(), 1));
                    assertEquals(ErrorCode.CONFLICT, e.code());
                    assertNotNull(l);
                    Tasks.Task t =
                            server.start("acceptor", () -> assertNull(l.accept(1000 * SECOND)));
                    client.start("closer", l::close).join();
                    t.join();
                });
    }
}
