package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.cli.Branches.Branch;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/**
 * Prints names that a shell may complete a word to, one a line. For the scripts of {@link
 * Completion}: what goes wrong is no name, and nothing more.
 */
@Command(
        name = "names",
        hidden = true,
        mixinStandardHelpOptions = true,
        description = "Prints names that a word may be completed to, for shells.")
final class Names implements Callable<Integer> {
    /** What there are names of. */
    enum Kind {
        branches,
        sources
    }

    @Mixin private BranchServer server = new BranchServer();

    @Parameters(index = "0", paramLabel = "KIND", description = "${COMPLETION-CANDIDATES}.")
    private Kind kind = Kind.branches;

    @Parameters(
            index = "1",
            arity = "0..1",
            paramLabel = "WORD",
            description = "What there is of the word: behind an @ it is a point.")
    private String word = "";

    @Override
    public Integer call() throws InterruptedException {
        try (ServerApi api = server.open()) {
            switch (kind) {
                case branches -> branches(Branches.of(api, server.tenant(api)));
                case sources -> {
                    for (JsonNode source : api.get("/v1/source")) {
                        server.out().println(source.path("slot").asText());
                    }
                }
            }
        }
        return Palimpsest.DONE;
    }

    private void branches(Branches branches) throws InterruptedException {
        int at = word.indexOf('@');
        if (at < 0) {
            branches.all().forEach(branch -> server.out().println(branch.name()));
            return;
        }
        String name = word.substring(0, at);
        Branch branch;
        try {
            branch = branches.find(name);
        } catch (PageserverException e) {
            // No such branch has no points.
            return;
        }
        server.out().println(name + "@latest");
        server.out().println(name + "@oldest");
        branch.points()
                .forEach(point -> server.out().println(name + "@" + point.path("name").asText()));
    }
}
