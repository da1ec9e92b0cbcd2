package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Lsn;
import io.palimpsest.server.cli.Branches.Branch;
import java.io.PrintWriter;
import java.time.Instant;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Tells all about a branch. */
@Command(
        name = "show",
        mixinStandardHelpOptions = true,
        description =
                "Tells what a branch is: where it hangs, how far back it can be read, what hangs on it.")
final class BranchShow implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(
            arity = "0..1",
            paramLabel = "BRANCH",
            description = "Its name, or its id. Not needed if there is one.")
    private String name = "";

    @Override
    public Integer call() throws InterruptedException {
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            Branch branch = branches.find(name);
            String path = branches.path(branch);
            Instant oldest = BranchPoint.timeIfKept(api, path, Lsn.parse(branch.oldest()));
            Instant latest = BranchPoint.timeIfKept(api, path, Lsn.parse(branch.latest()));
            if (server.json()) {
                ObjectNode o = Output.object();
                ObjectNode described = branches.describe(branch);
                put(described, "oldest_commit_at", oldest);
                put(described, "latest_commit_at", latest);
                ArrayNode children = described.putArray("branches");
                for (Branch child : branches.children(branch)) {
                    children.addObject()
                            .put("timeline_id", child.id())
                            .put("name", child.name())
                            .put("lsn", child.branchLsn());
                }
                o.set("branch", described);
                Output.json(server.out(), o);
            } else {
                print(branches, branch, oldest, latest);
            }
            return Palimpsest.DONE;
        }
    }

    private static void put(ObjectNode o, String member, @Nullable Instant moment) {
        if (moment != null) {
            o.put(member, moment.toString());
        }
    }

    private void print(
            Branches branches, Branch branch, @Nullable Instant oldest, @Nullable Instant latest) {
        PrintWriter out = server.out();
        out.println("branch     " + branch.name());
        out.println("id         " + branch.id());
        if (!branch.ancestor().isEmpty()) {
            out.println(
                    "from       " + branches.nameOf(branch.ancestor()) + "@" + branch.branchLsn());
        }
        out.println("oldest     " + branch.oldest() + of(oldest));
        out.println("latest     " + branch.latest() + of(latest));
        out.println(
                "size       "
                        + Output.bytes(branch.json().path("current_physical_size").asLong())
                        + " of its own");
        out.println("state      " + BranchList.state(branch));
        out.println("receiver   " + branch.json().path("walreceiver_status").asText());
        branches.children(branch)
                .forEach(child ->
                        out.println("branch of  " + child.name() + " at " + child.branchLsn()));
        branch.points()
                .forEach(point ->
                        out.println(
                                "point      "
                                        + point.path("name").asText()
                                        + " at "
                                        + point.path("lsn").asText()
                                        + PointList.state(point)));
    }

    private static String of(@Nullable Instant commit) {
        return commit == null ? "" : ", commit " + commit;
    }
}
