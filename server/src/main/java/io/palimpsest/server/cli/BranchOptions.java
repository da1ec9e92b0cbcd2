package io.palimpsest.server.cli;

import java.time.Instant;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A branch as of a point. */
final class BranchOptions {
    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "BRANCH[@POINT]",
            description = {
                "A branch's name, or its id or the beginning of it;",
                "the point is 'latest' (the default), 'oldest', an LSN, a time with a zone, -15m, xid:733, or the name of a point."
            })
    private String what = "";

    @Option(
            names = "--tenant",
            paramLabel = "TENANT",
            description = "Whose branch; not needed if the server has one tenant.")
    private @Nullable String tenant;

    /** Has nobody named one? */
    boolean absent() {
        return what.isEmpty();
    }

    BranchPoint resolve(ServerApi api) throws InterruptedException {
        return resolve(api, Branches.of(api, Connect.tenant(api, tenant)), what);
    }

    /** What {@code branch@point} is. */
    static BranchPoint resolve(ServerApi api, Branches branches, String what)
            throws InterruptedException {
        int at = what.indexOf('@');
        return BranchPoint.resolve(
                api,
                branches,
                branches.find(at < 0 ? what : what.substring(0, at)),
                at < 0 ? "latest" : what.substring(at + 1),
                Instant.now());
    }
}
