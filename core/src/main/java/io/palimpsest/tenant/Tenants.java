package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineStore;
import io.palimpsest.timeline.WalReceiver;
import io.palimpsest.timeline.WalSource;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The tenants of this server and their timelines, as found on disk at start and as created since.
 *
 * <p>Lookups read an immutable snapshot and never lock. A timeline that cannot be opened does not
 * keep the others from being served: asking for it gives the reason.
 */
public final class Tenants {
    /** What a name leads to: a timeline, or why there is none. */
    private record Entry(
            @Nullable Timeline timeline,
            @Nullable WalReceiver receiver,
            @Nullable PageserverException broken) {
        static Entry of(Timeline timeline) {
            return new Entry(timeline, null, null);
        }

        static Entry broken(PageserverException why) {
            return new Entry(null, null, why);
        }

        /**
         * A crash has ended its import: there is nothing but a source, and it may be tried again.
         */
        boolean unfinished() {
            return timeline == null && broken != null && broken.code() == ErrorCode.NOT_FOUND;
        }
    }

    /** Keeps a name while disk and network are waited for. */
    private static final Entry BEING_CREATED = new Entry(null, null, null);

    private record Name(TenantId tenant, TimelineId timeline) implements Comparable<Name> {
        @Override
        public int compareTo(Name o) {
            int c = tenant.compareTo(o.tenant);
            return c != 0 ? c : timeline.compareTo(o.timeline);
        }
    }

    private final Environment environment;
    private final TimelineStore store;
    private final Monitor changing;
    private volatile TreeMap<Name, Entry> entries = new TreeMap<>();

    private Tenants(Environment environment, Limits limits, TenantConfig config) {
        this.environment = environment;
        this.store =
                new TimelineStore(
                        environment, limits, config, new BlockCache(limits), timeline -> {});
        this.changing = environment.tasks().monitor("tenants");
    }

    /** Opens what is on the disk and begins to receive WAL where there is a source. */
    public static Tenants load(Environment environment, Limits limits, TenantConfig config) {
        Tenants tenants = new Tenants(environment, limits, config);
        Disk disk = environment.disk();
        disk.createDirectories(TimelineStore.ROOT);
        for (TenantShardId id : tenants.store.tenantsOnDisk()) {
            for (TimelineId timeline : tenants.store.timelinesOnDisk(id)) {
                tenants.open(id, timeline);
            }
            tenants.blockCollection(id.tenant());
            for (TimelineId timeline : tenants.store.unfinishedImports(id)) {
                tenants.unfinished(id, timeline);
            }
        }
        tenants.entries.forEach((name, entry) -> tenants.receive(name, entry));
        return tenants;
    }

    /** Opens a timeline, its ancestors first. */
    private @Nullable Timeline open(TenantShardId tenant, TimelineId id) {
        Name name = new Name(tenant.tenant(), id);
        Entry known = entries.get(name);
        if (known != null) {
            return known.timeline;
        }
        try {
            Timeline timeline =
                    store.open(
                            tenant,
                            id,
                            ancestor -> {
                                Timeline found =
                                        store.exists(tenant, ancestor)
                                                ? open(tenant, ancestor)
                                                : null;
                                if (found == null) {
                                    throw PageserverException.corruption(
                                            "timeline %s: its ancestor %s is missing or damaged",
                                            id, ancestor);
                                }
                                return found;
                            });
            put(name, Entry.of(timeline));
            return timeline;
        } catch (PageserverException e) {
            environment
                    .tracer()
                    .error(
                            "timeline-broken",
                            "timeline " + id + " of tenant " + tenant + ": " + e.getMessage());
            put(
                    name,
                    Entry.broken(
                            new PageserverException(
                                    ErrorCode.CORRUPTION,
                                    "timeline "
                                            + id
                                            + " cannot be opened, nothing of it was changed: "
                                            + e.getMessage()
                                            + "; put the file back from a copy and restart the page server, or import or branch again under another id",
                                    e)));
            return null;
        }
    }

