package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.layer.LayerSource;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectStore.Stored;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.remote.RemoteObject;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A timeline's other half, in the store: what is there of it, what is to be put there ({@link
 * UploadPlan}), and layers that come back from there. It costs no task while there is nothing to
 * do.
 *
 * <p>The index object is written under its version, so that a put that the store carries out late
 * does nothing; only the holder of a generation writes that generation's.
 */
final class RemoteTimeline implements LayerSource {
    private final Environment environment;
    private final RemoteTenant tenant;
    private final TimelineId id;
    private final String directory;
    private final LsnWaiter consistent;
    private final Uploads.Turn turn = new Uploads.Turn(this);

    /** Guards the plan and all below; never held over I/O; taken last, but for the downloads'. */
    private final Monitor monitor;

    private final UploadPlan plan;

    /** Files that no index names any more, but that the plan still needs. */
    private final TreeSet<LayerName> kept = new TreeSet<>(TimelineIndex.BY_NAME);

    private final TreeSet<LayerName> fetching = new TreeSet<>(TimelineIndex.BY_NAME);
    private @Nullable Timeline timeline;
    private boolean closed;

    /** Of the index object of our generation; one step at a time uses it. */
    private @Nullable String indexVersion;

    private volatile @Nullable String lastError;

    private final UploadLag lag;

    /**
     * @param stored what the store has of our generation, found valid; null if there is nothing
     */
    RemoteTimeline(
            Environment environment,
            RemoteTenant tenant,
            TimelineId id,
            String directory,
            RemoteTenant.@Nullable Own stored) {
        this.environment = environment;
        this.tenant = tenant;
        this.id = id;
        this.directory = directory;
        TimelineIndex index = stored == null ? null : stored.index();
        this.consistent =
                new LsnWaiter(
                        environment,
                        "remote-consistent-lsn",
                        index == null ? 0 : index.diskConsistentLsn());
        this.monitor = environment.tasks().monitor("remote-timeline");
        this.plan = new UploadPlan(index);
        this.lag = new UploadLag(environment, subject(), tenant.store().limits().walBytes());
        this.indexVersion = stored == null ? null : stored.version();
    }

    // ---- what the timeline tells it ----

    /** It exists, and its index is to be in the store from now on. */
    void begin(Timeline whose) {
        monitor.lock();
        try {
            timeline = whose;
        } finally {
            monitor.unlock();
        }
        tenant.opened(this);
        tenant.uploads().wake(turn);
    }

    /** The index on the disk is another one. Returns at once. */
    void changed() {
        tenant.uploads().wake(turn);
    }

    /**
     * No index names that layer any more: is its file needed all the same, or just coming? Then it
     * is deleted here, when it has been put, or has come.
     */
    boolean keeps(LayerName name) {
        monitor.lock();
        try {
            return !closed && (plan.needsFile(name) || fetching.contains(name)) && kept.add(name);
        } finally {
            monitor.unlock();
        }
    }

    /** Nothing more is begun; returns when nothing is under way. */
    void close() {
        monitor.lock();
        try {
            closed = true;
            monitor.signalAll();
            while (plan.busy() && !tenant.uploads().stopped()) {
                monitor.await();
            }
        } finally {
            monitor.unlock();
        }
        tenant.downloads().drop(this);
        tenant.closed(this);
        consistent.end();
    }

    // ---- what others ask ----

    /** What is in the store for good: the machine may be lost, and all up to it comes back. */
    long consistentLsn() {
        return consistent.lsn();
    }

    /** Waits until that LSN is in the store; false if it takes longer. */
    boolean await(long lsn, long nanos) {
        return consistent.await(lsn, nanos);
    }

    /**
     * Waits until an index for which that holds is in the store, and our generation was valid then.
     *
     * @throws PageserverException PRECONDITION_FAILED if another server has the tenant by now,
     *     SHUTTING_DOWN
     */
    void awaitStored(Predicate<TimelineIndex> wanted) {
        boolean _ = awaitStored(wanted, Long.MAX_VALUE);
    }

    /** The same; false if it takes longer. */
    boolean awaitStored(Predicate<TimelineIndex> wanted, long nanos) {
        long begun = environment.clock().monotonicNanos();
        monitor.lock();
        try {
            while (true) {
                tenant.checkOwner();
                if (plan.holds(
                        index ->
                                index.generation().equals(tenant.generation())
                                        && wanted.test(index))) {
                    return true;
                }
                if (closed || tenant.uploads().stopped()) {
                    throw PageserverException.of(
                            ErrorCode.SHUTTING_DOWN, "timeline %s is shutting down", id);
                }
                long left = nanos - (environment.clock().monotonicNanos() - begun);
                if (left <= 0) {
                    return false;
                }
                monitor.await(Math.min(left, 1_000_000_000L));
            }
        } finally {
            monitor.unlock();
        }
    }

