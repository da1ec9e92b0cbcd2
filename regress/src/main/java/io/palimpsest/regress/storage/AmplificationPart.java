package io.palimpsest.regress.storage;

import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import io.palimpsest.pg.RelTag;
import io.palimpsest.regress.storage.Report.Row;
import io.palimpsest.tenant.BackgroundCounters;
import io.palimpsest.tenant.Housekeeper;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.WalSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A TPC-B history with checkpoints, followed by a tenant with layers of a few MiB while compaction
 * and collection run and branches are made: what is written to the disk for a byte of WAL, and what
 * is kept for a byte of PostgreSQL's files and of the WAL in the retention window.
 *
 * <p>What bounds the writes: a value is written to an L0 once, to a delta layer by its merge, at
 * most once again when history below the cutoff is dropped; and an image of each page each time
 * that {@code image_creation_threshold} delta layers lie above the last one.
 */
final class AmplificationPart implements Part {
    private static final int SCALE = 3;
    private static final int BATCHES = 24;
    private static final int TRANSACTIONS = 2500;
    private static final int BATCHES_PER_CHECKPOINT = 6;
    private static final int BATCHES_PER_BRANCH = 4;
    private static final int ACCOUNT_BLOCKS = SCALE * 1600;
    private static final long LAYER = 4L << 20;
    private static final long HORIZON = 16L << 20;
    private static final double WRITE_BOUND = 6;
    private static final double SPACE_BOUND = 2;
    private static final long MIB = 1 << 20;

    @Override
    public void run(Setting setting, Report report) throws IOException, SQLException {
        Path directory = Files.createDirectories(setting.home().resolve("tenant"));
        TenantConfig d = TenantConfig.DEFAULT;
        long second = 1_000_000_000L;
        TenantConfig config =
                new TenantConfig(0, HORIZON, 2 * second, second, 4, 8, LAYER, 3, d.leaseNanos());
        try (EmbeddedPostgres postgres =
                EmbeddedPostgres.create(
                        PostgresBinaries.fetch(setting.major()),
                        setting.home().resolve("postgres"),
                        Map.of(
                                "synchronous_commit", "off",
                                "autovacuum", "off",
                                "wal_keep_size", "4GB"))) {
            postgres.start();
            try (Connection connection = DriverManager.getConnection(postgres.jdbcUrl("postgres"));
                    Statement sql = connection.createStatement()) {
                prepare(sql);
                Storage storage = new Storage(directory, Storage.limits(LAYER, 64L << 20));
                Tenants tenants = Tenants.load(storage.environment(), storage.limits(), config);
                Timeline main =
                        tenants.createFromSource(
                                Storage.TENANT.tenant(),
                                Storage.BASE,
                                WalSource.parse(postgres.conninfo(), "amplification"));
                history(report, sql, tenants, main, directory);
                tenants.close();
            }
        }
    }

    private static void history(
            Report report, Statement sql, Tenants tenants, Timeline main, Path directory)
            throws IOException, SQLException {
        RelTag accounts = accounts(sql);
        Row searched = new Row();
        Row asked = new Row();
        int most = 0;
        Housekeeper housekeeper = tenants.housekeeper();
        long walBefore = main.lastRecordLsn();
        double written = writtenBytes();
        BackgroundCounters.Snapshot before = housekeeper.counters();
        for (int i = 1; i <= BATCHES; i++) {
            sql.execute("CALL tpcb(" + TRANSACTIONS + ")");
            if (i % BATCHES_PER_CHECKPOINT == 0) {
                sql.execute("CHECKPOINT");
            }
            main.waitFor(lsn(sql));
            if (i > BATCHES / 2) {
                ReadDepth depth = ReadDepth.of(main, accounts, ACCOUNT_BLOCKS, i);
                searched.add(depth.searched());
                asked.add(depth.asked());
                most = Math.max(most, depth.mostSearched());
            }
            if (i % BATCHES_PER_BRANCH == 0) {
                report.say("amplification, " + i + " of " + BATCHES + " batches");
                tenants.createBranch(
                        Storage.TENANT.tenant(),
                        new TimelineId(8, i),
                        Storage.BASE,
                        main.lastRecordLsn());
            }
        }
        report.value(
                "layers a read of accounts searches, while WAL comes in and is compacted",
                "",
                searched,
                Goal.atMost(4),
                "the most in a read: " + most);
        report.value(
                "  with those whose filter or memory has not got the page", "", asked, null, "");
        main.flushUpTo(main.lastRecordLsn());
        housekeeper.runToQuiescence(main);
        double wal = main.lastRecordLsn() - walBefore;
        BackgroundCounters.Snapshot after = housekeeper.counters();
        String jobs =
                String.format(
                        Locale.ROOT,
                        "%.0f MiB of WAL, %d flushes, %d merges, %d image creations, %d drops of history, %d collections, %d branches",
                        wal / MIB,
                        after.flushes() - before.flushes(),
                        after.merges() - before.merges(),
                        after.images() - before.images(),
                        after.histories() - before.histories(),
                        after.collections() - before.collections(),
                        BATCHES / BATCHES_PER_BRANCH);
        Row writes = new Row();
        writes.add((writtenBytes() - written) / MIB, wal / MIB);
        report.cost(
                "bytes written, TPC-B with branches",
                "bytes of WAL",
                "MiB",
                writes,
                Goal.atMost(WRITE_BOUND),
                jobs);
        Row space = new Row();
        space.add(layerBytes(directory) / MIB, (databaseBytes(sql) + HORIZON) / MIB);
        report.cost(
                "bytes of layers kept",
                "bytes of PostgreSQL's databases and of the WAL that stays readable",
                "MiB",
                space,
                Goal.atMost(SPACE_BOUND),
                "");
    }