    /** Timelines that cannot be opened may hang on any other, anywhere. */
    private void blockCollection(TenantId tenant) {
        List<TimelineId> broken = new ArrayList<>();
        entries.forEach((name, entry) -> {
            if (name.tenant.equals(tenant) && entry.timeline == null) {
                broken.add(name.timeline);
            }
        });
        if (!broken.isEmpty()) {
            String why =
                    "it is not known what these timelines need, which cannot be opened: " + broken;
            environment.tracer().warn("collection-blocked", "tenant " + tenant + ": " + why);
            timelines(tenant).forEach(timeline -> timeline.blockCollection(why));
        }
    }

    private void unfinished(TenantShardId tenant, TimelineId id) {
        PageserverException why = store.unfinished(tenant, id);
        environment.tracer().warn("import-unfinished", String.valueOf(why.getMessage()));
        put(new Name(tenant.tenant(), id), Entry.broken(why));
    }

    private void receive(Name name, Entry entry) {
        Timeline timeline = entry.timeline;
        if (timeline == null) {
            return;
        }
        WalSource source;
        try {
            source = store.source(timeline.tenant(), timeline.id());
        } catch (PageserverException e) {
            environment
                    .tracer()
                    .error(
                            "wal-source-damaged",
                            "timeline " + name.timeline + " receives no WAL: " + e.getMessage());
            put(name, new Entry(timeline, null, e));
            return;
        }
        if (source != null) {
            put(
                    name,
                    new Entry(
                            timeline,
                            WalReceiver.start(environment, store.limits(), timeline, source),
                            null));
        }
    }

    private void put(Name name, Entry entry) {
        TreeMap<Name, Entry> next = new TreeMap<>(entries);
        next.put(name, entry);
        entries = next;
    }