    /**
     * Waits while so much WAL before that LSN is not in the store that no more is to be taken.
     *
     * @return false if that is so still, after the time given
     */
    boolean awaitRoom(long last, long nanos) {
        // A stale location does without the store.
        if (!tenant.owns() || lag.admits(last, consistent.lsn(), lastError)) {
            return true;
        }
        boolean _ = consistent.await(lag.enough(last), nanos);
        return lag.admits(last, consistent.lsn(), lastError);
    }

    /** Whom events are about. */
    Subject subject() {
        return Subject.of(tenant.id(), id);
    }

    TimelineId id() {
        return id;
    }

    /** Does the timeline name that layer, or has it yet to delete it, here or in the store? */
    boolean needs(LayerName name) {
        Timeline whose = timeline();
        return whose == null || whose.stored().withIndex(now -> needs(now, name));
    }

    private boolean needs(TimelineIndex now, LayerName name) {
        if (now.names(name) || now.removed().contains(name)) {
            return true;
        }
        monitor.lock();
        try {
            return plan.names(name);
        } finally {
            monitor.unlock();
        }
    }

    /** True if the timeline does not need that layer; then it never will. */
    boolean giveUp(LayerName name) {
        Timeline whose = timeline();
        return whose != null
                && whose.stored()
                        .withIndex(now -> {
                            boolean free = !needs(now, name);
                            if (free) {
                                tenant.gaveUp(id, name);
                            }
                            return free;
                        });
    }

    /** Is the object of that name deleted, perhaps late? Then no layer of ours may be put there. */
    boolean wasGivenUp(LayerName name) {
        return tenant.wasGivenUp(id, name);
    }

    /**
     * Waits until the store says what this index says, for that long at most.
     *
     * @return false if it does not
     */
    boolean awaitStored(TimelineIndex now, long nanos) {
        long begun = environment.clock().monotonicNanos();
        monitor.lock();
        try {
            while (!plan.isStored(now)) {
                long left = nanos - (environment.clock().monotonicNanos() - begun);
                if (left <= 0 || closed || !tenant.owns()) {
                    return false;
                }
                monitor.await(Math.min(left, 1_000_000_000L));
            }
            return true;
        } finally {
            monitor.unlock();
        }
    }

    /** Bytes of layers of the index that are not in the store. */
    long lagBytes(TimelineIndex index) {
        monitor.lock();
        try {
            long sum = 0;
            for (LayerDescriptor layer : index.layers()) {
                sum += plan.isPresent(layer.name()) ? 0 : layer.size();
            }
            return sum;
        } finally {
            monitor.unlock();
        }
    }

    /** What the last step failed with, or null. */
    @Nullable String lastError() {
        return lastError;
    }

    RemoteTenant tenant() {
        return tenant;
    }

    // ---- putting ----

    UploadPlan.@Nullable Step begin() {
        Timeline whose;
        monitor.lock();
        try {
            whose = closed ? null : timeline;
        } finally {
            monitor.unlock();
        }
        if (whose == null || !tenant.owns()) {
            return null;
        }
        return whose.stored().nextUpload(this);
    }

    /** The next step by an index that nobody replaces meanwhile. */
    UploadPlan.@Nullable Step next(TimelineIndex now) {
        monitor.lock();
        try {
            return closed ? null : plan.next(now, tenant.mode().deletes());
        } finally {
            monitor.unlock();
        }
    }

    /**
     * Does a step.
     *
     * @return false if it failed
     */
    boolean run(UploadPlan.Step step) {
        try {
            switch (step) {
                case UploadPlan.Step.Layer(LayerDescriptor layer) -> put(layer);
                case UploadPlan.Step.Index(TimelineIndex index) -> put(index);
                case UploadPlan.Step.Validate() -> tenant.confirm(id);
                case UploadPlan.Step.Delete(var names) ->
                        store().delete(names.stream().map(this::key).toList());
            }
        } catch (PageserverException e) {
            failed(step, e);
            return false;
        }
        done(step);
        return true;
    }

    private void failed(UploadPlan.Step step, PageserverException e) {
        lastError = e.getMessage();
        environment
                .tracer()
                .event(Event.UPLOAD_FAILED, subject(), "tried again: " + e.getMessage());
        monitor.lock();
        try {
            plan.failed(step);
            monitor.signalAll();
        } finally {
            monitor.unlock();
        }
    }

    private void done(UploadPlan.Step step) {
        lastError = null;
        lag.progressed();
        LayerName free = null;
        TimelineIndex valid;
        Timeline whose;
        monitor.lock();
        try {
            plan.done(step);
            whose = timeline;
            if (step instanceof UploadPlan.Step.Layer(LayerDescriptor layer)
                    && kept.remove(layer.name())) {
                free = layer.name();
            }
            valid = plan.valid();
            monitor.signalAll();
        } finally {
            monitor.unlock();
        }
        if (free != null) {
            environment.disk().delete(directory + "/" + free);
        }
        if (step instanceof UploadPlan.Step.Validate && valid != null) {
            consistent.advance(Math.max(consistent.lsn(), valid.diskConsistentLsn()));
        }
        if (step instanceof UploadPlan.Step.Delete(var names) && whose != null) {
            whose.stored().prepare(index -> index.forget(names));
        }
    }

