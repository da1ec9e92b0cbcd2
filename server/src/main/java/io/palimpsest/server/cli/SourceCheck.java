package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Says whether a PostgreSQL can be followed, and whether that is safe for it. */
@Command(
        name = "check",
        mixinStandardHelpOptions = true,
        description = {
            "Says whether the server can follow a PostgreSQL, and whether that could harm it; nothing is changed there.",
            "Exit status 4 if it cannot, or could be harmed.",
            Conninfo.HELP
        })
final class SourceCheck implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private SourceOptions options = new SourceOptions();

    @Parameters(
            paramLabel = "SOURCE|CONNINFO",
            description =
                    "One that is followed, by its name; or 'host=... port=... user=...', or postgresql://USER@HOST:PORT.")
    private String source = "";

    @Option(
            names = "--slot",
            paramLabel = "SLOT",
            defaultValue = "palimpsest",
            description =
                    "The slot's name, of a source that is not followed yet (default: ${DEFAULT-VALUE}).")
    private String slot = "";

    @Option(names = "--i-accept", description = "What could harm the source is accepted.")
    private boolean accepted;

    @Override
    public Integer call() throws InterruptedException {
        PrintWriter out = spec.commandLine().getOut();
        JsonNode check;
        try (ServerApi api = options.open()) {
            check =
                    source.contains("=") || source.contains("://")
                            ? api.call(
                                    "POST",
                                    "/v1/source/check",
                                    SourceOptions.body(
                                                    Conninfo.parse(source, slot, System.getenv()))
                                            .toString())
                            : api.get(SourceOptions.path(options.source(api, source)));
        }
        String problem = check.path("problem").asText();
        if (!problem.isEmpty() && check.path("findings").isEmpty()) {
            throw new PageserverException(ErrorCode.PRECONDITION_FAILED, problem);
        }
        if (options.json()) {
            ObjectNode o = Output.object();
            o.set("verdict", check.path("verdict"));
            o.set("findings", check.path("findings"));
            Output.json(out, o);
        } else {
            SourceOptions.print(out, check.path("findings"));
        }
        return switch (check.path("verdict").asText()) {
            case "good", "warning" -> Palimpsest.DONE;
            case "dangerous" -> accepted ? Palimpsest.DONE : Palimpsest.CONFLICT;
            default -> Palimpsest.CONFLICT;
        };
    }
}
