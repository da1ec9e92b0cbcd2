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
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Runs scenarios by seed.
 *
 * <pre>
 *   run [--seed N] [--seeds N] [--jobs J] [--scenario NAME,...] [--patience SECONDS]
 *       [--first-failure true] [--plan FILE] [--plans DIRECTORY]
 * </pre>
 *
 * Runs seeds {@code seed .. seed+seeds-1} (defaults 1 and 1) of all scenarios, or of those named,
 * in {@code jobs} processes (default 1), and tells on stderr how far it is. One seed in twenty is
 * run twice, to see that it does the same. At the end come the lines of a {@link Tally}. Each
 * failure is told with its seed, what was violated, and the command that replays it; then the exit
 * status is 1, as it is if 500 seeds or more have not reached all that their scenario must ({@link
 * Scenario#mustReach}). A task that calls no port for {@code patience} seconds (default 20) keeps
 * the only processor that there is for tasks: that ends the run. With {@code first-failure} each
 * process ends with the first seed that fails. With {@code plans} the first failures are made to
 * fail with few faults ({@link Shrink}) and put there, and with {@code plan} such a file is
 * replayed.
 */
final class RunCommand {
    private static final int RERUN_ONE_IN = 20;
    private static final int FAILURES_TOLD = 5;
    private static final long SHRINK_MILLIS = 120_000;

    /** So many seeds must reach all that their scenarios are there for. */
    private static final int MANY = 500;

    private final Options options;
    private final PrintStream out;
    private final Tally tally;
    private final Progress progress;
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
        progress = new Progress(options.seeds(), options.part(), options.part() ? out : err);
    }

    /** The exit status. */
    int run() throws IOException, InterruptedException {
        boolean ended = options.jobs() == 1 ? runHere() : runInProcesses();
        tally.lines().forEach(out::println);
        boolean reached = true;
        for (Scenario s : options.scenarios()) {
            List<String> missing = options.part() ? List.of() : tally.missing(s, MANY);
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
    private boolean runHere() {
        long end = options.seed() + options.seeds();
        for (long seed = options.seed(); seed < end; seed++) {
            boolean failed = false;
            for (Scenario scenario : options.scenarios()) {
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
            if (failed && options.firstFailure()) {
                break;
            }
        }
        return true;
    }

    /** What is wrong, or null. */
    private @Nullable String simulate(Scenario scenario, long seed) {
        long began = System.nanoTime();
        Duration cpu = cpuTime();
        FailingPlan plan = options.plan();
        Outcome o =
                Simulation.run(
                        scenario,
                        seed,
                        options.patienceMillis(),
                        plan == null ? Inspection.NONE : plan.inspection(false));
        String report = null;
        if (o.failure() != null) {
            blocked = o.failure().blocked();
            report = withPlan(scenario, o);
        } else if (plan != null) {
            out.println("sim: the plan does not fail any more");
        } else if (Math.floorMod(seed, RERUN_ONE_IN) == 0) {
            Outcome again = Simulation.run(scenario, seed, options.patienceMillis());
            if (again.hash() != o.hash()) {
                report = unequal(o, again);
            }
        }
        double cpuSeconds = cpuTime().minus(cpu).toNanos() / 1e9;
        tally.add(o, report != null, cpuSeconds, seconds(began));
        return report;
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

    private static Duration cpuTime() {
        return ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO);
    }

    /** The first ones at length. */
    private void tell(String report) {
        List<String> lines = report.lines().toList();
        out.println(++told <= FAILURES_TOLD ? report : lines.getFirst() + "\n" + lines.getLast());
        out.flush();
    }

    private static String unequal(Outcome a, Outcome b) {
        return String.format(
                Locale.ROOT,
                "seed %d, scenario %s: two runs of the seed differ: %d steps with trace %016x,"
                        + " then %d steps with trace %016x%n%s",
                a.seed(),
                a.scenario(),
                a.steps(),
                a.hash(),
                b.steps(),
                b.hash(),
                a.replay());
    }

    /** One JVM for each processor is faster than many simulations in one. */
    private boolean runInProcesses() throws IOException, InterruptedException {
        List<Part> parts = new ArrayList<>();
        try {
            for (int i = 0; i < options.jobs(); i++) {
                long from = options.seeds() * i / options.jobs();
                long to = options.seeds() * (i + 1) / options.jobs();
                parts.add(new Part(options.seed() + from, to - from));
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

        Part(long seed, long seeds) throws IOException {
            List<String> command = new ArrayList<>();
            command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
            command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
            command.addAll(
                    List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
            command.addAll(options.ofPart(seed, seeds));
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
