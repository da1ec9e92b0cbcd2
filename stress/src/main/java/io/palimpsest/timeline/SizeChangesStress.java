package io.palimpsest.timeline;

import io.palimpsest.base.Key;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.JJ_Result;

/**
 * A size is noted, then the last record's LSN reaches it. Who has read that LSN sees the note, or a
 * size of before is taken for one of now.
 */
@JCStressTest
@Outcome(id = "100, 100", expect = Expect.ACCEPTABLE, desc = "Before both.")
@Outcome(id = "100, 200", expect = Expect.ACCEPTABLE, desc = "Between them.")
@Outcome(id = "200, 200", expect = Expect.ACCEPTABLE, desc = "After both.")
@Outcome(id = "200, 100", expect = Expect.FORBIDDEN, desc = "The LSN is there, the note is not.")
@State
public class SizeChangesStress {
    private static final Key KEY = Key.of(Keys.REL_SIZE, 1663, 5, 16_384, 0, 0);

    private final SizeChanges changes = new SizeChanges(100);
    private final Modifications modifications = new Modifications();
    private volatile long lastRecordLsn = 100;

    public SizeChangesStress() {
        modifications.image(KEY, 200, new byte[] {1, 0, 0, 0});
    }

    @Actor
    public void writer() {
        changes.note(modifications);
        lastRecordLsn = 200;
    }

    @Actor
    public void reader(JJ_Result r) {
        r.r1 = lastRecordLsn;
        r.r2 = changes.last(KEY.hi(), KEY.mid(), KEY.lo());
    }
}
