package io.palimpsest.server.cli;

import io.palimpsest.base.PageserverException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Writes a branch, as of any LSN or time, as a data directory or an archive of one. */
@Command(
        name = "export",
        mixinStandardHelpOptions = true,
        description = {
            "Writes a branch, as of any LSN or time, as a data directory of PostgreSQL, or as a tar archive of one.",
            "An unmodified PostgreSQL of the same major version starts from it, as after a shutdown.",
            "What is there already is never overwritten, and nothing is left of an export that fails."
        })
final class Export implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private BranchOptions what = new BranchOptions();

    @ArgGroup(multiplicity = "1")
    private Target target = new Target();

    @Mixin private ServerOptions server = new ServerOptions();
    @Mixin private PageServiceOptions pageService = new PageServiceOptions();

    @Option(names = "--json", description = "Print one object.")
    private boolean json;

    /** One of the two. */
    static final class Target {
        @Option(
                names = "--to",
                paramLabel = "DIR",
                description =
                        "The data directory to make; tablespaces go to DIR.tablespaces, if there are any.")
        private @Nullable Path directory;

        @Option(names = "--tar", paramLabel = "FILE", description = "The archive to make.")
        private @Nullable Path archive;
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        Path directory = target.directory;
        ExportPlace place =
                new ExportPlace(
                        directory != null ? directory : Objects.requireNonNull(target.archive),
                        directory == null,
                        pageService,
                        spec.commandLine().getErr(),
                        json);
        place.checkFree();
        if (what.absent()) {
            throw PageserverException.badRequest("export: name a branch");
        }
        try (ServerApi api = server.open()) {
            BranchPoint from = what.resolve(api);
            say("branch     %s", from.said());
            long begun = System.nanoTime();
            long bytes = place.make(api, from);
            double seconds = (System.nanoTime() - begun) / 1e9;
            if (json) {
                Output.json(
                        spec.commandLine().getOut(),
                        place.describe(from).put("bytes", bytes).put("seconds", seconds));
            } else {
                say("exported   %s in %.1f s", Output.bytes(bytes), seconds);
                spec.commandLine().getOut().println(place.path());
            }
        }
        return Palimpsest.DONE;
    }

    private void say(String format, Object... arguments) {
        spec.commandLine().getErr().printf(Locale.ROOT, format + "%n", arguments);
        spec.commandLine().getErr().flush();
    }
}
