package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.check.Receiving;
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
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * A page server imports a Postgres and follows it; its power is lost at any moment, import and
 * recovery included, several times. All along readers compare pages with the reference. At the end
 * faults stop, and it must catch up; then everything is compared at many LSNs, before and after an
 * orderly restart.
 *
 * <p>The source keeps only what was not acknowledged, so acknowledging too early shows as WAL that
 * is gone.
 *
 * <p>How often what happens is data: a {@link PowerLossProfile}, read from a file.
 */
public final class PowerLossScenario implements Scenario {
    private static final long MILLIS = 1_000_000L;
    private static final long SECOND = 1_000_000_000L;
    private static final TenantId TENANT = new TenantId(1, 2);
    private static final TimelineId TIMELINE = new TimelineId(3, 4);
    private static final long START_LSN = 0x0200_0028L;
    private static final long CATCH_UP_NANOS = 600 * SECOND;

    private final PowerLossProfile profile;
    private final UnaryOperator<Disk> diskSeen;

    private PowerLossScenario(PowerLossProfile profile, UnaryOperator<Disk> diskSeen) {
        this.profile = profile;
        this.diskSeen = diskSeen;
    }

    /** One of those that come with the simulator. */
    public static PowerLossScenario named(String name) {
        return new PowerLossScenario(PowerLossProfile.builtIn(name), disk -> disk);
    }

    /** That of a file; an IllegalArgumentException says what is wrong with it. */
    static PowerLossScenario of(String path, ScenarioFile file) {
        return new PowerLossScenario(PowerLossProfile.read(path, file), disk -> disk);
    }

    /** The page server sees the disk through {@code diskSeen}: a way to plant bugs. */
    static PowerLossScenario planted(UnaryOperator<Disk> diskSeen) {
        return new PowerLossScenario(PowerLossProfile.builtIn("power-loss"), diskSeen);
    }

    @Override
    public String name() {
        return profile.name();
    }

    @Override
    public List<String> mustReach() {
        return profile.mustReach();
    }

    @Override
    public List<String> mustReachInMany() {
        return profile.mustReachInMany();
    }

    @Override
    public void run(Simulation s) {
        Prng random = s.random("workload");
        FaultPlan plan = FaultPlan.rough(s.random("faults"));
        SimNet net = new SimNet(s, plan);
        Run run =
                new Run(
                        random,
                        new Machine(net, "postgres", FaultPlan.quiet()),
                        new Machine(net, "pageserver", plan));
        run.source.start("postmaster", run.postgres::serve);
        run.source.start("workload", run::write);
        for (int i = random.nextInt(profile.mostLives()); i >= 0; i--) {
            if (!profile.byTime().strikes(random)) {
                long n = 1L + random.nextInt(1 + random.nextInt(profile.operations()));
                long at = run.server.disk().operations() + n;
                run.server
                        .disk()
                        .plan(
                                profile.atNames().strikes(random)
                                        ? plan.withPowerLossAtNames(at)
                                        : plan.withPowerLossAt(at));
            }
            Tasks.Task server = run.server.start("pageserver", run::serve);
            s.after(
                    random.nextLong(1 + random.nextLong(profile.lifeNanos())),
                    run.server.node(),
                    run.server::losePower);
            server.join();
        }
        run.server.disk().plan(plan);
        net.plan(plan.withResets(0));
        run.lastStart = true;
        run.server.start("pageserver", run::serve).join();
        run.server.checkIdle();
        run.postgres.stop();
        run.server.start("restarted", run::compareAfterRestart).join();
        run.server.checkIdle();
    }

    /** The two machines and what is true of both. */
    private final class Run {
        private final Prng random;
        private final Machine source;
        private final Machine server;
        private final PgVersion version;
        private final Limits limits;
        private final ReferencePageserver reference = new ReferencePageserver();
        private final SimWalSource wal = new SimWalSource(START_LSN);
        private final WalWorkload workload;
        private final SimPostgres postgres;
        private final long pauseNanos;
        private int records;
        private boolean lastStart;

        Run(Prng random, Machine source, Machine server) {
            this.random = random;
            this.source = source;
            this.server = server;
            version = PgVersion.ofMajor(14 + random.nextInt(5));
            limits = HostileLimits.of(random);
            records = profile.fewestRecords() + random.nextInt(profile.moreRecords());
            pauseNanos = 1L + random.nextInt(profile.pauseNanos());
            workload =
                    new WalWorkload(
                            random.split("records"),
                            version,
                            START_LSN,
                            reference,
                            wal,
                            source.clock()::wallMillis);
            workload.init();
            postgres = new SimPostgres(source, version, wal, workload::backup);
        }

