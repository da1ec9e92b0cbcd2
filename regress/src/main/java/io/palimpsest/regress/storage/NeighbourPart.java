package io.palimpsest.regress.storage;

import com.sun.management.OperatingSystemMXBean;
import io.palimpsest.base.Limits;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.regress.ServerProcess;
import io.palimpsest.regress.WorkingDirectory;
import io.palimpsest.regress.bench.PageClient;
import io.palimpsest.regress.storage.Report.Row;
import io.palimpsest.timeline.Timeline;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicReference;

/**
 * What others cost main: the 99th percentile of reads of main at a fixed rate, while 64 branches of
 * it are read and written to at a fixed rate, against 64 tenants with the same data of their own;
 * and with 1,000 branches that nobody uses, against none. The rates leave more than half of the
 * processors idle.
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
        Path directory = WorkingDirectory.link(setting.base(), setting.home().resolve("loaded"));
        makeBranches(directory, LOADED);
        for (int i = 0; i < LOADED; i++) {
            Storage.copyTenant(setting.base(), directory, tenant(i));
        }
        Row p99 = new Row();
        Row busy = new Row();
        String flushes;
        try (LoadedStore store = new LoadedStore(directory)) {
            List<LoadedStore.Neighbour> branches = new ArrayList<>();
            List<LoadedStore.Neighbour> tenants = new ArrayList<>();
            for (int i = 0; i < LOADED; i++) {
                branches.add(store.neighbour(Storage.TENANT.tenant(), branch(i)));
                tenants.add(store.neighbour(tenant(i), Storage.BASE));
            }
            for (int round = 0; round <= setting.rounds(); round++) {
                report.say("neighbours, loaded" + (round == 0 ? ", warm-up" : ", round " + round));
                Found ours = measure(store, setting, branches);
                Found theirs = measure(store, setting, tenants);
                if (round > 0) {
                    p99.add(ours.p99, theirs.p99);
                    busy.add(Math.max(ours.busy, theirs.busy));
                }
            }
            flushes = store.flushesAndMerges();
        }
        report.cost(
                "p99 of main, 64 branches read and written",
                "p99 of main, 64 tenants read and written",
                "us",
                p99,
                Goal.atMost(2),
                String.format(
                        Locale.ROOT,
                        "each read %.0f times a second and written %s; %s",
                        LOAD_PER_SECOND,
                        LoadedStore.WRITES,
                        flushes));
        report.value("  share of the processors busy meanwhile", "", busy, Goal.atMost(0.5), "");
    }

    private void idle(Setting setting, Report report) throws IOException, InterruptedException {
        Path many = Files.createDirectories(setting.home().resolve("many"));
        Path none = Files.createDirectories(setting.home().resolve("none"));
        makeBranches(WorkingDirectory.link(setting.base(), many.resolve("pageserver")), IDLE);
        WorkingDirectory.link(setting.base(), none.resolve("pageserver"));
        Row p99 = new Row();
        Row cpu = new Row();
        try (ServerProcess with = new ServerProcess(many, List.of());
                ServerProcess without = new ServerProcess(none, List.of())) {
            with.start();
            without.start();
            for (int round = 0; round <= setting.rounds(); round++) {
                report.say("neighbours, idle" + (round == 0 ? ", warm-up" : ", round " + round));
                double branches = alone(with, setting);
                double alone = alone(without, setting);
                if (round > 0) {
                    p99.add(branches, alone);
                }
            }
            double[] quiet = new double[2];
            for (ServerProcess server : List.of(with, without)) {
                long before = server.cpuNanos();
                Thread.sleep((long) (SECONDS * 1000));
                quiet[server == with ? 0 : 1] = (server.cpuNanos() - before) / 1e6 / SECONDS;
            }
            cpu.add(quiet[0], quiet[1]);
        }
        report.cost(
                "p99 of main, 1,000 idle branches",
                "p99 of main, no branch",
                "us",
                p99,
                Goal.atMost(1.1),
                "");
        report.cost(
                "  processor time of a server with them that is asked nothing",
                "of one without",
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

    private static double alone(ServerProcess server, Setting setting) throws IOException {
        return main(server.pageService(), setting, Storage.lastRecordLsn(server));
    }

    /** 99th percentile of reads of main, in microseconds. */
    private static double main(InetSocketAddress address, Setting setting, long lsn)
            throws IOException {
        try (PageClient client =
                PageClient.toPageService(address, Storage.name(Storage.BASE), LOADED)) {
            return client.paced(setting.stills(), setting.blocks(), lsn, MAIN_PER_SECOND, SECONDS)
                    .percentile(0.99);
        }
    }

    private Found measure(
            LoadedStore store, Setting setting, List<LoadedStore.Neighbour> neighbours)
            throws IOException, InterruptedException {
        AtomicReference<Exception> failure = new AtomicReference<>();
        List<Thread> threads = new ArrayList<>();
        long lsn = store.mainLsn();
        long cpu = system.getProcessCpuTime();
        long start = System.nanoTime();
        for (LoadedStore.Neighbour neighbour : neighbours) {
            threads.add(
                    start(failure, () -> read(store, setting, neighbour.name(), lsn, neighbour)));
            threads.add(start(failure, () -> neighbour.write(SECONDS)));
        }
        double p99 = main(store.address(), setting, lsn);
        for (Thread thread : threads) {
            thread.join();
        }
        Exception failed = failure.get();
        if (failed != null) {
            throw new IOException("a neighbour failed: " + failed.getMessage(), failed);
        }
        double used = system.getProcessCpuTime() - cpu;
        return new Found(p99, used / (System.nanoTime() - start) / processors);
    }

    private static void read(
            LoadedStore store,
            Setting setting,
            String name,
            long lsn,
            LoadedStore.Neighbour neighbour)
            throws IOException {
        try (PageClient client =
                PageClient.toPageService(store.address(), name, neighbour.hashCode())) {
            client.paced(setting.stills(), setting.blocks(), lsn, LOAD_PER_SECOND, SECONDS);
        }
    }

    /** What a thread does. */
    private interface Work {
        void run() throws IOException;
    }

    private static Thread start(AtomicReference<Exception> failure, Work work) {
        return Thread.ofPlatform()
                .start(() -> {
                    try {
                        work.run();
                    } catch (IOException | RuntimeException e) {
                        failure.set(e);
                    }
                });
    }
}
