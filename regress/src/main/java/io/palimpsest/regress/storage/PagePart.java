package io.palimpsest.regress.storage;

import io.palimpsest.pg.Page;
import io.palimpsest.regress.ServerProcess;
import io.palimpsest.regress.WorkingDirectory;
import io.palimpsest.regress.bench.PageClient;
import io.palimpsest.regress.storage.Report.Row;
import io.palimpsest.timeline.PageBatch;
import io.palimpsest.timeline.Timeline;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Random pages of a table in image layers: from files alone (a block cache of no bytes; the files
 * are in the system's page cache) against a block cache that holds all of them. In process, and by
 * the page service as a client sees it.
 */
final class PagePart implements Part {
    private static final long LARGE_CACHE = 512L << 20;
    private static final int HEADER = 4096;

    /** Pages that are read together. */
    private static final int RUN = 32;

    private record Load(String name, int depth) {}

    private static final List<Load> LOADS =
            List.of(new Load("depth 1", 1), new Load("depth 32", 32));

    @Override
    public void run(Setting setting, Report report) throws IOException {
        inProcess(setting, report);
        overSocket(setting, report);
    }

    private static void inProcess(Setting setting, Report report) {
        Storage without =
                new Storage(
                        WorkingDirectory.link(setting.base(), setting.home().resolve("without")),
                        Storage.limits(256L << 20, 0));
        Storage with =
                new Storage(
                        WorkingDirectory.link(setting.base(), setting.home().resolve("with")),
                        Storage.limits(256L << 20, LARGE_CACHE));
        Timeline files = without.open(Storage.BASE);
        Timeline cached = with.open(Storage.BASE);
        Row row = new Row();
        Row vectored = new Row();
        Row vectoredCached = new Row();
        for (int round = 0; round <= setting.rounds(); round++) {
            report.say("pages in process" + (round == 0 ? ", warm-up" : ", round " + round));
            double ours = reads(files, setting, round);
            double theirs = reads(cached, setting, round);
            double[] inFiles = runs(files, setting, round);
            double[] inCache = runs(cached, setting, round);
            if (round > 0) {
                row.add(ours, theirs);
                vectored.add(inFiles[0], inFiles[1]);
                vectoredCached.add(inCache[0], inCache[1]);
            }
        }
        report.rate(
                "page of a mapped layer, in process",
                "page in the block cache",
                "pages/s",
                row,
                Goal.atLeast(0.6),
                "");
        report.rate(
                RUN + " pages in a row of a mapped layer, together",
                "the same one by one",
                "pages/s",
                vectored,
                Goal.atLeast(1),
                "");
        report.rate(
                RUN + " pages in a row of the block cache, together",
                "the same one by one",
                "pages/s",
                vectoredCached,
                Goal.atLeast(1),
                "");
        files.shutDown();
        cached.shutDown();
    }

    private static double reads(Timeline timeline, Setting setting, int seed) {
        SplittableRandom random = new SplittableRandom(seed);
        byte[] page = new byte[HEADER + Page.SIZE];
        long lsn = timeline.lastRecordLsn();
        long n = 0;
        long start = System.nanoTime();
        long end = start + (long) (setting.seconds() * 1e9);
        long now = start;
        while (now < end) {
            for (int i = 0; i < 100; i++) {
                timeline.readPage(
                        setting.stills(), random.nextInt(setting.blocks()), lsn, page, HEADER);
            }
            n += 100;
            now = System.nanoTime();
        }
        return n * 1e9 / (now - start);
    }

    /** Pages a second of runs of neighbouring pages: read together, and one by one. */
    private static double[] runs(Timeline timeline, Setting setting, int seed) {
        SplittableRandom random = new SplittableRandom(seed);
        PageBatch batch = new PageBatch(RUN);
        byte[] pages = new byte[RUN * Page.SIZE];
        long lsn = timeline.lastRecordLsn();
        long[] nanos = new long[2];
        long n = 0;
        while (nanos[0] + nanos[1] < setting.seconds() * 1e9) {
            for (int how = 0; how < 2; how++) {
                long start = System.nanoTime();
                int first = random.nextInt(setting.blocks() - RUN);
                batch.clear();
                for (int i = 0; i < RUN; i++) {
                    if (how == 0) {
                        batch.add(setting.stills(), first + i, lsn, i * Page.SIZE);
                    } else {
                        timeline.readPage(setting.stills(), first + i, lsn, pages, i * Page.SIZE);
                    }
                }
                if (how == 0) {
                    timeline.readPages(batch, pages);
                }
                nanos[how] += System.nanoTime() - start;
            }
            n += RUN;
        }
        return new double[] {n * 1e9 / nanos[0], n * 1e9 / nanos[1]};
    }

    private static void overSocket(Setting setting, Report report) throws IOException {
        Path zero = Files.createDirectories(setting.home().resolve("zero"));
        Path large = Files.createDirectories(setting.home().resolve("large"));
        WorkingDirectory.link(setting.base(), zero.resolve("pageserver"));
        WorkingDirectory.link(setting.base(), large.resolve("pageserver"));
        try (ServerProcess files = new ServerProcess(zero, List.of("page_cache_size = 0"));
                ServerProcess cached =
                        new ServerProcess(
                                large, List.of("page_cache_size = " + LARGE_CACHE / Page.SIZE))) {
            files.start();
            cached.start();
            for (Load load : LOADS) {
                Row rate = new Row();
                Row cpu = new Row();
                for (int round = 0; round <= setting.rounds(); round++) {
                    report.say(
                            "pages by the service, "
                                    + load.name()
                                    + (round == 0 ? ", warm-up" : ", round " + round));
                    double[] ours = burst(files, setting, load, round);
                    double[] theirs = burst(cached, setting, load, round);
                    if (round > 0) {
                        rate.add(ours[0], theirs[0]);
                        cpu.add(ours[1], theirs[1]);
                    }
                }
                report.rate(
                        "page of a mapped layer, by the service, " + load.name(),
                        "page in the block cache, by the service",
                        "pages/s",
                        rate,
                        Goal.atLeast(0.6),
                        "");
                report.cost(
                        "  server's processor time a page, " + load.name(),
                        "page in the block cache",
                        "us",
                        cpu,
                        null,
                        "");
            }
        }
    }

    private static double[] burst(ServerProcess server, Setting setting, Load load, int seed)
            throws IOException {
        long lsn = Storage.lastRecordLsn(server);
        try (PageClient client =
                PageClient.toPageService(server.pageService(), Storage.name(Storage.BASE), seed)) {
            long cpu = server.cpuNanos();
            PageClient.Burst burst =
                    client.burst(
                            setting.stills(),
                            setting.blocks(),
                            lsn,
                            load.depth(),
                            setting.seconds());
            return new double[] {
                burst.pages() / burst.seconds(), (server.cpuNanos() - cpu) / 1e3 / burst.pages()
            };
        }
    }
}
