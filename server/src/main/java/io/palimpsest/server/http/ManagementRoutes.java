package io.palimpsest.server.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.service.Management;
import io.palimpsest.service.Management.TimelineInfo;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What each path of the management API does, as a function from request to answer.
 *
 * <pre>
 *   GET  /v1/status                                  {"id": 1}
 *   GET  /v1/tenant                                  [{"id": ...}]
 *   GET  /v1/tenant/:tenant/timeline                 [timeline]
 *   POST /v1/tenant/:tenant/timeline                 201 timeline; body below
 *   GET  /v1/tenant/:tenant/timeline/:id             timeline
 *   PUT  /v1/tenant/:tenant/timeline/:id/checkpoint  what has arrived is made durable
 *
 *   {"new_timeline_id", "ancestor_timeline_id", "ancestor_start_lsn"?}      a branch
 *   {"new_timeline_id", "import_from": {"conninfo", "slot"}}                our own: from a running PostgreSQL
 * </pre>
 *
 * Errors have the body {@code {"msg": "..."}}.
 */
final class ManagementRoutes {
    /** A status and, but for an empty answer, JSON. */
    record Answer(int status, @Nullable JsonNode body) {}

    private static final Logger LOG = LoggerFactory.getLogger(ManagementRoutes.class);
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private final Management management;
    private final ObjectMapper mapper =
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    ManagementRoutes(Management management) {
        this.management = management;
    }

    /** Answers a request; never throws. {@code path} has no query. */
    Answer answer(String method, String path, byte[] body) {
        try {
            return route(method, path, body);
        } catch (PageserverException e) {
            return failure(status(e.code()), String.valueOf(e.getMessage()));
        } catch (RuntimeException e) {
            LOG.error("{} {} failed", method, path, e);
            return failure(500, "internal error: " + e.getMessage());
        }
    }

    static Answer failure(int status, String message) {
        return new Answer(status, JSON.objectNode().put("msg", message));
    }

