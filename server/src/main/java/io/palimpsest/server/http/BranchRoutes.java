package io.palimpsest.server.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.server.http.ManagementRoutes.Answer;
import io.palimpsest.service.BranchCommand;
import io.palimpsest.service.BranchDiff;
import io.palimpsest.service.GcPlan;
import io.palimpsest.service.Management;
import io.palimpsest.service.Management.TimelineInfo;
import io.palimpsest.service.MarkedPoint;
import io.palimpsest.value.Marker;
import java.time.Instant;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What people say of branches, and what becomes of their history; all of it our own.
 *
 * <pre>
 *   PUT  .../timeline/:id/name                       {"name"}: it is called so, 409 if another one is; with "take": true it gets the
 *                                                    name of the branch that has it, which is called "preserve_under"? from then on
 *   PUT  .../timeline/:id/protection                 {"protected"}: neither deleted nor archived, keeps its name
 *   PUT  .../timeline/:id/expiry                     {"expires_at"} or {"ttl_seconds"}: is deleted then; null: is not
 *   GET  .../timeline/:id/point                      [point]
 *   POST .../timeline/:id/point                      {"name", "lsn"?, "pinned"?}: an LSN, or the last record, gets a name; 201
 *   PUT  .../timeline/:id/point/:name                {"pinned"}: it stays readable, or is let go; both: until {"expires_at"} or for {"ttl_seconds"}
 *   DELETE .../timeline/:id/point/:name              the name is forgotten
 *   GET  .../timeline/:id/marker?limit=&below=&restore_point=&rewrites=   what was dropped, emptied, deleted; the newest first
 *   GET  .../timeline/:id/diff?with=&lsn=&with_lsn=&exact=   which relations differ from another branch, or LSN, and how much
 *   GET  .../timeline/:id/gc_plan                    what do_gc would remove, and why the rest is kept
 * </pre>
 *
 * Where a path has a timeline's id it may have the name, as one part: a slash in it is %2F.
 */
final class BranchRoutes {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final String BRANCH = "/v1/tenant/{tenant}/timeline/{timeline}";

    /** A century: nobody means more, and it can be added to any moment. */
    private static final long LONGEST_TTL_SECONDS = 3_155_760_000L;

    private static final int MARKERS = 50;
    private static final int MOST_MARKERS = 1000;

    private final Management management;

    BranchRoutes(Management management) {
        this.management = management;
    }

    void add(Router router) {
        router.add("PUT", BRANCH + "/name", this::name);
        router.add("PUT", BRANCH + "/protection", this::protect);
        router.add("PUT", BRANCH + "/expiry", this::expire);
        router.add("GET", BRANCH + "/point", this::points);
        router.add("POST", BRANCH + "/point", this::createPoint);
        router.add("PUT", BRANCH + "/point/{point}", this::pin);
        router.add("DELETE", BRANCH + "/point/{point}", this::deletePoint);
        router.add("GET", BRANCH + "/marker", this::markers);
        router.add("GET", BRANCH + "/diff", this::diff);
        router.add("GET", BRANCH + "/gc_plan", this::plan);
    }

    private Answer run(Request request, BranchCommand command) {
        TimelineInfo info = management.run(request.tenant(), request.timeline(), command);
        return new Answer(200, ManagementRoutes.json(info));
    }

    private Answer name(Request request) {
        JsonNode body = request.json();
        Label name = new Label(Request.text(body, "name"));
        Label preserve = label(body, "preserve_under");
        if (!Request.flag(body, "take")) {
            if (preserve != null) {
                throw PageserverException.badRequest(
                        "preserve_under is for a name that is taken over: it needs take");
            }
            return run(request, new BranchCommand.Rename(name));
        }
        return run(request, new BranchCommand.TakeName(name, preserve));
    }

    /** Null if the body does not say it. */
    static @Nullable Label label(JsonNode body, String field) {
        return body.hasNonNull(field) ? new Label(Request.text(body, field)) : null;
    }

    private Answer protect(Request request) {
        return run(request, new BranchCommand.Protect(said(request.json(), "protected")));
    }

    /** A flag that must not be left out. */
    static boolean said(JsonNode body, String field) {
        if (!body.hasNonNull(field)) {
            throw PageserverException.badRequest("the body needs '%s', true or false", field);
        }
        return Request.flag(body, field);
    }

    private Answer expire(Request request) {
        JsonNode body = request.json();
        if (body.has("expires_at") == body.has("ttl_seconds")) {
            throw PageserverException.badRequest(
                    "the body needs either expires_at or ttl_seconds; null: it does not expire");
        }
        return run(request, new BranchCommand.Expire(expiry(body)));
    }

