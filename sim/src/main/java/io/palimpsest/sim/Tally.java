package io.palimpsest.sim;

import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Scenario;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * What came of many simulations: sums, so that parts can be added in any order. As lines, which
 * another process can add again:
 *
 * <pre>
 *   probes: NAME what=N ...
 *   scenario: NAME seeds=N failed=N cpu_seconds=C wall_seconds=W sim_hours=H steps=S trace=HASH
 *   golden: histories=N
 *   sim: seeds=N failed=N sim_hours=H wall_seconds=W steps=S crash_states=C trace=HASH
 * </pre>
 *
 * The first two for each scenario; golden are those that other JVMs have run, too. In the last one
 * a seed has failed if any scenario has. Traces depend on the seeds alone.
 */
final class Tally {
    private static final String PROBES = "probes:";
    private static final String SCENARIO = "scenario:";
    private static final String GOLDEN = "golden:";
    private static final String ALL = "sim:";

    /** A machine starts again on what its disk was left with, or another one without it. */
    private static final String CRASH = "power-lost";

    /** So many seeds must reach what their scenario is there for, ... */
    private static final int SOME = 100;

    /** ... and so many what is rare. */
    private static final int MANY = 500;

    /** Of one scenario. */
    private static final class Sums {
        private long seeds;
        private long failed;
        private double cpuSeconds;
        private double wallSeconds;
        private double hours;
        private long steps;
        private long trace;
        private final TreeMap<String, Long> probes = new TreeMap<>();

        String line(String name) {
            return String.format(
                    Locale.ROOT,
                    "%s %s seeds=%d failed=%d cpu_seconds=%.1f wall_seconds=%.1f sim_hours=%.4f"
                            + " steps=%d trace=%016x",
                    SCENARIO,
                    name,
                    seeds,
                    failed,
                    cpuSeconds,
                    wallSeconds,
                    hours,
                    steps,
                    trace);
        }

        void add(Map<String, String> fields) {
            seeds += Long.parseLong(fields.get("seeds"));
            failed += Long.parseLong(fields.get("failed"));
            cpuSeconds += Double.parseDouble(fields.get("cpu_seconds"));
            wallSeconds += Double.parseDouble(fields.get("wall_seconds"));
            hours += Double.parseDouble(fields.get("sim_hours"));
            steps += Long.parseLong(fields.get("steps"));
            trace += Long.parseUnsignedLong(fields.get("trace"), 16);
        }
    }

    private final LinkedHashMap<String, Sums> scenarios = new LinkedHashMap<>();
    private long seeds;
    private long failed;
    private long golden;

    Tally(List<Scenario> scenarios) {
        scenarios.forEach(s -> this.scenarios.put(s.name(), new Sums()));
    }

    private Sums of(String scenario) {
        return scenarios.computeIfAbsent(scenario, name -> new Sums());
    }

    /** One simulation; the times include what was done to check it. */
    void add(Outcome o, boolean failure, double cpuSeconds, double wallSeconds) {
        Sums sums = of(o.scenario());
        sums.seeds++;
        sums.failed += failure ? 1 : 0;
        sums.cpuSeconds += cpuSeconds;
        sums.wallSeconds += wallSeconds;
        sums.hours += o.nanos() / 3.6e12;
        sums.steps += o.steps();
        long h = (o.seed() + 1) * 0x9E3779B97F4A7C15L ^ o.hash() ^ o.scenario().hashCode();
        h = (h ^ h >>> 30) * 0xBF58476D1CE4E5B9L;
        sums.trace += h ^ h >>> 31;
        o.probes().forEach((what, n) -> sums.probes.merge(what, n, Long::sum));
    }

    /** A seed has been run by all scenarios. */
    void seed(boolean failure) {
        seeds++;
        failed += failure ? 1 : 0;
    }

    /** A history of which nothing was wrong here has failed elsewhere. */
    void fail(String scenario) {
        of(scenario).failed++;
        failed++;
    }

    /** So many more histories are compared with other JVMs. */
    void golden(long histories) {
        golden += histories;
    }

    /** A line that another process has printed; false if it is none of a tally's. */
    boolean add(String line) {
        String[] words = line.split(" ", -1);
        switch (words[0]) {
            case PROBES ->
                    fields(words, 2)
                            .forEach((what, n) ->
                                    of(words[1]).probes.merge(what, Long.parseLong(n), Long::sum));
            case GOLDEN -> golden(Long.parseLong(fields(words, 1).get("histories")));
            case SCENARIO -> of(words[1]).add(fields(words, 2));
            case ALL -> {
                Map<String, String> fields = fields(words, 1);
                if (!fields.containsKey("trace")) {
                    return false;
                }
                seeds += Long.parseLong(fields.get("seeds"));
                failed += Long.parseLong(fields.get("failed"));
            }
            default -> {
                return false;
            }
        }
        return true;
    }

    private static Map<String, String> fields(String[] words, int from) {
        LinkedHashMap<String, String> fields = new LinkedHashMap<>();
        for (int i = from; i < words.length; i++) {
            int equals = words[i].indexOf('=');
            if (equals > 0) {
                fields.put(words[i].substring(0, equals), words[i].substring(equals + 1));
            }
        }
        return fields;
    }

    long seeds() {
        return seeds;
    }

    long failed() {
        return failed;
    }

    /** What a scenario has not reached, though after so many seeds it must. */
    List<String> missing(Scenario scenario) {
        Sums sums = of(scenario.name());
        List<String> must = new ArrayList<>();
        if (sums.seeds >= SOME) {
            must.addAll(scenario.mustReach());
        }
        if (sums.seeds >= MANY) {
            must.addAll(scenario.mustReachInMany());
        }
        must.removeIf(sums.probes::containsKey);
        return must;
    }

    /** All but the last line. */
    List<String> lines() {
        List<String> lines = new ArrayList<>();
        scenarios.forEach((name, sums) -> {
            StringBuilder probes = new StringBuilder(PROBES).append(' ').append(name);
            sums.probes.forEach((what, n) -> probes.append(' ').append(what).append('=').append(n));
            lines.add(probes.toString());
        });
        scenarios.forEach((name, sums) -> lines.add(sums.line(name)));
        if (golden > 0) {
            lines.add(GOLDEN + " histories=" + golden);
        }
        return lines;
    }

    String lastLine(double wallSeconds) {
        double hours = 0;
        long steps = 0;
        long trace = 0;
        long crashes = 0;
        for (Sums s : scenarios.values()) {
            crashes += s.probes.getOrDefault(CRASH, 0L);
            hours += s.hours;
            steps += s.steps;
            trace += s.trace;
        }
        return String.format(
                Locale.ROOT,
                "%s seeds=%d failed=%d sim_hours=%.4f wall_seconds=%.1f steps=%d crash_states=%d trace=%016x",
                ALL,
                seeds,
                failed,
                hours,
                wallSeconds,
                steps,
                crashes,
                trace);
    }
}
