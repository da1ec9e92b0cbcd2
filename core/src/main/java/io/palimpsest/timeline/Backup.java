package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.remote.AtomicCreation;
import io.palimpsest.remote.GenerationClaim;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.remote.TenantManifest;
import io.palimpsest.remote.TenantManifest.Entry;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The tenants of this server in the store: how a server comes to own one, and what its directory
 * must look like then.
 *
 * <p>Attaching claims a generation first and reads afterwards, so that nothing that a former owner
 * has got confirmed can be overlooked. If nobody else has owned the tenant since this directory was
 * written, the directory goes on; otherwise the store is the truth, and files of the same layers
 * are used again.
 */
final class Backup {
    private static final int UPLOAD_TASKS = 8;
    private static final int DOWNLOAD_TASKS = 4;

    private final Environment environment;
    private final RemoteStore store;
    private final BlockCache cache;
    private final Uploads uploads;
    private final AtomicCreation atomic;
    private final boolean takeOver;
    private final Downloads downloads;
    private final Monitor monitor;
    private final TreeMap<TenantShardId, RemoteTenant> tenants = new TreeMap<>();

    /** Those of which nothing is needed any more: under which generation they are deleted. */
    private final TreeMap<TenantShardId, RemoteTenant> retired = new TreeMap<>();

    /** Claims of attempts to attach that failed. */
    private final TreeMap<TenantShardId, GenerationClaim.Claim> unused = new TreeMap<>();

    /**
     * @param takeOver claims are made also where the store does not create atomically
     */
    Backup(Environment environment, RemoteStore store, BlockCache cache, boolean takeOver) {
        this.environment = environment;
        this.store = store;
        this.cache = cache;
        this.takeOver = takeOver;
        this.atomic = new AtomicCreation(environment, store);
        this.uploads = new Uploads(environment, UPLOAD_TASKS);
        this.downloads = new Downloads(environment, DOWNLOAD_TASKS);
        this.monitor = environment.tasks().monitor("backup");
    }

    /** Finds out what will be needed of the store. Returns at once. */
    void begin() {
        atomic.begin();
    }

    Uploads uploads() {
        return uploads;
    }

    /** The tenant, if it is attached. */
    @Nullable RemoteTenant tenant(TenantShardId tenant) {
        monitor.lock();
        try {
            return tenants.get(tenant);
        } finally {
            monitor.unlock();
        }
    }

