package io.palimpsest.sim.workload;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Simulation;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** A few of the histories of {@code make sim SCENARIO=storage,bit-rot}. */
class StorageTest {
    @Test
    void everyLegalReadIsRightWhateverGoesOn() {
        TreeMap<String, Long> probes = run(StorageScenario.named("storage"), 1, 4);
        for (String reached :
                new String[] {
                    "l0-merged",
                    "images-created",
                    "layers-collected",
                    "history-dropped",
                    "branch-written",
                    "read-on-branch",
                    "power-lost"
                }) {
            assertTrue(probes.getOrDefault(reached, 0L) > 0, reached + " never came: " + probes);
        }
    }

    /** Seeds until one meets rot: what is read of the disk depends on all that is cached. */
    @Test
    void whatHasRottedIsNotServed() {
        TreeMap<String, Long> probes = new TreeMap<>();
        long met = 0;
        for (long seed = 5; met == 0 && seed < 50; seed++) {
            probes = run(StorageScenario.named("bit-rot"), seed, seed);
            met = probes.getOrDefault("read-failed", 0L);
        }
        assertTrue(met > 0, "no rot was met: " + probes);
    }

    private static TreeMap<String, Long> run(StorageScenario scenario, long first, long last) {
        TreeMap<String, Long> probes = new TreeMap<>();
        for (long seed = first; seed <= last; seed++) {
            Outcome outcome = Simulation.run(scenario, seed);
            outcome.check();
            outcome.probes().forEach((k, v) -> probes.merge(k, v, Long::sum));
        }
        return probes;
    }
}
