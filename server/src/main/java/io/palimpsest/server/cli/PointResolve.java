package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Says what a point is. */
@Command(
        name = "resolve",
        mixinStandardHelpOptions = true,
        description =
                "Says what LSN a point is, and of which commit; exit status 5 if it cannot be reached.")
final class PointResolve implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(
            arity = "0..1",
            paramLabel = "BRANCH[@POINT]",
            description =
                    "The point: latest (the default), oldest, an LSN, a time with a zone, -15m, xid:733, or a name.")
    private String what = "";

    @Override
    public Integer call() throws InterruptedException {
        try (ServerApi api = server.open()) {
            BranchPoint point =
                    BranchOptions.resolve(api, Branches.of(api, server.tenant(api)), what);
            if (server.json()) {
                ObjectNode o = Output.object();
                o.set("point", point.json());
                Output.json(server.out(), o);
            } else {
                server.out().println(point.said());
            }
            return Palimpsest.DONE;
        }
    }
}
