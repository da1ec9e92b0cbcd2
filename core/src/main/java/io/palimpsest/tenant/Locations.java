package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.tenant.TimelineTable.Entry;
import io.palimpsest.tenant.TimelineTable.Name;
import io.palimpsest.timeline.Location;
import io.palimpsest.timeline.LocationMode;
import io.palimpsest.timeline.Operation;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineStore;
import io.palimpsest.timeline.TimelineStore.Ownership;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * What this server is to each tenant, and how that changes (decision 0087). With a store only.
 *
 * <pre>
 *            AttachedSingle &lt;-&gt; AttachedMulti &lt;-&gt; AttachedStale     in place, under one generation
 *                  any of them    -&gt; attached       under a newer generation: closed and opened
 *                  any of them   &lt;-&gt; Secondary      its layers stay on the disk
 *                  any           &lt;-&gt; Detached       nothing stays
 * </pre>
 *
 * <p>What makes this server less to a tenant is written down before it is done, what makes it more
 * afterwards: a crash in between leaves it less than it would be, and never owner of what somebody
 * else was told to take. Nothing leaves the disk before the store has it, unless somebody else owns
 * the tenant, who goes by the store.
 */
final class Locations {
    /** Opens a tenant's timelines, and feeds them. */
    interface Opening {
        /**
         * Claims it first; false if it is deleted, and then there is nothing to open.
         *
         * @param check throws if it is to stop
         */
        boolean attached(
                TenantShardId tenant, OptionalInt generation, LocationMode mode, Runnable check);

        /** Its deletion had begun, and is gone on with. */
        void deleting(TenantShardId tenant);

        /** As it is on the disk. */
        void asItIs(TenantShardId tenant);
    }

    private static final long LONGEST_FLUSH = 30_000_000_000L;

    private final Environment environment;
    private final TimelineStore store;
    private final TimelineTable table;
    private final Housekeeper housekeeper;
    private final WarmUps warmUps;
    private final Attachments attachments;
    private final Secondaries ready;
    private final Opening opening;
    private final UnaryOperator<Entry> fed;
    private final Monitor monitor;

    /** Guarded by the monitor. */
    private final TreeMap<TenantShardId, Location> secondaries = new TreeMap<>();

    /**
     * @param fed an entry with what feeds its timeline, if that is to be fed
     */
    Locations(
            Environment environment,
            TimelineStore store,
            TimelineTable table,
            Housekeeper housekeeper,
            WarmUps warmUps,
            Attachments attachments,
            Secondaries ready,
            Opening opening,
            UnaryOperator<Entry> fed) {
        this.environment = environment;
        this.store = store;
        this.table = table;
        this.housekeeper = housekeeper;
        this.warmUps = warmUps;
        this.attachments = attachments;
        this.ready = ready;
        this.opening = opening;
        this.fed = fed;
        this.monitor = environment.tasks().monitor("locations");
    }

    // ---- at the start ----

    /** This server is to a tenant on its disk what it was told to be. */
    void begin(TenantShardId tenant) {
        Location written;
        try {
            written = store.location(tenant);
        } catch (PageserverException e) {
            environment
                    .tracer()
                    .event(
                            Event.LOCATION_DAMAGED,
                            Subject.of(tenant),
                            String.valueOf(e.getMessage()));
            attachments.refuse(tenant, String.valueOf(e.getMessage()));
            return;
        }
        LocationMode mode = written == null ? LocationMode.ATTACHED_SINGLE : written.mode();
        if (mode == LocationMode.DELETING) {
            opening.deleting(tenant);
            return;
        }
        if (!store.hasStore()) {
            if (mode == LocationMode.ATTACHED_SINGLE || mode == LocationMode.ATTACHED_MULTI) {
                opening.asItIs(tenant);
            } else {
                attachments.refuse(
                        tenant,
                        "tenant " + tenant + " is " + mode + " here, and no store is configured");
            }
            return;
        }
        switch (mode) {
            case ATTACHED_SINGLE, ATTACHED_MULTI -> attachments.attachOrLater(tenant, mode);
            case ATTACHED_STALE -> {
                store.reopen(tenant, written == null ? 0 : written.generation());
                opening.asItIs(tenant);
            }
            case SECONDARY -> becomeSecondary(tenant, written != null && written.warm());
            case DETACHED -> store.deleteTenant(tenant);
            case DELETING -> throw new IllegalStateException("it was begun above");
        }
    }

    // ---- looking ----

