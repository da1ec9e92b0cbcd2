package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.layer.LayerName;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectStore.Stored;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.remote.GenerationClaim;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.remote.TenantManifest;
import io.palimpsest.remote.TenantManifest.Entry;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A tenant under a generation that this server has claimed: its manifest, which says what timelines
 * there are, and whether the generation is still the newest. When it is not, the tenant is
 * <b>fenced</b>: nothing more is put or deleted, no more WAL is taken; reads go on.
 */
final class RemoteTenant {
    private static final int REPLACES = 100;

    private final Environment environment;
    private final RemoteStore store;
    private final Uploads uploads;
    private final Downloads downloads;
    private final BlockCache cache;
    private final Monitor monitor;
    private final TreeSet<TimelineId> deleted = new TreeSet<>();

    /**
     * Timelines of which we have begun to say that they are being deleted. The store may have
     * carried that out though its answer was lost, and then anybody may delete their objects.
     */
    private final TreeSet<TimelineId> doomed = new TreeSet<>();

    /** The same of the whole tenant. */
    private boolean condemned;

    private final List<RemoteTimeline> open = new ArrayList<>();

    /** Indexes as they were put under our generation when it was claimed; each is taken once. */
    private final TreeMap<TimelineId, Own> own = new TreeMap<>();

    private final TreeMap<TimelineId, TimelineIndex.Ancestor> branches = new TreeMap<>();

    /**
     * Timelines whose first index under our generation is on its way; then the manifest says so.
     */
    private final TreeMap<TimelineId, Entry> expected = new TreeMap<>();

    /** Timelines whose index in the store cannot be used, and why. */
    private final TreeMap<TimelineId, PageserverException> unreadable = new TreeMap<>();

    /** Layers that former owners had put, and that are deleted: names that must not come again. */
    private final TreeMap<TimelineId, TreeSet<LayerName>> givenUp = new TreeMap<>();

    private volatile boolean swept;

    private TenantManifest manifest;
    private String version;

    /** One replaces the manifest. */
    private boolean replacing;

    private volatile int fencedBy;
    private volatile LocationMode mode;

    /** Opened without a claim of this run: the generation's claim was of an earlier one. */
    private final boolean reopened;

    /**
     * An index of our generation in the store.
     *
     * @param version of that object
     */
    record Own(TimelineIndex index, String version) {}

    /**
     * @param manifest as it is in the store, ours
     * @param version of that object; empty if the generation was claimed by an earlier run of this
     *     server, which leaves the store alone now
     */
    RemoteTenant(
            Environment environment,
            RemoteStore store,
            Uploads uploads,
            Downloads downloads,
            BlockCache cache,
            TenantManifest manifest,
            String version,
            LocationMode mode) {
        this.mode = mode;
        this.reopened = version.isEmpty();
        this.environment = environment;
        this.store = store;
        this.uploads = uploads;
        this.downloads = downloads;
        this.cache = cache;
        this.manifest = manifest;
        this.version = version;
        this.monitor = environment.tasks().monitor("remote-tenant");
    }

    TenantShardId id() {
        return manifest.tenant();
    }

    Generation generation() {
        return manifest.generation();
    }

    RemoteStore store() {
        return store;
    }

    Uploads uploads() {
        return uploads;
    }

    Downloads downloads() {
        return downloads;
    }

    BlockCache cache() {
        return cache;
    }

    /** The other half of a timeline that is to be opened, or made. */
    RemoteTimeline timeline(TimelineId timeline, String directory) {
        Own there;
        monitor.lock();
        try {
            there = own.remove(timeline);
        } finally {
            monitor.unlock();
        }
        return new RemoteTimeline(environment, this, timeline, directory, there);
    }

    /** That is what was put for a timeline of the generation before. */
    void took(Own put) {
        TimelineIndex index = put.index;
        monitor.lock();
        try {
            own.put(index.timeline(), put);
            TimelineIndex.Ancestor ancestor = index.ancestor();
            if (ancestor != null) {
                branches.put(index.timeline(), ancestor);
            }
        } finally {
            monitor.unlock();
        }
    }

    /** The index of that timeline cannot be used: it stays in the manifest as it was. */
    void lost(TimelineId timeline, PageserverException why) {
        monitor.lock();
        try {
            unreadable.put(timeline, why);
        } finally {
            monitor.unlock();
        }
    }

