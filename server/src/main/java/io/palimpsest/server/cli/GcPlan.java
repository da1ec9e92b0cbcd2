package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.server.cli.Branches.Branch;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Says what garbage collection would remove. */
@Command(
        name = "plan",
        mixinStandardHelpOptions = true,
        description = {
            "Says what garbage collection would remove now, and why the rest is kept. Nothing is changed.",
            "Without a branch, of all branches of the tenant."
        })
final class GcPlan implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Mixin private BranchChoice choice = new BranchChoice();

    @Override
    public Integer call() throws InterruptedException {
        ObjectNode o = Output.object();
        ArrayNode plans = o.putArray("branches");
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            for (Branch branch : choice.of(branches)) {
                ObjectNode one =
                        plans.addObject()
                                .put("branch", branch.name())
                                .put("timeline_id", branch.id());
                one.setAll((ObjectNode) api.get(branches.path(branch) + "/gc_plan"));
            }
        }
        if (server.json()) {
            Output.json(server.out(), o);
        } else {
            plans.forEach(this::print);
        }
        return Palimpsest.DONE;
    }

    private void print(JsonNode plan) {
        PrintWriter out = server.out();
        String cutoff = plan.path("cutoff_lsn").asText();
        String planned = plan.path("planned_cutoff_lsn").asText();
        out.println(
                plan.path("branch").asText()
                        + ": history is kept from "
                        + cutoff
                        + (planned.equals(cutoff) ? " on" : " on, and would be from " + planned));
        if (plan.hasNonNull("blocked")) {
            out.println("  nothing goes: " + plan.path("blocked").asText());
        }
        Output.Table table = new Output.Table("  WHAT", ">LAYERS", ">BYTES", "WHY");
        long bytes = 0;
        for (JsonNode layer : plan.path("goes")) {
            bytes += layer.path("layer_file_size").asLong();
        }
        table.row(
                "  goes",
                plan.path("goes").size(),
                Output.bytes(bytes),
                "no read that is allowed needs it");
        for (JsonNode kept : plan.path("kept")) {
            table.row(
                    "  kept",
                    kept.path("layers").asInt(),
                    Output.bytes(kept.path("bytes").asLong()),
                    why(kept));
        }
        table.print(out);
    }

    private static String why(JsonNode kept) {
        return switch (kept.path("reason").asText()) {
            case "window" -> "it has history that is kept anyway";
            case "compaction" -> "it is still read from, until compaction has made images above it";
            default -> {
                List<String> holders = new ArrayList<>();
                kept.path("holders").forEach(holder -> holders.add(holder.asText()));
                yield kept.path("lsn").asText() + " stays readable: " + String.join(", ", holders);
            }
        };
    }
}
