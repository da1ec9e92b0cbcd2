package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.timeline.WalSource;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Has a branch follow its PostgreSQL at another address, as after a failover. */
@Command(
        name = "move",
        mixinStandardHelpOptions = true,
        description = {
            "Follows a PostgreSQL at another address from now on: a standby that took over, or the same server elsewhere.",
            "It is checked first, as by source check. The slot has the same name there, and must be there: on a standby it can be made beforehand.",
            "If the new server lacks what is here, nothing of it is taken, and source status says so: source rewind goes on then.",
            Conninfo.HELP
        })
final class SourceMove implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private SourceOptions options = new SourceOptions();

    @Parameters(
            index = "0",
            paramLabel = "SOURCE",
            description = "Its name, or the beginning of its branch's id.")
    private String name = "";

    @Parameters(
            index = "1",
            paramLabel = "CONNINFO",
            description =
                    "Where it is: 'host=... port=... user=...', or postgresql://USER@HOST:PORT.")
    private String conninfo = "";

    @Option(names = "--i-accept", description = "Follow it whatever source check says of it.")
    private boolean accepted;

    @Override
    public Integer call() throws InterruptedException {
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        try (ServerApi api = options.open()) {
            JsonNode source = options.source(api, name);
            WalSource to = Conninfo.parse(conninfo, source.path("slot").asText(), System.getenv());
            String body = SourceOptions.body(to).toString();
            JsonNode check = api.call("POST", "/v1/source/check", body);
            String verdict = check.path("verdict").asText();
            if (!verdict.equals("good")) {
                SourceOptions.print(err, check.path("findings"));
            }
            if (!verdict.equals("good") && !verdict.equals("warning") && !accepted) {
                throw PageserverException.of(
                        ErrorCode.PRECONDITION_FAILED,
                        "%s:%d cannot be followed as it is, or could be harmed: put that right, or accept it by --i-accept",
                        to.host(),
                        to.port());
            }
            JsonNode _ = api.call("PUT", SourceOptions.path(source), body);
            String id = source.path("timeline_id").asText();
            if (options.json()) {
                ObjectNode o = Output.object().put("timeline_id", id).put("slot", to.slot());
                Output.json(out, o.put("host", to.host()).put("port", to.port()));
            } else {
                out.println(
                        "source  "
                                + to.slot()
                                + ", "
                                + to.user()
                                + "@"
                                + to.host()
                                + ":"
                                + to.port());
                out.println("id      " + id);
                out.println("next    palimpsest source status " + name);
            }
            return Palimpsest.DONE;
        }
    }
}
