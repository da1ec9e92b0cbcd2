package io.palimpsest.tenant;

import io.palimpsest.base.EvictionConfig;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.compaction.EvictionPlanner;
import io.palimpsest.compaction.EvictionPlanner.Candidate;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.timeline.Droppable;
import io.palimpsest.timeline.Timeline;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;

/**
 * With an object store: lets layer files leave the disk that nobody has read for long, or when
 * there is little room. One task for the whole server. {@link EvictionPlanner} says which; only
 * those go that are sure to come back.
 */
public final class Evictor {
    /** What {@link LayerFile#lastRead} counts in, in nanoseconds. */
    static final long TICK = 100_000_000L;

    /**
     * What evictions have come to since the server started.
     *
     * @param layers that left the disk
     * @param bytes of them
     */
    public record Outcome(long layers, long bytes) {}

    private final Environment environment;
    private final EvictionConfig config;
    private final BlockCache cache;
    private final Supplier<List<Timeline>> timelines;
    private final Intervals intervals;

    /** Of the total. */
    private final Monitor monitor;

    private Outcome total = new Outcome(0, 0);

    /**
     * @param timelines those that are open
     */
    Evictor(
            Environment environment,
            EvictionConfig config,
            BlockCache cache,
            Supplier<List<Timeline>> timelines) {
        this.environment = environment;
        this.config = config;
        this.cache = cache;
        this.timelines = timelines;
        this.intervals = new Intervals(environment, "evictor");
        this.monitor = environment.tasks().monitor("evicted");
    }

    void start() {
        intervals.start(this::run);
    }

    private void run() {
        long now = environment.clock().monotonicNanos();
        long idleAt = now + config.idlePeriodNanos();
        long pressureAt = now + config.pressurePeriodNanos();
        while (intervals.pause(Math.min(idleAt, pressureAt) - now)) {
            now = tick();
            try {
                if (now >= idleAt) {
                    idleAt = now + config.idlePeriodNanos();
                    evictIdle();
                }
                if (now >= pressureAt) {
                    pressureAt = now + config.pressurePeriodNanos();
                    relieve();
                }
            } catch (PageserverException e) {
                environment
                        .tracer()
                        .event(
                                Event.EVICTION_FAILED,
                                "tried again: " + String.valueOf(e.getMessage()));
            }
        }
    }

    /** Bytes that are to leave the disk under pressure; below 0: so many more may come. */
    static long excess(EvictionConfig config, Disk.Space space) {
        long mostUsed = space.totalBytes() / 100 * config.maxUsagePercent();
        return Math.max(
                space.totalBytes() - space.availableBytes() - mostUsed,
                config.minAvailableBytes() - space.availableBytes());
    }

    /** Reads from now on count as done now. */
    private long tick() {
        long now = environment.clock().monotonicNanos();
        cache.now((int) (now / TICK));
        return now;
    }

    private void evictIdle() {
        if (config.idleNanos() > 0) {
            evict(EvictionPlanner.idle(candidates(), config.idleNanos()), "nobody reads them");
        }
    }

    private void relieve() {
        if (!config.pressure()) {
            return;
        }
        Disk.Space space = environment.disk().space();
        long excess = excess(config, space);
        if (excess > 0) {
            Outcome done = free(excess);
            if (done.bytes() < excess) {
                environment
                        .tracer()
                        .event(
                                Event.DISK_PRESSURE,
                                String.format(
                                        Locale.ROOT,
                                        "%d of %d bytes are free; %d more should be, but no other layers can leave the disk",
                                        space.availableBytes() + done.bytes(),
                                        space.totalBytes(),
                                        excess - done.bytes()));
            }
        }
    }

    /**
     * How full the disk is.
     *
     * @param usablePercent so much of it is used before layers leave it
     */
    public record Usage(long totalBytes, long availableBytes, int usablePercent) {}

    public Usage usage() {
        Disk.Space space = environment.disk().space();
        return new Usage(
                space.totalBytes(),
                space.availableBytes(),
                config.pressure() ? config.maxUsagePercent() : 100);
    }

    /** Frees that many bytes of the disk now, if there are enough that can go. */
    public Outcome free(long bytes) {
        tick();
        return evict(
                EvictionPlanner.toFree(candidates(), bytes, config.minResidentBytes()),
                bytes + " bytes are to be freed");
    }

    private Outcome evict(List<Candidate<LayerFile>> chosen, String why) {
        long layers = 0;
        long bytes = 0;
        for (Candidate<LayerFile> candidate : chosen) {
            if (candidate.what().drop()) {
                layers++;
                bytes += candidate.bytes();
            }
        }
        if (layers > 0) {
            environment
                    .tracer()
                    .event(
                            Event.LAYERS_EVICTED,
                            layers + " layers, " + bytes + " bytes, for " + why);
        }
        return count(new Outcome(layers, bytes));
    }

    private Outcome count(Outcome more) {
        monitor.lock();
        try {
            total = new Outcome(total.layers() + more.layers(), total.bytes() + more.bytes());
            return more;
        } finally {
            monitor.unlock();
        }
    }

    /**
     * Lets one layer leave the disk.
     *
     * @return false if it is not there, or must stay: the store may not have it yet
     */
    public boolean evict(LayerFile file) {
        boolean done = file.resident() && file.drop();
        if (done) {
            count(new Outcome(1, file.size()));
        }
        return done;
    }

    /** What has been evicted since the server started. */
    public Outcome total() {
        monitor.lock();
        try {
            return total;
        } finally {
            monitor.unlock();
        }
    }

    private List<Candidate<LayerFile>> candidates() {
        long now = environment.clock().monotonicNanos() / TICK;
        List<Candidate<LayerFile>> all = new ArrayList<>();
        for (Timeline timeline : timelines.get()) {
            TenantId tenant = timeline.tenant().tenant();
            for (Droppable droppable : timeline.droppable()) {
                LayerFile file = droppable.file();
                all.add(
                        new Candidate<>(
                                file,
                                tenant,
                                file.name(),
                                file.size(),
                                (now - file.lastRead()) * TICK,
                                droppable.covered()));
            }
        }
        return all;
    }

    /** Returns when nothing is under way. */
    void stop() {
        Tasks.Task last = intervals.stop();
        if (last != null) {
            last.join();
        }
    }
}
