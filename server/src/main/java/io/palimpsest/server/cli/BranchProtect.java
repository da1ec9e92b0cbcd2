package io.palimpsest.server.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Protects a branch. */
@Command(
        name = "protect",
        mixinStandardHelpOptions = true,
        description =
                "Protects a branch: it is neither deleted nor archived, keeps its name, and does not expire.")
final class BranchProtect implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(paramLabel = "BRANCH", description = "Its name, or its id.")
    private String branch = "";

    @Override
    public Integer call() throws InterruptedException {
        return BranchRename.change(
                server,
                branch,
                "protection",
                Branches.body().put("protected", true),
                changed -> changed.name() + " is protected");
    }
}
