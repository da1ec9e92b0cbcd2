package io.palimpsest.sim.workload;

import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Simulation;
import org.junit.jupiter.api.Test;

class FailoverTest {
    private static final int SEEDS = 40;

    @Test
    void everyPageIsThatOfTheHistoryThatTheTimelineFollowed() {
        long start = System.nanoTime();
        long steps = 0;
        double hours = 0;
        for (long seed = 0; seed < SEEDS; seed++) {
            Outcome o = Simulation.run(FailoverScenario.named("failover"), seed);
            o.check();
            steps += o.steps();
            hours += o.nanos() / 3.6e12;
        }
        System.out.printf(
                "sim: failover, seeds=%d failed=0 sim_hours=%.2f wall_seconds=%.1f steps=%d%n",
                SEEDS, hours, (System.nanoTime() - start) / 1e9, steps);
    }
}
