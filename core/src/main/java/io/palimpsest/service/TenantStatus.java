package io.palimpsest.service;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.LocationMode;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.TimelineStore.Ownership;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * How it is with a tenant as a whole.
 *
 * @param reason of the state, for people; null if it needs none
 * @param physicalBytes of all layers of its timelines, here or in the store
 * @param residentBytes of those that are on the disk
 * @param ownership null without a store, or if it is not attached
 * @param gcBlocked why nothing is collected of some timeline; null if that is so of none
 * @param timelines that are open, by id
 */
public record TenantStatus(
        TenantId id,
        State state,
        @Nullable String reason,
        long physicalBytes,
        long residentBytes,
        @Nullable Ownership ownership,
        @Nullable String gcBlocked,
        List<TimelineId> timelines) {
    /** The names are the field's. */
    public enum State {
        /** It is on its way from the store. */
        ATTACHING("Attaching"),
        ACTIVE("Active"),
        /** It is being deleted. */
        STOPPING("Stopping"),
        /** It does not come by itself. */
        BROKEN("Broken");

        private final String text;

        State(String text) {
            this.text = text;
        }

        @Override
        public String toString() {
            return text;
        }
    }

    public TenantStatus {
        timelines = List.copyOf(timelines);
    }

    /** Of all tenants that are attached here, or are to be, or are being deleted; by id. */
    static List<TenantStatus> all(Tenants tenants) {
        TreeSet<TenantId> ids = new TreeSet<>(tenants.tenants());
        ids.addAll(tenants.locations().keySet());
        ids.addAll(tenants.deletions().keySet());
        List<TenantStatus> all = new ArrayList<>();
        for (TenantId id : ids) {
            TenantStatus found = find(tenants, id);
            if (found != null) {
                all.add(found);
            }
        }
        return all;
    }

    /** NOT_FOUND if it is nothing of that here. */
    static TenantStatus of(Tenants tenants, TenantId id) {
        TenantStatus found = find(tenants, id);
        if (found == null) {
            throw PageserverException.of(ErrorCode.NOT_FOUND, "tenant %s is not here", id);
        }
        return found;
    }

    private static @Nullable TenantStatus find(Tenants tenants, TenantId id) {
        String going = tenants.deletions().get(id);
        if (going != null) {
            return without(id, State.STOPPING, "it is being deleted: " + going);
        }
        Ownership ownership = tenants.ownership(id);
        if (ownership != null || tenants.tenants().contains(id)) {
            return active(tenants, id, ownership);
        }
        try {
            tenants.checkHere(id);
        } catch (PageserverException e) {
            return switch (e.code()) {
                case UNAVAILABLE -> without(id, State.ATTACHING, String.valueOf(e.getMessage()));
                case PRECONDITION_FAILED ->
                        without(id, State.BROKEN, String.valueOf(e.getMessage()));
                default -> null;
            };
        }
        return null;
    }

    private static TenantStatus without(TenantId id, State state, String reason) {
        return new TenantStatus(id, state, reason, 0, 0, null, null, List.of());
    }

    private static TenantStatus active(
            Tenants tenants, TenantId id, @Nullable Ownership ownership) {
        long physical = 0;
        long resident = 0;
        String blocked = null;
        List<TimelineId> timelines = new ArrayList<>();
        for (Timeline timeline : tenants.timelines(id)) {
            timelines.add(timeline.id());
            physical += timeline.layerBytes();
            resident += timeline.residentBytes();
            blocked = blocked == null ? timeline.collectionBlocked() : blocked;
        }
        return new TenantStatus(
                id, State.ACTIVE, null, physical, resident, ownership, blocked, timelines);
    }

    /** What this server is to it; null if it is not attached, or there is no store. */
    public @Nullable LocationMode mode() {
        if (ownership == null) {
            return null;
        }
        return ownership.fencedBy() != 0 ? LocationMode.ATTACHED_STALE : ownership.mode();
    }
}
