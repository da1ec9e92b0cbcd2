package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
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
import io.palimpsest.pg.HeapTuple;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
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
import java.util.HexFormat;
import java.util.zip.CRC32C;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A timeline whose index says that its WAL is Neon's: ingest and redo know, after a restart and on
 * a branch too.
 */
class NeonTimelineTest {
    private static final TenantShardId TENANT = TenantShardId.unsharded(new TenantId(1, 2));
    private static final TimelineId TIMELINE = new TimelineId(3, 4);
    private static final TimelineId BRANCH = new TimelineId(5, 6);
    private static final long START = 0x0200_0028L;
    private static final RelTag TABLE =
            new RelTag(RelTag.DEFAULT_TABLESPACE, 5, 16384, RelTag.MAIN);

    private record Run(PgVersion version) implements Scenario {
        @Override
        public String name() {
            return "neon-timeline";
        }

        @Override
        public void run(Simulation s) {
            Machine machine =
                    new Machine(new SimNet(s, FaultPlan.quiet()), "server", FaultPlan.quiet());
            machine.start("test", () -> onMachine(s, machine)).join();
            machine.checkIdle();
        }

        private void onMachine(Simulation s, Machine machine) {
            Environment environment = machine.environment();
            BlockCache cache = new BlockCache(Limits.DEFAULT);
            TimelineStore store =
                    new TimelineStore(
                            environment,
                            Limits.DEFAULT,
                            TenantConfig.DEFAULT,
                            cache,
                            Housekeeping.NONE);
            Timeline timeline =
                    create(
                            new Surroundings(
                                    environment,
                                    Limits.DEFAULT,
                                    TenantConfig.DEFAULT,
                                    cache,
                                    Housekeeping.NONE));
            ByteSink wal = new ByteSink(1024);
            long end = insert(wal);
            new WalWriting(timeline, Limits.DEFAULT, START)
                    .write(START, wal.array(), 0, wal.size());
            assertCommandId(timeline, end);
            timeline.shutDown();

            timeline = store.open(TENANT, TIMELINE, id -> fail("an ancestor: " + id));
            assertEquals(WalOrigin.NEON, timeline.origin());
            assertCommandId(timeline, end);
            Timeline branch = store.createBranch(timeline, BRANCH, end);
            assertEquals(WalOrigin.NEON, branch.origin());
            assertCommandId(branch, end);
            branch.shutDown();
            timeline.shutDown();
        }

        private Timeline create(Surroundings surroundings) {
            TimelineIndex index =
                    TimelineIndex.empty(
                            new TimelineIndex.Identity(
                                    TENANT,
                                    TIMELINE,
                                    Generation.FIRST,
                                    version,
                                    WalOrigin.NEON,
                                    SimPostgres.SYSTEM_IDENTIFIER,
                                    SimPostgres.SEGMENT_SIZE,
                                    1),
                            null,
                            Long.MAX_VALUE,
                            START - 1);
            String directory = "tenants/" + TENANT + "/timelines/" + TIMELINE;
            Timeline timeline = Timeline.beginImport(surroundings, directory, index, null);
            CheckPoint checkPoint = CheckPoint.read(new byte[CheckPoint.BYTES], 0);
            checkPoint.setNextXid(700);
            checkPoint.setOldestXid(3, 1);
            byte[] control = controlFile(checkPoint.toBytes());
            Modifications files = new Modifications();
            files.image(Keys.CONTROL_FILE, START, control);
            files.image(Keys.CHECKPOINT, START, checkPoint.toBytes());
            timeline.commitPart(files, START);
            timeline.finishImport(START, START, 1);
            return timeline;
        }

        /** All that ingest and redo look at. */
        private byte[] controlFile(byte[] checkPoint) {
            byte[] b = new byte[ControlFile.BYTES];
            Bytes.putI64(b, 0, SimPostgres.SYSTEM_IDENTIFIER);
            Bytes.putI32(b, 8, version.controlVersion());
            Bytes.putI32(b, 12, version.catalogVersion());
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

        /** A tuple with command id 7 on a new page; answers the record's end LSN. */
        private long insert(ByteSink wal) {
            boolean own = version.atLeast(PgVersion.V16);
            byte[] data = HexFormat.of().parseHex("03000208070000001800" + "6e6577");
            WalWriter writer =
                    new WalWriter(
                            version,
                            START,
                            SimPostgres.SEGMENT_SIZE,
                            SimPostgres.SYSTEM_IDENTIFIER,
                            1,
                            0,
                            wal);
            writer.begin(own ? Rmgr.NEON : Rmgr.HEAP, 0x80, 700);
            writer.block(0, RelTag.MAIN, TABLE.spc(), TABLE.db(), TABLE.rel(), 0);
            writer.willInit();
            writer.blockData(data, 0, data.length);
            writer.mainData(new byte[] {1, 0, 0});
            writer.end();
            return writer.position();
        }

        private static void assertCommandId(Timeline timeline, long lsn) {
            byte[] page = new byte[Page.SIZE];
            timeline.readPage(TABLE, 0, lsn, page, 0);
            assertEquals(7, Bytes.i32(page, HeapTuple.at(page, 1) + 8));
        }
    }

    @ParameterizedTest
    @EnumSource(value = PgVersion.class, names = "V18", mode = EnumSource.Mode.EXCLUDE)
    void itsRecordsAreNeons(PgVersion version) {
        Simulation.run(new Run(version), 1).check();
    }
}
