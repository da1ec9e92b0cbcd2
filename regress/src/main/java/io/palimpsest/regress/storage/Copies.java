package io.palimpsest.regress.storage;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import io.palimpsest.regress.ConnectedCopy;
import io.palimpsest.regress.ManagementClient;
import io.palimpsest.regress.Pause;
import io.palimpsest.regress.ServerProcess;
import io.palimpsest.regress.storage.Report.Row;
import io.palimpsest.server.connect.BackupClient;
import io.palimpsest.server.connect.Credentials;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A database as of an LSN: the first SELECT of a copy by {@code palimpsest connect} beside
 * pgBackRest's restore and replay of the same database, with WAL behind the base and with four
 * times as much; and how fast a base backup comes, beside pg_basebackup.
 */
final class Copies {
    private static final TenantId TENANT = new TenantId(8, 8);
    private static final TimelineId TIMELINE = new TimelineId(8, 8);
    private static final double MIB = 1 << 20;
    private static final Path PROGRAMS =
            Path.of("/usr/lib/postgresql/" + BackupCase.MAJOR + "/bin");
    private static final int MORE = 3;

    private final Path home;
    private final int mib;
    private final int rounds;
    private final Report report;
    private final EmbeddedPostgres postgres;
    private final PgBackRest peer;
    private final BackupLoad load;
    private final ServerProcess server;
    private final ManagementClient management;

    private Copies(Path home, int mib, int rounds, Report report) {
        this.home = home;
        this.mib = mib;
        this.rounds = rounds;
        this.report = report;
        this.postgres =
                EmbeddedPostgres.create(
                        PostgresBinaries.fetch(BackupCase.MAJOR),
                        home.resolve("postgres"),
                        Map.of("shared_buffers", "256MB", "jit", "off"));
        this.peer = new PgBackRest(home, postgres);
        this.load = new BackupLoad(postgres, BackupLoad.Data.COMPRESSIBLE, mib);
        this.server = new ServerProcess(home);
        this.management = new ManagementClient(server.management());
    }

    /** Sees to it that what it needs is there. */
    static void require() throws IOException, InterruptedException {
        PgBackRest.require();
        if (!Files.isExecutable(PROGRAMS.resolve("pg_basebackup"))) {
            throw new IllegalStateException(
                    PROGRAMS
                            + "/pg_basebackup, which is measured against, is not installed: apt-get install postgresql-client-"
                            + BackupCase.MAJOR);
        }
    }

    /**
     * @param mib of the table
     */
    static void run(Path home, int mib, int rounds, Report report)
            throws IOException, InterruptedException {
        Copies all = new Copies(home, mib, rounds, report);
        try {
            all.measure();
        } catch (RuntimeException e) {
            report.say("the page server's log:\n" + all.server.logTail());
            throw e;
        } finally {
            all.server.close();
            all.management.close();
            all.postgres.close();
        }
    }

    private void measure() throws IOException, InterruptedException {
        server.start();
        postgres.start();
        peer.createStanza();
        report.say("a table of " + mib + " MiB, the base by both");
        load.prepare();
        load.run();
        BackupLoad.run(postgres, "CHECKPOINT");
        management.importFrom(TENANT, TIMELINE, postgres.conninfo(), "copies");
        peer.fullBackup();
        long base = Lsn.parse(ask("SELECT pg_current_wal_insert_lsn()")).value();
        Row once = new Row();
        Row fourTimes = new Row();
        Row branched = new Row();
        double wal = change(1, base);
        first(once, branched);
        Row before = backups("as it is");
        double more = change(MORE, base);
        first(fourTimes, branched);
        report.say("images of all pages");
        management.compactAll(TENANT, TIMELINE);
        Row after = backups("with images of all pages");
        Row images = new Row();
        Row ignored = new Row();
        first(images, ignored);
        tell(wal, more, once, fourTimes, images, branched, before, after);
    }

    private String ask(String query) {
        return BackupLoad.ask(postgres, query);
    }

    /** Changes a tenth of the rows each time; MiB of WAL since the base. */
    private double change(int times, long base) throws InterruptedException {
        for (int i = 0; i < times; i++) {
            // Each time pages come whole into WAL once: as often changed, as much WAL.
            BackupLoad.run(postgres, "CHECKPOINT");
            load.change();
        }
        long end = load.endOfArchive();
        while (management.lsn(TENANT, TIMELINE, "last_record_lsn") < end) {
            Pause.millis(20);
        }
        double wal = (end - base) / MIB;
        report.say(Math.round(wal) + " MiB of WAL since the base");
        return wal;
    }

