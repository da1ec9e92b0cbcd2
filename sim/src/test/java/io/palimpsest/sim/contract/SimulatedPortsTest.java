package io.palimpsest.sim.contract;

import io.palimpsest.port.Clock;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Net;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectVersions;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.sim.fault.StoreFaults;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.junit.jupiter.api.Nested;

/** The simulated ports do what the contracts say, at each of a number of seeds. */
class SimulatedPortsTest {
    private static final int SEEDS = 50;

    private static void onMachine(FaultPlan plan, Consumer<Machine> body) {
        for (long seed = 0; seed < SEEDS; seed++) {
            Simulation.run(
                            new Scenario() {
                                @Override
                                public String name() {
                                    return "contract";
                                }

                                @Override
                                public void run(Simulation s) {
                                    SimNet net = new SimNet(s, plan);
                                    Machine m = new Machine(net, "machine", plan);
                                    m.start("body", () -> body.accept(m)).join();
                                    if (m.node().incarnation() == 0) {
                                        m.checkIdle();
                                    }
                                }
                            },
                            seed)
                    .check();
        }
    }

    @Nested
    class SimulatedTasks extends TasksContract {
        @Override
        protected void inWorld(BiConsumer<Tasks, Clock> body) {
            onMachine(FaultPlan.quiet(), m -> body.accept(m.tasks(), m.clock()));
        }
    }

    @Nested
    class SimulatedClock extends ClockContract {
        @Override
        protected void inWorld(BiConsumer<Clock, Tasks> body) {
            onMachine(FaultPlan.quiet(), m -> body.accept(m.clock(), m.tasks()));
        }
    }

    @Nested
    class SimulatedDisk extends DiskContract {
        @Override
        protected void withDisk(Consumer<Disk> body) {
            onMachine(FaultPlan.quiet(), m -> body.accept(m.disk()));
        }

        @Override
        protected void withSmallDisk(Consumer<Disk> body) {
            onMachine(FaultPlan.quiet().withCapacity(1 << 20), m -> body.accept(m.disk()));
        }

        @Override
        protected boolean canLosePower() {
            return true;
        }

        @Override
        protected void withPowerLoss(Consumer<Disk> before, Consumer<Disk> after) {
            for (long seed = 0; seed < 4 * SEEDS; seed++) {
                Simulation.run(new PowerLoss(before, after), seed).check();
            }
        }
    }

    private record PowerLoss(Consumer<Disk> before, Consumer<Disk> after) implements Scenario {
        @Override
        public String name() {
            return "contract-power-loss";
        }

        @Override
        public void run(Simulation s) {
            SimNet net = new SimNet(s, FaultPlan.quiet());
            Machine m = new Machine(net, "machine", FaultPlan.quiet());
            m.start("before", () -> before.accept(m.disk())).join();
            m.losePower();
            m.start("after", () -> after.accept(m.disk())).join();
            m.checkIdle();
        }
    }

    @Nested
    class SimulatedNet extends NetContract {
        @Override
        protected void inWorld(Consumer<World> body) {
            onMachine(
                    FaultPlan.quiet(),
                    m -> {
                        // The far end lives on the same machine, so that the test may hold both.
                        SimNet.Listener listener = m.network().listen(m.node(), 5432);
                        body.accept(new SimulatedWorld(m, listener));
                        listener.close();
                    });
        }
    }

    @Nested
    class SimulatedObjectStore extends ObjectStoreContract {
        @Override
        protected void inWorld(Consumer<World> body) {
            onMachine(
                    FaultPlan.quiet(),
                    m -> {
                        SimObjectStore store =
                                new SimObjectStore(m.node().simulation(), StoreFaults.quiet());
                        body.accept(new StoreWorld(store, m.tasks()));
                    });
        }

        @Override
        protected int severalPieces() {
            return 150_000;
        }
    }

    @Nested
    class SimulatedObjectVersions extends ObjectVersionsContract {
        @Override
        protected void withStore(BiConsumer<ObjectStore, ObjectVersions> body) {
            onMachine(
                    FaultPlan.quiet(),
                    m -> {
                        SimObjectStore store =
                                new SimObjectStore(m.node().simulation(), StoreFaults.quiet());
                        store.keepVersions();
                        body.accept(store, store);
                    });
        }
    }

    private record StoreWorld(ObjectStore store, Tasks tasks)
            implements ObjectStoreContract.World {}

    private record SimulatedWorld(Machine machine, SimNet.Listener listener)
            implements NetContract.World {
        @Override
        public Tasks tasks() {
            return machine.tasks();
        }

        @Override
        public Clock clock() {
            return machine.clock();
        }

        @Override
        public Net net() {
            return machine.net();
        }

        @Override
        public String host() {
            return machine.node().name();
        }

        @Override
        public int port() {
            return 5432;
        }

        @Override
        public int deadPort() {
            return 5433;
        }

        @Override
        public Net.Connection accept() {
            Net.Connection c = listener.accept(10_000_000_000L);
            if (c == null) {
                throw new AssertionError("nobody connected");
            }
            return c;
        }
    }
}
