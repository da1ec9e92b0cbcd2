package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Lists what a server follows. */
@Command(
        name = "list",
        aliases = "ls",
        mixinStandardHelpOptions = true,
        description = "Lists the PostgreSQLs that a running page server follows.")
final class SourceList implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private SourceOptions options = new SourceOptions();

    @Override
    public Integer call() throws InterruptedException {
        List<JsonNode> sources;
        try (ServerApi api = options.open()) {
            sources = options.sources(api);
        }
        PrintWriter out = spec.commandLine().getOut();
        if (options.json()) {
            ObjectNode o = Output.object();
            ArrayNode list = o.putArray("sources");
            sources.forEach(list::add);
            Output.json(out, o);
            return Palimpsest.DONE;
        }
        Output.Table table = new Output.Table("SOURCE", "BRANCH", "ID", "SERVER", "STATE");
        for (JsonNode s : sources) {
            table.row(
                    s.path("slot").asText(),
                    s.path("name").asText("-"),
                    s.path("timeline_id").asText(),
                    SourceStatus.server(s),
                    s.path("walreceiver_status").asText());
        }
        table.print(out);
        return Palimpsest.DONE;
    }
}