    private void put(LayerDescriptor layer) {
        String path = directory + "/" + layer.name();
        if (!environment.disk().exists(path) && isThere(layer)) {
            return;
        }
        try (Disk.Input in = environment.disk().open(path)) {
            if (in.size() != layer.size()) {
                throw PageserverException.corruption(
                        "%s: found %d bytes, expected %d (by the index)",
                        path, in.size(), layer.size());
            }
            String _ = store().create(key(layer.name()), Content.of(in));
        }
    }

    /**
     * Is the object there? The layer has left the disk, and the index that named it was lost in the
     * store.
     */
    private boolean isThere(LayerDescriptor layer) {
        Stored there = store().find(key(layer.name()));
        return there != null && there.length() == layer.size();
    }

    private void put(TimelineIndex index) {
        String key = RemotePath.index(tenant.id(), id, tenant.generation());
        indexVersion =
                tenant.replace(key, Content.of(TimelineIndexText.encode(index)), indexVersion);
    }

    private String key(LayerName name) {
        return RemotePath.layer(tenant.id(), id, name);
    }

    private RemoteStore store() {
        return tenant.store();
    }

    // ---- reading what is away ----

    @Override
    public LayerSource.Parts open(LayerDescriptor layer, Runnable bring) {
        environment.tracer().event(Event.LAYER_READ_AWAY, subject(), key(layer.name()));
        return new RemoteObject(
                store(),
                environment.tasks(),
                key(layer.name()),
                layer.size(),
                () -> want(layer.name(), bring),
                () -> missing(layer));
    }

    private void want(LayerName layer, Runnable bring) {
        monitor.lock();
        try {
            if (!closed) {
                tenant.downloads().want(this, layer, bring);
            }
        } finally {
            monitor.unlock();
        }
    }

    /** What it means that there is no such object. */
    private PageserverException missing(LayerDescriptor layer) {
        Timeline whose;
        monitor.lock();
        try {
            whose = timeline;
        } finally {
            monitor.unlock();
        }
        // The map is published before the next may look at the index: who takes it now finds no
        // layer in it that the index does not name.
        if (whose != null && !whose.stored().withIndex(index -> index.names(layer.name()))) {
            return PageserverException.of(
                    ErrorCode.CONFLICT, "%s: removed meanwhile", key(layer.name()));
        }
        // Whoever has taken the tenant over may have deleted it.
        tenant.checkOwner();
        tenant.validate();
        return PageserverException.corruption(
                "%s: the index names this layer, but there is no such object", key(layer.name()));
    }

    // ---- fetching ----

    @Override
    public boolean fetch(LayerDescriptor layer, String path, Runnable here) {
        LayerName name = layer.name();
        monitor.lock();
        try {
            while (!fetching.add(name)) {
                monitor.await();
            }
        } finally {
            monitor.unlock();
        }
        try {
            boolean there = environment.disk().exists(path) || download(layer, path);
            if (there) {
                here.run();
            }
            return there;
        } finally {
            fetched(name, path);
        }
    }

    private void fetched(LayerName name, String path) {
        boolean unwanted;
        monitor.lock();
        try {
            fetching.remove(name);
            unwanted = !plan.needsFile(name) && kept.remove(name);
            monitor.signalAll();
        } finally {
            monitor.unlock();
        }
        if (unwanted) {
            environment.disk().delete(path);
        }
    }

    @Override
    public boolean drop(LayerDescriptor layer, String path, Runnable gone) {
        LayerName name = layer.name();
        monitor.lock();
        try {
            if (!tenant.owns() || !plan.isConfirmed(name) || !fetching.add(name)) {
                return false;
            }
        } finally {
            monitor.unlock();
        }
        try {
            environment.disk().delete(path);
            gone.run();
            return true;
        } finally {
            fetched(name, path);
        }
    }

    /** Is a layer sure to come back if its file leaves the disk? */
    boolean canDrop(LayerName name) {
        monitor.lock();
        try {
            return tenant.owns() && plan.isConfirmed(name);
        } finally {
            monitor.unlock();
        }
    }

    private boolean download(LayerDescriptor layer, String path) {
        try {
            LayerDownload.bring(
                    store(),
                    environment.disk(),
                    tenant.cache(),
                    key(layer.name()),
                    layer.name(),
                    layer.size(),
                    directory);
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.NOT_FOUND) {
                throw missing(layer);
            }
            throw e;
        }
        environment.tracer().event(Event.LAYER_FETCHED, subject(), path);
        return true;
    }

    void wakeWaiters() {
        monitor.lock();
        try {
            monitor.signalAll();
        } finally {
            monitor.unlock();
        }
    }

    @Nullable Timeline timeline() {
        monitor.lock();
        try {
            return timeline;
        } finally {
            monitor.unlock();
        }
    }
}
