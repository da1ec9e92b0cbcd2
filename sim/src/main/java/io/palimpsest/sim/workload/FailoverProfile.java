package io.palimpsest.sim.workload;

import java.util.List;

/**
 * How often what happens in a {@link FailoverScenario}. The keys of its file ({@code failover.toml}
 * has them all) say what each of them is; times are nanoseconds, at most.
 *
 * @param name of the scenario: what it is asked for by
 */
record FailoverProfile(
        String name,
        List<String> mustReach,
        List<String> mustReachInMany,
        int mostFailovers,
        long pauseNanos,
        int lagRecords,
        Chance orderly,
        Chance livesOn,
        long livesOnNanos,
        Chance second,
        long secondNanos,
        Chance slotLate,
        long slotLateNanos,
        int mostLives,
        long lifeNanos,
        Chance followsStandby,
        long toldLateNanos) {
    private static final String DEFAULTS = "failover";

    FailoverProfile {
        mustReach = List.copyOf(mustReach);
        mustReachInMany = List.copyOf(mustReachInMany);
        if (mostFailovers < 1
                || lagRecords < 1
                || pauseNanos < 1
                || livesOnNanos < 1
                || secondNanos < 1
                || slotLateNanos < 1
                || lifeNanos < 1
                || toldLateNanos < 1) {
            throw new IllegalArgumentException(
                    name + ": no failover, or no time for something that happens");
        }
    }

    /** One that comes with the simulator. */
    static FailoverProfile builtIn(String name) {
        return read(name, ScenarioFile.builtIn(name));
    }

    /** An IllegalArgumentException says which key of the file is wrong, and how. */
    static FailoverProfile read(String name, ScenarioFile own) {
        ScenarioFile file = own.otherwise(ScenarioFile.builtIn(DEFAULTS));
        file.require("kind", "failover");
        return new FailoverProfile(
                name,
                file.strings(ScenarioFile.MUST_REACH),
                file.strings(ScenarioFile.MUST_REACH_IN_MANY),
                file.number("cluster.most"),
                file.seconds("cluster.pause_seconds"),
                file.number("cluster.lag_records"),
                file.chance("cluster.orderly"),
                file.chance("cluster.lives_on"),
                file.seconds("cluster.lives_on_seconds"),
                file.chance("cluster.second"),
                file.seconds("cluster.second_seconds"),
                file.chance("cluster.slot_late"),
                file.seconds("cluster.slot_late_seconds"),
                file.number("servers.most"),
                file.seconds("servers.life_seconds"),
                file.chance("servers.follows_standby"),
                file.seconds("servers.told_late_seconds"));
    }
}
