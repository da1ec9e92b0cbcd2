package io.palimpsest.sim.world;

import java.util.List;

/** One kind of simulated run. All that differs from run to run comes from the simulation's seed. */
public interface Scenario {
    /** Lower case, words joined by '-'. */
    String name();

    /**
     * Runs as a task of the node "driver"; the simulation ends when it returns. Whatever it throws
     * is the failure.
     */
    void run(Simulation simulation);

    /**
     * What must have happened at least once in a hundred seeds ({@link Simulation#probe}), or they
     * have not tested what they are there for.
     */
    default List<String> mustReach() {
        return List.of();
    }

    /** What is rarer than that: it must have happened in five hundred. */
    default List<String> mustReachInMany() {
        return List.of();
    }
}
