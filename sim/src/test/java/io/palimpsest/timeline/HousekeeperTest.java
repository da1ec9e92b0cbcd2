package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tracer;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.BackgroundCounters;
import io.palimpsest.tenant.Housekeeper;
import io.palimpsest.tenant.Tenants;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The housekeeper in virtual time: when it works, what it does first, and what failures do. */
class HousekeeperTest {
    private static final long START = 0x0200_0028L;
    private static final long SECOND = 1_000_000_000L;
    private static final int THRESHOLD = 3;

    /** Of the first block of a layer file, see docs/formats.md. */
    private static final int CODEC_POSITION = 80 + 12;

    private static final int ZSTD = 2;

    /** What a test does with a server that has one timeline. */
    private abstract static class Server implements Scenario {
        Limits limits = limits(0);
        TenantConfig config = config(SECOND, 10 * SECOND);
        Machine machine;
        FaultyDisk disk;
        Tenants tenants;
        Housekeeper housekeeper;
        Timeline timeline;
        final GeneratedHistory history = new GeneratedHistory(new Prng(5), START);
        final List<String> events = new ArrayList<>();

        static Limits limits(long bytesPerSecond) {
            Limits d = Limits.DEFAULT;
            return new Limits(
                    16 << 10,
                    d.flushDistance(),
                    d.flushAgeNanos(),
                    100,
                    1 << 20,
                    1024,
                    d.recordBytes(),
                    d.waitLsnNanos(),
                    1 << 20,
                    8,
                    4,
                    3,
                    bytesPerSecond);
        }

        static TenantConfig config(long compactionPeriod, long gcPeriod) {
            return config(compactionPeriod, gcPeriod, 16 << 10);
        }

        static TenantConfig config(long compactionPeriod, long gcPeriod, long target) {
            TenantConfig d = TenantConfig.DEFAULT;
            return new TenantConfig(
                    0, 30_000, gcPeriod, compactionPeriod, THRESHOLD, 4, target, 2, d.leaseNanos());
        }

        @Override
        public String name() {
            return "housekeeper";
        }

        @Override
        public void run(Simulation s) {
            machine = new Machine(new SimNet(s, FaultPlan.quiet()), "server", FaultPlan.quiet());
            machine.start(
                            "test",
                            () -> {
                                disk = new FaultyDisk(machine.disk());
                                StoredTimelines.create(
                                        machine.environment(),
                                        limits,
                                        config,
                                        PgVersion.ofMajor(17),
                                        77,
                                        1 << 24,
                                        START);
                                load();
                                act();
                                tenants.close();
                            })
                    .join();
            machine.checkIdle();
            CompactionTest.checkDirectory(machine, StoredTimelines.ROOT);
        }

        void load() {
            Environment world = machine.environment(disk);
            Tracer tracer =
                    (event, subject, detail) -> {
                        events.add(event.word() + " " + subject + ": " + detail);
                        world.tracer().event(event, subject, detail);
                    };
            Environment traced =
                    new Environment(
                            world.clock(),
                            world.tasks(),
                            world.disk(),
                            world.net(),
                            world.ids(),
                            tracer);
            tenants = Tenants.load(traced, limits, config);
            housekeeper = tenants.housekeeper();
            timeline = tenants.timeline(StoredTimelines.TENANT, StoredTimelines.ROOT);
        }

        abstract void act();

        BackgroundCounters.Snapshot counters() {
            return housekeeper.counters();
        }

        void writeL0s(int n) {
            writeL0s(timeline, history, n);
        }

        void writeL0s(Timeline to, GeneratedHistory its, int n) {
            for (int i = 0; i < n; i++) {
                its.write(to, 20);
                to.flushUpTo(to.lastRecordLsn());
            }
        }

        /** Of the last record. */
        Timeline branch() {
            return tenants.createBranch(
                    StoredTimelines.TENANT,
                    new TimelineId(9, 9),
                    timeline.id(),
                    timeline.lastRecordLsn());
        }

        long count(String event) {
            return events.stream().filter(e -> e.startsWith(event + " ")).count();
        }

        void sleep(long seconds) {
            machine.tasks().sleep(seconds * SECOND);
        }

        /** Is the first block of some layer file of that codec? */
        boolean hasBlocksOf(int codec) {
            boolean any = false;
            for (LayerDescriptor layer : timeline.inventory().layers()) {
                byte[] number = new byte[1];
                try (Disk.Input in =
                        machine.disk().open(timeline.directory() + "/" + layer.name())) {
                    in.read(CODEC_POSITION, number, 0, 1);
                }
                any |= number[0] == codec;
            }
            return any;
        }

