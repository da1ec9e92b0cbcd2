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

/** Has an operation stop. */
@Command(
        name = "cancel",
        mixinStandardHelpOptions = true,
        description = {
            "Has an operation stop where it can leave nothing behind, and waits until it has.",
            "Whoever waits for what it would have made is told that it was cancelled.",
            "One that is over, or has come too far to be stopped, is left alone: exit status 4."
        })
final class OperationCancel implements Callable<Integer> {
    private static final long PAUSE_MILLIS = 200;

    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private ServerOptions server = new ServerOptions();

    @Parameters(paramLabel = "NUMBER", description = "As operation list shows it.")
    private long number;

    @Option(names = "--no-wait", description = "Do not wait until it has stopped.")
    private boolean noWait;

    @Option(names = "--json", description = "Print one JSON object: how it is then.")
    private boolean json;

    @Override
    public Integer call() throws InterruptedException {
        PrintWriter out = spec.commandLine().getOut();
        try (ServerApi api = server.open()) {
            String path = "/v1/operation/" + number;
            JsonNode now = api.call("DELETE", path, "");
            while (!noWait && running(now)) {
                Thread.sleep(PAUSE_MILLIS);
                now = api.get(path);
            }
            out.println(
                    json
                            ? now.toString()
                            : running(now) ? OperationText.progress(now) : OperationList.end(now));
            return running(now) || now.path("state").asText().equals("cancelled")
                    ? Palimpsest.DONE
                    : Palimpsest.FAILED;
        }
    }

    private static boolean running(JsonNode operation) {
        return operation.path("state").asText().equals("running");
    }
}
