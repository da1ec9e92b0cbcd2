package io.palimpsest.regress.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What was measured, round by round. Ratios are taken within a round, where both sides saw much the
 * same machine; then best and median of the rounds are given.
 */
final class Figures {
    /** A quantity, one value a round. */
    private record Series(String unit, boolean lessIsBetter, List<Double> values) {
        double best() {
            double best = values.getFirst();
            for (double v : values) {
                best = lessIsBetter ? Math.min(best, v) : Math.max(best, v);
            }
            return best;
        }

        double median() {
            double[] sorted = values.stream().mapToDouble(Double::doubleValue).toArray();
            Arrays.sort(sorted);
            int n = sorted.length;
            return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
        }
    }

    private final String title;
    private final Map<String, Series> ratios = new LinkedHashMap<>();
    private final Map<String, Series> measured = new LinkedHashMap<>();

    Figures(String title) {
        this.title = title;
    }

    /** Adds this round's value of a rate: more is better. */
    void rate(String what, String unit, double value) {
        series(what, unit, false).values.add(value);
    }

    /** Adds this round's value of a cost: less is better. */
    void cost(String what, String unit, double value) {
        series(what, unit, true).values.add(value);
    }

    private Series series(String what, String unit, boolean lessIsBetter) {
        return measured.computeIfAbsent(
                what + ", " + unit, k -> new Series(unit, lessIsBetter, new ArrayList<>()));
    }

    /** Says that {@code what} is to be given as a multiple of {@code peer}, both of one unit. */
    void compare(String what, String peer, String unit) {
        Series a = measured.get(what + ", " + unit);
        Series b = measured.get(peer + ", " + unit);
        if (a == null || b == null || a.values.size() != b.values.size()) {
            throw new IllegalArgumentException(
                    "not measured alike: " + what + " and " + peer + ", " + unit);
        }
        List<Double> quotients = new ArrayList<>();
        for (int i = 0; i < a.values.size(); i++) {
            quotients.add(a.values.get(i) / b.values.get(i));
        }
        ratios.put(
                what + " / " + peer + ", " + unit, new Series("ratio", a.lessIsBetter, quotients));
    }

    /** Ratios first, then what they were taken from. */
    String text() {
        StringBuilder out = new StringBuilder(title).append('\n');
        out.append(String.format(Locale.ROOT, "  %-66s %12s %12s%n", "ratio", "best", "median"));
        ratios.forEach((what, s) ->
                out.append(
                        String.format(
                                Locale.ROOT,
                                "  %-66s %12.3f %12.3f%n",
                                what,
                                s.best(),
                                s.median())));
        out.append(String.format(Locale.ROOT, "  %-66s %12s %12s%n", "measured", "best", "median"));
        measured.forEach((what, s) ->
                out.append(
                        String.format(
                                Locale.ROOT,
                                s.best() < 100
                                        ? "  %-66s %12.2f %12.2f%n"
                                        : "  %-66s %,12.0f %,12.0f%n",
                                what,
                                s.best(),
                                s.median())));
        return out.toString();
    }

    private Map<String, Object> tree() {
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("ratios", tree(ratios));
        all.put("measured", tree(measured));
        return all;
    }

    private static Map<String, Object> tree(Map<String, Series> of) {
        Map<String, Object> all = new LinkedHashMap<>();
        of.forEach((what, s) -> {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("best", s.best());
            one.put("median", s.median());
            one.put("rounds", s.values);
            all.put(what, one);
        });
        return all;
    }

    /** All of it with every round's value. */
    static String json(Map<String, Object> setting, List<Figures> figures) {
        Map<String, Object> all = new LinkedHashMap<>(setting);
        figures.forEach(f -> all.put(f.title, f.tree()));
        try {
            return new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(all);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
