package io.palimpsest.sim.workload;

import java.util.List;

/**
 * How often what happens in a {@link PowerLossScenario}. The keys of its file ({@code
 * power-loss.toml} has them all) say what each of them is; times are nanoseconds, at most.
 *
 * @param name of the scenario: what it is asked for by
 */
record PowerLossProfile(
        String name,
        List<String> mustReach,
        List<String> mustReachInMany,
        int mostLives,
        long lifeNanos,
        Chance byTime,
        int operations,
        Chance atNames,
        int fewestRecords,
        int moreRecords,
        int pauseNanos) {
    private static final String DEFAULTS = "power-loss";
    private static final int MILLIS = 1_000_000;

    /** A longer one is a slip of the pen. */
    private static final int LONGEST_PAUSE_MILLIS = 1000;

    PowerLossProfile {
        mustReach = List.copyOf(mustReach);
        mustReachInMany = List.copyOf(mustReachInMany);
        if (mostLives < 1 || lifeNanos < 1 || operations < 1) {
            throw new IllegalArgumentException(name + ": no life whose power is lost");
        }
        if (moreRecords < 1 || pauseNanos < 1) {
            throw new IllegalArgumentException(name + ": no WAL, or no time between two records");
        }
    }

    /** One that comes with the simulator. */
    static PowerLossProfile builtIn(String name) {
        return read(name, ScenarioFile.builtIn(name));
    }

    /** An IllegalArgumentException says which key of the file is wrong, and how. */
    static PowerLossProfile read(String name, ScenarioFile own) {
        ScenarioFile file = own.otherwise(ScenarioFile.builtIn(DEFAULTS));
        file.require("kind", DEFAULTS);
        return new PowerLossProfile(
                name,
                file.strings(ScenarioFile.MUST_REACH),
                file.strings(ScenarioFile.MUST_REACH_IN_MANY),
                file.number("lives.most"),
                file.seconds("lives.seconds"),
                file.chance("lives.by_time"),
                file.number("lives.operations"),
                file.chance("lives.at_names"),
                file.number("wal.fewest"),
                file.number("wal.more"),
                Math.min(LONGEST_PAUSE_MILLIS, file.number("wal.pause_millis")) * MILLIS);
    }
}
