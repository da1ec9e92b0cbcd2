package io.palimpsest.timeline;

import io.palimpsest.base.Generation;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Where timelines lie on the disk, and how they come into being:
 *
 * <pre>
 *   tenants/&lt;tenant shard&gt;/timelines/&lt;timeline&gt;/index        exists = the timeline exists
 *   tenants/&lt;tenant shard&gt;/timelines/&lt;timeline&gt;/&lt;layers&gt;
 *   tenants/&lt;tenant shard&gt;/sources/&lt;timeline&gt;               connection string, newline, slot
 * </pre>
 *
 * A directory without an index is what a crash has left of a creation, and is deleted at start.
 */
public final class TimelineStore {
    public static final String ROOT = "tenants";

    private final Environment environment;
    private final Limits limits;
    private final BlockCache cache;

    public TimelineStore(Environment environment, Limits limits, BlockCache cache) {
        this.environment = environment;
        this.limits = limits;
        this.cache = cache;
    }

    public Limits limits() {
        return limits;
    }

    private static String timelines(TenantShardId tenant) {
        return ROOT + "/" + tenant + "/timelines";
    }

    private static String directory(TenantShardId tenant, TimelineId timeline) {
        return timelines(tenant) + "/" + timeline;
    }

    private static String sources(TenantShardId tenant) {
        return ROOT + "/" + tenant + "/sources";
    }

    public boolean exists(TenantShardId tenant, TimelineId timeline) {
        return environment.disk().exists(directory(tenant, timeline) + "/" + TimelineIndex.FILE);
    }

    /** The timelines that exist; what is left of creations that did not finish is deleted. */
    public List<TimelineId> timelinesOnDisk(TenantShardId tenant) {
        List<TimelineId> found = new ArrayList<>();
        for (String name : environment.disk().list(timelines(tenant))) {
            TimelineId id = TimelineId.parse(name);
            if (exists(tenant, id)) {
                found.add(id);
            } else {
                environment.tracer().info("unfinished-creation-deleted", directory(tenant, id));
                environment.disk().deleteTree(directory(tenant, id));
            }
        }
        return found;
    }

    /** Opens a timeline; {@code ancestors} gives (opens) the one it branched off. */
    public Timeline open(
            TenantShardId tenant, TimelineId id, Function<TimelineId, Timeline> ancestors) {
        String directory = directory(tenant, id);
        TimelineIndex index = TimelineIndex.read(environment.disk(), directory);
        if (!index.tenant().equals(tenant) || !index.timeline().equals(id)) {
            throw PageserverException.corruption(
                    "%s/%s: expected the index of timeline %s of tenant %s, found %s of %s",
                    directory, TimelineIndex.FILE, id, tenant, index.timeline(), index.tenant());
        }
        TimelineIndex.Ancestor origin = index.ancestor();
        Timeline ancestor = origin == null ? null : ancestors.apply(origin.timeline());
        return Timeline.load(environment, limits, cache, directory, index, ancestor);
    }

    /** A branch of {@code ancestor}, which must be durable up to {@code lsn}. */
    public Timeline createBranch(Timeline ancestor, TimelineId id, long lsn) {
        TimelineIndex index =
                new TimelineIndex(
                        ancestor.tenant(),
                        id,
                        Generation.FIRST,
                        ancestor.version(),
                        ancestor.origin(),
                        ancestor.systemIdentifier(),
                        ancestor.segmentSize(),
                        ancestor.walTimeline(),
                        new TimelineIndex.Ancestor(ancestor.id(), lsn),
                        lsn,
                        lsn,
                        0,
                        List.of());
        return Timeline.createBranch(
                environment, limits, cache, directory(ancestor.tenant(), id), index, ancestor);
    }

    /**
     * A timeline from a running Postgres, filled by its base backup. Leaves nothing behind if it
     * fails.
     */
    public Timeline importFrom(TenantShardId tenant, TimelineId id, WalSource source) {
        String directory = directory(tenant, id);
        environment.disk().deleteTree(directory);
        try {
            writeSource(tenant, id, source);
            return new TimelineImport(environment, limits, cache, tenant, id, directory, source)
                    .run();
        } catch (RuntimeException e) {
            environment.disk().deleteTree(directory);
            environment.disk().delete(sources(tenant) + "/" + id);
            throw e;
        }
    }

    private void writeSource(TenantShardId tenant, TimelineId id, WalSource source) {
        Disk disk = environment.disk();
        String path = sources(tenant) + "/" + id;
        disk.createDirectories(sources(tenant));
        disk.delete(path);
        byte[] text =
                (source.conninfo() + "\n" + source.slot() + "\n").getBytes(StandardCharsets.UTF_8);
        try (Disk.Output out = disk.create(path)) {
            out.append(text, 0, text.length);
            out.sync();
        }
        disk.syncDirectory(sources(tenant));
    }

    /** What feeds the timeline, or null. */
    public @Nullable WalSource source(TenantShardId tenant, TimelineId id) {
        Disk disk = environment.disk();
        String path = sources(tenant) + "/" + id;
        if (!disk.exists(path)) {
            return null;
        }
        byte[] text;
        try (Disk.Input in = disk.open(path)) {
            text = new byte[(int) Math.min(in.size(), 1 << 16)];
            in.read(0, text, 0, text.length);
        }
        String[] lines = new String(text, StandardCharsets.UTF_8).split("\n");
        if (lines.length != 2) {
            throw PageserverException.corruption(
                    "%s: expected a connection string and a slot, found %d lines",
                    path, lines.length);
        }
        return WalSource.parse(lines[0], lines[1]);
    }
}
