package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Is a server ready for clients? For scripts, units and images. */
@Command(
        name = "ready",
        mixinStandardHelpOptions = true,
        description =
                "Says whether a running page server is ready for clients: exit status 0 if it is, 1 if it says it is not, 7 if it does not answer.")
final class Ready implements Callable<Integer> {
    private static final long PAUSE_MILLIS = 250;

    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private ServerOptions server = new ServerOptions();

    @Option(
            names = "--wait",
            paramLabel = "SECONDS",
            defaultValue = "0",
            description = "Wait so long for it to become ready.")
    private int seconds;

    @Option(names = "--json", description = "What was looked at, as JSON.")
    private boolean json;

    @Override
    public Integer call() throws InterruptedException {
        PrintWriter out = spec.commandLine().getOut();
        long deadline = System.nanoTime() + seconds * 1_000_000_000L;
        try (ServerApi api = server.open()) {
            while (true) {
                int status;
                String why;
                try {
                    JsonNode answer = api.get("/readyz?verbose");
                    out.println(json ? answer.toString() : "ready");
                    return Palimpsest.DONE;
                } catch (PageserverException e) {
                    why = String.valueOf(e.getMessage());
                    status = e.code() == ErrorCode.IO ? Palimpsest.UNREACHABLE : Palimpsest.FAILED;
                }
                if (System.nanoTime() >= deadline) {
                    if (json) {
                        out.println(
                                JsonNodeFactory.instance
                                        .objectNode()
                                        .put("ready", false)
                                        .put("msg", why));
                    } else {
                        spec.commandLine().getErr().println("palimpsest: " + why);
                    }
                    return status;
                }
                Thread.sleep(PAUSE_MILLIS);
            }
        }
    }
}
