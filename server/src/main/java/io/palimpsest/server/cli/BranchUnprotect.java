package io.palimpsest.server.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Takes the protection of a branch back. */
@Command(
        name = "unprotect",
        mixinStandardHelpOptions = true,
        description = "Takes the protection of a branch back.")
final class BranchUnprotect implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(paramLabel = "BRANCH", description = "Its name, or its id.")
    private String branch = "";

    @Override
    public Integer call() throws InterruptedException {
        return BranchRename.change(
                server,
                branch,
                "protection",
                Branches.body().put("protected", false),
                changed -> changed.name() + " is not protected");
    }
}
