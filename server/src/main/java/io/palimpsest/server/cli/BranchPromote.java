package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.cli.Branches.Branch;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Makes a branch independent, perhaps in the place of another one. */
@Command(
        name = "promote",
        mixinStandardHelpOptions = true,
        description = {
            "Makes a branch independent: all that it needs of what it hangs on is its own from then on, by links and not by copies.",
            "With --as it also takes that name, from whoever has it. The same again goes on with what was cut short.",
            "Branches beside it, at or below its branch point, hang on it from then on; those above stay where they are."
        })
final class BranchPromote implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(paramLabel = "BRANCH", description = "Its name, or its id.")
    private String name = "";

    @Option(
            names = "--as",
            paramLabel = "NAME",
            description = "What it is to be called, such as main.")
    private @Nullable String as;

    @Option(
            names = "--preserve-under",
            paramLabel = "NAME",
            description = "What the branch that is called so now is called from then on.")
    private @Nullable String preserveUnder;

    @Option(
            names = "--leave-siblings",
            description = "Branches beside it stay where they are, too.")
    private boolean leaveSiblings;

    @Option(names = "--dry-run", description = "Only say what would be done.")
    private boolean dryRun;

    @Override
    public Integer call() throws InterruptedException {
        String taken = Branches.checked(as);
        String preserve = Branches.checked(preserveUnder);
        if (preserve != null && taken == null) {
            throw PageserverException.badRequest("--preserve-under is for a name that --as takes");
        }
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            Branch branch = branches.find(name);
            Branch holder = taken == null ? null : holder(branches, branch, taken);
            if (holder != null) {
                if (preserve == null) {
                    throw PageserverException.badRequest(
                            "%s is called so: say by --preserve-under what it is called from then on",
                            holder.id());
                }
                new BranchReplacement(server, api, branches, holder, preserve).check();
            }
            if (dryRun) {
                plan(branches, branch);
                return Palimpsest.DONE;
            }
            JsonNode detached =
                    api.call(
                            "PUT",
                            branches.path(branch)
                                    + "/detach_ancestor?detach_behavior="
                                    + (leaveSiblings ? "v2" : "v1"),
                            "");
            if (taken != null) {
                ObjectNode body = Branches.body().put("name", taken);
                if (holder != null) {
                    body.put("take", true).put("preserve_under", preserve);
                }
                JsonNode _ = branches.put(branch, "name", body);
            }
            List<String> moved = new ArrayList<>();
            detached.path("reparented_timelines").forEach(id -> moved.add(id.asText()));
            print(Branches.of(api, branches.tenant()), branch, moved);
            if (holder != null) {
                new BranchReplacement(server, api, branches, holder, preserve).warnOfSource();
            }
            return Palimpsest.DONE;
        }
    }

    /** Who would hang on it, and who would not. */
    private void plan(Branches branches, Branch branch) {
        if (branch.ancestor().isEmpty()) {
            server.out().println(branch.name() + " hangs on nothing");
            return;
        }
        Lsn at = Lsn.parse(branch.branchLsn());
        for (Branch sibling : branches.children(branches.byId(branch.ancestor()))) {
            boolean moves = !leaveSiblings && Lsn.parse(sibling.branchLsn()).compareTo(at) <= 0;
            if (!sibling.id().equals(branch.id())) {
                server.out()
                        .printf(
                                "would %s  %s, of %s@%s%n",
                                moves ? "move" : "stay",
                                sibling.name(),
                                branches.nameOf(branch.ancestor()),
                                sibling.branchLsn());
            }
        }
        server.out()
                .printf(
                        "would make %s independent of %s%n",
                        branch.name(), branches.nameOf(branch.ancestor()));
    }

    /** Another branch that is called so, or null. */
    private static @Nullable Branch holder(Branches branches, Branch branch, String name) {
        for (Branch other : branches.all()) {
            if (other.name().equals(name) && !other.id().equals(branch.id())) {
                return other;
            }
        }
        return null;
    }

    private void print(Branches branches, Branch before, List<String> moved) {
        Branch branch = branches.byId(before.id());
        List<Branch> stayed =
                before.ancestor().isEmpty()
                        ? List.of()
                        : branches.all().stream()
                                .filter(other -> other.ancestor().equals(before.ancestor()))
                                .toList();
        if (server.json()) {
            ObjectNode o = Output.object();
            o.set("branch", branches.describe(branch));
            ArrayNode movedHere = o.putArray("moved");
            moved.forEach(movedHere::add);
            ArrayNode stayedThere = o.putArray("stayed");
            stayed.forEach(other -> stayedThere.add(other.id()));
            Output.json(server.out(), o);
            return;
        }
        server.out().println("branch   " + branch.name());
        server.out().println("id       " + branch.id());
        server.out().println("from     nothing: it is independent");
        server.out()
                .println("history  from " + branch.json().path("applied_gc_cutoff_lsn").asText());
        for (String id : moved) {
            server.out().println("moved    " + branches.nameOf(id) + " hangs on it now");
        }
        for (Branch other : stayed) {
            server.out()
                    .printf(
                            "stayed   %s hangs on %s@%s%n",
                            other.name(), branches.nameOf(other.ancestor()), other.branchLsn());
        }
    }
}
