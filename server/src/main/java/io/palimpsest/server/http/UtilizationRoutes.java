package io.palimpsest.server.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.http.ManagementRoutes.Answer;
import io.palimpsest.service.Management;
import io.palimpsest.service.TenantStatus;
import io.palimpsest.tenant.Evictor;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;

/**
 * How full the server is, and of what: for who places tenants.
 *
 * <pre>
 *   GET  /v1/utilization   the disk, and the score by which servers compare: 100 and more is full
 *   POST /v1/top_tenants   {"order_by": "ResidentSize" or "PhysicalSize", "limit", "where_gt"?}
 * </pre>
 */
final class UtilizationRoutes {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final int MOST = 10_000;

    private final Management management;

    UtilizationRoutes(Management management) {
        this.management = management;
    }

    void add(Router router) {
        router.add("GET", "/v1/utilization", _ -> utilization());
        router.add("POST", "/v1/top_tenants", r -> top(r.json()));
    }

    private Answer utilization() {
        Evictor.Usage disk = management.diskUsage();
        List<TenantStatus> tenants = management.tenantStatus();
        long wanted = tenants.stream().mapToLong(TenantStatus::physicalBytes).sum();
        double usable = Math.max(1, disk.totalBytes() / 100.0 * disk.usablePercent());
        return new Answer(
                200,
                JSON.objectNode()
                        .put("disk_usage_bytes", disk.totalBytes() - disk.availableBytes())
                        .put("free_space_bytes", disk.availableBytes())
                        .put("disk_wanted_bytes", wanted)
                        .put("disk_usable_pct", disk.usablePercent())
                        .put("shard_count", tenants.size())
                        .put("utilization_score", Math.round(wanted * 100 / usable))
                        .put("captured_at", Instant.now().toString()));
    }

    private Answer top(JsonNode body) {
        Comparator<TenantStatus> order = Comparator.comparingLong(order(body)::of);
        long above = number(body, "where_gt", -1, Long.MAX_VALUE);
        long limit = number(body, "limit", MOST, MOST);
        ObjectNode json = JSON.objectNode();
        ArrayNode list = json.putArray("shards");
        management.tenantStatus().stream()
                .filter(tenant -> order(body).of(tenant) > above)
                .sorted(order.reversed())
                .limit(limit)
                .forEach(tenant ->
                        list.addObject()
                                .put("id", tenant.id().toString())
                                .put("resident_size", tenant.residentBytes())
                                .put("physical_size", tenant.physicalBytes()));
        return new Answer(200, json);
    }

    private interface Size {
        long of(TenantStatus tenant);
    }

    private static Size order(JsonNode body) {
        String order = Request.text(body, "order_by");
        return switch (order) {
            case "ResidentSize" -> TenantStatus::residentBytes;
            case "PhysicalSize" -> TenantStatus::physicalBytes;
            default ->
                    throw PageserverException.badRequest(
                            "order_by is '%s', expected ResidentSize or PhysicalSize: logical sizes are not reckoned here",
                            order);
        };
    }

    private static long number(JsonNode body, String field, long otherwise, long most) {
        JsonNode value = body.path(field);
        if (value.isMissingNode() || value.isNull()) {
            return otherwise;
        }
        if (!value.canConvertToLong() || value.longValue() < 0 || value.longValue() > most) {
            throw PageserverException.badRequest(
                    "%s is %s, expected a number up to %d", field, value, most);
        }
        return value.longValue();
    }
}
