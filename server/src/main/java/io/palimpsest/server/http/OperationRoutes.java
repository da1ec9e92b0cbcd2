package io.palimpsest.server.http;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.server.http.ManagementRoutes.Answer;
import io.palimpsest.timeline.Operation;
import io.palimpsest.timeline.Operations;
import java.time.Instant;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Long work that was asked for; all of it our own (decision 0114).
 *
 * <pre>
 *   GET  /v1/operation                               [operation], all that run and the last that are over
 *   GET  /v1/operation/:number                       operation
 *   DELETE /v1/operation/:number                     operation, which is to stop: 202 while it does, 200 when it has
 *   GET  /v1/tenant/:tenant/operation                [operation] of one tenant
 * </pre>
 */
final class OperationRoutes {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private final Operations operations;

    OperationRoutes(Operations operations) {
        this.operations = operations;
    }

    void add(Router router) {
        router.add("GET", "/v1/operation", _ -> list(null));
        router.add("GET", "/v1/operation/{operation}", this::one);
        router.add("DELETE", "/v1/operation/{operation}", this::cancel);
        router.add("GET", "/v1/tenant/{tenant}/operation", r -> list(r.tenant()));
    }

    private Answer list(@Nullable TenantId tenant) {
        ArrayNode list = JSON.arrayNode();
        operations.list().stream()
                .filter(status -> tenant == null || status.tenant().equals(tenant))
                .forEach(status -> list.add(json(status)));
        return new Answer(200, list);
    }

    private Answer one(Request request) {
        return new Answer(200, json(operations.status(number(request))));
    }

    private Answer cancel(Request request) {
        Operation.Status status = operations.cancel(number(request));
        return new Answer(status.state() == Operation.State.RUNNING ? 202 : 200, json(status));
    }

    private static long number(Request request) {
        String number = request.inPath("operation");
        if (!number.matches("[0-9]{1,18}")) {
            throw PageserverException.badRequest("operation '%s' is no number", number);
        }
        return Long.parseLong(number);
    }

    private static ObjectNode json(Operation.Status status) {
        ObjectNode o = JSON.objectNode();
        o.put("number", status.number());
        o.put("kind", status.kind().name().toLowerCase(Locale.ROOT));
        o.put("tenant_id", status.tenant().toString());
        TimelineId timeline = status.timeline();
        if (timeline != null) {
            o.put("timeline_id", timeline.toString());
        }
        o.put("state", status.state().name().toLowerCase(Locale.ROOT));
        if (status.resumed()) {
            o.put("resumed", true);
        }
        if (status.stopping()) {
            o.put("stopping", true);
        }
        o.put("stage", status.stage());
        o.put("begun", Instant.ofEpochMilli(status.begunMillis()).toString());
        o.put("seconds", status.nanos() / 1_000_000 / 1000.0);
        o.put("bytes_done", status.bytesDone());
        if (status.bytesTotal() > 0) {
            o.put("bytes_total", status.bytesTotal());
        }
        o.put("bytes_per_second", status.bytesPerSecond());
        status.secondsLeft().ifPresent(left -> o.put("seconds_left", left));
        if (status.failure() != null) {
            o.put("failure", status.failure());
        }
        return o;
    }
}
