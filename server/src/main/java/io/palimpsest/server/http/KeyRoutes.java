package io.palimpsest.server.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TimelineId;
import io.palimpsest.server.config.TenantValues;
import io.palimpsest.server.http.ManagementRoutes.Answer;
import io.palimpsest.service.Management;
import io.palimpsest.service.TenantStatus;
import java.util.Map;
import java.util.TreeMap;

/**
 * A timeline by keys and LSNs, as the field's tools ask for it.
 *
 * <pre>
 *   GET  .../timeline/:id/getpage?key=&lsn=     what is under a key of 36 hexadecimal digits: octets
 *   GET  .../timeline/:id/touchpage?key=&lsn=   the same is read, and not answered
 *   GET  .../timeline/:id/keyspace?at_lsn=      {"keys": [[start, end]], "at_lsn"}: of all blocks of relations
 *   POST /v1/tenant/:tenant/wait_lsn            {"timelines": {id: LSN}, "timeout"}: 200 all have come, 202 not yet
 *   GET  /v1/tenant/:tenant/timeline_and_offloaded   {"timelines": [timeline], "offloaded": []}
 * </pre>
 */
final class KeyRoutes {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final String TENANT = "/v1/tenant/{tenant}";
    private static final String TIMELINE = TENANT + "/timeline/{timeline}";
    private static final long LONGEST_WAIT = 600_000_000_000L;

    private final Management management;

    KeyRoutes(Management management) {
        this.management = management;
    }

    void add(Router router) {
        router.add("GET", TIMELINE + "/getpage", r -> Answer.octets(read(r)));
        router.add(
                "GET",
                TIMELINE + "/touchpage",
                r -> {
                    byte[] _ = read(r);
                    return new Answer(200, JSON.nullNode());
                });
        router.add("GET", TIMELINE + "/keyspace", this::keyspace);
        router.add("POST", TENANT + "/wait_lsn", this::await);
        router.add("GET", TENANT + "/timeline_and_offloaded", this::timelines);
    }

    private byte[] read(Request request) {
        return management.read(
                request.tenant(),
                request.timeline(),
                key(request.parameter("key")),
                lsn(request, "lsn"));
    }

    private static Key key(String digits) {
        try {
            return Key.parse(digits);
        } catch (PageserverException e) {
            throw new PageserverException(ErrorCode.BAD_REQUEST, String.valueOf(e.getMessage()), e);
        }
    }

    /** INVALID, if it is not said: at the last record. */
    private static Lsn lsn(Request request, String name) {
        String text = request.parameter(name, "");
        return text.isEmpty() ? Lsn.INVALID : Lsn.parse(text);
    }

    private Answer keyspace(Request request) {
        Lsn at = lsn(request, "at_lsn");
        if (at.equals(Lsn.INVALID)) {
            at = management.timeline(request.tenant(), request.timeline()).lastRecordLsn();
        }
        ObjectNode json = JSON.objectNode();
        ArrayNode keys = json.putArray("keys");
        for (KeyRange range : management.relationBlocks(request.tenant(), request.timeline(), at)) {
            keys.addArray().add(range.start().toString()).add(range.end().toString());
        }
        json.put("at_lsn", at.toString());
        return new Answer(200, json);
    }

    private Answer await(Request request) {
        JsonNode body = request.json();
        JsonNode timelines = body.path("timelines");
        if (!timelines.isObject()) {
            throw PageserverException.badRequest(
                    "timelines is %s, expected an object of ids and LSNs", timelines);
        }
        TreeMap<TimelineId, Lsn> wanted = new TreeMap<>();
        for (Map.Entry<String, JsonNode> one : timelines.properties()) {
            wanted.put(request.timeline(one.getKey()), Lsn.parse(one.getValue().asText()));
        }
        long nanos = TenantValues.nanos("timeout", Request.text(body, "timeout"));
        boolean arrived =
                management.awaitArrived(request.tenant(), wanted, Math.min(nanos, LONGEST_WAIT));
        return new Answer(arrived ? 200 : 202, JSON.nullNode());
    }

    /** What is archived here stays a timeline: none is offloaded. */
    private Answer timelines(Request request) {
        ObjectNode json = JSON.objectNode();
        TenantStatus _ = management.tenantStatus(request.tenant());
        ArrayNode all = json.putArray("timelines");
        management.timelines(request.tenant()).forEach(t -> all.add(ManagementRoutes.json(t)));
        json.putArray("offloaded");
        return new Answer(200, json);
    }
}
