package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Label;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Gives a branch a name. */
@Command(
        name = "rename",
        mixinStandardHelpOptions = true,
        description = "Gives a branch another name, or one if it has none.")
final class BranchRename implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(index = "0", paramLabel = "BRANCH", description = "Its name, or its id.")
    private String branch = "";

    @Parameters(
            index = "1",
            paramLabel = "NAME",
            description =
                    "1 to 63 letters, digits, and after the first of a part _ . -; parts by /.")
    private String name = "";

    @Override
    public Integer call() throws InterruptedException {
        ObjectNode body = Branches.body().put("name", new Label(name).text());
        return change(
                server,
                branch,
                "name",
                body,
                changed -> changed.id() + " is called " + changed.name());
    }

    /** Has the server change something of a branch, and prints what it is then. */
    static int change(
            BranchServer server,
            String branch,
            String what,
            ObjectNode body,
            Function<Branches.Branch, String> text)
            throws InterruptedException {
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            Branches.Branch changed =
                    new Branches.Branch(branches.put(branches.find(branch), what, body));
            if (server.json()) {
                ObjectNode o = Output.object();
                o.set("branch", branches.describe(changed));
                Output.json(server.out(), o);
            } else {
                server.out().println(text.apply(changed));
            }
            return Palimpsest.DONE;
        }
    }
}
