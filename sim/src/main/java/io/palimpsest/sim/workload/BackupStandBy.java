package io.palimpsest.sim.workload;

import io.palimpsest.base.Prng;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.world.Simulation;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A machine that keeps the tenant's layers ready in {@link BackupScenario}, until the owner is lost
 * and it takes over, in order or after a loss of power of its own.
 */
final class BackupStandBy {
    private final Simulation simulation;
    private final BackupRun run;
    private final Prng random;
    private @Nullable Machine machine;
    private Tasks.@Nullable Task task;
    private boolean ending;

    BackupStandBy(Simulation simulation, BackupRun run, Prng random) {
        this.simulation = simulation;
        this.run = run;
        this.random = random;
    }

    /** The one there is, or null. */
    @Nullable Machine machine() {
        return machine;
    }

    void begin(Machine next) {
        simulation.probe("backup-stands-by");
        machine = next;
        ending = false;
        task = next.start("standby", () -> run.standBy(next, () -> ending));
    }

    /** Ends its standing by; the machine is as it was left. Null if there is none. */
    @Nullable Machine take() {
        Machine there = machine;
        if (there == null) {
            return null;
        }
        machine = null;
        Tasks.Task last = Objects.requireNonNull(task, "a machine without a task");
        if (random.nextInt(3) == 0) {
            simulation.after(
                    0,
                    there.node(),
                    () -> {
                        if (!last.isDone()) {
                            there.losePower();
                        }
                    });
            last.join();
            return there;
        }
        ending = true;
        last.join();
        there.checkIdle();
        return there;
    }
}
