package io.palimpsest.server.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.server.store.LocalStore;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two servers with a store, and what each is told to be to a tenant. */
class ManagementLocationsTest {
    private static final String TENANT = RunningServer.TENANT;
    private static final String ROOT = RunningServer.ROOT;
    private static final String CONFIG = "/v1/tenant/" + TENANT + "/location_config";
    private static final String SEEN = "/v1/location_config/" + TENANT;

    /** A page server that is told what it is to the tenant. */
    private record Server(RunningServer running) {
        Timeline root() {
            return running.tenants().timeline(TenantId.parse(TENANT), TimelineId.parse(ROOT));
        }

        JsonNode send(int status, String method, String path, String body) throws Exception {
            return running.send(status, method, path, body);
        }

        void locate(int status, String mode, String more) throws Exception {
            JsonNode _ = send(status, "PUT", CONFIG, "{\"mode\": \"" + mode + "\"" + more + "}");
        }

        String mode() throws Exception {
            return send(200, "GET", SEEN, "").get("mode").textValue();
        }
    }

    @TempDir private Path directory;
    private Server first;
    private Server second;

    @BeforeEach
    void start() throws Exception {
        RunningServer.writeRoot(directory.resolve("first"));
        Files.createDirectories(directory.resolve("second"));
        first = server("first");
        second = server("second");
        Modifications m = new Modifications();
        for (int i = 1; i <= 3; i++) {
            long lsn = 0x3000120 + 8 * i;
            m.image(Keys.twoPhase(0, i % 2), lsn, new byte[] {(byte) i});
            first.root().commit(m, lsn - 8, lsn);
            m.clear();
            first.root().flushUpTo(lsn);
        }
    }

    private Server server(String name) {
        return new Server(
                new RunningServer(
                        directory.resolve(name), new LocalStore(directory.resolve("store"))));
    }

    @AfterEach
    void stop() {
        first.running.close();
        second.running.close();
    }

    /** As a control program does it that moves a tenant while it is read. */
    @Test
    void aTenantIsMovedFromOneServerToTheOther() throws Exception {
        assertEquals("AttachedSingle", first.mode());
        second.send(404, "GET", SEEN, "");
        first.locate(200, "AttachedStale", ", \"generation\": 1");
        second.locate(200, "AttachedMulti", ", \"generation\": 2, \"tenant_conf\": {}");
        assertEquals("AttachedStale", first.mode());
        assertEquals(
                "{\"mode\":\"AttachedMulti\",\"generation\":2,\"secondary_conf\":null,\"shard_number\":0,"
                        + "\"shard_count\":0,\"shard_stripe_size\":0,\"tenant_conf\":{}}",
                second.send(200, "GET", SEEN, "").toString());
        assertEquals(first.root().lastRecordLsn(), second.root().lastRecordLsn());
        second.locate(200, "AttachedSingle", ", \"generation\": 2");
        first.locate(200, "Secondary", ", \"secondary_conf\": {\"warm\": false}");
        String pages = "/v1/tenant/" + TENANT + "/timeline/" + ROOT;
        assertTrue(first.send(503, "GET", pages, "").get("msg").textValue().contains("Secondary"));
        assertEquals(
                "[[\""
                        + TENANT
                        + "\",{\"mode\":\"Secondary\",\"generation\":null,"
                        + "\"secondary_conf\":{\"warm\":false},\"shard_number\":0,\"shard_count\":0,"
                        + "\"shard_stripe_size\":0,\"tenant_conf\":{}}]]",
                first.send(200, "GET", "/v1/location_config", "").get("tenant_shards").toString());
        first.locate(200, "Detached", "");
        first.locate(200, "Detached", "");
        first.send(404, "GET", SEEN, "");
        first.send(404, "GET", pages, "");
        assertFalse(Files.exists(directory.resolve("first/tenants/" + TENANT)));
        JsonNode attached = second.send(200, "GET", "/v1/tenant", "").get(0);
        assertEquals("AttachedSingle", attached.get("mode").textValue());
        assertEquals(2, attached.get("generation").intValue());
    }

