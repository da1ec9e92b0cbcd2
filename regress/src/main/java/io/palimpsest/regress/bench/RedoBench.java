package io.palimpsest.regress.bench;

import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.layer.Reconstruction;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.server.redo.PostgresLauncher;
import io.palimpsest.server.redo.WalRedoPool;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What redo of a page costs by each engine beside what a request by pipe costs at the least, and
 * what two threads give: pages a second, and processor time a page (this program's threads and the
 * child's, user and system). The chains are real ones, of recorded WAL. {@code make bench-redo}
 * runs it.
 *
 * <p>All measurements are taken in turn in each round, and ratios within a round. How much two
 * threads give depends on who else uses the processors, and on whether two processors are two cores
 * or the two halves of one: so pairs of threads are measured beside them that only spin in one
 * chain of operations, that spin in six at once (which the halves of one core must share), and that
 * only copy. Each thread has chains of its own, as a server's readers collect their own.
 *
 * <p>Arguments: the library directory, the echo child's program, seconds a measurement, rounds.
 */
public final class RedoBench {
    private static final int MAJOR = 15;
    private static final int CHAINS = 400;
    private static final int[] RECORDS = {1, 4, 10, 100};

    /** The kernel's unit of processor time in /proc, USER_HZ. */
    private static final long TICK_NANOS = 10_000_000;

    private record Figure(double pagesPerSecond, double microsPerPage) {}

    private final PostgresLauncher launcher;
    private final Path echo;
    private final long nanos;
    private final int rounds;
    private final RecordedWal wal = RecordedWal.load("pg15");
    private final RedoContext context =
            new RedoContext(PgVersion.ofMajor(MAJOR), wal.hintBitsLogged());

    private RedoBench(String[] args) {
        launcher = PageMaker.launcher(Path.of(args[0]));
        echo = Path.of(args[1]);
        nanos = (long) (Double.parseDouble(args[2]) * 1e9);
        rounds = Integer.parseInt(args[3]);
    }

    public static void main(String[] args) throws InterruptedException {
        new RedoBench(args).run();
    }

    private void run() throws InterruptedException {
        boolean built = launcher.command(MAJOR, true) != null;
        if (!built) {
            System.out.println("no redo process for PostgreSQL 15 here: the JVM engine only");
        }
        System.out.printf(
                "%-8s %-8s %7s %12s %12s %12s %12s%n",
                "engine", "records", "threads", "pages/s", "median", "CPU us/page", "median");
        try (WalRedoPool one = PageMaker.pool(launcher, 1);
                WalRedoPool two = PageMaker.pool(launcher, 2)) {
            for (int records : RECORDS) {
                List<RedoChains> chains =
                        List.of(
                                RedoChains.of(wal, records, CHAINS),
                                RedoChains.of(wal, records, CHAINS));
                Map<String, List<Figure>> all = new LinkedHashMap<>();
                for (int round = 0; round < rounds; round++) {
                    for (int threads = 1; threads <= 2; threads++) {
                        take(all, "spin", threads, ours(chains, threads, PageMaker::spin));
                        take(all, "wide", threads, ours(chains, threads, PageMaker::wide));
                        take(all, "copy", threads, ours(chains, threads, PageMaker::copy));
                        take(
                                all,
                                "jvm",
                                threads,
                                ours(chains, threads, () -> PageMaker.jvm(context)));
                        if (built) {
                            WalRedoPool pool = threads == 1 ? one : two;
                            take(all, "process", threads, process(chains, threads, pool));
                        }
                    }
                    if (built) {
                        take(all, "pipe", 1, pipe(chains));
                    }
                }
                all.forEach((what, figures) -> print(what, records, figures));
                ratios(chains.getFirst(), built, all);
            }
        }
    }

    private Figure ours(List<RedoChains> chains, int threads, Supplier<PageMaker> makers)
            throws InterruptedException {
        return measure(chains, threads, makers, List::of);
    }

    private Figure process(List<RedoChains> chains, int threads, WalRedoPool pool)
            throws InterruptedException {
        return measure(chains, threads, () -> PageMaker.process(context, pool), pool::pids);
    }

    private Figure pipe(List<RedoChains> chains) throws InterruptedException {
        try (BarePipe pipe = new BarePipe(echo, chains.getFirst().requestBytes())) {
            return measure(chains, 1, () -> pipe, () -> List.of(pipe.pid()));
        }
    }

    private static void take(
            Map<String, List<Figure>> all, String engine, int threads, Figure figure) {
        all.computeIfAbsent(key(engine, threads), k -> new ArrayList<>()).add(figure);
    }

    private static String key(String engine, int threads) {
        return engine + " x" + threads;
    }

    private static void print(String what, int records, List<Figure> figures) {
        String[] part = what.split(" x");
        System.out.printf(
                Locale.ROOT,
                "%-8s %-8d %7s %,12.0f %,12.0f %12.2f %12.2f%n",
                part[0],
                records,
                part[1],
                figures.stream().mapToDouble(Figure::pagesPerSecond).max().orElse(0),
                median(figures.stream().map(Figure::pagesPerSecond).toList()),
                figures.stream().mapToDouble(Figure::microsPerPage).min().orElse(0),
                median(figures.stream().map(Figure::microsPerPage).toList()));
    }

    private static void ratios(RedoChains chains, boolean built, Map<String, List<Figure>> all) {
        System.out.printf(
                "  %d records, request of %d bytes; medians of the rounds' ratios:%n",
                chains.records(), chains.requestBytes());
        if (built) {
            System.out.printf(
                    Locale.ROOT,
                    "    jvm/process pages/s %.2f, CPU %.3f; process/pipe pages/s %.2f%n",
                    ratio(all, "jvm x1", "process x1", false),
                    ratio(all, "jvm x1", "process x1", true),
                    ratio(all, "process x1", "pipe x1", false));
        }
        double spin = ratio(all, "spin x2", "spin x1", false);
        double wide = ratio(all, "wide x2", "wide x1", false);
        double copy = ratio(all, "copy x2", "copy x1", false);
        System.out.printf(
                Locale.ROOT,
                "    two threads over one: spin %.2f, wide spin %.2f, copy %.2f%n",
                spin,
                wide,
                copy);
        for (String engine : built ? List.of("jvm", "process") : List.of("jvm")) {
            double two = ratio(all, key(engine, 2), key(engine, 1), false);
            System.out.printf(
                    Locale.ROOT,
                    "    two threads over one: %s %.2f; of what spin gives, doubled: %.2f;"
                            + " CPU a page %.2f times one thread's%n",
                    engine,
                    two,
                    2 * two / spin,
                    ratio(all, key(engine, 2), key(engine, 1), true));
        }
    }

    /** The median of a over b, round by round. */
    private static double ratio(Map<String, List<Figure>> all, String a, String b, boolean cpu) {
        List<Figure> as = all.getOrDefault(a, List.of());
        List<Figure> bs = all.getOrDefault(b, List.of());
        List<Double> ratios = new ArrayList<>();
        for (int i = 0; i < as.size(); i++) {
            ratios.add(
                    cpu
                            ? as.get(i).microsPerPage / bs.get(i).microsPerPage
                            : as.get(i).pagesPerSecond / bs.get(i).pagesPerSecond);
        }
        return median(ratios);
    }

    private static double median(List<Double> values) {
        List<Double> sorted = values.stream().sorted().toList();
        int n = sorted.size();
        return (sorted.get((n - 1) / 2) + sorted.get(n / 2)) / 2;
    }

    /**
     * Half a measurement to warm up, then one that counts. Each thread makes its own maker, as a
     * server's readers do: see {@link io.palimpsest.redo.PageRedo}.
     */
    private Figure measure(
            List<RedoChains> chains,
            int threads,
            Supplier<PageMaker> makers,
            Supplier<List<Long>> children)
            throws InterruptedException {
        List<Worker> workers = new ArrayList<>();
        for (int t = 0; t < threads; t++) {
            workers.add(new Worker(chains.get(t).chains(), makers, t));
        }
        workers.forEach(Worker::start);
        Thread.sleep(nanos / 2_000_000);
        long pages = workers.stream().mapToLong(w -> w.pages).sum();
        long cpu = cpu(workers, children.get());
        long start = System.nanoTime();
        Thread.sleep(nanos / 1_000_000);
        long pagesThen = workers.stream().mapToLong(w -> w.pages).sum();
        long cpuThen = cpu(workers, children.get());
        long took = System.nanoTime() - start;
        for (Worker w : workers) {
            w.stop = true;
        }
        for (Worker w : workers) {
            w.join();
            if (w.failure != null) {
                throw new IllegalStateException(w.failure);
            }
        }
        long done = pagesThen - pages;
        return new Figure(done * 1e9 / took, (cpuThen - cpu) / 1e3 / done);
    }

    private static long cpu(List<Worker> workers, List<Long> children) {
        long nanos = 0;
        for (Worker w : workers) {
            nanos +=
                    Math.max(0, ManagementFactory.getThreadMXBean().getThreadCpuTime(w.threadId()));
        }
        for (long pid : children) {
            nanos += childNanos(pid);
        }
        return nanos;
    }

    /** utime and stime of /proc/pid/stat, the 12th and 13th field behind the name. */
    private static long childNanos(long pid) {
        try {
            String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) * TICK_NANOS;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static final class Worker extends Thread {
        private final List<Reconstruction> chains;
        private final Supplier<PageMaker> makers;
        private final int first;
        volatile boolean stop;
        volatile long pages;
        volatile @Nullable Throwable failure;

        Worker(List<Reconstruction> chains, Supplier<PageMaker> makers, int first) {
            this.chains = chains;
            this.makers = makers;
            this.first = first;
        }

        @Override
        public void run() {
            try {
                PageMaker maker = makers.get();
                byte[] page = new byte[Page.SIZE];
                long done = 0;
                for (int i = first; !stop; i++) {
                    maker.page(chains.get(i % chains.size()), page);
                    pages = ++done;
                }
            } catch (RuntimeException | Error e) {
                failure = e;
            }
        }
    }
}
