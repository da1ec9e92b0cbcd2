package io.palimpsest.service;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TimelineId;
import io.palimpsest.compaction.CompactionDebt;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerName;
import io.palimpsest.tenant.BackgroundCounters;
import io.palimpsest.tenant.Evictor;
import io.palimpsest.tenant.Housekeeper;
import io.palimpsest.tenant.Secondaries;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.tenant.WarmUp;
import io.palimpsest.timeline.BackupArchive;
import io.palimpsest.timeline.BranchProperties;
import io.palimpsest.timeline.GarbageCollector;
import io.palimpsest.timeline.Incoming;
import io.palimpsest.timeline.Lease;
import io.palimpsest.timeline.Location;
import io.palimpsest.timeline.LocationMode;
import io.palimpsest.timeline.LsnAtTime;
import io.palimpsest.timeline.NamedPoint;
import io.palimpsest.timeline.Operation;
import io.palimpsest.timeline.Operations;
import io.palimpsest.timeline.StoreGarbage;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineState;
import io.palimpsest.timeline.TimelineStore;
import io.palimpsest.timeline.TransactionEnd;
import io.palimpsest.timeline.WalReceiver;
import io.palimpsest.timeline.WalSource;
import io.palimpsest.value.Marker;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** What operators ask of a page server. Methods may block; errors are {@link Tenants}'. */
public final class Management {
    // Why this file is long: it is the list of what can be asked, some lines for each, and what is
    // answered.
    /** Markers whose names are looked for in one request: each reads a catalogue twice. */
    private static final int MOST_LOOKED_AT = 1000;

    private final Tenants tenants;

    public Management(Tenants tenants) {
        this.tenants = tenants;
    }

    /** Tenants with a timeline here, in order. */
    public List<TenantId> tenants() {
        return tenants.tenants();
    }

    /** Takes a tenant over from the object store; see {@link Tenants#attach}. */
    public void attach(TenantId tenant) {
        attach(tenant, OptionalInt.empty());
    }

    /** The same under a generation that was given out. */
    public void attach(TenantId tenant, OptionalInt generation) {
        tenants.attach(tenant, generation);
    }

    /** What a tenant has of its own, as far as it is known here. */
    public TenantOverrides overrides(TenantId tenant) {
        return tenants.overrides(tenant);
    }

    /** What holds for a tenant; NOT_FOUND if it is not here. */
    public TenantConfig config(TenantId tenant) {
        return tenants.config(tenant);
    }

    /** Gives a tenant something of its own; see {@link Tenants#configure}. */
    public void configure(TenantId tenant, UnaryOperator<TenantOverrides> how) {
        tenants.configure(tenant, how);
    }

    /** The long work that is asked for, and was. */
    public Operations operations() {
        return tenants.operations();
    }

    /** Makes this server that to a tenant; see {@link Tenants#locate}. */
    public void locate(
            TenantId tenant,
            LocationMode mode,
            OptionalInt generation,
            boolean warm,
            @Nullable Long flushNanos) {
        tenants.locate(tenant, mode, generation, warm, flushNanos);
    }

