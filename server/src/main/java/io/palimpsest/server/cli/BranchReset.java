package io.palimpsest.server.cli;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.cli.Branches.Branch;
import java.time.Instant;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Makes a branch what its parent is. */
@Command(
        name = "reset",
        mixinStandardHelpOptions = true,
        description = {
            "Makes a branch anew, of what it hangs on, as of now or of a point: what it had of its own goes.",
            "It has another id afterwards, and the same name. --yes does it; --preserve-under keeps the former one instead."
        })
final class BranchReset implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(paramLabel = "BRANCH", description = "Its name.")
    private String name = "";

    @Option(
            names = "--to",
            paramLabel = "POINT",
            description =
                    "As of when, in the history of what it hangs on: latest (the default), an LSN, a time with a zone, -15m, xid:733, the name of a point.")
    private String to = "latest";

    @Option(
            names = "--preserve-under",
            paramLabel = "NAME",
            description = "Keep the former one, under this name.")
    private @Nullable String preserveUnder;

    @Mixin private Consent consent = new Consent();

    @Override
    public Integer call() throws InterruptedException {
        String preserve = Branches.checked(preserveUnder);
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            Branch target = branches.find(name);
            if (target.ancestor().isEmpty()) {
                throw PageserverException.of(
                        ErrorCode.PRECONDITION_FAILED,
                        "%s hangs on nothing that it could be reset to; branch restore makes it what it was",
                        target.name());
            }
            BranchReplacement replacement =
                    new BranchReplacement(server, api, branches, target, preserve);
            replacement.check();
            BranchPoint from =
                    BranchPoint.resolve(
                            api, branches, branches.byId(target.ancestor()), to, Instant.now());
            server.say("%s", from.said());
            if (!consent.given()) {
                server.say(
                        "would make %s anew, and %s what it has of its own, %s",
                        target.name(),
                        preserve == null ? "delete" : "keep as " + preserve,
                        Output.bytes(target.json().path("current_physical_size").asLong()));
            }
            // Where the former one is kept nothing is lost that somebody would have to agree to.
            boolean really = preserve == null ? consent.given(target.name()) : !consent.dryRun();
            if (really) {
                replacement.run(from);
            }
            return consent.status(really, "nothing was changed");
        }
    }
}
