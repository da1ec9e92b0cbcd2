package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.EvictionConfig;
import io.palimpsest.base.HeatmapConfig;
import io.palimpsest.base.Label;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.OwnershipConfig;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.tenant.TimelineTable.Entry;
import io.palimpsest.tenant.TimelineTable.Name;
import io.palimpsest.timeline.BackupArchive;
import io.palimpsest.timeline.BranchProperties;
import io.palimpsest.timeline.Incoming;
import io.palimpsest.timeline.Intent;
import io.palimpsest.timeline.Location;
import io.palimpsest.timeline.LocationMode;
import io.palimpsest.timeline.LsnAtTime;
import io.palimpsest.timeline.Operation;
import io.palimpsest.timeline.Operations;
import io.palimpsest.timeline.SourceHistory;
import io.palimpsest.timeline.SourceSlot;
import io.palimpsest.timeline.StoreGarbage;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineState;
import io.palimpsest.timeline.TimelineStore;
import io.palimpsest.timeline.TimelineTree;
import io.palimpsest.timeline.WalImport;
import io.palimpsest.timeline.WalReceiver;
import io.palimpsest.timeline.WalSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The tenants of this server and their timelines, as found on disk at start and as created since.
 *
 * <p>Lookups read an immutable snapshot and never lock. A timeline that cannot be opened does not
 * keep the others from being served: asking for it gives the reason.
 */
public final class Tenants {
    // Why this file is long: it is the one face of all tenants to the services; most methods pass
    // on to the classes whose fields follow, and what is left is who may do what beside whom.
    private final Environment environment;
    private final Housekeeper housekeeper;
    private final Evictor evictor;
    private final WarmUps warmUps;
    private final BranchNames names;
    private final BranchExpiry expiry;
    private final OwnershipWatch ownership;
    private final TimelineStore store;
    private final TimelineTable table;

    /** Held over the index of a timeline that is archived or not any more: no branch overtakes. */
    private final Monitor archiving;

    /** Held while a tenant is given something of its own: one after the other. */
    private final Monitor configuring;

    static final String DELETING = "deleting files and objects";
    static final String DELETED =
            "the timeline is gone for everybody, durably; what is left is to delete its files";

    /** How long the end waits for what is to be put into the store. */
    private static final long LAST_UPLOADS = 30_000_000_000L;

    private final Intents intents;
    private final Attachments attachments;
    private final Locations locations;
    private final TenantDeletions deletions;
    private final Secondaries secondaries;
    private final @Nullable Heatmaps heatmaps;

    private Tenants(
            Environment environment,
            Limits limits,
            TenantConfig config,
            @Nullable RemoteStore remote,
            EvictionConfig eviction,
            OwnershipConfig ownership,
            HeatmapConfig heatmap) {
        this.attachments =
                new Attachments(
                        environment,
                        (id, generation, mode) -> open(id, generation, mode, () -> {}));
        this.environment = environment;
        this.housekeeper = new Housekeeper(environment, limits);
        BlockCache cache = new BlockCache(limits);
        this.evictor = new Evictor(environment, eviction, cache, this::open);
        this.store =
                new TimelineStore(
                        environment,
                        limits,
                        config,
                        cache,
                        housekeeper,
                        remote,
                        ownership.takeOver());
        this.intents = new Intents(environment, store);
        this.warmUps = new WarmUps(environment, store);
        this.ownership = new OwnershipWatch(environment, ownership, store);
        this.table = new TimelineTable(environment.tasks().monitor("tenants"));
        this.names = new BranchNames(environment, table, store);
        this.expiry =
                new BranchExpiry(environment, this::open, this::deleteExpired, store.tree()::letGo);
        this.archiving = environment.tasks().monitor("archiving");
        this.configuring = environment.tasks().monitor("configuring");
        this.secondaries = new Secondaries(environment, heatmap, eviction, cache, remote);
        this.heatmaps =
                remote == null
                        ? null
                        : new Heatmaps(environment, heatmap, store, remote, this::open);
        this.locations =
                new Locations(
                        environment,
                        store,
                        table,
                        housekeeper,
                        warmUps,
                        attachments,
                        secondaries,
                        new Locations.Opening() {
                            @Override
                            public boolean attached(
                                    TenantShardId id,
                                    OptionalInt generation,
                                    LocationMode mode,
                                    Runnable check) {
                                return open(id, generation, mode, check);
                            }

                            @Override
                            public void deleting(TenantShardId id) {
                                resumeDeletion(id);
                            }

                            @Override
                            public void asItIs(TenantShardId id) {
                                open(id);
                            }
                        },
                        this::fedAgain);
        this.deletions =
                new TenantDeletions(
                        environment,
                        store,
                        table,
                        housekeeper,
                        warmUps,
                        names,
                        attachments,
                        locations);
    }

    private void resumeDeletion(TenantShardId id) {
        deletions.resume(id);
    }

    /** Opens what is on the disk and begins to receive WAL where there is a source. */
    public static Tenants load(Environment environment, Limits limits, TenantConfig config) {
        return load(environment, limits, config, null);
    }

    /**
     * The same with an object store: every tenant that is on the disk is attached first. One for
     * which the store does not answer comes later, and the others are served.
     */
    public static Tenants load(
            Environment environment,
            Limits limits,
            TenantConfig config,
            @Nullable RemoteStore remote) {
        return load(
                environment,
                limits,
                config,
                remote,
                EvictionConfig.DEFAULT,
                OwnershipConfig.DEFAULT);
    }

    /**
     * The same.
     *
     * @param eviction what leaves the disk that the store has
     * @param ownership how it is found out that another server has taken a tenant over
     */
    public static Tenants load(
            Environment environment,
            Limits limits,
            TenantConfig config,
            @Nullable RemoteStore remote,
            EvictionConfig eviction,
            OwnershipConfig ownership) {
        return load(
                environment, limits, config, remote, eviction, ownership, HeatmapConfig.DEFAULT);
    }

