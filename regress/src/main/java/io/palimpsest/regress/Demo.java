package io.palimpsest.regress;

import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code make demo}: an ordinary PostgreSQL, our server that follows it, a workload, and every page
 * compared. Ends with one line of figures; exit status 0 only if nothing differed.
 */
@Command(name = "demo", mixinStandardHelpOptions = true)
public final class Demo implements Callable<Integer> {
    private static final int MOMENTS = 4;
    private static final PrintStream OUT =
            new PrintStream(
                    new java.io.FileOutputStream(java.io.FileDescriptor.out),
                    true,
                    StandardCharsets.UTF_8);

    @Option(names = "--pg", description = "PostgreSQL's major version, 14 to 18 (${DEFAULT-VALUE})")
    private int major = PostgresBinaries.NEWEST;

    @Option(
            names = "--seed",
            description = "what the workload does follows from it (${DEFAULT-VALUE})")
    private long seed = 1;

    @Option(names = "--selftest", description = "damage one stored byte, so that it must fail")
    private boolean selftest;

    @Option(
            names = "--directory",
            description = "where everything lives; a temporary one that is removed")
    private @Nullable Path directory;

    private final long start = System.nanoTime();

    public static void main(String[] args) {
        System.exit(new CommandLine(new Demo()).execute(args));
    }

    @Override
    public Integer call() throws Exception {
        say("PostgreSQL " + major + ", seed " + seed);
        PostgresBinaries binaries = PostgresBinaries.fetch(major);
        Path home =
                directory != null
                        ? directory
                        : EmbeddedPostgres.temporaryDirectory("palimpsest-demo-");
        boolean keep = directory != null;
        try (SourcePostgres postgres =
                        new EmbeddedSource(
                                EmbeddedPostgres.create(
                                        binaries, home.resolve("postgres"), Map.of()));
                ServerProcess server = new ServerProcess(home)) {
            say("PostgreSQL " + binaries.release() + " in " + home);
            try {
                postgres.start();
                Run run = new Run(postgres, server, home, seed, this::say);
                run.follow(MOMENTS);
                if (selftest) {
                    run.flipStoredByte();
                }
                ComparisonReport report = run.compare();
                OUT.println();
                OUT.print(report.text());
                ComparisonReport.Tally total = report.total();
                keep |= total.mismatches > 0 && !selftest;
                OUT.printf(
                        Locale.ROOT,
                        "demo: pages=%d changed=%d mismatches=%d unsupported=%d skipped=%d moments=%d pg=%d%n",
                        total.pages,
                        total.changed,
                        total.mismatches,
                        total.unsupported,
                        total.skipped,
                        run.moments(),
                        major);
                return total.mismatches == 0 ? 0 : 1;
            } catch (Exception e) {
                keep = true;
                OUT.println("demo: failed: " + e.getMessage());
                OUT.println("page server's log:\n" + server.logTail());
                throw e;
            }
        } finally {
            if (keep) {
                say("all files are left in " + home);
            } else {
                EmbeddedPostgres.deleteDirectory(home);
            }
        }
    }

    private void say(String text) {
        OUT.printf(Locale.ROOT, "%6.1f s  %s%n", (System.nanoTime() - start) / 1e9, text);
    }
}