    byte[] encode(JsonNode json) {
        try {
            return mapper.writeValueAsBytes(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree that cannot be written", e);
        }
    }

    private Answer route(String method, String path, byte[] body) {
        List<String> parts = List.of(path.replaceAll("/+$", "").split("/", -1));
        int n = parts.size();
        if (n < 3 || !parts.get(1).equals("v1")) {
            return noSuchPath(path);
        }
        String first = parts.get(2);
        if (n == 3 && first.equals("status")) {
            return only("GET", method, () -> ok(JSON.objectNode().put("id", 1)));
        }
        if (n == 3 && first.equals("tenant")) {
            return only("GET", method, this::tenants);
        }
        if (n < 5 || n > 7 || !first.equals("tenant") || !parts.get(4).equals("timeline")) {
            return noSuchPath(path);
        }
        TenantId tenant = tenant(parts.get(3));
        if (n == 5) {
            return method.equals("POST")
                    ? create(tenant, body)
                    : only("GET", method, () -> timelines(tenant));
        }
        TimelineId timeline = TimelineId.parse(parts.get(5));
        if (n == 6) {
            return only("GET", method, () -> ok(json(management.timeline(tenant, timeline))));
        }
        if (parts.get(6).equals("checkpoint")) {
            return only(
                    "PUT",
                    method,
                    () -> {
                        management.flush(tenant, timeline);
                        return ok(JSON.nullNode());
                    });
        }
        return noSuchPath(path);
    }

    /** What a route does. */
    private interface Action {
        Answer run();
    }

    private static Answer only(String allowed, String method, Action action) {
        return method.equals(allowed)
                ? action.run()
                : failure(405, "method " + method + " is not allowed here: " + allowed + " is");
    }

    private Answer tenants() {
        ArrayNode list = JSON.arrayNode();
        for (TenantId tenant : management.tenants()) {
            ObjectNode state = JSON.objectNode().put("slug", "Active");
            list.addObject().put("id", tenant.toString()).set("state", state);
        }
        return ok(list);
    }

    private Answer timelines(TenantId tenant) {
        if (!management.tenants().contains(tenant)) {
            throw PageserverException.of(ErrorCode.NOT_FOUND, "tenant %s is not here", tenant);
        }
        ArrayNode list = JSON.arrayNode();
        management.timelines(tenant).forEach(timeline -> list.add(json(timeline)));
        return ok(list);
    }

    private Answer create(TenantId tenant, byte[] body) {
        JsonNode request = parse(body);
        TimelineId id = TimelineId.parse(text(request, "new_timeline_id"));
        TimelineInfo made;
        if (request.has("ancestor_timeline_id")) {
            TimelineId ancestor = TimelineId.parse(text(request, "ancestor_timeline_id"));
            Lsn at =
                    request.hasNonNull("ancestor_start_lsn")
                            ? Lsn.parse(text(request, "ancestor_start_lsn"))
                            : Lsn.INVALID;
            made = management.createBranch(tenant, id, ancestor, at);
        } else if (request.has("import_from")) {
            JsonNode source = request.get("import_from");
            made =
                    management.createFromSource(
                            tenant, id, text(source, "conninfo"), text(source, "slot"));
        } else {
            throw PageserverException.badRequest(
                    "the body says neither ancestor_timeline_id nor import_from:"
                            + " how is the timeline to be made?");
        }
        return new Answer(201, json(made));
    }

    private JsonNode parse(byte[] body) {
        try {
            JsonNode json = mapper.readTree(body);
            if (json != null && json.isObject()) {
                return json;
            }
        } catch (IOException e) {
            throw new PageserverException(
                    ErrorCode.BAD_REQUEST, "the body is not JSON: " + e.getMessage(), e);
        }
        throw PageserverException.badRequest("the body is not a JSON object");
    }

    private static String text(JsonNode json, String field) {
        JsonNode value = json.get(field);
        if (value == null || !value.isTextual()) {
            throw PageserverException.badRequest("the body needs the text '%s'", field);
        }
        return value.textValue();
    }

    private static TenantId tenant(String text) {
        TenantShardId shard = TenantShardId.parse(text);
        if (shard.count() > 1) {
            throw PageserverException.of(ErrorCode.NOT_FOUND, "shard %s is not here", shard);
        }
        return shard.tenant();
    }

    private static ObjectNode json(TimelineInfo info) {
        ObjectNode json =
                JSON.objectNode()
                        .put("tenant_id", info.tenant().toString())
                        .put("timeline_id", info.timeline().toString());
        if (info.ancestor() != null) {
            json.put("ancestor_timeline_id", info.ancestor().toString())
                    .put("ancestor_lsn", info.ancestorLsn().toString());
        }
        json.put("last_record_lsn", info.lastRecordLsn().toString())
                .put("disk_consistent_lsn", info.diskConsistentLsn().toString())
                .put("min_readable_lsn", info.oldestReadableLsn().toString())
                .put("pg_version", info.pgVersion())
                .put("current_physical_size", info.layerBytes())
                .put("layer_count", info.layerCount());
        if (info.failure() == null) {
            json.put("state", "Active");
        } else {
            json.putObject("state").putObject("Broken").put("reason", info.failure());
        }
        TimelineInfo.Receiver receiver = info.receiver();
        json.put("walreceiver_status", receiver == null ? "Not active" : receiver.status());
        if (receiver != null) {
            json.put("wal_source_connstr", receiver.source())
                    .put("last_received_msg_lsn", receiver.receivedLsn().toString());
        }
        return json;
    }

    private static int status(ErrorCode code) {
        return switch (code) {
            case BAD_REQUEST -> 400;
            case NOT_FOUND -> 404;
            case LSN_OUT_OF_RANGE -> 406;
            case LSN_TIMEOUT -> 408;
            case CONFLICT -> 409;
            case SHUTTING_DOWN, NO_SPACE -> 503;
            case CORRUPTION, UNSUPPORTED, SOURCE_BROKEN, IO -> 500;
        };
    }

    private static Answer ok(JsonNode json) {
        return new Answer(200, json);
    }

    private static Answer noSuchPath(String path) {
        return failure(404, "there is no path " + path);
    }
}