        /** The n-th L0, oldest first. */
        LayerName l0(int n) {
            return timeline.inventory().layers().stream()
                    .map(LayerDescriptor::name)
                    .filter(LayerName::isL0)
                    .sorted(Comparator.comparing(LayerName::startLsn))
                    .toList()
                    .get(n);
        }

        void compareAll() {
            history.compare(timeline, timeline.oldestReadableLsn());
            history.compare(timeline, timeline.lastRecordLsn());
        }
    }

    private static void run(Server server) {
        Simulation.run(server, 1).check();
    }

    @Test
    void worksByItselfAndThenRests() {
        run(
                new Server() {
                    @Override
                    void act() {
                        for (int i = 0; i < 60; i++) {
                            writeL0s(1);
                            machine.tasks().sleep(SECOND / 4);
                        }
                        sleep(60);
                        BackgroundCounters.Snapshot c = counters();
                        assertEquals(0, c.failures());
                        assertTrue(c.merges() > 3 && c.images() > 0, c.toString());
                        assertTrue(c.collections() > 1 && c.layersCollected() > 0, c.toString());
                        assertTrue(timeline.l0Count() < THRESHOLD, "L0s: " + timeline.l0Count());
                        assertTrue(timeline.oldestReadableLsn() > START);
                        assertEquals(0, housekeeper.debt(timeline).bytes());
                        compareAll();
                        sleep(10_000);
                        assertEquals(c, counters(), "nothing happened, and it worked");
                    }
                });
    }

    /** L0s are merged however few they are, but not while others come, and not for little. */
    @Test
    void aTimelineAtRestKeepsFewL0s() {
        run(
                new Server() {
                    @Override
                    void act() {
                        writeL0s(1);
                        sleep(2);
                        writeL0s(1);
                        sleep(2);
                        assertEquals(2, timeline.l0Count());
                        sleep(2);
                        assertEquals(0, timeline.l0Count());
                        assertEquals(1, count("l0-merged-at-rest"));
                        assertTrue(hasBlocksOf(ZSTD), "not compressed as what is at rest is");
                        long bytes = timeline.layerBytes();
                        while (timeline.layerBytes() < 40 * bytes) {
                            writeL0s(10);
                            housekeeper.mergeNow(timeline);
                        }
                        history.write(timeline, 1);
                        timeline.flushUpTo(timeline.lastRecordLsn());
                        sleep(10);
                        assertEquals(1, timeline.l0Count());
                        assertEquals(1, count("l0-merged-at-rest"));
                        compareAll();
                    }
                });
    }

    /** Images are never done with, and yet garbage goes and history is dropped. */
    @Test
    void imagesDoNotPutOffCollectionForEver() {
        run(
                new Server() {
                    {
                        limits = limits(60_000);
                        config = config(SECOND / 100, 5 * SECOND, 1024);
                    }

                    @Override
                    void act() {
                        for (int i = 0; i < 80; i++) {
                            writeL0s(1);
                            sleep(1);
                            if (i == 20) {
                                branch();
                            }
                        }
                        BackgroundCounters.Snapshot c = counters();
                        assertTrue(c.collections() > 4, c.toString());
                        assertTrue(c.histories() > 3, c.toString());
                        compareAll();
                    }
                });
    }

    @Test
    void periodsOfZeroAreNever() {
        run(
                new Server() {
                    {
                        config = config(0, 0);
                    }

                    @Override
                    void act() {
                        writeL0s(20);
                        sleep(1000);
                        assertEquals(20, timeline.l0Count());
                        assertEquals(0, counters().compactions() + counters().collections());
                        assertTrue(housekeeper.debt(timeline).bytes() > 0);
                        housekeeper.compactNow(timeline);
                        assertEquals(0, timeline.l0Count());
                        housekeeper.gcNow(timeline, 0);
                        assertEquals(timeline.diskConsistentLsn(), timeline.oldestReadableLsn());
                        compareAll();
                    }
                });
    }

    @Test
    void startsWhereTheLastRunLeftOff() {
        run(
                new Server() {
                    @Override
                    void act() {
                        TenantConfig working = config;
                        tenants.close();
                        config = config(0, 0);
                        load();
                        writeL0s(8);
                        tenants.close();
                        config = working;
                        load();
                        assertEquals(8, timeline.l0Count());
                        sleep(5);
                        assertTrue(timeline.l0Count() < THRESHOLD, "L0s: " + timeline.l0Count());
                        compareAll();
                    }
                });
    }

