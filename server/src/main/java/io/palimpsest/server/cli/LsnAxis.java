package io.palimpsest.server.cli;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;

/**
 * LSNs on a line of length 1, in their order: steps between marks grow with the fourth root of
 * their bytes, so that a flush of a few bytes beside one of many is still seen.
 */
final class LsnAxis {
    private final List<Long> marks;
    private final double[] at;

    LsnAxis(Collection<Long> lsns) {
        marks = new ArrayList<>(new TreeSet<>(lsns));
        at = new double[marks.size()];
        for (int i = 1; i < at.length; i++) {
            long step = marks.get(i) - marks.get(i - 1);
            at[i] = at[i - 1] + Math.sqrt(Math.sqrt((double) step));
        }
        double length = at.length < 2 ? 1 : at[at.length - 1];
        for (int i = 0; i < at.length; i++) {
            at[i] /= length;
        }
    }

    List<Long> marks() {
        return marks;
    }

    /** Between the marks around it; those of the axis's ends beyond them. */
    double at(long lsn) {
        int i = 0;
        while (i < at.length && marks.get(i) < lsn) {
            i++;
        }
        if (i == at.length) {
            return 1;
        }
        if (i == 0 || marks.get(i) == lsn) {
            return at[i];
        }
        double part = (double) (lsn - marks.get(i - 1)) / (marks.get(i) - marks.get(i - 1));
        return at[i - 1] + part * (at[i] - at[i - 1]);
    }
}
