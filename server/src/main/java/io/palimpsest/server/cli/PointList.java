package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.server.cli.Branches.Branch;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Lists named points. */
@Command(
        name = "list",
        aliases = "ls",
        mixinStandardHelpOptions = true,
        description = "Lists the points of a branch's history that have names.")
final class PointList implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(
            arity = "0..1",
            paramLabel = "BRANCH",
            description = "Its name, or its id. Not needed if there is one.")
    private String name = "";

    @Override
    public Integer call() throws InterruptedException {
        Branch branch;
        try (ServerApi api = server.open()) {
            branch = Branches.of(api, server.tenant(api)).find(name);
        }
        if (server.json()) {
            ObjectNode o = Output.object();
            o.put("branch", branch.name()).put("timeline_id", branch.id());
            ArrayNode list = o.putArray("points");
            branch.points().forEach(list::add);
            Output.json(server.out(), o);
            return Palimpsest.DONE;
        }
        Output.Table table = new Output.Table("POINT", "LSN", "NAMED AT", "STATE");
        for (JsonNode point : branch.points()) {
            String state = state(point);
            table.row(
                    point.path("name").asText(),
                    point.path("lsn").asText(),
                    point.path("created_at").asText(),
                    state.isEmpty() ? "-" : state.substring(2));
        }
        table.print(server.out());
        return Palimpsest.DONE;
    }

    /** What is to be said of a point after a comma, if anything. */
    static String state(JsonNode point) {
        if (!point.path("readable").asBoolean()) {
            return ", not readable any more: it was not pinned";
        }
        return point.path("pinned").asBoolean() ? ", pinned" : "";
    }
}
