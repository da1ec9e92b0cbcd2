package io.palimpsest.sim.workload;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.sim.fault.SimWalSource;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.WalReceiver;
import io.palimpsest.timeline.WalSource;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** A source that only a person can put right, and who does: no restart of ours is needed. */
class BrokenReceiverTest {
    private static final long SECOND = 1_000_000_000L;
    private static final long START_LSN = 0x0200_0028L;
    private static final TenantId TENANT = new TenantId(1, 2);
    private static final TimelineId TIMELINE = new TimelineId(3, 4);

    /** A source, and a server that follows it. */
    private static final class Run implements Scenario {
        private final ReferencePageserver reference = new ReferencePageserver();
        private final SimWalSource wal = new SimWalSource(START_LSN);

        @Override
        public String name() {
            return "broken-receiver";
        }

        @Override
        public void run(Simulation s) {
            SimNet net = new SimNet(s, FaultPlan.quiet());
            Machine source = new Machine(net, "postgres", FaultPlan.quiet());
            Machine server = new Machine(net, "pageserver", FaultPlan.quiet());
            WalWorkload workload =
                    new WalWorkload(
                            s.random("records"),
                            PgVersion.V17,
                            START_LSN,
                            reference,
                            wal,
                            source.clock()::wallMillis);
            workload.init();
            SimPostgres postgres = new SimPostgres(source, PgVersion.V17, wal, workload::backup);
            source.start("postmaster", postgres::serve);
            server.start("pageserver", () -> follow(server, workload, postgres)).join();
            server.checkIdle();
            postgres.stop();
        }

        private void follow(Machine server, WalWorkload workload, SimPostgres postgres) {
            Tenants tenants =
                    Tenants.load(server.environment(), Limits.DEFAULT, TenantConfig.DEFAULT);
            Timeline timeline =
                    tenants.createFromSource(
                            TENANT,
                            TIMELINE,
                            WalSource.parse(
                                    "host=postgres port=" + SimPostgres.PORT + " user=sim", "sim"));
            WalReceiver receiver = Objects.requireNonNull(tenants.receiver(TENANT, TIMELINE));
            Tasks tasks = server.tasks();
            tasks.sleep(5 * SECOND);
            assertEquals(WalReceiver.State.STREAMING, receiver.state(), receiver.status());

            postgres.loseSlot();
            tasks.sleep(150 * SECOND);
            workload.write();
            assertEquals(WalReceiver.State.BROKEN, receiver.state(), receiver.status());
            assertTrue(receiver.status().contains("is gone from the source"), receiver.status());
            long asked = server.clock().monotonicNanos();
            PageserverException refused =
                    assertThrows(PageserverException.class, () -> timeline.waitFor(wal.end()));
            assertEquals(ErrorCode.LSN_TIMEOUT, refused.code());
            assertEquals(
                    asked, server.clock().monotonicNanos(), "nobody waits for what cannot come");

            postgres.createSlot();
            tasks.sleep(70 * SECOND);
            assertEquals(WalReceiver.State.STREAMING, receiver.state(), receiver.status());
            workload.write();
            timeline.waitFor(wal.end());
            reference.compareAll(timeline, wal.end());
            tenants.close();
        }
    }

    @Test
    void followsAgainWhenThatIsPutRight() {
        Simulation.run(new Run(), 1).check();
    }
}
