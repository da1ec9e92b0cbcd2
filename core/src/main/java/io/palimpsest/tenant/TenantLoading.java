package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tracer;
import io.palimpsest.tenant.TimelineTable.Entry;
import io.palimpsest.tenant.TimelineTable.Name;
import io.palimpsest.timeline.Operation;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineStore;
import io.palimpsest.timeline.TimelineStore.Outline;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Opens what is on the disk of one tenant, ancestors before their branches. */
final class TenantLoading {
    private final TimelineStore store;
    private final TimelineTable table;
    private final Tracer tracer;
    private final TenantShardId tenant;
    private final TreeMap<TimelineId, Outline> outlines = new TreeMap<>();
    private final List<TimelineId> unreadable = new ArrayList<>();

    TenantLoading(TimelineStore store, TimelineTable table, Tracer tracer, TenantShardId tenant) {
        this.store = store;
        this.table = table;
        this.tracer = tracer;
        this.tenant = tenant;
    }

    void run() {
        String misconfigured = null;
        try {
            store.loadConfig(tenant);
        } catch (PageserverException e) {
            misconfigured = String.valueOf(e.getMessage());
        }
        Map<TimelineId, PageserverException> lost = store.unreadableInStore(tenant);
        lost.forEach((id, why) -> {
            unreadable.add(id);
            broken(id, why);
        });
        for (TimelineId id : store.timelinesOnDisk(tenant)) {
            if (lost.containsKey(id)) {
                continue;
            }
            try {
                Outline outline = store.outline(tenant, id);
                if (outline.deleting()) {
                    deleteRest(id);
                } else {
                    outlines.put(id, outline);
                }
            } catch (PageserverException e) {
                unreadable.add(id);
                broken(id, e);
            }
        }
        outlines.keySet().forEach(this::open);
        if (!unreadable.isEmpty()) {
            blockCollection(
                    "it is not known what these timelines need, whose index cannot be read: "
                            + unreadable);
        }
        if (misconfigured != null) {
            // The server's configuration holds; it may keep less history than the tenant's own.
            blockCollection(
                    "what the tenant has of its own cannot be used, nothing is collected until it is set again and the server restarted: "
                            + misconfigured);
        }
        store.keepForStore(tenant, this::opened);
        for (TimelineId id : store.unfinishedImports(tenant)) {
            if (store.intendedImport(tenant, id) != null) {
                continue;
            }
            PageserverException why = store.unfinished(tenant, id);
            tracer.event(
                    Event.IMPORT_UNFINISHED,
                    Subject.of(tenant, id),
                    String.valueOf(why.getMessage()));
            table.put(name(id), Entry.broken(null, why));
        }
    }

    /** Nobody needs anything of it, whether that works or not. */
    private void deleteRest(TimelineId id) {
        try {
            boolean _ =
                    store.operations()
                            .run(
                                    Operation.Kind.DELETION,
                                    tenant.tenant(),
                                    id,
                                    true,
                                    operation -> {
                                        operation.cannotBeCancelled(Tenants.DELETED);
                                        operation.stage(Tenants.DELETING);
                                        store.deleteFiles(tenant, id);
                                        return true;
                                    });
        } catch (PageserverException e) {
            tracer.event(
                    Event.DELETION_UNFINISHED,
                    Subject.of(tenant, id),
                    String.valueOf(e.getMessage()));
            table.put(name(id), Entry.broken(null, Tenants.halfDeleted(id, e)));
        }
    }

    private Name name(TimelineId id) {
        return new Name(tenant.tenant(), id);
    }

    /** Opens a timeline, its ancestors first; without recursion, since there may be thousands. */
    private void open(TimelineId id) {
        ArrayDeque<Outline> path = new ArrayDeque<>();
        TimelineId at = id;
        while (at != null && table.get(name(at)) == null) {
            Outline outline = outlines.get(at);
            if (outline == null || path.size() > outlines.size()) {
                break;
            }
            path.push(outline);
            at = outline.ancestor();
        }
        while (!path.isEmpty()) {
            Outline next = path.pop();
            if (table.get(name(next.id())) == null) {
                open(next);
            }
        }
    }

    private void open(Outline outline) {
        try {
            Timeline ancestor = ancestor(outline);
            table.put(name(outline.id()), Entry.of(store.open(tenant, outline, ancestor), null));
        } catch (PageserverException e) {
            broken(outline.id(), e);
        }
    }

    private @Nullable Timeline ancestor(Outline outline) {
        TimelineId id = outline.ancestor();
        if (id == null) {
            return null;
        }
        Entry entry = table.get(name(id));
        Timeline found = entry == null ? null : entry.timeline();
        if (found == null) {
            throw PageserverException.corruption(
                    "timeline %s: its ancestor %s is missing or damaged", outline.id(), id);
        }
        return found;
    }

    private @Nullable Timeline opened(TimelineId id) {
        Entry entry = table.get(name(id));
        return entry == null ? null : entry.timeline();
    }

    private void broken(TimelineId id, PageserverException e) {
        tracer.event(Event.TIMELINE_BROKEN, Subject.of(tenant, id), String.valueOf(e.getMessage()));
        table.put(
                name(id),
                Entry.broken(
                        null,
                        new PageserverException(
                                ErrorCode.CORRUPTION,
                                "timeline "
                                        + id
                                        + " cannot be opened, nothing of it was changed: "
                                        + e.getMessage()
                                        + "; put the file back from a copy and restart the page server, or import or branch again under another id",
                                e)));
    }

    /** They may hang on any other timeline, at any LSN. */
    private void blockCollection(String why) {
        tracer.event(Event.COLLECTION_BLOCKED, Subject.of(tenant), why);
        table.forEach((name, entry) -> {
            Timeline timeline = entry.timeline();
            if (name.tenant().equals(tenant.tenant()) && timeline != null) {
                timeline.blockCollection(why);
            }
        });
    }
}
