package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.compaction.LayerInventory;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerDirectory;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerMap;
import io.palimpsest.layer.LayerName;
import io.palimpsest.layer.OpenLayer;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.port.Tracer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The layers of a timeline: the index on disk that names them, and the map in memory that reads
 * them. Flushes, compaction, garbage collection, leases and the owner's wishes all change the one
 * or the other, and all of them here, one after the other, so that none loses what another did:
 *
 * <ol>
 *   <li>layer files are durable, names included (the caller saw to that);
 *   <li>the index is replaced: the commit;
 *   <li>the map is published by one volatile write;
 *   <li>files that went are closed, which the last reader completes, and deleted.
 * </ol>
 *
 * A crash before the commit leaves files that no index names, one after it files that no index
 * names any more: {@link #load} deletes both.
 */
final class TimelineLayers {
    private final Timeline timeline;
    private final Surroundings surroundings;
    private final String directory;

    /** Held over the writing of the index: commits follow each other. */
    private final Monitor committing;

    /** Held while the map is exchanged, never over I/O; taken last. */
    private final Monitor exchanging;

    /** What the index on disk says; before the first commit of an import, what it will. */
    private volatile TimelineIndex index;

    private volatile LayerMap map;

    /**
     * Files in the map that the index does not name: parts of something large that is not complete.
     * The commit that completes it names them. Guarded by {@link #committing}.
     */
    private final List<LayerFile> parts = new ArrayList<>(0);

    /** Guarded by {@link #committing}. */
    private boolean closed;

    private final DamagedLayers damaged;
    private final LayerDirectory place;
    private final @Nullable RemoteTimeline remote;

    /**
     * With a store, names of layers that went since the server started: their objects may be
     * deleted late, so that they must not come again. Guarded by {@link #committing}.
     */
    private final TreeSet<LayerName> gone = new TreeSet<>(TimelineIndex.BY_NAME);

    private final AtomicLong temporaries = new AtomicLong();

    TimelineLayers(
            Timeline timeline,
            Surroundings surroundings,
            String directory,
            TimelineIndex index,
            List<LayerFile> files,
            @Nullable RemoteTimeline remote) {
        this.remote = remote;
        this.place = new LayerDirectory(surroundings.disk(), directory, remote);
        this.timeline = timeline;
        this.surroundings = surroundings;
        this.directory = directory;
        this.index = index;
        this.map =
                LayerMap.of(files)
                        .adopt(index.adopted().stream().mapToLong(Long::longValue).toArray());
        committing = surroundings.environment().tasks().monitor("timeline-index");
        exchanging = surroundings.environment().tasks().monitor("layer-map");
        damaged =
                new DamagedLayers(
                        () -> this.index.layers(),
                        surroundings.environment().tasks().monitor("damaged-layers"));
    }

    /**
     * The layers that the index names, none of them open yet: a file that is missing, cut or
     * damaged fails the reads that need it, and no others; with a store one that is missing comes
     * from there. All other files are left over from a crash and are deleted.
     */
    static List<LayerFile> load(
            Surroundings surroundings,
            String directory,
            TimelineIndex index,
            @Nullable RemoteTimeline remote) {
        LayerDirectory place = new LayerDirectory(surroundings.disk(), directory, remote);
        Disk disk = surroundings.disk();
        Tracer tracer = surroundings.environment().tracer();
        Subject subject = Subject.of(index.tenant(), index.timeline());
        List<LayerFile> files = new ArrayList<>(index.layers().size());
        TreeSet<String> names = new TreeSet<>();
        for (LayerDescriptor layer : index.layers()) {
            names.add(layer.name().toString());
        }
        List<String> there = disk.list(directory);
        TreeSet<String> resident = new TreeSet<>(there);
        for (LayerDescriptor layer : index.layers()) {
            files.add(
                    LayerFile.lazy(
                            place,
                            layer,
                            surroundings.cache(),
                            resident.contains(layer.name().toString())));
        }
        for (String found : there) {
            if (!names.remove(found) && !found.equals(TimelineIndex.FILE)) {
                tracer.event(Event.ORPHAN_DELETED, subject, directory + "/" + found);
                disk.delete(directory + "/" + found);
            }
        }
        // With a store they come from there when they are read.
        for (String missing : remote == null ? names : new TreeSet<String>()) {
            tracer.event(Event.LAYER_MISSING, subject, directory + "/" + missing);
        }
        return files;
    }

    TimelineIndex index() {
        return index;
    }

    LayerMap map() {
        return map;
    }

    String path(LayerName name) {
        return directory + "/" + name;
    }

    /** A name for a file that is being written, of nobody else's. */
    String temporaryPath() {
        return directory + "/" + temporaries.incrementAndGet() + TimelineIndex.TEMPORARY_SUFFIX;
    }

    /** The file of a layer in the current map, or null. */
    @Nullable LayerFile file(LayerDescriptor layer) {
        return map.file(layer.name());
    }

    DamagedLayers damaged() {
        return damaged;
    }

    /** The writer goes on in a new open layer; the one before it is frozen. */
    void open(OpenLayer newest) {
        exchanging.lock();
        try {
            map = map.with(newest);
        } finally {
            exchanging.unlock();
        }
    }

    /** What the first commit of an import will say besides. */
    void prepare(UnaryOperator<TimelineIndex> change) {
        committing.lock();
        try {
            index = change.apply(index);
        } finally {
            committing.unlock();
        }
    }

    /**
     * Replaces the index by what {@code change} makes of it; durable when it returns. Null: it
     * stays as it is.
     */
    void commitIndex(Function<TimelineIndex, @Nullable TimelineIndex> change) {
        committing.lock();
        try {
            checkOpen();
            TimelineIndex next = change.apply(index);
            if (next != null) {
                commit(next);
            }
        } finally {
            committing.unlock();
        }
    }

    /** Looks at the index while nobody replaces it; may wait until a commit is done. */
    <T> T withIndex(Function<TimelineIndex, T> look) {
        committing.lock();
        try {
            return look.apply(index);
        } finally {
            committing.unlock();
        }
    }

    /**
     * What is to be put into the store next. What is removed after that asks whether its file is
     * still needed.
     */
    UploadPlan.@Nullable Step nextUpload(RemoteTimeline to) {
        committing.lock();
        try {
            return to.next(index);
        } finally {
            committing.unlock();
        }
    }

    /** Those that are on the disk and that the store has for sure. */
    List<LayerFile> droppable() {
        List<LayerFile> found = new ArrayList<>();
        RemoteTimeline store = remote;
        if (store != null) {
            map.forEach(file -> {
                if (file.resident() && store.canDrop(file.name())) {
                    found.add(file);
                }
            });
        }
        return found;
    }

    /** Bytes of the files that are on the disk. */
    long residentBytes() {
        long[] sum = {0};
        map.forEach(file -> sum[0] += file.resident() ? file.size() : 0);
        return sum[0];
    }

    /** See {@link Timeline#inventory}. */
    LayerInventory inventory() {
        return withIndex(now ->
                new LayerInventory(
                        now.layers(), now.diskConsistentLsn(), now.adopted(), damaged.names()));
    }

    private void checkOpen() {
        if (closed) {
            throw PageserverException.of(
                    ErrorCode.SHUTTING_DOWN, "timeline %s is shutting down", index.timeline());
        }
    }

    static boolean isFull(RuntimeException e) {
        return e instanceof PageserverException world && world.code() == ErrorCode.NO_SPACE;
    }

    private void commit(TimelineIndex next) {
        timeline.checkHealthy();
        try {
            next.commit(surroundings.disk(), directory);
        } catch (RuntimeException e) {
            // Unless the disk is full nobody knows which index it has now: no other may be made of
            // either.
            if (!isFull(e)) {
                timeline.fail(e);
            }
            throw e;
        }
        index = next;
        if (remote != null) {
            remote.changed();
        }
    }

    /** The directory, for handles of its files. */
    LayerDirectory place() {
        return place;
    }

    /** Must no new layer have that name, because the object of an old one may be deleted late? */
    boolean isGone(LayerName name) {
        return remote != null && withIndex(now -> gone.contains(name));
    }

    /** A frozen layer is a file now, or was empty; everything up to {@code diskLsn} is durable. */
    void flushed(
            @Nullable OpenLayer frozen,
            @Nullable LayerFile file,
            long diskLsn,
            long prevRecordLsn) {
        List<LayerFile> fresh = file == null ? List.of() : List.of(file);
        committing.lock();
        try {
            List<LayerDescriptor> added = new ArrayList<>();
            fresh.forEach(f -> added.add(f.descriptor()));
            parts.forEach(f -> added.add(f.descriptor()));
            commit(index.flushed(added, diskLsn, prevRecordLsn));
            parts.clear();
            publish(frozen, List.of(), fresh);
        } finally {
            committing.unlock();
        }
    }

    /** A frozen layer that is part of something is a file now: readable, but not committed. */
    void flushedPart(@Nullable OpenLayer frozen, @Nullable LayerFile file) {
        List<LayerFile> fresh = file == null ? List.of() : List.of(file);
        committing.lock();
        try {
            parts.addAll(fresh);
            publish(frozen, List.of(), fresh);
        } finally {
            committing.unlock();
        }
    }

    /**
     * Something large will not be completed: away with its parts.
     *
     * @param open those not frozen yet
     */
    void abandonParts(@Nullable OpenLayer open) {
        List<LayerFile> gone;
        committing.lock();
        try {
            gone = List.copyOf(parts);
            parts.clear();
            publish(open, gone, List.of());
        } finally {
            committing.unlock();
        }
        discard(gone);
    }

    /**
     * Puts layers in the place of others, in the index and in the map. The files added are durable
     * and are taken over: if this fails, they are closed; and deleted, if the disk is full.
     */
    void replace(Collection<LayerFile> removed, Collection<LayerFile> added) {
        boolean done = false;
        boolean full = false;
        committing.lock();
        try {
            checkOpen();
            // What the map refuses must not become the index.
            LayerMap _ = map.replace(List.of(), removed, added);
            commit(
                    index.replace(
                            removed.stream().map(LayerFile::descriptor).toList(),
                            added.stream().map(LayerFile::descriptor).toList(),
                            remote != null));
            if (remote != null) {
                removed.forEach(file -> gone.add(file.name()));
            }
            publish(null, removed, added);
            done = true;
        } catch (PageserverException e) {
            full = isFull(e);
            throw e;
        } finally {
            committing.unlock();
            if (!done) {
                added.forEach(LayerFile::close);
                if (full) {
                    added.forEach(this::delete);
                }
            }
        }
        discard(removed);
    }

    /** They are in no map any more. */
    private void discard(Collection<LayerFile> files) {
        for (LayerFile file : files) {
            file.close();
            if (remote == null || !remote.keeps(file.name())) {
                delete(file);
            }
        }
    }

    /**
     * Takes the ancestors' layers over; afterwards nothing in them is needed.
     *
     * @param oldest from where on the ancestors keep their history
     */
    void adopt(List<Long> lsns, long oldest, Collection<LayerFile> files) {
        long[] adopted = lsns.stream().mapToLong(Long::longValue).toArray();
        committing.lock();
        try {
            checkOpen();
            files.forEach(file -> checkNotGivenUp(file.name()));
            LayerMap _ = map.replace(List.of(), List.of(), files);
            commit(
                    index.detached(
                            lsns, oldest, files.stream().map(LayerFile::descriptor).toList()));
            exchanging.lock();
            try {
                map = map.replace(List.of(), List.of(), files).adopt(adopted);
            } finally {
                exchanging.unlock();
            }
        } finally {
            committing.unlock();
        }
    }

    private void checkNotGivenUp(LayerName name) {
        if (remote != null && remote.wasGivenUp(name)) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "layer %s of timeline %s was left in the store by a former owner and is being deleted there; restart the page server and try again",
                    name,
                    index.timeline());
        }
    }

    private void publish(
            @Nullable OpenLayer frozen,
            Collection<LayerFile> removed,
            Collection<LayerFile> added) {
        List<OpenLayer> gone = frozen == null ? List.of() : List.of(frozen);
        exchanging.lock();
        try {
            map = map.replace(gone, removed, added);
        } finally {
            exchanging.unlock();
        }
    }

    /** What is not deleted now is at the next start. */
    private void delete(LayerFile file) {
        try {
            surroundings.disk().delete(file.path());
        } catch (PageserverException e) {
            surroundings
                    .environment()
                    .tracer()
                    .event(
                            Event.GARBAGE_LEFT,
                            timeline.subject(),
                            file.path() + ": " + e.getMessage());
        }
    }

    /** After the last commit. */
    void close() {
        committing.lock();
        try {
            closed = true;
            map.forEach(LayerFile::close);
        } finally {
            committing.unlock();
        }
    }
}
