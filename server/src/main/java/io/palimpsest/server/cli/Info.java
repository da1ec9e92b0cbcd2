package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Lsn;
import io.palimpsest.server.cli.Branches.Branch;
import java.time.Instant;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** What can be recovered: of each branch, from when to when, and what it takes. */
@Command(
        name = "info",
        mixinStandardHelpOptions = true,
        description = {
            "Says of each branch from which moment to which it can be recovered, as what PostgreSQL, and how much it takes.",
            "The times are those of the commits at both ends. Without a branch, of all branches of the tenant."
        })
final class Info implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Mixin private BranchChoice choice = new BranchChoice();

    @Override
    public Integer call() throws InterruptedException {
        ObjectNode o = Output.object();
        ArrayNode list = o.putArray("branches");
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            for (Branch branch : choice.of(branches)) {
                ObjectNode one = branches.describe(branch);
                one.remove("points");
                time(api, branches, branch, branch.oldest(), one, "recoverable_from");
                time(api, branches, branch, branch.latest(), one, "recoverable_to");
                one.set("resident_physical_size", branch.json().path("resident_physical_size"));
                list.add(one);
            }
        }
        if (server.json()) {
            Output.json(server.out(), o);
            return Palimpsest.DONE;
        }
        Output.Table table =
                new Output.Table(
                        "BRANCH", ">PG", "RECOVERABLE FROM", "TO", ">BYTES", ">ON THE DISK");
        for (JsonNode branch : list) {
            table.row(
                    branch.path("name").asText(branch.path("timeline_id").asText()),
                    branch.path("pg_version").asInt(),
                    end(branch, "recoverable_from", "oldest_lsn"),
                    end(branch, "recoverable_to", "latest_lsn"),
                    Output.bytes(branch.path("current_physical_size").asLong()),
                    Output.bytes(branch.path("resident_physical_size").asLong()));
        }
        table.print(server.out());
        return Palimpsest.DONE;
    }

    /** Of an archived branch, or where no commit is known, there is none. */
    private static void time(
            ServerApi api,
            Branches branches,
            Branch branch,
            String lsn,
            ObjectNode into,
            String member)
            throws InterruptedException {
        if (branch.json().path("is_archived").asBoolean()) {
            return;
        }
        Branch holder = branch;
        while (!holder.ancestor().isEmpty()
                && Lsn.parse(lsn).compareTo(Lsn.parse(holder.branchLsn())) < 0) {
            holder = branches.byId(holder.ancestor());
        }
        Instant at = BranchPoint.timeIfKept(api, branches.path(holder), Lsn.parse(lsn));
        if (at != null) {
            into.put(member, at.toString());
        }
    }

    private static String end(JsonNode branch, String time, String lsn) {
        return branch.path(time).asText(branch.path(lsn).asText());
    }
}
