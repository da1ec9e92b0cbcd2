package io.palimpsest.server.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerName;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.server.auth.Tokens;
import io.palimpsest.server.runtime.LogTracer;
import io.palimpsest.service.Access;
import io.palimpsest.service.Management;
import io.palimpsest.service.Management.TimelineInfo;
import io.palimpsest.tenant.Evictor;
import io.palimpsest.tenant.Secondaries;
import io.palimpsest.tenant.WarmUp;
import io.palimpsest.timeline.Lease;
import io.palimpsest.timeline.Location;
import io.palimpsest.timeline.LocationMode;
import io.palimpsest.timeline.LsnAtTime;
import io.palimpsest.timeline.StoreGarbage;
import io.palimpsest.timeline.TransactionEnd;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What each path of the management API does, as a function from request to answer.
 *
 * <pre>
 *   GET  /v1/status                                  {"id": 1}; without a token, as the next four
 *   GET  /livez, /startupz                           ok: the process answers
 *   GET  /readyz                                     {"ready", "checks": [...]} with ?verbose or 503
 *   GET  /swagger.yml                                all of this for programs; without a token
 *   GET  /metrics                                    for Prometheus
 *   POST /v1/reload_auth_validation_keys             {"keys": how many}
 *   GET  /v1/background                              our own: sums of background work
 *   GET  /v1/tenant                                  [{"id", "generation", "mode": "AttachedSingle", ...}]; only attached ones
 *   GET  /v1/location_config                         {"tenant_shards": [[id, location or null]]}; null: on its way
 *   GET  /v1/location_config/:tenant                 location
 *   GET  /v1/store/tenant                            our own: the same of what the object store has
 *   PUT  /v1/tenant/:tenant/location_config          {"mode": "AttachedSingle", "AttachedMulti", "AttachedStale", "Secondary" or
 *                                                    "Detached", "generation"?, "secondary_conf": {"warm"}?}; ?flush_ms=
 *   POST /v1/tenant/:tenant/heatmap_upload           what is to be kept ready elsewhere is said now
 *   POST /v1/tenant/:tenant/secondary/download       ?wait_ms=; what is to be ready here comes now: progress, 202 if not all is here
 *   GET  /v1/tenant/:tenant/secondary/status         {"heatmap_mtime", "layers_downloaded", "layers_total", "bytes_downloaded", "bytes_total"}
 *   PUT  /v1/tenant/:tenant/remote_garbage           our own: what former owners have left in the store is deleted now
 *   GET  /v1/tenant/:tenant/timeline                 [timeline]
 *   GET  /v1/tenant/:tenant/timeline/:id             timeline, with "compaction"
 *   DELETE .../timeline/:id                          202; 412 if it has branches
 *   PUT  .../timeline/:id/checkpoint                 what has arrived is made durable
 *   PUT  .../timeline/:id/compact                    by thresholds; all L0s, with ?force_l0_compaction=true; all there is, with
 *                                                    force_image_layer_creation or enhanced_gc_bottom_most_compaction
 *   PUT  .../timeline/:id/reset_compaction           our own: what failed too often, or was left out, is tried again
 *   PUT  .../timeline/:id/do_gc                      {"gc_horizon"?} to {"layers_total", "layers_removed", ...}
 *   PUT  .../timeline/:id/archival_config            {"state": "Archived" or "Unarchived"}
 *   PUT  .../timeline/:id/detach_ancestor?detach_behavior=   {"reparented_timelines": ["<id>", ...]}
 *   POST .../timeline/:id/lsn_lease                  {"lsn"} to {"valid_until"}
 *   GET  .../timeline/:id/get_lsn_by_timestamp?timestamp=   {"lsn", "kind", ...}
 *   GET  .../timeline/:id/get_timestamp_of_lsn?lsn=  a moment; 412 if none is known
 *   GET  .../timeline/:id/get_lsn_of_xid?xid=        our own: how a transaction ended, and the commits around
 *   GET  .../timeline/:id/layer                      what layers there are
 *   POST, GET .../timeline/:id/download_remote_layers  brings all of them; how far that is
 *   GET  .../timeline/:id/layer/:name                brings one from the store, 304 if it is here
 *   DELETE .../timeline/:id/layer/:name              lets one leave the disk, 304 if it is not there
 * </pre>
 *
 * Errors have the body {@code {"msg": "..."}}. A token for a tenant opens what is below that
 * tenant; all else needs one for the server ({@link Access}).
 */
