package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.compaction.CompactionPlan;
import io.palimpsest.compaction.CompactionPlanner;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.port.Environment;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalWriter;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/**
 * CREATE DATABASE by file copy from the WAL on: databases of any size against open layers of any
 * size, with relations that are in the way, with reads that fail half-way, and with all that
 * compaction makes of it afterwards.
 */
class DatabaseCopyTest {
    private static final long START = 0x0200_0028L;
    private static final long SYSTEM = 77;
    private static final int SEGMENT = 1 << 24;
    private static final PgVersion VERSION = PgVersion.V14;
    private static final int FROM = 5;
    private static final int TO = 6;
    private static final int SEEDS = 60;

    /** What happened, over all seeds. */
    private static final TreeMap<String, Integer> DONE = new TreeMap<>();

    private static final class Run implements OneMachine {
        private final Prng random;
        private final TreeMap<Key, byte[][]> source = new TreeMap<>();
        private final TreeMap<Key, Integer> inTheWay = new TreeMap<>();
        private long before;
        private long copied;

        Run(long seed) {
            random = new Prng(seed);
        }

        @Override
        public String name() {
            return "database-copy";
        }

        private Limits limits() {
            Limits d = Limits.DEFAULT;
            return new Limits(
                    4096L << random.nextInt(8),
                    1L << 40,
                    d.flushAgeNanos(),
                    d.ingestBatchRecords(),
                    8192 << random.nextInt(4),
                    1024,
                    d.recordBytes(),
                    d.waitLsnNanos(),
                    0,
                    8,
                    1 + random.nextInt(8),
                    d.chainDeltas(),
                    0);
        }

        @Override
        public void onMachine(Machine machine) {
            FaultyDisk disk = new FaultyDisk(machine.disk());
            Environment environment = machine.environment(disk);
            Limits limits = limits();
            TenantConfig config = StoredTimelines.onDemand(32 << 10);
            StoredTimelines.create(environment, limits, config, VERSION, SYSTEM, SEGMENT, START);
            Tenants tenants = Tenants.load(environment, limits, config);
            Timeline timeline = tenants.timeline(StoredTimelines.TENANT, StoredTimelines.ROOT);
            fill(timeline);
            before = timeline.lastRecordLsn();
            boolean flushed = random.nextBoolean();
            if (flushed) {
                timeline.flushUpTo(before);
            }
            boolean fails = flushed && random.nextBoolean();
            if (!fails || !copyOnBadDisk(machine, disk, timeline, limits)) {
                copy(timeline, limits);
            }
            copied = timeline.lastRecordLsn();
            compare(timeline);
            timeline.flushUpTo(copied);
            compare(timeline);
            compact(timeline, limits);
            compare(timeline);
            tenants.close();
            CompactionTest.checkDirectory(machine, StoredTimelines.ROOT);
            tenants = Tenants.load(environment, limits, config);
            compare(tenants.timeline(StoredTimelines.TENANT, StoredTimelines.ROOT));
            tenants.close();
        }

        private static RelTag relation(int db, int i) {
            return new RelTag(RelTag.DEFAULT_TABLESPACE, db, 16384 + i / 4, i % 4);
        }

        private void fill(Timeline timeline) {
            long lsn = START + 800;
            Modifications m = new Modifications();
            m.image(Keys.database(RelTag.DEFAULT_TABLESPACE, FROM), lsn, new byte[] {1});
            for (int i = random.nextInt(2) * random.nextInt(80); i > 0; i--) {
                Key size = Keys.relationSize(relation(TO, random.nextInt(200)));
                inTheWay.put(size, random.nextInt(5));
            }
            inTheWay.forEach((size, blocks) -> m.image(size, lsn, ofSize(blocks)));
            int relations = random.nextInt(60);
            for (int i = 0; i < relations; i++) {
                RelTag tag = relation(FROM, i + random.nextInt(3) * 40);
                byte[][] pages = new byte[random.nextInt(4)][];
                if (source.putIfAbsent(Keys.relationSize(tag), pages) != null) {
                    continue;
                }
                m.image(Keys.relationSize(tag), lsn, ofSize(pages.length));
                for (int block = 0; block < pages.length; block++) {
                    pages[block] = new byte[Page.SIZE];
                    random.nextBytes(pages[block], 0, 200);
                    m.image(Keys.block(tag, block), lsn, pages[block]);
                }
            }
            timeline.commit(m, lsn - 8, lsn);
        }

        private static byte[] ofSize(int blocks) {
            byte[] content = new byte[4];
            Bytes.putI32(content, 0, blocks);
            return content;
        }

