package io.palimpsest.sim;

import io.palimpsest.sim.world.Fault;
import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Simulation.Inspection;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SortedSet;
import java.util.TreeSet;
import org.tomlj.Toml;
import org.tomlj.TomlArray;
import org.tomlj.TomlParseResult;

/**
 * A run that fails, and the faults that it takes, as a file:
 *
 * <pre>
 *   scenario = "split-brain"
 *   seed = 14
 *   commit = "33b1f4d"
 *   violated = "what was violated"
 *   faults = [3, 17]
 * </pre>
 *
 * With comments that say what the faults are. Faults that are not named do not strike.
 *
 * @param commit of the sources it was found with; empty if not known
 * @param faults by number, see {@link Fault}
 */
record FailingPlan(String scenario, long seed, String commit, String violated, List<Fault> faults) {
    FailingPlan {
        faults = List.copyOf(faults);
    }

    static FailingPlan of(Outcome failed, String commit) {
        Outcome.Failure failure = failed.failure();
        return new FailingPlan(
                failed.scenario(),
                failed.seed(),
                commit,
                failure == null ? "" : failure.what(),
                failed.faults());
    }

    static SortedSet<Integer> numbers(List<Fault> faults) {
        TreeSet<Integer> numbers = new TreeSet<>();
        faults.forEach(fault -> numbers.add(fault.number()));
        return numbers;
    }

    Inspection inspection(boolean records) {
        return new Inspection(numbers(faults), records);
    }

    /** Puts it into the directory; answers its path. */
    Path write(Path directory) throws IOException {
        StringBuilder s = new StringBuilder();
        s.append(
                "# A simulated history that fails. Faults that are not named here do not strike.\n");
        s.append("# Replay: make sim PLAN=<this file>   Look: make sim-explain PLAN=<this file>\n");
        s.append("scenario = ").append(quoted(scenario)).append('\n');
        s.append("seed = ").append(seed).append('\n');
        s.append("commit = ").append(quoted(commit)).append('\n');
        s.append("violated = ").append(quoted(violated)).append('\n');
        s.append("faults = [\n");
        for (Fault fault : faults) {
            s.append(
                    String.format(
                            Locale.ROOT,
                            "    %d, # %.6f s, %s: %s%n",
                            fault.number(),
                            fault.nanos() / 1e9,
                            fault.where(),
                            fault.what().replace('\n', ' ')));
        }
        s.append("]\n");
        Files.createDirectories(directory);
        String name = Path.of(scenario).getFileName().toString().replace(".toml", "");
        return Files.writeString(directory.resolve(name + "-" + seed + ".toml"), s.toString());
    }

    private static String quoted(String text) {
        StringBuilder s = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"', '\\' -> s.append('\\').append(c);
                case '\n' -> s.append("\\n");
                default -> s.append(c < ' ' ? ' ' : c);
            }
        }
        return s.append('"').toString();
    }

    /** An IllegalArgumentException says what is wrong with the file. */
    static FailingPlan read(Path path) {
        TomlParseResult parsed;
        try {
            parsed = Toml.parse(Files.readString(path));
        } catch (IOException e) {
            throw new IllegalArgumentException("expected a plan in " + path + ", found " + e, e);
        }
        if (parsed.hasErrors()) {
            throw new IllegalArgumentException(path + ": " + parsed.errors().getFirst());
        }
        if (!(parsed.get("scenario") instanceof String scenario)
                || !(parsed.get("seed") instanceof Long seed)
                || !(parsed.get("faults") instanceof TomlArray numbers)) {
            throw new IllegalArgumentException(
                    path + ": expected scenario, seed and faults, found " + parsed.keySet());
        }
        List<Fault> faults = new ArrayList<>();
        for (Object number : numbers.toList()) {
            if (!(number instanceof Long n) || n < 0 || n > Integer.MAX_VALUE) {
                throw new IllegalArgumentException(
                        path + ": expected numbers of faults, found " + number);
            }
            faults.add(new Fault(Math.toIntExact(n), 0, "", ""));
        }
        return new FailingPlan(
                scenario,
                seed,
                parsed.getString("commit", () -> ""),
                parsed.getString("violated", () -> ""),
                faults);
    }
}
