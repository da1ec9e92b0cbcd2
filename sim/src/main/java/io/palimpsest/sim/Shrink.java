package io.palimpsest.sim;

import io.palimpsest.sim.world.Fault;
import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.sim.world.Simulation.Inspection;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Finds few faults that make a run fail as it did with many: first it tries without any, then
 * without each kind, then without ever smaller parts of what is left, until none can be spared or
 * the time is over. Without a fault all that follows may be another history, so what is found is a
 * failure of the same sort, and none of its faults can be left out by itself.
 */
final class Shrink {
    private final Scenario scenario;
    private final long patienceMillis;
    private final long deadline;
    private final String sort;
    private Outcome best;

    private Shrink(Scenario scenario, Outcome failed, long patienceMillis, long millis) {
        this.scenario = scenario;
        this.patienceMillis = patienceMillis;
        this.best = failed;
        this.sort = sort(failed);
        this.deadline = System.nanoTime() + millis * 1_000_000;
    }

    /** The same run with few faults; the one that was given if none can be spared in time. */
    static Outcome run(Scenario scenario, Outcome failed, long patienceMillis, long millis) {
        Shrink shrink = new Shrink(scenario, failed, patienceMillis, millis);
        if (!shrink.fails(List.of())) {
            shrink.withoutKinds();
            shrink.withoutParts();
        }
        return shrink.best;
    }

    /** What was violated, without what differs from run to run. */
    private static String sort(Outcome outcome) {
        Outcome.Failure failure = outcome.failure();
        String letters = failure == null ? "" : failure.what().replaceAll("[^a-zA-Z ]+", "");
        return letters.substring(0, Math.min(48, letters.length()));
    }

    private boolean timeIsOver() {
        return System.nanoTime() > deadline;
    }

    /** Does it still fail if only these may strike? Then they are the best so far. */
    private boolean fails(List<Fault> only) {
        Outcome outcome =
                Simulation.run(
                        scenario,
                        best.seed(),
                        patienceMillis,
                        new Inspection(FailingPlan.numbers(only), false));
        Outcome.Failure failure = outcome.failure();
        boolean same = failure != null && !failure.blocked() && sort(outcome).equals(sort);
        if (same) {
            best = outcome;
        }
        return same;
    }

    private void withoutKinds() {
        Map<String, List<Fault>> kinds = new LinkedHashMap<>();
        for (Fault fault : best.faults()) {
            kinds.computeIfAbsent(kind(fault), _ -> new ArrayList<>()).add(fault);
        }
        for (String kind : kinds.keySet()) {
            List<Fault> others = new ArrayList<>(best.faults());
            others.removeIf(fault -> kind(fault).equals(kind));
            if (timeIsOver()) {
                return;
            }
            boolean _ = others.size() < best.faults().size() && fails(others);
        }
    }

    private static String kind(Fault fault) {
        int colon = fault.what().indexOf(':');
        return fault.where() + " " + (colon < 0 ? fault.what() : fault.what().substring(0, colon));
    }

    /** Leaves out a half, a quarter, ... one by one. */
    private void withoutParts() {
        int part = Math.max(1, best.faults().size() / 2);
        while (!timeIsOver() && !best.faults().isEmpty()) {
            boolean spared = false;
            for (int from = 0; from < best.faults().size() && !timeIsOver(); ) {
                List<Fault> others = new ArrayList<>(best.faults());
                others.subList(from, Math.min(others.size(), from + part)).clear();
                if (fails(others)) {
                    spared = true;
                } else {
                    from += part;
                }
            }
            if (part == 1 && !spared) {
                return;
            }
            part =
                    spared
                            ? Math.min(part, Math.max(1, best.faults().size() / 2))
                            : Math.max(1, part / 2);
        }
    }
}
