package io.palimpsest.sim.world;

import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The faults of one run, numbered as they come. If only some may strike, the others pass as if they
 * had never been: what comes after them may be something else then, but the same seed with the same
 * numbers always does the same.
 */
final class Faults {
    private final @Nullable SortedSet<Integer> only;
    private final List<Fault> struck = new ArrayList<>();
    private int count;

    /**
     * @param only the numbers of those that may strike; null: all
     */
    Faults(@Nullable SortedSet<Integer> only) {
        this.only = only == null ? null : new TreeSet<>(only);
    }

    boolean strikes(long nanos, String where, String what) {
        int number = count++;
        boolean strikes = only == null || only.contains(number);
        if (strikes) {
            struck.add(new Fault(number, nanos, where, what));
        }
        return strikes;
    }

    List<Fault> struck() {
        return List.copyOf(struck);
    }
}
