package io.palimpsest.regress;

import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code make demo} and {@code make demo-backup}: an ordinary PostgreSQL, our server that follows
 * it, a workload, and every page compared. Ends with one line of figures; exit status 0 only if
 * nothing differed.
 */
@Command(name = "demo", mixinStandardHelpOptions = true)
public final class Demo implements Callable<Integer> {
    private static final int MOMENTS = 4;

    /** The moments that are compared are leased, all else may go soon. */
    private static final List<String> RESTLESS =
            List.of(
                    "tenant_config.checkpoint_distance=1048576",
                    "tenant_config.compaction_target_size=1048576",
                    "tenant_config.compaction_threshold=4",
                    "tenant_config.compaction_upper_limit=8",
                    "tenant_config.compaction_period='1 s'",
                    "tenant_config.gc_period='2 s'",
                    "tenant_config.pitr_interval='0 s'",
                    "tenant_config.gc_horizon=1048576",
                    "tenant_config.lsn_lease_length='1 d'");

    /** So that there is something to lose all the time. */
    private static final List<String> UPLOADING =
            List.of(
                    "tenant_config.checkpoint_distance=8388608",
                    "tenant_config.checkpoint_timeout='5 s'");

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
            names = "--compact",
            description = "tiny layers and a short history, so that compaction and GC never rest")
    private boolean compact;

    @Option(
            names = "--store",
            description =
                    "with an object store: ${COMPLETION-CANDIDATES}. The page server's machine is lost in mid-load, and once more before all is compared, then with PostgreSQL")
    private RunStore.@Nullable Kind storeKind;

    @Option(
            names = "--checksums",
            description = "page checksums on or off; without it as this version has them")
    private @Nullable String checksums;

    @Option(
            names = "--directory",
            description = "where everything lives; a temporary one that is removed")
    private @Nullable Path directory;

    private final long start = System.nanoTime();

    public static void main(String[] args) {
        System.exit(
                new CommandLine(new Demo())
                        .setCaseInsensitiveEnumValuesAllowed(true)
                        .execute(args));
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
        try (RunStore store = storeKind == null ? null : RunStore.start(storeKind, home);
                SourcePostgres postgres =
                        new EmbeddedSource(
                                EmbeddedPostgres.create(
                                        binaries,
                                        home.resolve("postgres"),
                                        Map.of(),
                                        initdbOptions()));
                ServerProcess server =
                        new ServerProcess(
                                home,
                                configuration(store),
                                store == null ? Map.of() : store.environment())) {
            say("PostgreSQL " + binaries.release() + " in " + home);
            if (store != null) {
                say("-c \"" + store.configuration() + "\"");
            }
            try {
                postgres.start();
                Run run = new Run(postgres, server, home, seed, store, this::say);
                run.follow(MOMENTS);
                if (store != null) {
                    run.loseAllButStore();
                }
                if (selftest) {
                    run.flipStoredByte();
                }
                ComparisonReport report = run.compare();
                ComparisonReport.Tally total = report.total();
                OUT.println();
                OUT.print(report.text());
                if (compact && !worked(server.log())) {
                    throw new IllegalStateException("background work failed, or was not done");
                }
                // Of a damaged store no copy is made: the refusal would hide the comparison.
                List<String> wrong =
                        selftest ? List.of() : run.connect(binaries.home().resolve("bin"));
                wrong.forEach(OUT::println);
                keep |= (total.mismatches > 0 || !wrong.isEmpty()) && !selftest;
                OUT.println(figures(run, total, wrong.size()));
                return total.mismatches == 0 && wrong.isEmpty() ? 0 : 1;
            } catch (Exception e) {
                keep = true;
                OUT.println(name() + ": failed: " + e.getMessage());
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

    private List<String> initdbOptions() {
        if (checksums == null) {
            return List.of();
        }
        return switch (checksums) {
            case "on" -> List.of("--data-checksums");
            case "off" -> major < 18 ? List.of() : List.of("--no-data-checksums");
            default -> throw new IllegalArgumentException("--checksums " + checksums);
        };
    }

    private String name() {
        return storeKind == null ? "demo" : "demo-backup";
    }

    private String figures(Run run, ComparisonReport.Tally total, int wrong) {
        String store =
                storeKind == null
                        ? ""
                        : String.format(
                                Locale.ROOT,
                                "store=%s losses=%d reread=%d attach=%.2fs ",
                                storeKind.name().toLowerCase(Locale.ROOT),
                                run.losses(),
                                run.reread(),
                                run.attachNanos() / 1e9);
        return String.format(
                Locale.ROOT,
                "%s: %spages=%d changed=%d mismatches=%d unsupported=%d skipped=%d moments=%d copies_wrong=%d pg=%d",
                name(),
                store,
                total.pages,
                total.changed,
                total.mismatches,
                total.unsupported,
                total.skipped,
                run.moments(),
                wrong,
                major);
    }

    private List<String> configuration(@Nullable RunStore store) {
        List<String> keys = new ArrayList<>(compact ? RESTLESS : List.of());
        if (store != null) {
            keys.addAll(compact ? List.of() : UPLOADING);
            keys.add(store.configuration());
        }
        return keys;
    }

    /** Says what background work was done; was there enough, and did none of it fail? */
    private boolean worked(String log) {
        boolean all = true;
        StringBuilder said = new StringBuilder("background work:");
        for (String event :
                List.of("l0-merged", "images-created", "layers-collected", "history-dropped")) {
            long count = log.lines().filter(line -> line.contains(event)).count();
            all &= count > 0 || event.equals("history-dropped");
            said.append(' ').append(event).append('=').append(count);
        }
        say(said.toString());
        return all && !log.contains("compaction-failed");
    }

    private void say(String text) {
        OUT.printf(Locale.ROOT, "%6.1f s  %s%n", (System.nanoTime() - start) / 1e9, text);
    }
}
