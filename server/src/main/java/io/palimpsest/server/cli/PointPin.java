package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Has a named point stay readable. */
@Command(
        name = "pin",
        aliases = "keep",
        mixinStandardHelpOptions = true,
        description =
                "Has a named point stay readable, for ever or for a time: the history it needs is not collected.")
final class PointPin implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();
    @Mixin private NamedPointOptions point = new NamedPointOptions();

    @Option(
            names = "--keep",
            paramLabel = "TIME",
            converter = KeepTime.Converter.class,
            description =
                    "Pinned for so long only, from now on: 30d, 2w, 6mo, 7y. Default: for ever.")
    private @Nullable KeepTime keep;

    @Override
    public Integer call() throws InterruptedException {
        return pin(server, point, true, keep);
    }

    static int pin(
            BranchServer server, NamedPointOptions point, boolean on, @Nullable KeepTime keep)
            throws InterruptedException {
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            Branches.Branch branch = branches.find(point.branch());
            JsonNode changed = branches.put(branch, "point/" + point.name(), body(on, keep));
            PointCreate.print(server, branch.name(), changed);
            return Palimpsest.DONE;
        }
    }

    static ObjectNode body(boolean pinned, @Nullable KeepTime keep) {
        ObjectNode body = Branches.body().put("pinned", pinned);
        if (keep != null) {
            body.put("ttl_seconds", keep.seconds(Instant.now()));
        }
        return body;
    }
}
