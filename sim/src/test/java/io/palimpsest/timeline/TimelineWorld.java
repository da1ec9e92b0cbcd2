package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.fail;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Generation;
import io.palimpsest.base.Limits;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.ControlFile;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.port.Environment;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalWriter;
import java.util.zip.CRC32C;

/**
 * A simulated machine with timelines on it that are written to record by record, for tests of what
 * a timeline's state goes through.
 */
final class TimelineWorld {
    static final TenantShardId TENANT = TenantShardId.unsharded(new TenantId(1, 2));
    static final TimelineId ROOT = new TimelineId(3, 4);
    static final long START = 0x0200_0028L;
    static final PgVersion VERSION = PgVersion.V16;

    /** What a test does on the machine. */
    interface Story {
        void run(TimelineWorld world);
    }

    final Machine machine;
    final Environment environment;
    final Limits limits;
    final TenantConfig config;
    TimelineStore store;
    private Surroundings surroundings;

    @SuppressWarnings("NullAway.Init")
    TimelineWorld(Machine machine, Limits limits, TenantConfig config) {
        this.machine = machine;
        this.limits = limits;
        this.config = config;
        environment = machine.environment();
        restart();
    }

    /**
     * Runs the story in a simulation with this seed, on good hardware; its failure is the test's.
     */
    static void tell(long seed, Limits limits, TenantConfig config, Story story) {
        Scenario scenario =
                new Scenario() {
                    @Override
                    public String name() {
                        return "timeline-world";
                    }

                    @Override
                    public void run(Simulation s) {
                        Machine machine =
                                new Machine(
                                        new SimNet(s, FaultPlan.quiet()),
                                        "server",
                                        FaultPlan.quiet());
                        machine.start(
                                        "test",
                                        () -> story.run(new TimelineWorld(machine, limits, config)))
                                .join();
                        machine.checkIdle();
                    }
                };
        Simulation.run(scenario, seed).check();
    }

    /**
     * Runs {@code first}, then {@code act} with power lost at its n-th disk operation, for every n
     * until it gets to its end, and {@code check} after each. On the way recovery itself is cut
     * short as well.
     *
     * @return how many operations there were to cut at
     */
    static int cutPowerEverywhere(
            long seed, Limits limits, TenantConfig config, Story first, Story act, Story check) {
        boolean[] ended = new boolean[1];
        int n = 0;
        while (!ended[0]) {
            int cut = ++n;
            Scenario scenario =
                    new Scenario() {
                        @Override
                        public String name() {
                            return "power-cut";
                        }

                        @Override
                        public void run(Simulation s) {
                            FaultPlan quiet = FaultPlan.quiet();
                            Machine machine = new Machine(new SimNet(s, quiet), "server", quiet);
                            Story whole =
                                    world -> {
                                        act.run(world);
                                        ended[0] = true;
                                    };
                            start(machine, first);
                            machine.disk()
                                    .plan(quiet.withPowerLossAt(machine.disk().operations() + cut));
                            start(machine, whole);
                            machine.disk()
                                    .plan(
                                            quiet.withPowerLossAt(
                                                    machine.disk().operations() + 1 + cut % 9));
                            if (!ended[0]) {
                                start(machine, check);
                            }
                            machine.disk().plan(quiet);
                            start(machine, check);
                            machine.checkIdle();
                        }

                        private void start(Machine machine, Story story) {
                            machine.start(
                                            "test",
                                            () ->
                                                    story.run(
                                                            new TimelineWorld(
                                                                    machine, limits, config)))
                                    .join();
                        }
                    };
            Simulation.run(scenario, seed).check();
        }
        return n - 1;
    }

    /** Forgets all that is in memory; timelines must have been shut down. */
    void restart() {
        BlockCache cache = new BlockCache(limits);
        store = new TimelineStore(environment, limits, config, cache, Housekeeping.NONE);
        surroundings = new Surroundings(environment, limits, config, cache, Housekeeping.NONE);
    }

    /** A small open layer and so many flushes. */
    static Limits smallLimits() {
        Limits d = Limits.DEFAULT;
        return new Limits(
                d.openLayerBytes(),
                2048,
                d.flushAgeNanos(),
                4,
                d.ingestBatchBytes(),
                512,
                d.recordBytes(),
                1_000_000_000L,
                d.blockCacheBytes(),
                d.openLayerFiles(),
                d.batchPages(),
                d.chainDeltas(),
                d.backgroundBytesPerSecond());
    }

