package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.server.cli.Branches.Branch;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Lists branches. */
@Command(
        name = "list",
        aliases = "ls",
        mixinStandardHelpOptions = true,
        description = "Lists the branches of a tenant.")
final class BranchList implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Option(names = "--tree", description = "Each below what it hangs on.")
    private boolean tree;

    @Override
    public Integer call() throws InterruptedException {
        Branches branches;
        try (ServerApi api = server.open()) {
            branches = Branches.of(api, server.tenant(api));
        }
        if (server.json()) {
            ObjectNode o = Output.object();
            ArrayNode list = o.putArray("branches");
            branches.all().forEach(branch -> list.add(branches.describe(branch)));
            Output.json(server.out(), o);
            return Palimpsest.DONE;
        }
        Output.Table table = new Output.Table("BRANCH", "ID", "FROM", "LATEST", ">BYTES", "STATE");
        if (tree) {
            branches.all().stream()
                    .filter(branch -> branch.ancestor().isEmpty())
                    .forEach(root -> rows(table, branches, root, "", ""));
        } else {
            branches.all().forEach(branch -> row(table, branches, branch, branch.name()));
        }
        table.print(server.out());
        return Palimpsest.DONE;
    }

    private static void rows(
            Output.Table table, Branches branches, Branch at, String first, String below) {
        row(table, branches, at, first + at.name());
        List<Branch> children = branches.children(at);
        for (Branch child : children) {
            boolean last = child.equals(children.getLast());
            rows(
                    table,
                    branches,
                    child,
                    below + (last ? "`- " : "|- "),
                    below + (last ? "   " : "|  "));
        }
    }

    private static void row(Output.Table table, Branches branches, Branch branch, String name) {
        table.row(
                name,
                branch.id(),
                branch.ancestor().isEmpty()
                        ? "-"
                        : branches.nameOf(branch.ancestor()) + "@" + branch.branchLsn(),
                branch.latest(),
                Output.bytes(branch.json().path("current_physical_size").asLong()),
                state(branch));
    }

    /** What is not as usual. */
    static String state(Branch branch) {
        List<String> said = new ArrayList<>();
        if (branch.json().path("state").isObject()) {
            said.add("broken");
        }
        if (branch.isProtected()) {
            said.add("protected");
        }
        if (branch.json().path("is_archived").asBoolean()) {
            said.add("archived");
        }
        if (branch.json().hasNonNull("expires_at")) {
            said.add("expires " + branch.json().path("expires_at").asText());
        }
        return said.isEmpty() ? "-" : String.join(", ", said);
    }
}
