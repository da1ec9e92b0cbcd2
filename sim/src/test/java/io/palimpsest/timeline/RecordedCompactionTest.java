package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Key;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.Environment;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimDisk;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.BackgroundCounters;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.value.Keys;
import java.util.Arrays;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * WAL of real servers into two page servers, one that compacts and collects all the time and is
 * restarted, and one that only ever keeps its layers: every page of both is the same, on the root
 * and on a branch that gets the same WAL on.
 */
class RecordedCompactionTest {
    private static final TimelineId BRANCH = new TimelineId(5, 6);
    private static final int BYTES = 10 << 20;

    /** A page server and the WAL it has. */
    private static final class Server {
        private final Environment environment;
        private final Limits limits;
        private final TenantConfig config;
        private final RecordedWal wal;
        private Tenants tenants;
        private long failures;
        private long merges;
        private long images;
        private long layersCollected;

        Server(Environment environment, Limits limits, TenantConfig config, RecordedWal wal) {
            this.environment = environment;
            this.limits = limits;
            this.config = config;
            this.wal = wal;
            StoredTimelines.create(
                    environment,
                    limits,
                    config,
                    PgVersion.ofMajor(wal.major()),
                    wal.systemIdentifier(),
                    wal.segmentSize(),
                    wal.startLsn());
            tenants = Tenants.load(environment, limits, config);
        }

        void restart() {
            BackgroundCounters.Snapshot c = tenants.housekeeper().counters();
            failures += c.failures();
            merges += c.merges();
            images += c.images();
            layersCollected += c.layersCollected();
            tenants.close();
            tenants = Tenants.load(environment, limits, config);
        }

        Timeline timeline(TimelineId id) {
            return tenants.timeline(StoredTimelines.TENANT, id);
        }

        /** All records that end at or below the position. */
        void write(TimelineId id, int position) {
            Timeline timeline = timeline(id);
            int from = (int) (timeline.lastRecordLsn() - wal.startLsn());
            if (position > from) {
                new WalWriting(timeline, limits, timeline.lastRecordLsn())
                        .write(timeline.lastRecordLsn(), wal.bytes(), from, position - from);
            }
        }
    }

    private static final class Run implements Scenario {
        private final RecordedWal wal;
        private final Prng random = new Prng(11);
        private long pages;

        Run(RecordedWal wal) {
            this.wal = wal;
        }

        @Override
        public String name() {
            return "recorded-compaction";
        }

        @Override
        public void run(Simulation s) {
            Machine machine =
                    new Machine(new SimNet(s, FaultPlan.quiet()), "server", FaultPlan.quiet());
            SimDisk other = new SimDisk(machine.node(), FaultPlan.quiet());
            machine.start("test", () -> compare(machine.environment(), machine.environment(other)))
                    .join();
            machine.checkIdle();
        }

        private static Limits limits(long openLayerBytes) {
            Limits d = Limits.DEFAULT;
            return new Limits(
                    openLayerBytes,
                    1L << 40,
                    1L << 60,
                    50,
                    d.ingestBatchBytes(),
                    16 << 10,
                    d.recordBytes(),
                    d.waitLsnNanos(),
                    8 << 20,
                    64,
                    16,
                    4,
                    0);
        }

        private static TenantConfig config(boolean works) {
            long period = works ? 1_000_000L : 0;
            return new TenantConfig(0, 1 << 20, 0, period, 3, 6, 64 << 10, 2, 600_000_000_000L);
        }

        private void compare(Environment working, Environment keeping) {
            Server a = new Server(working, limits(24 << 10), config(true), wal);
            Server b = new Server(keeping, limits(1L << 30), config(false), wal);
            int position = 0;
            boolean branched = false;
            while (position < BYTES) {
                position += 100_000 + random.nextInt(500_000);
                a.write(StoredTimelines.ROOT, position);
                b.write(StoredTimelines.ROOT, position);
                if (branched) {
                    a.write(BRANCH, position);
                    b.write(BRANCH, position);
                }
                if (random.oneIn(3)) {
                    a.tenants.housekeeper().runToQuiescence(a.timeline(StoredTimelines.ROOT));
                }
                if (random.oneIn(2)) {
                    a.tenants.housekeeper().gcNow(a.timeline(StoredTimelines.ROOT), 1 << 20);
                }
                if (random.oneIn(6)) {
                    a.restart();
                }
                if (!branched && position > BYTES / 3) {
                    long at = a.timeline(StoredTimelines.ROOT).lastRecordLsn();
                    for (Tenants tenants : Arrays.asList(a.tenants, b.tenants)) {
                        tenants.createBranch(
                                StoredTimelines.TENANT, BRANCH, StoredTimelines.ROOT, at);
                    }
                    branched = true;
                }
                compareSome(a, b, StoredTimelines.ROOT);
                if (branched) {
                    compareSome(a, b, BRANCH);
                }
            }
            a.tenants.housekeeper().runToQuiescence(a.timeline(BRANCH));
            for (TimelineId id : Arrays.asList(StoredTimelines.ROOT, BRANCH)) {
                for (int i = 0; i < 4; i++) {
                    compareSome(a, b, id);
                }
                Timeline one = a.timeline(id);
                for (long point : one.retention().points()) {
                    compare(one, b.timeline(id), point);
                }
            }
            a.restart();
            assertEquals(0, a.failures);
            assertTrue(
                    a.merges > 3 && a.images > 0 && a.layersCollected > 0,
                    () ->
                            "merges %d, images %d, layers collected %d"
                                    .formatted(a.merges, a.images, a.layersCollected));
            a.tenants.close();
            b.tenants.close();
        }

        private void compareSome(Server a, Server b, TimelineId id) {
            Timeline one = a.timeline(id);
            Timeline other = b.timeline(id);
            long oldest = one.oldestReadableLsn();
            long last = one.lastRecordLsn();
            assertEquals(last, other.lastRecordLsn());
            compare(one, other, oldest + random.nextLong(last - oldest + 1));
        }

        private void compare(Timeline one, Timeline other, long lsn) {
            TreeMap<Key, String> sizes = new TreeMap<>();
            TreeMap<Key, String> otherSizes = new TreeMap<>();
            one.viewAt(lsn)
                    .scan(
                            Keys.ofKind(Keys.REL_SIZE),
                            (key, content) -> sizes.put(key, Arrays.toString(content)));
            other.viewAt(lsn)
                    .scan(
                            Keys.ofKind(Keys.REL_SIZE),
                            (key, content) -> otherSizes.put(key, Arrays.toString(content)));
            assertEquals(otherSizes, sizes, () -> "at " + Lsn.toString(lsn));
            byte[] page = new byte[Page.SIZE];
            byte[] otherPage = new byte[Page.SIZE];
            for (Key key : sizes.keySet()) {
                var tag = Keys.relation(key);
                int blocks = one.relationBlocks(tag, lsn);
                for (int i = 0; i < Math.min(blocks, 6); i++) {
                    int block = random.nextInt(blocks);
                    one.readPage(tag, block, lsn, page, 0);
                    other.readPage(tag, block, lsn, otherPage, 0);
                    if (!Arrays.equals(page, otherPage)) {
                        assertArrayEquals(
                                otherPage, page, tag + " " + block + " at " + Lsn.toString(lsn));
                    }
                    pages++;
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"pg14", "pg17"})
    void realHistoryIsTheSame(String name) {
        Run run = new Run(RecordedWal.load(name));
        Simulation.run(run, 3).check();
        assertTrue(run.pages > 1000, run.pages + " pages");
    }
}
