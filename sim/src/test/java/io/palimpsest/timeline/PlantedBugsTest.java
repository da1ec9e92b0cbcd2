package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.fail;

import io.palimpsest.port.Disk;
import io.palimpsest.sim.workload.BuggyDisk;
import io.palimpsest.sim.workload.Mischief;
import io.palimpsest.sim.workload.StorageScenario;
import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Simulation;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The scenario 'storage' finds what it is there to find: a harness that finds nothing proves
 * nothing.
 */
class PlantedBugsTest {
    private static final int SEEDS = 12;

    @ParameterizedTest
    @EnumSource
    void bugsOfTheEngineAreFound(EngineBug bug) {
        find(bug.name(), disk -> disk, bug, bug.noticed);
    }

    /**
     * Whatever comes of it. Between the two names of an index the power seldom goes: that one is
     * for the power-loss scenario and the crash points.
     */
    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "INDEX_NOT_REPLACED_ATOMICALLY")
    void bugsInTheUseOfTheDiskAreFound(BuggyDisk.Bug bug) {
        find(bug.name(), disk -> new BuggyDisk(disk, bug), Mischief.NONE, "");
    }

    private static void find(
            String bug, UnaryOperator<Disk> diskSeen, Mischief mischief, String noticed) {
        List<String> others = new ArrayList<>();
        for (long seed = 1; seed <= SEEDS; seed++) {
            Outcome.Failure f =
                    Simulation.run(StorageScenario.planted(diskSeen, mischief), seed).failure();
            if (f != null && Pattern.compile(noticed).matcher(f.what()).find()) {
                System.out.printf("planted bug %s: found by seed %d: %s%n", bug, seed, f.what());
                return;
            }
            if (f != null) {
                others.add("seed " + seed + ": " + f.what());
            }
        }
        fail(bug + " not found by " + SEEDS + " seeds, only " + others);
    }
}