        private static void copy(Timeline timeline, Limits limits) {
            long from = timeline.lastRecordLsn();
            ByteSink wal = new ByteSink(256);
            WalWriter writer =
                    new WalWriter(VERSION, from, SEGMENT, SYSTEM, 1, timeline.prevRecordLsn(), wal);
            byte[] ids = new byte[16];
            Bytes.putI32(ids, 0, TO);
            Bytes.putI32(ids, 4, RelTag.DEFAULT_TABLESPACE);
            Bytes.putI32(ids, 8, FROM);
            Bytes.putI32(ids, 12, RelTag.DEFAULT_TABLESPACE);
            writer.begin(Rmgr.DBASE, 0x00, 700);
            writer.mainData(ids);
            writer.end();
            new WalWriting(timeline, limits, from).write(from, wal.array(), 0, wal.size());
            assertEquals(writer.position(), timeline.lastRecordLsn());
        }

        /**
         * The disk fails after some reads: the stream breaks off, to begin again.
         *
         * @return true if there was nothing more to read
         */
        private boolean copyOnBadDisk(
                Machine machine, FaultyDisk disk, Timeline timeline, Limits limits) {
            String directory = StoredTimelines.directory(StoredTimelines.ROOT);
            TreeSet<String> files = new TreeSet<>();
            machine.disk().list(directory).forEach(name -> files.add(directory + "/" + name));
            int[] reads = {random.nextInt(150)};
            disk.damaged = path -> files.contains(path) && reads[0]-- <= 0;
            try {
                copy(timeline, limits);
                return true;
            } catch (PageserverException e) {
                assertEquals(ErrorCode.CORRUPTION, e.code(), e.getMessage());
                assertEquals(null, timeline.failure());
                assertEquals(before, timeline.lastRecordLsn());
                did(parts(machine) > files.size() ? "failed after a part" : "failed at once");
                return false;
            } finally {
                disk.damaged = path -> false;
            }
        }

        private static int parts(Machine machine) {
            return machine.disk().list(StoredTimelines.directory(StoredTimelines.ROOT)).size();
        }

        private void compact(Timeline timeline, Limits limits) {
            if (timeline.durableLayers().stream().anyMatch(this::isPart)) {
                did(inTheWay.isEmpty() ? "in parts" : "in parts, with others in the way");
            }
            TenantConfig c = timeline.config();
            TenantConfig eager =
                    new TenantConfig(
                            0, 0, 0, 0, 1, 4, c.compactionTargetBytes(), 1, c.leaseNanos());
            CompactionPlanner planner = new CompactionPlanner(eager, limits);
            CompactionPlan plan = planner.next(timeline.inventory(), timeline.retention());
            while (plan != null) {
                Compactor.run(timeline, plan, Unhurried.PACE);
                compare(timeline);
                plan = planner.next(timeline.inventory(), timeline.retention());
            }
        }

        private boolean isPart(LayerDescriptor layer) {
            return layer.name().image() && layer.name().startLsn() == copied;
        }

        private void compare(Timeline timeline) {
            TreeMap<Key, Integer> expected = new TreeMap<>();
            byte[] found = new byte[Page.SIZE];
            source.forEach((key, pages) -> {
                RelTag from = Keys.relation(key);
                RelTag to = new RelTag(from.spc(), TO, from.rel(), from.fork());
                expected.put(Keys.relationSize(to), pages.length);
                for (int block = 0; block < pages.length; block++) {
                    timeline.readPage(to, block, copied, found, 0);
                    assertArrayEquals(pages[block], found, to + " block " + block);
                }
            });
            assertEquals(expected, sizes(timeline, copied));
            assertEquals(inTheWay, sizes(timeline, before));
        }

        private static TreeMap<Key, Integer> sizes(Timeline timeline, long lsn) {
            TreeMap<Key, Integer> sizes = new TreeMap<>();
            timeline.viewAt(lsn)
                    .scan(
                            Keys.ofDatabase(Keys.REL_SIZE, RelTag.DEFAULT_TABLESPACE, TO),
                            (key, content) -> sizes.put(key, Bytes.i32(content, 0)));
            return sizes;
        }
    }

    private static void did(String what) {
        DONE.merge(what, 1, Integer::sum);
    }

    @Test
    void isTheSourceAndNothingElse() {
        for (long seed = 1; seed <= SEEDS; seed++) {
            Simulation.run(new Run(seed), seed).check();
        }
        for (String what :
                List.of("in parts, with others in the way", "failed after a part", "in parts")) {
            assertTrue(DONE.getOrDefault(what, 0) > 2, () -> what + " too seldom: " + DONE);
        }
    }
}