    /** What is in the manifest and cannot be opened. Complete when the tenant is attached. */
    Map<TimelineId, PageserverException> unreadable() {
        return Collections.unmodifiableMap(unreadable);
    }

    /** Where branches hung, by their indexes in the store, when the tenant was attached. */
    Map<TimelineId, TimelineIndex.Ancestor> branches() {
        return Collections.unmodifiableMap(branches);
    }

    /**
     * Objects of an id that was deleted may be deleted late: under the same generation the same
     * names must not come again.
     */
    void checkNeverDeleted(TimelineId timeline) {
        monitor.lock();
        try {
            if (deleted.contains(timeline)) {
                throw PageserverException.of(
                        ErrorCode.CONFLICT,
                        "timeline %s was deleted; its id can be used again when the page server was restarted",
                        timeline);
            }
        } finally {
            monitor.unlock();
        }
    }

    void opened(RemoteTimeline timeline) {
        monitor.lock();
        try {
            open.add(timeline);
        } finally {
            monitor.unlock();
        }
        if (fencedBy != 0) {
            stop(timeline);
        }
    }

    void closed(RemoteTimeline timeline) {
        monitor.lock();
        try {
            open.remove(timeline);
        } finally {
            monitor.unlock();
        }
    }

    // ---- what former owners have left ----

    /** Was garbage deleted since the tenant was attached? */
    boolean isSwept() {
        return swept;
    }

    void swept() {
        swept = true;
    }

    void tellOfGarbage(int objects) {
        environment
                .tracer()
                .event(Event.STORE_GARBAGE_DELETED, Subject.of(id()), objects + " objects");
    }

    /** Is every timeline open that the manifest names, so that it is known what is needed? */
    boolean allOpen() {
        monitor.lock();
        try {
            TreeSet<TimelineId> opened = new TreeSet<>();
            open.forEach(timeline -> opened.add(timeline.id()));
            return opened.containsAll(expected.keySet())
                    && manifest.timelines().stream()
                            .allMatch(entry -> entry.deleting() || opened.contains(entry.id()));
        } finally {
            monitor.unlock();
        }
    }

    /** Is an index of ours in the store, or is there no such timeline? Then no other is needed. */
    boolean hasOwnIndex(TimelineId timeline) {
        monitor.lock();
        try {
            Entry entry = inManifest(timeline);
            return entry == null
                    ? !expected.containsKey(timeline)
                    : !entry.deleting() && entry.index().equals(generation());
        } finally {
            monitor.unlock();
        }
    }

    /**
     * Is a layer of that name needed by nobody? Then the timeline does not come to name it under
     * this generation, and its object may be deleted however late. One that another timeline names
     * is kept: it is the same layer, and a branch of that one may take it over.
     */
    boolean giveUp(TimelineId timeline, LayerName name) {
        RemoteTimeline own = null;
        for (RemoteTimeline one : opened()) {
            if (one.needs(name)) {
                return false;
            }
            own = one.id().equals(timeline) ? one : own;
        }
        return own == null ? giveUpUnlessThere(timeline, name) : own.giveUp(name);
    }

    private List<RemoteTimeline> opened() {
        monitor.lock();
        try {
            return List.copyOf(open);
        } finally {
            monitor.unlock();
        }
    }

    private boolean giveUpUnlessThere(TimelineId timeline, LayerName name) {
        monitor.lock();
        try {
            boolean nowhere =
                    inManifest(timeline) == null
                            && !expected.containsKey(timeline)
                            && open.stream().noneMatch(one -> one.id().equals(timeline));
            if (nowhere) {
                remember(timeline, name);
            }
            return nowhere;
        } finally {
            monitor.unlock();
        }
    }

    /**
     * The timeline does not come to name that layer; its caller sees to it that it does not now.
     */
    void gaveUp(TimelineId timeline, LayerName name) {
        monitor.lock();
        try {
            remember(timeline, name);
        } finally {
            monitor.unlock();
        }
    }

    private void remember(TimelineId timeline, LayerName name) {
        givenUp.computeIfAbsent(timeline, id -> new TreeSet<>(TimelineIndex.BY_NAME)).add(name);
    }

