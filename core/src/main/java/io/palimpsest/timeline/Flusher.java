package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.DeltaLayerWriter;
import io.palimpsest.layer.ImageLayerWriter;
import io.palimpsest.layer.LayerCursor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerName;
import io.palimpsest.layer.OpenLayer;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.value.StoredValue;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * Turns frozen layers into L0 files, one after the other, oldest first:
 *
 * <ol>
 *   <li>write the layer under a temporary name, sync it, rename it, sync the directory;
 *   <li>replace the index by one that names it too (the commit: from here on a crash keeps the
 *       layer, before it the layer is an orphan that start-up deletes);
 *   <li>publish the new layer map, then the new disk-consistent LSN.
 * </ol>
 *
 * A task runs only while there is something to flush. A failed write or sync is not tried again,
 * because nobody knows what the disk has kept: the timeline takes no more WAL, and a restart begins
 * at the last index. But where the disk is full, what was written is deleted and tried again until
 * there is room: the frozen layer is still in memory, readers see it, and the writer waits.
 */
final class Flusher {
    private static final long FIRST_PAUSE = 100_000_000L;
    private static final long LONGEST_PAUSE = 5_000_000_000L;

    /**
     * An open layer that gets no more values.
     *
     * @param layer null if nothing was written
     * @param lsns what it covers
     * @param lastRecordLsn what is durable once it is flushed
     * @param commits false for a part of something that is not complete: its file is named by the
     *     index of a later flush, and is an orphan if a crash comes first
     */
    record Frozen(
            @Nullable OpenLayer layer,
            LsnRange lsns,
            long lastRecordLsn,
            long prevRecordLsn,
            boolean commits) {}

    private final Timeline timeline;
    private final Environment environment;
    private final Limits limits;
    private final Monitor monitor;
    private final ArrayDeque<Frozen> queue = new ArrayDeque<>();
    private Tasks.@Nullable Task task;
    private boolean running;
    private boolean stopped;
    private boolean ending;
    private volatile @Nullable String diskFull;

    Flusher(Timeline timeline, Environment environment, Limits limits) {
        this.timeline = timeline;
        this.environment = environment;
        this.limits = limits;
        this.monitor = environment.tasks().monitor("flusher");
    }

    void add(Frozen frozen) {
        monitor.lock();
        try {
            queue.addLast(frozen);
            if (!running && !stopped) {
                running = true;
                task =
                        environment
                                .tasks()
                                .spawn(Lane.BACKGROUND, "flush " + timeline.id(), this::drain);
            }
        } finally {
            monitor.unlock();
        }
    }

    /** Waits until fewer than {@code n} layers wait to be flushed, or flushing has failed. */
    void awaitFewerThan(int n) {
        monitor.lock();
        try {
            while (queue.size() >= n && running && timeline.failure() == null) {
                monitor.await();
            }
        } finally {
            monitor.unlock();
        }
    }

    /** Why nothing is flushed at the moment, though it will be when there is room, or null. */
    @Nullable String diskFull() {
        return diskFull;
    }

    /** Who waits looks again. */
    void wake() {
        monitor.lock();
        monitor.signalAll();
        monitor.unlock();
    }

    /** The last flushes: if the disk is full, they are not waited for. */
    void end() {
        monitor.lock();
        ending = true;
        monitor.signalAll();
        monitor.unlock();
    }

    /** Lets a flush under way finish and starts no other. */
    void stop() {
        monitor.lock();
        stopped = true;
        Tasks.Task last = task;
        monitor.signalAll();
        monitor.unlock();
        if (last != null) {
            last.join();
        }
    }

    private void drain() {
        long pause = FIRST_PAUSE;
        while (true) {
            Frozen next;
            monitor.lock();
            try {
                next = stopped || timeline.failure() != null ? null : queue.peekFirst();
                if (next == null) {
                    running = false;
                    monitor.signalAll();
                    return;
                }
            } finally {
                monitor.unlock();
            }
            try {
                if (next.commits()) {
                    timeline.housekeeping().makeRoom(timeline);
                }
                flush(next);
                room();
                pause = FIRST_PAUSE;
            } catch (RuntimeException e) {
                if (TimelineLayers.isFull(e)) {
                    full(e, pause);
                    pause = Math.min(LONGEST_PAUSE, 2 * pause);
                    continue;
                }
                timeline.fail(e);
            }
            monitor.lock();
            try {
                if (timeline.failure() == null) {
                    queue.removeFirst();
                }
                monitor.signalAll();
            } finally {
                monitor.unlock();
            }
        }
    }

