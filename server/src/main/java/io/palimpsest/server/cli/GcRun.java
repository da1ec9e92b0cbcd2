package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.server.cli.Branches.Branch;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Has garbage be collected now. */
@Command(
        name = "run",
        mixinStandardHelpOptions = true,
        description = {
            "Collects garbage now, which the server does by itself every gc_period: what gc plan says goes. History that is kept by time, branches, leases or pinned points stays.",
            "Without a branch, of all branches of the tenant that are not archived."
        })
final class GcRun implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Mixin private BranchChoice choice = new BranchChoice();

    @Override
    public Integer call() throws InterruptedException {
        ObjectNode o = Output.object();
        ArrayNode done = o.putArray("branches");
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            for (Branch branch : choice.activeOf(branches)) {
                done.addObject()
                        .put("branch", branch.name())
                        .put("timeline_id", branch.id())
                        .setAll((ObjectNode) branches.put(branch, "do_gc", Branches.body()));
            }
        }
        if (server.json()) {
            Output.json(server.out(), o);
            return Palimpsest.DONE;
        }
        Output.Table table = new Output.Table("BRANCH", ">LAYERS", ">REMOVED", ">BYTES");
        for (JsonNode branch : done) {
            table.row(
                    branch.path("branch").asText(),
                    branch.path("layers_total").asLong(),
                    branch.path("layers_removed").asLong(),
                    Output.bytes(branch.path("bytes_removed").asLong()));
        }
        table.print(server.out());
        return Palimpsest.DONE;
    }
}
