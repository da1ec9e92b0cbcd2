package io.palimpsest.regress;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.Prng;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import io.palimpsest.pg.RelTag;
import io.palimpsest.value.Keys;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code make soak}: a real PostgreSQL under a mixed workload, followed by a page server with tiny
 * limits, so that it flushes, compacts, collects and branches hundreds of times, and is killed now
 * and then; all the while pages at random LSNs of random timelines are compared with two
 * references:
 *
 * <ul>
 *   <li>PostgreSQL's own files, copied at moments when it was stopped. A branch hangs on each
 *       moment, so that it stays readable; all of it is compared once, samples of it ever after.
 *   <li>At any other LSN a second page server of ours, begun from the same base backup and fed the
 *       same WAL, which neither compacts nor collects nor is killed: what background work does must
 *       not change an answer.
 * </ul>
 *
 * Ends with one line of figures; exit status 0 only if nothing differed and everything happened.
 */
@Command(name = "soak", mixinStandardHelpOptions = true)
public final class Soak implements Callable<Integer> {
    private static final PrintStream OUT =
            new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    private static final int SAMPLERS = 2;
    private static final long LEASE_SECONDS = 25;
    private static final Duration STOP_LIMIT = Duration.ofMinutes(2);
    private static final String SLOT = "soak";
    private static final String REFERENCE_SLOT = "reference";
    private static final String NEVER_CHANGED = "mould.public.cast_iron";

    /** Tiny limits: what takes a day elsewhere happens in seconds. */
    private static final List<String> TRIED =
            List.of(
                    "page_cache_size = 512",
                    "tenant_config.checkpoint_distance = 393216",
                    "tenant_config.checkpoint_timeout = '5 s'",
                    "tenant_config.compaction_period = '1 s'",
                    "tenant_config.compaction_threshold = 3",
                    "tenant_config.compaction_upper_limit = 8",
                    "tenant_config.compaction_target_size = 1048576",
                    "tenant_config.image_creation_threshold = 2",
                    "tenant_config.gc_period = '3 s'",
                    "tenant_config.gc_horizon = 8388608",
                    "tenant_config.pitr_interval = '15 s'",
                    "tenant_config.lsn_lease_length = '" + LEASE_SECONDS + " s'");

    private static final List<String> REFERENCE =
            List.of("tenant_config.compaction_period = '0 s'", "tenant_config.gc_period = '0 s'");

    @Option(names = "--pg", description = "PostgreSQL's major version, 14 to 18 (${DEFAULT-VALUE})")
    private int major = 17;

    @Option(
            names = "--seed",
            description = "what the workload does follows from it (${DEFAULT-VALUE})")
    private long seed = 1;

    @Option(names = "--minutes", description = "how long (${DEFAULT-VALUE})")
    private double minutes = 10;

    @Option(names = "--selftest", description = "plant a wrong byte, so that it must fail")
    private boolean selftest;

    @Option(
            names = "--directory",
            description = "where everything lives; a temporary one that is removed")
    private @Nullable Path directory;

    private final long start = System.nanoTime();

    public static void main(String[] args) {
        System.exit(new CommandLine(new Soak()).execute(args));
    }

    @Override
    public Integer call() throws Exception {
        Path home =
                directory != null
                        ? directory
                        : EmbeddedPostgres.temporaryDirectory("palimpsest-soak-");
        boolean keep = directory != null;
        Prng prng = new Prng(seed).split("soak");
        try (SourcePostgres postgres =
                        new EmbeddedSource(
                                EmbeddedPostgres.create(
                                        PostgresBinaries.fetch(major),
                                        home.resolve("postgres"),
                                        Map.of()));
                SoakWorld world =
                        new SoakWorld(
                                new ServerProcess(home.resolve("tried"), TRIED),
                                new ServerProcess(home.resolve("reference"), REFERENCE),
                                prng,
                                home.resolve("evidence"),
                                this::say)) {
            say("PostgreSQL " + major + ", seed " + seed + ", in " + home);
            try {
                soak(world, postgres, home, prng);
            } catch (Exception e) {
                keep = true;
                OUT.println("soak: failed: " + e.getMessage());
                OUT.println("tried server's log:\n" + world.server.logTail());
                throw e;
            }
            world.server.stop();
            SoakCounts counts = world.counts;
            OUT.println();
            OUT.print(counts.detail());
            counts.notes().forEach(note -> OUT.println("mismatch: " + note));
            OUT.println(counts.last());
            boolean good = counts.mismatches.get() == 0 && counts.complete();
            keep |= !good && !selftest;
            return good ? 0 : 1;
        } finally {
            if (keep) {
                say("all files are left in " + home);
            } else {
                EmbeddedPostgres.deleteDirectory(home);
            }
        }
    }

    private void soak(SoakWorld world, SourcePostgres postgres, Path home, Prng prng)
            throws Exception {
        postgres.start();
        Workload workload =
                new Workload(
                        postgres::jdbcUrl,
                        postgres::newDirectory,
                        postgres.major(),
                        seed,
                        step -> {});
        workload.prepare();
        begin(world, postgres);
        List<SoakSampler> samplers = new ArrayList<>();
        for (int i = 0; i < SAMPLERS; i++) {
            samplers.add(new SoakSampler(world, prng.split("sampler " + i)));
        }
        SoakSteward steward = new SoakSteward(world, prng.split("steward"), LEASE_SECONDS);
        List<Thread> threads = new ArrayList<>();
        samplers.forEach(s -> threads.add(Thread.ofPlatform().name("sampler").start(s)));
        threads.add(Thread.ofPlatform().name("steward").start(steward));
        Thread reporter = Thread.ofPlatform().daemon().start(() -> report(world));
        try {
            long end = start + (long) (minutes * 60e9);
            boolean planted = !selftest;
            int number = 0;
            moment(world, postgres, home, number);
            for (int round = 1; System.nanoTime() < end; round++) {
                workload.round(round);
                moment(world, postgres, home, ++number);
                if (!planted) {
                    plant(world);
                    planted = true;
                }
                check(samplers, steward);
            }
            moment(world, postgres, home, ++number);
        } finally {
            samplers.forEach(SoakSampler::stop);
            steward.stop();
            for (Thread thread : threads) {
                thread.join();
            }
            reporter.interrupt();
        }
        check(samplers, steward);
        world.counts.background(world.management.background());
    }

