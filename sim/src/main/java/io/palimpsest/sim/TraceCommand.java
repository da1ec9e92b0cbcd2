package io.palimpsest.sim;

import io.palimpsest.sim.workload.Scenarios;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.io.PrintStream;
import java.util.function.Function;

/**
 * Runs single histories and says what their traces are, for the JVM that has started this one
 * ({@link OtherJvm}).
 *
 * <pre>
 *   trace (SCENARIO SEED)...
 * </pre>
 */
final class TraceCommand {
    private static final long PATIENCE_MILLIS = 60_000;

    private TraceCommand() {}

    /** The exit status. */
    static int run(String[] args, PrintStream out) {
        return run(args, out, name -> Scenarios.named(name).getFirst());
    }

    /** The same with other scenarios. */
    static int run(String[] args, PrintStream out, Function<String, Scenario> scenarios) {
        if (args.length % 2 == 0) {
            out.println("trace: expected pairs of a scenario and a seed");
            return 2;
        }
        for (int i = 1; i < args.length; i += 2) {
            Scenario scenario;
            long seed;
            try {
                scenario = scenarios.apply(args[i]);
                seed = Long.parseLong(args[i + 1]);
            } catch (IllegalArgumentException e) {
                out.println("trace: " + e.getMessage());
                return 2;
            }
            out.println(
                    OtherJvm.traceLine(
                            History.of(Simulation.run(scenario, seed, PATIENCE_MILLIS))));
            out.flush();
        }
        return 0;
    }
}