    /** What this server is to a tenant; null if it is nothing to it, or it is on its way. */
    @Nullable Location location(TenantShardId tenant) {
        Ownership here = store.ownership(tenant);
        if (here != null) {
            return new Location(here.mode(), here.generation(), false);
        }
        monitor.lock();
        try {
            return secondaries.get(tenant);
        } finally {
            monitor.unlock();
        }
    }

    /** All secondary ones. */
    Map<TenantShardId, Location> secondaries() {
        monitor.lock();
        try {
            return new TreeMap<>(secondaries);
        } finally {
            monitor.unlock();
        }
    }

    /** UNAVAILABLE if nothing of the tenant is served because it is a secondary location. */
    void checkServes(TenantShardId tenant) {
        monitor.lock();
        try {
            if (secondaries.containsKey(tenant)) {
                throw PageserverException.of(
                        ErrorCode.UNAVAILABLE,
                        "tenant %s is Secondary here: its layers are kept ready, and nothing of it is served; ask who has it attached",
                        tenant);
            }
        } finally {
            monitor.unlock();
        }
    }

    /** Is the tenant one whose layers are kept ready here, and no more? */
    boolean isSecondary(TenantShardId tenant) {
        monitor.lock();
        try {
            return secondaries.containsKey(tenant);
        } finally {
            monitor.unlock();
        }
    }

    // ---- changing ----

    /**
     * Makes this server that to a tenant. Again is fine.
     *
     * @param generation of attached ones: the one to have; empty: the one there is, or the next
     * @param warm of secondary ones: layers are kept ready
     * @param flushNanos how long it may take to bring what there is into the store first; null: as
     *     long as it takes, but no longer than a request should
     * @throws PageserverException BAD_REQUEST for a generation that was before; CONFLICT for one
     *     that cannot be had, or if the tenant is busy; UNAVAILABLE if the store does not answer or
     *     does not have all yet
     */
    void locate(
            TenantShardId tenant,
            LocationMode mode,
            OptionalInt generation,
            boolean warm,
            @Nullable Long flushNanos) {
        attachments.alone(
                tenant,
                () -> {
                    switch (mode) {
                        case ATTACHED_SINGLE, ATTACHED_MULTI -> own(tenant, mode, generation);
                        case ATTACHED_STALE -> beStale(tenant, generation, flushNanos);
                        case SECONDARY, DETACHED -> leave(tenant, mode, warm, flushNanos);
                        case DELETING ->
                                throw PageserverException.badRequest(
                                        "a tenant is deleted by DELETE /v1/tenant/%s",
                                        tenant.tenant());
                    }
                    environment
                            .tracer()
                            .event(Event.LOCATION_CHANGED, Subject.of(tenant), "it is " + mode);
                });
    }