    static TenantConfig config(long pitrNanos, long horizon, long leaseNanos) {
        TenantConfig d = TenantConfig.DEFAULT;
        return new TenantConfig(
                pitrNanos,
                horizon,
                d.gcPeriodNanos(),
                d.compactionPeriodNanos(),
                d.compactionThreshold(),
                d.compactionUpperLimit(),
                d.compactionTargetBytes(),
                d.imageCreationThreshold(),
                leaseNanos);
    }

    /** A timeline that holds nothing but what ingest asks for. */
    Timeline create() {
        TimelineIndex index =
                TimelineIndex.empty(
                        new TimelineIndex.Identity(
                                TENANT,
                                ROOT,
                                Generation.FIRST,
                                VERSION,
                                WalOrigin.STOCK,
                                SimPostgres.SYSTEM_IDENTIFIER,
                                SimPostgres.SEGMENT_SIZE,
                                1),
                        null,
                        Long.MAX_VALUE,
                        START - 1);
        String directory = "tenants/" + TENANT + "/timelines/" + ROOT;
        Timeline timeline = Timeline.beginImport(surroundings, directory, index, null);
        CheckPoint checkPoint = CheckPoint.read(new byte[CheckPoint.BYTES], 0);
        checkPoint.setNextXid(700);
        checkPoint.setOldestXid(690, 1);
        checkPoint.setOldestActiveXid(700);
        Modifications files = new Modifications();
        files.image(Keys.CONTROL_FILE, START, controlFile(checkPoint.toBytes()));
        files.image(Keys.CHECKPOINT, START, checkPoint.toBytes());
        timeline.commitPart(files, START);
        timeline.finishImport(START, START, 1);
        return timeline;
    }

    Timeline open(TimelineId id) {
        return store.open(TENANT, id, ancestor -> fail("an ancestor: " + ancestor));
    }

    Timeline open(TimelineId id, Timeline ancestor) {
        return store.open(TENANT, id, a -> ancestor);
    }

    private static byte[] controlFile(byte[] checkPoint) {
        byte[] b = new byte[ControlFile.BYTES];
        Bytes.putI64(b, 0, SimPostgres.SYSTEM_IDENTIFIER);
        Bytes.putI32(b, 8, VERSION.controlVersion());
        Bytes.putI32(b, 12, VERSION.catalogVersion());
        System.arraycopy(checkPoint, 0, b, 40, checkPoint.length);
        Bytes.putI32(b, 204, 8);
        Bytes.putF64(b, 208, 1234567.0);
        Bytes.putI32(b, 216, Page.SIZE);
        Bytes.putI32(b, 220, 131_072);
        Bytes.putI32(b, 224, 8192);
        Bytes.putI32(b, 228, SimPostgres.SEGMENT_SIZE);
        CRC32C crc = new CRC32C();
        crc.update(b, 0, 288);
        Bytes.putI32(b, 288, (int) crc.getValue());
        return b;
    }

    /** Adds WAL to a timeline, commits and nothing else. */
    static final class Pen {
        private final Timeline timeline;
        private final ByteSink wal = new ByteSink(1024);
        private final WalWriter writer;
        private final WalWriting writing;
        private long position;

        Pen(Timeline timeline, Limits limits) {
            this.timeline = timeline;
            position = timeline.lastRecordLsn();
            writer =
                    new WalWriter(
                            VERSION,
                            position,
                            SimPostgres.SEGMENT_SIZE,
                            SimPostgres.SYSTEM_IDENTIFIER,
                            1,
                            timeline.prevRecordLsn(),
                            wal);
            writing = new WalWriting(timeline, limits, position);
        }

        /**
         * A transaction's commit, or abort.
         *
         * @return the end of the record
         */
        long end(int xid, boolean commit, long micros) {
            byte[] time = new byte[8];
            Bytes.putI64(time, 0, micros);
            writer.begin(Rmgr.XACT, commit ? 0x00 : 0x20, xid);
            writer.mainData(time);
            writer.end();
            return writer.position();
        }

        /** Hands all that was added to the timeline. */
        void write() {
            writing.write(position, wal.array(), 0, wal.size());
            position += wal.size();
            wal.clear();
        }

        Timeline timeline() {
            return timeline;
        }
    }
}
