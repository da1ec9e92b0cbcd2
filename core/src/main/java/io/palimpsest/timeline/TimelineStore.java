package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.Label;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.remote.TenantManifest;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.Function;
import java.util.function.Predicate;
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
 * A directory without an index is what a crash has left of a creation, and is deleted at start; but
 * if it holds layers and not the mark of an unfinished import, its index was lost, and it is kept.
 * A source without a timeline is an import that a crash has ended: its slot may still be there.
 */
public final class TimelineStore {
    // Why this file is long: it is the one way from tenants to what they have on the disk and in
    // the
    // store; what it does in the store it leaves to Backup, in a line or two each.
    public static final String ROOT = "tenants";

    /** Lies in a directory while an import fills it. */
    private static final String UNFINISHED = "unfinished";

    /** The last line of a source that is paused. */
    private static final String PAUSED = "paused";

    private static final int MAX_SOURCE_BYTES = 1 << 16;

    /** Who waits for the store looks so often whether it is to go on. */
    private static final long LOOK_AGAIN = 250_000_000L;

    private final Surroundings surroundings;
    private final Environment environment;
    private final TimelineTree tree;
    private final @Nullable Backup backup;

    /** Without an object store. */
    public TimelineStore(
            Environment environment,
            Limits limits,
            TenantConfig config,
            BlockCache cache,
            Housekeeping housekeeping) {
        this(environment, limits, config, cache, housekeeping, null, false);
    }

    /**
     * @param housekeeping who does the timelines' background work
     * @param remote where everything is to be put too, or null
     * @param takeOver somebody answers for no other server having these tenants
     */
    public TimelineStore(
            Environment environment,
            Limits limits,
            TenantConfig config,
            BlockCache cache,
            Housekeeping housekeeping,
            @Nullable RemoteStore remote,
            boolean takeOver) {
        backup = remote == null ? null : new Backup(environment, remote, cache, takeOver);
        surroundings = new Surroundings(environment, limits, config, cache, housekeeping);
        this.environment = environment;
        tree = new TimelineTree(surroundings);
    }

    /** What is done to timelines that there are. */
    public TimelineTree tree() {
        return tree;
    }

    public Limits limits() {
        return surroundings.limits();
    }

    // ---- what tenants have of their own ----

    /**
     * What its directory says that the tenant has of its own; CORRUPTION if that cannot be read.
     */
    TenantOverrides ownConfig(TenantShardId tenant) {
        return TenantConfigs.read(environment.disk(), ROOT + "/" + tenant);
    }

    /** The store says so: it holds from now on. */
    void takeConfig(TenantShardId tenant, TenantOverrides own) {
        TenantConfigs.write(environment.disk(), ROOT + "/" + tenant, own);
    }

    /**
     * What the directory says holds from now on.
     *
     * @throws PageserverException CORRUPTION; BAD_REQUEST if it contradicts what the server is
     *     configured to by now
     */
    public void loadConfig(TenantShardId tenant) {
        surroundings.configs().put(tenant, ownConfig(tenant));
    }

    /** What the tenant has of its own. */
    public TenantOverrides overrides(TenantShardId tenant) {
        return surroundings.configs().overrides(tenant);
    }

    /** What holds for the tenant. */
    public TenantConfig config(TenantShardId tenant) {
        return surroundings.configs().of(tenant);
    }

    /**
     * Gives a tenant something of its own: durable, and with a store there, when this returns.
     *
     * @throws PageserverException BAD_REQUEST if it contradicts itself; PRECONDITION_FAILED if this
     *     server does not own the tenant; or as the store has it, and then it holds after the next
     *     time that the tenant is attached, or not
     */
    public void configure(TenantShardId tenant, TenantOverrides own) {
        TenantConfig _ = own.over(surroundings.configs().server());
        RemoteTenant owned = owned(tenant);
        if (owned != null) {
            owned.configure(own);
        }
        TenantConfigs.write(environment.disk(), ROOT + "/" + tenant, own);
        surroundings.configs().put(tenant, own);
    }

    /** The long work that is asked for, and was. */
    public Operations operations() {
        return surroundings.operations();
    }

    // ---- what goes on after a restart ----

    /** Writes down that this is to be done, durably. */
    public void intend(TenantShardId tenant, Intent intent) {
        intent.write(environment.disk(), tenant);
    }

    /** It is done, or will not be, durably. */
    public void settle(TenantShardId tenant, Intent intent) {
        Intent.remove(environment.disk(), tenant, intent.kind(), intent.timeline());
    }

