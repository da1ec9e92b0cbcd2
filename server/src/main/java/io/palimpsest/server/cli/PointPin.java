package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Has a named point stay readable. */
@Command(
        name = "pin",
        aliases = "keep",
        mixinStandardHelpOptions = true,
        description =
                "Has a named point stay readable, for ever: the history it needs is not collected.")
final class PointPin implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();
    @Mixin private NamedPointOptions point = new NamedPointOptions();

    @Override
    public Integer call() throws InterruptedException {
        return pin(server, point, true);
    }

    static int pin(BranchServer server, NamedPointOptions point, boolean on)
            throws InterruptedException {
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            Branches.Branch branch = branches.find(point.branch());
            JsonNode changed =
                    branches.put(
                            branch, "point/" + point.name(), Branches.body().put("pinned", on));
            PointCreate.print(server, branch.name(), changed);
            return Palimpsest.DONE;
        }
    }
}
