package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Has a server follow a PostgreSQL no longer. */
@Command(
        name = "drop",
        aliases = "rm",
        mixinStandardHelpOptions = true,
        description = {
            "Follows a PostgreSQL no longer, and drops its replication slot there, which would keep WAL for nobody. It says what would happen; --yes does it, or the name typed on a terminal.",
            "The branch stays, with all that it has, and gets nothing new: it cannot follow that PostgreSQL again.",
            "Exit status 1 if the slot could not be dropped: then somebody has to do it there."
        })
final class SourceDrop implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private SourceOptions options = new SourceOptions();

    @Parameters(
            paramLabel = "SOURCE",
            description = "Its name, or the beginning of its branch's id.")
    private String name = "";

    @Mixin private Consent consent = new Consent();

    @Override
    public Integer call() throws InterruptedException {
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        try (ServerApi api = options.open()) {
            JsonNode source = options.source(api, name);
            String slot = source.path("slot").asText();
            if (!options.json()) {
                out.println(
                        (consent.given() ? "drops  " : "would drop  ")
                                + slot
                                + ", "
                                + SourceStatus.server(source)
                                + "; branch "
                                + source.path("timeline_id").asText()
                                + " stays");
            }
            String problem = null;
            boolean really = consent.given(slot);
            if (really) {
                JsonNode removed = api.call("DELETE", SourceOptions.path(source), "");
                problem =
                        removed.path("slot_dropped").asBoolean()
                                ? null
                                : removed.path("problem").asText();
            }
            if (options.json()) {
                ObjectNode o = Output.object();
                o.put("slot", slot).put("timeline_id", source.path("timeline_id").asText());
                o.put("dropped", really).put("slot_dropped", really && problem == null);
                Output.json(out, o);
            }
            if (problem != null) {
                err.println(
                        "palimpsest: slot "
                                + slot
                                + " is still there and keeps WAL for nobody; there: SELECT pg_drop_replication_slot('"
                                + slot
                                + "'): "
                                + problem);
                return Palimpsest.FAILED;
            }
            return consent.status(really, "nothing was dropped");
        }
    }
}