final class ManagementRoutes {
    // Why this file is long: it is the list of what the API can do, some lines for each path.
    /**
     * A status and, but for an empty answer, JSON or a text.
     *
     * @param contentType what it is
     */
    record Answer(int status, @Nullable JsonNode body, String text, String contentType) {
        Answer(int status, @Nullable JsonNode body) {
            this(status, body, "", "application/json");
        }

        static Answer text(String contentType, String text) {
            return new Answer(200, null, text, contentType);
        }

        /** Each a character, that one text does for all. */
        static Answer octets(byte[] octets) {
            return new Answer(200, null, new String(octets, StandardCharsets.ISO_8859_1), OCTETS);
        }
    }

    private static final String EXPOSITION = "text/plain; version=0.0.4; charset=utf-8";
    private static final String OCTETS = "application/octet-stream";
    private static final int MOST_DOWNLOADS = 100;
    private static final long MOST_MILLIS = 3_600_000L;
    private static final long LONGEST_WAIT = 30_000_000_000L;

    private static final LogTracer TRACER = new LogTracer(ManagementRoutes.class);
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private final Management management;
    private final @Nullable Tokens tokens;
    private final Health health;
    private final Supplier<String> metrics;
    private final Router router;
    private final ObjectMapper mapper = new ObjectMapper();

    ManagementRoutes(ManagementServer.Service service) {
        this.management = service.management();
        this.tokens = service.doors().tokens();
        this.health = service.health();
        this.metrics = service.metrics();
        this.router = new Router(management::find);
        add();
        new CreationRoutes(management, service.bootstrap()).add(router);
        new BranchRoutes(management).add(router);
        new SourceRoutes(service.sources(), management).add(router);
        new LeaseRoutes(management).add(router);
        new OperationRoutes(management.operations()).add(router);
        new TenantRoutes(management).add(router);
        new TenantConfigRoutes(management).add(router);
        new UtilizationRoutes(management).add(router);
        new KeyRoutes(management).add(router);
        new ImportRoutes(management).add(router);
    }

    /** All that there is. */
    Router router() {
        return router;
    }

    /**
     * Answers a request; never throws. {@code path} has no query.
     *
     * @param access what the client may reach
     */
    Answer answer(
            Access access,
            String method,
            String path,
            Map<String, List<String>> query,
            @Nullable String key,
            Request.Body body) {
        try {
            return router.answer(access, method, path, query, key, body);
        } catch (PageserverException e) {
            return failure(e);
        } catch (RuntimeException e) {
            TRACER.event(Event.REQUEST_FAILED, Subject.SERVER, method + " " + path, e);
            return failure(500, "internal error: " + e.getMessage());
        }
    }

    static Answer failure(PageserverException e) {
        return failure(status(e.code()), String.valueOf(e.getMessage()));
    }

    static Answer failure(int status, String message) {
        return new Answer(status, JSON.objectNode().put("msg", message));
    }

    byte[] bytes(Answer answer) {
        if (answer.body == null) {
            return answer.text.getBytes(
                    answer.contentType.equals(OCTETS)
                            ? StandardCharsets.ISO_8859_1
                            : StandardCharsets.UTF_8);
        }
        return Request.bytes(answer.body);
    }

