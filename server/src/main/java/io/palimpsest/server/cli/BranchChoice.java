package io.palimpsest.server.cli;

import io.palimpsest.server.cli.Branches.Branch;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Parameters;

/** The branch that is named; if none is, all of the tenant. */
final class BranchChoice {
    @Parameters(arity = "0..1", paramLabel = "BRANCH", description = "Its name, or its id.")
    private @Nullable String name;

    List<Branch> of(Branches branches) throws InterruptedException {
        return name == null ? branches.all() : List.of(branches.find(name));
    }

    /** The same without archived ones, unless one is named. */
    List<Branch> activeOf(Branches branches) throws InterruptedException {
        return name == null ? branches.active() : List.of(branches.find(name));
    }
}
