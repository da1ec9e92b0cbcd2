package io.palimpsest.sim.workload;

import io.palimpsest.port.Tasks;
import io.palimpsest.sim.world.Node;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.util.ArrayList;
import java.util.List;

/**
 * The scheduler with nothing to schedule: tasks that sleep, yield and lock. What its steps cost is
 * what all other simulations are measured by; it is none to test anything with.
 */
public final class BareScenario implements Scenario {
    private static final int TASKS = 32;
    private static final int ROUNDS = 2_000;
    private static final long MILLIS = 1_000_000L;

    @Override
    public String name() {
        return "bare";
    }

    @Override
    public void run(Simulation s) {
        Node node = s.node("node");
        Tasks tasks = node.tasks();
        Tasks.Monitor monitor = tasks.monitor("shared");
        List<Tasks.Task> all = new ArrayList<>();
        for (int i = 0; i < TASKS; i++) {
            long nanos = MILLIS + i;
            all.add(
                    tasks.spawn(
                            Tasks.Lane.LATENCY,
                            "task " + i,
                            () -> {
                                for (int round = 0; round < ROUNDS; round++) {
                                    monitor.lock();
                                    monitor.unlock();
                                    tasks.yieldPoint();
                                    tasks.sleep(nanos);
                                }
                            }));
        }
        all.forEach(Tasks.Task::join);
    }
}
