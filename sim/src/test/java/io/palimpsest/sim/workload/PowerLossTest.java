package io.palimpsest.sim.workload;

import static org.junit.jupiter.api.Assertions.fail;

import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Simulation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PowerLossTest {
    private static final int SEEDS = 200;

    @Test
    void everyPageEqualsTheReferenceWheneverThePowerIsLost() {
        long start = System.nanoTime();
        long steps = 0;
        double hours = 0;
        for (long seed = 0; seed < SEEDS; seed++) {
            Outcome o = Simulation.run(PowerLossScenario.named("power-loss"), seed);
            o.check();
            steps += o.steps();
            hours += o.nanos() / 3.6e12;
        }
        System.out.printf(
                "sim: power-loss, seeds=%d failed=0 sim_hours=%.2f wall_seconds=%.1f steps=%d%n",
                SEEDS, hours, (System.nanoTime() - start) / 1e9, steps);
    }

    /** A harness that finds nothing proves nothing. */
    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "LAYER_NOT_DELETED")
    void everyPlantedBugIsFound(BuggyDisk.Bug bug) {
        PowerLossScenario buggy = PowerLossScenario.planted(disk -> new BuggyDisk(disk, bug));
        for (long seed = 0; seed < SEEDS; seed++) {
            Outcome.Failure f = Simulation.run(buggy, seed).failure();
            if (f != null) {
                System.out.printf("planted bug %s: found by seed %d: %s%n", bug, seed, f.what());
                return;
            }
        }
        fail(bug + " not found by " + SEEDS + " seeds");
    }
}
