package io.palimpsest.sim;

import io.palimpsest.sim.workload.Scenarios;
import io.palimpsest.sim.world.Scenario;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the arguments of {@code run} ask for.
 *
 * @param jobs so many processes
 * @param patienceMillis a task that calls no port for so long is a failure
 * @param firstFailure the first seed that fails is the last
 * @param plan what fails, with the faults that may strike; null: all may
 * @param plans where what fails is put as a file, with few faults; null: nowhere
 * @param part this process is one of those: it tells another process how far it is
 */
record Options(
        long seed,
        long seeds,
        int jobs,
        List<Scenario> scenarios,
        long patienceMillis,
        boolean firstFailure,
        @Nullable FailingPlan plan,
        @Nullable Path plans,
        boolean part) {
    static final String USAGE =
            "run [--seed N] [--seeds N] [--jobs J] [--scenario NAME,...] [--patience SECONDS]"
                    + " [--first-failure true] [--plan FILE] [--plans DIRECTORY]";

    /** Throws an IllegalArgumentException that says what is wrong. */
    static Options parse(String[] args) {
        long seed = 1;
        long seeds = 1;
        int jobs = 1;
        List<Scenario> scenarios = Scenarios.all();
        long patience = 20;
        boolean firstFailure = false;
        FailingPlan plan = null;
        Path plans = null;
        boolean part = false;
        if (args.length == 0 || !args[0].equals("run")) {
            throw new IllegalArgumentException("expected the command 'run'");
        }
        for (Map.Entry<String, String> option : Arguments.of(args).entrySet()) {
            String value = option.getValue();
            switch (option.getKey()) {
                case "--seed" -> seed = Long.parseLong(value);
                case "--seeds" -> seeds = Long.parseLong(value);
                case "--jobs" -> jobs = Integer.parseInt(value);
                case "--scenario" -> scenarios = Scenarios.named(value);
                case "--patience" -> patience = Long.parseLong(value);
                case "--first-failure" -> firstFailure = Boolean.parseBoolean(value);
                case "--plan" -> plan = FailingPlan.read(Path.of(value));
                case "--plans" -> plans = Path.of(value);
                case "--part" -> part = Boolean.parseBoolean(value);
                default -> throw new IllegalArgumentException("unknown option " + option.getKey());
            }
        }
        if (plan != null) {
            seed = plan.seed();
            seeds = 1;
            scenarios = Scenarios.named(plan.scenario());
        }
        if (seeds < 1 || jobs < 1 || patience < 1) {
            throw new IllegalArgumentException("--seeds, --jobs and --patience are at least 1");
        }
        return new Options(
                seed,
                seeds,
                (int) Math.min(jobs, seeds),
                scenarios,
                patience * 1000,
                firstFailure,
                plan,
                plans,
                part);
    }

    /** The arguments that make another process run some of the seeds. */
    List<String> ofPart(long firstSeed, long count) {
        List<String> arguments = new ArrayList<>();
        arguments.addAll(
                List.of(
                        "run",
                        "--seed",
                        Long.toString(firstSeed),
                        "--seeds",
                        Long.toString(count),
                        "--scenario",
                        String.join(",", scenarios.stream().map(Scenario::name).toList()),
                        "--patience",
                        Long.toString(patienceMillis / 1000),
                        "--first-failure",
                        Boolean.toString(firstFailure),
                        "--part",
                        "true"));
        if (plans != null) {
            arguments.addAll(List.of("--plans", plans.toString()));
        }
        return arguments;
    }
}