    private void own(TenantShardId tenant, LocationMode mode, OptionalInt generation) {
        Ownership here = store.ownership(tenant);
        if (here == null) {
            if (!store.storeHas(tenant)) {
                throw PageserverException.of(
                        ErrorCode.NOT_FOUND, "the store has nothing of tenant %s", tenant.tenant());
            }
            attach(tenant, operation -> open(tenant, generation, mode, operation::checkGoesOn));
            return;
        }
        requireNotBefore(tenant, generation, here);
        boolean lost = here.fencedBy() != 0 || here.reopened();
        if (generation.isEmpty() ? lost : generation.getAsInt() > here.generation()) {
            openAgain(tenant, generation, mode);
            return;
        }
        if (lost) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "tenant %s cannot be owned again under generation %d, %s; give it the next one",
                    tenant,
                    here.generation(),
                    here.reopened()
                            ? "which an earlier run of this server has claimed"
                            : "which generation " + here.fencedBy() + " has taken over");
        }
        if (here.mode() != mode) {
            if (!here.mode().owns()) {
                requireNewest(tenant, here);
            }
            write(tenant, mode, here.generation());
            change(tenant, mode, !here.mode().owns());
        }
        store.finishDeletions(tenant);
    }

    private static void requireNotBefore(
            TenantShardId tenant, OptionalInt generation, Ownership here) {
        if (generation.isPresent() && generation.getAsInt() < here.generation()) {
            throw PageserverException.badRequest(
                    "generation %d of tenant %s was before: it is attached under %d",
                    generation.getAsInt(), tenant, here.generation());
        }
    }

    private void requireNewest(TenantShardId tenant, Ownership here) {
        int newest = store.newestGeneration(tenant);
        if (newest != here.generation()) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "tenant %s was taken over by generation %d, this server has %d; give it the next one",
                    tenant,
                    newest,
                    here.generation());
        }
    }

    private void attach(TenantShardId tenant, Consumer<Operation> work) {
        boolean _ =
                store.operations()
                        .run(
                                Operation.Kind.ATTACH,
                                tenant.tenant(),
                                null,
                                operation -> {
                                    operation.stage("claiming the tenant and reading its indexes");
                                    work.accept(operation);
                                    return true;
                                });
    }

    private void open(
            TenantShardId tenant, OptionalInt generation, LocationMode mode, Runnable check) {
        boolean here = store.tenantsOnDisk().contains(tenant);
        ready.remove(tenant);
        boolean there;
        try {
            there = opening.attached(tenant, generation, mode, check);
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.CANCELLED && !here) {
                // Else it would come by itself after the next start.
                store.deleteTenant(tenant);
            }
            Location before = secondaries().get(tenant);
            if (before != null && store.ownership(tenant) == null) {
                becomeSecondary(tenant, before.warm());
            }
            throw e;
        }
        attachments.arrived(tenant);
        monitor.lock();
        try {
            secondaries.remove(tenant);
        } finally {
            monitor.unlock();
        }
        if (!there) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND,
                    "tenant %s was deleted; where the store keeps versions, 'palimpsest store restore' brings it back",
                    tenant);
        }
        Ownership now = store.ownership(tenant);
        write(tenant, mode, now == null ? 0 : now.generation());
    }

    /** Under a newer generation, from what is on the disk if nobody else has owned it meanwhile. */
    private void openAgain(TenantShardId tenant, OptionalInt generation, LocationMode mode) {
        int next = store.newestGeneration(tenant) + 1;
        if (generation.orElse(next) != next) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "tenant %s cannot be attached under generation %d: the next is %d",
                    tenant,
                    generation.getAsInt(),
                    next);
        }
        attach(
                tenant,
                operation -> {
                    operation.cannotBeCancelled(
                            "the tenant was attached before and comes back under its next generation");
                    close(tenant, false, null);
                    try {
                        open(tenant, generation, mode, operation::checkGoesOn);
                    } catch (PageserverException e) {
                        attachments.failed(tenant, mode, e);
                        throw e;
                    }
                });
    }

    private void write(TenantShardId tenant, LocationMode mode, int generation) {
        store.locate(tenant, new Location(mode, generation, false));
    }

    /**
     * Another mode under the same generation.
     *
     * @param otherWal what feeds timelines is to do it in another way
     */
    private void change(TenantShardId tenant, LocationMode mode, boolean otherWal) {
        Map<Name, Entry> all = table.reserveAll(tenant.tenant(), "given another mode");
        try {
            if (otherWal) {
                all.replaceAll((name, entry) -> withoutReceiver(entry));
            }
            store.mode(tenant, mode);
        } finally {
            all.replaceAll((name, entry) -> fed.apply(entry));
            table.putBackAll(tenant.tenant(), all);
        }
        table.forEach((name, entry) -> {
            Timeline timeline = entry.timeline();
            if (name.tenant().equals(tenant.tenant()) && timeline != null && mode.owns()) {
                housekeeper.changed(timeline);
            }
        });
    }

    private static Entry withoutReceiver(Entry entry) {
        Timeline timeline = entry.timeline();
        if (timeline == null || entry.receiver() == null) {
            return entry;
        }
        entry.receiver().stop();
        return Entry.of(timeline, null);
    }

    private void beStale(TenantShardId tenant, OptionalInt generation, @Nullable Long flushNanos) {
        Ownership here = store.ownership(tenant);
        if (here == null) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "tenant %s is not attached here, so it cannot be stale",
                    tenant);
        }
        requireNotBefore(tenant, generation, here);
        if (generation.orElse(here.generation()) != here.generation()) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "tenant %s is attached under generation %d, it cannot be stale under %d",
                    tenant,
                    here.generation(),
                    generation.getAsInt());
        }
        if (here.mode() == LocationMode.ATTACHED_STALE) {
            return;
        }
        if (flushNanos != null && here.fencedBy() == 0) {
            table.forEach((name, entry) -> flush(tenant, name, entry, flushNanos));
        }
        write(tenant, LocationMode.ATTACHED_STALE, here.generation());
        if (here.fencedBy() == 0) {
            change(tenant, LocationMode.ATTACHED_STALE, true);
            return;
        }
        // Its timelines have stopped; as stale ones they go on.
        close(tenant, false, null);
        store.reopen(tenant, here.generation());
        opening.asItIs(tenant);
    }

    /** As well as it goes. */
    private void flush(TenantShardId tenant, Name name, Entry entry, long nanos) {
        Timeline timeline = entry.timeline();
        if (timeline == null || !name.tenant().equals(tenant.tenant())) {
            return;
        }
        try {
            timeline.flushUpTo(timeline.lastRecordLsn());
            boolean _ = timeline.awaitStored(nanos);
        } catch (PageserverException e) {
            environment
                    .tracer()
                    .event(Event.FLUSH_FAILED, timeline.subject(), String.valueOf(e.getMessage()));
        }
    }

    private void leave(
            TenantShardId tenant, LocationMode next, boolean warm, @Nullable Long flushNanos) {
        if (store.ownership(tenant) != null) {
            close(tenant, true, flushNanos);
        } else {
            attachments.leave(tenant);
        }
        if (next == LocationMode.SECONDARY) {
            store.locate(tenant, new Location(next, 0, warm));
            becomeSecondary(tenant, warm);
            return;
        }
        ready.remove(tenant);
        monitor.lock();
        try {
            secondaries.remove(tenant);
        } finally {
            monitor.unlock();
        }
        if (store.tenantsOnDisk().contains(tenant)) {
            write(tenant, next, 0);
            store.deleteTenant(tenant);
        }
    }

    private void becomeSecondary(TenantShardId tenant, boolean warm) {
        ready.remove(tenant);
        store.keepLayersOnly(tenant);
        monitor.lock();
        try {
            secondaries.put(tenant, new Location(LocationMode.SECONDARY, 0, warm));
        } finally {
            monitor.unlock();
        }
        ready.add(tenant, warm);
    }

    // ---- closing ----

    /**
     * Closes all timelines of a tenant that is attached. If that cannot be, it is as it was.
     *
     * @param forGood what is on the disk is not used any more
     */
    private void close(TenantShardId tenant, boolean forGood, @Nullable Long flushNanos) {
        Map<Name, Entry> all = table.reserveAll(tenant.tenant(), "closed");
        boolean closed = false;
        try {
            all.replaceAll((name, entry) -> withoutReceiver(entry));
            for (Entry entry : all.values()) {
                if (entry.timeline() != null) {
                    housekeeper.dismiss(entry.timeline());
                }
            }
            if (forGood) {
                requireStored(tenant, all, flushNanos == null ? LONGEST_FLUSH : flushNanos);
            }
            all.values().forEach(this::close);
            store.release(tenant);
            closed = true;
        } finally {
            for (Entry entry : all.values()) {
                Timeline timeline = entry.timeline();
                if (timeline != null) {
                    housekeeper.forget(timeline);
                    if (!closed) {
                        housekeeper.changed(timeline);
                    }
                }
            }
            if (closed) {
                all.clear();
            }
            all.replaceAll((name, entry) -> fed.apply(entry));
            table.putBackAll(tenant.tenant(), all);
        }
    }

    private void close(Entry entry) {
        Timeline timeline = entry.timeline();
        if (timeline != null) {
            warmUps.forget(timeline);
            timeline.shutDown();
        }
    }

    /**
     * What is here may go: the store has it, or somebody else owns the tenant, who goes by the
     * store.
     */
    private void requireStored(TenantShardId tenant, Map<Name, Entry> all, long nanos) {
        Ownership here = store.ownership(tenant);
        if (here == null || here.fencedBy() != 0) {
            return;
        }
        if (!here.mode().owns()) {
            if (store.newestGeneration(tenant) > here.generation()) {
                return;
            }
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "tenant %s is %s here, and nobody else has taken it over: what is here may be nowhere else; make it AttachedSingle first",
                    tenant,
                    here.mode());
        }
        for (Entry entry : all.values()) {
            Timeline timeline = entry.timeline();
            if (timeline == null) {
                throw PageserverException.of(
                        ErrorCode.CONFLICT,
                        "tenant %s has a timeline that is not open, and what is here of it may be nowhere else: %s",
                        tenant,
                        String.valueOf(entry.broken()));
            }
            if (timeline.failure() == null) {
                timeline.flushUpTo(timeline.lastRecordLsn());
            }
            if (!timeline.awaitStored(nanos)) {
                throw PageserverException.of(
                        ErrorCode.UNAVAILABLE,
                        "not all of timeline %s is in the store yet, %d bytes of layers are missing%s; ask again",
                        timeline.id(),
                        timeline.uploadLagBytes(),
                        timeline.uploadError() == null
                                ? ""
                                : ", the last failure was: " + timeline.uploadError());
            }
        }
    }
}