    /**
     * The timeline, ready to be read; NOT_FOUND if it is not here, CORRUPTION with the reason if it
     * could not be opened.
     */
    public Timeline timeline(TenantId tenant, TimelineId timeline) {
        Entry entry = entries.get(new Name(tenant, timeline));
        if (entry == null) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "timeline %s of tenant %s is not here", timeline, tenant);
        }
        Timeline found = entry.timeline;
        PageserverException broken = entry.broken;
        if (found == null && broken != null) {
            throw new PageserverException(
                    broken.code(), String.valueOf(broken.getMessage()), broken);
        }
        if (found == null) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "timeline %s of tenant %s is being created",
                    timeline,
                    tenant);
        }
        return found;
    }

    /** What feeds the timeline, or null if nothing does. */
    public @Nullable WalReceiver receiver(TenantId tenant, TimelineId timeline) {
        Entry entry = entries.get(new Name(tenant, timeline));
        return entry == null ? null : entry.receiver;
    }

    /** Why nothing feeds a timeline that has a source, or null. */
    public @Nullable String receiverFailure(TenantId tenant, TimelineId timeline) {
        Entry entry = entries.get(new Name(tenant, timeline));
        return entry == null || entry.broken == null ? null : entry.broken.getMessage();
    }

    public List<TenantId> tenants() {
        List<TenantId> ids = new ArrayList<>();
        for (Name name : entries.keySet()) {
            if (ids.isEmpty() || !ids.getLast().equals(name.tenant)) {
                ids.add(name.tenant);
            }
        }
        return ids;
    }

    /** The timelines of a tenant that can be read, by id. */
    public List<Timeline> timelines(TenantId tenant) {
        List<Timeline> found = new ArrayList<>();
        entries.forEach((name, entry) -> {
            if (name.tenant.equals(tenant) && entry.timeline != null) {
                found.add(entry.timeline);
            }
        });
        return found;
    }

    /**
     * Makes a branch: one small file, whatever the size of the data. Making the same one again is
     * fine.
     *
     * @param atLsn the branch point, rounded up to a record boundary's alignment; 0 means the
     *     ancestor's last record. Waits until WAL up to it has arrived
     */
    public Timeline createBranch(
            TenantId tenant, TimelineId newId, TimelineId ancestorId, long atLsn) {
        Timeline ancestor = timeline(tenant, ancestorId);
        long lsn = atLsn == 0 ? ancestor.lastRecordLsn() : Lsn.align(atLsn);
        if (Long.compareUnsigned(lsn, ancestor.oldestReadableLsn()) < 0) {
            throw PageserverException.of(
                    ErrorCode.LSN_OUT_OF_RANGE,
                    "cannot branch at %s: the history of timeline %s starts at %s and goes up to %s",
                    Lsn.toString(lsn),
                    ancestorId,
                    Lsn.toString(ancestor.oldestReadableLsn()),
                    Lsn.toString(ancestor.lastRecordLsn()));
        }
        ancestor.waitFor(lsn);
        ancestor.flushUpTo(lsn);
        Name name = new Name(tenant, newId);
        changing.lock();
        try {
            Entry existing = entries.get(name);
            if (existing != null) {
                Timeline same = existing.timeline;
                if (same != null && same.ancestor() == ancestor && same.ancestorLsn() == lsn) {
                    return same;
                }
                throw PageserverException.of(
                        ErrorCode.CONFLICT,
                        "timeline %s exists already and is not this branch",
                        newId);
            }
            put(name, BEING_CREATED);
        } finally {
            changing.unlock();
        }
        Timeline branch = null;
        try {
            branch = store.createBranch(ancestor, newId, lsn);
            return branch;
        } finally {
            replace(name, branch == null ? null : Entry.of(branch));
        }
    }

    /**
     * Makes a timeline from a running Postgres: base backup, then its WAL from a replication slot.
     * Returns when the backup is imported, durable, and the WAL receiver has been started.
     */
    public Timeline createFromSource(TenantId tenant, TimelineId newId, WalSource source) {
        Name name = new Name(tenant, newId);
        Entry before;
        changing.lock();
        try {
            before = entries.get(name);
            if (before != null && !before.unfinished()) {
                throw PageserverException.of(
                        ErrorCode.CONFLICT, "timeline %s exists already", newId);
            }
            checkSlotIsFree(source);
            put(name, BEING_CREATED);
        } finally {
            changing.unlock();
        }
        Entry entry = before;
        try {
            Timeline timeline = store.importFrom(TenantShardId.unsharded(tenant), newId, source);
            WalReceiver receiver = WalReceiver.start(environment, store.limits(), timeline, source);
            entry = new Entry(timeline, receiver, null);
            return timeline;
        } finally {
            replace(name, entry);
        }
    }

    private void checkSlotIsFree(WalSource source) {
        entries.forEach((name, entry) -> {
            if (entry.receiver != null && entry.receiver.source().sameSlot(source)) {
                throw PageserverException.of(
                        ErrorCode.CONFLICT,
                        "slot %s of %s:%d feeds timeline %s already; name another slot, each timeline needs its own",
                        source.slot(),
                        source.host(),
                        source.port(),
                        name.timeline);
            }
        });
    }

    /** Puts what was made in the place kept for it; null: it failed, and the name is free again. */
    private void replace(Name name, @Nullable Entry made) {
        changing.lock();
        try {
            TreeMap<Name, Entry> next = new TreeMap<>(entries);
            if (made == null) {
                next.remove(name);
            } else {
                next.put(name, made);
            }
            entries = next;
        } finally {
            changing.unlock();
        }
    }

    /** Stops receiving, makes what has arrived durable, closes everything. */
    public void close() {
        for (Entry entry : entries.values()) {
            if (entry.receiver != null) {
                entry.receiver.beginStop();
            }
        }
        for (Entry entry : entries.values()) {
            if (entry.receiver != null) {
                entry.receiver.stop();
            }
        }
        for (Entry entry : entries.values()) {
            if (entry.timeline != null) {
                entry.timeline.shutDown();
            }
        }
    }
}