    /** What is to be done of a tenant; what cannot be read stays, and is told. */
    public List<Intent> intents(TenantShardId tenant) {
        return Intent.all(
                environment.disk(),
                tenant,
                (path, e) ->
                        environment
                                .tracer()
                                .event(
                                        Event.INTENT_DAMAGED,
                                        Subject.of(tenant),
                                        String.valueOf(e.getMessage())));
    }

    /** An import that is to be done or cleared away under that id; null if none is. */
    public @Nullable Intent intendedImport(TenantShardId tenant, TimelineId id) {
        return Intent.find(environment.disk(), tenant, Operation.Kind.IMPORT, id);
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

    /** Tenants there is something of; names that are none are left alone. */
    public List<TenantShardId> tenantsOnDisk() {
        return ids(ROOT, TenantShardId::parse);
    }

    /**
     * The timelines there is something of, {@link #open} says whether they are whole. What is left
     * of creations that did not finish is deleted.
     */
    public List<TimelineId> timelinesOnDisk(TenantShardId tenant) {
        List<TimelineId> found = new ArrayList<>();
        for (TimelineId id : ids(timelines(tenant), TimelineId::parse)) {
            if (exists(tenant, id) || hasLostItsIndex(tenant, id)) {
                found.add(id);
            } else {
                environment
                        .tracer()
                        .event(
                                Event.UNFINISHED_CREATION_DELETED,
                                Subject.of(tenant, id),
                                directory(tenant, id));
                discard(directory(tenant, id));
            }
        }
        return found;
    }

    /** Timelines whose import did not finish: there is a source, but no timeline. */
    public List<TimelineId> unfinishedImports(TenantShardId tenant) {
        for (String name : environment.disk().list(sources(tenant))) {
            if (name.endsWith(TimelineIndex.TEMPORARY_SUFFIX)) {
                environment.disk().delete(sources(tenant) + "/" + name);
            }
        }
        List<TimelineId> found = ids(sources(tenant), TimelineId::parse);
        found.removeIf(id -> environment.disk().exists(directory(tenant, id)));
        return found;
    }

    private <T> List<T> ids(String directory, Function<String, T> parse) {
        List<T> ids = new ArrayList<>();
        for (String name : environment.disk().list(directory)) {
            try {
                ids.add(parse.apply(name));
            } catch (PageserverException e) {
                environment
                        .tracer()
                        .event(
                                Event.NOT_OURS,
                                directory + "/" + name + " is left alone: " + e.getMessage());
            }
        }
        return ids;
    }

    /** Deletes what never became a timeline; the mark that says so goes last. */
    private void discard(String directory) {
        Disk disk = environment.disk();
        for (String name : disk.list(directory)) {
            if (!name.equals(UNFINISHED)) {
                disk.delete(directory + "/" + name);
            }
        }
        if (disk.exists(directory)) {
            disk.syncDirectory(directory);
            disk.deleteTree(directory);
        }
    }

    private boolean hasLostItsIndex(TenantShardId tenant, TimelineId id) {
        List<String> names = environment.disk().list(directory(tenant, id));
        return !names.contains(UNFINISHED)
                && names.stream().anyMatch(name -> !name.endsWith(TimelineIndex.TEMPORARY_SUFFIX));
    }

    /** Makes the directory one that a crash may leave behind without loss. */
    static void markUnfinished(Disk disk, String directory) {
        disk.createDirectories(directory);
        disk.create(directory + "/" + UNFINISHED).close();
        disk.syncDirectory(directory);
    }

    /**
     * What a timeline says of itself, without opening it.
     *
     * @param ancestor what it branched off, or null
     * @param deleting what is left of it is to be deleted
     */
    public record Outline(
            TimelineId id, @Nullable TimelineId ancestor, boolean deleting, TimelineIndex index) {}

    /** Reads a timeline's index; CORRUPTION if that cannot be. */
    public Outline outline(TenantShardId tenant, TimelineId id) {
        TimelineIndex index = index(tenant, id);
        TimelineIndex.Ancestor ancestor = index.ancestor();
        return new Outline(
                id,
                ancestor == null ? null : ancestor.timeline(),
                index.state() instanceof TimelineState.Deleting,
                index);
    }

    /** Opens a timeline, of an ancestor that is open. */
    public Timeline open(TenantShardId tenant, Outline outline, @Nullable Timeline ancestor) {
        RemoteTenant owned = owned(tenant);
        String directory = directory(tenant, outline.id);
        if (owned == null) {
            return Timeline.load(surroundings, directory, outline.index, ancestor, null);
        }
        RemoteTimeline remote = owned.timeline(outline.id, directory);
        Timeline timeline =
                Timeline.load(
                        surroundings,
                        directory,
                        outline.index.under(owned.generation()),
                        ancestor,
                        remote);
        remote.begin(timeline);
        return timeline;
    }

    // ---- the tenant in the store ----

    /** Is there a store? */
    public boolean hasStore() {
        return backup != null;
    }

    private @Nullable RemoteTenant owned(TenantShardId tenant) {
        return backup == null ? null : backup.attached(tenant);
    }

    /**
     * With a store: claims the tenant there, and makes its directory here what is to be opened.
     *
     * @param generation that it is to have, if somebody has given one out
     * @param check throws if it is to stop; asked before each step
     * @return false if the tenant was deleted, or its deletion has begun: nothing is to be opened
     * @throws PageserverException see {@link Backup#attach}
     */
    public boolean attach(
            TenantShardId tenant, OptionalInt generation, LocationMode mode, Runnable check) {
        return backup == null
                || backup.tenant(tenant) != null
                || backup.attach(tenant, generation, mode, this, check);
    }

    /** With a store: the tenant as its directory has it; see {@link Backup#reopen}. */
    public void reopen(TenantShardId tenant, int generation) {
        if (backup != null) {
            backup.reopen(tenant, new Generation(generation));
        }
    }

    /** The tenant's timelines are closed, and it is not attached any more. */
    public void release(TenantShardId tenant) {
        if (backup != null) {
            backup.release(tenant);
        }
    }

    /**
     * What is written down of what this server is to a tenant; null if nothing is. What a crash has
     * left beside it goes.
     */
    public @Nullable Location location(TenantShardId tenant) {
        Location.tidy(environment.disk(), tenant);
        return Location.read(environment.disk(), tenant);
    }

    /** Writes it down, durably. */
    public void locate(TenantShardId tenant, Location location) {
        location.write(environment.disk(), tenant);
    }

    /** Another mode of a tenant that is attached. */
    public void mode(TenantShardId tenant, LocationMode mode) {
        RemoteTenant owned = owned(tenant);
        if (owned != null) {
            owned.mode(mode);
        }
    }

    /** Deletes what was held back while nothing was deleted; again is fine. */
    public void finishDeletions(TenantShardId tenant) {
        RemoteTenant owned = owned(tenant);
        if (backup != null && owned != null) {
            backup.finishDeletions(owned);
        }
    }

    /** PRECONDITION_FAILED if the tenant is attached, and another server is to own it or does. */
    public void checkOwner(TenantShardId tenant) {
        RemoteTenant found = backup == null ? null : backup.tenant(tenant);
        if (found != null) {
            found.checkOwner();
        }
    }

    /** The newest generation that anybody has claimed, by the store; 0 if none was. */
    public int newestGeneration(TenantShardId tenant) {
        return backup == null ? 0 : backup.newestGeneration(tenant);
    }

    // ---- deleting a tenant ----

    /**
     * May a tenant that is attached be deleted, as far as the store can say now?
     *
     * @throws PageserverException PRECONDITION_FAILED if another server has it; UNAVAILABLE if the
     *     store does not answer, and then nothing was begun
     */
    public void checkDeletable(TenantShardId tenant) {
        RemoteTenant owned = owned(tenant);
        if (owned != null) {
            owned.validate();
        }
    }

    /**
     * Says that nothing of a tenant is needed any more, in the store if there is one, then here. It
     * is so for good when this returns, whatever happens to this server.
     *
     * @throws PageserverException PRECONDITION_FAILED if another server has the tenant by now, and
     *     nothing has begun; after any other failure nobody knows, and it must be gone on with
     */
    public void condemn(TenantShardId tenant) {
        RemoteTenant owned = owned(tenant);
        if (owned != null) {
            owned.condemn();
        }
        locate(
                tenant,
                new Location(
                        LocationMode.DELETING,
                        owned == null ? 0 : owned.generation().value(),
                        false));
    }

    /** A timeline of a tenant of which nothing is needed: what has not been written never is. */
    public void abandon(Timeline timeline) {
        timeline.close();
    }

    /** The timelines of a condemned tenant are closed: it is not attached any more. */
    public void retire(TenantShardId tenant) {
        if (backup != null) {
            backup.retire(tenant);
        }
    }

    /**
     * Deletes all of a tenant whose deletion has begun, in the store and then here. What a crash or
     * a failure breaks off is gone on with by the same again.
     *
     * @throws PageserverException as the store or the disk has it; what is left is left
     */
    public void deleteForGood(TenantShardId tenant, Operation operation, Runnable goesOn) {
        long objects = 0;
        if (backup != null) {
            objects = backup.deleteTenant(tenant, operation, goesOn);
        }
        operation.stage("deleting what is here");
        unfinishedImports(tenant)
                .forEach(id ->
                        environment
                                .tracer()
                                .event(
                                        Event.SLOT_LEFT_BEHIND,
                                        Subject.of(tenant, id),
                                        String.valueOf(unfinished(tenant, id).getMessage())));
        deleteTenant(tenant);
        environment.tracer().event(Event.TENANT_DELETED, Subject.of(tenant), objects + " objects");
    }

    /** What the store says of a tenant that is not attached here. */
    public enum Remains {
        /** There is none, or it was deleted. */
        NOTHING,
        /** Its deletion has begun, here or elsewhere. */
        BEING_DELETED,
        /** Somebody has it, or may take it. */
        THERE
    }

    /** Has the store more of a tenant than manifests, or do these say that it is there? */
    public boolean isToAttach(TenantShardId tenant) {
        return backup != null
                && (backup.hasTimelines(tenant) || backup.remains(tenant) == Remains.THERE);
    }

    /** Of a tenant that is not attached here; NOTHING without a store. */
    public Remains remains(TenantShardId tenant) {
        return backup == null ? Remains.NOTHING : backup.remains(tenant);
    }

    /** Deletes all that is here of a tenant that is not attached. */
    public void deleteTenant(TenantShardId tenant) {
        Location.deleteTenant(environment.disk(), tenant);
    }

    /**
     * Leaves of a tenant that is not attached only its layer files: what they are to be is the
     * store's to say from now on.
     */
    public void keepLayersOnly(TenantShardId tenant) {
        Disk disk = environment.disk();
        LocalGeneration.forget(disk, ROOT + "/" + tenant);
        for (TimelineId id : ids(timelines(tenant), TimelineId::parse)) {
            String directory = directory(tenant, id);
            for (String name : disk.list(directory)) {
                if (!isLayer(name)) {
                    disk.delete(directory + "/" + name);
                }
            }
            disk.syncDirectory(directory);
        }
        disk.deleteTree(sources(tenant));
        Intent.removeAll(disk, tenant);
    }

    private static boolean isLayer(String name) {
        try {
            LayerName _ = LayerName.parse(name);
            return true;
        } catch (PageserverException e) {
            return false;
        }
    }

    /** With a store: finds out what attaching will need to know of it. Returns at once. */
    public void begin() {
        if (backup != null) {
            backup.begin();
        }
    }

    /** Timelines that the store should have and whose index there cannot be used, and why. */
    public Map<TimelineId, PageserverException> unreadableInStore(TenantShardId tenant) {
        RemoteTenant owned = owned(tenant);
        return owned == null ? Collections.emptyMap() : owned.unreadable();
    }

    /** Is the tenant attached, or is there no store that it could be attached from? */
    public boolean isAttached(TenantShardId tenant) {
        return backup == null || backup.tenant(tenant) != null;
    }

    /** See {@link Backup#checkOwnership}. */
    public void checkOwnership() {
        if (backup != null) {
            backup.checkOwnership();
        }
    }

    /**
     * Under which generation this server has a tenant.
     *
     * @param fencedBy the generation that has taken it over, 0 if none was seen
     * @param reopened the generation was claimed by an earlier run: it cannot be owned again
     */
    public record Ownership(int generation, int fencedBy, LocationMode mode, boolean reopened) {}

    /** Null without a store, or if the tenant is not attached. */
    public @Nullable Ownership ownership(TenantShardId tenant) {
        RemoteTenant found = backup == null ? null : backup.tenant(tenant);
        return found == null
                ? null
                : new Ownership(
                        found.generation().value(),
                        found.fencedBy(),
                        found.mode(),
                        found.reopened());
    }

    /**
     * Deletes what former owners have left in the store.
     *
     * @throws PageserverException CONFLICT if the tenant is not attached, PRECONDITION_FAILED if
     *     another server has it by now, or there is no store
     */
    public StoreGarbage.Deleted deleteGarbage(TenantShardId tenant) {
        RemoteTenant owned = owned(tenant);
        if (owned == null) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED, "no remote_storage is configured");
        }
        return StoreGarbage.delete(owned);
    }

    /**
     * What branches in the store need is kept until the next start, if they hang on nothing here
     * any more, or elsewhere: it is not known yet whether the store has learned that.
     *
     * @param opened gives a timeline, null if it is not open
     */
    public void keepForStore(
            TenantShardId tenant, Function<TimelineId, @Nullable Timeline> opened) {
        RemoteTenant owned = owned(tenant);
        if (owned == null) {
            return;
        }
        owned.branches()
                .forEach((id, hung) -> {
                    Timeline branch = opened.apply(id);
                    Timeline ancestor = opened.apply(hung.timeline());
                    if (branch != null && ancestor != null && !ancestor.equals(branch.ancestor())) {
                        ancestor.window().keepBranchPoint(hung.lsn());
                    }
                });
    }

    /** Waits for what is to be put into the store, for that long at most; then nothing more is. */
    public void endUploads(long nanos) {
        if (backup != null) {
            backup.close(nanos);
        }
    }

    /**
     * Makes the directory of a timeline what its index in the store says.
     *
     * @param keep unless there is an index here that can be read: it is newer, or the same
     */
    void bring(TimelineIndex index, @Nullable String source, boolean keep) {
        TenantShardId tenant = index.tenant();
        TimelineId id = index.timeline();
        String directory = directory(tenant, id);
        Disk disk = environment.disk();
        if (keep && exists(tenant, id)) {
            try {
                TimelineIndex _ = index(tenant, id);
                return;
            } catch (PageserverException e) {
                environment
                        .tracer()
                        .event(
                                Event.INDEX_FROM_STORE,
                                Subject.of(tenant, id),
                                String.valueOf(e.getMessage()));
            }
        }
        disk.createDirectories(directory);
        for (LayerDescriptor layer : index.layers()) {
            String path = directory + "/" + layer.name();
            if (disk.exists(path) && size(path) != layer.size()) {
                disk.delete(path);
            }
        }
        index.commit(disk, directory);
        if (disk.exists(directory + "/" + UNFINISHED)) {
            disk.delete(directory + "/" + UNFINISHED);
            disk.syncDirectory(directory);
        }
        WalSource from = source == null ? null : WalSource.restored(source);
        if (from != null && !disk.exists(sources(tenant) + "/" + id)) {
            writeSource(tenant, id, from);
        }
    }

    private long size(String path) {
        try (Disk.Input in = environment.disk().open(path)) {
            return in.size();
        }
    }

    /** What the manifest is to say of a timeline's source, or null. */
    @Nullable String sourceText(TenantShardId tenant, TimelineId id) {
        WalSource source = sourceOrNull(tenant, id);
        return source == null ? null : source.record();
    }

    /** Deletes a timeline that never was one. */
    void discardTimeline(TenantShardId tenant, TimelineId id) {
        environment.disk().delete(directory(tenant, id) + "/" + TimelineIndex.FILE);
        discard(directory(tenant, id));
    }

    /** Deletes what there is here of a timeline that the store says is being deleted. */
    void forgetFiles(TenantShardId tenant, TimelineId id) {
        if (environment.disk().exists(directory(tenant, id))) {
            deleteLocal(tenant, id);
        }
    }

    /** The store has it too when this returns; or it throws, and the timeline is closed. */
    private void publish(
            Timeline timeline, @Nullable WalSource source, @Nullable Operation operation) {
        RemoteTimeline remote = timeline.remote();
        if (remote == null) {
            return;
        }
        RemoteTenant owner = remote.tenant();
        boolean done = false;
        try {
            owner.expect(
                    new TenantManifest.Entry(
                            timeline.id(),
                            owner.generation(),
                            false,
                            source == null ? null : source.record()));
            remote.begin(timeline);
            while (!remote.awaitStored(index -> true, LOOK_AGAIN)) {
                if (operation != null) {
                    operation.checkGoesOn();
                }
            }
            if (operation != null) {
                operation.cannotBeCancelled("the timeline is made");
            }
            done = true;
        } finally {
            if (!done) {
                // What the store may have got of it must not meet another one of that id.
                owner.neverAgain(timeline.id());
                timeline.close();
            }
        }
    }

    /** Does the store have something of a tenant, by a list, which may be late? */
    public boolean storeHas(TenantShardId tenant) {
        return backup != null && backup.has(tenant);
    }

    /** Tenants that the store has something of. */
    public List<TenantShardId> tenantsInStore() {
        return backup == null ? List.of() : backup.list();
    }

    /** Opens a timeline; {@code ancestors} gives (opens) the one it branched off. */
    public Timeline open(
            TenantShardId tenant, TimelineId id, Function<TimelineId, Timeline> ancestors) {
        Outline outline = outline(tenant, id);
        return open(
                tenant,
                outline,
                outline.ancestor == null ? null : ancestors.apply(outline.ancestor));
    }

    private TimelineIndex index(TenantShardId tenant, TimelineId id) {
        String directory = directory(tenant, id);
        if (!exists(tenant, id)) {
            throw PageserverException.corruption(
                    "%s/%s: no such file, but there are layers beside it",
                    directory, TimelineIndex.FILE);
        }
        TimelineIndex index = TimelineIndex.read(environment.disk(), directory);
        if (!index.tenant().equals(tenant) || !index.timeline().equals(id)) {
            throw PageserverException.corruption(
                    "%s/%s: expected the index of timeline %s of tenant %s, found %s of %s",
                    directory, TimelineIndex.FILE, id, tenant, index.timeline(), index.tenant());
        }
        return index;
    }

    /**
     * Deletes a timeline for good: it is closed when this returns, and its files are gone, and with
     * a store its objects.
     *
     * @param expired if its time is over only
     */
    public void delete(Timeline timeline, boolean expired) {
        tree.beginDeletion(timeline, expired);
        deleteFiles(timeline.tenant(), timeline.id());
        tree.deleted(timeline);
    }

    /**
     * Deletes what is left of a timeline whose index says that it is being deleted: the index goes
     * last, so that a crash leaves something that says so.
     */
    public void deleteFiles(TenantShardId tenant, TimelineId id) {
        RemoteTenant owned = owned(tenant);
        if (owned != null) {
            owned.deleting(id);
        }
        deleteLocal(tenant, id);
        if (backup != null && owned != null && owned.mode().deletes()) {
            backup.deleteObjects(owned, id);
        }
    }

    private void deleteLocal(TenantShardId tenant, TimelineId id) {
        Disk disk = environment.disk();
        String directory = directory(tenant, id);
        for (String name : disk.list(directory)) {
            if (!name.equals(TimelineIndex.FILE)) {
                disk.delete(directory + "/" + name);
            }
        }
        disk.syncDirectory(directory);
        WalSource source = sourceOrNull(tenant, id);
        removeSource(tenant, id);
        disk.delete(directory + "/" + TimelineIndex.FILE);
        disk.syncDirectory(directory);
        disk.deleteTree(directory);
        disk.syncDirectory(timelines(tenant));
        environment
                .tracer()
                .event(
                        Event.TIMELINE_DELETED,
                        Subject.of(tenant, id),
                        source == null ? "nothing of it is left" : dropSlotBy(source));
    }

    /** A branch of {@code ancestor}, which must be durable up to {@code lsn}. */
    public Timeline createBranch(Timeline ancestor, TimelineId id, long lsn) {
        return createBranch(ancestor, id, lsn, BranchProperties.NONE);
    }

    /** The same. */
    public Timeline createBranch(
            Timeline ancestor, TimelineId id, long lsn, BranchProperties properties) {
        TenantShardId tenant = ancestor.tenant();
        RemoteTenant owned = owned(tenant);
        RemoteTimeline theirs = ancestor.remote();
        RemoteTimeline remote = null;
        if (owned != null && theirs != null) {
            owned.checkOwner();
            owned.checkNeverDeleted(id);
            // Under our generation: a former owner's index may still be replaced by that owner, who
            // knows nothing of the branch and keeps nothing for it.
            theirs.awaitStored(index -> Long.compareUnsigned(index.diskConsistentLsn(), lsn) >= 0);
            remote = owned.timeline(id, directory(tenant, id));
        }
        TimelineIndex index =
                TimelineIndex.empty(
                                ancestor.index().identity().branch(id, lsn),
                                new TimelineIndex.Ancestor(ancestor.id(), lsn),
                                lsn,
                                lsn)
                        .having(properties);
        Timeline branch =
                Timeline.createBranch(surroundings, directory(tenant, id), index, ancestor, remote);
        boolean done = false;
        try {
            publish(branch, null, null);
            done = true;
            return branch;
        } finally {
            if (!done && owned != null) {
                discardTimeline(tenant, id);
                ancestor.window().releaseBranchPoint(lsn);
            }
        }
    }

    /**
     * A timeline from a running Postgres, filled by its base backup. Leaves nothing behind if it
     * fails, but what an earlier import left that did not finish and was not intended: its source.
     * If it is broken off, or is tried again, it leaves its slot and source for the next attempt.
     *
     * @param intent that is written down for it
     * @param again is it tried again after that failure?
     */
    public Timeline importFrom(
            TenantShardId tenant,
            Intent intent,
            WalSource source,
            BranchProperties properties,
            Operation operation,
            Predicate<PageserverException> again) {
        TimelineId id = intent.timeline();
        String directory = directory(tenant, id);
        RemoteTenant owned = clearForImport(tenant, id);
        WalSource before = sourceOrNull(tenant, id);
        if (before != null && !before.sameSlot(source)) {
            environment
                    .tracer()
                    .event(
                            Event.SLOT_LEFT_BEHIND,
                            Subject.of(tenant, id),
                            "an earlier import did not finish; " + dropSlotBy(before));
            before = null;
        }
        Intent known = intendedImport(tenant, id);
        Timeline made = null;
        boolean stays = false;
        RemoteTimeline remote = owned == null ? null : owned.timeline(id, directory);
        TimelineImport importing =
                new TimelineImport(
                        surroundings,
                        tenant,
                        known == null ? intent : known,
                        directory,
                        source,
                        properties,
                        remote,
                        operation);
        try {
            if (before == null || !before.equals(source)) {
                writeSource(tenant, id, source);
            }
            made = completed(importing.run(), source, directory, operation);
            return made;
        } catch (PageserverException e) {
            boolean tried = !operation.isStopping() && again.test(e);
            stays = operation.isSuspended() || tried;
            throw e;
        } finally {
            if (made == null) {
                if (!stays) {
                    importing.ends();
                }
                if (!operation.isSuspended()) {
                    discardImport(tenant, id, owned, operation.isStopping());
                }
                if (!stays && importing.dropSlot(() -> requireOwner(tenant))) {
                    if (before == null || operation.isResumed()) {
                        removeSource(tenant, id);
                    }
                    settle(tenant, intent);
                }
            }
        }
    }

    /** The same for who has no tenants: as an operation that does not outlive this server. */
    public Timeline importFrom(TenantShardId tenant, TimelineId id, WalSource source) {
        Intent intent = intentToImport(tenant, id, source, null);
        Timeline made =
                operations()
                        .run(
                                Operation.Kind.IMPORT,
                                tenant.tenant(),
                                id,
                                operation ->
                                        importFrom(
                                                tenant,
                                                intent,
                                                source,
                                                BranchProperties.NONE,
                                                operation,
                                                e -> false));
        settle(tenant, intent);
        return made;
    }

    /** What is to be written down of an import under that id. */
    public Intent intentToImport(
            TenantShardId tenant, TimelineId id, WalSource source, @Nullable Label name) {
        Intent wanted = Intent.toImport(id, environment.clock().wallMillis(), name);
        Intent known = intendedImport(tenant, id);
        WalSource before = sourceOrNull(tenant, id);
        boolean ours =
                known != null && known.slotIsOurs() && before != null && before.sameSlot(source);
        return ours ? wanted.withSlot(true) : wanted;
    }

    /** What is left of an import that came to nothing: its slot, if it was made for it. */
    public void endImport(TenantShardId tenant, Intent intent, WalSource source) {
        if (intent.slotIsOurs()) {
            try {
                requireOwner(tenant);
                boolean _ = SourceSlot.dropUnused(environment, source);
            } catch (PageserverException e) {
                // Whoever owns the tenant by now may follow the source by it.
                if (e.code() != ErrorCode.PRECONDITION_FAILED) {
                    throw e;
                }
            }
        }
        removeSource(tenant, intent.timeline());
    }

    /**
     * With a store, asks it whether the tenant is ours still.
     *
     * @throws PageserverException PRECONDITION_FAILED if it is not
     */
    private void requireOwner(TenantShardId tenant) {
        if (backup != null) {
            RemoteTenant owned = owned(tenant);
            if (owned == null) {
                throw PageserverException.of(
                        ErrorCode.PRECONDITION_FAILED, "tenant %s is not attached here", tenant);
            }
            owned.validate();
        }
    }

    private void removeSource(TenantShardId tenant, TimelineId id) {
        String path = sources(tenant) + "/" + id;
        if (environment.disk().exists(path)) {
            environment.disk().delete(path);
            environment.disk().syncDirectory(sources(tenant));
        }
    }

    /** A timeline of a base backup that somebody sends. Leaves nothing behind if it fails. */
    public Timeline importFrom(TenantShardId tenant, TimelineId id, BackupArchive archive) {
        return operations()
                .run(
                        Operation.Kind.IMPORT,
                        tenant.tenant(),
                        id,
                        operation -> importFrom(tenant, id, archive, operation));
    }

    private Timeline importFrom(
            TenantShardId tenant, TimelineId id, BackupArchive archive, Operation operation) {
        String directory = directory(tenant, id);
        RemoteTenant owned = clearForImport(tenant, id);
        Timeline made = null;
        try {
            RemoteTimeline remote = owned == null ? null : owned.timeline(id, directory);
            made =
                    completed(
                            ArchiveImport.run(
                                    surroundings,
                                    tenant,
                                    id,
                                    directory,
                                    archive,
                                    remote,
                                    operation),
                            null,
                            directory,
                            operation);
            return made;
        } finally {
            if (made == null) {
                discardImport(tenant, id, owned, operation.isStopping());
            }
        }
    }

    /** May a timeline of that id be made here? Then nothing is left of one that did not finish. */
    private @Nullable RemoteTenant clearForImport(TenantShardId tenant, TimelineId id) {
        RemoteTenant owned = owned(tenant);
        if (owned != null) {
            owned.checkOwner();
            owned.checkNeverDeleted(id);
        }
        discard(directory(tenant, id));
        return owned;
    }

    private Timeline completed(
            Timeline imported, @Nullable WalSource source, String directory, Operation operation) {
        if (imported.remote() != null) {
            operation.stage("putting it into the object store");
        }
        publish(imported, source, operation);
        environment.disk().delete(directory + "/" + UNFINISHED);
        return imported;
    }

    /**
     * Nothing is left of it here.
     *
     * @param there nor in the store, which may have got all of it, and the manifest name it
     */
    private void discardImport(
            TenantShardId tenant, TimelineId id, @Nullable RemoteTenant owned, boolean there) {
        String directory = directory(tenant, id);
        Disk disk = environment.disk();
        boolean sent = disk.exists(directory + "/" + TimelineIndex.FILE);
        if (owned != null && backup != null && there && sent && owned.owns()) {
            try {
                owned.deleting(id);
                if (owned.mode().deletes()) {
                    backup.deleteObjects(owned, id);
                }
            } catch (PageserverException e) {
                environment
                        .tracer()
                        .event(
                                Event.IMPORT_LEFT_IN_STORE,
                                Subject.of(tenant, id),
                                "it was not made, and what the store has of it is deleted when the tenant is attached the next time: "
                                        + e.getMessage());
            }
        }
        if (owned != null) {
            disk.delete(directory + "/" + TimelineIndex.FILE);
        }
        discard(directory);
    }

    /** How a person gets rid of a slot. */
    static String dropSlotBy(WalSource source) {
        return "if nobody uses it, drop it on "
                + source.host()
                + ":"
                + source.port()
                + " by SELECT pg_drop_replication_slot('"
                + source.slot()
                + "')";
    }

    /** What to tell of an import that did not finish. */
    public PageserverException unfinished(TenantShardId tenant, TimelineId id) {
        WalSource source = sourceOrNull(tenant, id);
        return PageserverException.of(
                ErrorCode.NOT_FOUND,
                "the import of timeline %s did not finish; import it again under this id and slot, or forget it: %s and delete %s/%s",
                id,
                source == null
                        ? "drop its replication slot on the source"
                        : "its replication slot keeps WAL on the source, " + dropSlotBy(source),
                sources(tenant),
                id);
    }

    private void writeSource(TenantShardId tenant, TimelineId id, WalSource source) {
        // Whom it follows must not be forgotten, whatever happens while that is changed.
        TextFile.replace(
                environment.disk(),
                sources(tenant),
                id.toString(),
                source.conninfo()
                        + "\n"
                        + source.slot()
                        + "\n"
                        + (source.paused() ? PAUSED + "\n" : ""));
    }

    /** Whom the timeline follows from now on. */
    public void setSource(Timeline timeline, WalSource source) {
        writeSource(timeline.tenant(), timeline.id(), source);
        RemoteTimeline remote = timeline.remote();
        if (remote != null) {
            remote.tenant().follows(timeline.id(), source.record());
        }
    }

    /** The timeline follows nobody from now on. */
    public void removeSource(Timeline timeline) {
        RemoteTimeline remote = timeline.remote();
        if (remote != null) {
            remote.tenant().follows(timeline.id(), null);
        }
        removeSource(timeline.tenant(), timeline.id());
    }

    /** The source of an import that did not finish; the file may be torn. */
    private @Nullable WalSource sourceOrNull(TenantShardId tenant, TimelineId id) {
        try {
            return source(tenant, id);
        } catch (PageserverException e) {
            return null;
        }
    }

    /** Is there a source, be it damaged? */
    public boolean follows(Timeline timeline) {
        return environment.disk().exists(sources(timeline.tenant()) + "/" + timeline.id());
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
            text = new byte[(int) Math.min(in.size(), MAX_SOURCE_BYTES)];
            in.read(0, text, 0, text.length);
        }
        String[] lines = new String(text, StandardCharsets.UTF_8).split("\n");
        boolean paused = lines.length == 3 && lines[2].equals(PAUSED);
        if (lines.length != 2 && !paused) {
            throw PageserverException.corruption(
                    "%s: expected a connection string, a slot and at most '%s', found %d lines",
                    path, PAUSED, lines.length);
        }
        return WalSource.parse(lines[0], lines[1]).paused(paused);
    }
}
