package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.tenant.TimelineTable.Entry;
import io.palimpsest.tenant.TimelineTable.Name;
import io.palimpsest.timeline.Operation;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineStore;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Deletes whole tenants, here and in the store (decision 0127).
 *
 * <p>With a store the manifest says so first: from then on the tenant is gone, for whoever claims
 * it reads that and goes on deleting. Then the directory says so, the timelines are closed, objects
 * go, the manifest says that all is gone, and the directory goes last. Whatever a failure or a
 * restart breaks off is gone on with by this server by itself.
 */
final class TenantDeletions {
    private static final long PAUSE = 5_000_000_000L;

    private final Environment environment;
    private final TimelineStore store;
    private final TimelineTable table;
    private final Housekeeper housekeeper;
    private final WarmUps warmUps;
    private final BranchNames names;
    private final Attachments attachments;
    private final Locations locations;
    private final Monitor monitor;

    /** Goes on with those that a failure has broken off. Guarded by the monitor. */
    private Tasks.@Nullable Task task;

    private volatile boolean stopped;

    TenantDeletions(
            Environment environment,
            TimelineStore store,
            TimelineTable table,
            Housekeeper housekeeper,
            WarmUps warmUps,
            BranchNames names,
            Attachments attachments,
            Locations locations) {
        this.environment = environment;
        this.store = store;
        this.table = table;
        this.housekeeper = housekeeper;
        this.warmUps = warmUps;
        this.names = names;
        this.attachments = attachments;
        this.locations = locations;
        this.monitor = environment.tasks().monitor("tenant-deletions");
    }

    /** Tenants that are being deleted, and how far that is, for people. */
    Map<TenantId, String> underWay() {
        TreeMap<TenantId, String> all = new TreeMap<>();
        attachments.allGoing().forEach((id, how) -> all.put(id.tenant(), how));
        return all;
    }

    /**
     * Deletes a tenant, all of it when this returns. One that is gone already is fine, and so is
     * the same again after a failure.
     *
     * @param protectedToo branches that are protected do not keep it
     * @param allowed throws if this server must not delete it
     * @throws PageserverException PRECONDITION_FAILED if a branch is protected, or follows a
     *     source, or if the tenant is another server's; CONFLICT if somebody is at it; UNAVAILABLE
     *     if nobody could be asked, or if the deletion has begun and goes on by itself
     */
    void delete(TenantShardId tenant, boolean protectedToo, Runnable allowed) {
        attachments.aloneToDelete(
                tenant,
                () -> {
                    if (!attachments.isGoing(tenant)) {
                        allowed.run();
                        if (!isThere(tenant)) {
                            return;
                        }
                    }
                    if (!attachments.isGoing(tenant)) {
                        begin(tenant, protectedToo);
                    }
                    goOnByRequest(tenant);
                });
    }

