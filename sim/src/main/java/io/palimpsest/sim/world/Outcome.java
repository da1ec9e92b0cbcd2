package io.palimpsest.sim.world;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How a simulation ended.
 *
 * @param hash of its trace
 * @param steps how often a task was picked to run
 * @param nanos virtual time that passed
 * @param probes how often which interesting thing happened, see {@link Simulation#probe}
 * @param faults that have struck, in order of time
 * @param recording null unless it was asked for
 * @param failure null if all went well
 */
public record Outcome(
        String scenario,
        long seed,
        long hash,
        long steps,
        long nanos,
        Map<String, Long> probes,
        List<Fault> faults,
        @Nullable Recording recording,
        @Nullable Failure failure) {
    /**
     * What went wrong, in words.
     *
     * @param cause what was thrown, if anything was
     * @param tasks those alive, and where they wait
     * @param events the last ones, oldest first
     * @param blocked a task keeps the processor that all tasks share: nothing more can be simulated
     *     in this JVM
     */
    public record Failure(
            String what,
            @Nullable Throwable cause,
            List<String> tasks,
            List<String> events,
            boolean blocked) {}

    /** Throws an AssertionError that says all there is to know, if it failed. */
    public void check() {
        if (failure != null) {
            AssertionError e = new AssertionError(report());
            e.initCause(failure.cause());
            throw e;
        }
    }

    /** The failure and the command that replays it, for people. */
    public String report() {
        Failure f = failure;
        if (f == null) {
            return "seed " + seed + ": no failure";
        }
        StringBuilder out = new StringBuilder();
        out.append("seed ").append(seed).append(", scenario ").append(scenario).append(": ");
        out.append(f.what()).append('\n');
        out.append(
                String.format(
                        Locale.ROOT,
                        "  after %d steps, %.6f virtual seconds%n",
                        steps,
                        nanos / 1e9));
        if (!f.events().isEmpty()) {
            out.append("  last events:\n");
            f.events().forEach(e -> out.append("    ").append(e).append('\n'));
        }
        if (!f.tasks().isEmpty()) {
            out.append("  tasks:\n");
            f.tasks().forEach(t -> out.append("    ").append(t).append('\n'));
        }
        return out.append(replay()).toString();
    }

    /** The command that does it again, as the last line of a report. */
    public String replay() {
        return "  replay: make sim SCENARIO=" + scenario + " SEED=" + seed;
    }
}
