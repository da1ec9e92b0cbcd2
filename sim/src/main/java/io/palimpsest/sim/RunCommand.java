package io.palimpsest.sim;

import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.sim.world.Simulation.Inspection;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Runs scenarios by seed.
 *
 * <pre>
 *   run [--seed N] [--seeds N] [--minutes M] [--jobs J] [--scenario mixed|all|NAME,...] [--patience SECONDS]
 *       [--first-failure true] [--plan FILE] [--plans DIRECTORY] [--golden N] [--story FILE]
 * </pre>
 *
 * Runs seeds {@code seed .. seed+seeds-1} (defaults 1 and 1) in {@code jobs} processes (default 1),
 * and tells on stderr how far it is. With {@code minutes} none begins later than that, and each
 * process has seeds of its own, without end if it is not said how many. Each seed runs one of all
 * scenarios, in turn ({@code mixed}, which many seeds do if nothing else is said), or all (so does
 * a single one), or those named. At the end come the lines of a {@link Tally}. Each failure is told
 * with its seed, what was violated, and the command that replays it; then the exit status is 1, as
 * it is if many seeds of a scenario have not reached all that they must ({@link
 * Scenario#mustReach}). A task that calls no port for {@code patience} seconds (default 20) keeps
 * the only processor that there is for tasks: that ends the run. With {@code first-failure} each
 * process ends with the first seed that fails. With {@code plans} the first failures are made to
 * fail with few faults ({@link Shrink}) and put there, and with {@code plan} such a file is
 * replayed.
 *
 * <p>One history in twenty is run twice, to see that it does the same; {@code golden} ones are run
 * by other JVMs, too (default 20 of 500 seeds or more). {@code story} tells the one history that is
 * run as a file ({@link Story}).
 */
final class RunCommand {
    private static final int RERUN_ONE_IN = 20;
    private static final int FAILURES_TOLD = 5;
    private static final long SHRINK_MILLIS = 120_000;

    private final Options options;
    private final PrintStream out;
    private final Tally tally;
    private final Progress progress;
    private final GoldenSeeds golden;
    private final long start = System.nanoTime();
    private int told;
    private boolean blocked;

    // Guarded by the tally.
    private long doneInParts;
    private long failedInParts;

    RunCommand(Options options, PrintStream out, PrintStream err) {
        this.options = options;
        this.out = out;
        tally = new Tally(options.scenarios());
        golden = new GoldenSeeds(options, Main.class.getName());
        progress =
                new Progress(
                        options.seeds(),
                        Duration.ofMinutes(options.minutes()),
                        options.part(),
                        options.part() ? out : err);
    }

    /** The exit status. */
    int run() throws IOException, InterruptedException {
        boolean ended = options.jobs() == 1 ? runHere() : runInProcesses();
        tally.lines().forEach(out::println);
        boolean reached = true;
        for (Scenario s : options.scenarios()) {
            List<String> missing = options.part() ? List.of() : tally.missing(s);
            if (!missing.isEmpty()) {
                reached = false;
                out.println(
                        "sim: no seed of " + s.name() + " reached " + String.join(" ", missing));
            }
        }
        out.println(tally.lastLine(seconds(start)));
        return ended && reached && tally.failed() == 0 ? 0 : 1;
    }

    private static double seconds(long start) {
        return (System.nanoTime() - start) / 1e9;
    }

    /** False if it did not come to its end. */
    private boolean runHere() throws IOException, InterruptedException {
        long end = options.seed() + options.seeds();
        for (long seed = options.seed(); seed < end; seed++) {
            boolean failed = false;
            for (Scenario scenario : options.of(seed)) {
                String report = simulate(scenario, seed);
                if (report != null) {
                    failed = true;
                    tell(report);
                }
                if (blocked) {
                    tally.seed(true);
                    out.println(
                            "sim: it ends here, before seed " + (seed + 1) + " of " + (end - 1));
                    return false;
                }
            }
            tally.seed(failed);
            progress.at(tally.seeds(), tally.failed());
            if (failed && options.firstFailure() || timeIsOver()) {
                break;
            }
        }
        tally.golden(golden.count());
        for (GoldenSeeds.Mismatch mismatch : golden.compare()) {
            tally.fail(mismatch.scenario());
            tell(mismatch.report());
        }
        return true;
    }

    private boolean timeIsOver() {
        return options.minutes() > 0 && seconds(start) >= 60 * options.minutes();
    }

    /** What is wrong, or null. */
    private @Nullable String simulate(Scenario scenario, long seed) throws IOException {
        long began = System.nanoTime();
        Duration cpu = cpuTime();
        FailingPlan plan = options.plan();
        Inspection inspection = plan == null ? Inspection.NONE : plan.inspection(false);
        Path story = options.story();
        Outcome o =
                story == null
                        ? Simulation.run(scenario, seed, options.patienceMillis(), inspection)
                        : Story.write(scenario, seed, options.patienceMillis(), inspection, story);
        String report = null;
        if (o.failure() != null) {
            blocked = o.failure().blocked();
            report = withPlan(scenario, o);
        } else if (plan != null) {
            out.println("sim: the plan does not fail any more");
        } else if (story == null) {
            golden.ran(o);
            if (isRunAgain(seed)) {
                Outcome again = Simulation.run(scenario, seed, options.patienceMillis());
                if (again.hash() != o.hash()) {
                    report = GoldenSeeds.unequalHere(scenario, o, again, options);
                }
            }
        }
        double cpuSeconds = cpuTime().minus(cpu).toNanos() / 1e9;
        tally.add(o, report != null, cpuSeconds, seconds(began));
        return report;
    }

    /** Of mixed scenarios each has its turn in one round of seeds in twenty. */
    private boolean isRunAgain(long seed) {
        long round =
                options.mixed() ? Math.floorDiv(seed, (long) options.scenarios().size()) : seed;
        return Math.floorMod(round, RERUN_ONE_IN) == 0;
    }

    /** What is wrong, and if that is asked for, a file with the faults that it takes. */
    private String withPlan(Scenario scenario, Outcome failed) {
        Path directory = options.plans();
        if (directory == null || blocked || told >= FAILURES_TOLD) {
            return failed.report();
        }
        int all = failed.faults().size();
        Outcome few = Shrink.run(scenario, failed, options.patienceMillis(), SHRINK_MILLIS);
        try {
            Path file =
                    FailingPlan.of(few, System.getProperty("palimpsest.commit", ""))
                            .write(directory);
            return few.report().replace(few.replay(), "")
                    + "  it takes "
                    + few.faults().size()
                    + " of the "
                    + all
                    + " faults; look: make sim-explain PLAN="
                    + file
                    + "\n  replay: make sim PLAN="
                    + file;
        } catch (IOException e) {
            return failed.report() + "\n  the plan cannot be written: " + e;
        }
    }

    /** That of this process. */
    static Duration cpuTime() {
        return ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO);
    }

    /** The first ones at length. */
    private void tell(String report) {
        List<String> lines = report.lines().toList();
        out.println(++told <= FAILURES_TOLD ? report : lines.getFirst() + "\n" + lines.getLast());
        out.flush();
    }

    /** One JVM for each processor is faster than many simulations in one. */
    private boolean runInProcesses() throws IOException, InterruptedException {
        List<Part> parts = new ArrayList<>();
        try {
            for (int i = 0; i < options.jobs(); i++) {
                long from = options.seeds() * i / options.jobs();
                long to = options.seeds() * (i + 1) / options.jobs();
                int share =
                        options.golden() * (i + 1) / options.jobs()
                                - options.golden() * i / options.jobs();
                parts.add(new Part(options.seed() + from, to - from, share));
            }
            boolean ended = true;
            for (Part part : parts) {
                ended &= part.join();
            }
            return ended;
        } finally {
            parts.forEach(p -> p.process.destroy());
        }
    }

    /** Another process that runs some of the seeds, and a thread that reads what it prints. */
    private final class Part {
        private final Process process;
        private final Thread reader;
        private long done;
        private long failed;
        private boolean tallied;

        Part(long seed, long seeds, int goldenSeeds) throws IOException {
            List<String> command = new ArrayList<>();
            command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
            command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
            command.addAll(
                    List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
            command.addAll(options.ofPart(seed, seeds, goldenSeeds));
            process = new ProcessBuilder(command).redirectErrorStream(true).start();
            reader = Thread.ofPlatform().name("reader of seed " + seed).start(this::read);
        }

        private void read() {
            try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    synchronized (tally) {
                        take(line);
                    }
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private void take(String line) {
            if (line.startsWith(Progress.PART)) {
                String[] words = line.split(" ", -1);
                doneInParts += Long.parseLong(words[1]) - done;
                done = Long.parseLong(words[1]);
                failedInParts += Long.parseLong(words[2]) - failed;
                failed = Long.parseLong(words[2]);
                progress.at(doneInParts, failedInParts);
            } else if (!tally.add(line)) {
                out.println(line);
            } else if (line.startsWith("sim:")) {
                tallied = true;
            }
        }

        /** False if it has not run all its seeds. */
        boolean join() throws InterruptedException {
            reader.join();
            int status = process.waitFor();
            if (!tallied) {
                out.println("sim: a process ended with status " + status + " before its end");
            }
            return tallied;
        }
    }
}
