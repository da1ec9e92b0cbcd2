package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.Prng;

/** So many times in so many, on average. */
record Chance(int times, int of) {
    static final Chance NEVER = new Chance(0, 1);
    static final Chance ALWAYS = new Chance(1, 1);

    Chance {
        Check.that(0 <= times && times <= of && of > 0, "a chance of %d in %d", times, of);
    }

    /** Draws once, also if it is certain. */
    boolean strikes(Prng random) {
        return random.nextInt(of) < times;
    }
}
