package io.palimpsest.regress.storage;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One row of the table: a quantity, one value a round, beside its peer's of the same rounds.
 *
 * <p>The goal is for the ratio of each side's best round, because other work on the machine only
 * ever makes a round worse; the median of the rounds' ratios is given too. Without a peer the goal
 * is for the median.
 *
 * @param name what was measured
 * @param peer what it is a multiple of; null if the value itself is what counts
 * @param unit of both
 * @param lessIsBetter a cost, not a rate
 * @param ours one a round
 * @param peers one a round; empty without a peer
 * @param goal null for what is only reported
 * @param note what a reader must know of it, or empty
 */
record Measure(
        String name,
        @Nullable String peer,
        String unit,
        boolean lessIsBetter,
        List<Double> ours,
        List<Double> peers,
        @Nullable Goal goal,
        String note) {
    Measure {
        if (ours.isEmpty() || (peer == null ? !peers.isEmpty() : peers.size() != ours.size())) {
            throw new IllegalArgumentException(
                    name + ": " + ours.size() + " values, " + peers.size() + " of its peer");
        }
    }

    private static double best(List<Double> values, boolean least) {
        double best = values.getFirst();
        for (double v : values) {
            best = least ? Math.min(best, v) : Math.max(best, v);
        }
        return best;
    }

    private static double median(List<Double> values) {
        double[] sorted = values.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        int n = sorted.length;
        return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    }

    double best() {
        return best(ours, lessIsBetter);
    }

    double median() {
        return median(ours);
    }

    double peerBest() {
        return best(peers, lessIsBetter);
    }

    /** Of each side's best round; what the goal is for. Without a peer the median value. */
    double ratio() {
        return peer == null ? median() : best() / peerBest();
    }

    double medianRatio() {
        if (peer == null) {
            return median();
        }
        List<Double> quotients = new ArrayList<>();
        for (int i = 0; i < ours.size(); i++) {
            quotients.add(ours.get(i) / peers.get(i));
        }
        return median(quotients);
    }

    /** "met", "not met", or nothing where there is no goal. */
    String verdict() {
        return goal == null ? "" : goal.met(ratio()) ? "met" : "NOT MET";
    }
}
