package io.palimpsest.regress.storage;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.palimpsest.base.Limits;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Tracer;
import io.palimpsest.regress.ManagementClient;
import io.palimpsest.regress.ServerProcess;
import io.palimpsest.regress.WarningsOnly;
import io.palimpsest.regress.WorkingDirectory;
import io.palimpsest.server.disk.NioDisk;
import io.palimpsest.server.runtime.LogTracer;
import io.palimpsest.server.runtime.SecureIds;
import io.palimpsest.server.runtime.SocketNet;
import io.palimpsest.server.runtime.SystemClock;
import io.palimpsest.server.runtime.SystemTasks;
import io.palimpsest.timeline.Housekeeping;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;
import java.util.zip.CRC32C;

/** Timelines in this process on real files, with nothing running in the background but flushes. */
final class Storage {
    static final TenantShardId TENANT = TenantShardId.unsharded(new TenantId(1, 1));

    /** A small imported cluster, which others branch off. */
    static final TimelineId BASE = new TimelineId(1, 1);

    private final Path directory;
    private final Limits limits;
    private final Environment environment;
    private final TimelineStore store;

    Storage(Path directory, Limits limits) {
        this.directory = directory;
        this.limits = limits;
        Tracer tracer = new WarningsOnly(new LogTracer("bench"));
        environment =
                new Environment(
                        new SystemClock(),
                        new SystemTasks(tracer, (task, failure) -> {}),
                        new NioDisk(directory),
                        new SocketNet(),
                        new SecureIds(),
                        tracer);
        store =
                new TimelineStore(
                        environment,
                        limits,
                        TenantConfig.DEFAULT,
                        new BlockCache(limits),
                        Housekeeping.NONE);
    }

    Environment environment() {
        return environment;
    }

    TimelineStore store() {
        return store;
    }

    Limits limits() {
        return limits;
    }

    Path directory() {
        return directory;
    }

    /** Opens one that is there, with what it branched off. */
    Timeline open(TimelineId id) {
        return store.open(TENANT, id, this::open);
    }

    static String path(TimelineId id) {
        return path(TENANT, id);
    }

    private static String path(TenantShardId tenant, TimelineId id) {
        return TimelineStore.ROOT + "/" + tenant + "/timelines/" + id;
    }

    /** Where it is written what the tenant's timelines follow. */
    static String sources() {
        return TimelineStore.ROOT + "/" + TENANT + "/sources";
    }

    /** The usual limits but for these two. */
    static Limits limits(long openLayerBytes, long blockCacheBytes) {
        Limits d = Limits.DEFAULT;
        return new Limits(
                openLayerBytes,
                d.flushDistance(),
                d.flushAgeNanos(),
                d.ingestBatchRecords(),
                d.ingestBatchBytes(),
                d.layerBlockBytes(),
                d.recordBytes(),
                d.waitLsnNanos(),
                blockCacheBytes,
                d.openLayerFiles(),
                d.batchPages(),
                d.chainDeltas(),
                d.backgroundBytesPerSecond());
    }

    /** Closes it and removes its files. */
    void drop(Timeline timeline) {
        timeline.shutDown();
        environment.disk().deleteTree(path(timeline.id()));
    }

    /** As the page service's commands name a timeline. */
    static String name(TimelineId id) {
        return TENANT + " " + id;
    }

    /** Of the base timeline of a server. */
    static long lastRecordLsn(ServerProcess server) {
        try (ManagementClient management = new ManagementClient(server.management())) {
            return management.lsn(TENANT.tenant(), BASE, "last_record_lsn");
        }
    }

    /** Changes the lines of a stopped timeline's index, without its checksum. */
    static void rewriteIndex(Path timeline, UnaryOperator<List<String>> change) {
        Path file = timeline.resolve("index");
        try {
            List<String> lines = new ArrayList<>(Files.readAllLines(file));
            lines.removeLast();
            byte[] body = (String.join("\n", change.apply(lines)) + "\n").getBytes(UTF_8);
            CRC32C crc = new CRC32C();
            crc.update(body, 0, body.length);
            String checksum = String.format(Locale.ROOT, "crc32c %08x%n", crc.getValue());
            // Another file: this one may be linked.
            Files.delete(file);
            Files.write(file, body);
            Files.writeString(file, checksum, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The base timeline under another tenant's name, sharing blocks with the base. */
    static void copyTenant(Path base, Path working, TenantId tenant) {
        Path from = base.resolve(path(BASE));
        Path to = working.resolve(path(TenantShardId.unsharded(tenant), BASE));
        WorkingDirectory.link(from, to);
        rewriteIndex(
                to,
                lines ->
                        lines.stream()
                                .map(l -> l.equals("tenant " + TENANT) ? "tenant " + tenant : l)
                                .toList());
    }
}
