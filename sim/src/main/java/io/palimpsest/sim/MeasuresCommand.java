package io.palimpsest.sim;

import io.palimpsest.sim.workload.BareScenario;
import io.palimpsest.sim.workload.IdleScenario;
import io.palimpsest.sim.workload.Scenarios;
import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * How fast the simulator is, as ratios of one run: its steps beside those of the bare scheduler,
 * virtual beside real time, and how many seeds go into ten minutes.
 *
 * <pre>
 *   measures [--rounds N] [--seeds N]
 * </pre>
 *
 * Each round measures everything once, with seeds of its own; best and median of the rounds are
 * printed. Time is that of the processor, which others on the machine disturb least; what went by
 * on the wall is told beside it. The exit status is 1 if a median misses its goal.
 */
final class MeasuresCommand {
    private static final double TEN_MINUTES_ON_TWO = 1200;
    private static final String LOAD = "storage";

    private final int seeds;
    private final List<Measure> measures =
            List.of(
                    new Measure("storage / bare scheduler, steps per second", 1 / 50.0),
                    new Measure("virtual / real time under load (storage)", 30),
                    new Measure("virtual / real time, a day in which nothing happens", 1000),
                    new Measure("mixed seeds in ten minutes on two processors", 2000));

    /** The values of one measure, one of each round, by time of the processor and of the wall. */
    private record Measure(String name, double goal, List<Double> cpu, List<Double> wall) {
        Measure(String name, double goal) {
            this(name, goal, new ArrayList<>(), new ArrayList<>());
        }

        void add(double byCpu, double byWall) {
            cpu.add(byCpu);
            wall.add(byWall);
        }

        private static double median(List<Double> values) {
            double[] sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
            return sorted[sorted.length / 2];
        }

        boolean met() {
            return median(cpu) >= goal;
        }

        String line() {
            return String.format(
                    Locale.ROOT,
                    "%-52s %10.3f %10.3f %10.3f   >= %-8s %s",
                    name,
                    cpu.stream().mapToDouble(Double::doubleValue).max().orElse(0),
                    median(cpu),
                    median(wall),
                    goal < 1 ? String.format(Locale.ROOT, "%.3f", goal) : (long) goal,
                    met() ? "met" : "MISSED");
        }
    }

    /** What some runs took and did. */
    private record Cost(long runs, long steps, double virtualSeconds, double cpu, double wall) {}

    private MeasuresCommand(int seeds) {
        this.seeds = seeds;
    }

    /** The exit status. */
    static int run(String[] args, PrintStream out) {
        int rounds = 3;
        int seeds = 28;
        try {
            for (Map.Entry<String, String> option : Arguments.of(args).entrySet()) {
                int value = Integer.parseInt(option.getValue());
                switch (option.getKey()) {
                    case "--rounds" -> rounds = value;
                    case "--seeds" -> seeds = value;
                    default ->
                            throw new IllegalArgumentException("unknown option " + option.getKey());
                }
            }
            if (rounds < 1 || seeds < 1) {
                throw new IllegalArgumentException("--rounds and --seeds are at least 1");
            }
        } catch (IllegalArgumentException e) {
            out.println(
                    "measures: " + e.getMessage() + "; usage: measures [--rounds N] [--seeds N]");
            return 2;
        }
        MeasuresCommand command = new MeasuresCommand(seeds);
        // The first one is for the compiler.
        command.round(0);
        command.measures.forEach(m -> {
            m.cpu().clear();
            m.wall().clear();
        });
        for (int i = 1; i <= rounds; i++) {
            command.round(i);
        }
        return command.told(out, rounds) ? 0 : 1;
    }

    private void round(int number) {
        long first = 1 + (long) number * seeds;
        Cost bare = cost(List.of(new BareScenario()), first, 1);
        Cost load = cost(Scenarios.named(LOAD), first, Math.max(1, seeds / 2));
        Cost idle = cost(List.of(new IdleScenario()), first, 1);
        Cost mixed = cost(Scenarios.all(), first, seeds);
        measures.get(0)
                .add(
                        load.steps / load.cpu / (bare.steps / bare.cpu),
                        load.steps / load.wall / (bare.steps / bare.wall));
        measures.get(1).add(load.virtualSeconds / load.cpu, load.virtualSeconds / load.wall);
        measures.get(2).add(idle.virtualSeconds / idle.cpu, idle.virtualSeconds / idle.wall);
        measures.get(3)
                .add(
                        mixed.runs / mixed.cpu * TEN_MINUTES_ON_TWO,
                        mixed.runs / mixed.wall * TEN_MINUTES_ON_TWO);
    }

    /** Each seed runs one of the scenarios, in turn. */
    private static Cost cost(List<Scenario> scenarios, long first, int count) {
        long began = System.nanoTime();
        Duration cpu = RunCommand.cpuTime();
        long steps = 0;
        long nanos = 0;
        for (long seed = first; seed < first + count; seed++) {
            Outcome o =
                    Simulation.run(
                            scenarios.get((int) Math.floorMod(seed, (long) scenarios.size())),
                            seed);
            o.check();
            steps += o.steps();
            nanos += o.nanos();
        }
        // The processor's clock goes by hundredths of seconds.
        double used = Math.max(0.01, RunCommand.cpuTime().minus(cpu).toNanos() / 1e9);
        return new Cost(count, steps, nanos / 1e9, used, (System.nanoTime() - began) / 1e9);
    }

    private boolean told(PrintStream out, int rounds) {
        out.printf(
                Locale.ROOT,
                "%-52s %10s %10s %10s   %s%n",
                "measure, " + rounds + " rounds",
                "best",
                "median",
                "by wall",
                "goal");
        measures.forEach(m -> out.println(m.line()));
        boolean all = measures.stream().allMatch(Measure::met);
        out.println("measures: goals=" + measures.size() + " met=" + met());
        return all;
    }

    private long met() {
        return measures.stream().filter(Measure::met).count();
    }
}
