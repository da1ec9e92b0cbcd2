package io.palimpsest.sim.workload;

import io.palimpsest.sim.world.Scenario;
import java.util.List;

/** All scenarios; each is run for every seed. */
public final class Scenarios {
    private Scenarios() {}

    public static List<Scenario> all() {
        return List.of(new GroupCommitScenario(), new PowerLossScenario());
    }
}
