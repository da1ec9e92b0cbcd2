package io.palimpsest.sim.workload;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Simulation;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A few of the histories of {@code make sim SCENARIO=backup}. */
class BackupTest {
    private static final int SEEDS = 25;

    @Test
    void whatWasConfirmedComesBackFromTheStoreAlone() {
        TreeMap<String, Long> probes = new TreeMap<>();
        for (long seed = 0; seed < SEEDS; seed++) {
            Outcome outcome = Simulation.run(BackupScenario.named("backup"), seed);
            outcome.check();
            outcome.probes().forEach((k, v) -> probes.merge(k, v, Long::sum));
        }
        for (String reached :
                new String[] {
                    "backup-two-servers", "tenant-fenced", "layer-fetched", "layer-read-away"
                }) {
            assertTrue(probes.getOrDefault(reached, 0L) > 0, reached + " never came: " + probes);
        }
    }

    /** Which seeds meet which damage changes with all that is read: on until each was met. */
    @Test
    void whatIsDamagedInTheStoreIsToldAndNeverServed() {
        TreeMap<String, Long> probes = new TreeMap<>();
        List<String> objects = List.of("manifest", "index", "layer");
        for (long seed = 1;
                seed <= 8 || seed <= 60 && !objects.stream().allMatch(o -> isMet(probes, o));
                seed++) {
            Outcome outcome = Simulation.run(BackupScenario.named("store-rot"), seed);
            outcome.check();
            outcome.probes().forEach((k, v) -> probes.merge(k, v, Long::sum));
        }
        for (String object : objects) {
            assertTrue(
                    isMet(probes, object), "nobody has read a damaged " + object + ": " + probes);
        }
        assertTrue(probes.getOrDefault("store-damage-told", 0L) > 0, "never told: " + probes);
    }

    private static boolean isMet(TreeMap<String, Long> probes, String object) {
        return probes.keySet().stream().anyMatch(p -> p.startsWith("met-") && p.endsWith(object));
    }

    /** Each has reached, within a few seeds, what it is there for. */
    @ParameterizedTest
    @CsvSource({
        "store-outage, 3, backup-started-in-outage",
        "split-brain, 3, backup-restored-while-running",
        "branch-storm, 3, backup-scrub-deleted",
        "upgrade, 3, golden-pin-read"
    })
    void theWorstOfAStoreAlone(String name, int seeds, String reached) {
        TreeMap<String, Long> probes = new TreeMap<>();
        for (long seed = 1; seed <= seeds; seed++) {
            Outcome outcome = Simulation.run(BackupScenario.named(name), seed);
            outcome.check();
            outcome.probes().forEach((k, v) -> probes.merge(k, v, Long::sum));
        }
        assertTrue(probes.getOrDefault(reached, 0L) > 0, reached + " never came: " + probes);
    }

    /** A former owner replaced its index once more after the tenant was taken over. */
    @ParameterizedTest
    @ValueSource(longs = {261, 353})
    void whatAFormerOwnerStillPutsIsNotTakenForOurs(long seed) {
        Simulation.run(BackupScenario.named("backup"), seed).check();
    }

    /** The index that a restore reads comes as another object, once: it is read again. */
    @Test
    void aRestoreReadsAgainWhatCameDamaged() {
        Simulation.run(BackupScenario.named("split-brain"), 4).check();
    }

    /** A branch whose deletion had begun was restored as one that is there. */
    @Test
    void whatWasBeingDeletedThenIsNotRestored() {
        Simulation.run(BackupScenario.named("split-brain"), 41).check();
    }

    /** The next manifest said of a branch that it is there, after others had deleted it. */
    @Test
    void aDeletionWithoutAnAnswerIsNotTakenBack() {
        Simulation.run(BackupScenario.named("split-brain"), 281).check();
    }
}
