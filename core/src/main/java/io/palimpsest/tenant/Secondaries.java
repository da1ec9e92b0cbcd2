package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.EvictionConfig;
import io.palimpsest.base.HeatmapConfig;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.remote.RemoteStore;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The tenants whose layers are kept ready here; one task begins what is due of all of them. */
public final class Secondaries {
    /**
     * How far one is.
     *
     * @param heatmapMillis when what is to be here was said last, since 1970; 0: never
     * @param layers that are here, of {@code layersTotal} that are to be
     * @param complete nothing is under way, and all is here
     */
    public record Progress(
            long heatmapMillis,
            int layers,
            int layersTotal,
            long bytes,
            long bytesTotal,
            boolean complete) {}

    private final Environment environment;
    private final HeatmapConfig config;
    private final EvictionConfig eviction;
    private final BlockCache cache;
    private final @Nullable RemoteStore store;
    private final Intervals intervals;
    private final Monitor monitor;
    private final TreeMap<TenantShardId, Secondary> all = new TreeMap<>();

    Secondaries(
            Environment environment,
            HeatmapConfig config,
            EvictionConfig eviction,
            BlockCache cache,
            @Nullable RemoteStore store) {
        this.environment = environment;
        this.config = config;
        this.eviction = eviction;
        this.cache = cache;
        this.store = store;
        this.intervals = new Intervals(environment, "secondaries");
        this.monitor = environment.tasks().monitor("secondaries");
    }

    void start() {
        intervals.start(this::run);
    }

    private void run() {
        do {
            snapshot().stream().filter(Secondary::warm).forEach(Secondary::begin);
        } while (intervals.pause(config.downloadPeriodNanos()));
    }

    private List<Secondary> snapshot() {
        monitor.lock();
        try {
            return List.copyOf(all.values());
        } finally {
            monitor.unlock();
        }
    }

    /** Of this tenant layers are kept ready from now on, if {@code warm}. */
    void add(TenantShardId tenant, boolean warm) {
        RemoteStore from = store;
        if (from == null) {
            return;
        }
        remove(tenant);
        Secondary secondary =
                new Secondary(environment, config, eviction, cache, from, tenant, warm);
        monitor.lock();
        try {
            all.put(tenant, secondary);
        } finally {
            monitor.unlock();
        }
        if (warm) {
            secondary.begin();
        }
    }

    /** No more of this tenant; returns when nothing is under way. */
    void remove(TenantShardId tenant) {
        Secondary before;
        monitor.lock();
        try {
            before = all.remove(tenant);
        } finally {
            monitor.unlock();
        }
        if (before != null) {
            before.stop();
        }
    }

    private Secondary secondary(TenantShardId tenant) {
        Secondary found;
        monitor.lock();
        try {
            found = all.get(tenant);
        } finally {
            monitor.unlock();
        }
        if (found == null) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "tenant %s is not Secondary here", tenant);
        }
        return found;
    }

    /** How far a tenant is; NOT_FOUND if this is no secondary location of it. */
    Progress progress(TenantShardId tenant) {
        return progress(secondary(tenant), 0);
    }

    /** Looks now what is to be here, and waits for it for that long at most. */
    Progress download(TenantShardId tenant, long waitNanos) {
        Secondary secondary = secondary(tenant);
        secondary.begin();
        return progress(secondary, waitNanos);
    }

    private static Progress progress(Secondary secondary, long waitNanos) {
        boolean rests = secondary.await(waitNanos);
        Secondary.Status s = secondary.status();
        return new Progress(
                s.heatmapMillis(),
                s.layers(),
                s.layersTotal(),
                s.bytes(),
                s.bytesTotal(),
                rests && s.complete());
    }

    /** Returns when nothing is under way. */
    void stop() {
        Tasks.Task task = intervals.stop();
        if (task != null) {
            task.join();
        }
        snapshot().forEach(Secondary::stop);
    }
}
