package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.PageserverException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Keeps a point readable for a while. */
@Command(
        name = "add",
        mixinStandardHelpOptions = true,
        description = {
            "Keeps a point of a branch readable for a while: lsn_lease_length of its tenant. The same again renews it.",
            "For longer: palimpsest point create --pin."
        })
final class LeaseAdd implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private BranchOptions what = new BranchOptions();
    @Mixin private ServerOptions server = new ServerOptions();

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws InterruptedException {
        if (what.absent()) {
            throw PageserverException.badRequest("lease add: name a branch");
        }
        try (ServerApi api = server.open()) {
            BranchPoint at = what.resolve(api);
            spec.commandLine().getErr().println(at.said());
            String until =
                    api.call(
                                    "POST",
                                    "/v1/tenant/%s/timeline/%s/lsn_lease"
                                            .formatted(at.tenant(), at.timeline()),
                                    Branches.body().put("lsn", at.lsn()).toString())
                            .path("valid_until")
                            .asText();
            if (json) {
                ObjectNode o = Output.object();
                o.set("point", at.json());
                o.put("valid_until", until);
                Output.json(spec.commandLine().getOut(), o);
            } else {
                spec.commandLine()
                        .getOut()
                        .println(at.branch() + "@" + at.lsn() + " is readable until " + until);
            }
            return Palimpsest.DONE;
        }
    }
}
