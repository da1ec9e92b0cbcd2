package io.palimpsest.sim;

import java.util.Collection;
import java.util.TreeSet;

/**
 * Moments of a history as places on a line. Where nothing happens for long the line is cut short,
 * for else a day of waiting would leave no room for the second in which it all went wrong.
 */
final class TimeScale {
    private static final int LONGEST_GAP = 40;

    private final long[] moments;
    private final double[] places;

    /**
     * @param width of the line
     */
    TimeScale(Collection<Long> all, double width) {
        TreeSet<Long> sorted = new TreeSet<>(all);
        sorted.add(0L);
        moments = sorted.stream().mapToLong(Long::longValue).toArray();
        places = new double[moments.length];
        long busy = moments[moments.length - 1];
        for (int pass = 0; pass < 3; pass++) {
            // What is left of the gaps decides what counts as one.
            double longest = Math.max(1, busy / (double) LONGEST_GAP);
            double sum = 0;
            for (int i = 1; i < moments.length; i++) {
                sum += Math.min(longest, (double) (moments[i] - moments[i - 1]));
                places[i] = sum;
            }
            busy = (long) sum;
        }
        double last = Math.max(1, places[places.length - 1]);
        for (int i = 0; i < places.length; i++) {
            places[i] *= width / last;
        }
    }

    /** Of a moment; one that was not among those given lies where the one before it does. */
    double at(long nanos) {
        int low = 0;
        int high = moments.length - 1;
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (moments[middle] <= nanos) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return places[low];
    }
}
