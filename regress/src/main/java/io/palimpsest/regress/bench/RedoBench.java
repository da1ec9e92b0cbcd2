package io.palimpsest.regress.bench;

import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.layer.Reconstruction;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.RedoEngine;
import io.palimpsest.port.Tracer;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.server.redo.PostgresLauncher;
import io.palimpsest.server.redo.WalRedoPool;
import io.palimpsest.timeline.HistoryRedo;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What redo of a page costs by each engine, and what a request by pipe costs at the least: pages a
 * second, and processor time a page (this program's threads and the child's, user and system). The
 * chains are real ones, of recorded WAL. Figures are the best of a few rounds. {@code make
 * bench-redo} runs it.
 *
 * <p>Arguments: the PostgreSQL directory, the library directory, the echo child's program, seconds
 * a measurement and round.
 */
public final class RedoBench {
    private static final int MAJOR = 15;
    private static final int CHAINS = 400;
    private static final int[] RECORDS = {1, 4, 10, 100};
    private static final int ANSWER_BYTES = 8 + Page.SIZE;

    /** The kernel's unit of processor time in /proc, USER_HZ. */
    private static final long TICK_NANOS = 10_000_000;

    /** Makes one page; one thread's. */
    private interface Job {
        void page(Reconstruction chain, byte[] into);
    }

    /**
     * Rounds of all measurements in turn, so that each gets its share of a busy machine's quiet.
     */
    private static final int ROUNDS = 5;

    private record Figure(double pagesPerSecond, double microsPerPage) {
        static final Figure NONE = new Figure(0, Double.MAX_VALUE);

        Figure best(Figure o) {
            return new Figure(
                    Math.max(pagesPerSecond, o.pagesPerSecond),
                    Math.min(microsPerPage, o.microsPerPage));
        }
    }

    private final Path postgres;
    private final Path libraries;
    private final String echo;
    private final long nanos;

    private RedoBench(String[] args) {
        postgres = Path.of(args[0]);
        libraries = Path.of(args[1]);
        echo = args[2];
        nanos = (long) (Double.parseDouble(args[3]) * 1e9);
    }

    public static void main(String[] args) throws InterruptedException {
        new RedoBench(args).run();
    }

    private void run() throws InterruptedException {
        RecordedWal wal = RecordedWal.load("pg15");
        RedoContext context = new RedoContext(PgVersion.ofMajor(MAJOR), wal.hintBitsLogged());
        PostgresLauncher launcher = new PostgresLauncher(postgres, libraries, "");
        boolean built = launcher.command(MAJOR, true) != null;
        if (!built) {
            System.out.println("no redo process for PostgreSQL 15 here: the JVM engine only");
        }
        System.out.printf(
                "%-8s %-8s %7s %12s %12s%n",
                "engine", "records", "threads", "pages/s", "CPU us/page");
        for (int records : RECORDS) {
            RedoChains chains = RedoChains.of(wal, records, CHAINS);
            Figure jvm = Figure.NONE;
            Figure jvm2 = Figure.NONE;
            Figure process = Figure.NONE;
            Figure process2 = Figure.NONE;
            Figure pipe = Figure.NONE;
            for (int round = 0; round < ROUNDS; round++) {
                jvm = jvm.best(jvm(chains, context, 1));
                jvm2 = jvm2.best(jvm(chains, context, 2));
                if (built) {
                    process = process.best(process(chains, context, launcher, 1));
                    process2 = process2.best(process(chains, context, launcher, 2));
                    pipe = pipe.best(pipe(chains));
                }
            }
            print("jvm", records, 1, jvm);
            print("jvm", records, 2, jvm2);
            if (!built) {
                continue;
            }
            print("process", records, 1, process);
            print("process", records, 2, process2);
            print("pipe", records, 1, pipe);
            System.out.printf(
                    "  %d records, request of %d bytes: jvm/process pages/s %.2f, CPU %.3f; process/pipe %.2f; two threads: jvm x %.2f, process x %.2f%n",
                    records,
                    chains.requestBytes(),
                    jvm.pagesPerSecond / process.pagesPerSecond,
                    jvm.microsPerPage / process.microsPerPage,
                    process.pagesPerSecond / pipe.pagesPerSecond,
                    jvm2.pagesPerSecond / jvm.pagesPerSecond,
                    process2.pagesPerSecond / process.pagesPerSecond);
        }
    }

    private static void print(String engine, int records, int threads, Figure f) {
        System.out.printf(
                "%-8s %-8d %7d %,12.0f %12.2f%n",
                engine, records, threads, f.pagesPerSecond, f.microsPerPage);
    }

    private static Job redo(HistoryRedo redo) {
        return redo::redo;
    }

    private Figure jvm(RedoChains chains, RedoContext context, int threads)
            throws InterruptedException {
        return measure(
                chains,
                threads,
                () -> redo(new HistoryRedo(context, RedoEngine.NONE, RedoBench::complain)),
                List::of);
    }

    private static void complain(Tracer.Level level, String event, String detail) {
        throw new IllegalStateException(level + " " + event + ": " + detail);
    }

    private Figure process(
            RedoChains chains, RedoContext context, PostgresLauncher launcher, int threads)
            throws InterruptedException {
        try (WalRedoPool pool =
                new WalRedoPool(
                        launcher,
                        new WalRedoPool.Settings(
                                RedoEngine.Mode.ALWAYS,
                                threads,
                                10_000_000_000L,
                                60_000_000_000L))) {
            return measure(
                    chains,
                    threads,
                    () -> redo(new HistoryRedo(context, pool, RedoBench::complain)),
                    pool::pids);
        }
    }

    private Figure pipe(RedoChains chains) throws InterruptedException {
        byte[] request = new byte[chains.requestBytes()];
        byte[] answer = new byte[ANSWER_BYTES];
        Process child = null;
        try {
            child =
                    new ProcessBuilder(
                                    echo,
                                    Integer.toString(request.length),
                                    Integer.toString(ANSWER_BYTES))
                            .start();
            OutputStream out = child.getOutputStream();
            InputStream in = child.getInputStream();
            long pid = child.pid();
            return measure(
                    chains,
                    1,
                    () ->
                            (chain, into) -> {
                                try {
                                    out.write(request);
                                    out.flush();
                                    if (in.readNBytes(answer, 0, answer.length) < answer.length) {
                                        throw new IOException("the echo child ended");
                                    }
                                } catch (IOException e) {
                                    throw new UncheckedIOException(e);
                                }
                            },
                    () -> List.of(pid));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            if (child != null) {
                child.destroy();
            }
        }
    }

    /** Half a measurement to warm up, then one that counts. */
    private Figure measure(
            RedoChains chains, int threads, Supplier<Job> jobs, Supplier<List<Long>> children)
            throws InterruptedException {
        List<Worker> workers = new ArrayList<>();
        for (int t = 0; t < threads; t++) {
            workers.add(new Worker(chains.chains(), jobs.get(), t));
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
        private final Job job;
        private final int first;
        private final byte[] page = new byte[Page.SIZE];
        volatile boolean stop;
        volatile long pages;
        volatile @Nullable Throwable failure;

        Worker(List<Reconstruction> chains, Job job, int first) {
            this.chains = chains;
            this.job = job;
            this.first = first;
        }

        @Override
        public void run() {
            try {
                long done = 0;
                for (int i = first; !stop; i++) {
                    job.page(chains.get(i % chains.size()), page);
                    pages = ++done;
                }
            } catch (RuntimeException | Error e) {
                failure = e;
            }
        }
    }
}