    private static void prepare(Statement sql) throws SQLException {
        for (String text :
                new String[] {
                    "CREATE TABLE branches (bid int PRIMARY KEY, balance int, filler char(88)) WITH (fillfactor = 90)",
                    "CREATE TABLE tellers (tid int PRIMARY KEY, bid int, balance int, filler char(84)) WITH (fillfactor = 90)",
                    "CREATE TABLE accounts (aid int PRIMARY KEY, bid int, balance int, filler char(84)) WITH (fillfactor = 90)",
                    "CREATE TABLE history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))",
                    "INSERT INTO branches SELECT i, 0, '' FROM generate_series(1, " + SCALE + ") i",
                    "INSERT INTO tellers SELECT i, 1, 0, '' FROM generate_series(1, 10 * "
                            + SCALE
                            + ") i",
                    "INSERT INTO accounts SELECT i, 1, 0, '' FROM generate_series(1, 100000 * "
                            + SCALE
                            + ") i",
                    """
                    CREATE PROCEDURE tpcb(n int) LANGUAGE plpgsql AS $$
                    DECLARE a int; b int; t int; d int;
                    BEGIN
                      FOR i IN 1..n LOOP
                        a := 1 + floor(random() * 100000 * %1$d);
                        b := 1 + floor(random() * %1$d);
                        t := 1 + floor(random() * 10 * %1$d);
                        d := floor(random() * 10000) - 5000;
                        UPDATE accounts SET balance = balance + d WHERE aid = a;
                        UPDATE tellers SET balance = balance + d WHERE tid = t;
                        UPDATE branches SET balance = balance + d WHERE bid = b;
                        INSERT INTO history VALUES (t, b, a, d, now(), '');
                        COMMIT;
                      END LOOP;
                    END $$
                    """
                            .formatted(SCALE),
                    "VACUUM (FREEZE, ANALYZE)",
                    "CHECKPOINT"
                }) {
            sql.execute(text);
        }
    }

    private static RelTag accounts(Statement sql) throws SQLException {
        try (ResultSet row =
                sql.executeQuery(
                        "SELECT oid::int, pg_relation_filenode('accounts')::int"
                                + " FROM pg_database WHERE datname = current_database()")) {
            row.next();
            return new RelTag(RelTag.DEFAULT_TABLESPACE, row.getInt(1), row.getInt(2), RelTag.MAIN);
        }
    }

    private static long lsn(Statement sql) throws SQLException {
        // What is asked for is on its way only once it is flushed.
        sql.execute("SELECT pg_logical_emit_message(true, 'bench', '')");
        try (ResultSet row =
                sql.executeQuery("SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn")) {
            row.next();
            return row.getLong(1);
        }
    }

    private static double databaseBytes(Statement sql) throws SQLException {
        try (ResultSet row =
                sql.executeQuery("SELECT sum(pg_database_size(oid)) FROM pg_database")) {
            row.next();
            return row.getLong(1);
        }
    }

    private static double layerBytes(Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            double sum = 0;
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                sum += Files.size(file);
            }
            return sum;
        }
    }

    /** What this process has had written to the disk, by the kernel's account. */
    private static double writtenBytes() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/io"))) {
            if (line.startsWith("write_bytes: ")) {
                return Long.parseLong(line.substring(13));
            }
        }
        throw new IOException("/proc/self/io has no write_bytes");
    }
}
