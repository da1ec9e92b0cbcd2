package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Forgets the name of a point. */
@Command(
        name = "delete",
        aliases = "rm",
        mixinStandardHelpOptions = true,
        description = "Forgets the name of a point. One that is pinned is refused: unpin it first.")
final class PointDelete implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();
    @Mixin private NamedPointOptions point = new NamedPointOptions();

    @Override
    public Integer call() throws InterruptedException {
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            Branches.Branch branch = branches.find(point.branch());
            for (JsonNode there : branch.points()) {
                if (there.path("name").asText().equals(point.name())
                        && there.path("pinned").asBoolean()) {
                    throw PageserverException.of(
                            ErrorCode.PRECONDITION_FAILED,
                            "%s@%s is pinned: palimpsest point unpin first",
                            branch.name(),
                            point.name());
                }
            }
            JsonNode _ = api.call("DELETE", branches.path(branch) + "/point/" + point.name(), "");
            if (server.json()) {
                ObjectNode o = Output.object();
                o.put("branch", branch.name()).put("point", point.name()).put("deleted", true);
                Output.json(server.out(), o);
            } else {
                server.out().println("the name " + point.name() + " is forgotten");
            }
            return Palimpsest.DONE;
        }
    }
}