    private void add() {
        router.open("GET", "/v1/status", _ -> ok(JSON.objectNode().put("id", 1)));
        router.open("GET", "/livez", _ -> Answer.text("text/plain", "ok\n"));
        router.open("GET", "/startupz", _ -> Answer.text("text/plain", "ok\n"));
        router.open("GET", "/readyz", r -> health.ready(r.query().containsKey("verbose")));
        router.open("GET", "/swagger.yml", _ -> Answer.text("application/yaml", OpenApi.text()));
        router.add("GET", "/metrics", _ -> Answer.text(EXPOSITION, metrics.get()));
        router.add("POST", "/v1/reload_auth_validation_keys", _ -> reloadKeys());
        router.add("GET", "/v1/background", _ -> background());
        router.add("PUT", "/v1/disk_usage_eviction/run", r -> freeDisk(r.body()));
        router.add("GET", "/v1/store/tenant", _ -> ids(management.tenantsInStore()));
        router.add("GET", "/v1/location_config", _ -> locations());
        router.add("GET", "/v1/location_config/{tenant}", r -> location(r.tenant()));
        addOfTenant();
        addOfTimeline();
    }

    private void addOfTenant() {
        String tenant = "/v1/tenant/{tenant}";
        router.add(
                "PUT", tenant + "/location_config", r -> locate(r.tenant(), r.query(), r.body()));
        router.add("POST", tenant + "/heatmap_upload", r -> putHeatmap(r.tenant()));
        router.add(
                "GET",
                tenant + "/secondary/status",
                r -> ok(json(management.secondary(r.tenant()))));
        router.add(
                "POST",
                tenant + "/secondary/download",
                r -> downloadSecondary(r.tenant(), r.query()));
        router.add("PUT", tenant + "/remote_garbage", r -> deleteGarbage(r.tenant()));
        router.add("GET", tenant + "/timeline", r -> timelines(r.tenant()));
    }

    private void addOfTimeline() {
        ofTimeline("GET", "", r -> detail(r.tenant(), r.timeline()));
        ofTimeline("DELETE", "", r -> delete(r.tenant(), r.timeline()));
        ofTimeline("PUT", "/checkpoint", r -> flush(r.tenant(), r.timeline()));
        ofTimeline("PUT", "/compact", r -> compact(r.tenant(), r.timeline(), r.query()));
        ofTimeline("PUT", "/reset_compaction", r -> resetCompaction(r.tenant(), r.timeline()));
        ofTimeline("PUT", "/do_gc", r -> collect(r.tenant(), r.timeline(), r.body()));
        ofTimeline("PUT", "/archival_config", r -> archive(r.tenant(), r.timeline(), r.body()));
        ofTimeline("PUT", "/detach_ancestor", r -> detach(r.tenant(), r.timeline(), r.query()));
        ofTimeline("POST", "/lsn_lease", r -> lease(r.tenant(), r.timeline(), r.body()));
        ofTimeline(
                "GET",
                "/get_lsn_by_timestamp",
                r -> lsnByTimestamp(r.tenant(), r.timeline(), r.query()));
        ofTimeline(
                "GET",
                "/get_timestamp_of_lsn",
                r -> timestampOfLsn(r.tenant(), r.timeline(), r.query()));
        ofTimeline("GET", "/get_lsn_of_xid", this::transaction);
        ofTimeline(
                "POST", "/download_remote_layers", r -> warmUp(r.tenant(), r.timeline(), r.body()));
        ofTimeline(
                "GET",
                "/download_remote_layers",
                r -> ok(json(management.warmUp(r.tenant(), r.timeline()))));
        ofTimeline("GET", "/layer", r -> layers(r.tenant(), r.timeline()));
        ofTimeline(
                "GET",
                "/layer/{layer}",
                r -> okIf(management.fetchLayer(r.tenant(), r.timeline(), r.inPath("layer"))));
        ofTimeline(
                "DELETE",
                "/layer/{layer}",
                r -> okIf(management.evictLayer(r.tenant(), r.timeline(), r.inPath("layer"))));
    }

    private void ofTimeline(String method, String below, Router.Handler handler) {
        router.add(method, "/v1/tenant/{tenant}/timeline/{timeline}" + below, handler);
    }

    private Answer reloadKeys() {
        if (tokens == null) {
            throw PageserverException.badRequest(
                    "nobody is asked for a token here (http_auth_type, pg_auth_type): there are no keys");
        }
        return ok(JSON.objectNode().put("keys", tokens.reload()));
    }

