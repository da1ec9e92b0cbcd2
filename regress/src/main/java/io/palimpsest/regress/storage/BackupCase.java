package io.palimpsest.regress.storage;

import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import io.palimpsest.layer.LayerName;
import io.palimpsest.pg.RelTag;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.regress.ManagementClient;
import io.palimpsest.regress.PageSource;
import io.palimpsest.regress.PageserverClient;
import io.palimpsest.regress.Pause;
import io.palimpsest.regress.RunStore;
import io.palimpsest.regress.ServerProcess;
import io.palimpsest.regress.storage.Report.Row;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * One PostgreSQL with data of one kind, backed up by both at the same time: our server follows it
 * and puts what it makes of it into an object store; pgBackRest makes a full backup and archives
 * the WAL. Then it is restored by both.
 */
final class BackupCase {
    /** The newest that Debian's pgBackRest knows. */
    static final int MAJOR = 15;

    private static final TenantId TENANT = new TenantId(5, 5);
    private static final TimelineId TIMELINE = new TimelineId(5, 5);
    private static final String PREFIX = "tenants/" + TENANT + "/";
    private static final double MIB = 1 << 20;

    /** Another tenant, attached before what is measured: the server has attached before. */
    private static final TenantId OTHER = new TenantId(6, 6);

    /** Far fewer blocks than a layer has. */
    private static final int STRIDE = 61;

    /** At once, for the warm-up. */
    private static final int DOWNLOADS = 4;

    private final Path home;
    private final String label;
    private final Report report;
    private final EmbeddedPostgres postgres;
    private final PgBackRest peer;
    private final BackupLoad load;
    private final RunStore store;
    private final ServerProcess server;
    private final ManagementClient management;

    private BackupCase(Path home, RunStore store, BackupLoad.Data data, int mib, Report report) {
        this.home = home;
        this.label = data.label();
        this.report = report;
        this.postgres =
                EmbeddedPostgres.create(
                        PostgresBinaries.fetch(MAJOR),
                        home.resolve("postgres"),
                        Map.of("shared_buffers", "256MB", "jit", "off"));
        this.peer = new PgBackRest(home, postgres);
        this.load = new BackupLoad(postgres, data, mib);
        this.store = store;
        this.server = new ServerProcess(home, List.of(store.configuration()), store.environment());
        this.management = new ManagementClient(server.management());
    }

    /**
     * @param mib of the table
     * @param rounds how often both restore
     */
    static void run(
            Path home, RunStore.Kind kind, BackupLoad.Data data, int mib, int rounds, Report report)
            throws IOException, InterruptedException {
        try (RunStore store = RunStore.start(kind, home)) {
            BackupCase all = new BackupCase(home, store, data, mib, report);
            try {
                all.backUp();
                all.restore(rounds);
            } catch (RuntimeException e) {
                report.say("the page server's log:\n" + all.server.logTail());
                throw e;
            } finally {
                all.server.close();
                all.management.close();
                all.postgres.close();
            }
        }
    }

    private void say(String text) {
        report.say(label + ": " + text);
    }

    // ---- backing up ----

    private void backUp() throws InterruptedException {
        say("base by both");
        server.start();
        importOther();
        postgres.start();
        peer.createStanza();
        load.prepare();
        management.importFrom(TENANT, TIMELINE, postgres.conninfo(), "bench");
        peer.fullBackup();
        say("load");
        long begin = System.nanoTime();
        UploadLag lag = new UploadLag(management, TENANT, TIMELINE);
        long end;
        double ingested;
        double stored;
        long before = management.lsn(TENANT, TIMELINE, "last_record_lsn");
        try (lag) {
            load.run();
            end = load.endOfArchive();
            await("last_record_lsn", end);
            ingested = seconds(begin);
            management.checkpoint(TENANT, TIMELINE);
            await("remote_consistent_lsn", end);
            stored = seconds(begin);
        }
        say("stored");
        report.rate(
                label + ": WAL taken in",
                "all of it in the store as well",
                "MiB/s",
                row((end - before) / MIB / ingested, (end - before) / MIB / stored),
                null,
                "both from the first row on; the second with a last flush by request");
        report.cost(
                label + ": until all is in the store",
                "until all is taken in",
                "s",
                row(stored, ingested),
                Goal.atMost(1.1),
                "uploads keep up");
        report.cost(
                label + ": WAL that is not in the store, most",
                "checkpoint distance",
                "MiB",
                row(lag.mostWal() / MIB, Limits.DEFAULT.flushDistance() / MIB),
                Goal.atMost(2),
                "one is collected while one is put");
        report.value(
                label + ": WAL that is not in the store, longest",
                "s",
                row(lag.longestSeconds()),
                null,
                "from taking it in");
        report.value(
                label + ": layers on the disk that are not in the store, most",
                "MiB",
                row(lag.mostWaiting() / MIB),
                null,
                "");
        storedBytes();
    }

