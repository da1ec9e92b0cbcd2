package io.palimpsest.regress.storage;

import io.palimpsest.fixtures.EmbeddedPostgres;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
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
 * {@code make bench-pages}: the page service beside a program in C and PostgreSQL itself, and
 * copies of a database beside pgBackRest and pg_basebackup, in one run, each with its goal.
 */
@Command(name = "bench-pages", mixinStandardHelpOptions = true)
public final class ServiceBench implements Callable<Integer> {
    /** What can be measured alone. */
    enum PartName {
        PAGES,
        COPIES
    }

    private static final PrintStream OUT =
            new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    @Option(names = "--program", required = true, description = "the program in C")
    private Path program = Path.of("pages");

    @Option(names = "--pg", description = "PostgreSQL's major version for pages (${DEFAULT-VALUE})")
    private int major = 17;

    @Option(names = "--rounds", description = "of pages, that count (${DEFAULT-VALUE})")
    private int rounds = 7;

    @Option(names = "--seconds", description = "of each burst of pages (${DEFAULT-VALUE})")
    private double seconds = 1;

    @Option(names = "--idle", description = "idle connections (${DEFAULT-VALUE})")
    private int idle = 1000;

    @Option(names = "--size-mb", description = "of the table that is copied (${DEFAULT-VALUE})")
    private int mib = 1024;

    @Option(names = "--copy-rounds", description = "of copies (${DEFAULT-VALUE})")
    private int copyRounds = 3;

    @Option(names = "--only", split = ",", description = "${COMPLETION-CANDIDATES}; all without")
    private List<PartName> only = List.of(PartName.values());

    @Option(names = "--json", description = "print JSON with every round's value")
    private boolean json;

    private final long start = System.nanoTime();

    public static void main(String[] args) {
        System.exit(
                new CommandLine(new ServiceBench())
                        .setCaseInsensitiveEnumValuesAllowed(true)
                        .execute(args));
    }

    @Override
    public Integer call() throws Exception {
        if (only.contains(PartName.COPIES)) {
            Copies.require();
        }
        String before = load();
        Report report = new Report(this::say);
        for (PartName part : only) {
            Path home = EmbeddedPostgres.temporaryDirectory("palimpsest-pages-");
            try {
                switch (part) {
                    case PAGES ->
                            new HotPages(major, rounds, seconds, idle, report).run(home, program);
                    case COPIES -> Copies.run(home, mib, copyRounds, report);
                }
            } finally {
                EmbeddedPostgres.deleteDirectory(home);
            }
        }
        if (json) {
            Map<String, Object> setting = new LinkedHashMap<>();
            setting.put("pg", major);
            setting.put("rounds", rounds);
            setting.put("seconds", seconds);
            setting.put("sizeMiB", mib);
            setting.put("copyRounds", copyRounds);
            setting.put("processors", Runtime.getRuntime().availableProcessors());
            setting.put("loadBefore", before);
            setting.put("loadAfter", load());
            OUT.println(report.json(setting));
        } else {
            OUT.printf(
                    Locale.ROOT,
                    "%nbench-pages: %d processors shared by servers and clients, load %s before and %s after, %.0f s%n%n",
                    Runtime.getRuntime().availableProcessors(),
                    before,
                    load(),
                    (System.nanoTime() - start) / 1e9);
            OUT.println(report.text());
        }
        return 0;
    }

    /** Of the machine, over the last minute: whether anything else had a part in it. */
    private static String load() throws IOException {
        return Files.readString(Path.of("/proc/loadavg")).split(" ")[0];
    }

    private void say(String text) {
        if (!json) {
            OUT.printf(Locale.ROOT, "%6.1f s  %s%n", (System.nanoTime() - start) / 1e9, text);
        }
    }
}
