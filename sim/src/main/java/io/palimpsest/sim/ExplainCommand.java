package io.palimpsest.sim;

import io.palimpsest.sim.workload.Scenarios;
import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.sim.world.Simulation.Inspection;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Writes what happens in one run as a page to look at ({@link ExplainPage}).
 *
 * <pre>
 *   explain (--plan FILE | --scenario NAME --seed N) [--out FILE.html]
 * </pre>
 */
final class ExplainCommand {
    private static final long PATIENCE_MILLIS = 20_000;

    private ExplainCommand() {}

    /** The exit status. */
    static int run(String[] args, PrintStream out) throws IOException {
        String scenario = "";
        long seed = 1;
        FailingPlan plan = null;
        Path page = null;
        try {
            for (Map.Entry<String, String> option : Arguments.of(args).entrySet()) {
                String value = option.getValue();
                switch (option.getKey()) {
                    case "--scenario" -> scenario = value;
                    case "--seed" -> seed = Long.parseLong(value);
                    case "--plan" -> plan = FailingPlan.read(Path.of(value));
                    case "--out" -> page = Path.of(value);
                    default ->
                            throw new IllegalArgumentException("unknown option " + option.getKey());
                }
            }
            Outcome outcome = recorded(scenario, seed, plan);
            Path to =
                    page == null
                            ? Path.of("sim-" + outcome.scenario() + "-" + outcome.seed() + ".html")
                            : page;
            Path above = to.toAbsolutePath().getParent();
            if (above != null) {
                Files.createDirectories(above);
            }
            Files.writeString(to, ExplainPage.of(outcome));
            Outcome.Failure failure = outcome.failure();
            out.println(
                    "explain: " + to + ", " + (failure == null ? "it went well" : failure.what()));
            return 0;
        } catch (IllegalArgumentException e) {
            out.println(
                    "explain: "
                            + e.getMessage()
                            + "; usage: explain (--plan FILE | --scenario NAME --seed N)"
                            + " [--out FILE.html]");
            return 2;
        }
    }

    private static Outcome recorded(String scenario, long seed, @Nullable FailingPlan plan) {
        return plan == null
                ? Simulation.run(
                        Scenarios.named(scenario).getFirst(),
                        seed,
                        PATIENCE_MILLIS,
                        new Inspection(null, true))
                : Simulation.run(
                        Scenarios.named(plan.scenario()).getFirst(),
                        plan.seed(),
                        PATIENCE_MILLIS,
                        plan.inspection(true));
    }
}