    private static @Nullable Instant expiry(JsonNode body) {
        if (body.hasNonNull("expires_at")) {
            Instant at = ManagementRoutes.moment(Request.text(body, "expires_at"));
            if (!at.isAfter(Instant.now())) {
                throw PageserverException.badRequest(
                        "expires_at is %s, which is over: a branch is deleted now by DELETE, a point let go by \"pinned\": false",
                        at);
            }
            return at;
        }
        JsonNode ttl = body.get("ttl_seconds");
        if (ttl == null || ttl.isNull()) {
            return null;
        }
        if (!ttl.canConvertToLong()
                || !ttl.isIntegralNumber()
                || ttl.longValue() < 1
                || ttl.longValue() > LONGEST_TTL_SECONDS) {
            throw PageserverException.badRequest(
                    "ttl_seconds is %s, expected a whole number from 1 to %d",
                    ttl, LONGEST_TTL_SECONDS);
        }
        return Instant.now().plusSeconds(ttl.longValue());
    }

    private static @Nullable Instant keptUntil(JsonNode body, boolean pinned) {
        Instant until = expiry(body);
        if (until != null && !pinned) {
            throw PageserverException.badRequest(
                    "expires_at and ttl_seconds say until when a pinned point is kept: it needs \"pinned\": true");
        }
        return until;
    }

    private Answer points(Request request) {
        ArrayNode list = JSON.arrayNode();
        management
                .timeline(request.tenant(), request.timeline())
                .said()
                .points()
                .forEach(point -> list.add(json(point)));
        return new Answer(200, list);
    }

    private Answer createPoint(Request request) {
        JsonNode body = request.json();
        Label name = new Label(Request.text(body, "name"));
        Lsn at = body.hasNonNull("lsn") ? Lsn.parse(Request.text(body, "lsn")) : Lsn.INVALID;
        TimelineInfo info =
                management.run(
                        request.tenant(),
                        request.timeline(),
                        new BranchCommand.CreatePoint(
                                name,
                                at,
                                Request.flag(body, "pinned"),
                                keptUntil(body, Request.flag(body, "pinned"))));
        return new Answer(201, point(info, name));
    }

    private Answer pin(Request request) {
        Label name = new Label(request.inPath("point"));
        JsonNode body = request.json();
        boolean pinned = said(body, "pinned");
        TimelineInfo info =
                management.run(
                        request.tenant(),
                        request.timeline(),
                        new BranchCommand.Pin(name, pinned, keptUntil(body, pinned)));
        return new Answer(200, point(info, name));
    }

    private Answer deletePoint(Request request) {
        return run(request, new BranchCommand.DeletePoint(new Label(request.inPath("point"))));
    }

    private static JsonNode point(TimelineInfo info, Label name) {
        for (Management.Point point : info.said().points()) {
            if (point.point().name().equals(name)) {
                return json(point);
            }
        }
        // Somebody has deleted it since.
        throw PageserverException.of(ErrorCode.NOT_FOUND, "point %s is not there any more", name);
    }

    static ObjectNode json(Management.Point point) {
        return JSON.objectNode()
                .put("name", point.point().name().text())
                .put("lsn", Lsn.toString(point.point().lsn()))
                .put("created_at", Instant.ofEpochMilli(point.point().createdMillis()).toString())
                .put("pinned", point.point().pinned())
                .put("readable", point.readable())
                .put(
                        "expires_at",
                        point.point().keptUntilMillis() == 0
                                ? null
                                : Instant.ofEpochMilli(point.point().keptUntilMillis()).toString());
    }

    /** Adds to a timeline what people say of it. */
    static void put(ObjectNode json, Management.Said said) {
        if (said.name() != null) {
            json.put("name", said.name().text());
        }
        json.put("is_protected", said.isProtected());
        if (said.expiresAt() != null) {
            json.put("expires_at", said.expiresAt().toString());
        }
        ArrayNode points = json.putArray("points");
        said.points().forEach(point -> points.add(json(point)));
    }

