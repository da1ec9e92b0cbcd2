package io.palimpsest.timeline;

import io.palimpsest.base.Key;
import io.palimpsest.value.Keys;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/**
 * Two reads learn two sizes of one key, of different LSNs, and each asks for what the other one
 * learns: it finds that, or nothing, and never half of it or the size of another LSN.
 */
@JCStressTest
@Outcome(
        id = {"-2, -2", "-2, 5", "7, -2", "7, 5"},
        expect = Expect.ACCEPTABLE,
        desc = "Known or not.")
@Outcome(expect = Expect.FORBIDDEN, desc = "A size that nobody has learned.")
@State
public class KnownSizesStress {
    private static final Key KEY = Key.of(Keys.REL_SIZE, 1663, 5, 16_384, 0, 0);

    /** Millions of states are made: one array for all, and an owner for each. */
    private static final KnownSizes SIZES = new KnownSizes();

    private final long owner = SIZES.register();

    @Actor
    public void first(II_Result r) {
        SIZES.learn(owner, KEY, 5, 100, 200);
        r.r1 = SIZES.find(owner, KEY.hi(), KEY.mid(), KEY.lo(), 350, 300);
    }

    @Actor
    public void second(II_Result r) {
        SIZES.learn(owner, KEY, 7, 300, 400);
        r.r2 = SIZES.find(owner, KEY.hi(), KEY.mid(), KEY.lo(), 150, 100);
    }
}
