package io.palimpsest.regress.storage;

import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.regress.RunStore;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code make bench-backup}: the measures of the backup, each beside pgBackRest's of the same
 * PostgreSQL or beside a limit of the machine, in one run, with its goal.
 */
@Command(name = "bench-backup", mixinStandardHelpOptions = true)
public final class BackupBench implements Callable<Integer> {
    private static final PrintStream OUT =
            new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    @Option(names = "--size-mb", description = "of the table (${DEFAULT-VALUE})")
    private int mib = 1024;

    @Option(names = "--store", description = "${COMPLETION-CANDIDATES} (${DEFAULT-VALUE})")
    private RunStore.Kind kind = RunStore.Kind.LOCAL;

    @Option(
            names = "--only",
            split = ",",
            description = "kinds of data: ${COMPLETION-CANDIDATES}; all without")
    private List<BackupLoad.Data> only = List.of(BackupLoad.Data.values());

    @Option(names = "--rounds", description = "how often both restore (${DEFAULT-VALUE})")
    private int rounds = 2;

    @Option(names = "--json", description = "print JSON with every round's value")
    private boolean json;

    private final long start = System.nanoTime();

    public static void main(String[] args) {
        System.exit(
                new CommandLine(new BackupBench())
                        .setCaseInsensitiveEnumValuesAllowed(true)
                        .execute(args));
    }

    @Override
    public Integer call() throws Exception {
        PgBackRest.require();
        Report report = new Report(this::say);
        for (BackupLoad.Data data : only) {
            Path home = EmbeddedPostgres.temporaryDirectory("palimpsest-backup-");
            try {
                BackupCase.run(
                        Files.createDirectories(home.resolve(data.label())),
                        kind,
                        data,
                        mib,
                        rounds,
                        report);
            } finally {
                EmbeddedPostgres.deleteDirectory(home);
            }
        }
        if (json) {
            Map<String, Object> setting = new LinkedHashMap<>();
            setting.put("pg", BackupCase.MAJOR);
            setting.put("sizeMiB", mib);
            setting.put("store", kind.toString());
            setting.put("rounds", rounds);
            setting.put("processors", Runtime.getRuntime().availableProcessors());
            OUT.println(report.json(setting));
        } else {
            OUT.printf(
                    Locale.ROOT,
                    "%nbench-backup: a table of %d MiB, store %s, %d processors shared by all, %.0f s%n%n",
                    mib,
                    kind.toString().toLowerCase(Locale.ROOT),
                    Runtime.getRuntime().availableProcessors(),
                    (System.nanoTime() - start) / 1e9);
            OUT.println(report.text());
        }
        return 0;
    }

    private void say(String text) {
        if (!json) {
            OUT.printf(Locale.ROOT, "%6.1f s  %s%n", (System.nanoTime() - start) / 1e9, text);
        }
    }
}