    /**
     * False if there is nothing to delete; one whose deletion has begun elsewhere is taken over.
     */
    private boolean isThere(TenantShardId tenant) {
        attachments.checkHere(tenant);
        if (locations.isSecondary(tenant)) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "tenant %s is Secondary here: whoever has it attached deletes it",
                    tenant);
        }
        if (!store.hasStore() || store.ownership(tenant) != null) {
            return store.tenantsOnDisk().contains(tenant);
        }
        return switch (store.remains(tenant)) {
            case NOTHING -> false;
            case BEING_DELETED -> {
                goes(tenant, "another server has begun it");
                yield true;
            }
            case THERE ->
                    throw PageserverException.of(
                            ErrorCode.PRECONDITION_FAILED,
                            "tenant %s is in the store but not attached here: whoever has it attached deletes it; if nobody has, attach it first",
                            tenant);
        };
    }

    private void goes(TenantShardId tenant, String how) {
        attachments.going(tenant, how);
        table.empty(tenant.tenant());
    }

    // ---- the beginning ----

    /** It has begun when this returns, and if it throws UNAVAILABLE perhaps. */
    private void begin(TenantShardId tenant, boolean protectedToo) {
        Map<Name, Entry> all = table.reserveAll(tenant.tenant(), "deleted");
        List<Timeline> open = new ArrayList<>();
        all.values()
                .forEach(entry -> {
                    if (entry.timeline() != null) {
                        open.add(entry.timeline());
                    }
                });
        boolean begun = false;
        try {
            requireNoSource(all);
            store.checkDeletable(tenant);
            names.goes(tenant.tenant(), open, protectedToo);
            environment
                    .tracer()
                    .event(
                            Event.TENANT_DELETION_BEGUN,
                            Subject.of(tenant),
                            all.size() + " timelines");
            condemn(tenant);
            begun = true;
        } finally {
            if (!begun) {
                names.stays(tenant.tenant());
                table.putBackAll(tenant.tenant(), all);
            }
        }
        try {
            open.forEach(this::close);
        } finally {
            store.retire(tenant);
            goes(tenant, "it has just begun");
        }
    }

    /** Its slot would keep WAL on its source, and fill that disk. */
    private void requireNoSource(Map<Name, Entry> all) {
        all.forEach((name, entry) -> {
            Timeline timeline = entry.timeline();
            if (timeline != null && (entry.receiver() != null || store.follows(timeline))) {
                throw PageserverException.of(
                        ErrorCode.PRECONDITION_FAILED,
                        "timeline %s of tenant %s follows a source, whose replication slot would keep WAL for nobody and fill its disk: 'palimpsest source drop' first, and 'branch unarchive' before that if it is archived",
                        name.timeline(),
                        name.tenant());
            }
        });
    }

    /**
     * If it is not known whether the store has taken it, the deletion is under way: it is said
     * again until it has, for it could not be taken back.
     */
    private void condemn(TenantShardId tenant) {
        try {
            store.condemn(tenant);
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.PRECONDITION_FAILED) {
                throw e;
            }
            warn(tenant, e);
        }
    }

    private void close(Timeline timeline) {
        try {
            housekeeper.dismiss(timeline);
            warmUps.forget(timeline);
        } finally {
            store.abandon(timeline);
            housekeeper.forget(timeline);
        }
    }

    // ---- going on ----

    /** A tenant on this server's disk, or in the store, whose deletion had begun. */
    void resume(TenantShardId tenant) {
        goes(tenant, "it was begun before");
        if (!store.hasStore()) {
            try {
                attachments.aloneToDelete(tenant, () -> goOn(tenant));
                return;
            } catch (PageserverException e) {
                warn(tenant, e);
            }
        }
        later();
    }

    private void goOnByRequest(TenantShardId tenant) {
        try {
            goOn(tenant);
        } catch (PageserverException e) {
            warn(tenant, e);
            later();
            throw new PageserverException(
                    e.code() == ErrorCode.SHUTTING_DOWN ? e.code() : ErrorCode.UNAVAILABLE,
                    "the deletion of tenant "
                            + tenant
                            + " has begun and goes on by itself: "
                            + e.getMessage(),
                    e);
        }
    }

    private void goOn(TenantShardId tenant) {
        boolean _ =
                store.operations()
                        .run(
                                Operation.Kind.DELETION,
                                tenant.tenant(),
                                null,
                                operation -> {
                                    operation.cannotBeCancelled(
                                            "the tenant is gone for everybody, what is left is to delete it");
                                    attachments.going(tenant, "it is under way");
                                    store.deleteForGood(tenant, operation, this::checkGoesOn);
                                    return true;
                                });
        names.stays(tenant.tenant());
        attachments.gone(tenant);
        table.free(tenant.tenant());
    }

    private void checkGoesOn() {
        if (stopped) {
            throw PageserverException.of(
                    ErrorCode.SHUTTING_DOWN,
                    "the server stops, and goes on with it when it starts");
        }
    }

    private void warn(TenantShardId tenant, PageserverException e) {
        String why = "tried again: " + e.getMessage();
        attachments.going(tenant, why);
        environment.tracer().event(Event.TENANT_DELETION_FAILED, Subject.of(tenant), why);
    }

    private void later() {
        monitor.lock();
        try {
            if (task == null && !stopped) {
                task = environment.tasks().spawn(Lane.LATENCY, "delete-tenants", this::run);
            }
        } finally {
            monitor.unlock();
        }
    }

    private void run() {
        while (true) {
            List<TenantShardId> all;
            monitor.lock();
            try {
                all = List.copyOf(attachments.allGoing().keySet());
                if (stopped || all.isEmpty()) {
                    task = null;
                    return;
                }
            } finally {
                monitor.unlock();
            }
            all.forEach(this::again);
            environment.tasks().sleep(PAUSE);
        }
    }

    private void again(TenantShardId tenant) {
        try {
            attachments.aloneToDelete(
                    tenant,
                    () -> {
                        if (attachments.isGoing(tenant)) {
                            goOn(tenant);
                        }
                    });
        } catch (PageserverException e) {
            // Whoever else is at it does what is to be done.
            if (e.code() != ErrorCode.CONFLICT && e.code() != ErrorCode.SHUTTING_DOWN) {
                warn(tenant, e);
            }
        }
    }

    /** Begins nothing more; what is under way is broken off, and gone on with after a start. */
    void stop() {
        Tasks.Task last;
        monitor.lock();
        try {
            stopped = true;
            last = task;
        } finally {
            monitor.unlock();
        }
        if (last != null) {
            last.cancel();
            last.join();
        }
    }
}
