package io.palimpsest.regress.oracle;

import io.palimpsest.base.Lsn;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import io.palimpsest.redo.RedoCheck;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalRecord;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code make oracle}: a real PostgreSQL with {@code wal_consistency_checking = all}, workloads
 * that reach every kind of record, and after every record our page against the server's. Exit
 * status 0 only if nothing differed and nothing was refused.
 */
@Command(name = "oracle", mixinStandardHelpOptions = true)
public final class Oracle implements Callable<Integer> {
    private static final int MAX_PAGES = 60_000;
    private static final int MAX_REPRODUCTIONS = 20;
    private static final long TELL_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final Duration STOP_LIMIT = Duration.ofMinutes(2);
    private static final PrintStream OUT =
            new PrintStream(
                    new java.io.FileOutputStream(java.io.FileDescriptor.out),
                    true,
                    StandardCharsets.UTF_8);

    @Option(names = "--pg", description = "PostgreSQL's major version, 14 to 18 (${DEFAULT-VALUE})")
    private int major = PostgresBinaries.NEWEST;

    @Option(names = "--engine", description = "what redoes: jvm or process (${DEFAULT-VALUE})")
    private String engineName = "jvm";

    @Option(names = "--minutes", description = "how long (${DEFAULT-VALUE})")
    private double minutes = 5;

    @Option(names = "--records", description = "enough of them checked; else it takes all its time")
    private long enough = Long.MAX_VALUE;

    @Option(names = "--seed", description = "of the workload (${DEFAULT-VALUE})")
    private long seed = 1;

    @Option(names = "--findings", description = "where reproductions go (${DEFAULT-VALUE})")
    private Path findings = Path.of("regress/target/oracle");

    @Option(
            names = "--libraries",
            description = "what make walredo built, for the process engine (${DEFAULT-VALUE})")
    private Path libraries = Path.of("server/target/walredo");

    private final long start = System.nanoTime();
    private final RedoCheck.Tally total = new RedoCheck.Tally();
    private int reproductions;

    public static void main(String[] args) {
        System.exit(new CommandLine(new Oracle()).execute(args));
    }

    @Override
    public Integer call() throws Exception {
        PostgresBinaries binaries = PostgresBinaries.fetch(major);
        say("PostgreSQL " + binaries.release() + ", engine " + engineName + ", seed " + seed);
        RegressionSql regression = major == 15 ? RegressionSql.fetch(this::say) : null;
        RecordTypes types = new RecordTypes(major);
        List<Phase> phases = Phase.all();
        long begun = System.nanoTime();
        int percent = 0;
        for (Phase phase : phases) {
            percent += phase.percent();
            long end = begun + (long) (minutes * 60e9 * percent / 100);
            long records =
                    enough == Long.MAX_VALUE
                            ? enough
                            : (long) (enough * (percent / 100.0)) - total.checked();
            run(
                    phase,
                    binaries,
                    types,
                    end,
                    records,
                    phase.equals(phases.getFirst()) ? regression : null);
        }
        OUT.println();
        OUT.print(types.text());
        OUT.println();
        OUT.printf(
                "record types: %d of %d seen%s%n",
                types.seen(),
                types.types().size(),
                types.missed().isEmpty() ? "" : "; missed: " + String.join(", ", types.missed()));
        OUT.printf(
                Locale.ROOT,
                "oracle: pg=%d engine=%s records=%d checked=%d mismatches=%d unsupported=%d%n",
                major,
                engineName,
                total.seen(),
                total.checked(),
                total.mismatches(),
                total.unsupported());
        return total.mismatches() == 0 && total.unsupported() == 0 ? 0 : 1;
    }

    private void run(
            Phase phase,
            PostgresBinaries binaries,
            RecordTypes types,
            long end,
            long records,
            @Nullable RegressionSql regression)
            throws SQLException, IOException, InterruptedException {
        say("phase: " + phase.name());
        Path home = EmbeddedPostgres.temporaryDirectory("palimpsest-oracle-");
        RedoContext context = phase.context(major);
        try (EmbeddedPostgres postgres = phase.create(binaries, home.resolve("postgres"));
                OracleEngine engine = OracleEngine.open(engineName, context, libraries)) {
            postgres.start();
            RedoCheck check = new RedoCheck(engine, MAX_PAGES, finding -> found(context, finding));
            try (WalFeed feed = new WalFeed(postgres, check);
                    WalGenerator generator =
                            new WalGenerator(
                                    postgres, phase, seed, feed::lag, regression, this::say)) {
                follow(check, feed, end, records);
                generator.stop();
                Thread stopping =
                        Thread.ofPlatform().daemon().start(() -> postgres.stop(STOP_LIMIT));
                while (feed.next()) {
                    // To the end of the server's WAL: the record of its shutdown checkpoint.
                }
                stopping.join();
            }
            int unexplained = check.finish();
            if (unexplained > 0) {
                say(unexplained + " heap blocks' visibility bits were cleared by no record");
            }
            tell(check, 0, end);
            types.add(check);
            total.add(check.total());
        } finally {
            EmbeddedPostgres.deleteDirectory(home);
        }
    }

    private void follow(RedoCheck check, WalFeed feed, long end, long records) {
        long told = System.nanoTime();
        long before = 0;
        while (System.nanoTime() < end && check.total().checked() < records) {
            if (!feed.next()) {
                throw new IllegalStateException("PostgreSQL ended its stream");
            }
            long now = System.nanoTime();
            if (now - told > TELL_NANOS) {
                tell(check, (check.total().seen() - before) * 1e9 / (now - told), end);
                told = now;
                before = check.total().seen();
            }
        }
    }

    private void tell(RedoCheck check, double rate, long end) {
        RedoCheck.Tally all = check.total();
        say(
                String.format(
                        Locale.ROOT,
                        "%,d records, %,d checked, %d mismatches, %d unsupported, %,.0f records/s,"
                                + " %,d pages kept, %,d dropped, %d s left",
                        all.seen(),
                        all.checked(),
                        all.mismatches(),
                        all.unsupported(),
                        rate,
                        check.pages(),
                        check.forgotten(),
                        Math.max(0, (end - System.nanoTime()) / 1_000_000_000)));
    }

    private void found(RedoContext context, RedoCheck.Finding finding) {
        if (reproductions >= MAX_REPRODUCTIONS) {
            return;
        }
        reproductions++;
        WalRecord r = finding.record();
        String name =
                String.format(
                        "pg%d-%s-%s-%02X-block%d.redo",
                        major,
                        Lsn.toString(r.startLsn()).replace('/', '_'),
                        Rmgr.name(r.rmid()),
                        r.info(),
                        finding.index());
        Path file = findings.resolve(name);
        try {
            Files.createDirectories(findings);
            RedoReproduction.of(context, finding).write(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        say(
                (finding.unsupported() ? "unsupported: " : "mismatch: ")
                        + finding.what()
                        + ": "
                        + file);
    }

    private void say(String text) {
        OUT.printf(Locale.ROOT, "%6.1f s  %s%n", (System.nanoTime() - start) / 1e9, text);
    }
}
