package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Prng;
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
import io.palimpsest.timeline.WalSource;

/**
 * A page server with the limits of production and a Postgres to which nobody writes, for a day: how
 * fast time goes where nothing happens. It is none to test anything with.
 */
public final class IdleScenario implements Scenario {
    private static final long SECOND = 1_000_000_000L;
    private static final long DAY = 24 * 3600 * SECOND;
    private static final TenantId TENANT = new TenantId(1, 2);
    private static final TimelineId TIMELINE = new TimelineId(3, 4);
    private static final long START_LSN = 0x0200_0028L;
    private static final int RECORDS = 100;

    @Override
    public String name() {
        return "idle";
    }

    @Override
    public void run(Simulation s) {
        Prng random = s.random("workload");
        SimNet net = new SimNet(s, FaultPlan.quiet());
        Machine source = new Machine(net, "postgres", FaultPlan.quiet());
        Machine server = new Machine(net, "pageserver", FaultPlan.quiet());
        PgVersion version = PgVersion.ofMajor(17);
        ReferencePageserver reference = new ReferencePageserver();
        SimWalSource wal = new SimWalSource(START_LSN);
        WalWorkload workload =
                new WalWorkload(
                        random, version, START_LSN, reference, wal, source.clock()::wallMillis);
        workload.init();
        SimPostgres postgres = new SimPostgres(source, version, wal, workload::backup);
        source.start("postmaster", postgres::serve);
        Tasks.Task idle =
                server.start(
                        "pageserver",
                        () -> {
                            Tenants tenants =
                                    Tenants.load(
                                            server.environment(),
                                            Limits.DEFAULT,
                                            TenantConfig.DEFAULT);
                            Timeline timeline =
                                    tenants.createFromSource(
                                            TENANT,
                                            TIMELINE,
                                            WalSource.parse(
                                                    "host=postgres port="
                                                            + SimPostgres.PORT
                                                            + " user=sim",
                                                    "sim"));
                            for (int i = 0; i < RECORDS; i++) {
                                workload.write();
                            }
                            server.tasks().sleep(DAY);
                            Check.that(
                                    timeline.lastRecordLsn() == wal.end(),
                                    "a day was not enough for %d records",
                                    RECORDS);
                            reference.compareAll(timeline, wal.end());
                            tenants.close();
                        });
        idle.join();
        postgres.stop();
    }
}
