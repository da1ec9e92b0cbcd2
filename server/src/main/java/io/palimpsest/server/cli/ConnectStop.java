package io.palimpsest.server.cli;

import io.palimpsest.base.PageserverException;
import io.palimpsest.server.connect.Copy;
import io.palimpsest.server.connect.CopyServer;
import io.palimpsest.server.connect.Credentials;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Stops a copy; its files and its branch go with it unless it is kept. */
@Command(
        name = "stop",
        mixinStandardHelpOptions = true,
        description =
                "Stops a copy. Its files and its branch go with it, unless it was made with --keep.")
final class ConnectStop implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Parameters(paramLabel = "NAME", arity = "0..*", description = "As list names them.")
    private List<String> names = List.of();

    @Option(names = "--all", description = "All of them.")
    private boolean all;

    @Option(names = "--home", paramLabel = "DIR", description = "Where copies lie.")
    private Path home = Copy.home();

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (all == !names.isEmpty()) {
            throw PageserverException.badRequest("give names of copies, or --all");
        }
        Path from = home.toAbsolutePath();
        List<Copy> copies =
                all ? Copy.list(from) : names.stream().map(n -> Copy.find(from, n)).toList();
        for (Copy copy : copies) {
            try (ServerApi api =
                    new ServerApi(URI.create(copy.server()), Credentials.of(System.getenv()))) {
                stop(api, copy, new CopyServer(copy));
            }
            spec.commandLine()
                    .getOut()
                    .println(
                            copy.name() + (copy.keep() ? "  stopped, kept" : "  stopped, removed"));
        }
        return Palimpsest.DONE;
    }

    static void stop(ServerApi api, Copy copy, CopyServer postgres)
            throws IOException, InterruptedException {
        postgres.stop();
        if (!copy.keep()) {
            BranchPoint.delete(api, copy.tenant(), copy.branch());
            postgres.remove();
        }
    }
}
