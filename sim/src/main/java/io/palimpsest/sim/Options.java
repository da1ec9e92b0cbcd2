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
 * @param seeds so many, or as many as there is time for
 * @param minutes no seed is begun later than that; 0: there is time for all
 * @param jobs so many processes
 * @param mixed each seed runs one of the scenarios, in turn; else it runs all of them
 * @param patienceMillis a task that calls no port for so long is a failure
 * @param firstFailure the first seed that fails is the last
 * @param plan what fails, with the faults that may strike; null: all may
 * @param plans where what fails is put as a file, with few faults; null: nowhere
 * @param golden so many histories are compared with what other JVMs make of them
 * @param story where the one history that is run is told as a file; null: nowhere
 * @param part this process is one of those: it tells another process how far it is
 */
record Options(
        long seed,
        long seeds,
        int minutes,
        int jobs,
        List<Scenario> scenarios,
        boolean mixed,
        long patienceMillis,
        boolean firstFailure,
        @Nullable FailingPlan plan,
        @Nullable Path plans,
        int golden,
        @Nullable Path story,
        boolean part) {
    static final String USAGE =
            "run [--seed N] [--seeds N] [--minutes M] [--jobs J] [--scenario mixed|all|NAME,...]"
                    + " [--patience SECONDS] [--first-failure true] [--plan FILE]"
                    + " [--plans DIRECTORY] [--golden N] [--story FILE]";
    static final String MIXED = "mixed";
    private static final String ALL = "all";

    /** Of so many seeds or more some are compared with other JVMs without being asked for. */
    private static final int MANY = 500;

    private static final int GOLDEN = 20;

    /** More than there is time for. */
    private static final long ENDLESS = 1_000_000_000L;

    /** Throws an IllegalArgumentException that says what is wrong. */
    static Options parse(String[] args) {
        long seed = 1;
        long seeds = 0;
        int minutes = 0;
        int jobs = 1;
        String scenario = "";
        int golden = -1;
        Path story = null;
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
                case "--seeds" -> seeds = atLeastOne(Long.parseLong(value));
                case "--minutes" -> minutes = Integer.parseInt(value);
                case "--jobs" -> jobs = Integer.parseInt(value);
                case "--scenario" -> scenario = value;
                case "--patience" -> patience = Long.parseLong(value);
                case "--first-failure" -> firstFailure = Boolean.parseBoolean(value);
                case "--plan" -> plan = FailingPlan.read(Path.of(value));
                case "--plans" -> plans = Path.of(value);
                case "--golden" -> golden = Integer.parseInt(value);
                case "--story" -> story = Path.of(value);
                case "--part" -> part = Boolean.parseBoolean(value);
                default -> throw new IllegalArgumentException("unknown option " + option.getKey());
            }
        }
        if (minutes < 0) {
            throw new IllegalArgumentException("--minutes is at least 1");
        }
        if (seeds == 0) {
            seeds = minutes > 0 ? ENDLESS : 1;
        }
        if (plan != null) {
            seed = plan.seed();
            seeds = 1;
            scenario = plan.scenario();
        }
        if (scenario.isEmpty()) {
            scenario = seeds == 1 ? ALL : MIXED;
        }
        boolean mixed = scenario.equals(MIXED);
        List<Scenario> scenarios =
                mixed || scenario.equals(ALL) ? Scenarios.all() : Scenarios.named(scenario);
        if (story != null && (seeds > 1 || scenarios.size() > 1)) {
            throw new IllegalArgumentException(
                    "expected one seed of one scenario with --story, found "
                            + seeds
                            + " of "
                            + scenario);
        }
        if (jobs < 1 || patience < 1) {
            throw new IllegalArgumentException("--seeds, --jobs and --patience are at least 1");
        }
        return new Options(
                seed,
                seeds,
                minutes,
                (int) Math.min(jobs, seeds),
                scenarios,
                mixed,
                patience * 1000,
                firstFailure,
                plan,
                plans,
                golden >= 0 ? golden : seeds < MANY || firstFailure ? 0 : GOLDEN,
                story,
                part);
    }

    private static long atLeastOne(long seeds) {
        if (seeds < 1) {
            throw new IllegalArgumentException("--seeds, --jobs and --patience are at least 1");
        }
        return seeds;
    }

    /** Golden histories are among so many seeds: all, or those that there is time for. */
    long surelyRun() {
        return minutes == 0 ? seeds : Math.min(seeds, MANY);
    }

    /** Those that a seed runs. */
    List<Scenario> of(long ofSeed) {
        return mixed
                ? List.of(
                        scenarios.get(
                                Math.toIntExact(Math.floorMod(ofSeed, (long) scenarios.size()))))
                : scenarios;
    }

    /** The arguments that make another process run some of the seeds. */
    List<String> ofPart(long firstSeed, long count, int goldenSeeds) {
        List<String> arguments = new ArrayList<>();
        arguments.addAll(
                List.of(
                        "run",
                        "--seed",
                        Long.toString(firstSeed),
                        "--seeds",
                        Long.toString(count),
                        "--minutes",
                        Integer.toString(minutes),
                        "--scenario",
                        mixed
                                ? MIXED
                                : String.join(",", scenarios.stream().map(Scenario::name).toList()),
                        "--patience",
                        Long.toString(patienceMillis / 1000),
                        "--first-failure",
                        Boolean.toString(firstFailure),
                        "--golden",
                        Integer.toString(goldenSeeds),
                        "--part",
                        "true"));
        if (plans != null) {
            arguments.addAll(List.of("--plans", plans.toString()));
        }
        return arguments;
    }
}
