package io.palimpsest.regress;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;

/** A client of the management API, as far as the demo needs it. */
public final class ManagementClient implements AutoCloseable {
    private final ObjectMapper json = new ObjectMapper();
    private final HttpClient http =
            HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
    private final String base;

    public ManagementClient(InetSocketAddress address) {
        this.base =
                "http://"
                        + address.getAddress().getHostAddress()
                        + ":"
                        + address.getPort()
                        + "/v1/tenant/";
    }

    /** Imports a running PostgreSQL; returns when its base backup is in. */
    public JsonNode importFrom(TenantId tenant, TimelineId timeline, String conninfo, String slot) {
        return post(
                tenant,
                Map.of(
                        "new_timeline_id",
                        timeline.toString(),
                        "import_from",
                        Map.of("conninfo", conninfo, "slot", slot)));
    }

    public JsonNode branch(
            TenantId tenant, TimelineId timeline, TimelineId ancestor, long ancestorStartLsn) {
        return post(
                tenant,
                Map.of(
                        "new_timeline_id",
                        timeline.toString(),
                        "ancestor_timeline_id",
                        ancestor.toString(),
                        "ancestor_start_lsn",
                        Lsn.toString(ancestorStartLsn)));
    }

    /** State of a timeline; among others last_record_lsn and disk_consistent_lsn. */
    public JsonNode timeline(TenantId tenant, TimelineId timeline) {
        return send(
                HttpRequest.newBuilder(URI.create(base + tenant + "/timeline/" + timeline))
                        .timeout(Duration.ofSeconds(10))
                        .build(),
                200);
    }

    public boolean exists(TenantId tenant, TimelineId timeline) {
        try {
            HttpResponse<Void> answer =
                    http.send(
                            HttpRequest.newBuilder(
                                            URI.create(base + tenant + "/timeline/" + timeline))
                                    .timeout(Duration.ofSeconds(10))
                                    .build(),
                            HttpResponse.BodyHandlers.discarding());
            return answer.statusCode() != 404;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    /** A field of {@link #timeline} that is an LSN. */
    public long lsn(TenantId tenant, TimelineId timeline, String field) {
        JsonNode state = timeline(tenant, timeline);
        if (!state.hasNonNull(field)) {
            throw new IllegalStateException("the timeline's state has no " + field + ": " + state);
        }
        return Lsn.parse(state.get(field).asText()).value();
    }

    /** Removes a timeline that no other branched off. */
    public void delete(TenantId tenant, TimelineId timeline) {
        JsonNode _ =
                send(
                        HttpRequest.newBuilder(URI.create(base + tenant + "/timeline/" + timeline))
                                .timeout(Duration.ofSeconds(60))
                                .DELETE()
                                .build(),
                        202);
    }

    /** Keeps the LSN readable for as long as the tenant's lease length says. */
    public JsonNode lease(TenantId tenant, TimelineId timeline, long lsn) {
        return post(
                tenant + "/timeline/" + timeline + "/lsn_lease",
                Map.of("lsn", Lsn.toString(lsn)),
                200);
    }

    /** Has the server take the tenant over from its store. */
    public JsonNode attach(TenantId tenant) {
        return put(tenant + "/location_config", Map.of("mode", "AttachedSingle"));
    }

    /** Has a timeline follow a source. */
    public JsonNode follow(TenantId tenant, TimelineId timeline, String conninfo, String slot) {
        return put(
                tenant + "/timeline/" + timeline + "/source",
                Map.of("conninfo", conninfo, "slot", slot));
    }

    /** What has arrived is on the disk when this returns. */
    public JsonNode checkpoint(TenantId tenant, TimelineId timeline) {
        return put(tenant + "/timeline/" + timeline + "/checkpoint", Map.of());
    }

    /** Returns when compaction finds nothing more to do. */
    public JsonNode compactAll(TenantId tenant, TimelineId timeline) {
        return put(
                tenant + "/timeline/" + timeline + "/compact?force_image_layer_creation=true",
                Map.of());
    }

    /** Brings all layers of a timeline from the store; returns when they are here. */
    public void warmUp(TenantId tenant, TimelineId timeline, int atOnce) {
        String path = tenant + "/timeline/" + timeline + "/download_remote_layers";
        JsonNode progress = post(path, Map.of("max_concurrent_downloads", atOnce), 202);
        while (progress.path("state").asText().equals("Running")) {
            Pause.millis(5);
            progress =
                    send(
                            HttpRequest.newBuilder(URI.create(base + path))
                                    .timeout(Duration.ofSeconds(10))
                                    .build(),
                            200);
        }
        if (!progress.path("state").asText().equals("Completed")
                || progress.path("failed_download_count").asInt() != 0) {
            throw new IllegalStateException("not all layers have come: " + progress);
        }
    }

    private JsonNode put(String path, Map<String, Object> body) {
        try {
            return send(
                    HttpRequest.newBuilder(URI.create(base + path))
                            .timeout(Duration.ofMinutes(5))
                            .header("Content-Type", "application/json")
                            .PUT(HttpRequest.BodyPublishers.ofString(json.writeValueAsString(body)))
                            .build(),
                    200);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    /** What background work has come to since the server started. */
    public JsonNode background() {
        return send(
                HttpRequest.newBuilder(URI.create(base).resolve("/v1/background"))
                        .timeout(Duration.ofSeconds(10))
                        .build(),
                200);
    }

    private JsonNode post(TenantId tenant, Map<String, Object> body) {
        return post(tenant + "/timeline/", body, 201);
    }

    private JsonNode post(String path, Map<String, Object> body, int expected) {
        try {
            return send(
                    HttpRequest.newBuilder(URI.create(base + path))
                            .timeout(Duration.ofMinutes(5))
                            .header("Content-Type", "application/json")
                            .POST(
                                    HttpRequest.BodyPublishers.ofString(
                                            json.writeValueAsString(body)))
                            .build(),
                    expected);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private JsonNode send(HttpRequest request, int expected) {
        try {
            HttpResponse<String> response =
                    http.send(request, HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() != expected) {
                throw new IllegalStateException(
                        request.method()
                                + " "
                                + request.uri()
                                + ": expected status "
                                + expected
                                + ", found "
                                + response.statusCode()
                                + " "
                                + response.body());
            }
            return json.readTree(response.body());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    @Override
    public void close() {
        http.close();
    }
}