    private void importOther() {
        try (EmbeddedPostgres other =
                EmbeddedPostgres.create(
                        PostgresBinaries.fetch(MAJOR), home.resolve("other"), Map.of())) {
            other.start();
            management.importFrom(OTHER, TIMELINE, other.conninfo(), "bench");
            // It can be read once the end of the base backup has come.
            await(
                    OTHER,
                    "last_record_lsn",
                    management.lsn(OTHER, TIMELINE, "applied_gc_cutoff_lsn"));
        }
    }

    private void storedBytes() {
        double theirs = (peer.bytes("backup") + peer.bytes("archive")) / MIB;
        double before = storedLayers() / MIB;
        say("stored: " + kinds());
        say("nothing is written, and the L0s are merged");
        long begin = System.nanoTime();
        awaitRest();
        double rest = seconds(begin);
        say("stored: " + kinds());
        report.cost(
                label + ": stored for the window",
                "pgBackRest's base and archive, zstd",
                "MiB",
                row(storedLayers() / MIB, theirs),
                Goal.atMost(1.5),
                "at rest; the base was made before the load");
        report.value(label + ":   until it was at rest", "s", row(rest), null, "by itself");
        report.cost(
                label + ":   before that",
                "pgBackRest's base and archive, zstd",
                "MiB",
                row(before, theirs),
                null,
                "L0s are not compressed");
        say("compaction, all there is");
        management.compactAll(TENANT, TIMELINE);
        management.checkpoint(TENANT, TIMELINE);
        awaitUploaded();
        say("stored: " + kinds());
        report.cost(
                label + ":   with an image of every page",
                "pgBackRest's base and archive, zstd",
                "MiB",
                row(storedLayers() / MIB, theirs),
                null,
                "a full backup of the end as well, which pgBackRest's is not");
    }

    private long storedLayers() {
        return objects().stream().mapToLong(ObjectStore.Entry::length).sum();
    }

    /** What is stored is made of. */
    private String kinds() {
        Map<String, long[]> kinds = new TreeMap<>();
        for (ObjectStore.Entry entry : objects()) {
            long[] sum = kinds.computeIfAbsent(kind(entry.key()), key -> new long[2]);
            sum[0]++;
            sum[1] += entry.length();
        }
        StringBuilder text = new StringBuilder();
        kinds.forEach((kind, sum) ->
                text.append(
                        String.format(
                                Locale.ROOT, "%s %d of %.1f MiB; ", kind, sum[0], sum[1] / MIB)));
        return text
                + "pgBackRest: base %.1f, archive %.1f MiB"
                        .formatted(peer.bytes("backup") / MIB, peer.bytes("archive") / MIB);
    }

    private static String kind(String key) {
        String name = key.substring(key.lastIndexOf('/') + 1);
        if (name.startsWith("index-") || name.startsWith("manifest-")) {
            return "metadata";
        }
        LayerName layer = LayerName.parse(name);
        if (layer.image()) {
            return "images";
        }
        return layer.keys().equals(KeyRange.ALL) ? "L0s" : "deltas";
    }

    /** What the store has of the tenant. */
    private List<ObjectStore.Entry> objects() {
        List<ObjectStore.Entry> all = new ArrayList<>();
        String page = null;
        do {
            ObjectStore.Listing listing = store.store().list(PREFIX, true, 1000, page);
            all.addAll(listing.objects());
            page = listing.next();
        } while (page != null);
        return all;
    }

