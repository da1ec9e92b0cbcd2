package io.palimpsest.sim.workload;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.sim.workload.GroupCommitLog.Bug;
import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Simulation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class GroupCommitTest {
    private static final int SEEDS = 100;

    @Test
    void theLogKeepsWhatItAcknowledged() {
        for (long seed = 0; seed < SEEDS; seed++) {
            Simulation.run(new GroupCommitScenario(), seed).check();
        }
    }

    /** A harness that finds nothing proves nothing. */
    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "NONE")
    void everyPlantedBugIsFound(Bug bug) {
        int found = 0;
        long first = -1;
        for (long seed = 0; seed < SEEDS && found < 3; seed++) {
            Outcome o = Simulation.run(new GroupCommitScenario(bug), seed);
            if (o.failure() != null) {
                found++;
                first = first < 0 ? seed : first;
                assertTrue(o.report().contains("recovered") || o.report().contains("acknowledged"));
            }
        }
        System.out.printf("planted bug %s: first found by seed %d%n", bug, first);
        assertTrue(found == 3, bug + " found by " + found + " of " + SEEDS + " seeds");
    }
}
