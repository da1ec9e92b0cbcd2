package io.palimpsest.sim;

import io.palimpsest.sim.world.Outcome;

/** A seed of a scenario, and what came of it. */
record History(String scenario, long seed, long steps, long hash) {
    static History of(Outcome outcome) {
        return new History(outcome.scenario(), outcome.seed(), outcome.steps(), outcome.hash());
    }

    /** Which it is, whatever came of it. */
    String key() {
        return scenario + " " + seed;
    }
}
