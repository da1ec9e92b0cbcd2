package io.palimpsest.server.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Lets a named point go. */
@Command(
        name = "unpin",
        mixinStandardHelpOptions = true,
        description =
                "Lets a named point go: the name stays, and what it needs is collected when it is older than history is kept.")
final class PointUnpin implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();
    @Mixin private NamedPointOptions point = new NamedPointOptions();

    @Override
    public Integer call() throws InterruptedException {
        return PointPin.pin(server, point, false, null);
    }
}
