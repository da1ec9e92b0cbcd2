package io.palimpsest.regress.storage;

import com.sun.management.OperatingSystemMXBean;
import io.palimpsest.base.Limits;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.regress.ServerProcess;
import io.palimpsest.regress.bench.PageClient;
import io.palimpsest.regress.storage.Report.Row;
import io.palimpsest.timeline.Timeline;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntFunction;

/**
 * What others cost main: the 99th percentile of reads of main at a fixed rate, while 64 branches of
 * it are read at a fixed rate, against 64 tenants with the same data of their own; and with 1,000
 * branches that nobody reads, against none. The rates leave more than half of the processors idle.
 */
final class NeighbourPart implements Part {
    private static final int LOADED = 64;
    private static final int IDLE = 1000;
    private static final double LOAD_PER_SECOND = 12;
    private static final double MAIN_PER_SECOND = 400;
    private static final double SECONDS = 3;

    private final OperatingSystemMXBean system =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private final int processors = Runtime.getRuntime().availableProcessors();

    /** 99th percentile of main in microseconds, and how much of the processors was busy. */
    private record Found(double p99, double busy) {}

    @Override
    public void run(Setting setting, Report report) throws IOException, InterruptedException {
        loaded(setting, report);
        idle(setting, report);
    }

    private void loaded(Setting setting, Report report) throws IOException, InterruptedException {
        Path directory = Files.createDirectories(setting.home().resolve("loaded"));
        Path working = Storage.link(setting.base(), directory.resolve("pageserver"));
        makeBranches(working, LOADED);
        for (int i = 0; i < LOADED; i++) {
            Storage.copyTenant(setting.base(), working, tenant(i));
        }
        Row p99 = new Row();
        Row busy = new Row();
        try (ServerProcess server = new ServerProcess(directory, List.of())) {
            server.start();
            for (int round = 0; round <= setting.rounds(); round++) {
                report.say("neighbours, loaded" + (round == 0 ? ", warm-up" : ", round " + round));
                Found branches = measure(server, setting, i -> Storage.name(branch(i)), LOADED);
                Found tenants =
                        measure(server, setting, i -> tenant(i) + " " + Storage.BASE, LOADED);
                if (round > 0) {
                    p99.add(branches.p99, tenants.p99);
                    busy.add(Math.max(branches.busy, tenants.busy));
                }
            }
        }
        report.cost(
                "p99 of main, 64 branches loaded",
                "p99 of main, 64 tenants loaded",
                "us",
                p99,
                Goal.atMost(2),
                "");
        report.value("  share of the processors busy meanwhile", "", busy, Goal.atMost(0.5), "");
    }

    private void idle(Setting setting, Report report) throws IOException, InterruptedException {
        Path many = Files.createDirectories(setting.home().resolve("many"));
        Path none = Files.createDirectories(setting.home().resolve("none"));
        makeBranches(Storage.link(setting.base(), many.resolve("pageserver")), IDLE);
        Storage.link(setting.base(), none.resolve("pageserver"));
        Row p99 = new Row();
        Row cpu = new Row();
        try (ServerProcess with = new ServerProcess(many, List.of());
                ServerProcess without = new ServerProcess(none, List.of())) {
            with.start();
            without.start();
            for (int round = 0; round <= setting.rounds(); round++) {
                report.say("neighbours, idle" + (round == 0 ? ", warm-up" : ", round " + round));
                Found branches = measure(with, setting, i -> "", 0);
                Found alone = measure(without, setting, i -> "", 0);
                if (round > 0) {
                    p99.add(branches.p99, alone.p99);
                }
            }
            double[] quiet = new double[2];
            for (ServerProcess server : List.of(with, without)) {
                long before = server.cpuNanos();
                Thread.sleep((long) (SECONDS * 1000));
                quiet[server == with ? 0 : 1] = (server.cpuNanos() - before) / 1e6 / SECONDS;
            }
            cpu.add(quiet[0]);
            cpu.add(quiet[1]);
        }
        report.cost(
                "p99 of main, 1,000 idle branches",
                "p99 of main, no branch",
                "us",
                p99,
                Goal.atMost(1.1),
                "");
        report.value(
                "  processor time of a server with them that is asked nothing",
                "ms/s",
                cpu,
                null,
                "");
    }

    private static TimelineId branch(int i) {
        return new TimelineId(3, 1 + i);
    }

    private static TenantId tenant(int i) {
        return new TenantId(4, 1 + i);
    }

    private static void makeBranches(Path working, int n) {
        Storage storage = new Storage(working, Limits.DEFAULT);
        Timeline base = storage.open(Storage.BASE);
        List<Timeline> made = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            made.add(storage.store().createBranch(base, branch(i), base.lastRecordLsn()));
        }
        made.forEach(Timeline::shutDown);
        base.shutDown();
    }

    private Found measure(
            ServerProcess server, Setting setting, IntFunction<String> neighbour, int neighbours)
            throws IOException, InterruptedException {
        long lsn = Storage.lastRecordLsn(server);
        AtomicReference<IOException> failure = new AtomicReference<>();
        List<Thread> threads = new ArrayList<>();
        long cpu = server.cpuNanos() + system.getProcessCpuTime();
        long start = System.nanoTime();
        for (int i = 0; i < neighbours; i++) {
            int me = i;
            threads.add(
                    Thread.ofPlatform()
                            .start(() -> {
                                try (PageClient client =
                                        PageClient.toPageService(
                                                server.pageService(), neighbour.apply(me), me)) {
                                    client.paced(
                                            setting.stills(),
                                            setting.blocks(),
                                            lsn,
                                            LOAD_PER_SECOND,
                                            SECONDS);
                                } catch (IOException e) {
                                    failure.set(e);
                                }
                            }));
        }
        double p99;
        try (PageClient client =
                PageClient.toPageService(
                        server.pageService(), Storage.name(Storage.BASE), neighbours)) {
            p99 =
                    client.paced(setting.stills(), setting.blocks(), lsn, MAIN_PER_SECOND, SECONDS)
                            .percentile(0.99);
        }
        for (Thread thread : threads) {
            thread.join();
        }
        IOException failed = failure.get();
        if (failed != null) {
            throw failed;
        }
        double used = server.cpuNanos() + system.getProcessCpuTime() - cpu;
        return new Found(p99, used / (System.nanoTime() - start) / processors);
    }
}
