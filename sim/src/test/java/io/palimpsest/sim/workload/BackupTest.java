package io.palimpsest.sim.workload;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Simulation;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A few of the histories of {@code make sim SCENARIO=backup}. */
class BackupTest {
    private static final int SEEDS = 25;

    @Test
    void whatWasConfirmedComesBackFromTheStoreAlone() {
        TreeMap<String, Long> probes = new TreeMap<>();
        for (long seed = 0; seed < SEEDS; seed++) {
            Outcome outcome = Simulation.run(new BackupScenario(), seed);
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

    /** A former owner replaced its index once more after the tenant was taken over. */
    @ParameterizedTest
    @ValueSource(longs = {261, 353})
    void whatAFormerOwnerStillPutsIsNotTakenForOurs(long seed) {
        Simulation.run(new BackupScenario(), seed).check();
    }
}
