package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Has a server take nothing of a PostgreSQL for now. */
@Command(
        name = "pause",
        mixinStandardHelpOptions = true,
        description = {
            "Takes no WAL of a followed PostgreSQL until source resume, over restarts of the page server too. What is here is read as before.",
            "The slot keeps WAL there meanwhile. One without a limit fills that disk in the end, and is refused without --i-accept; one with a limit is lost when it has kept so much."
        })
final class SourcePause implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private SourceOptions options = new SourceOptions();

    @Parameters(
            paramLabel = "SOURCE",
            description = "Its name, or the beginning of its branch's id.")
    private String name = "";

    @Option(
            names = "--i-accept",
            description = "Its slot may keep WAL until the source's disk is full.")
    private boolean accept;

    @Override
    public Integer call() throws InterruptedException {
        return set(spec, options, name, true, accept);
    }

    /** Also for the way back. */
    static int set(
            CommandSpec spec, SourceOptions options, String name, boolean paused, boolean accept)
            throws InterruptedException {
        PrintWriter out = spec.commandLine().getOut();
        try (ServerApi api = options.open()) {
            JsonNode source = options.source(api, name);
            ObjectNode body = Branches.body().put("paused", paused);
            if (accept) {
                body.put("accept_danger", true);
            }
            JsonNode now = api.call("PUT", SourceOptions.path(source) + "/paused", body.toString());
            if (options.json()) {
                ObjectNode o = Output.object();
                o.setAll((ObjectNode) now);
                Output.json(out, o);
                return Palimpsest.DONE;
            }
            out.println(
                    now.path("slot").asText()
                            + "  "
                            + (now.path("paused").asBoolean() ? "paused" : "followed again"));
            if (paused) {
                JsonNode slot = now.path("slot_status");
                spec.commandLine()
                        .getErr()
                        .println(
                                slot.isObject()
                                        ? "the slot keeps " + SourceStatus.kept(slot)
                                        : "the source does not say what its slot keeps: "
                                                + now.path("problem").asText());
            }
            return Palimpsest.DONE;
        }
    }
}
