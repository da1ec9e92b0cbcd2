package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.TimelineId;
import io.palimpsest.server.cli.Branches.Branch;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Has layers be compacted now. */
@Command(
        name = "run",
        mixinStandardHelpOptions = true,
        description = {
            "Compacts a branch's layers now: what is due by the thresholds of its tenant, as the server does by itself every compaction_period.",
            "It takes as long as it takes; the server goes on with it if this is interrupted (palimpsest operation list)."
        })
final class CompactRun implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(
            arity = "0..1",
            paramLabel = "BRANCH",
            description = "Its name, or its id. Not needed if there is one.")
    private String name = "";

    @Option(names = "--merges", description = "All L0 layers are merged, however few they are.")
    private boolean merges;

    @Option(
            names = "--all",
            description =
                    "All there is to do, whether it is due or not: images of everything, and history that nobody may read is dropped.")
    private boolean all;

    @Option(
            names = "--reset",
            description = "Before that, what failed too often and is off is tried again.")
    private boolean reset;

    @Override
    public Integer call() throws InterruptedException {
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            Branch branch = branches.find(name);
            if (reset) {
                JsonNode _ = branches.put(branch, "reset_compaction", Branches.body());
            }
            String how =
                    all
                            ? "?force_image_layer_creation=true"
                            : merges ? "?force_l0_compaction=true" : "";
            try (OperationTalk _ =
                    OperationTalk.begin(
                            api,
                            branches.tenant(),
                            TimelineId.parse(branch.id()),
                            server.err(),
                            server.json())) {
                JsonNode _ = branches.put(branch, "compact" + how, Branches.body());
            }
            JsonNode now = api.get(branches.path(branch));
            JsonNode compaction = now.path("compaction");
            if (server.json()) {
                ObjectNode o = Output.object();
                o.put("branch", branch.name()).put("timeline_id", branch.id());
                o.set("layer_count", now.path("layer_count"));
                o.set("current_physical_size", now.path("current_physical_size"));
                o.set("compaction", compaction);
                Output.json(server.out(), o);
            } else {
                server.out()
                        .println(
                                "%s: %s layers, %s; %s are still to be rewritten"
                                        .formatted(
                                                branch.name(),
                                                Output.number(now.path("layer_count").asLong()),
                                                Output.bytes(
                                                        now.path("current_physical_size").asLong()),
                                                Output.bytes(
                                                        compaction.path("debt_bytes").asLong())));
            }
            return Palimpsest.DONE;
        }
    }
}