    private Answer background() {
        ObjectNode json = mapper.valueToTree(management.background());
        json.set("evicted", mapper.valueToTree(management.evicted()));
        return ok(json);
    }

    private Answer freeDisk(byte[] body) {
        JsonNode bytes = parse(body).get("evict_bytes");
        if (bytes == null || !bytes.canConvertToLong() || bytes.longValue() < 0) {
            throw PageserverException.badRequest(
                    "evict_bytes is %s, expected a number of bytes", bytes);
        }
        Evictor.Outcome done = management.freeDisk(bytes.longValue());
        return ok(
                JSON.objectNode()
                        .put("evicted_layers", done.layers())
                        .put("evicted_bytes", done.bytes()));
    }

    private Answer warmUp(TenantId tenant, TimelineId timeline, byte[] body) {
        JsonNode atOnce = parse(body).get("max_concurrent_downloads");
        if (atOnce == null
                || !atOnce.canConvertToInt()
                || atOnce.intValue() < 1
                || atOnce.intValue() > MOST_DOWNLOADS) {
            throw PageserverException.badRequest(
                    "max_concurrent_downloads is %s, expected a number from 1 to %d",
                    atOnce, MOST_DOWNLOADS);
        }
        return new Answer(202, json(management.warmUp(tenant, timeline, atOnce.intValue())));
    }

    private static ObjectNode json(WarmUp.Progress progress) {
        return JSON.objectNode()
                .put("task_id", Long.toString(progress.number()))
                .put(
                        "state",
                        switch (progress.state()) {
                            case RUNNING -> "Running";
                            case COMPLETED -> "Completed";
                            case STOPPED -> "ShutDown";
                        })
                .put("total_layer_count", progress.layers())
                .put("successful_download_count", progress.brought())
                .put("failed_download_count", progress.failed())
                .put("downloaded_bytes", progress.bytes());
    }

    private static Answer okIf(boolean changed) {
        return changed ? ok(JSON.nullNode()) : new Answer(304, null);
    }

    private Answer flush(TenantId tenant, TimelineId timeline) {
        management.flush(tenant, timeline);
        return ok(JSON.nullNode());
    }

    private Answer detail(TenantId tenant, TimelineId timeline) {
        ObjectNode json = json(management.timeline(tenant, timeline));
        Management.Compaction compaction = management.compaction(tenant, timeline);
        ObjectNode part = json.putObject("compaction").put("debt_bytes", compaction.debt().bytes());
        if (Double.isFinite(compaction.debt().seconds())) {
            part.put("debt_seconds", compaction.debt().seconds());
        }
        ArrayNode off = part.putArray("off");
        compaction.off().forEach(off::add);
        ArrayNode damaged = part.putArray("damaged_layers");
        compaction.damaged().forEach(damaged::add);
        return ok(json);
    }

    private Answer compact(TenantId tenant, TimelineId timeline, Map<String, List<String>> query) {
        if (flag(query, "dry_run")) {
            throw PageserverException.badRequest("dry_run: there is none here");
        }
        boolean all =
                flag(query, "force_image_layer_creation")
                        || flag(query, "enhanced_gc_bottom_most_compaction");
        boolean merges = flag(query, "force_l0_compaction");
        management.compact(
                tenant,
                timeline,
                all
                        ? Management.Extent.ALL
                        : merges ? Management.Extent.MERGES : Management.Extent.DUE);
        return ok(JSON.nullNode());
    }

    private Answer resetCompaction(TenantId tenant, TimelineId timeline) {
        management.resetCompaction(tenant, timeline);
        return ok(JSON.nullNode());
    }

    private Answer collect(TenantId tenant, TimelineId timeline, byte[] body) {
        long begun = System.nanoTime();
        Management.Collected done = management.collect(tenant, timeline, horizon(body));
        return ok(
                JSON.objectNode()
                        .put("layers_total", done.total())
                        .put("layers_removed", done.removed())
                        .put("bytes_removed", done.removedBytes())
                        .put("elapsed", (System.nanoTime() - begun) / 1_000_000 + "ms"));
    }