    /** What this server is to a tenant; null while the tenant is on its way. */
    public @Nullable Location location(TenantId tenant) {
        Location found = tenants.location(tenant);
        if (found == null && !tenants.locations().containsKey(tenant)) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "this server is nothing to tenant %s", tenant);
        }
        return found;
    }

    /** All tenants that this server is something to. */
    public Map<TenantId, @Nullable Location> locations() {
        return tenants.locations();
    }

    /** Says now to secondary locations which layers of a tenant are here. */
    public void putHeatmap(TenantId tenant) {
        tenants.putHeatmap(tenant);
    }

    /** How far a secondary location is; NOT_FOUND if this is none. */
    public Secondaries.Progress secondary(TenantId tenant) {
        return tenants.secondary(tenant);
    }

    /** Has a secondary location look now, and waits for that long at most. */
    public Secondaries.Progress downloadSecondary(TenantId tenant, long waitNanos) {
        return tenants.downloadSecondary(tenant, waitNanos);
    }

    /** How it is with all tenants here. */
    public List<TenantStatus> tenantStatus() {
        return TenantStatus.all(tenants);
    }

    /** How it is with one; NOT_FOUND. */
    public TenantStatus tenantStatus(TenantId tenant) {
        return TenantStatus.of(tenants, tenant);
    }

    /** See {@link Tenants#deleteTenant}. */
    public void deleteTenant(TenantId tenant, boolean protectedToo) {
        tenants.deleteTenant(tenant, protectedToo);
    }

    /** Under which generation a tenant is here; null without an object store. */
    public TimelineStore.@Nullable Ownership ownership(TenantId tenant) {
        return tenants.ownership(tenant);
    }

    /** Deletes what former owners of a tenant have left in the object store. */
    public StoreGarbage.Deleted deleteGarbage(TenantId tenant) {
        return tenants.deleteGarbage(tenant);
    }

    /** Tenants that the object store has, attached here or not; none that was deleted. */
    public List<TenantId> tenantsInStore() {
        return tenants.tenantsToAttach();
    }

    /** The timelines of a tenant, by id; NOT_FOUND if the tenant has none here. */
    public List<TimelineInfo> timelines(TenantId tenant) {
        List<Timeline> all = tenants.timelines(tenant);
        TreeMap<TimelineId, List<TimelineId>> branches = new TreeMap<>();
        for (Timeline timeline : all) {
            Timeline ancestor = timeline.ancestor();
            if (ancestor != null) {
                branches.computeIfAbsent(ancestor.id(), id -> new ArrayList<>()).add(timeline.id());
            }
        }
        Map<TimelineId, Label> names = tenants.names().all(tenant);
        return all.stream()
                .map(t ->
                        info(
                                tenant,
                                t,
                                names.get(t.id()),
                                branches.getOrDefault(t.id(), List.of())))
                .toList();
    }

    /** The timeline of that name; NOT_FOUND. */
    public TimelineId find(TenantId tenant, Label name) {
        return tenants.timeline(tenant, name).id();
    }

    /** What a timeline is called; null if nothing, or it is not here. */
    public @Nullable Label nameOf(TenantId tenant, TimelineId id) {
        return tenants.names().all(tenant).get(id);
    }

    /** Does what is said of a branch, and says how it is then. */
    public TimelineInfo run(TenantId tenant, TimelineId id, BranchCommand command) {
        Timeline timeline = tenants.timeline(tenant, id);
        switch (command) {
            case BranchCommand.Rename(var to) -> tenants.names().rename(timeline, to);
            case BranchCommand.TakeName(var name, var preserveUnder) ->
                    tenants.names().take(timeline, name, preserveUnder);
            case BranchCommand.Protect(var on) -> tenants.protect(timeline, on);
            case BranchCommand.Expire(var at) ->
                    tenants.expire(timeline, at == null ? 0 : at.toEpochMilli());
            case BranchCommand.CreatePoint(var name, var at, var pinned, var until) ->
                    tenants.createPoint(
                            timeline,
                            name,
                            at.equals(Lsn.INVALID) ? timeline.lastRecordLsn() : at.value(),
                            pinned,
                            until == null ? 0 : until.toEpochMilli());
            case BranchCommand.Pin(var point, var on, var until) ->
                    tenants.pin(timeline, point, on, until == null ? 0 : until.toEpochMilli());
            case BranchCommand.DeletePoint(var point) -> tenants.deletePoint(timeline, point);
        }
        return info(tenant, timeline);
    }

    /**
     * Waits until WAL has come into all of these timelines, up to an LSN each.
     *
     * @return false if it has not after that time
     */
    public boolean awaitArrived(TenantId tenant, Map<TimelineId, Lsn> wanted, long nanos) {
        TreeMap<Timeline, Lsn> all = new TreeMap<>(Comparator.comparing(Timeline::id));
        wanted.forEach((id, lsn) -> all.put(tenants.timeline(tenant, id), lsn));
        long deadline = tenants.nanos() + nanos;
        boolean arrived = true;
        for (Map.Entry<Timeline, Lsn> one : all.entrySet()) {
            long left = Math.max(0, deadline - tenants.nanos());
            arrived &= one.getKey().awaitArrived(one.getValue().value(), left);
        }
        return arrived;
    }

    /** What is under a key; see {@link StoredKeys#read}. */
    public byte[] read(TenantId tenant, TimelineId timeline, Key key, Lsn lsn) {
        Timeline of = tenants.timeline(tenant, timeline);
        return StoredKeys.read(of, key, StoredKeys.orLast(of, lsn));
    }

    /** Keys of all blocks at an LSN, {@link Lsn#INVALID}: at the last record. */
    public List<KeyRange> relationBlocks(TenantId tenant, TimelineId timeline, Lsn lsn) {
        Timeline of = tenants.timeline(tenant, timeline);
        return StoredKeys.relationBlocks(of, StoredKeys.orLast(of, lsn));
    }

    /** How full the server's disk is. */
    public Evictor.Usage diskUsage() {
        return tenants.evictor().usage();
    }

    public TimelineInfo timeline(TenantId tenant, TimelineId timeline) {
        return info(tenant, tenants.timeline(tenant, timeline));
    }

    /** The same; null if it is not here. */
    public @Nullable TimelineInfo timelineIfHere(TenantId tenant, TimelineId timeline) {
        try {
            return timeline(tenant, timeline);
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.NOT_FOUND) {
                return null;
            }
            throw e;
        }
    }

    /**
     * Makes a branch; the same one again is fine.
     *
     * @param at where; {@link Lsn#INVALID}: at the ancestor's last record
     * @param name what it is called; null: nothing
     */
    public TimelineInfo createBranch(
            TenantId tenant, TimelineId newId, TimelineId ancestor, Lsn at, @Nullable Label name) {
        return info(tenant, tenants.createBranch(tenant, newId, ancestor, at.value(), name));
    }

    /** The same as of a moment: at the last commit at or before it. */
    public TimelineInfo createBranch(
            TenantId tenant,
            TimelineId newId,
            TimelineId ancestor,
            Instant at,
            @Nullable Label name) {
        return info(
                tenant,
                tenants.createBranchAtTime(
                        tenant, newId, ancestor, LsnAtTime.microsSince2000(at), name));
    }

    /** Deletes a timeline that has no branches; returns when its files are gone. */
    public void delete(TenantId tenant, TimelineId timeline) {
        tenants.delete(tenant, timeline);
    }

    /** Archives a timeline, or takes that back. */
    public void archive(TenantId tenant, TimelineId timeline, boolean archived) {
        if (archived) {
            tenants.archive(tenant, timeline);
        } else {
            tenants.unarchive(tenant, timeline);
        }
    }

    /**
     * Makes a branch a timeline without an ancestor; see {@link Tenants#detach}.
     *
     * @return siblings that hang on it for that reason
     */
    public List<TimelineId> detach(TenantId tenant, TimelineId timeline, boolean siblings) {
        return tenants.detach(tenant, timeline, siblings);
    }

    /** Keeps an LSN readable until the time that is returned, or longer. */
    public Instant lease(TenantId tenant, TimelineId timeline, Lsn lsn) {
        return Instant.ofEpochMilli(tenants.timeline(tenant, timeline).lease(lsn.value()));
    }

    /** The commits around a moment. */
    public LsnAtTime lsnByTimestamp(TenantId tenant, TimelineId timeline, Instant moment) {
        return tenants.timeline(tenant, timeline).lsnByTimestamp(LsnAtTime.microsSince2000(moment));
    }

    /** How a transaction ended, by its id with or without the epoch. */
    public TransactionEnd transaction(TenantId tenant, TimelineId timeline, long xid) {
        return tenants.timeline(tenant, timeline).transaction(xid);
    }

    /**
     * What somebody did to a branch that is a point to come back to, the newest first.
     *
     * @param below at or above it nobody looks; {@link Lsn#INVALID}: all
     * @param restorePoint only restore points called so; null: everything
     * @param rewrites also what took nothing away
     */
    public Marked markers(
            TenantId tenant,
            TimelineId timeline,
            Lsn below,
            int limit,
            @Nullable String restorePoint,
            boolean rewrites) {
        Timeline found = tenants.timeline(tenant, timeline);
        List<MarkedPoint> points = new ArrayList<>();
        int[] looked = new int[1];
        Marker[] last = new Marker[1];
        boolean[] stopped = new boolean[1];
        found.markers(
                below.isValid() ? below.value() : Long.MAX_VALUE,
                marker -> {
                    stopped[0] = points.size() == limit || looked[0] == MOST_LOOKED_AT;
                    if (stopped[0]) {
                        return false;
                    }
                    last[0] = marker;
                    if (restorePoint == null || restorePoint.equals(marker.restorePoint())) {
                        looked[0]++;
                        MarkedPoint point = MarkedPoint.of(found, marker);
                        if (rewrites || point.kind() != MarkedPoint.Kind.REWRITE) {
                            points.add(point);
                        }
                    }
                    return true;
                });
        return new Marked(points, stopped[0] && last[0] != null ? new Lsn(last[0].lsn()) : null);
    }

    /**
     * What differs between two points of histories; {@link Lsn#INVALID} is the last record.
     *
     * @param exact blocks are compared
     */
    public BranchDiff diff(
            TenantId tenant,
            TimelineId one,
            Lsn lsn,
            TimelineId other,
            Lsn otherLsn,
            boolean exact) {
        Timeline first = tenants.timeline(tenant, one);
        Timeline second = tenants.timeline(tenant, other);
        return BranchDiff.of(
                first,
                lsn.isValid() ? lsn.value() : first.lastRecordLsn(),
                second,
                otherLsn.isValid() ? otherLsn.value() : second.lastRecordLsn(),
                exact);
    }

    /** When the last commit at or below an LSN was; PRECONDITION_FAILED if none is known. */
    public Instant timestampOfLsn(TenantId tenant, TimelineId timeline, Lsn lsn) {
        OptionalLong micros = tenants.timeline(tenant, timeline).timestampByLsn(lsn.value());
        if (micros.isEmpty()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "timeline %s knows no commit at or below %s",
                    timeline,
                    lsn);
        }
        return LsnAtTime.moment(micros.getAsLong());
    }

    /** What background work has come to since the server started. */
    public BackgroundCounters.Snapshot background() {
        return tenants.housekeeper().counters();
    }

    /** What lies ahead for a timeline's layers, and what does not get done. */
    public Compaction compaction(TenantId tenant, TimelineId timeline) {
        Timeline found = tenants.timeline(tenant, timeline);
        Housekeeper housekeeper = tenants.housekeeper();
        return new Compaction(
                housekeeper.debt(found),
                housekeeper.broken(found),
                found.damaged().names().stream().map(LayerName::toString).toList());
    }

    /** How much of the compaction that could be done is. */
    public enum Extent {
        /** What the thresholds say. */
        DUE,
        /** All L0s are merged, however few there are. */
        MERGES,
        /** Images too, and history is dropped, whether it pays or not. */
        ALL
    }

    /**
     * Compacts a timeline now, and returns when nothing of that is left to do.
     *
     * @throws PageserverException CORRUPTION naming damaged layers that all was done without
     */
    public void compact(TenantId tenant, TimelineId timeline, Extent extent) {
        Timeline found = tenants.timeline(tenant, timeline);
        boolean _ =
                operations()
                        .run(
                                Operation.Kind.COMPACTION,
                                tenant,
                                timeline,
                                operation -> {
                                    compact(found, extent, operation);
                                    return true;
                                });
    }

    private void compact(Timeline timeline, Extent extent, Operation operation) {
        Housekeeper housekeeper = tenants.housekeeper();
        operation.stage("merging layers");
        switch (extent) {
            case DUE -> housekeeper.runToQuiescence(timeline, operation);
            case MERGES -> housekeeper.mergeNow(timeline, operation);
            case ALL -> housekeeper.compactNow(timeline, operation);
        }
    }

    /** Has compaction try again what failed too often, and with all layers. */
    public void resetCompaction(TenantId tenant, TimelineId timeline) {
        tenants.housekeeper().reset(tenants.timeline(tenant, timeline));
    }

    /**
     * Moves a timeline's cutoff and collects garbage now.
     *
     * @param horizonBytes WAL before the last record that stays readable; null: as the policy has
     *     it
     */
    public Collected collect(TenantId tenant, TimelineId timeline, @Nullable Long horizonBytes) {
        Timeline found = tenants.timeline(tenant, timeline);
        int before = found.layerCount();
        GarbageCollector.Result result =
                horizonBytes == null
                        ? tenants.housekeeper().gcNow(found)
                        : tenants.housekeeper().gcNow(found, horizonBytes);
        return new Collected(before, result.layers(), result.bytes());
    }

    /** What a garbage collection would remove now, and why the rest is kept. */
    public GcPlan gcPlan(TenantId tenant, TimelineId id) {
        return GcPlan.of(tenants, tenants.timeline(tenant, id));
    }

    /** The layers that a timeline's index names. */
    public List<Layer> layers(TenantId tenant, TimelineId timeline) {
        Timeline found = tenants.timeline(tenant, timeline);
        List<Layer> layers = new ArrayList<>();
        for (LayerDescriptor layer : found.durableLayers()) {
            LayerFile file = found.layerFile(layer.name());
            layers.add(new Layer(layer, file != null && file.resident()));
        }
        return layers;
    }

    /**
     * Brings a layer's file from the store.
     *
     * @return false if it is here
     */
    public boolean fetchLayer(TenantId tenant, TimelineId timeline, String name) {
        LayerFile file = layer(tenant, timeline, name);
        boolean lacked = !file.resident();
        file.fetch();
        return lacked;
    }

    /**
     * Lets a layer's file leave the disk.
     *
     * @return false if it is not there
     * @throws PageserverException PRECONDITION_FAILED if the store does not have it for sure
     */
    public boolean evictLayer(TenantId tenant, TimelineId timeline, String name) {
        LayerFile file = layer(tenant, timeline, name);
        if (!file.resident()) {
            return false;
        }
        if (!tenants.evictor().evict(file)) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "layer %s must stay: the store does not have it for sure, or it is on its way",
                    name);
        }
        return true;
    }

    private LayerFile layer(TenantId tenant, TimelineId timeline, String name) {
        Timeline found = tenants.timeline(tenant, timeline);
        for (LayerDescriptor layer : found.durableLayers()) {
            LayerFile file =
                    layer.name().toString().equals(name) ? found.layerFile(layer.name()) : null;
            if (file != null) {
                return file;
            }
        }
        throw PageserverException.badRequest("timeline %s has no layer %s", timeline, name);
    }

    /**
     * Begins to bring all layers of a timeline from the store.
     *
     * @param atOnce so many at a time
     */
    public WarmUp.Progress warmUp(TenantId tenant, TimelineId timeline, int atOnce) {
        return tenants.warmUps().start(tenants.timeline(tenant, timeline), atOnce);
    }

    /** How far that is; NOT_FOUND if it was not asked for. */
    public WarmUp.Progress warmUp(TenantId tenant, TimelineId timeline) {
        WarmUp.Progress progress = tenants.warmUps().progress(tenants.timeline(tenant, timeline));
        if (progress == null) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND,
                    "nobody has asked for the layers of timeline %s since the server started",
                    timeline);
        }
        return progress;
    }

    /** Frees that many bytes of the disk by what the store has, if there is so much. */
    public Evictor.Outcome freeDisk(long bytes) {
        return tenants.evictor().free(bytes);
    }

    /** What has left the disk since the server started. */
    public Evictor.Outcome evicted() {
        return tenants.evictor().total();
    }

    /**
     * Makes a timeline from a running PostgreSQL and follows it.
     *
     * @param conninfo {@code key=value} pairs as libpq takes them
     * @param slot the physical replication slot that keeps the WAL for us
     * @param name what it is called; null: nothing
     */
    public TimelineInfo createFromSource(
            TenantId tenant, TimelineId newId, String conninfo, String slot, @Nullable Label name) {
        return info(
                tenant,
                tenants.createFromSource(tenant, newId, WalSource.parse(conninfo, slot), name));
    }

    /** Makes a timeline of a base backup that somebody sends. */
    public TimelineInfo createFromBackup(TenantId tenant, TimelineId newId, BackupArchive archive) {
        return info(tenant, tenants.createFromBackup(tenant, newId, archive));
    }

    /** Takes WAL from {@code start} to {@code end} that somebody sends into a timeline. */
    public TimelineInfo importWal(
            TenantId tenant, TimelineId timeline, Lsn start, Lsn end, Incoming bytes) {
        return info(tenant, tenants.importWal(tenant, timeline, start.value(), end.value(), bytes));
    }

    /**
     * Takes a lease of an LSN back.
     *
     * @throws PageserverException NOT_FOUND if there is none
     */
    public void dropLease(TenantId tenant, TimelineId timeline, Lsn lsn) {
        Timeline held = tenants.timeline(tenant, timeline);
        if (!held.dropLease(lsn.value())) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "timeline %s has no lease at %s", timeline, lsn);
        }
    }

    /** Has a timeline take no WAL of its source until that is taken back, over restarts too. */
    public void pause(TenantId tenant, TimelineId timeline, boolean paused) {
        tenants.pause(tenant, timeline, paused);
    }

    /**
     * Has a timeline follow nobody any more.
     *
     * @return why its slot is still there; null if it is gone
     */
    public @Nullable String unfollow(TenantId tenant, TimelineId timeline) {
        return tenants.unfollow(tenant, timeline);
    }

    /** Has a timeline follow a source that may be another one than before. */
    public void follow(TenantId tenant, TimelineId timeline, String conninfo, String slot) {
        tenants.follow(tenant, timeline, WalSource.parse(conninfo, slot));
    }

    /**
     * After a failover that has lost what a timeline has: a branch of what both have follows the
     * source from there; see {@link Tenants#rewind}. It gets the timeline's name.
     *
     * @param preserveUnder what the timeline is called from then on; null: nothing
     * @throws PageserverException PRECONDITION_FAILED also if the timeline is protected, and so
     *     keeps its name; CONFLICT if {@code preserveUnder} is taken
     */
    public TimelineInfo rewind(
            TenantId tenant, TimelineId timeline, TimelineId newId, @Nullable Label preserveUnder) {
        return info(tenant, Rewinding.run(tenants, tenant, timeline, newId, preserveUnder));
    }

    /** Makes durable what has arrived; returns when it is. */
    public void flush(TenantId tenant, TimelineId timeline) {
        Timeline found = tenants.timeline(tenant, timeline);
        found.flushUpTo(found.lastRecordLsn());
    }

    private TimelineInfo info(TenantId tenant, Timeline timeline) {
        return info(
                tenant,
                timeline,
                tenants.names().of(timeline),
                tenants.branches(timeline).stream().map(Timeline::id).toList());
    }

    private TimelineInfo info(
            TenantId tenant, Timeline timeline, @Nullable Label name, List<TimelineId> branches) {
        Timeline ancestor = timeline.ancestor();
        WalReceiver receiver = tenants.receiver(tenant, timeline.id());
        RuntimeException failure = timeline.failure();
        return new TimelineInfo(
                tenant,
                timeline.id(),
                said(timeline, name),
                ancestor == null ? null : ancestor.id(),
                new Lsn(timeline.ancestorLsn()),
                new Lsn(timeline.lastRecordLsn()),
                new Lsn(timeline.diskConsistentLsn()),
                new Lsn(timeline.oldestReadableLsn()),
                timeline.version().major(),
                timeline.layerBytes(),
                timeline.residentBytes(),
                timeline.layerCount(),
                failure == null ? null : String.valueOf(failure.getMessage()),
                timeline.diskFull(),
                timeline.state() instanceof TimelineState.Archived archived
                        ? Instant.ofEpochMilli(archived.sinceMillis())
                        : null,
                new Kept(
                        timeline.config().pitrIntervalNanos() / 1_000_000_000L,
                        timeline.leases(),
                        branches,
                        timeline.collectionBlocked()),
                timeline.remoteConsistentLsn() < 0
                        ? null
                        : new Upload(
                                new Lsn(timeline.remoteConsistentLsn()),
                                timeline.uploadLagBytes(),
                                timeline.uploadError()),
                receiver == null
                        ? withoutReceiver(tenants.receiverFailure(tenant, timeline.id()), timeline)
                        : status(receiver));
    }

    private static Said said(Timeline timeline, @Nullable Label name) {
        BranchProperties properties = timeline.properties();
        long until = properties.expiresMillis();
        return new Said(
                name,
                properties.isProtected(),
                until == 0 ? null : Instant.ofEpochMilli(until),
                properties.points().stream()
                        .map(point -> new Point(point, timeline.readable(point.lsn())))
                        .toList());
    }

    private static TimelineInfo.@Nullable Receiver withoutReceiver(
            @Nullable String why, Timeline timeline) {
        return why == null
                ? null
                : new TimelineInfo.Receiver(
                        "broken: " + why, "", new Lsn(timeline.lastRecordLsn()));
    }

    private static TimelineInfo.Receiver status(WalReceiver receiver) {
        WalSource source = receiver.source();
        return new TimelineInfo.Receiver(
                receiver.status(),
                "host=" + source.host() + " port=" + source.port() + " user=" + source.user(),
                new Lsn(receiver.receivedLsn()));
    }

    /**
     * Background work of a timeline.
     *
     * @param debt what is due and not done
     * @param off kinds of work that are off because they failed again and again
     * @param damaged layers that are left out of it
     */
    public record Compaction(CompactionDebt debt, List<String> off, List<String> damaged) {}

    /**
     * Points to come back to.
     *
     * @param more there may be more below that LSN; null: there are none
     */
    public record Marked(List<MarkedPoint> points, @Nullable Lsn more) {}

    /**
     * A layer.
     *
     * @param resident is its file on the disk? Else it comes from the store when it is read
     */
    public record Layer(LayerDescriptor descriptor, boolean resident) {}

    /**
     * What a garbage collection has done.
     *
     * @param total layers before
     * @param removed layers
     * @param removedBytes of their files
     */
    public record Collected(int total, int removed, long removedBytes) {}

    /**
     * What people say of a branch.
     *
     * @param name null: it has none
     * @param expiresAt when it is deleted; null: it is not
     * @param points of its history that have names, by LSN
     */
    public record Said(
            @Nullable Label name,
            boolean isProtected,
            @Nullable Instant expiresAt,
            List<Point> points) {}

    /**
     * A point with a name.
     *
     * @param readable false: it was not pinned, and history is not kept so far back
     */
    public record Point(NamedPoint point, boolean readable) {}

    /**
     * Why history is kept.
     *
     * @param pitrSeconds so far back by time; 0: by distance only
     * @param blocked why nothing at all may be collected, or null
     */
    public record Kept(
            long pitrSeconds,
            List<Lease> leases,
            List<TimelineId> branches,
            @Nullable String blocked) {}

    /**
     * How far a timeline is in the object store.
     *
     * @param remoteConsistentLsn up to it everything comes back if this machine is lost
     * @param lagBytes of layers that are not there yet
     * @param error what putting something there failed with the last time; it is tried again
     */
    public record Upload(Lsn remoteConsistentLsn, long lagBytes, @Nullable String error) {}

    /**
     * A timeline's state at one moment.
     *
     * @param said what people say of it
     * @param ancestorLsn {@link Lsn#INVALID} without an ancestor
     * @param oldestReadableLsn the cutoff
     * @param residentBytes of {@code layerBytes}, those that are on the disk
     * @param failure why no more WAL is taken, or null
     * @param diskFull why none is taken until there is room, or null
     * @param archivedAt when it was archived, or null
     * @param kept what its history is kept for
     * @param upload what is in the object store; null without one
     * @param receiver null if nothing feeds it
     */
    public record TimelineInfo(
            TenantId tenant,
            TimelineId timeline,
            Said said,
            @Nullable TimelineId ancestor,
            Lsn ancestorLsn,
            Lsn lastRecordLsn,
            Lsn diskConsistentLsn,
            Lsn oldestReadableLsn,
            int pgVersion,
            long layerBytes,
            long residentBytes,
            int layerCount,
            @Nullable String failure,
            @Nullable String diskFull,
            @Nullable Instant archivedAt,
            Kept kept,
            @Nullable Upload upload,
            @Nullable Receiver receiver) {
        /**
         * Where its WAL comes from.
         *
         * @param source the connection string without the password
         */
        public record Receiver(String status, String source, Lsn receivedLsn) {}
    }
}
