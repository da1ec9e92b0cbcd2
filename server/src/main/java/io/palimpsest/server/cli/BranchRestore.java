package io.palimpsest.server.cli;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.cli.Branches.Branch;
import java.time.Instant;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Makes a branch what it was. */
@Command(
        name = "restore",
        mixinStandardHelpOptions = true,
        description = {
            "Makes a branch what it, or another one, was: its name leads to a new branch as of that point.",
            "Nothing is lost: the former one stays, under the name that --preserve-under says, and what hangs on it."
        })
final class BranchRestore implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(index = "0", paramLabel = "BRANCH", description = "Its name.")
    private String name = "";

    @Parameters(
            index = "1",
            paramLabel = "SOURCE[@POINT]",
            description =
                    "What it is to be: ^self@POINT (what it was then), ^parent, or another branch; the point as in branch create.")
    private String source = "";

    @Option(
            names = "--preserve-under",
            paramLabel = "NAME",
            required = true,
            description = "What the former one is called from now on.")
    private String preserveUnder = "";

    @Override
    public Integer call() throws InterruptedException {
        String preserve = Branches.checked(preserveUnder);
        int at = source.indexOf('@');
        String from = at < 0 ? source : source.substring(0, at);
        String point = at < 0 ? "latest" : source.substring(at + 1);
        if (from.equals("^self") && at < 0) {
            throw PageserverException.badRequest(
                    "^self is what it is now: say as of when, such as ^self@-15m");
        }
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            Branch target = branches.find(name);
            BranchReplacement replacement =
                    new BranchReplacement(server, api, branches, target, preserve);
            replacement.check();
            BranchPoint resolved =
                    BranchPoint.resolve(
                            api, branches, source(branches, target, from), point, Instant.now());
            server.say("%s", resolved.said());
            replacement.run(resolved);
            replacement.warnOfSource();
            return Palimpsest.DONE;
        }
    }

    private static Branch source(Branches branches, Branch target, String from)
            throws InterruptedException {
        if (!from.equals("^parent")) {
            return from.equals("^self") ? target : branches.find(from);
        }
        if (target.ancestor().isEmpty()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED, "%s hangs on nothing", target.name());
        }
        return branches.byId(target.ancestor());
    }
}