    /** Merging is slow, flushing waits, and reads never find more L0s than three thresholds. */
    @Test
    void writingWaitsForMerges() {
        run(
                new Server() {
                    {
                        limits = limits(4000);
                    }

                    @Override
                    void act() {
                        for (int i = 0; i < 40; i++) {
                            writeL0s(1);
                            assertTrue(
                                    timeline.l0Count() <= 3 * THRESHOLD,
                                    "L0s: " + timeline.l0Count());
                        }
                        assertTrue(counters().stalls() > 0, counters().toString());
                        compareAll();
                    }
                });
    }

    @Test
    void isThrottled() {
        run(
                new Server() {
                    {
                        limits = limits(4000);
                        config = config(0, 0);
                    }

                    @Override
                    void act() {
                        writeL0s(8);
                        long begun = machine.clock().monotonicNanos();
                        housekeeper.compactNow(timeline);
                        double seconds = (machine.clock().monotonicNanos() - begun) / 1e9;
                        BackgroundCounters.Snapshot c = counters();
                        double bytes = c.bytesRead() + c.bytesWritten();
                        assertEquals(bytes / 4000, seconds, 0.1 * bytes / 4000 + 1, c.toString());
                    }
                });
    }

    /** The third of six L0s: the others are merged, and nothing is written of this one. */
    @Test
    void aRequestIsDoneWithoutADamagedLayerWhichItNames() {
        run(
                new Server() {
                    {
                        config = config(0, 0);
                    }

                    @Override
                    void act() {
                        writeL0s(6);
                        LayerName damaged = l0(2);
                        disk.damaged = path -> path.endsWith(damaged.toString());
                        PageserverException e =
                                assertThrows(
                                        PageserverException.class,
                                        () -> housekeeper.compactNow(timeline));
                        assertEquals(ErrorCode.CORRUPTION, e.code());
                        assertTrue(
                                String.valueOf(e.getMessage()).contains(damaged.toString()),
                                e.getMessage());
                        assertEquals(1, timeline.l0Count());
                        assertEquals(damaged, l0(0));
                        disk.damaged = path -> false;
                        compareAll();
                        housekeeper.reset(timeline);
                        housekeeper.compactNow(timeline);
                        assertEquals(0, timeline.l0Count());
                        compareAll();
                    }
                });
    }

    @Test
    void workGoesOnWithoutADamagedLayer() {
        run(
                new Server() {
                    @Override
                    void act() {
                        writeL0s(1);
                        LayerName damaged = l0(0);
                        disk.damaged = path -> path.endsWith(damaged.toString());
                        for (int i = 0; i < 5 * THRESHOLD; i++) {
                            writeL0s(1);
                            sleep(1);
                        }
                        sleep(60);
                        assertTrue(timeline.l0Count() <= THRESHOLD, "L0s: " + timeline.l0Count());
                        assertTrue(timeline.damaged().names().contains(damaged));
                        assertEquals(List.of(), housekeeper.broken(timeline));
                        assertEquals(1, count("layer-damaged"), "said once");
                        assertEquals(1, counters().failures());
                        long merges = counters().merges();
                        disk.damaged = path -> false;
                        housekeeper.reset(timeline);
                        writeL0s(THRESHOLD);
                        sleep(60);
                        assertEquals(0, timeline.damaged().names().size());
                        assertTrue(counters().merges() > merges);
                        assertTrue(
                                timeline.inventory().layers().stream()
                                        .noneMatch(l -> l.name().equals(damaged)));
                        compareAll();
                    }
                });
    }

    @Test
    void aDefectStopsTheTimeline() {
        run(
                new Server() {
                    @Override
                    void act() {
                        disk.refused =
                                path -> {
                                    Check.that(
                                            path.contains("/index")
                                                    || timeline.l0Count() < THRESHOLD,
                                            "a planted defect");
                                    return false;
                                };
                        writeL0s(THRESHOLD);
                        sleep(1000);
                        RuntimeException why = timeline.failure();
                        assertTrue(why instanceof Check.Failed, () -> "failure: " + why);
                        assertEquals(1, count("timeline-stopped"));
                        assertEquals(1, counters().failures(), "it is not tried again");
                        assertThrows(PageserverException.class, () -> history.write(timeline, 1));
                        disk.refused = path -> false;
                        history.compare(timeline, timeline.oldestReadableLsn());
                    }
                });
    }

    @Test
    void aFailedSyncLeavesTheTimelineAsItWas() {
        run(
                new Server() {
                    {
                        config = config(0, 0);
                    }

                    @Override
                    void act() {
                        writeL0s(6);
                        disk.unsynced = path -> !path.contains("/index");
                        List<String> before =
                                machine.disk().list(StoredTimelines.directory(timeline.id()));
                        assertThrows(
                                PageserverException.class, () -> housekeeper.compactNow(timeline));
                        assertEquals(
                                before,
                                machine.disk().list(StoredTimelines.directory(timeline.id())));
                        assertEquals(null, timeline.failure());
                        disk.unsynced = path -> false;
                        compareAll();
                        housekeeper.compactNow(timeline);
                        compareAll();
                    }
                });
    }

