package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.EvictionConfig;
import io.palimpsest.base.HeatmapConfig;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.ObjectStore.Stored;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.remote.Heatmap;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.timeline.LayerDownload;
import io.palimpsest.timeline.TimelineStore;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * One tenant's layers, kept ready here for the loss of its owner: what its heatmap names, the most
 * recently read first, as far as there is room, and nothing else. Whoever attaches the tenant goes
 * by its indexes; a layer that they name and that is here under its name was checked from end to
 * end when it came, and need not come again (decision 0088).
 */
final class Secondary {
    private static final int LONGEST_HEATMAP = 1 << 28;

    /**
     * How far it is.
     *
     * @param heatmapMillis when the heatmap was put, since 1970; 0: there is none yet
     * @param layers that are here, of {@code layersTotal} that are to be
     */
    record Status(long heatmapMillis, int layers, int layersTotal, long bytes, long bytesTotal) {
        static final Status NONE = new Status(0, 0, 0, 0, 0);

        boolean complete() {
            return heatmapMillis > 0 && layers == layersTotal;
        }
    }

    private record Wanted(TimelineId timeline, Heatmap.Layer layer) {}

    private static final Comparator<Wanted> NEWEST_FIRST =
            Comparator.comparingLong((Wanted w) -> w.layer.readSeconds()).reversed();

    private final Environment environment;
    private final HeatmapConfig config;
    private final EvictionConfig eviction;
    private final BlockCache cache;
    private final RemoteStore store;
    private final TenantShardId tenant;
    private final boolean warm;
    private final Monitor monitor;

    /** What is below is guarded by the monitor. */
    private Status status = Status.NONE;

    private final List<Tasks.Task> tasks = new ArrayList<>();
    private boolean running;
    private boolean stopped;

    /** Bytes of the layer files that are here, by path; of the pass that runs. */
    private final TreeMap<String, Long> here = new TreeMap<>();

    /**
     * @param warm layers are kept ready without being asked for
     */
    Secondary(
            Environment environment,
            HeatmapConfig config,
            EvictionConfig eviction,
            BlockCache cache,
            RemoteStore store,
            TenantShardId tenant,
            boolean warm) {
        this.environment = environment;
        this.config = config;
        this.eviction = eviction;
        this.cache = cache;
        this.store = store;
        this.tenant = tenant;
        this.warm = warm;
        this.monitor = environment.tasks().monitor("secondary");
    }

    boolean warm() {
        return warm;
    }

    Status status() {
        monitor.lock();
        try {
            return status;
        } finally {
            monitor.unlock();
        }
    }

    /** Looks what is to be here, and begins to bring it, unless that is under way. */
    void begin() {
        monitor.lock();
        try {
            if (!running && !stopped) {
                running = true;
                tasks.removeIf(Tasks.Task::isDone);
                tasks.add(environment.tasks().spawn(Lane.LATENCY, "secondary", this::run));
            }
        } finally {
            monitor.unlock();
        }
    }

    /** Waits until nothing is under way; false if it takes longer. */
    boolean await(long nanos) {
        long begun = environment.clock().monotonicNanos();
        monitor.lock();
        try {
            while (running) {
                long left = nanos - (environment.clock().monotonicNanos() - begun);
                if (left <= 0) {
                    return false;
                }
                monitor.await(left);
            }
            return true;
        } finally {
            monitor.unlock();
        }
    }

    /** Begins nothing more; returns when nothing is under way. */
    void stop() {
        List<Tasks.Task> last;
        monitor.lock();
        try {
            stopped = true;
            last = List.copyOf(tasks);
        } finally {
            monitor.unlock();
        }
        last.forEach(Tasks.Task::cancel);
        last.forEach(Tasks.Task::join);
    }

    private void run() {
        try {
            pass();
        } catch (PageserverException e) {
            environment
                    .tracer()
                    .event(
                            Event.SECONDARY_FAILED,
                            Subject.of(tenant),
                            "tried again: " + e.getMessage());
        } finally {
            monitor.lock();
            try {
                running = false;
                monitor.signalAll();
            } finally {
                monitor.unlock();
            }
        }
    }

    // ---- a pass ----

    private void pass() {
        String key = RemotePath.heatmap(tenant);
        Stored stored = store.find(key);
        if (stored == null) {
            return;
        }
        Heatmap heatmap = Heatmap.decode(store.read(key, LONGEST_HEATMAP).bytes(), key);
        look();
        SortedMap<String, Wanted> wanted = choose(heatmap);
        ArrayDeque<Wanted> missing = keepOnly(wanted);
        tell(stored, wanted);
        List<Tasks.Task> others = new ArrayList<>();
        monitor.lock();
        try {
            for (int i = 1; i < Math.min(config.downloads(), missing.size()) && !stopped; i++) {
                Tasks.Task other =
                        environment
                                .tasks()
                                .spawn(Lane.LATENCY, "secondary-download", () -> bring(missing));
                others.add(other);
                tasks.add(other);
            }
        } finally {
            monitor.unlock();
        }
        try {
            bring(missing);
        } finally {
            others.forEach(Tasks.Task::join);
        }
        environment.tracer().event(Event.SECONDARY_READY, Subject.of(tenant), status().toString());
    }