    private Answer markers(Request request) {
        String limit = request.parameter("limit", Integer.toString(MARKERS));
        int most;
        try {
            most = Integer.parseInt(limit);
        } catch (NumberFormatException e) {
            most = 0;
        }
        if (most < 1 || most > MOST_MARKERS) {
            throw PageserverException.badRequest(
                    "limit is '%s', expected a number from 1 to %d", limit, MOST_MARKERS);
        }
        String name = request.parameter("restore_point", "");
        Management.Marked marked =
                management.markers(
                        request.tenant(),
                        request.timeline(),
                        lsn(request, "below"),
                        most,
                        name.isEmpty() ? null : name,
                        Boolean.parseBoolean(request.parameter("rewrites", "false")));
        ObjectNode json = JSON.objectNode();
        ArrayNode list = json.putArray("markers");
        marked.points().forEach(point -> list.add(json(point)));
        if (marked.more() != null) {
            json.put("more_below", marked.more().toString());
        }
        return new Answer(200, json);
    }

    private static ObjectNode json(MarkedPoint point) {
        Marker marker = point.marker();
        ObjectNode json =
                JSON.objectNode()
                        .put("kind", point.kind().name().toLowerCase(Locale.ROOT))
                        .put("before_lsn", Lsn.toString(marker.before()))
                        .put("lsn", Lsn.toString(marker.lsn()));
        if (point.at() != null) {
            json.put("timestamp", point.at().toString());
        }
        if (marker.xid() != 0) {
            json.put("xid", Integer.toUnsignedLong(marker.xid()));
        }
        if (point.name() != null) {
            json.put("name", point.name());
        }
        ArrayNode relations = json.putArray("relations");
        for (MarkedPoint.Relation relation : point.relations()) {
            ObjectNode one =
                    relations
                            .addObject()
                            .put("name", relation.name())
                            .put("kind", relation.kind().name().toLowerCase(Locale.ROOT));
            if (relation.kind() == MarkedPoint.Kind.DELETE) {
                one.put("rows", relation.rows());
            } else {
                one.put("bytes", relation.blocks() * Page.SIZE);
            }
        }
        if (marker.relations() > marker.gone().size()) {
            json.put("more_relations", marker.relations() - marker.gone().size());
        }
        return json;
    }

    private static Lsn lsn(Request request, String name) {
        String text = request.parameter(name, "");
        return text.isEmpty() ? Lsn.INVALID : Lsn.parse(text);
    }

    private Answer diff(Request request) {
        String with = request.parameter("with", "");
        if (with.isEmpty()) {
            throw PageserverException.badRequest("the query needs one 'with', a branch");
        }
        BranchDiff diff =
                management.diff(
                        request.tenant(),
                        request.timeline(),
                        lsn(request, "lsn"),
                        request.timeline(with),
                        lsn(request, "with_lsn"),
                        Boolean.parseBoolean(request.parameter("exact", "false")));
        ObjectNode json = JSON.objectNode();
        if (diff.common() != null) {
            json.put("common_lsn", diff.common().toString());
        }
        json.put("exact", diff.exact()).put("at_most", diff.atMost());
        ArrayNode list = json.putArray("relations");
        for (BranchDiff.Relation relation : diff.relations()) {
            ObjectNode one = list.addObject();
            put(one, "database", relation.database());
            put(one, "name", relation.name());
            if (relation.kind() != 0) {
                one.put("kind", String.valueOf(relation.kind()));
            }
            put(one, "file", relation.file());
            put(one, "with_file", relation.otherFile());
            if (relation.blocks() >= 0) {
                one.put("blocks", relation.blocks());
            }
            if (relation.otherBlocks() >= 0) {
                one.put("with_blocks", relation.otherBlocks());
            }
            one.put("changed_blocks", relation.changed());
        }
        return new Answer(200, json);
    }

    private static void put(ObjectNode json, String member, @Nullable String value) {
        if (value != null) {
            json.put(member, value);
        }
    }

    private Answer plan(Request request) {
        GcPlan plan = management.gcPlan(request.tenant(), request.timeline());
        ObjectNode json =
                JSON.objectNode()
                        .put("cutoff_lsn", plan.cutoff().toString())
                        .put("planned_cutoff_lsn", plan.planned().toString())
                        .put("blocked", plan.blocked());
        ArrayNode goes = json.putArray("goes");
        plan.goes()
                .forEach(layer ->
                        goes.addObject()
                                .put("layer_file_name", layer.name().toString())
                                .put("layer_file_size", layer.size()));
        ArrayNode kept = json.putArray("kept");
        for (GcPlan.Kept one : plan.kept()) {
            ObjectNode item =
                    kept.addObject()
                            .put("reason", one.reason().name().toLowerCase(Locale.ROOT))
                            .put("layers", one.layers())
                            .put("bytes", one.bytes());
            if (one.lsn() != null) {
                item.put("lsn", one.lsn().toString());
                ArrayNode holders = item.putArray("holders");
                one.holders().forEach(holders::add);
            }
        }
        return new Answer(200, json);
    }
}