    @Test
    void whatCannotBeIsRefusedWithItsReason() throws Exception {
        first.locate(400, "AttachedDouble", "");
        first.locate(400, "AttachedSingle", ", \"color\": \"red\"");
        first.locate(400, "AttachedSingle", ", \"tenant_conf\": null");
        first.locate(400, "AttachedSingle", ", \"tenant_conf\": {\"gc_period\": 1}");
        first.locate(400, "AttachedSingle", ", \"tenant_conf\": {\"gc\": \"1h\"}");
        first.locate(400, "AttachedSingle", ", \"shard_count\": 2");
        first.locate(400, "Secondary", ", \"secondary_conf\": {}");
        first.send(400, "PUT", CONFIG + "?flush_ms=soon", "{\"mode\": \"AttachedStale\"}");
        first.locate(409, "AttachedSingle", ", \"generation\": 7");
        first.locate(409, "AttachedStale", ", \"generation\": 2");
        second.locate(409, "AttachedStale", "");
        first.locate(200, "AttachedMulti", ", \"generation\": 2");
        first.locate(400, "AttachedMulti", ", \"generation\": 1");
        String pages = "/v1/tenant/" + TENANT + "/timeline/" + ROOT;
        first.send(412, "DELETE", pages, "");
        first.send(412, "PUT", pages + "/do_gc", "");
        first.send(412, "PUT", "/v1/tenant/" + TENANT + "/remote_garbage", "");
        JsonNode _ =
                first.send(
                        200,
                        "PUT",
                        CONFIG + "?flush_ms=1000&lazy=true",
                        "{\"mode\": \"AttachedStale\"}");
        first.send(412, "PUT", pages + "/compact", "");
        first.send(412, "PUT", pages + "/archival_config", "{\"state\": \"Archived\"}");
        // Nobody else has it.
        first.locate(409, "Detached", "");
        first.send(405, "POST", SEEN, "");
    }

    @Test
    void aSecondaryIsWarmedAndTakesOver() throws Exception {
        String tenant = "/v1/tenant/" + TENANT;
        assertTrue(first.root().awaitStored(10_000_000_000L));
        second.send(404, "GET", tenant + "/secondary/status", "");
        second.locate(200, "Secondary", ", \"secondary_conf\": {\"warm\": true}");
        JsonNode none = second.send(202, "POST", tenant + "/secondary/download?wait_ms=5000", "");
        assertTrue(none.get("heatmap_mtime").isNull());
        first.send(200, "POST", tenant + "/heatmap_upload", "");
        second.send(412, "POST", tenant + "/heatmap_upload", "");
        JsonNode all = second.send(200, "POST", tenant + "/secondary/download?wait_ms=20000", "");
        assertEquals(3, all.get("layers_downloaded").intValue());
        assertEquals(all, second.send(200, "GET", tenant + "/secondary/status", ""));
        assertEquals(first.root().layerBytes(), all.get("bytes_total").longValue());
        assertTrue(
                second.send(503, "GET", tenant + "/timeline/" + ROOT, "")
                        .get("msg")
                        .textValue()
                        .contains("Secondary"));
        second.send(400, "POST", tenant + "/secondary/download?wait_ms=-1", "");
        second.send(405, "GET", tenant + "/secondary/download", "");
        second.locate(200, "AttachedSingle", ", \"generation\": 2");
        JsonNode root = second.send(200, "GET", tenant + "/timeline/" + ROOT, "");
        assertEquals(
                root.get("current_physical_size").longValue(),
                root.get("resident_physical_size").longValue());
        second.send(404, "GET", tenant + "/secondary/status", "");
    }

    /** What a control plane says with a location is what the tenant has of its own from then on. */
    @Test
    void whatATenantHasOfItsOwnComesWithItsLocation() throws Exception {
        first.locate(200, "AttachedSingle", ", \"tenant_conf\": {\"gc_period\": \"1h\"}");
        JsonNode own = first.send(200, "GET", SEEN, "").get("tenant_conf");
        assertEquals("{\"gc_period\":\"1 h\"}", own.toString());
        first.locate(200, "AttachedSingle", "");
        assertEquals(own, first.send(200, "GET", SEEN, "").get("tenant_conf"));
        first.locate(200, "AttachedSingle", ", \"tenant_conf\": {}");
        assertEquals("{}", first.send(200, "GET", SEEN, "").get("tenant_conf").toString());
    }
}
