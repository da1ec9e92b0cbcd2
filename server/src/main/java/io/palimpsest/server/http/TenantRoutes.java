package io.palimpsest.server.http;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TimelineId;
import io.palimpsest.server.http.ManagementRoutes.Answer;
import io.palimpsest.service.Management;
import io.palimpsest.service.TenantStatus;
import io.palimpsest.timeline.TimelineStore;
import org.jspecify.annotations.Nullable;

/**
 * Tenants as a whole.
 *
 * <pre>
 *   GET    /v1/tenant                      [tenant]: those that are attached, on their way, or being deleted
 *   GET    /v1/tenant/:tenant              tenant, and its timelines
 *   DELETE /v1/tenant/:tenant?protected=   all of it is gone, here and in the store, when this is answered (decision 0127)
 * </pre>
 */
final class TenantRoutes {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private final Management management;

    TenantRoutes(Management management) {
        this.management = management;
    }

    void add(Router router) {
        router.add("GET", "/v1/tenant", _ -> tenants());
        router.add("GET", "/v1/tenant/{tenant}", this::tenant);
        router.add("DELETE", "/v1/tenant/{tenant}", this::delete);
    }

    private Answer tenants() {
        ArrayNode list = JSON.arrayNode();
        management.tenantStatus().forEach(tenant -> list.add(json(tenant)));
        return new Answer(200, list);
    }

    private Answer tenant(Request request) {
        TenantStatus status = management.tenantStatus(request.tenant());
        ObjectNode json = json(status);
        ArrayNode timelines = json.putArray("timelines");
        status.timelines().stream().map(TimelineId::toString).forEach(timelines::add);
        return new Answer(200, json);
    }

    private static ObjectNode json(TenantStatus status) {
        ObjectNode json = JSON.objectNode().put("id", status.id().toString());
        ObjectNode state = json.putObject("state").put("slug", status.state().toString());
        if (status.reason() != null) {
            state.putObject("data").put("reason", status.reason());
        }
        ObjectNode attachment = json.putObject("attachment_status");
        switch (status.state()) {
            case ACTIVE -> attachment.put("slug", "attached");
            case ATTACHING, STOPPING -> attachment.put("slug", "maybe");
            case BROKEN ->
                    attachment
                            .put("slug", "failed")
                            .putObject("data")
                            .put("reason", status.reason());
        }
        if (status.state() == TenantStatus.State.ACTIVE) {
            json.put("current_physical_size", status.physicalBytes())
                    .put("resident_physical_size", status.residentBytes());
        }
        if (status.gcBlocked() != null) {
            json.put("gc_blocking", status.gcBlocked());
        }
        ownership(json, status, status.ownership());
        return json;
    }

    private static void ownership(
            ObjectNode json, TenantStatus status, TimelineStore.@Nullable Ownership ownership) {
        if (ownership == null) {
            return;
        }
        json.put("generation", ownership.generation()).put("mode", String.valueOf(status.mode()));
        if (ownership.fencedBy() != 0) {
            json.put("fenced_by", ownership.fencedBy());
        }
    }

    private Answer delete(Request request) {
        String what = request.parameter("protected", "keep");
        boolean protectedToo =
                switch (what) {
                    case "delete" -> true;
                    case "keep" -> false;
                    default ->
                            throw PageserverException.badRequest(
                                    "protected is '%s', expected 'delete', which takes protected branches with the tenant, or 'keep'",
                                    what);
                };
        management.deleteTenant(request.tenant(), protectedToo);
        return new Answer(200, JSON.nullNode());
    }
}
