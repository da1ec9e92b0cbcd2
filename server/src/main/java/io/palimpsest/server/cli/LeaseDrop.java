package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.cli.Branches.Branch;
import java.time.Instant;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Takes a lease back before its time. */
@Command(
        name = "drop",
        aliases = "rm",
        mixinStandardHelpOptions = true,
        description = {
            "Takes a lease back before its time: what it alone keeps may be collected then, and whoever still reads there is refused. --yes does it, or the LSN typed on a terminal.",
            "A lease has no owner: it may be somebody else's, and one who renews it has it again."
        })
final class LeaseDrop implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Mixin private Consent consent = new Consent();

    @Parameters(
            paramLabel = "BRANCH@POINT",
            description = "An LSN as lease list shows it, or another point.")
    private String what = "";

    @Override
    public Integer call() throws InterruptedException {
        int at = what.indexOf('@');
        if (at < 0) {
            throw PageserverException.badRequest(
                    "'%s' is no lease: expected BRANCH@POINT, as lease list shows it", what);
        }
        Point point = Point.parse(what.substring(at + 1), Instant.now());
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            Branch branch = branches.find(what.substring(0, at));
            String lsn =
                    point instanceof Point.At(Lsn known)
                            ? known.toString()
                            : BranchOptions.resolve(api, branches, what).lsn();
            String until = "";
            for (JsonNode lease : branch.json().path("lsn_leases")) {
                until =
                        lease.path("lsn").asText().equals(lsn)
                                ? lease.path("valid_until").asText()
                                : until;
            }
            if (until.isEmpty()) {
                throw PageserverException.of(
                        ErrorCode.NOT_FOUND,
                        "branch %s has no lease at %s; palimpsest lease list shows those there are",
                        branch.name(),
                        lsn);
            }
            if (!server.json()) {
                server.out()
                        .println(
                                (consent.given() ? "drops  " : "would drop  ")
                                        + branch.name()
                                        + "@"
                                        + lsn
                                        + ", readable until "
                                        + until);
            }
            boolean really = consent.given(lsn);
            if (really) {
                JsonNode _ =
                        api.call("DELETE", branches.path(branch) + "/lsn_lease?lsn=" + lsn, "");
            }
            if (server.json()) {
                ObjectNode o = Output.object();
                o.put("branch", branch.name()).put("timeline_id", branch.id());
                o.put("lsn", lsn).put("valid_until", until).put("dropped", really);
                Output.json(server.out(), o);
            }
            return consent.status(really, "nothing was dropped");
        }
    }
}
