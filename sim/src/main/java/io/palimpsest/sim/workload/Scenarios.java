package io.palimpsest.sim.workload;

import io.palimpsest.sim.world.Scenario;
import java.util.Arrays;
import java.util.List;

/** All scenarios. */
public final class Scenarios {
    private static final List<Scenario> ALL =
            List.of(
                    new GroupCommitScenario(),
                    new PowerLossScenario(),
                    StorageScenario.faults(),
                    StorageScenario.bitRot(),
                    BackupScenario.faults(),
                    BackupScenario.rot());

    private Scenarios() {}

    /** The quick ones first. */
    public static List<Scenario> all() {
        return ALL;
    }

    /** Those of a list of names with commas between them; an IllegalArgumentException if none. */
    public static List<Scenario> named(String names) {
        return Arrays.stream(names.split(",", -1)).map(Scenarios::byName).distinct().toList();
    }

    private static Scenario byName(String name) {
        return ALL.stream()
                .filter(s -> s.name().equals(name))
                .findFirst()
                .orElseThrow(() ->
                        new IllegalArgumentException(
                                "expected a scenario of "
                                        + ALL.stream().map(Scenario::name).toList()
                                        + ", found '"
                                        + name
                                        + "'"));
    }
}