    /** Says so, once, and waits; the layer stays where it is. */
    private void full(RuntimeException e, long pauseNanos) {
        if (diskFull == null) {
            environment
                    .tracer()
                    .event(
                            Event.DISK_FULL,
                            timeline.subject(),
                            "takes no WAL until there is room again: " + e.getMessage());
        }
        diskFull = String.valueOf(e.getMessage());
        monitor.lock();
        try {
            if (ending) {
                stopped = true;
            }
            if (!stopped) {
                monitor.await(pauseNanos);
            }
        } finally {
            monitor.unlock();
        }
    }

    private void room() {
        if (diskFull != null) {
            diskFull = null;
            environment.tracer().event(Event.DISK_FULL_OVER, timeline.subject(), "takes WAL again");
        }
    }

    private void flush(Frozen frozen) {
        OpenLayer layer = frozen.layer();
        LayerFile file = layer == null || layer.isEmpty() ? null : write(layer, frozen);
        boolean done = false;
        try {
            timeline.flushed(frozen, file);
            done = true;
        } catch (PageserverException e) {
            if (file != null && TimelineLayers.isFull(e)) {
                // No index names it, and it is made again.
                environment.disk().delete(file.path());
            }
            throw e;
        } finally {
            if (!done && file != null) {
                file.close();
            }
        }
    }

    /**
     * The frozen layer as an L0; or, if it is a part of something, as an image layer of the keys it
     * has.
     */
    private LayerFile write(OpenLayer layer, Frozen frozen) {
        Disk disk = environment.disk();
        TimelineIndex index = timeline.index();
        String temporary = timeline.temporaryPath();
        KeyRange keys;
        disk.delete(temporary);
        String path;
        LayerName name;
        try {
            try (Disk.Output out = disk.create(temporary)) {
                keys =
                        frozen.commits()
                                ? writeDelta(layer, frozen, index, out)
                                : writeImages(layer, frozen, index, out);
                out.sync();
            }
            name = name(frozen, index, keys);
            path = timeline.layerPath(name);
            disk.rename(temporary, path);
        } catch (PageserverException e) {
            if (TimelineLayers.isFull(e)) {
                disk.delete(temporary);
            }
            throw e;
        }
        disk.syncDirectory(timeline.directory());
        return LayerFile.open(timeline.stored().place(), name, timeline.cache());
    }

    private static LayerName name(Frozen frozen, TimelineIndex index, KeyRange keys) {
        return frozen.commits()
                ? LayerName.delta(keys, frozen.lsns(), index.tenant(), index.generation())
                : LayerName.image(keys, frozen.lsns().start(), index.tenant(), index.generation());
    }

    private KeyRange writeDelta(
            OpenLayer layer, Frozen frozen, TimelineIndex index, Disk.Output out) {
        DeltaLayerWriter writer =
                DeltaLayerWriter.ofL0(out, index.tenant(), index.timeline(), frozen.lsns(), limits);
        writer.appendAll(layer.sorted());
        writer.finish();
        return KeyRange.ALL;
    }

    private KeyRange writeImages(
            OpenLayer layer, Frozen frozen, TimelineIndex index, Disk.Output out) {
        ImageLayerWriter writer =
                new ImageLayerWriter(
                        out,
                        index.tenant(),
                        index.timeline(),
                        frozen.lsns().start(),
                        false,
                        limits);
        LayerCursor c = layer.sorted();
        Key first = null;
        Key last = Key.MIN;
        while (c.next()) {
            Check.that(
                    StoredValue.kind(c.bytes(), c.offset()) == StoredValue.IMAGE,
                    "a delta in part of a copy, LSN %x",
                    c.lsn());
            Check.that(
                    c.lsn() == frozen.lsns().start(),
                    "a value of LSN %x in part of a copy at %x",
                    c.lsn(),
                    frozen.lsns().start());
            last = new Key(c.hi(), c.mid(), c.lo());
            first = first == null ? last : first;
            writer.append(c.hi(), c.mid(), c.lo(), c.bytes(), c.offset() + 1, c.length() - 1);
        }
        KeyRange keys = new KeyRange(first == null ? Key.MIN : first, last.next());
        writer.finish(keys);
        return keys;
    }
}
