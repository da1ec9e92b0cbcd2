package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.PageserverException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Makes a data directory of a branch as of a point: what export does, as people know it. */
@Command(
        name = "restore",
        mixinStandardHelpOptions = true,
        description = {
            "Makes a data directory of a branch, as of any LSN or time: the same as export --to.",
            "An unmodified PostgreSQL of the same major version starts from it, as after a shutdown. What is there already is never overwritten, and nothing is left if it fails.",
            "To have a branch itself be what it was: palimpsest branch restore."
        })
final class Restore implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private BranchOptions what = new BranchOptions();

    @Option(
            names = {"-D", "--pgdata"},
            required = true,
            paramLabel = "PGDATA",
            description =
                    "The data directory to make; tablespaces go to PGDATA.tablespaces, if there are any.")
    private Path pgdata = Path.of("");

    @Option(
            names = "--dry-run",
            description = "Only say which point that is, and whether it could be done.")
    private boolean dryRun;

    @Mixin private ServerOptions server = new ServerOptions();
    @Mixin private PageServiceOptions pageService = new PageServiceOptions();

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (what.absent()) {
            throw PageserverException.badRequest("restore: name a branch");
        }
        ExportPlace place =
                new ExportPlace(pgdata, false, pageService, spec.commandLine().getErr(), json);
        place.checkFree();
        try (ServerApi api = server.open()) {
            BranchPoint from = what.resolve(api);
            say("branch     %s", from.said());
            if (dryRun) {
                say("would make %s, a data directory of PostgreSQL %d", place.path(), from.major());
            }
            long begun = System.nanoTime();
            long bytes = dryRun ? 0 : place.make(api, from);
            double seconds = (System.nanoTime() - begun) / 1e9;
            if (json) {
                ObjectNode o = place.describe(from).put("dry_run", dryRun);
                if (!dryRun) {
                    o.put("bytes", bytes).put("seconds", seconds);
                }
                Output.json(spec.commandLine().getOut(), o);
            } else if (!dryRun) {
                say("restored   %s in %.1f s", Output.bytes(bytes), seconds);
                spec.commandLine().getOut().println(place.path());
                say(
                        "next       give it a postgresql.conf, pg_hba.conf and pg_ident.conf, and start a PostgreSQL %d on it",
                        from.major());
            }
        }
        return Palimpsest.DONE;
    }

    private void say(String format, Object... arguments) {
        spec.commandLine().getErr().printf(Locale.ROOT, format + "%n", arguments);
        spec.commandLine().getErr().flush();
    }
}
