package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.HeatmapConfig;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tasks;
import io.palimpsest.remote.Heatmap;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineState;
import io.palimpsest.timeline.TimelineStore;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Tells secondary locations which layers of the tenants that this server owns are on its disk: puts
 * each tenant's {@link Heatmap} into the store from time to time, if it is another one. One task
 * for the whole server. What another owner has put may be overwritten, and comes again: it is a
 * hint.
 */
final class Heatmaps {
    /**
     * After so many periods it is put though it is the same: another server may have put its own.
     */
    private static final int AGAIN = 10;

    /** What was put last. */
    private record Put(byte[] content, int periodsAgo) {}

    private final Environment environment;
    private final HeatmapConfig config;
    private final TimelineStore store;
    private final RemoteStore remote;
    private final Supplier<List<Timeline>> open;
    private final Intervals intervals;

    /** The date when the monotonic clock was at 0. */
    private final long zeroMillis;

    /** Of the task. */
    private final TreeMap<TenantShardId, Put> last = new TreeMap<>();

    /**
     * @param open gives the timelines that are open
     */
    Heatmaps(
            Environment environment,
            HeatmapConfig config,
            TimelineStore store,
            RemoteStore remote,
            Supplier<List<Timeline>> open) {
        this.environment = environment;
        this.config = config;
        this.store = store;
        this.remote = remote;
        this.open = open;
        this.intervals = new Intervals(environment, "heatmaps");
        this.zeroMillis =
                environment.clock().wallMillis()
                        - environment.clock().monotonicNanos() / 1_000_000L;
    }

    void start() {
        if (config.uploadPeriodNanos() > 0) {
            intervals.start(this::run);
        }
    }

    private void run() {
        while (intervals.pause(config.uploadPeriodNanos())) {
            TreeMap<TenantShardId, List<Timeline>> tenants = new TreeMap<>();
            for (Timeline timeline : open.get()) {
                tenants.computeIfAbsent(timeline.tenant(), id -> new ArrayList<>()).add(timeline);
            }
            last.keySet().retainAll(tenants.keySet());
            tenants.forEach(this::putIfChanged);
        }
    }

    private void putIfChanged(TenantShardId tenant, List<Timeline> timelines) {
        byte[] content = content(tenant, timelines);
        if (content == null) {
            return;
        }
        Put before = last.get(tenant);
        if (before != null && before.periodsAgo < AGAIN && Arrays.equals(before.content, content)) {
            last.put(tenant, new Put(content, before.periodsAgo + 1));
            return;
        }
        try {
            put(tenant, content);
            last.put(tenant, new Put(content, 0));
        } catch (PageserverException e) {
            environment
                    .tracer()
                    .event(
                            Event.HEATMAP_FAILED,
                            Subject.of(tenant),
                            "put again: " + e.getMessage());
        }
    }

    /**
     * Puts that of one tenant now.
     *
     * @throws PageserverException PRECONDITION_FAILED if this server is not its owner
     */
    void putNow(TenantShardId tenant) {
        byte[] content =
                content(
                        tenant,
                        open.get().stream().filter(t -> t.tenant().equals(tenant)).toList());
        if (content == null) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "tenant %s is not AttachedSingle here: its owner says what is to be kept ready",
                    tenant);
        }
        put(tenant, content);
    }

    private void put(TenantShardId tenant, byte[] content) {
        String _ = remote.overwrite(RemotePath.heatmap(tenant), Content.of(content));
        environment
                .tracer()
                .event(Event.HEATMAP_PUT, Subject.of(tenant), content.length + " bytes");
    }

    /** Null if the tenant is not owned, or another server was seen to own it. */
    private byte @Nullable [] content(TenantShardId tenant, List<Timeline> timelines) {
        TimelineStore.Ownership here = store.ownership(tenant);
        if (here == null || here.fencedBy() != 0 || !here.mode().deletes()) {
            return null;
        }
        List<Heatmap.Branch> branches = new ArrayList<>();
        for (Timeline timeline : timelines) {
            if (timeline.state() instanceof TimelineState.Active) {
                List<Heatmap.Layer> layers = new ArrayList<>();
                for (LayerFile file : timeline.hotLayers()) {
                    long readMillis = zeroMillis + file.lastRead() * (Evictor.TICK / 1_000_000L);
                    layers.add(
                            new Heatmap.Layer(
                                    file.name(), file.size(), Math.max(0, readMillis / 1000)));
                }
                branches.add(new Heatmap.Branch(timeline.id(), layers));
            }
        }
        return new Heatmap(here.generation(), branches, config.uploadPeriodNanos() / 1_000_000L)
                .encode();
    }

    /** Returns when nothing is under way; a request that waits for the store is given up. */
    void stop() {
        Tasks.Task task = intervals.stop();
        if (task != null) {
            task.cancel();
            task.join();
        }
    }
}
