package io.palimpsest.sim;

import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation.Inspection;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A few of the histories of a run, spread over its seeds and scenarios, which other JVMs must find
 * the same ({@link OtherJvm}). Of one that differs both stories are written, and it is told where
 * they part.
 */
final class GoldenSeeds {
    private final long patienceMillis;
    private final @Nullable Path directory;
    private final String main;

    /** By {@link History#key}; null until it was run here, and if that has failed. */
    private final TreeMap<String, @Nullable History> chosen = new TreeMap<>();

    private final TreeMap<String, Scenario> scenarios = new TreeMap<>();

    /**
     * @param main the class that other JVMs run
     */
    GoldenSeeds(Options options, String main) {
        patienceMillis = options.patienceMillis();
        directory = options.plans();
        this.main = main;
        int kinds = options.scenarios().size();
        int turn = Math.toIntExact(Math.floorMod(options.seed(), (long) kinds));
        for (int k = 0; k < options.golden(); k++) {
            Scenario scenario = options.scenarios().get((turn + k) % kinds);
            long at = options.surelyRun() * k / options.golden();
            for (long i = 0; i < options.surelyRun(); i++) {
                long seed = options.seed() + (at + i) % options.surelyRun();
                if (options.of(seed).contains(scenario) && choose(scenario, seed)) {
                    break;
                }
            }
        }
    }

    private boolean choose(Scenario scenario, long seed) {
        String key = new History(scenario.name(), seed, 0, 0).key();
        if (chosen.containsKey(key)) {
            return false;
        }
        chosen.put(key, null);
        scenarios.put(scenario.name(), scenario);
        return true;
    }

    /** It was run here and has not failed. */
    void ran(Outcome outcome) {
        History h = History.of(outcome);
        if (chosen.containsKey(h.key())) {
            chosen.put(h.key(), h);
        }
    }

    /** One that other JVMs do not find the same, and all there is to say of it. */
    record Mismatch(String scenario, String report) {}

    /** Compares those that were run with what each kind of other JVM makes of its share. */
    List<Mismatch> compare() throws IOException, InterruptedException {
        List<History> here = new ArrayList<>();
        for (History h : chosen.values()) {
            if (h != null) {
                here.add(h);
            }
        }
        List<Mismatch> mismatches = new ArrayList<>();
        for (int kind = 0; kind < OtherJvm.kinds(); kind++) {
            List<History> share = new ArrayList<>();
            for (int i = kind; i < here.size(); i += OtherJvm.kinds()) {
                share.add(here.get(i));
            }
            if (share.isEmpty()) {
                continue;
            }
            OtherJvm other = new OtherJvm(kind, main);
            Map<String, History> there = other.run(share);
            for (History h : share) {
                History o = there.get(h.key());
                if (!h.equals(o)) {
                    mismatches.add(new Mismatch(h.scenario(), report(h, o, other)));
                }
            }
        }
        return mismatches;
    }

    /** So many have been compared, or are to be. */
    long count() {
        return chosen.values().stream().filter(h -> h != null).count();
    }

    private String report(History here, @Nullable History there, OtherJvm other)
            throws IOException, InterruptedException {
        Path first = file(directory, here, "here");
        Path second = file(directory, here, "there");
        Outcome _ =
                Story.write(
                        Objects.requireNonNull(scenarios.get(here.scenario())),
                        here.seed(),
                        patienceMillis,
                        Inspection.NONE,
                        first);
        other.story(here, second);
        return unequal(here, there, "in another JVM")
                + parting(first, second)
                + replay(here, "", first)
                + replay(here, " " + other.makeOptions(), second);
    }

    /** Two runs in this JVM were not equal: a report, with their stories as they go again. */
    static String unequalHere(Scenario scenario, Outcome a, Outcome b, Options options)
            throws IOException {
        History once = History.of(a);
        List<Path> files = new ArrayList<>();
        for (String time : List.of("once", "again")) {
            Path file = file(options.plans(), once, time);
            Outcome _ =
                    Story.write(
                            scenario, a.seed(), options.patienceMillis(), Inspection.NONE, file);
            files.add(file);
        }
        return unequal(once, History.of(b), "again in this JVM")
                + parting(files.getFirst(), files.getLast())
                + a.replay();
    }

    private static Path file(@Nullable Path directory, History history, String which)
            throws IOException {
        Path to = directory == null ? Files.createTempDirectory("sim-story") : directory;
        String name = Path.of(history.scenario()).getFileName().toString().replace(".toml", "");
        return to.resolve(name + "-" + history.seed() + "-" + which + ".story");
    }

    private static String unequal(History here, @Nullable History there, String where) {
        return String.format(
                Locale.ROOT,
                "seed %d, scenario %s: two runs of the seed differ: %d steps with trace %016x,"
                        + " %s %d steps with trace %016x%n",
                here.seed(),
                here.scenario(),
                here.steps(),
                here.hash(),
                where,
                there == null ? 0 : there.steps(),
                there == null ? 0 : there.hash());
    }

    private static String parting(Path first, Path second) throws IOException {
        Story.Difference difference = Story.firstDifference(first, second);
        return (difference == null
                        ? "  but their stories are equal: what differs was not so again"
                        : difference.told("one", "the other"))
                + "\n  stories: "
                + first
                + " "
                + second
                + "\n";
    }

    private static String replay(History history, String options, Path story) {
        return "  replay: make sim SCENARIO="
                + history.scenario()
                + " SEED="
                + history.seed()
                + options
                + " STORY="
                + story
                + "\n";
    }
}
