package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Limits;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import org.junit.jupiter.api.Test;

/**
 * Power is lost at disk operations all along compactions and a collection: what comes up again has
 * all that it had, and nothing else lies about.
 */
class CompactionCrashTest {
    private static final long START = 0x0200_0028L;
    private static final int STRIDE = 7;

    private static final class Run implements Scenario {
        private final long lossAt;
        private long begun;
        private long ended;
        private long lastLsn;

        Run(long lossAt) {
            this.lossAt = lossAt;
        }

        @Override
        public String name() {
            return "compaction-crash";
        }

        @Override
        public void run(Simulation s) {
            Machine machine =
                    new Machine(new SimNet(s, FaultPlan.quiet()), "server", FaultPlan.quiet());
            GeneratedHistory history = new GeneratedHistory(new Prng(3), START);
            Limits limits = StoredTimelines.limits(new Prng(8));
            TenantConfig config = StoredTimelines.onDemand(16 << 10);
            machine.start(
                            "test",
                            () -> {
                                write(machine, history, limits, config);
                                work(machine, limits, config);
                            })
                    .join();
            machine.start(
                            "after",
                            () -> {
                                machine.disk().plan(FaultPlan.quiet());
                                verify(machine, history, limits, config);
                            })
                    .join();
            machine.checkIdle();
        }

        private void write(
                Machine machine, GeneratedHistory history, Limits limits, TenantConfig config) {
            StoredTimelines.create(
                    machine.environment(),
                    limits,
                    config,
                    PgVersion.ofMajor(17),
                    77,
                    1 << 24,
                    START);
            Tenants tenants = Tenants.load(machine.environment(), limits, config);
            Timeline timeline = tenants.timeline(StoredTimelines.TENANT, StoredTimelines.ROOT);
            for (int i = 0; i < 4; i++) {
                history.write(timeline, 15);
                timeline.flushUpTo(timeline.lastRecordLsn());
            }
            lastLsn = timeline.lastRecordLsn();
            tenants.close();
        }

        private void work(Machine machine, Limits limits, TenantConfig config) {
            machine.disk().plan(FaultPlan.quiet().withPowerLossAt(lossAt));
            begun = machine.disk().operations();
            Tenants tenants = Tenants.load(machine.environment(), limits, config);
            Timeline timeline = tenants.timeline(StoredTimelines.TENANT, StoredTimelines.ROOT);
            tenants.housekeeper().compactNow(timeline);
            tenants.housekeeper().gcNow(timeline, 500);
            tenants.housekeeper().compactNow(timeline);
            tenants.close();
            ended = machine.disk().operations();
        }

        private void verify(
                Machine machine, GeneratedHistory history, Limits limits, TenantConfig config) {
            Tenants tenants = Tenants.load(machine.environment(), limits, config);
            CompactionTest.checkDirectory(machine, StoredTimelines.ROOT);
            Timeline timeline = tenants.timeline(StoredTimelines.TENANT, StoredTimelines.ROOT);
            assertEquals(lastLsn, timeline.lastRecordLsn());
            long oldest = timeline.oldestReadableLsn();
            for (long lsn = oldest; lsn <= lastLsn; lsn += 1 + (lastLsn - oldest) / 4) {
                history.compare(timeline, lsn);
            }
            history.compare(timeline, lastLsn);
            // And it can go on from there.
            tenants.housekeeper().compactNow(timeline);
            history.compare(timeline, lastLsn);
            tenants.close();
        }
    }

    @Test
    void powerLossAtOperationsAllAlong() {
        Run whole = new Run(0);
        Simulation.run(whole, 1).check();
        assertTrue(whole.ended - whole.begun > 100, whole.ended - whole.begun + " operations");
        // Another seed, another set of things that the disk has kept.
        for (long at = whole.begun + 1; at <= whole.ended; at += STRIDE) {
            Simulation.run(new Run(at), at).check();
        }
    }
}
