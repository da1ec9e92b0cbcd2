package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.server.cli.Branches.Branch;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Which LSNs stay readable for a while because somebody has said so. */
@Command(
        name = "list",
        aliases = "ls",
        mixinStandardHelpOptions = true,
        description = {
            "Lists leases: LSNs that stay readable until a moment, because somebody reads there.",
            "Without a branch, of all branches of the tenant. What stays for ever is a pinned point: palimpsest point list."
        })
final class LeaseList implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Mixin private BranchChoice choice = new BranchChoice();

    @Override
    public Integer call() throws InterruptedException {
        ObjectNode o = Output.object();
        ArrayNode leases = o.putArray("leases");
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            for (Branch branch : choice.of(branches)) {
                for (JsonNode lease : branch.json().path("lsn_leases")) {
                    leases.addObject()
                            .put("branch", branch.name())
                            .put("timeline_id", branch.id())
                            .put("lsn", lease.path("lsn").asText())
                            .put("valid_until", lease.path("valid_until").asText());
                }
            }
        }
        if (server.json()) {
            Output.json(server.out(), o);
            return Palimpsest.DONE;
        }
        Output.Table table = new Output.Table("BRANCH", "LSN", "VALID UNTIL");
        for (JsonNode lease : leases) {
            table.row(
                    lease.path("branch").asText(),
                    lease.path("lsn").asText(),
                    lease.path("valid_until").asText());
        }
        table.print(server.out());
        return Palimpsest.DONE;
    }
}
