package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Subject;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class UploadLagTest {
    private static final long SECOND = 1_000_000_000L;
    private static final long MOST = 6400;
    private static final long STORED = 1_000_000;

    private static void run(Consumer<Environment> body) {
        Scenario scenario =
                new Scenario() {
                    @Override
                    public String name() {
                        return "upload-lag";
                    }

                    @Override
                    public void run(Simulation s) {
                        SimNet net = new SimNet(s, FaultPlan.quiet());
                        Machine machine = new Machine(net, "server", FaultPlan.quiet());
                        machine.start("test", () -> body.accept(machine.environment())).join();
                    }
                };
        Simulation.run(scenario, 1).check();
    }

    private static UploadLag lag(Environment world, long most) {
        return new UploadLag(
                world,
                Subject.of(TenantShardId.unsharded(new TenantId(1, 1)), new TimelineId(1, 1)),
                most);
    }

    @Test
    void walWaitsWhenTooMuchIsNotInTheStore() {
        run(world -> {
            UploadLag lag = lag(world, MOST);
            assertTrue(lag.admits(STORED, STORED, null));
            // A message of WAL more must not go past the limit.
            assertTrue(lag.admits(STORED + MOST - 100, STORED, null));
            assertFalse(lag.admits(STORED + MOST - 99, STORED, null));
            long last = STORED + 2 * MOST;
            assertFalse(lag.admits(last, lag.enough(last) - 1, null));
            assertTrue(lag.admits(last, lag.enough(last), null));
        });
    }

    @Test
    void withoutALimitOrAnythingInTheStoreNothingWaits() {
        run(world -> {
            assertTrue(lag(world, 0).admits(STORED + 100 * MOST, STORED, null));
            assertTrue(lag(world, MOST).admits(STORED, 0, null));
        });
    }

    @Test
    void aStoreThatFailsOrStandsStillIsNotWaitedFor() {
        run(world -> {
            UploadLag lag = lag(world, MOST);
            long last = STORED + MOST;
            assertFalse(lag.admits(last, STORED, null));
            assertTrue(lag.admits(last, STORED, "unavailable"));
            assertFalse(lag.admits(last, STORED, null), "it works again");
            world.tasks().sleep(20 * SECOND);
            lag.progressed();
            world.tasks().sleep(20 * SECOND);
            assertFalse(lag.admits(last, STORED, null), "it got on meanwhile");
            world.tasks().sleep(20 * SECOND);
            assertTrue(lag.admits(last, STORED, null), "it stands still");
            lag.progressed();
            assertFalse(lag.admits(last, STORED, null), "it gets on again");
        });
    }
}