    /** An attached tenant; CONFLICT if it is not. */
    RemoteTenant attached(TenantShardId tenant) {
        RemoteTenant found = tenant(tenant);
        if (found == null) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT, "tenant %s is not attached yet", tenant);
        }
        return found;
    }

    /**
     * Claims the tenant, and makes its directory what is to be opened. One task at a time for a
     * tenant. The claim of an attempt that failed is used again, so that trying again costs the
     * store nothing that stays.
     *
     * @param wanted the generation, if somebody has given it out; he answers for nobody else having
     *     it
     * @param check throws if it is to stop; asked before each step
     * @return false if the store says that the tenant is deleted, or is being deleted: the claim is
     *     kept for who goes on with that
     * @throws PageserverException PRECONDITION_FAILED if another server has claimed it since, or
     *     the store cannot say so, which is not to be tried again by itself; CONFLICT if the
     *     generation is not the next one; or as the store has it
     */
    boolean attach(
            TenantShardId tenant,
            OptionalInt wanted,
            LocationMode mode,
            TimelineStore files,
            Runnable check) {
        if (!takeOver && wanted.isEmpty()) {
            atomic.require();
        }
        check.run();
        LocalGeneration last =
                LocalGeneration.read(environment.disk(), TimelineStore.ROOT + "/" + tenant);
        GenerationClaim.Claim kept = unused(tenant, null);
        if (kept != null
                && wanted.isPresent()
                && kept.manifest().generation().value() != wanted.getAsInt()) {
            kept = null;
        }
        GenerationClaim.Claim claim =
                kept == null
                        ? GenerationClaim.claim(
                                store, tenant, wanted, environment.ids(), environment.clock())
                        : kept;
        RemoteTenant remote = remote(claim.manifest(), claim.version(), mode);
        if (kept != null) {
            remote.validate();
        }
        TenantManifest before = claim.before();
        if (before != null && before.state().gone()) {
            monitor.lock();
            try {
                retired.put(
                        tenant,
                        remote(claim.manifest(), claim.version(), LocationMode.ATTACHED_SINGLE));
            } finally {
                monitor.unlock();
            }
            return false;
        }
        GenerationClaim.Claim _ = unused(tenant, claim);
        attach(remote, claim, last, files, check);
        GenerationClaim.Claim _ = unused(tenant, null);
        put(tenant, remote);
        return true;
    }

    /** Takes the claim that is kept for the next attempt, and keeps another, or none. */
    private GenerationClaim.@Nullable Claim unused(
            TenantShardId tenant, GenerationClaim.@Nullable Claim next) {
        monitor.lock();
        try {
            return next == null ? unused.remove(tenant) : unused.put(tenant, next);
        } finally {
            monitor.unlock();
        }
    }

    private void attach(
            RemoteTenant remote,
            GenerationClaim.Claim claim,
            @Nullable LocalGeneration last,
            TimelineStore files,
            Runnable check) {
        TenantShardId tenant = remote.id();
        TenantManifest before = claim.before();
        boolean goesOn = before == null || last != null && last.goesOnFrom(before);
        // A directory that does not go on is a copy of the store, and made while that is written.
        IndexTakeover.Outcome outcome =
                IndexTakeover.run(
                        environment,
                        store,
                        claim,
                        (entry, index) -> {
                            check.run();
                            if (!goesOn) {
                                files.bring(index, entry.source(), false);
                            }
                        });
        List<Entry> entries = new ArrayList<>();
        if (before != null) {
            for (Entry entry : before.timelines()) {
                entries.add(
                        entry.deleting()
                                ? entry
                                : take(remote, entry, before, outcome, goesOn, files));
            }
        }
        TenantOverrides config = before == null ? files.ownConfig(tenant) : before.config();
        TreeSet<TimelineId> known = new TreeSet<>();
        entries.forEach(entry -> known.add(entry.id()));
        for (TimelineId id : files.timelinesOnDisk(tenant)) {
            if (!known.contains(id)) {
                onDiskOnly(remote, id, goesOn, files);
            }
        }
        check.run();
        Runnable here =
                () ->
                        LocalGeneration.of(claim.manifest(), goesOn ? before : null)
                                .write(environment.disk(), TimelineStore.ROOT + "/" + tenant);
        if (goesOn) {
            // Else, after a crash in between, what is only here would be taken for another's.
            here.run();
            remote.complete(config, entries);
        } else {
            boolean _ =
                    AtOnce.run(
                            environment.tasks(),
                            "attach-generation",
                            here,
                            () -> {
                                remote.complete(config, entries);
                                return true;
                            });
        }
        files.takeConfig(tenant, config);
        for (Entry entry : entries) {
            if (entry.deleting()) {
                files.forgetFiles(tenant, entry.id());
            }
        }
        finishDeletions(remote);
        environment
                .tracer()
                .event(
                        Event.TENANT_ATTACHED,
                        Subject.of(tenant),
                        "under generation "
                                + remote.generation()
                                + ", "
                                + entries.size()
                                + " timelines"
                                + (goesOn ? "" : ", from the store"));
    }

    /** Makes the directory of a timeline what it is to be; what our manifest is to say of it. */
    private Entry take(
            RemoteTenant remote,
            Entry entry,
            TenantManifest before,
            IndexTakeover.Outcome outcome,
            boolean goesOn,
            TimelineStore files) {
        TimelineId id = entry.id();
        Entry ours = new Entry(id, remote.generation(), false, entry.source());
        IndexTakeover.Taken found = outcome.taken().get(id);
        if (found != null) {
            remote.took(found.put());
            // Of an earlier generation it is only if it could not be used when that manifest was
            // written; what has become of it since is not known.
            boolean same = found.from().equals(before.generation());
            if (goesOn || found.wasThere()) {
                files.bring(found.put().index(), entry.source(), goesOn && same);
            }
            return ours;
        }
        PageserverException why =
                Objects.requireNonNull(outcome.unreadable().get(id), "neither read nor not");
        if (goesOn && files.exists(remote.id(), id)) {
            environment
                    .tracer()
                    .event(
                            Event.INDEX_FROM_DISK,
                            Subject.of(remote.id(), id),
                            "it is put again: " + why.getMessage());
            remote.expect(ours);
        } else {
            remote.lost(id, why);
        }
        return entry;
    }

    /** If nobody else has owned the tenant since, the store just does not have it yet. */
    private void onDiskOnly(
            RemoteTenant remote, TimelineId id, boolean goesOn, TimelineStore files) {
        if (goesOn) {
            remote.expect(
                    new Entry(id, remote.generation(), false, files.sourceText(remote.id(), id)));
            return;
        }
        environment
                .tracer()
                .event(
                        Event.TIMELINE_NOT_IN_STORE,
                        Subject.of(remote.id(), id),
                        "it is deleted: its making was never confirmed, and another server has owned the tenant since");
        files.discardTimeline(remote.id(), id);
    }

    /** Deletes what is left of timelines that the manifest says are being deleted. */
    void finishDeletions(RemoteTenant tenant) {
        if (tenant.mode().deletes()) {
            tenant.deleting().forEach(timeline -> deleteObjects(tenant, timeline));
        }
    }

    /**
     * The tenant as its directory has it, under a generation that was claimed before; the store is
     * read at most. It is AttachedStale.
     */
    void reopen(TenantShardId tenant, Generation generation) {
        TenantManifest known =
                TenantManifest.bare(tenant, generation, 0, 0)
                        .complete(TenantOverrides.NONE, List.<Entry>of());
        put(tenant, remote(known, "", LocationMode.ATTACHED_STALE));
    }

    private RemoteTenant remote(TenantManifest manifest, String version, LocationMode mode) {
        return new RemoteTenant(
                environment, store, uploads, downloads, cache, manifest, version, mode);
    }

    private void put(TenantShardId tenant, RemoteTenant remote) {
        monitor.lock();
        try {
            tenants.put(tenant, remote);
        } finally {
            monitor.unlock();
        }
    }

    /** It is not attached any more: its timelines are closed. */
    void release(TenantShardId tenant) {
        monitor.lock();
        try {
            tenants.remove(tenant);
        } finally {
            monitor.unlock();
        }
    }

    // ---- deleting a tenant ----

    /** It is not attached any more, and nothing of it is needed. */
    void retire(TenantShardId tenant) {
        monitor.lock();
        try {
            RemoteTenant remote = tenants.remove(tenant);
            if (remote != null) {
                retired.put(tenant, remote);
            }
        } finally {
            monitor.unlock();
        }
    }

    private @Nullable RemoteTenant retired(TenantShardId tenant) {
        monitor.lock();
        try {
            return retired.get(tenant);
        } finally {
            monitor.unlock();
        }
    }

    private void forget(TenantShardId tenant) {
        monitor.lock();
        try {
            retired.remove(tenant);
        } finally {
            monitor.unlock();
        }
    }

    /**
     * Deletes all objects of a tenant whose newest manifest says that it is being deleted, or of
     * which we have begun to say so. One task at a time for a tenant.
     *
     * @param goesOn throws if it is to be broken off
     * @return how many there were
     */
    long deleteTenant(TenantShardId tenant, Operation operation, Runnable goesOn) {
        RemoteTenant remote = retired(tenant);
        if (remote == null || remote.fencedBy() != 0) {
            forget(tenant);
            remote = takeOverDeletion(tenant);
        }
        if (remote == null) {
            return 0;
        }
        operation.stage("saying so in the object store");
        remote.condemn();
        operation.stage("deleting from the object store");
        long objects = TenantObjects.delete(environment.tasks(), remote, operation, goesOn);
        remote.deleted();
        forget(tenant);
        return objects;
    }

    /** A generation to go on under; null if there is nothing to delete, or not any more. */
    private @Nullable RemoteTenant takeOverDeletion(TenantShardId tenant) {
        if (remains(tenant) != TimelineStore.Remains.BEING_DELETED) {
            return null;
        }
        if (!takeOver) {
            atomic.require();
        }
        GenerationClaim.Claim claim =
                GenerationClaim.claim(
                        store, tenant, OptionalInt.empty(), environment.ids(), environment.clock());
        TenantManifest before = claim.before();
        if (before == null || before.state() != TenantManifest.State.DELETING) {
            return null;
        }
        RemoteTenant remote =
                remote(claim.manifest(), claim.version(), LocationMode.ATTACHED_SINGLE);
        monitor.lock();
        try {
            retired.put(tenant, remote);
        } finally {
            monitor.unlock();
        }
        return remote;
    }

    TimelineStore.Remains remains(TenantShardId tenant) {
        GenerationClaim.Newest newest = GenerationClaim.look(store, tenant);
        TenantManifest manifest = newest.manifest();
        if (manifest == null) {
            return newest.claimed() == 0
                    ? TimelineStore.Remains.NOTHING
                    : TimelineStore.Remains.THERE;
        }
        return switch (manifest.state()) {
            case BARE, COMPLETE -> TimelineStore.Remains.THERE;
            case DELETING -> TimelineStore.Remains.BEING_DELETED;
            case DELETED -> TimelineStore.Remains.NOTHING;
        };
    }

    /** The newest generation that anybody has claimed; 0 if none was. */
    int newestGeneration(TenantShardId tenant) {
        return GenerationClaim.look(store, tenant).claimed();
    }

    /**
     * Deletes all that the store has of a timeline that the manifest says is being deleted, then
     * the manifest's word. What a late list leaves out is garbage, which nothing names.
     */
    void deleteObjects(RemoteTenant tenant, TimelineId timeline) {
        String prefix = RemotePath.timeline(tenant.id(), timeline) + "/";
        store.listAll(
                prefix,
                true,
                page -> {
                    List<String> keys =
                            page.objects().stream().map(ObjectStore.Entry::key).toList();
                    if (!keys.isEmpty()) {
                        store.delete(keys);
                    }
                });
        tenant.drop(timeline);
    }

    /** Waits for what is to be put, for that long at most, and then puts nothing more. */
    void close(long nanos) {
        if (!uploads.drain(nanos)) {
            environment
                    .tracer()
                    .event(
                            Event.UPLOADS_LEFT,
                            "not all is in the store; it is put there after the next start");
        }
        uploads.stop();
        downloads.stop();
        atomic.close();
    }

    /**
     * Asks the store of every tenant whether it is still ours; the first time deletes what former
     * owners have left. What fails is tried again by the next call.
     */
    void checkOwnership() {
        List<RemoteTenant> all;
        monitor.lock();
        try {
            all = List.copyOf(tenants.values());
        } finally {
            monitor.unlock();
        }
        for (RemoteTenant tenant : all) {
            if (tenant.owns()) {
                checkOwnership(tenant);
            }
        }
    }

    private void checkOwnership(RemoteTenant tenant) {
        try {
            tenant.validate();
            if (!tenant.isSwept() && tenant.mode().deletes()) {
                StoreGarbage.Deleted _ = StoreGarbage.delete(tenant);
            }
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.PRECONDITION_FAILED) {
                environment
                        .tracer()
                        .event(
                                Event.OWNERSHIP_UNKNOWN,
                                Subject.of(tenant.id()),
                                "asked again: " + e.getMessage());
            }
        }
    }

    boolean has(TenantShardId tenant) {
        return any(RemotePath.tenant(tenant) + "/");
    }

    boolean hasTimelines(TenantShardId tenant) {
        return any(RemotePath.tenant(tenant) + "/timelines/");
    }

    private boolean any(String prefix) {
        return !store.list(prefix, true, 1, null).objects().isEmpty();
    }

    /** Tenants that there is something of; names that are none are left out. */
    List<TenantShardId> list() {
        return store.tenants(
                directory ->
                        environment.tracer().event(Event.NOT_OURS, directory + " is left alone"),
                object -> {});
    }
}
