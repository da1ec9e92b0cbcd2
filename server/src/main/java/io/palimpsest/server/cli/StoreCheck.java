package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.server.store.StoreConnection;
import io.palimpsest.server.store.StoreProbe;
import java.io.PrintWriter;
import java.security.SecureRandom;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Tries whether an object store can be used, and says what is in the way. */
@Command(
        name = "check",
        mixinStandardHelpOptions = true,
        description = {
            "Tries each thing that a page server does with its object store, on objects of its own below palimpsest-store-check/, which it deletes.",
            "Says which identity is used, never its secret, and which permission is missing."
        })
final class StoreCheck implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private StoreOptions store = new StoreOptions();

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        try (StoreConnection connection = store.open()) {
            List<StoreProbe.Step> steps =
                    StoreProbe.run(
                            connection.store(),
                            connection.versions(),
                            connection.leftOvers(),
                            new SecureRandom());
            print(connection, steps);
            return usable(steps) ? Palimpsest.DONE : Palimpsest.FAILED;
        }
    }

    private static boolean usable(List<StoreProbe.Step> steps) {
        return steps.stream().allMatch(step -> step.good() || !step.needed());
    }

    private void print(StoreConnection connection, List<StoreProbe.Step> steps) {
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            ObjectNode object = Output.object();
            object.put("kind", connection.kind());
            object.put("location", connection.location());
            object.put("identity", connection.identity());
            object.put("usable", usable(steps));
            ArrayNode list = object.putArray("steps");
            for (StoreProbe.Step s : steps) {
                ObjectNode step =
                        list.addObject()
                                .put("what", s.what())
                                .put("needed", s.needed())
                                .put("good", s.good());
                if (!s.good()) {
                    step.put("code", String.valueOf(s.code())).put("problem", s.problem());
                }
            }
            Output.json(out, object);
            return;
        }
        out.println("kind      " + connection.kind());
        out.println("location  " + connection.location());
        out.println("identity  " + connection.identity());
        for (StoreProbe.Step s : steps) {
            String problem = (s.needed() ? "" : "no, not needed: ") + s.code() + ": " + s.problem();
            out.printf("%-24s %s%n", s.what(), s.good() ? "good" : problem);
        }
    }
}