    private @Nullable Long horizon(byte[] body) {
        JsonNode bytes = body.length == 0 ? null : parse(body).get("gc_horizon");
        if (bytes == null || bytes.isNull()) {
            return null;
        }
        if (!bytes.canConvertToLong() || bytes.longValue() < 0) {
            throw PageserverException.badRequest(
                    "gc_horizon is %s, expected a number of bytes", bytes);
        }
        return bytes.longValue();
    }

    private static boolean flag(Map<String, List<String>> query, String name) {
        return Boolean.parseBoolean(query.getOrDefault(name, List.of("")).getFirst());
    }

    private Answer delete(TenantId tenant, TimelineId timeline) {
        management.delete(tenant, timeline);
        return new Answer(202, JSON.nullNode());
    }

    private Answer archive(TenantId tenant, TimelineId timeline, byte[] body) {
        String state = text(parse(body), "state");
        switch (state) {
            case "Archived" -> management.archive(tenant, timeline, true);
            case "Unarchived" -> management.archive(tenant, timeline, false);
            default ->
                    throw PageserverException.badRequest(
                            "the state is '%s', expected 'Archived' or 'Unarchived'", state);
        }
        return ok(JSON.nullNode());
    }

    private Answer locate(TenantId tenant, Map<String, List<String>> query, byte[] body) {
        JsonNode request = parse(body);
        for (Map.Entry<String, JsonNode> field : request.properties()) {
            checkLocationField(field.getKey(), field.getValue());
        }
        LocationMode mode = LocationMode.parse(text(request, "mode"));
        management.locate(
                tenant,
                mode,
                generation(request),
                mode == LocationMode.SECONDARY && warm(request.get("secondary_conf")),
                millis(query, "flush_ms"));
        JsonNode own = request.get("tenant_conf");
        // Of one that is not owned here the store says what it has, to its owner.
        if (own != null && mode.owns()) {
            TenantOverrides wanted = TenantConfigRoutes.overrides(own);
            if (!wanted.equals(management.overrides(tenant))) {
                management.configure(tenant, _ -> wanted);
            }
        }
        ObjectNode json = JSON.objectNode();
        json.putArray("shards").addObject().put("shard_id", tenant.toString()).put("node_id", 1);
        return ok(json.putNull("stripe_size"));
    }

    /** What the field's clients may say, and what of that is there. */
    private static void checkLocationField(String name, JsonNode value) {
        switch (name) {
            case "mode", "generation", "secondary_conf", "shard_stripe_size" -> {}
            case "shard_number", "shard_count" -> {
                if (value.asInt(-1) != 0) {
                    throw PageserverException.badRequest(
                            "%s is %s: tenants are not sharded here, expected 0", name, value);
                }
            }
            case "tenant_conf" -> {
                if (!value.isObject()) {
                    throw PageserverException.badRequest(
                            "tenant_conf is %s, expected an object", value);
                }
                TenantOverrides _ = TenantConfigRoutes.overrides(value);
            }
            default ->
                    throw PageserverException.badRequest(
                            "the body has the field '%s', which is not known", name);
        }
    }

    private static boolean warm(@Nullable JsonNode conf) {
        if (conf == null || conf.isNull()) {
            return false;
        }
        JsonNode warm = conf.get("warm");
        if (warm == null || !warm.isBoolean()) {
            throw PageserverException.badRequest(
                    "secondary_conf is %s, expected {\"warm\": true or false}", conf);
        }
        return warm.booleanValue();
    }

