package io.palimpsest.regress.bench;

import io.palimpsest.fixtures.EmbeddedPostgres;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
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
 * {@code make bench}: how fast WAL goes in and pages come out, each beside a peer in the same
 * round. The rounds are interleaved because machines are noisy: read the ratios, and take the
 * absolute figures as what this machine did then.
 */
@Command(name = "bench", mixinStandardHelpOptions = true)
public final class Bench implements Callable<Integer> {
    private static final PrintStream OUT =
            new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    @Option(names = "--pg", description = "PostgreSQL's major version, 14 to 18 (${DEFAULT-VALUE})")
    private int major = 17;

    @Option(
            names = "--scale",
            description = "size of the load, about 70 MiB of WAL each (${DEFAULT-VALUE})")
    private int scale = 5;

    @Option(names = "--rounds", description = "rounds that count (${DEFAULT-VALUE})")
    private int rounds = 5;

    @Option(names = "--seconds", description = "of each burst of page requests (${DEFAULT-VALUE})")
    private double seconds = 0.5;

    @Option(names = "--only", description = "ingest or pages; both without")
    private String only = "";

    @Option(names = "--json", description = "print JSON with every round's value")
    private boolean json;

    private final long start = System.nanoTime();

    public static void main(String[] args) {
        System.exit(new CommandLine(new Bench()).execute(args));
    }

    /**
     * The pages' server is closed early: it would take processor time from what is measured next.
     */
    @Override
    @SuppressWarnings("try")
    public Integer call() throws Exception {
        Path home = EmbeddedPostgres.temporaryDirectory("palimpsest-bench-");
        try (BenchSource source = new BenchSource(major, home, scale);
                IngestBench ingest = prepared(source, home);
                PageBench pages = new PageBench(home.resolve("pages"), seconds)) {
            pages.importFrom(source);
            long from = ingest.startLsn();
            say("load");
            source.work();
            source.makeChains();
            List<PageBench.Pages> kinds =
                    List.of(
                            new PageBench.Pages(
                                    "image", source.table("stills"), source.blocks("stills")),
                            new PageBench.Pages(
                                    "image + 4 records",
                                    source.table("chains"),
                                    source.blocks("chains")));
            long end = source.switchWal();
            RecordedStream stream =
                    ingest.begin(
                            RecordedStream.read(
                                    source.wal(),
                                    ingest.walTimeline(),
                                    ingest.segmentSize(),
                                    from,
                                    end));
            if (!only.equals("ingest")) {
                pages(pages, kinds, end);
            }
            pages.close();
            if (!only.equals("pages")) {
                ingest(ingest, stream, source, kinds);
            }
            report(ingest, stream, pages, kinds);
            return 0;
        } finally {
            EmbeddedPostgres.deleteDirectory(home);
        }
    }

    private IngestBench prepared(BenchSource source, Path home) throws Exception {
        say("PostgreSQL " + major + ", tables");
        source.prepare();
        return new IngestBench(home.resolve("ingest"), source);
    }

    private void pages(PageBench bench, List<PageBench.Pages> kinds, long lsn) throws Exception {
        bench.await(lsn);
        for (int i = 0; i <= rounds; i++) {
            say("pages, " + (i == 0 ? "warm-up" : "round " + i));
            bench.round(kinds, lsn, i == 0);
        }
    }

    private void ingest(
            IngestBench bench,
            RecordedStream stream,
            BenchSource source,
            List<PageBench.Pages> kinds)
            throws Exception {
        source.crash();
        for (int i = 0; i <= rounds; i++) {
            say("ingest, " + (i == 0 ? "warm-up" : "round " + i));
            bench.round(stream, source, i == 0);
        }
        for (int i = 0; i <= rounds; i++) {
            for (PageBench.Pages pages : kinds) {
                bench.reads(pages.name(), pages.tag(), pages.blocks(), seconds, i == 0);
            }
        }
    }

    private void report(
            IngestBench ingest, RecordedStream stream, PageBench pages, List<PageBench.Pages> kinds)
            throws Exception {
        List<Figures> figures =
                switch (only) {
                    case "ingest" -> List.of(ingest.figures());
                    case "pages" -> List.of(pages.figures());
                    default -> List.of(ingest.figures(), pages.figures());
                };
        if (figures.contains(ingest.figures())) {
            ingest.compare();
        }
        if (figures.contains(pages.figures())) {
            pages.compare(kinds);
        }
        if (json) {
            Map<String, Object> setting = new LinkedHashMap<>();
            setting.put("pg", major);
            setting.put("scale", scale);
            setting.put("processors", Runtime.getRuntime().availableProcessors());
            setting.put("load", ingest.describe(stream));
            OUT.println(Figures.json(setting, figures));
            return;
        }
        OUT.printf(
                Locale.ROOT,
                "%nbench: PostgreSQL %d, %s, %d rounds, %d processors shared by servers and clients%n%n",
                major,
                ingest.describe(stream),
                rounds,
                Runtime.getRuntime().availableProcessors());
        figures.forEach(f -> OUT.println(f.text()));
    }

    private void say(String text) {
        if (!json) {
            OUT.printf(Locale.ROOT, "%6.1f s  %s%n", (System.nanoTime() - start) / 1e9, text);
        }
    }
}