    private void first(Row ours, Row branched) throws IOException {
        for (int round = 1; round <= rounds; round++) {
            report.say("first SELECT, round " + round);
            double theirs = restored(round);
            long begun = System.nanoTime();
            ConnectedCopy copy =
                    ConnectedCopy.start(
                            server,
                            TENANT,
                            TIMELINE,
                            0,
                            home.resolve("copies"),
                            PostgresBinaries.fetch(BackupCase.MAJOR).home().resolve("bin"));
            ours.add((System.nanoTime() - begun) / 1e9, theirs);
            branched.add(copy.branchSeconds());
            copy.close();
        }
    }

    private double restored(int round) {
        Path copy = home.resolve("restored-" + round);
        try (EmbeddedPostgres restored = postgres.over(copy)) {
            long begin = System.nanoTime();
            peer.restore(restored.data());
            restored.start();
            String found = BackupLoad.ask(restored, "SELECT count(*) FROM t WHERE id IN (0, 1)");
            double seconds = (System.nanoTime() - begin) / 1e9;
            if (!found.equals("2")) {
                throw new IllegalStateException("restored, but two rows are " + found);
            }
            return seconds;
        } finally {
            EmbeddedPostgres.deleteDirectory(copy);
        }
    }

    private Row backups(String how) throws IOException, InterruptedException {
        Row row = new Row();
        for (int round = 1; round <= rounds; round++) {
            report.say("base backups, " + how + ", round " + round);
            double theirs = pgBaseBackup();
            row.add(ours(), theirs);
        }
        return row;
    }

    /** MiB/s of its archive, which nobody keeps. */
    private double pgBaseBackup() throws IOException, InterruptedException {
        long begun = System.nanoTime();
        ProcessBuilder builder =
                new ProcessBuilder(
                                List.of(
                                        PROGRAMS.resolve("pg_basebackup").toString(),
                                        "--host=127.0.0.1",
                                        "--port=" + postgres.port(),
                                        "--username=" + EmbeddedPostgres.USER,
                                        "--pgdata=-",
                                        "--format=tar",
                                        "--wal-method=none",
                                        "--checkpoint=fast"))
                        .redirectError(ProcessBuilder.Redirect.DISCARD);
        builder.environment().put("PGPASSWORD", postgres.password());
        Process process = builder.start();
        long bytes = 0;
        byte[] piece = new byte[1 << 18];
        try (InputStream in = process.getInputStream()) {
            for (int n; (n = in.read(piece)) >= 0; ) {
                bytes += n;
            }
        }
        if (process.waitFor() != 0) {
            throw new IOException("pg_basebackup has failed");
        }
        return bytes / MIB / ((System.nanoTime() - begun) / 1e9);
    }

    private double ours() {
        AtomicLong bytes = new AtomicLong();
        long begun = System.nanoTime();
        BackupClient.stock(
                server.pageService(),
                TENANT,
                TIMELINE,
                "latest",
                Credentials.NONE,
                (piece, offset, length) -> bytes.addAndGet(length));
        return bytes.get() / MIB / ((System.nanoTime() - begun) / 1e9);
    }

    private void tell(
            double wal,
            double more,
            Row once,
            Row fourTimes,
            Row images,
            Row branched,
            Row before,
            Row after) {
        String peerName = "pgBackRest, zstd: restore and replay to first SELECT";
        report.cost(
                "first SELECT on a branch, %d MiB, %.0f MiB of WAL since the base"
                        .formatted(mib, wal),
                peerName,
                "s",
                once,
                Goal.atMost(0.5),
                "palimpsest connect as a process of its own, mode full");
        report.cost(
                "  with %.0f MiB of WAL since the base".formatted(more),
                peerName,
                "s",
                fourTimes,
                null,
                "");
        report.cost(
                "  the same, %.1f times the WAL".formatted(more / wal),
                "ours with once",
                "s",
                fourTimes.over(once),
                Goal.atMost(1.2),
                "");
        report.cost("  with images of all pages", peerName, "s", images, null, "");
        report.value("  of it, the branch", "s", branched, null, "as connect says");
        report.rate(
                "base backup, after image creation",
                "pg_basebackup, same table, no WAL",
                "MiB/s",
                after,
                Goal.atLeast(0.8),
                "over a socket, thrown away; pages are stamped with checksums where the cluster has them");
        report.rate(
                "  before it",
                "pg_basebackup, same table, no WAL",
                "MiB/s",
                before,
                null,
                "delta layers and L0s as they were, a tenth of the rows changed since the base");
    }
}
