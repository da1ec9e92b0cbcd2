package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What a server does that takes long, and did. */
@Command(
        name = "list",
        aliases = "ls",
        mixinStandardHelpOptions = true,
        description = {
            "What somebody has asked a server for that takes long: imports, warm-ups, compactions, deletions and such, with how far they are.",
            "Those that are over are shown with --all, the last 200 since the server started."
        })
final class OperationList implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private ServerOptions server = new ServerOptions();

    @Option(names = "--all", description = "Those that are over, too.")
    private boolean all;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws InterruptedException {
        List<JsonNode> shown = new ArrayList<>();
        try (ServerApi api = server.open()) {
            for (JsonNode operation : api.get("/v1/operation")) {
                if (all || operation.path("state").asText().equals("running")) {
                    shown.add(operation);
                }
            }
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            ObjectNode o = Output.object();
            ArrayNode list = o.putArray("operations");
            shown.forEach(list::add);
            Output.json(out, o);
            return Palimpsest.DONE;
        }
        if (shown.isEmpty()) {
            spec.commandLine().getErr().println("palimpsest: nothing that takes long is going on");
            return Palimpsest.DONE;
        }
        Output.Table table = new Output.Table(">NUMBER", "KIND", "TENANT", "BRANCH", "HOW FAR");
        for (JsonNode o : shown) {
            table.row(
                    o.path("number").asText(),
                    OperationText.kind(o),
                    o.path("tenant_id").asText(),
                    o.path("timeline_id").asText("all"),
                    o.path("state").asText().equals("running")
                            ? OperationText.progress(o)
                            : end(o));
        }
        table.print(out);
        return Palimpsest.DONE;
    }

    /** Of one that is over. */
    static String end(JsonNode operation) {
        String took = SourceStatus.duration(Math.round(operation.path("seconds").asDouble()));
        String failure = operation.path("failure").asText();
        return switch (operation.path("state").asText()) {
            case "completed" -> "done in " + took;
            case "cancelled" ->
                    "cancelled after " + took + (failure.isEmpty() ? "" : ": " + failure);
            default -> "failed after " + took + ": " + failure;
        };
    }
}