        /** The source's clients. */
        void write() {
            while (records > 0) {
                workload.write();
                records--;
                source.tasks().sleep(random.nextLong(2 * pauseNanos));
            }
        }

        private Environment environment() {
            return server.environment(diskSeen.apply(server.disk()));
        }

        void serve() {
            Tenants tenants = Tenants.load(environment(), limits, TenantConfig.DEFAULT);
            Timeline timeline = timeline(tenants);
            Check.that(
                    timeline.diskConsistentLsn() >= wal.keptFrom(),
                    "recovered up to %s, but %s was acknowledged",
                    Lsn.toString(timeline.diskConsistentLsn()),
                    Lsn.toString(wal.keptFrom()));
            long deadline = server.clock().monotonicNanos() + CATCH_UP_NANOS;
            while (!lastStart || records > 0 || timeline.lastRecordLsn() < wal.end()) {
                checkHealth(tenants, timeline);
                Watermarks.of(server, timeline);
                compareSome(timeline);
                server.tasks().sleep(random.nextLong(100 * MILLIS));
                if (lastStart && server.clock().monotonicNanos() > deadline) {
                    Check.that(
                            false,
                            "not caught up: at %s of %s",
                            Lsn.toString(timeline.lastRecordLsn()),
                            Lsn.toString(wal.end()));
                }
            }
            compareAll(timeline);
            tenants.close();
        }

        /**
         * The timeline; imported if it was not yet, as often as it takes. What was begun in an
         * earlier life goes on by itself.
         */
        private Timeline timeline(Tenants tenants) {
            WalSource from =
                    WalSource.parse("host=postgres port=" + SimPostgres.PORT + " user=sim", "sim");
            while (true) {
                try {
                    return tenants.timeline(TENANT, TIMELINE);
                } catch (PageserverException e) {
                    if (e.code() == ErrorCode.CONFLICT) {
                        server.note("import-goes-on", String.valueOf(e.getMessage()));
                        server.tasks().sleep(SECOND / 10);
                        continue;
                    }
                    if (e.code() != ErrorCode.NOT_FOUND) {
                        throw e;
                    }
                }
                try {
                    return tenants.createFromSource(TENANT, TIMELINE, from);
                } catch (PageserverException e) {
                    if (e.code() != ErrorCode.IO && e.code() != ErrorCode.CONFLICT) {
                        throw e;
                    }
                    server.note("import-again", String.valueOf(e.getMessage()));
                    server.tasks().sleep(SECOND);
                }
            }
        }

        private void checkHealth(Tenants tenants, Timeline timeline) {
            Receiving.check(tenants.receiver(TENANT, TIMELINE));
            RuntimeException failure = timeline.failure();
            if (failure != null) {
                Check.that(false, "the timeline stopped: %s", failure);
            }
            long last = timeline.lastRecordLsn();
            Check.that(timeline.diskConsistentLsn() <= last, "durable past the last record");
            Check.that(
                    wal.keptFrom() <= timeline.diskConsistentLsn(),
                    "%s was acknowledged, durable is %s",
                    Lsn.toString(wal.keptFrom()),
                    Lsn.toString(timeline.diskConsistentLsn()));
        }

        private void compareSome(Timeline timeline) {
            long oldest = timeline.oldestReadableLsn();
            long last = timeline.lastRecordLsn();
            if (last >= oldest) {
                long lsn =
                        random.nextBoolean() ? last : oldest + random.nextLong(last - oldest + 1);
                reference.compareSome(timeline, random.nextInt(1 << 20), lsn);
            }
        }

        private void compareAll(Timeline timeline) {
            long oldest = timeline.oldestReadableLsn();
            long last = timeline.lastRecordLsn();
            long pages = reference.compareAll(timeline, last);
            for (int i = 0; i < 4; i++) {
                long lsn = i == 0 ? oldest : oldest + random.nextLong(last - oldest + 1);
                pages += reference.compareAll(timeline, lsn);
            }
            server.note("compared", pages + " pages");
        }

        /** All was flushed by the orderly stop; the source is gone. */
        void compareAfterRestart() {
            Tenants tenants = Tenants.load(environment(), limits, TenantConfig.DEFAULT);
            Timeline timeline = tenants.timeline(TENANT, TIMELINE);
            Check.that(
                    timeline.lastRecordLsn() == wal.end(),
                    "after an orderly stop at %s there is WAL up to %s",
                    Lsn.toString(wal.end()),
                    Lsn.toString(timeline.lastRecordLsn()));
            compareAll(timeline);
            tenants.close();
        }
    }
}
