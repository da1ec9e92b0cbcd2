package io.palimpsest.layer;

import io.palimpsest.base.Key;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.StoredValue;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.JI_Result;

/**
 * A value is appended, as the first of a layer, which makes a chunk for it, then the last record's
 * LSN reaches it. Who has read that LSN finds it, and whoever finds it finds all of it.
 */
@JCStressTest
@Outcome(id = "100, -1", expect = Expect.ACCEPTABLE, desc = "Before both.")
@Outcome(id = "100, 42", expect = Expect.ACCEPTABLE, desc = "Between them.")
@Outcome(id = "200, 42", expect = Expect.ACCEPTABLE, desc = "After both.")
@Outcome(expect = Expect.FORBIDDEN, desc = "Not there though its LSN is, or half of it.")
@State
public class OpenLayerStress {
    private static final Key KEY = Key.of(Keys.REL_SIZE, 1663, 5, 16_384, 0, 0);

    private final OpenLayer layer = new OpenLayer(100);
    private final Modifications modifications = new Modifications();
    private final Reconstruction found = new Reconstruction();
    private volatile long lastRecordLsn = 100;

    public OpenLayerStress() {
        modifications.image(KEY, 200, new byte[] {42, 42, 42, 42});
    }

    @Actor
    public void writer() {
        layer.append(modifications, 0, modifications.count());
        lastRecordLsn = 200;
    }

    @Actor
    public void reader(JI_Result r) {
        r.r1 = lastRecordLsn;
        found.reset(KEY.hi(), KEY.mid(), KEY.lo(), 200);
        r.r2 = layer.collect(found) ? value() : -1;
    }

    /** The byte that the value consists of; another one if they differ. */
    private int value() {
        byte[] bytes = found.bytes();
        int at = found.offset(0);
        if (found.length(0) != 5 || found.lsn(0) != 200 || bytes[at] != StoredValue.IMAGE) {
            return -3;
        }
        for (int i = 2; i < 5; i++) {
            if (bytes[at + i] != bytes[at + 1]) {
                return -4;
            }
        }
        return bytes[at + 1];
    }
}
