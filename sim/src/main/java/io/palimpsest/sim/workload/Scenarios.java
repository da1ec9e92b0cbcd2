package io.palimpsest.sim.workload;

import io.palimpsest.sim.world.Scenario;
import java.util.Arrays;
import java.util.List;

/** All scenarios. */
public final class Scenarios {
    private static final List<Scenario> ALL =
            List.of(
                    new GroupCommitScenario(),
                    PowerLossScenario.named("power-loss"),
                    FailoverScenario.named("failover"),
                    StorageScenario.named("storage"),
                    StorageScenario.named("bit-rot"),
                    StorageScenario.named("gc-race"),
                    StorageScenario.named("disk-full"),
                    StorageScenario.named("slow-everything"),
                    BackupScenario.named("backup"),
                    BackupScenario.named("store-rot"),
                    BackupScenario.named("store-outage"),
                    BackupScenario.named("split-brain"),
                    BackupScenario.named("branch-storm"),
                    BackupScenario.named("upgrade"));

    private Scenarios() {}

    /** The quick ones first. */
    public static List<Scenario> all() {
        return ALL;
    }

    /**
     * Those of a list with commas between them: of names, and of paths of files that end in {@code
     * .toml}. An IllegalArgumentException if there is none of that name.
     */
    public static List<Scenario> named(String names) {
        return Arrays.stream(names.split(",", -1)).map(Scenarios::byName).distinct().toList();
    }

    /** What its kind is, decides what runs it. */
    private static Scenario ofFile(String path) {
        ScenarioFile file = ScenarioFile.read(path);
        return switch (file.kind()) {
            case "storage" -> StorageScenario.of(path, file);
            case "backup" -> BackupScenario.of(path, file);
            case "failover" -> FailoverScenario.of(path, file);
            case "power-loss" -> PowerLossScenario.of(path, file);
            default ->
                    throw file.wrong(
                            ScenarioFile.KIND,
                            "\"backup\", \"failover\", \"power-loss\" or \"storage\"");
        };
    }

    private static Scenario byName(String name) {
        if (ScenarioFile.isPath(name)) {
            return ofFile(name);
        }
        return ALL.stream()
                .filter(s -> s.name().equals(name))
                .findFirst()
                .orElseThrow(() ->
                        new IllegalArgumentException(
                                "expected a scenario of "
                                        + ALL.stream().map(Scenario::name).toList()
                                        + ", or the path of one that ends in .toml, found '"
                                        + name
                                        + "'"));
    }
}
