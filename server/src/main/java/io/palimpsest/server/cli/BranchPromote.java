package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.cli.Branches.Branch;
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
            "Other branches of what it hung on stay there."
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
            JsonNode _ = api.call("PUT", branches.path(branch) + "/detach_ancestor", "");
            if (taken != null) {
                ObjectNode body = Branches.body().put("name", taken);
                if (holder != null) {
                    body.put("take", true).put("preserve_under", preserve);
                }
                JsonNode _ = branches.put(branch, "name", body);
            }
            print(Branches.of(api, branches.tenant()), branch.id());
            if (holder != null) {
                new BranchReplacement(server, api, branches, holder, preserve).warnOfSource();
            }
            return Palimpsest.DONE;
        }
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

    private void print(Branches branches, String id) {
        Branch branch = branches.byId(id);
        if (server.json()) {
            ObjectNode o = Output.object();
            o.set("branch", branches.describe(branch));
            Output.json(server.out(), o);
            return;
        }
        server.out().println("branch   " + branch.name());
        server.out().println("id       " + branch.id());
        server.out().println("from     nothing: it is independent");
    }
}