    /** In nanoseconds; null if it is not said. */
    private static @Nullable Long millis(Map<String, List<String>> query, String name) {
        if (!query.containsKey(name)) {
            return null;
        }
        String text = parameter(query, name);
        try {
            long millis = Long.parseLong(text);
            if (millis >= 0 && millis <= MOST_MILLIS) {
                return millis * 1_000_000L;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw PageserverException.badRequest(
                "%s is '%s', expected milliseconds up to %d", name, text, MOST_MILLIS);
    }

    private Answer putHeatmap(TenantId tenant) {
        management.putHeatmap(tenant);
        return ok(JSON.nullNode());
    }

    /** 202: not all is here yet. */
    private Answer downloadSecondary(TenantId tenant, Map<String, List<String>> query) {
        Long wait = millis(query, "wait_ms");
        Secondaries.Progress progress =
                management.downloadSecondary(tenant, wait == null ? LONGEST_WAIT : wait);
        return new Answer(progress.complete() ? 200 : 202, json(progress));
    }

    private static ObjectNode json(Secondaries.Progress progress) {
        ObjectNode json = JSON.objectNode();
        if (progress.heatmapMillis() == 0) {
            json.putNull("heatmap_mtime");
        } else {
            json.put("heatmap_mtime", Instant.ofEpochMilli(progress.heatmapMillis()).toString());
        }
        return json.put("layers_downloaded", progress.layers())
                .put("layers_total", progress.layersTotal())
                .put("bytes_downloaded", progress.bytes())
                .put("bytes_total", progress.bytesTotal());
    }

    private Answer location(TenantId tenant) {
        Location found = management.location(tenant);
        return found == null
                ? failure(503, "tenant " + tenant + " is on its way, or cannot be attached")
                : ok(json(tenant, found));
    }

    private Answer locations() {
        ObjectNode json = JSON.objectNode();
        ArrayNode list = json.putArray("tenant_shards");
        management
                .locations()
                .forEach((tenant, location) -> {
                    ArrayNode pair = list.addArray().add(tenant.toString());
                    if (location == null) {
                        pair.addNull();
                    } else {
                        pair.add(json(tenant, location));
                    }
                });
        return ok(json);
    }

    private ObjectNode json(TenantId tenant, Location location) {
        ObjectNode json = JSON.objectNode().put("mode", location.mode().toString());
        if (location.generation() == 0) {
            json.putNull("generation");
        } else {
            json.put("generation", location.generation());
        }
        if (location.mode() == LocationMode.SECONDARY) {
            json.putObject("secondary_conf").put("warm", location.warm());
        } else {
            json.putNull("secondary_conf");
        }
        json.put("shard_number", 0).put("shard_count", 0).put("shard_stripe_size", 0);
        json.set("tenant_conf", TenantConfigRoutes.json(management.overrides(tenant)));
        return json;
    }

    private static OptionalInt generation(JsonNode request) {
        JsonNode generation = request.get("generation");
        if (generation == null || generation.isNull()) {
            return OptionalInt.empty();
        }
        if (!generation.canConvertToInt() || generation.intValue() < 1) {
            throw PageserverException.badRequest(
                    "generation is %s, expected a whole number from 1", generation);
        }
        return OptionalInt.of(generation.intValue());
    }

    private Answer detach(TenantId tenant, TimelineId timeline, Map<String, List<String>> query) {
        ObjectNode json = JSON.objectNode();
        ArrayNode moved = json.putArray("reparented_timelines");
        management
                .detach(tenant, timeline, siblings(query))
                .forEach(sibling -> moved.add(sibling.toString()));
        return ok(json);
    }

    /** Do siblings come with it? By the field's names for that. */
    private static boolean siblings(Map<String, List<String>> query) {
        String behavior =
                query.containsKey("detach_behavior") ? parameter(query, "detach_behavior") : "v1";
        return switch (behavior) {
            case "v1", "no_ancestor_and_reparent" -> true;
            case "v2", "multi_level_and_no_reparent" -> false;
            default ->
                    throw PageserverException.badRequest(
                            "detach_behavior is '%s', expected v1 (siblings come with it) or v2 (they stay)",
                            behavior);
        };
    }

    private Answer lease(TenantId tenant, TimelineId timeline, byte[] body) {
        Lsn lsn = Lsn.parse(text(parse(body), "lsn"));
        Instant until = management.lease(tenant, timeline, lsn);
        return ok(JSON.objectNode().put("valid_until", until.toString()));
    }

    private Answer lsnByTimestamp(
            TenantId tenant, TimelineId timeline, Map<String, List<String>> query) {
        LsnAtTime found =
                management.lsnByTimestamp(tenant, timeline, moment(parameter(query, "timestamp")));
        TimelineInfo info = management.timeline(tenant, timeline);
        LsnAtTime.Commit before = found.before();
        Lsn lsn = before == null ? info.oldestReadableLsn() : new Lsn(before.lsn());
        ObjectNode json =
                JSON.objectNode()
                        .put("lsn", lsn.toString())
                        .put(
                                "kind",
                                switch (found.kind()) {
                                    case PRESENT -> "present";
                                    case FUTURE -> "future";
                                    case PAST -> "past";
                                    case NO_DATA -> "nodata";
                                });
        commit(json, "before", before);
        commit(json, "after", found.after());
        if (flag(query, "with_lease")) {
            json.put("valid_until", management.lease(tenant, timeline, lsn).toString());
        }
        return ok(json);
    }

    private static void commit(ObjectNode json, String name, LsnAtTime.@Nullable Commit commit) {
        if (commit != null) {
            json.putObject(name)
                    .put("lsn", Lsn.toString(commit.lsn()))
                    .put("timestamp", LsnAtTime.moment(commit.micros()).toString());
        }
    }

    private Answer timestampOfLsn(
            TenantId tenant, TimelineId timeline, Map<String, List<String>> query) {
        Lsn lsn = Lsn.parse(parameter(query, "lsn"));
        return ok(JSON.textNode(management.timestampOfLsn(tenant, timeline, lsn).toString()));
    }

    private Answer transaction(Request r) {
        String text = parameter(r.query(), "xid");
        long xid;
        try {
            xid = Long.parseLong(text);
        } catch (NumberFormatException e) {
            throw new PageserverException(
                    ErrorCode.BAD_REQUEST, "xid is '" + text + "', expected a number", e);
        }
        TransactionEnd end = management.transaction(r.tenant(), r.timeline(), xid);
        ObjectNode json =
                JSON.objectNode()
                        .put("xid", end.xid())
                        .put("status", end.kind().name().toLowerCase(Locale.ROOT))
                        .put("readable", end.readable());
        if (end.lsn() != 0) {
            json.put("lsn", Lsn.toString(end.lsn()));
        }
        if (end.micros() != 0) {
            json.put("timestamp", LsnAtTime.moment(end.micros()).toString());
        }
        commit(json, "before", end.before());
        commit(json, "after", end.after());
        return ok(json);
    }

    private static String parameter(Map<String, List<String>> query, String name) {
        List<String> values = query.get(name);
        if (values == null || values.size() != 1) {
            throw PageserverException.badRequest("the query needs one '%s'", name);
        }
        return values.getFirst();
    }

    static Instant moment(String text) {
        try {
            return Instant.parse(text);
        } catch (DateTimeParseException e) {
            throw new PageserverException(
                    ErrorCode.BAD_REQUEST,
                    "'" + text + "' is no moment: expected one like 2026-11-24T13:10:15Z",
                    e);
        }
    }

    private Answer layers(TenantId tenant, TimelineId timeline) {
        ObjectNode json = JSON.objectNode();
        ArrayNode list = json.putArray("historic_layers");
        for (Management.Layer layer : management.layers(tenant, timeline)) {
            LayerName name = layer.descriptor().name();
            ObjectNode item =
                    list.addObject()
                            .put("kind", name.image() ? "Image" : "Delta")
                            .put("layer_file_name", name.toString())
                            .put("layer_file_size", layer.descriptor().size())
                            .put("remote", !layer.resident())
                            .put("lsn_start", Lsn.toString(name.startLsn()));
            if (name.image()) {
                item.put("complete", layer.descriptor().complete());
            } else {
                item.put("lsn_end", Lsn.toString(name.endLsn())).put("l0", name.isL0());
            }
        }
        return ok(json);
    }

    private Answer ids(List<TenantId> tenants) {
        ArrayNode list = JSON.arrayNode();
        tenants.forEach(id -> list.addObject().put("id", id.toString()));
        return ok(list);
    }

    private Answer deleteGarbage(TenantId tenant) {
        StoreGarbage.Deleted deleted = management.deleteGarbage(tenant);
        return ok(
                JSON.objectNode()
                        .put("deleted_objects", deleted.objects())
                        .put("deleted_bytes", deleted.bytes()));
    }

    private Answer timelines(TenantId tenant) {
        if (!management.tenants().contains(tenant)) {
            throw PageserverException.of(ErrorCode.NOT_FOUND, "tenant %s is not here", tenant);
        }
        ArrayNode list = JSON.arrayNode();
        management.timelines(tenant).forEach(timeline -> list.add(json(timeline)));
        return ok(list);
    }

    private static JsonNode parse(byte[] body) {
        return Request.parse(body);
    }

    private static String text(JsonNode json, String field) {
        return Request.text(json, field);
    }

    static ObjectNode json(TimelineInfo info) {
        ObjectNode json =
                JSON.objectNode()
                        .put("tenant_id", info.tenant().toString())
                        .put("timeline_id", info.timeline().toString());
        BranchRoutes.put(json, info.said());
        if (info.ancestor() != null) {
            json.put("ancestor_timeline_id", info.ancestor().toString())
                    .put("ancestor_lsn", info.ancestorLsn().toString());
        }
        json.put("last_record_lsn", info.lastRecordLsn().toString())
                .put("disk_consistent_lsn", info.diskConsistentLsn().toString())
                .put("min_readable_lsn", info.oldestReadableLsn().toString())
                .put("applied_gc_cutoff_lsn", info.oldestReadableLsn().toString())
                .put("pitr_interval_seconds", info.kept().pitrSeconds())
                .put("pg_version", info.pgVersion())
                .put("current_physical_size", info.layerBytes())
                .put("resident_physical_size", info.residentBytes())
                .put("layer_count", info.layerCount());
        Management.Upload upload = info.upload();
        if (upload != null) {
            // What is visible is what was validated, which is all that we show.
            json.put("remote_consistent_lsn", upload.remoteConsistentLsn().toString())
                    .put("remote_consistent_lsn_visible", upload.remoteConsistentLsn().toString())
                    .put("upload_lag_bytes", upload.lagBytes())
                    .put("upload_error", upload.error());
        }
        if (info.failure() == null) {
            json.put("state", "Active");
        } else {
            json.putObject("state").putObject("Broken").put("reason", info.failure());
        }
        json.put("is_archived", info.archivedAt() != null);
        if (info.archivedAt() != null) {
            json.put("archived_at", info.archivedAt().toString());
        }
        if (info.diskFull() != null) {
            json.put("disk_full", info.diskFull());
        }
        if (info.kept().blocked() != null) {
            json.put("gc_blocked", info.kept().blocked());
        }
        ArrayNode branches = json.putArray("branches");
        info.kept().branches().forEach(id -> branches.add(id.toString()));
        ArrayNode leases = json.putArray("lsn_leases");
        for (Lease lease : info.kept().leases()) {
            leases.addObject()
                    .put("lsn", Lsn.toString(lease.lsn()))
                    .put("valid_until", Instant.ofEpochMilli(lease.validUntilMillis()).toString());
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
            case UNAUTHORIZED -> 401;
            case FORBIDDEN -> 403;
            case NOT_FOUND -> 404;
            case LSN_OUT_OF_RANGE -> 406;
            case LSN_TIMEOUT -> 408;
            case CONFLICT -> 409;
            case PRECONDITION_FAILED -> 412;
            case SHUTTING_DOWN, NO_SPACE, THROTTLED, UNAVAILABLE -> 503;
            // CANCELLED: who repeats by himself what is answered by 503 must not begin it anew.
            case CORRUPTION, UNSUPPORTED, SOURCE_BROKEN, IO, DENIED, CANCELLED -> 500;
        };
    }

    private static Answer ok(JsonNode json) {
        return new Answer(200, json);
    }
}
