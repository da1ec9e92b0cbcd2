package io.palimpsest.sim.workload;

import io.palimpsest.sim.world.Scenario;
import java.util.List;

/** All scenarios. */
public final class Scenarios {
    private Scenarios() {}

    /** Those that are run for every seed. */
    public static List<Scenario> all() {
        return List.of(new GroupCommitScenario(), new PowerLossScenario());
    }

    /** Those that are run when asked for by name: they still find what is to be mended. */
    public static List<Scenario> byName() {
        return List.of(StorageScenario.faults(), StorageScenario.bitRot(), new BackupScenario());
    }
}