    /**
     * Off after five failures, flushes do not wait for it any more; after a day it is tried again.
     */
    @Test
    void workThatFailsAgainAndAgainIsSwitchedOff() {
        run(
                new Server() {
                    @Override
                    void act() {
                        writeL0s(1);
                        String unreadable = l0(0).toString();
                        disk.unreadable = path -> path.endsWith(unreadable);
                        writeL0s(20);
                        sleep(100);
                        assertTrue(housekeeper.broken(timeline).contains("merge"));
                        writeL0s(5);
                        assertTrue(timeline.l0Count() > 3 * THRESHOLD);
                        long failures = counters().failures();
                        sleep(3600);
                        assertEquals(failures, counters().failures());
                        disk.unreadable = path -> false;
                        sleep(86_400);
                        writeL0s(1);
                        sleep(60);
                        assertTrue(timeline.l0Count() < THRESHOLD, "after a day it is tried again");
                        assertEquals(List.of(), housekeeper.broken(timeline));
                        compareAll();
                    }
                });
    }

    @Test
    void aFullDiskIsWaitedForHoweverLong() {
        run(
                new Server() {
                    @Override
                    void act() {
                        writeL0s(2);
                        disk.refused =
                                path -> !path.contains("/index") && timeline.l0Count() >= THRESHOLD;
                        writeL0s(1);
                        sleep(7200);
                        assertTrue(counters().failures() > 10);
                        assertEquals(List.of(), housekeeper.broken(timeline));
                        disk.refused = path -> false;
                        sleep(120);
                        assertTrue(timeline.l0Count() < THRESHOLD);
                        compareAll();
                    }
                });
    }

    @Test
    void workEndsWhenTheServerStops() {
        run(
                new Server() {
                    {
                        limits = limits(500);
                    }

                    @Override
                    void act() {
                        writeL0s(2 * THRESHOLD);
                        sleep(3);
                        long begun = machine.clock().monotonicNanos();
                        tenants.close();
                        assertTrue(machine.clock().monotonicNanos() - begun < 10 * SECOND);
                        CompactionTest.checkDirectory(machine, StoredTimelines.ROOT);
                        limits = limits(0);
                        load();
                        compareAll();
                    }
                });
    }

    /** Images of one timeline are being made, slowly, when another one has L0s to merge. */
    @Test
    void mergesComeFirst() {
        run(
                new Server() {
                    {
                        limits = limits(3000);
                        config = config(SECOND, 10 * SECOND, 1024);
                    }

                    @Override
                    void act() {
                        writeL0s(3 * THRESHOLD);
                        Timeline branch = branch();
                        GeneratedHistory its = history.branch(new Prng(7), branch.ancestorLsn());
                        while (counters().images() == 0) {
                            machine.tasks().sleep(SECOND / 10);
                        }
                        writeL0s(branch, its, THRESHOLD);
                        long images = counters().images();
                        while (branch.l0Count() >= THRESHOLD) {
                            machine.tasks().sleep(SECOND / 10);
                        }
                        assertTrue(counters().images() <= images + 1, counters().toString());
                        sleep(600);
                        assertTrue(counters().images() > images + 2, counters().toString());
                        compareAll();
                        its.compare(branch, branch.lastRecordLsn());
                        its.compare(branch, branch.oldestReadableLsn());
                    }
                });
    }

    /** A long request for one timeline, and flushes of another one that wait for a merge. */
    @Test
    void requestsLetMergesThrough() {
        run(
                new Server() {
                    {
                        limits = limits(3000);
                        config = config(SECOND, 10 * SECOND, 1024);
                    }

                    @Override
                    void act() {
                        writeL0s(2 * THRESHOLD);
                        Timeline branch = branch();
                        GeneratedHistory its = history.branch(new Prng(7), branch.ancestorLsn());
                        Tasks.Task request =
                                machine.start("request", () -> housekeeper.compactNow(timeline));
                        writeL0s(branch, its, 4 * THRESHOLD);
                        assertTrue(counters().stalls() > 0, counters().toString());
                        assertTrue(
                                !request.isDone(), "the merges did not wait for the whole request");
                        request.join();
                        assertEquals(0, timeline.l0Count());
                        compareAll();
                        its.compare(branch, branch.lastRecordLsn());
                    }
                });
    }
}