    /**
     * The same.
     *
     * @param heatmap what owners say is to be kept ready elsewhere, and what is kept ready here
     */
    public static Tenants load(
            Environment environment,
            Limits limits,
            TenantConfig config,
            @Nullable RemoteStore remote,
            EvictionConfig eviction,
            OwnershipConfig ownership,
            HeatmapConfig heatmap) {
        Tenants tenants =
                new Tenants(environment, limits, config, remote, eviction, ownership, heatmap);
        environment.disk().createDirectories(TimelineStore.ROOT);
        tenants.housekeeper.start();
        tenants.store.begin();
        for (TenantShardId id : tenants.store.tenantsOnDisk()) {
            tenants.locations.begin(id);
        }
        if (remote != null) {
            tenants.evictor.start();
            tenants.ownership.start();
            tenants.secondaries.start();
        }
        if (tenants.heatmaps != null) {
            tenants.heatmaps.start();
        }
        return tenants;
    }

    /** Claims a tenant in the store, and opens it; false if it is deleted, or has to be. */
    private boolean open(
            TenantShardId id, OptionalInt generation, LocationMode mode, Runnable check) {
        if (!store.attach(id, generation, mode, check)) {
            deletions.resume(id);
            return false;
        }
        open(id);
        return true;
    }

    /** Opens what there is of a tenant and begins to receive WAL where there is a source. */
    private void open(TenantShardId id) {
        names.opening(id.tenant());
        try {
            new TenantLoading(store, table, environment.tracer(), id).run();
        } finally {
            names.opened(id.tenant());
        }
        for (Timeline timeline : timelines(id.tenant())) {
            if (timeline.layerCount() > 0) {
                housekeeper.changed(timeline);
            }
            feed(new Name(id.tenant(), timeline.id()));
        }
        expiry.changed();
        store.intents(id).forEach(intent -> resume(id, intent));
    }

    /** Long work that an earlier run of the server was to do goes on. */
    private void resume(TenantShardId id, Intent intent) {
        try {
            store.checkOwner(id);
        } catch (PageserverException e) {
            // Whoever owns the tenant is asked anew.
            return;
        }
        Name name = new Name(id.tenant(), intent.timeline());
        Entry there = table.get(name);
        Timeline timeline = there == null ? null : there.timeline();
        if (there != null && timeline == null && !there.unfinished()) {
            // It cannot be opened now.
            return;
        }
        switch (intent.kind()) {
            case IMPORT -> {
                if (timeline == null) {
                    resumeImport(id, name, intent);
                    return;
                }
            }
            case DETACH_ANCESTOR -> {
                if (timeline != null && timeline.ancestor() != null) {
                    intents.resume(
                            id,
                            intent,
                            operation -> detachAgain(name, intent, operation),
                            () -> {});
                    return;
                }
            }
            case WARM_UP -> {
                if (timeline != null && store.hasStore()) {
                    warmUps.resume(timeline, intent);
                    return;
                }
            }
            case ATTACH, COMPACTION, DELETION ->
                    throw new AssertionError("it is never intended: " + intent);
        }
        store.settle(id, intent);
    }

    /** From its beginning: what an import has brought is nothing before it is whole. */
    private void resumeImport(TenantShardId id, Name name, Intent intent) {
        WalSource source;
        try {
            source = store.source(id, intent.timeline());
        } catch (PageserverException e) {
            source = null;
        }
        if (source == null) {
            // Power was lost before anything was asked of it.
            store.settle(id, intent);
            return;
        }
        WalSource from = source;
        Entry before;
        try {
            before =
                    table.reserve(
                            name, "created", entry -> TimelineTable.requireUnfinished(name, entry));
        } catch (PageserverException e) {
            return;
        }
        @Nullable Entry[] left = {before};
        intents.resume(
                id,
                intent,
                operation -> left[0] = importAgain(id, intent, from, operation),
                () -> table.putBack(name, left[0]));
    }

    /** What the name leads to then; null: nothing. */
    private @Nullable Entry importAgain(
            TenantShardId id, Intent intent, WalSource source, Operation operation) {
        if (intent.ending()) {
            operation.stage("dropping the replication slot of an import that came to nothing");
            store.endImport(id, intent, source);
            return null;
        }
        Label label = intent.name();
        BranchProperties.Title title;
        try {
            title = names.reserve(id.tenant(), label);
        } catch (PageserverException e) {
            environment
                    .tracer()
                    .event(
                            Event.IMPORT_WITHOUT_NAME,
                            Subject.of(id, intent.timeline()),
                            String.valueOf(e.getMessage()));
            label = null;
            title = null;
        }
        try {
            Timeline timeline =
                    store.importFrom(
                            id,
                            intent,
                            source,
                            BranchProperties.titled(title),
                            operation,
                            Intents::mayPass);
            return Entry.of(
                    timeline, WalReceiver.start(environment, store.limits(), timeline, source));
        } finally {
            names.made(id.tenant(), label);
        }
    }

    /** Begins to receive WAL for a timeline that was opened just now. */
    private void feed(Name name) {
        Entry before;
        try {
            before = reserve(name, "opened");
        } catch (PageserverException e) {
            // Somebody was faster to do something with it, and has it fed afterwards.
            return;
        }
        Timeline timeline = before.timeline();
        table.putBack(
                name, timeline != null && before.receiver() == null ? receiving(timeline) : before);
    }

    /**
     * Takes a tenant over from the object store: this server owns it from now on, and one that had
     * it is fenced. Only what is known of its layers comes at once, they themselves when they are
     * read. Again is fine.
     *
     * @throws PageserverException NOT_FOUND if the store has nothing of it
     */
    public void attach(TenantId tenant) {
        attach(tenant, OptionalInt.empty());
    }

    /**
     * The same.
     *
     * @param generation that it is to have, given out by somebody who answers for nobody else
     *     having it
     * @throws PageserverException CONFLICT if that is not the next one
     */
    public void attach(TenantId tenant, OptionalInt generation) {
        locate(tenant, LocationMode.ATTACHED_SINGLE, generation, false, null);
    }

