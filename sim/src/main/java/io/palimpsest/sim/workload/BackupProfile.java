package io.palimpsest.sim.workload;

import io.palimpsest.base.Prng;
import io.palimpsest.sim.fault.StoreFaults;
import java.util.List;

/**
 * How often what happens in a {@link BackupScenario}. The keys of its file ({@code backup.toml} has
 * them all) say what each of them is; times are nanoseconds, at most.
 *
 * @param name of the scenario: what it is asked for by
 */
record BackupProfile(
        String name,
        List<String> mustReach,
        List<String> mustReachInMany,
        boolean rot,
        boolean golden,
        Chance goldenDisk,
        int fewestLives,
        int mostLives,
        long lifeNanos,
        Chance second,
        long overlapNanos,
        Chance comesBack,
        Chance standsBy,
        long pauseNanos,
        StoreFaults.Roughness roughness,
        Chance outage,
        long outageNanos,
        Chance versions,
        Chance restoredWhileRunning,
        Chance branchChange,
        Chance changeOfBranch,
        int mostBranches,
        long deletionCutShortNanos,
        long scrubPauseNanos) {
    private static final String DEFAULTS = "backup";

    BackupProfile {
        mustReach = List.copyOf(mustReach);
        mustReachInMany = List.copyOf(mustReachInMany);
        require(
                0 < fewestLives && fewestLives <= mostLives,
                "lives from " + fewestLives + " to " + mostLives);
        require(
                lifeNanos > 0 && overlapNanos > 0 && outageNanos > 0 && scrubPauseNanos > 0,
                "no time for a life, an overlap, an outage, or between scrubs");
    }

    /** Files are written by people: what is wrong in them is no defect. */
    private static void require(boolean condition, String otherwise) {
        if (!condition) {
            throw new IllegalArgumentException(otherwise);
        }
    }

    /** One that comes with the simulator. */
    static BackupProfile builtIn(String name) {
        return read(name, ScenarioFile.builtIn(name));
    }

    /** An IllegalArgumentException says which key of the file is wrong, and how. */
    static BackupProfile read(String name, ScenarioFile own) {
        ScenarioFile file = own.otherwise(ScenarioFile.builtIn(DEFAULTS));
        file.require("kind", "backup");
        return new BackupProfile(
                name,
                file.strings(ScenarioFile.MUST_REACH),
                file.strings(ScenarioFile.MUST_REACH_IN_MANY),
                file.bool("rot"),
                file.bool("golden.tenant"),
                file.chance("golden.disk"),
                file.number("servers.fewest"),
                file.number("servers.most"),
                file.seconds("servers.life_seconds"),
                file.chance("servers.second"),
                file.seconds("servers.overlap_seconds"),
                file.chance("servers.comes_back"),
                file.chance("servers.stands_by"),
                file.seconds("servers.pause_seconds"),
                new StoreFaults.Roughness(
                        file.number("store.throttled"),
                        file.number("store.unavailable"),
                        file.number("store.lost"),
                        file.seconds("store.late_seconds"),
                        file.number("store.stale_lists"),
                        file.seconds("store.stale_seconds"),
                        file.bool("store.in_all_seeds")),
                file.chance("store.outage"),
                file.seconds("store.outage_seconds"),
                file.chance("store.versions"),
                file.chance("store.restored_while_running"),
                file.chance("branches.change"),
                file.chance("branches.existing"),
                file.number("branches.most"),
                file.seconds("branches.deletion_cut_short_seconds"),
                file.seconds("scrubs.pause_seconds"));
    }

    /** How many lives there are before the last one. */
    int lives(Prng random) {
        return fewestLives + random.nextInt(mostLives - fewestLives + 1);
    }
}
