package io.palimpsest.sim;

import io.palimpsest.sim.workload.Scenarios;
import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Runs the scenarios by seed.
 *
 * <pre>
 *   run [--seed N] [--seeds N] [--jobs J] [--scenario NAME]
 *   crash-points ...                                          see {@link CrashPointsCommand}
 * </pre>
 *
 * Runs seeds {@code seed .. seed+seeds-1} (defaults 1 and 1) in {@code jobs} processes (default 1).
 * One seed in twenty is run twice, to see that it does the same. The last line but one, {@code
 * probes: what=N ...}, says how often which interesting thing happened. The last line is {@code
 * sim: seeds=N failed=0 sim_hours=H wall_seconds=W steps=S trace=HASH}; the trace hash depends on
 * the seeds alone. Each failure is told with its seed, what was violated, and the command that
 * replays it; then the exit status is 1, as it is if 500 seeds or more have not reached all that
 * their scenarios must ({@link Scenario#mustReach}). Wrong arguments are exit status 2.
 */
public final class Main {
    private static final int RERUN_ONE_IN = 20;
    private static final int FAILURES_TOLD = 5;

    /** So many seeds must reach all that their scenarios are there for. */
    private static final int MANY = 500;

    private static final String PROBES = "probes: ";

    /** What the arguments ask for. */
    private record Request(long seed, long seeds, int jobs, String scenario) {
        static Request parse(String[] args) {
            long seed = 1;
            long seeds = 1;
            int jobs = 1;
            String scenario = "";
            if (args.length == 0 || !args[0].equals("run")) {
                throw new IllegalArgumentException("expected the command 'run'");
            }
            for (int i = 1; i < args.length; i += 2) {
                if (i + 1 == args.length) {
                    throw new IllegalArgumentException("expected a value after " + args[i]);
                }
                String value = args[i + 1];
                switch (args[i]) {
                    case "--seed" -> seed = Long.parseLong(value);
                    case "--seeds" -> seeds = Long.parseLong(value);
                    case "--jobs" -> jobs = Integer.parseInt(value);
                    case "--scenario" -> scenario = value;
                    default -> throw new IllegalArgumentException("unknown option " + args[i]);
                }
            }
            if (seeds < 1 || jobs < 1) {
                throw new IllegalArgumentException("--seeds and --jobs are at least 1");
            }
            return new Request(seed, seeds, (int) Math.min(jobs, seeds), scenario);
        }

        List<Scenario> scenarios() {
            List<Scenario> found =
                    scenario.isEmpty()
                            ? Scenarios.all()
                            : Stream.of(Scenarios.all(), Scenarios.byName())
                                    .flatMap(List::stream)
                                    .filter(s -> s.name().equals(scenario))
                                    .toList();
            if (found.isEmpty()) {
                throw new IllegalArgumentException("no scenario is called " + scenario);
            }
            return found;
        }
    }

    /** What came out; sums over seeds, so that parts can be added in any order. */
    private static final class Total {
        private int ended;
        private long seeds;
        private long failed;
        private double hours;
        private long steps;
        private long trace;
        private final TreeMap<String, Long> probes = new TreeMap<>();

        void add(Outcome o) {
            o.probes().forEach((what, n) -> probes.merge(what, n, Long::sum));
            hours += o.nanos() / 3.6e12;
            steps += o.steps();
            long h = (o.seed() + 1) * 0x9E3779B97F4A7C15L ^ o.hash() ^ o.scenario().hashCode();
            h = (h ^ h >>> 30) * 0xBF58476D1CE4E5B9L;
            trace += h ^ h >>> 31;
        }

        /** Adds one of the last lines of another process. */
        boolean add(String line) {
            if (line.startsWith(PROBES)) {
                for (String field : line.substring(PROBES.length()).split(" ", -1)) {
                    int equals = field.indexOf('=');
                    probes.merge(
                            field.substring(0, equals),
                            Long.parseLong(field.substring(equals + 1)),
                            Long::sum);
                }
                return true;
            }
            if (!line.startsWith("sim: ")) {
                return false;
            }
            ended++;
            for (String field : line.substring(5).split(" ", -1)) {
                String value = field.substring(field.indexOf('=') + 1);
                switch (field.substring(0, field.indexOf('='))) {
                    case "seeds" -> seeds += Long.parseLong(value);
                    case "failed" -> failed += Long.parseLong(value);
                    case "sim_hours" -> hours += Double.parseDouble(value);
                    case "steps" -> steps += Long.parseLong(value);
                    case "trace" -> trace += Long.parseUnsignedLong(value, 16);
                    default -> {}
                }
            }
            return true;
        }

        List<String> missing(List<Scenario> scenarios) {
            return scenarios.stream()
                    .flatMap(s -> s.mustReach().stream())
                    .distinct()
                    .filter(what -> !probes.containsKey(what))
                    .toList();
        }

        String probes() {
            StringBuilder out = new StringBuilder("probes:");
            probes.forEach((what, n) -> out.append(' ').append(what).append('=').append(n));
            return out.toString();
        }

        String line(long startNanos) {
            return String.format(
                    Locale.ROOT,
                    "sim: seeds=%d failed=%d sim_hours=%.4f wall_seconds=%.1f steps=%d trace=%016x",
                    seeds,
                    failed,
                    hours,
                    (System.nanoTime() - startNanos) / 1e9,
                    steps,
                    trace);
        }
    }

    private Main() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        System.exit(run(args, System.out));
    }

    /** The exit status. */
    static int run(String[] args, PrintStream out) throws IOException, InterruptedException {
        if (args.length > 0 && args[0].equals("crash-points")) {
            return CrashPointsCommand.run(args, out);
        }
        Request request;
        List<Scenario> scenarios;
        try {
            request = Request.parse(args);
            scenarios = request.scenarios();
        } catch (IllegalArgumentException e) {
            out.println(
                    "sim: "
                            + e.getMessage()
                            + "; usage: run [--seed N] [--seeds N] [--jobs J] [--scenario NAME]");
            return 2;
        }
        long start = System.nanoTime();
        Total total = new Total();
        if (request.jobs() == 1) {
            runHere(request, scenarios, total, out);
        } else {
            runInProcesses(request, total, out);
        }
        List<String> missing = request.seeds() < MANY ? List.of() : total.missing(scenarios);
        out.println(total.probes());
        if (!missing.isEmpty()) {
            out.println("sim: no seed has reached: " + String.join(" ", missing));
        }
        out.println(total.line(start));
        return total.failed == 0 && missing.isEmpty() ? 0 : 1;
    }

    private static void runHere(
            Request request, List<Scenario> scenarios, Total total, PrintStream out) {
        for (long seed = request.seed(); seed < request.seed() + request.seeds(); seed++) {
            boolean failed = false;
            for (Scenario scenario : scenarios) {
                Outcome o = Simulation.run(scenario, seed);
                total.add(o);
                String report = null;
                if (o.failure() != null) {
                    report = o.report();
                } else if (Math.floorMod(seed, RERUN_ONE_IN) == 0) {
                    Outcome again = Simulation.run(scenario, seed);
                    if (again.hash() != o.hash()) {
                        report = unequal(o, again);
                    }
                }
                if (report != null) {
                    failed = true;
                    if (total.failed < FAILURES_TOLD) {
                        out.println(report);
                    }
                }
            }
            total.seeds++;
            if (failed) {
                total.failed++;
            }
        }
    }

    private static String unequal(Outcome a, Outcome b) {
        return String.format(
                Locale.ROOT,
                "seed %d, scenario %s: two runs of the seed differ: %d steps with trace %016x,"
                        + " then %d steps with trace %016x%n  replay: make sim SEED=%d",
                a.seed(),
                a.scenario(),
                a.steps(),
                a.hash(),
                b.steps(),
                b.hash(),
                a.seed());
    }

    /** One JVM for each processor is faster than many simulations in one. */
    private static void runInProcesses(Request request, Total total, PrintStream out)
            throws IOException, InterruptedException {
        List<Process> processes = new ArrayList<>();
        try {
            for (int i = 0; i < request.jobs(); i++) {
                long from = request.seeds() * i / request.jobs();
                long to = request.seeds() * (i + 1) / request.jobs();
                processes.add(
                        new ProcessBuilder(command(request, request.seed() + from, to - from))
                                .redirectErrorStream(true)
                                .start());
            }
            for (Process p : processes) {
                int before = total.ended;
                try (BufferedReader lines = p.inputReader(StandardCharsets.UTF_8)) {
                    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                        if (!total.add(line)) {
                            out.println(line);
                        }
                    }
                }
                int status = p.waitFor();
                if (total.ended == before) {
                    out.println("a process of the simulator ended with status " + status);
                    total.failed++;
                }
            }
        } finally {
            processes.forEach(Process::destroy);
        }
    }

    private static List<String> command(Request request, long seed, long seeds) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.addAll(
                List.of(
                        "-cp",
                        System.getProperty("java.class.path"),
                        Main.class.getName(),
                        "run",
                        "--seed",
                        Long.toString(seed),
                        "--seeds",
                        Long.toString(seeds)));
        if (!request.scenario().isEmpty()) {
            command.addAll(List.of("--scenario", request.scenario()));
        }
        return command;
    }
}
