package io.palimpsest.server.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.server.http.ManagementRoutes.Answer;
import io.palimpsest.server.source.Finding;
import io.palimpsest.server.source.SlotReport;
import io.palimpsest.server.source.Sources;
import io.palimpsest.service.Management;
import io.palimpsest.timeline.WalSource;
import java.util.Locale;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * PostgreSQLs that are followed; all of it our own. A password comes in a body and leaves by none.
 *
 * <pre>
 *   GET  /v1/source                                  [source]
 *   POST /v1/source/check                            {"conninfo", "slot"} to {"verdict", "findings": [...]}
 *   GET  /v1/tenant/:tenant/source                   [source] of one tenant
 *   POST /v1/tenant/:tenant/source                   {"conninfo", "slot", "new_timeline_id", "name"?, "accept_danger"?}: checks it and
 *                                                    follows it by a new timeline, 201; 412 with what is wrong
 *   GET  .../timeline/:id/source                     source, with how its slot stands and the findings
 *   PUT  .../timeline/:id/source                     {"conninfo", "slot"}, whom it follows from now on
 *   POST .../timeline/:id/source/rewind              {"new_timeline_id", "preserve_under"?}: after a failover that has lost
 *                                                    what it has, a branch of what both have follows on, under its name
 *   PUT  .../timeline/:id/source/paused              {"paused", "accept_danger"?}: nothing is taken of it, over restarts too, or again;
 *                                                    412 if its slot would keep WAL without a bound meanwhile, and that is not accepted
 *   DELETE .../timeline/:id/source                   it follows nobody any more, and its slot is dropped there:
 *                                                    {"slot_dropped", "problem"?}
 * </pre>
 */
final class SourceRoutes {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private final Sources sources;
    private final Management management;

    SourceRoutes(Sources sources, Management management) {
        this.sources = sources;
        this.management = management;
    }

    void add(Router router) {
        router.add("GET", "/v1/source", _ -> list(null));
        router.add("POST", "/v1/source/check", this::check);
        router.add("GET", "/v1/tenant/{tenant}/source", r -> list(r.tenant()));
        router.add("POST", "/v1/tenant/{tenant}/source", this::follow);
        router.add("GET", "/v1/tenant/{tenant}/timeline/{timeline}/source", this::status);
        router.add("PUT", "/v1/tenant/{tenant}/timeline/{timeline}/source", this::replace);
        router.add("DELETE", "/v1/tenant/{tenant}/timeline/{timeline}/source", this::remove);
        router.add("POST", "/v1/tenant/{tenant}/timeline/{timeline}/source/rewind", this::rewind);
        router.add("PUT", "/v1/tenant/{tenant}/timeline/{timeline}/source/paused", this::pause);
    }

    private Answer list(@Nullable TenantId tenant) {
        ArrayNode list = JSON.arrayNode();
        sources.list(tenant).forEach(followed -> list.add(json(followed)));
        return new Answer(200, list);
    }

    private static WalSource source(JsonNode body) {
        return WalSource.parse(Request.text(body, "conninfo"), Request.text(body, "slot"));
    }

    private Answer check(Request request) {
        return new Answer(200, json(JSON.objectNode(), sources.check(source(request.json()))));
    }

    private Answer follow(Request request) {
        JsonNode body = request.json();
        WalSource source = source(body);
        TimelineId id = TimelineId.parse(Request.text(body, "new_timeline_id"));
        sources.check(source).require(Request.flag(body, "accept_danger"));
        return new Answer(
                201,
                ManagementRoutes.json(
                        management.createFromSource(
                                request.tenant(),
                                id,
                                source.conninfo(),
                                source.slot(),
                                BranchRoutes.label(body, "name"))));
    }

    private Answer replace(Request request) {
        WalSource source = source(request.json());
        management.follow(request.tenant(), request.timeline(), source.conninfo(), source.slot());
        return new Answer(200, JSON.nullNode());
    }

    private Answer rewind(Request request) {
        JsonNode body = request.json();
        return new Answer(
                201,
                ManagementRoutes.json(
                        management.rewind(
                                request.tenant(),
                                request.timeline(),
                                TimelineId.parse(Request.text(body, "new_timeline_id")),
                                BranchRoutes.label(body, "preserve_under"))));
    }

    private Answer pause(Request request) {
        JsonNode body = request.json();
        boolean paused = BranchRoutes.said(body, "paused");
        if (paused) {
            // One that does not answer, and so takes no more of us, can be paused as well.
            sources.status(request.tenant(), request.timeline())
                    .requireBound(Request.flag(body, "accept_danger"));
        }
        management.pause(request.tenant(), request.timeline(), paused);
        return status(request);
    }

    private Answer remove(Request request) {
        String problem = management.unfollow(request.tenant(), request.timeline());
        ObjectNode json = JSON.objectNode().put("slot_dropped", problem == null);
        if (problem != null) {
            json.put("problem", problem);
        }
        return new Answer(200, json);
    }

    private Answer status(Request request) {
        Sources.Status status = sources.status(request.tenant(), request.timeline());
        ObjectNode json = json(status.followed());
        SlotReport slot = status.slot();
        if (slot != null) {
            json.set("slot_status", json(slot));
        }
        if (!status.problem().isEmpty()) {
            json.put("problem", status.problem());
        }
        return new Answer(200, json(json, status.check()));
    }

    private ObjectNode json(Sources.Followed followed) {
        WalSource source = followed.source();
        Label name = management.nameOf(followed.tenant(), followed.timeline());
        ObjectNode json = JSON.objectNode();
        if (name != null) {
            json.put("name", name.text());
        }
        return json.put("tenant_id", followed.tenant().toString())
                .put("timeline_id", followed.timeline().toString())
                .put("host", source.host())
                .put("port", source.port())
                .put("user", source.user())
                .put("slot", source.slot())
                .put("paused", source.paused())
                .put("walreceiver_status", followed.receiver());
    }

    private static ObjectNode json(SlotReport slot) {
        ObjectNode json =
                JSON.objectNode()
                        .put("state", slot.state())
                        .put("active", slot.active())
                        .put("restart_lsn", Lsn.toString(slot.restartLsn()))
                        .put("wal_end_lsn", Lsn.toString(slot.walEnd()))
                        .put("retained_bytes", slot.retainedBytes());
        put(json, "limit_bytes", slot.limitBytes());
        put(json, "left_bytes", slot.leftBytes());
        return json;
    }

    /** Null: there is no limit, or nothing is left. */
    private static void put(ObjectNode json, String name, OptionalLong bytes) {
        if (bytes.isPresent()) {
            json.put(name, bytes.getAsLong());
        } else {
            json.putNull(name);
        }
    }

    private static ObjectNode json(ObjectNode json, Sources.Check check) {
        ArrayNode findings = json.put("verdict", word(check.verdict())).putArray("findings");
        for (Finding finding : check.findings()) {
            findings.addObject()
                    .put("what", finding.what())
                    .put("verdict", word(finding.verdict()))
                    .put("found", finding.found())
                    .put("next", finding.next());
        }
        return json;
    }

    private static String word(Finding.Verdict verdict) {
        return verdict.name().toLowerCase(Locale.ROOT);
    }
}