    private static void check(List<SoakSampler> samplers, SoakSteward steward) {
        for (SoakSampler sampler : samplers) {
            RuntimeException failed = sampler.failure();
            if (failed != null) {
                throw new IllegalStateException("a sampler failed: " + failed.getMessage(), failed);
            }
        }
        RuntimeException failed = steward.failure();
        if (failed != null) {
            throw new IllegalStateException("the steward failed: " + failed.getMessage(), failed);
        }
    }

    /** Both servers on one base backup: what the first has imported is copied for the second. */
    private void begin(SoakWorld world, SourcePostgres postgres) throws IOException, SQLException {
        world.server.start();
        world.management.importFrom(world.tenant, world.main, postgres.conninfo(), SLOT);
        world.server.stop();
        WorkingDirectory.copy(world.server.workingDirectory(), world.reference.workingDirectory());
        Path source =
                world.reference
                        .workingDirectory()
                        .resolve("tenants/" + world.tenant + "/sources/" + world.main);
        String[] lines = Files.readString(source).split("\n");
        Files.writeString(source, lines[0] + "\n" + REFERENCE_SLOT + "\n");
        try (Connection connection = DriverManager.getConnection(postgres.jdbcUrl("postgres"));
                Statement statement = connection.createStatement()) {
            statement.execute(
                    "SELECT pg_copy_physical_replication_slot('"
                            + SLOT
                            + "', '"
                            + REFERENCE_SLOT
                            + "')");
        }
        world.server.start();
        world.reference.start();
        say("imported; a reference that keeps everything has the same base backup");
    }

    /** PostgreSQL stopped, its files copied, a branch hung there, every page compared. */
    private void moment(SoakWorld world, SourcePostgres postgres, Path home, int number)
            throws SQLException {
        Catalog catalog = Catalog.read(postgres::jdbcUrl);
        postgres.stop(STOP_LIMIT);
        DataDirectory files = postgres.copyData(home.resolve("moment-" + number));
        // Before the wait: a page server that is killed now has to ask for its WAL again.
        postgres.start();
        world.await(files.lsn());
        SoakMoment moment = new SoakMoment(number, files.lsn(), files, catalog);
        SoakTimelines.Branch branch =
                new SoakTimelines.Branch(world.newId(), null, moment.lsn(), moment);
        retried(
                world,
                () -> world.management.branch(world.tenant, branch.id, world.main, moment.lsn()));
        // Its branch must not go while all of it is compared.
        world.timelines.enter(branch);
        world.timelines.add(branch);
        world.counts.branches.incrementAndGet();
        world.moments.add(moment);
        world.counts.moments.incrementAndGet();
        try {
            compareAll(world, moment, branch);
        } finally {
            world.timelines.leave(branch);
        }
    }

    private void compareAll(SoakWorld world, SoakMoment moment, SoakTimelines.Branch branch) {
        ComparisonReport[] report = new ComparisonReport[1];
        retried(
                world,
                () -> {
                    try (PageserverClient client = world.client(branch.id)) {
                        report[0] = world.comparison(moment, client).run();
                    }
                });
        ComparisonReport.Tally total = report[0].total();
        world.counts.postgresReads.addAndGet(total.pages);
        report[0].mismatches().forEach(world.counts::mismatch);
        say(
                "moment "
                        + moment.number()
                        + " at "
                        + Lsn.toString(moment.lsn())
                        + ": "
                        + total.pages
                        + " pages compared, "
                        + total.mismatches
                        + " mismatches");
    }

    /** Again if the server was killed meanwhile. */
    private static void retried(SoakWorld world, Runnable what) {
        while (true) {
            int before = world.generation();
            try {
                what.run();
                return;
            } catch (RuntimeException e) {
                if (world.undisturbed(before)) {
                    throw e;
                }
                Pause.millis(500);
            }
        }
    }

    /** A wrong byte in every image there is of a page that never changes. */
    private void plant(SoakWorld world) {
        SoakMoment last = world.moments.getLast();
        RelTag victim = null;
        for (PageSource.Fork fork : last.files().forks()) {
            Catalog.Relation relation = last.catalog().find(fork.tag());
            if (relation != null
                    && relation.name().equals(NEVER_CHANGED)
                    && fork.tag().fork() == RelTag.MAIN) {
                victim = fork.tag();
            }
        }
        if (victim == null) {
            throw new IllegalStateException("no relation to plant a wrong byte in");
        }
        RelTag tag = victim;
        world.stopFor(() ->
                say(StoredPageFlip.flip(world.server.workingDirectory(), Keys.block(tag, 3))));
    }

    private void report(SoakWorld world) {
        while (!Thread.currentThread().isInterrupted()) {
            try {
                Thread.sleep(TimeUnit.SECONDS.toMillis(10));
            } catch (InterruptedException e) {
                return;
            }
            say(world.counts.progress());
        }
    }

    private void say(String text) {
        OUT.printf(Locale.ROOT, "%6.1f s  %s%n", (System.nanoTime() - start) / 1e9, text);
    }
}
