package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Follows an operation to its end. */
@Command(
        name = "watch",
        mixinStandardHelpOptions = true,
        description = {
            "Tells how far an operation is until it is over. That this ends does not end the operation.",
            "Exit status 1 if the operation failed, or was cancelled."
        })
final class OperationWatch implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private ServerOptions server = new ServerOptions();

    @Parameters(paramLabel = "NUMBER", description = "As operation list shows it.")
    private long number;

    @Option(
            names = "--every",
            paramLabel = "SECONDS",
            defaultValue = "1",
            description = "Tell so often (default: ${DEFAULT-VALUE}).")
    private double seconds;

    @Option(names = "--json", description = "Each time a line with a JSON object.")
    private boolean json;

    @Override
    public Integer call() throws InterruptedException {
        PrintWriter out = spec.commandLine().getOut();
        try (ServerApi api = server.open()) {
            while (true) {
                JsonNode now = api.get("/v1/operation/" + number);
                String state = now.path("state").asText();
                if (json) {
                    out.println(OperationText.event(now));
                } else if (state.equals("running")) {
                    out.println(OperationText.progress(now));
                } else {
                    out.println(OperationList.end(now));
                }
                out.flush();
                if (!state.equals("running")) {
                    return state.equals("completed") ? Palimpsest.DONE : Palimpsest.FAILED;
                }
                Thread.sleep((long) (Math.clamp(seconds, 0.1, 3600) * 1000));
            }
        }
    }
}
