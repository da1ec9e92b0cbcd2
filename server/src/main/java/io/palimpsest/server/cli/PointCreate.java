package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Label;
import io.palimpsest.base.PageserverException;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Gives a point of a branch's history a name. */
@Command(
        name = "create",
        mixinStandardHelpOptions = true,
        description = {
            "Gives a point of a branch's history a name, to come back to: BRANCH@NAME.",
            "A name alone keeps no history; --pin does."
        })
final class PointCreate implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(
            paramLabel = "NAME",
            description = "Letters, digits, _ . and -, a letter or _ first.")
    private String name = "";

    @Option(
            names = "--from",
            paramLabel = "BRANCH[@POINT]",
            description = "Which point: by default the latest, of the only branch.")
    private String from = "";

    @Option(names = "--pin", description = "Have it stay readable, for ever, or see --keep.")
    private boolean pin;

    @Option(
            names = "--keep",
            paramLabel = "TIME",
            converter = KeepTime.Converter.class,
            description =
                    "Pinned for so long only, from now on: 30d, 2w, 6mo, 7y. Default: for ever.")
    private @Nullable KeepTime keep;

    @Override
    public Integer call() throws InterruptedException {
        Label label = new Label(name);
        if (keep != null && !pin) {
            throw PageserverException.badRequest(
                    "--keep says how long a point stays pinned: it needs --pin");
        }
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            BranchPoint point = BranchOptions.resolve(api, branches, from);
            server.say("%s", point.said());
            ObjectNode body =
                    PointPin.body(pin, keep).put("name", label.text()).put("lsn", point.lsn());
            JsonNode made =
                    api.call(
                            "POST",
                            branches.path(branches.byId(point.timeline().toString())) + "/point",
                            body.toString());
            print(server, point.branch(), made);
            return Palimpsest.DONE;
        }
    }

    /** A point that was changed, or made. */
    static void print(BranchServer server, String branch, JsonNode point) {
        if (server.json()) {
            ObjectNode o = Output.object();
            o.put("branch", branch);
            o.set("point", point);
            Output.json(server.out(), o);
            return;
        }
        server.out()
                .println(
                        branch
                                + "@"
                                + point.path("name").asText()
                                + " is "
                                + point.path("lsn").asText()
                                + PointList.state(point));
    }
}