    boolean wasGivenUp(TimelineId timeline, LayerName name) {
        monitor.lock();
        try {
            TreeSet<LayerName> names = givenUp.get(timeline);
            return names != null && names.contains(name);
        } finally {
            monitor.unlock();
        }
    }

    // ---- the generation ----

    LocationMode mode() {
        return mode;
    }

    /** What is under way is ended by what it finds; what was held back is begun. */
    void mode(LocationMode next) {
        mode = next;
        for (RemoteTimeline timeline : opened()) {
            timeline.changed();
            timeline.wakeWaiters();
        }
    }

    boolean reopened() {
        return reopened;
    }

    /** May the store be written to, as far as it is known here? */
    boolean owns() {
        return fencedBy == 0 && mode.owns();
    }

    /** PRECONDITION_FAILED if the store may not be written to. */
    void checkOwner() {
        checkNotFenced();
        if (!mode.owns()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "tenant %s is %s here under generation %s: another server is to own it, and nothing of it is changed here",
                    id(),
                    mode,
                    generation());
        }
    }

    /** Asks the store, and draws no consequences. */
    boolean isNewest() {
        return GenerationClaim.valid(store, id(), generation());
    }

    /** Timelines that the manifest says are being deleted. */
    List<TimelineId> deleting() {
        monitor.lock();
        try {
            return manifest.timelines().stream().filter(Entry::deleting).map(Entry::id).toList();
        } finally {
            monitor.unlock();
        }
    }

    /** The generation that has taken over, or 0. */
    int fencedBy() {
        return fencedBy;
    }

    void checkNotFenced() {
        if (fencedBy != 0) {
            throw fenced();
        }
    }

    private PageserverException fenced() {
        return PageserverException.of(
                ErrorCode.PRECONDITION_FAILED,
                "tenant %s is fenced by generation %s, this server has %s: another one has taken it over",
                id(),
                new Generation(fencedBy),
                generation());
    }

    /**
     * Asks the store whether the generation is the newest.
     *
     * @throws PageserverException PRECONDITION_FAILED if it is not
     */
    void validate() {
        checkOwner();
        if (isNewest()) {
            return;
        }
        // It may have been told meanwhile to leave the tenant to another one.
        checkOwner();
        List<RemoteTimeline> all;
        monitor.lock();
        try {
            fencedBy = generation().value() + 1;
            all = List.copyOf(open);
        } finally {
            monitor.unlock();
        }
        environment
                .tracer()
                .event(
                        Event.TENANT_FENCED,
                        Subject.of(id()),
                        String.valueOf(fenced().getMessage()));
        all.forEach(this::stop);
        throw fenced();
    }

    private void stop(RemoteTimeline remote) {
        Timeline timeline = remote.timeline();
        if (timeline != null && timeline.failure() == null) {
            timeline.fail(fenced());
        }
        remote.wakeWaiters();
    }

    // ---- the manifest ----

    @Nullable Entry entry(TimelineId timeline) {
        monitor.lock();
        try {
            return inManifest(timeline);
        } finally {
            monitor.unlock();
        }
    }

    private @Nullable Entry inManifest(TimelineId timeline) {
        return manifest.timelines().stream()
                .filter(e -> e.id().equals(timeline))
                .findFirst()
                .orElse(null);
    }

    /** Says so of a timeline, in the store and valid when this returns. */
    private void put(Entry entry) {
        change(manifest -> manifest.with(entry));
    }

    /** The manifest is to say so when the timeline's first index is in the store. */
    void expect(Entry entry) {
        monitor.lock();
        try {
            expected.put(entry.id(), entry);
        } finally {
            monitor.unlock();
        }
    }

    /**
     * An index of the timeline was put. If it was the first, the manifest names the timeline when
     * this returns, and so it never names one whose index is not there.
     *
     * @throws PageserverException PRECONDITION_FAILED if the generation was not valid any more
     */
    void confirm(TimelineId timeline) {
        Entry entry = expected(timeline);
        if (entry == null) {
            validate();
            return;
        }
        while (entry != null) {
            put(entry);
            monitor.lock();
            try {
                boolean _ = expected.remove(timeline, entry);
            } finally {
                monitor.unlock();
            }
            entry = expected(timeline);
        }
    }

    private @Nullable Entry expected(TimelineId timeline) {
        monitor.lock();
        try {
            return expected.get(timeline);
        } finally {
            monitor.unlock();
        }
    }

    /** Says whom a timeline follows from now on; null: nobody. */
    void follows(TimelineId timeline, @Nullable String source) {
        Entry entry = new Entry(timeline, generation(), false, source);
        monitor.lock();
        try {
            if (expected.replace(timeline, entry) != null) {
                return;
            }
        } finally {
            monitor.unlock();
        }
        put(entry);
    }

    /** See {@link #checkNeverDeleted}. The manifest will not come to name it. */
    void neverAgain(TimelineId timeline) {
        monitor.lock();
        try {
            deleted.add(timeline);
            expected.remove(timeline);
        } finally {
            monitor.unlock();
        }
    }

    /** Says that a timeline is being deleted; nothing of it is needed from then on. */
    void deleting(TimelineId timeline) {
        neverAgain(timeline);
        Entry entry;
        monitor.lock();
        try {
            doomed.add(timeline);
            entry = inManifest(timeline);
        } finally {
            monitor.unlock();
        }
        if (entry != null) {
            put(entry.deleted());
        }
    }

    /**
     * Says that nothing of the tenant is needed any more: valid in the store when this returns.
     * Whether it is so after a failure is not known, and it is not taken back; but after
     * PRECONDITION_FAILED another server has the tenant, and decides.
     */
    void condemn() {
        boolean said;
        monitor.lock();
        try {
            condemned = true;
            said = manifest.state() == TenantManifest.State.DELETING;
        } finally {
            monitor.unlock();
        }
        if (said) {
            validate();
        } else {
            change(TenantManifest::deleting);
        }
    }

    /** Says that all of the tenant is deleted. */
    void deleted() {
        change(TenantManifest::deleted);
    }

    /** What was said once of a deletion is not taken back by the next manifest. */
    private TenantManifest withDeletions(TenantManifest next) {
        if (condemned) {
            return next.state().gone() ? next : next.deleting();
        }
        TenantManifest said = next;
        for (Entry entry : next.timelines()) {
            if (doomed.contains(entry.id()) && !entry.deleting()) {
                said = said.with(entry.deleted());
            }
        }
        return said;
    }

    /** The claim becomes a manifest: from now on anything of this generation may be written. */
    void complete(TenantOverrides config, List<Entry> timelines) {
        change(claim -> claim.complete(config, timelines));
    }

    /** Says what the tenant has of its own. */
    void configure(TenantOverrides config) {
        change(manifest -> manifest.with(config));
    }

    void drop(TimelineId timeline) {
        change(manifest -> manifest.without(timeline));
    }

    private void change(UnaryOperator<TenantManifest> how) {
        TenantManifest next;
        monitor.lock();
        try {
            while (replacing) {
                monitor.await();
            }
            replacing = true;
            next = withDeletions(how.apply(manifest));
        } finally {
            monitor.unlock();
        }
        String newVersion = null;
        try {
            checkOwner();
            newVersion =
                    replace(
                            RemotePath.manifest(id(), generation()),
                            Content.of(next.encode()),
                            version);
            validate();
        } finally {
            monitor.lock();
            try {
                if (newVersion != null) {
                    manifest = next;
                    version = newVersion;
                }
                replacing = false;
                monitor.signalAll();
            } finally {
                monitor.unlock();
            }
        }
    }

    /**
     * Replaces an object that only we write, under the version that it has: a late put of an older
     * one does nothing.
     *
     * @param known its version; null if we have not put it yet
     * @return its version
     */
    String replace(String key, Content content, @Nullable String known) {
        String was = known;
        for (int i = 0; i < REPLACES; i++) {
            try {
                if (was != null) {
                    return store.replace(key, content, was);
                }
                return store.create(key, content);
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.CONFLICT) {
                    throw e;
                }
            }
            // An earlier one of ours was carried out though its answer was lost.
            Stored there = store.find(key);
            was = there == null ? null : there.version();
        }
        throw PageserverException.of(
                ErrorCode.CONFLICT, "%s: somebody else writes it all the time", key);
    }
}