    /**
     * Makes this server that to a tenant: owner, former owner, or keeper of layers that are ready.
     * Again is fine.
     *
     * @param generation of attached ones: given out by somebody who answers for nobody else having
     *     it; empty: the one there is, or the next
     * @param warm of a secondary one: layers are kept ready
     * @param flushNanos how long what there is may take to come into the store first; null: as the
     *     server thinks right
     * @throws PageserverException NOT_FOUND if it is to be attached and the store has nothing of
     *     it; BAD_REQUEST for a generation that was before; CONFLICT for one that cannot be had, or
     *     if it is busy; UNAVAILABLE if the store does not answer, or does not have all yet
     */
    public void locate(
            TenantId tenant,
            LocationMode mode,
            OptionalInt generation,
            boolean warm,
            @Nullable Long flushNanos) {
        if (!store.hasStore()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "no remote_storage is configured to attach a tenant from");
        }
        locations.locate(TenantShardId.unsharded(tenant), mode, generation, warm, flushNanos);
    }

    /** What this server is to a tenant; null if nothing, or the tenant is on its way. */
    public @Nullable Location location(TenantId tenant) {
        TenantShardId id = TenantShardId.unsharded(tenant);
        return store.hasStore() || !tenants().contains(tenant)
                ? locations.location(id)
                : new Location(LocationMode.ATTACHED_SINGLE, 0, false);
    }

    /** All tenants that this server is something to, those too that are on their way. */
    public Map<TenantId, @Nullable Location> locations() {
        TreeMap<TenantId, @Nullable Location> all = new TreeMap<>();
        store.tenantsOnDisk().forEach(id -> all.put(id.tenant(), location(id.tenant())));
        tenants().forEach(id -> all.put(id, location(id)));
        locations.secondaries().forEach((id, location) -> all.put(id.tenant(), location));
        return all;
    }

    /**
     * Says now to secondary locations which layers of a tenant are here.
     *
     * @throws PageserverException PRECONDITION_FAILED if this server does not own it alone, or
     *     there is no store
     */
    public void putHeatmap(TenantId tenant) {
        Heatmaps there = heatmaps;
        if (there == null) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED, "no remote_storage is configured");
        }
        there.putNow(TenantShardId.unsharded(tenant));
    }

    /** How far a secondary location is; NOT_FOUND if this is none. */
    public Secondaries.Progress secondary(TenantId tenant) {
        return secondaries.progress(TenantShardId.unsharded(tenant));
    }

    /** Has a secondary location look now, and waits for what comes for that long at most. */
    public Secondaries.Progress downloadSecondary(TenantId tenant, long waitNanos) {
        return secondaries.download(TenantShardId.unsharded(tenant), waitNanos);
    }

    /** PRECONDITION_FAILED if another server is to own the tenant, or nothing may be deleted. */
    private void checkDeletes(TenantId tenant) {
        TimelineStore.Ownership here = ownership(tenant);
        if (here != null && !here.mode().deletes()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "tenant %s is %s here: nothing of it is deleted before it is AttachedSingle",
                    tenant,
                    here.mode());
        }
    }

    /** Null without a store, or if the tenant is not attached. */
    public TimelineStore.@Nullable Ownership ownership(TenantId tenant) {
        return store.ownership(TenantShardId.unsharded(tenant));
    }

    /** See {@link TimelineStore#deleteGarbage}. */
    public StoreGarbage.Deleted deleteGarbage(TenantId tenant) {
        return store.deleteGarbage(TenantShardId.unsharded(tenant));
    }

    /** Tenants that could be attached: the store has something of them. */
    public List<TenantId> tenantsInStore() {
        return store.tenantsInStore().stream().map(TenantShardId::tenant).distinct().toList();
    }

    /**
     * The same without those that were deleted, of which only manifests are left: a request to the
     * store for each.
     */
    public List<TenantId> tenantsToAttach() {
        return store.tenantsInStore().stream()
                .filter(store::isToAttach)
                .map(TenantShardId::tenant)
                .distinct()
                .toList();
    }

    /** A tenant that is made here must not be one that another server has. */
    private void begin(TenantId tenant) {
        TenantShardId id = TenantShardId.unsharded(tenant);
        if (store.isAttached(id)) {
            return;
        }
        attachments.checkHere(id);
        locations.checkServes(id);
        if (store.storeHas(id)) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    store.remains(id) == TimelineStore.Remains.THERE
                            ? "tenant %s is in the store but not attached here; attach it first, or use another id"
                            : "tenant %s was deleted, and its manifests in the store say so; use another id",
                    tenant);
        }
        attachments.attachNow(id, LocationMode.ATTACHED_SINGLE);
        attachments.checkHere(id);
    }

    /**
     * Deletes a whole tenant, here and in the store: all of it is gone when this returns. One that
     * is gone already is fine, and so is the same again after a failure.
     *
     * @param protectedToo branches that are protected do not keep it
     * @throws PageserverException PRECONDITION_FAILED if a branch is protected or follows a source,
     *     or the tenant is another server's; CONFLICT if something else is being done with it;
     *     UNAVAILABLE if the store cannot be asked, or if the deletion has begun and goes on by
     *     itself
     */
    public void deleteTenant(TenantId tenant, boolean protectedToo) {
        deletions.delete(TenantShardId.unsharded(tenant), protectedToo, () -> checkDeletes(tenant));
    }

    /**
     * Why a tenant that is not here is not: UNAVAILABLE if it is on its way, PRECONDITION_FAILED if
     * it does not come by itself, NOT_FOUND if it is being deleted. Nothing is thrown of any other.
     */
    public void checkHere(TenantId tenant) {
        attachments.checkHere(TenantShardId.unsharded(tenant));
    }

    /** Tenants that are being deleted, and how far that is, for people. */
    public Map<TenantId, String> deletions() {
        return deletions.underWay();
    }

    /** A timeline with its WAL receiver, if there is a source and it is not archived. */
    private Entry receiving(Timeline timeline) {
        WalSource source;
        try {
            source = store.source(timeline.tenant(), timeline.id());
        } catch (PageserverException e) {
            environment
                    .tracer()
                    .event(
                            Event.WAL_SOURCE_DAMAGED,
                            timeline.subject(),
                            "receives no WAL: " + e.getMessage());
            return Entry.broken(timeline, e);
        }
        boolean active = timeline.state() instanceof TimelineState.Active;
        return Entry.of(
                timeline,
                source == null || !active
                        ? null
                        : WalReceiver.start(environment, store.limits(), timeline, source));
    }

    /**
     * The timeline, ready to be read; NOT_FOUND if it is not here, CORRUPTION with the reason if it
     * could not be opened, CONFLICT while it is made.
     */
    public Timeline timeline(TenantId tenant, TimelineId timeline) {
        Entry entry = table.get(new Name(tenant, timeline));
        if (entry == null) {
            attachments.checkHere(TenantShardId.unsharded(tenant));
            locations.checkServes(TenantShardId.unsharded(tenant));
            throw notHere(tenant, timeline);
        }
        return timeline(tenant, timeline, entry);
    }

    /** The same by its name. */
    public Timeline timeline(TenantId tenant, Label name) {
        attachments.checkHere(TenantShardId.unsharded(tenant));
        locations.checkServes(TenantShardId.unsharded(tenant));
        names.checkKnown(tenant);
        Timeline found = names.find(tenant, name);
        if (found == null) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "tenant %s has no branch %s", tenant, name);
        }
        return found;
    }

    private static PageserverException notHere(TenantId tenant, TimelineId timeline) {
        return PageserverException.of(
                ErrorCode.NOT_FOUND, "timeline %s of tenant %s is not here", timeline, tenant);
    }

    private static Timeline timeline(TenantId tenant, TimelineId timeline, Entry entry) {
        Timeline found = entry.timeline();
        PageserverException broken = entry.broken();
        if (found == null && broken != null) {
            throw new PageserverException(
                    broken.code(), String.valueOf(broken.getMessage()), broken);
        }
        if (found == null) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "timeline %s of tenant %s is being %s",
                    timeline,
                    tenant,
                    String.valueOf(entry.busy()));
        }
        return found;
    }

    /** What feeds the timeline, or null if nothing does. */
    public @Nullable WalReceiver receiver(TenantId tenant, TimelineId timeline) {
        Entry entry = table.get(new Name(tenant, timeline));
        return entry == null ? null : entry.receiver();
    }

    /** Why nothing feeds a timeline that has a source, or null. */
    public @Nullable String receiverFailure(TenantId tenant, TimelineId timeline) {
        Entry entry = table.get(new Name(tenant, timeline));
        return entry == null || entry.broken() == null ? null : entry.broken().getMessage();
    }

    /** By the clock that all waiting goes by. */
    public long nanos() {
        return environment.clock().monotonicNanos();
    }

    /** Who does the background work of all timelines. */
    public Housekeeper housekeeper() {
        return housekeeper;
    }

    /** Who lets layer files leave the disk. */
    public Evictor evictor() {
        return evictor;
    }

    /** What a tenant has of its own, as far as it is known here. */
    public TenantOverrides overrides(TenantId tenant) {
        return store.overrides(TenantShardId.unsharded(tenant));
    }

    /** What holds for a tenant; NOT_FOUND if it is not here. */
    public TenantConfig config(TenantId tenant) {
        List<Timeline> _ = requireHere(tenant);
        return store.config(TenantShardId.unsharded(tenant));
    }

    /** Its timelines; NOT_FOUND if it has none here, UNAVAILABLE if it is on its way. */
    private List<Timeline> requireHere(TenantId tenant) {
        attachments.checkHere(TenantShardId.unsharded(tenant));
        List<Timeline> all = timelines(tenant);
        if (all.isEmpty()) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "tenant %s has no timelines here", tenant);
        }
        return all;
    }

    /**
     * Gives a tenant something of its own in place of the server's configuration, which holds at
     * once and durably when this returns.
     *
     * @param how makes it of what the tenant has
     * @throws PageserverException see {@link TimelineStore#configure}; NOT_FOUND
     */
    public void configure(TenantId tenant, UnaryOperator<TenantOverrides> how) {
        TenantShardId id = TenantShardId.unsharded(tenant);
        configuring.lock();
        try {
            List<Timeline> all = requireHere(tenant);
            store.checkOwner(id);
            store.configure(id, how.apply(store.overrides(id)));
            all.forEach(housekeeper::changed);
        } finally {
            configuring.unlock();
        }
        environment
                .tracer()
                .event(
                        Event.TENANT_CONFIGURED,
                        Subject.of(id),
                        store.overrides(id).values().toString());
    }

    /** The long work that is asked for, and was. */
    public Operations operations() {
        return store.operations();
    }

    /** Who brings layer files back before somebody reads them. */
    public WarmUps warmUps() {
        return warmUps;
    }

    /** What timelines are called. */
    public BranchNames names() {
        return names;
    }

    /** See {@link BranchNames#protect}. */
    public void protect(Timeline timeline, boolean on) {
        names.protect(timeline, on);
        expiry.changed();
    }

    /**
     * Says until when a branch is wanted: then it is deleted, unless it is protected or has
     * branches, and when neither is so any more.
     *
     * @param atMillis since 1970; 0: it is not deleted
     * @throws PageserverException PRECONDITION_FAILED if it follows a source, whose slot would keep
     *     WAL for nobody; or if it is protected
     */
    public void expire(Timeline timeline, long atMillis) {
        store.checkOwner(timeline.tenant());
        if (atMillis != 0 && store.follows(timeline)) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "timeline %s follows a source, whose slot would keep WAL for ever: it does not expire",
                    timeline.id());
        }
        store.tree()
                .change(
                        timeline,
                        properties -> {
                            if (atMillis != 0 && properties.isProtected()) {
                                throw PageserverException.of(
                                        ErrorCode.PRECONDITION_FAILED,
                                        "timeline %s is protected and does not expire; unprotect it first",
                                        timeline.id());
                            }
                            return properties.expiring(atMillis);
                        });
        expiry.changed();
        store.tree().awaitPropertiesStored(timeline);
    }

    /** See {@link TimelineTree#createPoint}. */
    public void createPoint(Timeline timeline, Label name, long lsn, boolean pinned) {
        createPoint(timeline, name, lsn, pinned, 0);
    }

    /** The same; a pinned one is let go at {@code untilMillis} since 1970, 0: never. */
    public void createPoint(
            Timeline timeline, Label name, long lsn, boolean pinned, long untilMillis) {
        store.checkOwner(timeline.tenant());
        store.tree().createPoint(timeline, name, lsn, pinned, untilMillis);
        expiry.changed();
        store.tree().awaitPropertiesStored(timeline);
    }

    /** See {@link TimelineTree#pin} and {@link TimelineTree#unpin}. */
    public void pin(Timeline timeline, Label point, boolean pinned) {
        pin(timeline, point, pinned, 0);
    }

    /** The same; a pinned one is let go at {@code untilMillis} since 1970, 0: never. */
    public void pin(Timeline timeline, Label point, boolean pinned, long untilMillis) {
        store.checkOwner(timeline.tenant());
        if (pinned) {
            store.tree().pin(timeline, point, untilMillis);
            expiry.changed();
        } else {
            store.tree().unpin(timeline, point);
        }
        store.tree().awaitPropertiesStored(timeline);
    }

    /** See {@link TimelineTree#deletePoint}. */
    public void deletePoint(Timeline timeline, Label point) {
        store.checkOwner(timeline.tenant());
        store.tree().deletePoint(timeline, point);
        store.tree().awaitPropertiesStored(timeline);
    }

    /** All timelines that can be read. */
    private List<Timeline> open() {
        List<Timeline> found = new ArrayList<>();
        table.forEach((name, entry) -> {
            Timeline timeline = entry.timeline();
            if (timeline != null) {
                found.add(timeline);
            }
        });
        return found;
    }

    public List<TenantId> tenants() {
        List<TenantId> ids = new ArrayList<>();
        table.forEach((name, entry) -> {
            if (ids.isEmpty() || !ids.getLast().equals(name.tenant())) {
                ids.add(name.tenant());
            }
        });
        return ids;
    }

    /** The timelines of a tenant that can be read, by id. */
    public List<Timeline> timelines(TenantId tenant) {
        List<Timeline> found = new ArrayList<>();
        table.forEach((name, entry) -> {
            Timeline timeline = entry.timeline();
            if (name.tenant().equals(tenant) && timeline != null) {
                found.add(timeline);
            }
        });
        return found;
    }

    /** The branches that hang on a timeline, by id. */
    public List<Timeline> branches(Timeline of) {
        List<Timeline> all = timelines(of.tenant().tenant());
        all.removeIf(timeline -> !of.equals(timeline.ancestor()));
        return all;
    }

    /**
     * Makes a branch: one small file, whatever the size of the data. Making the same one again is
     * fine. At an LSN that is below the ancestor's own branch point, the ancestor's ancestor is
     * what it branches off.
     *
     * @param atLsn the branch point, rounded up to a record boundary's alignment; 0 means the
     *     ancestor's last record. Waits until WAL up to it has arrived
     * @throws PageserverException LSN_OUT_OF_RANGE if that history is not kept any more
     */
    public Timeline createBranch(
            TenantId tenant, TimelineId newId, TimelineId ancestorId, long atLsn) {
        return createBranch(tenant, newId, ancestorId, atLsn, null);
    }

    /**
     * The same.
     *
     * @param label what it is called; null: nothing
     * @throws PageserverException CONFLICT if another one is called so
     */
    public Timeline createBranch(
            TenantId tenant,
            TimelineId newId,
            TimelineId ancestorId,
            long atLsn,
            @Nullable Label label) {
        Timeline named = timeline(tenant, ancestorId);
        long lsn = atLsn == 0 ? named.lastRecordLsn() : Lsn.align(atLsn);
        Timeline ancestor = named.holderOf(lsn);
        ancestor.effectiveLsn(lsn, lsn);
        ancestor.flushUpTo(lsn);
        Name name = new Name(tenant, newId);
        Entry existing = table.get(name);
        if (existing != null && isBranch(existing, ancestor, lsn, label)) {
            return timeline(tenant, newId, existing);
        }
        table.reserve(
                name,
                "created",
                entry -> {
                    if (entry != null) {
                        throw PageserverException.of(
                                ErrorCode.CONFLICT,
                                "timeline %s exists already and is not this branch",
                                newId);
                    }
                });
        Timeline branch = null;
        Label reserved = null;
        try {
            BranchProperties.Title title = names.reserve(tenant, label);
            reserved = label;
            branch = store.createBranch(ancestor, newId, lsn, BranchProperties.titled(title));
            return branch;
        } finally {
            table.putBack(name, branch == null ? null : Entry.of(branch, null));
            names.made(tenant, reserved);
        }
    }

    private boolean isBranch(Entry entry, Timeline ancestor, long lsn, @Nullable Label label) {
        Timeline timeline = entry.timeline();
        return timeline != null
                && ancestor.equals(timeline.ancestor())
                && timeline.ancestorLsn() == lsn
                && (label == null || label.equals(names.of(timeline)));
    }

    /**
     * The same as of a moment: at the last commit at or before it.
     *
     * @param micros since 2000
     */
    public Timeline createBranchAtTime(
            TenantId tenant, TimelineId newId, TimelineId ancestorId, long micros) {
        return createBranchAtTime(tenant, newId, ancestorId, micros, null);
    }

    /** The same. */
    public Timeline createBranchAtTime(
            TenantId tenant,
            TimelineId newId,
            TimelineId ancestorId,
            long micros,
            @Nullable Label label) {
        LsnAtTime then = timeline(tenant, ancestorId).lsnByTimestamp(micros);
        LsnAtTime.Commit at = then.before();
        if (at == null) {
            LsnAtTime.Commit first = then.after();
            throw PageserverException.of(
                    ErrorCode.LSN_OUT_OF_RANGE,
                    "timeline %s knows no commit at or before that moment; %s",
                    ancestorId,
                    first == null
                            ? "it knows none at all"
                            : "the first one is at " + Lsn.toString(first.lsn()));
        }
        return createBranch(tenant, newId, ancestorId, at.lsn(), label);
    }

    /**
     * Makes a timeline from a running Postgres: base backup, then its WAL from a replication slot.
     * Returns when the backup is imported, durable, and the WAL receiver has been started.
     */
    public Timeline createFromSource(TenantId tenant, TimelineId newId, WalSource source) {
        return createFromSource(tenant, newId, source, null);
    }

    /** The same; {@code label} is what it is called, or null. */
    public Timeline createFromSource(
            TenantId tenant, TimelineId newId, WalSource source, @Nullable Label label) {
        begin(tenant);
        Name name = new Name(tenant, newId);
        Entry before =
                table.reserve(
                        name,
                        "created",
                        entry -> {
                            TimelineTable.requireUnfinished(name, entry);
                            checkSlotIsFree(source, name);
                        });
        Entry entry = before;
        Label reserved = null;
        try {
            BranchProperties properties = BranchProperties.titled(names.reserve(tenant, label));
            reserved = label;
            TenantShardId id = TenantShardId.unsharded(tenant);
            Intent intent = store.intentToImport(id, newId, source, label);
            Timeline timeline =
                    intents.run(
                            id,
                            intent,
                            operation ->
                                    store.importFrom(
                                            id, intent, source, properties, operation, e -> false));
            WalReceiver receiver = WalReceiver.start(environment, store.limits(), timeline, source);
            entry = Entry.of(timeline, receiver);
            return timeline;
        } finally {
            table.putBack(name, entry);
            names.made(tenant, reserved);
            clearAway(TenantShardId.unsharded(tenant), name);
        }
    }

    /** An import that came to nothing, and whose slot could not be dropped, goes on with that. */
    private void clearAway(TenantShardId id, Name name) {
        Intent left = store.intendedImport(id, name.timeline());
        if (left != null && left.ending()) {
            resume(id, left);
        }
    }

    /**
     * Makes a timeline of a base backup that somebody sends. Returns when it is imported and
     * durable; nothing feeds it, and it can be read when {@link #importWal} has brought the WAL up
     * to the backup's end.
     */
    public Timeline createFromBackup(TenantId tenant, TimelineId newId, BackupArchive archive) {
        begin(tenant);
        Name name = new Name(tenant, newId);
        table.reserve(
                name,
                "created",
                entry -> {
                    if (entry != null && entry.unfinished() && entry.broken() != null) {
                        throw new PageserverException(
                                ErrorCode.CONFLICT,
                                String.valueOf(entry.broken().getMessage()),
                                entry.broken());
                    }
                    if (entry != null) {
                        throw PageserverException.of(
                                ErrorCode.CONFLICT, "timeline %s exists already", newId);
                    }
                });
        Timeline made = null;
        try {
            made = store.importFrom(TenantShardId.unsharded(tenant), newId, archive);
            return made;
        } finally {
            table.putBack(name, made == null ? null : Entry.of(made, null));
        }
    }

    /**
     * Takes WAL that somebody sends into a timeline that nothing else feeds; see {@link
     * WalImport#run}.
     *
     * @throws PageserverException PRECONDITION_FAILED if it follows a source, or is a branch
     */
    public Timeline importWal(
            TenantId tenant, TimelineId id, long startLsn, long endLsn, Incoming bytes) {
        Name name = new Name(tenant, id);
        Entry before = reserve(name, "given WAL");
        try {
            Timeline timeline = timeline(tenant, id, before);
            store.checkOwner(timeline.tenant());
            if (before.receiver() != null) {
                throw PageserverException.of(
                        ErrorCode.PRECONDITION_FAILED,
                        "timeline %s follows %s, which gives it its WAL",
                        id,
                        before.receiver().source());
            }
            if (timeline.ancestor() != null
                    || !(timeline.state() instanceof TimelineState.Active)) {
                throw PageserverException.of(
                        ErrorCode.PRECONDITION_FAILED,
                        "timeline %s is a branch, or is archived: it takes no WAL",
                        id);
            }
            return operations()
                    .run(
                            Operation.Kind.IMPORT,
                            tenant,
                            id,
                            operation -> {
                                WalImport.run(
                                        environment,
                                        store.limits(),
                                        timeline,
                                        startLsn,
                                        endLsn,
                                        bytes,
                                        operation);
                                return timeline;
                            });
        } finally {
            table.putBack(name, before);
        }
    }

    /**
     * Has a timeline follow nobody any more, and drops its slot on the source, which would keep WAL
     * for nobody.
     *
     * @return why the slot could not be dropped; null if it is gone
     * @throws PageserverException PRECONDITION_FAILED if it follows nobody
     */
    public @Nullable String unfollow(TenantId tenant, TimelineId id) {
        Name name = new Name(tenant, id);
        Entry before = reserve(name, "given no source");
        Entry left = before;
        try {
            Timeline timeline = timeline(tenant, id, before);
            store.checkOwner(timeline.tenant());
            WalReceiver receiver = receiver(before, id);
            receiver.stop();
            left = Entry.of(timeline, null);
            timeline.flushUpTo(timeline.lastRecordLsn());
            store.removeSource(timeline);
            try {
                SourceSlot.drop(environment, receiver.source());
                return null;
            } catch (PageserverException e) {
                return e.getMessage();
            }
        } finally {
            table.putBack(name, fedAgain(left));
        }
    }

    /** What a timeline's WAL comes through; PRECONDITION_FAILED if it follows nobody. */
    private static WalReceiver receiver(Entry entry, TimelineId id) {
        WalReceiver receiver = entry.receiver();
        if (receiver == null) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED, "timeline %s follows nobody", id);
        }
        return receiver;
    }

    /**
     * Has a timeline follow a source: another one than before, or the same when its password is not
     * known any more, because the timeline came from the store.
     */
    public void follow(TenantId tenant, TimelineId id, WalSource source) {
        Name name = new Name(tenant, id);
        Entry before = reserve(name, "given a source");
        Entry left = before;
        try {
            Timeline timeline = timeline(tenant, id, before);
            store.checkOwner(timeline.tenant());
            // Only what was rewound follows the source of what it branched off.
            if (timeline.ancestor() != null && !store.follows(timeline)) {
                throw PageserverException.of(
                        ErrorCode.PRECONDITION_FAILED, "branch %s can follow nobody", id);
            }
            checkSlotIsFree(source, name);
            WalReceiver receiver = before.receiver();
            stop(receiver);
            left = Entry.of(timeline, null);
            // That it is paused is said of the timeline rather than of an address.
            boolean paused = receiver != null && receiver.source().paused();
            store.setSource(timeline, source.paused(paused));
        } finally {
            table.putBack(name, fedAgain(left));
        }
    }

    /**
     * Has a timeline take nothing of its source until that is taken back, durably; or takes it
     * back. The slot keeps WAL meanwhile. The same again is fine.
     *
     * @throws PageserverException PRECONDITION_FAILED if it follows nobody
     */
    public void pause(TenantId tenant, TimelineId id, boolean paused) {
        Name name = new Name(tenant, id);
        Entry before = reserve(name, paused ? "paused" : "resumed");
        Entry left = before;
        try {
            Timeline timeline = timeline(tenant, id, before);
            store.checkOwner(timeline.tenant());
            WalReceiver receiver = receiver(before, id);
            if (receiver.source().paused() == paused) {
                return;
            }
            receiver.stop();
            left = Entry.of(timeline, null);
            // What had arrived is read on over a crash, though nobody sends it again for now.
            timeline.flushUpTo(timeline.lastRecordLsn());
            store.setSource(timeline, receiver.source().paused(paused));
            environment
                    .tracer()
                    .event(
                            paused ? Event.WALRECEIVER_PAUSED : Event.WALRECEIVER_RESUMED,
                            timeline.subject(),
                            receiver.source().toString());
        } finally {
            table.putBack(name, fedAgain(left));
        }
    }

    /**
     * After a failover of the source that has lost what a timeline has: what both have goes on as a
     * branch, which follows the source from there, by the same slot. The timeline keeps all it has,
     * and follows nobody any more. The branch hangs on that timeline of the tenant that has most of
     * what the source has: after a second failover that may be one that followed it before. The
     * same again after a failure does what is left.
     *
     * @param newId of the branch
     * @throws PageserverException PRECONDITION_FAILED if the timeline follows nobody, or the
     *     source's WAL goes on from all it has; LSN_OUT_OF_RANGE if what both have is not kept
     */
    public Timeline rewind(TenantId tenant, TimelineId id, TimelineId newId) {
        Name name = new Name(tenant, id);
        Entry before = reserve(name, "rewound");
        Entry left = before;
        try {
            Timeline timeline = timeline(tenant, id, before);
            store.checkOwner(timeline.tenant());
            WalReceiver receiver = before.receiver();
            Timeline moved = following(new Name(tenant, newId));
            if (receiver == null) {
                if (moved != null) {
                    return moved;
                }
                throw PageserverException.of(
                        ErrorCode.PRECONDITION_FAILED, "timeline %s follows nobody", id);
            }
            Timeline branch = moved == null ? branchOfShared(timeline, receiver, newId) : moved;
            receiver.stop();
            left = Entry.of(timeline, null);
            if (moved == null) {
                store.setSource(branch, receiver.source());
            }
            store.removeSource(timeline);
            Name its = new Name(tenant, newId);
            table.putBack(its, fedAgain(reserve(its, "given a source")));
            return branch;
        } finally {
            table.putBack(name, fedAgain(left));
        }
    }

    private @Nullable Timeline following(Name name) {
        Entry entry = table.get(name);
        Timeline timeline = entry == null ? null : entry.timeline();
        return timeline != null && store.follows(timeline) ? timeline : null;
    }

    private Timeline branchOfShared(Timeline timeline, WalReceiver receiver, TimelineId newId) {
        TenantId tenant = timeline.tenant().tenant();
        SourceHistory.Shared shared =
                SourceHistory.shared(environment, timeline, timelines(tenant), receiver.source());
        return createBranch(tenant, newId, shared.timeline().id(), shared.lsn());
    }

    private void checkSlotIsFree(WalSource source, Name whose) {
        table.forEach((name, entry) -> {
            WalReceiver receiver = entry.receiver();
            if (receiver != null && !name.equals(whose) && receiver.source().sameSlot(source)) {
                throw PageserverException.of(
                        ErrorCode.CONFLICT,
                        "slot %s of %s:%d feeds timeline %s already; name another slot, each timeline needs its own",
                        source.slot(),
                        source.host(),
                        source.port(),
                        name.timeline());
            }
        });
    }

    /**
     * Deletes a timeline: gone for everybody as soon as its index says so, durably; then its files.
     * One that a failure has left half deleted is deleted to the end.
     *
     * @throws PageserverException PRECONDITION_FAILED if it has branches or is protected, NOT_FOUND
     *     if it is not here
     */
    public void delete(TenantId tenant, TimelineId id) {
        delete(tenant, id, false);
    }

    /** Its slot would keep WAL on its source: one that follows a source goes when somebody says. */
    private void deleteExpired(Timeline timeline) {
        TenantId tenant = timeline.tenant().tenant();
        if (receiver(tenant, timeline.id()) != null || store.follows(timeline)) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED, "it follows a source by now: delete it by hand");
        }
        delete(tenant, timeline.id(), true);
    }

    private void delete(TenantId tenant, TimelineId id, boolean expired) {
        boolean _ =
                operations()
                        .run(
                                Operation.Kind.DELETION,
                                tenant,
                                id,
                                operation -> {
                                    delete(tenant, id, expired, operation);
                                    return true;
                                });
    }

    private void delete(TenantId tenant, TimelineId id, boolean expired, Operation operation) {
        checkDeletes(tenant);
        Name name = new Name(tenant, id);
        Entry before = reserve(name, "deleted");
        Timeline timeline = before.timeline();
        Entry left = before;
        try {
            if (timeline == null) {
                requireDeleting(tenant, id, before);
                operation.stage(DELETING);
                operation.cannotBeCancelled(DELETED);
                store.deleteFiles(TenantShardId.unsharded(tenant), id);
            } else {
                store.tree().requireDeletable(timeline, expired);
                operation.stage("ending what goes on with it");
                stop(before.receiver());
                left = Entry.of(timeline, null);
                housekeeper.dismiss(timeline);
                names.settle(timeline);
                operation.cannotBeCancelled(DELETED);
                operation.stage(DELETING);
                store.delete(timeline, expired);
            }
            left = null;
        } catch (PageserverException e) {
            if (timeline != null && timeline.state() instanceof TimelineState.Deleting) {
                left = Entry.broken(null, halfDeleted(id, e));
            }
            throw e;
        } finally {
            if (timeline != null) {
                housekeeper.forget(timeline);
                warmUps.forget(timeline);
            }
            table.putBack(name, left == null ? null : fedAgain(left));
        }
        // What it hung on may be over, too.
        expiry.changed();
    }

    private static void requireDeleting(TenantId tenant, TimelineId id, Entry entry) {
        PageserverException broken = entry.broken();
        if (broken == null || broken.code() != ErrorCode.CONFLICT) {
            Timeline _ = timeline(tenant, id, entry);
        }
    }

    static PageserverException halfDeleted(TimelineId id, PageserverException e) {
        return new PageserverException(
                ErrorCode.CONFLICT,
                "timeline "
                        + id
                        + " is deleted, but not all of its files are gone: "
                        + e.getMessage()
                        + "; delete it again, or restart the page server",
                e);
    }

    private static void stop(@Nullable WalReceiver receiver) {
        if (receiver != null) {
            receiver.stop();
        }
    }

    private Entry reserve(Name name, String what) {
        Entry before =
                table.reserve(
                        name,
                        what,
                        entry -> {
                            if (entry == null || entry.unfinished()) {
                                throw notHere(name.tenant(), name.timeline());
                            }
                        });
        if (before == null) {
            throw notHere(name.tenant(), name.timeline());
        }
        return before;
    }

    /**
     * Archives a timeline: kept, but neither read nor written. Again is fine.
     *
     * @throws PageserverException PRECONDITION_FAILED if a branch of it is not archived
     */
    public void archive(TenantId tenant, TimelineId id) {
        Name name = new Name(tenant, id);
        Entry before = reserve(name, "archived");
        Entry left = before;
        try {
            Timeline timeline = timeline(tenant, id, before);
            store.checkOwner(timeline.tenant());
            requireBranchesArchived(timeline);
            stop(before.receiver());
            left = Entry.of(timeline, null);
            timeline.flushUpTo(timeline.lastRecordLsn());
            archiving.lock();
            try {
                requireBranchesArchived(timeline);
                store.tree().archive(timeline);
            } finally {
                archiving.unlock();
            }
            timeline.awaitStateStored();
        } finally {
            table.putBack(name, fedAgain(left));
        }
    }

    /** A timeline that was to go and did not, because that failed, receives WAL again. */
    private Entry fedAgain(Entry left) {
        Timeline timeline = left.timeline();
        return timeline != null
                        && left.receiver() == null
                        && timeline.state() instanceof TimelineState.Active
                ? receiving(timeline)
                : left;
    }

    private void requireBranchesArchived(Timeline timeline) {
        List<Timeline> branches = branches(timeline);
        if (branches.size() != timeline.branchCount()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "a branch of timeline %s is being made, or cannot be opened",
                    timeline.id());
        }
        for (Timeline branch : branches) {
            if (branch.state() instanceof TimelineState.Active) {
                throw PageserverException.of(
                        ErrorCode.PRECONDITION_FAILED,
                        "branch %s of timeline %s is not archived",
                        branch.id(),
                        timeline.id());
            }
        }
    }

    /**
     * Takes archiving back. Again is fine.
     *
     * @throws PageserverException PRECONDITION_FAILED if its ancestor is archived
     */
    public void unarchive(TenantId tenant, TimelineId id) {
        Name name = new Name(tenant, id);
        Entry before = reserve(name, "unarchived");
        Entry left = before;
        try {
            Timeline timeline = timeline(tenant, id, before);
            store.checkOwner(timeline.tenant());
            archiving.lock();
            try {
                Timeline ancestor = timeline.ancestor();
                if (ancestor != null && !(ancestor.state() instanceof TimelineState.Active)) {
                    throw PageserverException.of(
                            ErrorCode.PRECONDITION_FAILED,
                            "the ancestor %s of timeline %s is archived",
                            ancestor.id(),
                            id);
                }
                store.tree().unarchive(timeline);
            } finally {
                archiving.unlock();
            }
            timeline.awaitStateStored();
            left = before.receiver() == null ? receiving(timeline) : before;
        } finally {
            table.putBack(name, left);
        }
    }

    /** See {@link TimelineTree#detach}; its siblings stay where they are. */
    public void detach(TenantId tenant, TimelineId id) {
        List<TimelineId> _ = detach(tenant, id, false);
    }

    /**
     * The same, perhaps with siblings.
     *
     * @param siblings that branched off the same ancestor at or below the same LSN hang on it then
     * @return who hangs on it for that reason
     * @throws PageserverException CONFLICT if something else is being done with one of them
     */
    public List<TimelineId> detach(TenantId tenant, TimelineId id, boolean siblings) {
        Name name = new Name(tenant, id);
        Entry before = reserve(name, "detached");
        try {
            Timeline timeline = timeline(tenant, id, before);
            store.checkOwner(timeline.tenant());
            return intents.run(
                    timeline.tenant(),
                    Intent.toDetach(id, environment.clock().wallMillis(), siblings),
                    operation -> new Promotion(store, table, timeline, operation).run(siblings));
        } finally {
            table.putBack(name, before);
        }
    }

    private void detachAgain(Name name, Intent intent, Operation operation) {
        Entry before = reserve(name, "detached");
        try {
            Timeline timeline = timeline(name.tenant(), name.timeline(), before);
            store.checkOwner(timeline.tenant());
            List<TimelineId> _ =
                    new Promotion(store, table, timeline, operation).run(intent.siblings());
        } finally {
            table.putBack(name, before);
        }
    }

    /** Stops receiving, makes what has arrived durable, closes everything. */
    public void close() {
        expiry.stop();
        evictor.stop();
        intents.stop();
        warmUps.stop();
        ownership.stop();
        if (heatmaps != null) {
            heatmaps.stop();
        }
        secondaries.stop();
        deletions.stop();
        attachments.stop();
        List<Entry> all = new ArrayList<>();
        table.forEach((name, entry) -> all.add(entry));
        for (Entry entry : all) {
            if (entry.receiver() != null) {
                entry.receiver().beginStop();
            }
        }
        // What holds flushes back must not hold the end back.
        housekeeper.stop();
        all.forEach(entry -> stop(entry.receiver()));
        if (store.hasStore()) {
            for (Entry entry : all) {
                if (entry.timeline() != null) {
                    entry.timeline().flushAtEnd();
                }
            }
            store.endUploads(LAST_UPLOADS);
        }
        for (Entry entry : all) {
            Timeline timeline = entry.timeline();
            if (timeline != null) {
                timeline.shutDown();
            }
        }
    }
}
