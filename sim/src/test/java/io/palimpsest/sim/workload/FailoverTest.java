package io.palimpsest.sim.workload;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Limits;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.sim.fault.SimWalSource;
import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.WalReceiver;
import io.palimpsest.timeline.WalSource;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class FailoverTest {
    private static final int SEEDS = 40;

    @Test
    void everyPageIsThatOfTheHistoryThatTheTimelineFollowed() {
        long start = System.nanoTime();
        long steps = 0;
        double hours = 0;
        for (long seed = 0; seed < SEEDS; seed++) {
            Outcome o = Simulation.run(FailoverScenario.named("failover"), seed);
            o.check();
            steps += o.steps();
            hours += o.nanos() / 3.6e12;
        }
        System.out.printf(
                "sim: failover, seeds=%d failed=0 sim_hours=%.2f wall_seconds=%.1f steps=%d%n",
                SEEDS, hours, (System.nanoTime() - start) / 1e9, steps);
    }

    /** Found by seed 268: what lies below a branch point is its ancestor's. */
    @Test
    void whatWasRewoundIsRewoundBelowItsBranchPoint() {
        Simulation.run(new TwoRewinds(), 1).check();
    }

    /**
     * <pre>
     *   first   timeline 1 ------+-----------+------- followed
     *   later   timeline 2       |           +------- promoted by mistake: rewound to
     *   second  timeline 2       +------------------- promoted, from before: rewound again
     * </pre>
     */
    private static final class TwoRewinds implements Scenario {
        private static final long SECOND = 1_000_000_000L;
        private static final long START_LSN = 0x0200_0028L;
        private static final TenantId TENANT = new TenantId(1, 2);

        private final ReferencePageserver reference = new ReferencePageserver();
        private final SimWalSource wal = new SimWalSource(START_LSN, true);

        @Override
        public String name() {
            return "two-rewinds";
        }

        @Override
        public void run(Simulation s) {
            SimNet net = new SimNet(s, FaultPlan.quiet());
            Machine first = new Machine(net, "first", FaultPlan.quiet());
            Machine server = new Machine(net, "pageserver", FaultPlan.quiet());
            WalWorkload workload =
                    new WalWorkload(
                            s.random("records"),
                            PgVersion.V17,
                            START_LSN,
                            reference,
                            wal,
                            first.clock()::wallMillis);
            workload.init();
            SimPostgres postgres = new SimPostgres(first, PgVersion.V17, wal, workload::backup);
            first.start("postmaster", postgres::serve);
            server.start("pageserver", () -> follow(s, net, server, workload, postgres)).join();
            server.checkIdle();
        }

        private static WalSource source(String host) {
            return WalSource.parse(
                    "host=" + host + " port=" + SimPostgres.PORT + " user=sim", "sim");
        }

        private void follow(
                Simulation s,
                SimNet net,
                Machine server,
                WalWorkload workload,
                SimPostgres postgres) {
            Tenants tenants =
                    Tenants.load(server.environment(), Limits.DEFAULT, TenantConfig.DEFAULT);
            List<TimelineId> ids =
                    List.of(new TimelineId(3, 0), new TimelineId(3, 1), new TimelineId(3, 2));
            Timeline main = tenants.createFromSource(TENANT, ids.get(0), source("first"));
            for (int i = 0; i < 200; i++) {
                workload.write();
            }
            main.waitFor(wal.end());
            List<Long> ends = List.copyOf(workload.recordEnds());
            long later = ends.get(40);
            long before = ends.get(20);
            WalWorkload onLater = promoted(s, net, workload, postgres, "later", later);
            onLater.write();
            rewind(tenants, server, ids.get(0), ids.get(1), "later", later);
            WalWorkload onSecond = promoted(s, net, workload, postgres, "second", before);
            onSecond.write();
            rewind(tenants, server, ids.get(1), ids.get(2), "second", before);
            Timeline last = tenants.timeline(TENANT, ids.get(2));
            assertEquals(main, last.ancestor());
            long end = onSecond.recordEnds().last();
            last.waitFor(end);
            promotedReference.compareAll(last, end);
            reference.compareAll(main, wal.end());
            tenants.close();
        }

        private ReferencePageserver promotedReference = reference;

        private WalWorkload promoted(
                Simulation s,
                SimNet net,
                WalWorkload workload,
                SimPostgres postgres,
                String host,
                long lsn) {
            Machine machine = new Machine(net, host, FaultPlan.quiet());
            SimWalSource received = new SimWalSource(START_LSN, true);
            byte[] bytes = wal.copy(START_LSN, lsn);
            received.append(bytes, 0, bytes.length);
            SimPostgres standby = postgres.standby(machine, received);
            standby.createSlot();
            WalHistory history = standby.promote(2, lsn);
            machine.start("postmaster", standby::serve);
            promotedReference = reference.branch(lsn);
            return workload.promoted(s.random(host), lsn, promotedReference, received, history);
        }

        private static void rewind(
                Tenants tenants,
                Machine server,
                TimelineId from,
                TimelineId to,
                String host,
                long expected) {
            tenants.follow(TENANT, from, source(host));
            WalReceiver receiver = Objects.requireNonNull(tenants.receiver(TENANT, from));
            while (receiver.state() != WalReceiver.State.BROKEN) {
                server.tasks().sleep(SECOND);
            }
            assertTrue(receiver.status().contains("palimpsest source rewind"), receiver.status());
            assertEquals(expected, tenants.rewind(TENANT, from, to).ancestorLsn());
        }
    }
}
