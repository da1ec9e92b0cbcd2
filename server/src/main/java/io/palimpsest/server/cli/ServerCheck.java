package io.palimpsest.server.cli;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Is everything well with a running server, and if not, what is to be done? */
@Command(
        name = "check",
        aliases = "doctor",
        mixinStandardHelpOptions = true,
        description = {
            "Looks at all of a running server that can be wrong: server, disk, store, tenants, branches, compaction, sources and their slots; says what is, and what to do next.",
            "Exit status 4 if something must be put right, 0 if it need not, also with warnings.",
            "With --nagios one line with figures, and exit status 0, 1 (warning), 2 (critical) or 3 (unknown)."
        })
final class ServerCheck implements Callable<Integer> {
    private static final int CRITICAL = 2;
    private static final int UNKNOWN = 3;

    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private ServerOptions server = new ServerOptions();

    @Option(names = "--nagios", description = "As a plugin of Nagios, Icinga and the like.")
    private boolean nagios;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Option(
            names = "--lag-warning",
            paramLabel = "BYTES",
            defaultValue = "1073741824",
            description =
                    "A source that is so much WAL ahead is worth a warning. Default: ${DEFAULT-VALUE}.")
    private long lagWarning;

    @Option(
            names = "--lag-critical",
            paramLabel = "BYTES",
            defaultValue = "10737418240",
            description = "And so much is wrong. Default: ${DEFAULT-VALUE}.")
    private long lagCritical;

    @Override
    public Integer call() throws InterruptedException {
        if (nagios && json) {
            throw PageserverException.badRequest("either --nagios or --json");
        }
        PrintWriter out = spec.commandLine().getOut();
        Review review;
        try (ServerApi api = server.open()) {
            review = ServerReview.of(api, new ServerReview.Lag(lagWarning, lagCritical));
        } catch (PageserverException e) {
            if (!nagios) {
                throw e;
            }
            boolean known = e.code() == ErrorCode.IO;
            out.println(
                    "PALIMPSEST "
                            + (known ? "CRITICAL" : "UNKNOWN")
                            + " - "
                            + String.valueOf(e.getMessage()).replaceAll("[|\\s]+", " "));
            return known ? CRITICAL : UNKNOWN;
        }
        if (nagios) {
            out.println(review.nagios());
            return review.verdict().status;
        }
        if (json) {
            Output.json(out, review.json());
        } else {
            print(out, review);
        }
        return review.verdict() == Review.Verdict.WRONG ? Palimpsest.CONFLICT : Palimpsest.DONE;
    }

    private static void print(PrintWriter out, Review review) {
        Output.Table table = new Output.Table("WHAT", "VERDICT", "FOUND");
        review.findings.forEach(f -> table.row(f.what(), f.verdict(), f.found()));
        table.print(out);
        for (Review.Finding f : review.troubles()) {
            out.println(f.verdict() + ": " + f.what() + ": " + f.next());
        }
    }
}