    private String timelines() {
        return TimelineStore.ROOT + "/" + tenant + "/timelines";
    }

    private String path(Wanted wanted) {
        return timelines() + "/" + wanted.timeline + "/" + wanted.layer.name();
    }

    /** What is on the disk. */
    private void look() {
        Disk disk = environment.disk();
        TreeMap<String, Long> found = new TreeMap<>();
        for (String timeline : disk.list(timelines())) {
            String directory = timelines() + "/" + timeline;
            for (String name : disk.list(directory)) {
                String path = directory + "/" + name;
                Long known = here.get(path);
                found.put(path, known == null ? size(path) : known);
            }
        }
        here.clear();
        here.putAll(found);
    }

    private long size(String path) {
        try (Disk.Input in = environment.disk().open(path)) {
            return in.size();
        }
    }

    /** By path: the most recently read, as many as there is room for. */
    private SortedMap<String, Wanted> choose(Heatmap heatmap) {
        List<Wanted> all = new ArrayList<>();
        for (Heatmap.Branch branch : heatmap.timelines()) {
            branch.layers().forEach(layer -> all.add(new Wanted(branch.id(), layer)));
        }
        all.sort(NEWEST_FIRST.thenComparing(this::path));
        long room = room();
        TreeMap<String, Wanted> chosen = new TreeMap<>();
        for (Wanted one : all) {
            if (one.layer.size() <= room && chosen.putIfAbsent(path(one), one) == null) {
                room -= one.layer.size();
            }
        }
        return chosen;
    }

    /** Bytes that layers may have here, those that are here counted. */
    private long room() {
        long most = config.mostBytes() == 0 ? Long.MAX_VALUE : config.mostBytes();
        if (!eviction.pressure()) {
            return most;
        }
        long excess = Evictor.excess(eviction, environment.disk().space());
        return Math.min(most, Math.max(0, bytesHere() - excess));
    }

    private long bytesHere() {
        return here.values().stream().mapToLong(Long::longValue).sum();
    }

    /** Deletes what is not wanted; what is wanted and not here, in the order it is to come. */
    private ArrayDeque<Wanted> keepOnly(SortedMap<String, Wanted> wanted) {
        Disk disk = environment.disk();
        here.entrySet()
                .removeIf(file -> {
                    Wanted one = wanted.get(file.getKey());
                    boolean stays = one != null && one.layer.size() == file.getValue();
                    if (!stays) {
                        disk.delete(file.getKey());
                    }
                    return !stays;
                });
        List<Wanted> missing = new ArrayList<>();
        wanted.forEach((path, one) -> {
            if (!here.containsKey(path)) {
                missing.add(one);
            }
        });
        missing.sort(NEWEST_FIRST);
        return new ArrayDeque<>(missing);
    }

    private void tell(Stored heatmap, SortedMap<String, Wanted> wanted) {
        monitor.lock();
        try {
            status =
                    new Status(
                            heatmap.modifiedMillis(),
                            here.size(),
                            wanted.size(),
                            bytesHere(),
                            wanted.values().stream().mapToLong(w -> w.layer.size()).sum());
        } finally {
            monitor.unlock();
        }
    }

    private void bring(ArrayDeque<Wanted> missing) {
        for (Wanted next = next(missing); next != null; next = next(missing)) {
            try {
                bring(next);
            } catch (PageserverException e) {
                environment
                        .tracer()
                        .event(
                                Event.SECONDARY_LAYER_FAILED,
                                Subject.of(tenant),
                                path(next) + ": " + e.getMessage());
                if (e.code() == ErrorCode.NO_SPACE) {
                    return;
                }
            }
        }
    }

    private @Nullable Wanted next(ArrayDeque<Wanted> missing) {
        monitor.lock();
        try {
            return stopped ? null : missing.pollFirst();
        } finally {
            monitor.unlock();
        }
    }

    private void bring(Wanted one) {
        String directory = timelines() + "/" + one.timeline;
        long size = one.layer.size();
        environment.disk().createDirectories(directory);
        LayerDownload.bring(
                store,
                environment.disk(),
                cache,
                RemotePath.layer(tenant, one.timeline, one.layer.name()),
                one.layer.name(),
                size,
                directory);
        monitor.lock();
        try {
            here.put(path(one), size);
            status =
                    new Status(
                            status.heatmapMillis,
                            status.layers + 1,
                            status.layersTotal,
                            status.bytes + size,
                            status.bytesTotal);
        } finally {
            monitor.unlock();
        }
        if (config.bytesPerSecond() > 0) {
            // In the mean: each of those that work waits as long as all of them may take for it.
            double seconds = (double) size * config.downloads() / config.bytesPerSecond();
            environment.tasks().sleep((long) (seconds * 1_000_000_000L));
        }
    }
}