    /** Until the server has merged by itself what L0s there are, and has put what it made. */
    private void awaitRest() {
        long deadline = System.nanoTime() + 600_000_000_000L;
        while (objects().stream().anyMatch(entry -> kind(entry.key()).equals("L0s"))) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("there still are L0s in the store");
            }
            Pause.millis(100);
        }
        awaitUploaded();
    }

    /** Until nothing is left to be put, and what was removed is gone. */
    private void awaitUploaded() {
        long deadline = System.nanoTime() + 300_000_000_000L;
        long last = -1;
        int calm = 0;
        while (calm < 10) {
            long now = storedLayers();
            boolean done =
                    management.timeline(TENANT, TIMELINE).path("upload_lag_bytes").asLong() == 0;
            calm = done && now == last ? calm + 1 : 0;
            last = now;
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("uploads do not come to an end");
            }
            Pause.millis(100);
        }
    }

    private void await(String field, long lsn) {
        await(TENANT, field, lsn);
    }

    private void await(TenantId tenant, String field, long lsn) {
        long deadline = System.nanoTime() + 600_000_000_000L;
        while (management.lsn(tenant, TIMELINE, field) < lsn) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException(field + " does not get to the end");
            }
            Pause.millis(10);
        }
    }

    // ---- restoring ----

    private void restore(int rounds) throws IOException {
        RelTag table = load.table();
        int blocks = load.blocks();
        long lsn = management.lsn(TENANT, TIMELINE, "last_record_lsn");
        say("a second full backup, for pgBackRest to restore without replaying the load");
        peer.fullBackup();
        postgres.close();
        Row first = new Row();
        Row attached = new Row();
        Row withStart = new Row();
        Row resident = new Row();
        for (int round = 1; round <= rounds; round++) {
            say("restore, round " + round);
            double theirs = peerToFirstQuery(round);
            server.stop();
            EmbeddedPostgres.deleteDirectory(server.workingDirectory());
            long begin = System.nanoTime();
            server.start();
            double start = seconds(begin);
            attachOther();
            begin = System.nanoTime();
            management.attach(TENANT);
            attached.add(seconds(begin));
            try (PageserverClient client = client(TENANT)) {
                read(client, table, 0, lsn);
                double ours = seconds(begin);
                first.add(ours, theirs);
                withStart.add(start + ours, theirs);
                management.warmUp(TENANT, TIMELINE, DOWNLOADS);
                double all = seconds(begin);
                resident.add(residentBytes() / MIB / all, copyRate(round));
                for (int block = 0; block < blocks; block += STRIDE) {
                    read(client, table, block, lsn);
                }
            }
        }
        report.cost(
                label + ": attach to first page",
                "pgBackRest, restore to first query",
                "s",
                first,
                Goal.atMost(0.02),
                "by a page server that runs and has attached another tenant before; pgBackRest with a base of the end, so without replay");
        report.value(
                label + ":   of that the attaching",
                "s",
                attached,
                null,
                "until location_config is answered; the rest is a connection and a page");
        report.cost(
                label + ":   with the start of the page server",
                "pgBackRest, restore to first query",
                "s",
                withStart,
                null,
                "");
        report.rate(
                label + ": to fully resident",
                "copying the same objects to files, synced",
                "MiB/s",
                resident,
                Goal.atLeast(0.6),
                "attaching, the first page, then a warm-up with " + DOWNLOADS + " layers at once");
    }

    private double peerToFirstQuery(int round) {
        Path copy = home.resolve("restored-" + round);
        try (EmbeddedPostgres restored = postgres.over(copy)) {
            long begin = System.nanoTime();
            peer.restore(restored.data());
            restored.start();
            String found = BackupLoad.ask(restored, "SELECT count(*) FROM t WHERE id IN (0, 1)");
            double seconds = seconds(begin);
            if (!found.equals("2")) {
                throw new IllegalStateException("restored, but two rows are " + found);
            }
            return seconds;
        } finally {
            EmbeddedPostgres.deleteDirectory(copy);
        }
    }

    private PageserverClient client(TenantId tenant) {
        return PageserverClient.connect(server.pageService(), tenant, TIMELINE, 3);
    }

    private void attachOther() {
        management.attach(OTHER);
        try (PageserverClient client = client(OTHER)) {
            PageSource.Keyspace keyspace =
                    client.keyspace(management.lsn(OTHER, TIMELINE, "last_record_lsn"));
            if (keyspace.relations().isEmpty()) {
                throw new IllegalStateException("the other tenant has nothing");
            }
        }
    }

    private static void read(PageserverClient client, RelTag table, int block, long lsn) {
        if (client.page(table, block, lsn) instanceof PageSource.Answer.Refused(String message)) {
            throw new IllegalStateException("after attaching: " + message);
        }
    }

    private long residentBytes() throws IOException {
        try (var files = Files.walk(server.workingDirectory().resolve(PREFIX))) {
            long sum = 0;
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                sum += Files.size(file);
            }
            return sum;
        }
    }

    /** MiB/s of copying every object out of the store, one after the other. */
    private double copyRate(int round) throws IOException {
        Path to = Files.createDirectories(home.resolve("copied-" + round));
        long bytes = 0;
        int number = 0;
        long begin = System.nanoTime();
        for (ObjectStore.Entry entry : objects()) {
            bytes += copy(entry, to.resolve(Integer.toString(number++)));
        }
        double rate = bytes / MIB / seconds(begin);
        EmbeddedPostgres.deleteDirectory(to);
        return rate;
    }

    /** As {@code cp} does it where the store is a directory; by a get elsewhere. */
    private long copy(ObjectStore.Entry entry, Path to) throws IOException {
        try (FileOutputStream out = new FileOutputStream(to.toFile())) {
            if (store.kind() == RunStore.Kind.LOCAL) {
                Files.copy(home.resolve("store").resolve(entry.key()), out);
            } else {
                store.store()
                        .get(
                                entry.key(),
                                (bytes, offset, length) -> write(out, bytes, offset, length));
            }
            out.getFD().sync();
        }
        return entry.length();
    }

    private static void write(OutputStream out, byte[] bytes, int offset, int length) {
        try {
            out.write(bytes, offset, length);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Row row(double ours, double peer) {
        Row row = new Row();
        row.add(ours, peer);
        return row;
    }

    private static Row row(double ours) {
        Row row = new Row();
        row.add(ours);
        return row;
    }

    private static double seconds(long since) {
        return (System.nanoTime() - since) / 1e9;
    }
}
