package io.palimpsest.sim;

import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.sim.world.Simulation.Inspection;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * A whole run as lines of a file: each step, with who made it and when, and below it what was done
 * in it. Two runs of a seed that are not equal have stories, of which the first difference says
 * where they part.
 */
final class Story {
    private static final String STEP = "step ";
    private static final String NOTHING = "(nothing more)";

    /** Lines before the difference that are told. */
    private static final int BEFORE = 5;

    private Story() {}

    /** Runs it and writes what happens. */
    static Outcome write(
            Scenario scenario, long seed, long patienceMillis, Inspection inspection, Path file)
            throws IOException {
        Path above = file.toAbsolutePath().getParent();
        if (above != null) {
            Files.createDirectories(above);
        }
        try (Writer out = Files.newBufferedWriter(file)) {
            Outcome outcome =
                    Simulation.run(
                            scenario,
                            seed,
                            patienceMillis,
                            inspection.telling(line -> append(out, line)));
            append(
                    out,
                    String.format(
                            Locale.ROOT,
                            "end after %d steps, %d ns: trace %016x%s",
                            outcome.steps(),
                            outcome.nanos(),
                            outcome.hash(),
                            outcome.failure() == null ? "" : ", " + outcome.failure().what()));
            return outcome;
        }
    }

    private static void append(Writer out, String line) {
        try {
            // One line for each thing, whatever a message has in it.
            out.write(line.replace('\n', ' '));
            out.write('\n');
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Where two stories part.
     *
     * @param line the number of the first one that differs, from 1
     * @param step the step it is in, or is; empty before the first one
     * @param before the lines before it, which are the same in both
     * @param first the line of the first story
     * @param second that of the second one
     */
    record Difference(long line, String step, String before, String first, String second) {
        /** For people, with what the two stories are called. */
        String told(String firstName, String secondName) {
            return "  they part at line "
                    + line
                    + (step.isEmpty() ? "" : ", in " + step)
                    + "\n"
                    + before
                    + "    "
                    + firstName
                    + ": "
                    + first.strip()
                    + "\n    "
                    + secondName
                    + ": "
                    + second.strip();
        }
    }

    /** Null if they are equal. */
    static @Nullable Difference firstDifference(Path first, Path second) throws IOException {
        try (BufferedReader a = Files.newBufferedReader(first);
                BufferedReader b = Files.newBufferedReader(second)) {
            ArrayDeque<String> before = new ArrayDeque<>();
            String step = "";
            for (long number = 1; ; number++) {
                String x = a.readLine();
                String y = b.readLine();
                if (x == null && y == null) {
                    return null;
                }
                if (x == null || !x.equals(y)) {
                    StringBuilder same = new StringBuilder();
                    before.forEach(l -> same.append("      ").append(l).append('\n'));
                    return new Difference(
                            number,
                            isStep(x) && isStep(y) ? step(x) : step,
                            same.toString(),
                            x == null ? NOTHING : x,
                            y == null ? NOTHING : y);
                }
                if (isStep(x)) {
                    step = step(x);
                }
                before.addLast(x);
                if (before.size() > BEFORE) {
                    before.removeFirst();
                }
            }
        }
    }

    private static boolean isStep(@Nullable String line) {
        return line != null && line.startsWith(STEP);
    }

    /** Without when and who, which may be what differs. */
    private static String step(String line) {
        int end = line.indexOf(" at ");
        return end < 0 ? line : line.substring(0, end);
    }
}
