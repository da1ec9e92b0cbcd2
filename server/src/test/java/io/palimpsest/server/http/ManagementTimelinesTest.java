package io.palimpsest.server.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the API does to a timeline's branches: of a root without a layer, written by hand. */
class ManagementTimelinesTest {
    private static final String TENANT = RunningServer.TENANT;
    private static final String ROOT = RunningServer.ROOT;
    private static final String BRANCH = "00000000000000000000000000000001";
    private static final String TWIG = "00000000000000000000000000000002";
    private static final String SIBLING = "00000000000000000000000000000003";
    private static final String TIMELINES = "/v1/tenant/" + TENANT + "/timeline";

    @TempDir private Path directory;
    private RunningServer server;

    @BeforeEach
    void start() throws Exception {
        RunningServer.writeRoot(directory);
        server = new RunningServer(directory, null);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private JsonNode send(int status, String method, String path, String body) throws Exception {
        return server.send(status, method, TIMELINES + path, body);
    }

    private void branch(String id, String of) throws Exception {
        JsonNode made =
                send(
                        201,
                        "POST",
                        "",
                        "{\"new_timeline_id\":\"%s\",\"ancestor_timeline_id\":\"%s\"}"
                                .formatted(id, of));
        assertEquals(of, made.get("ancestor_timeline_id").textValue());
    }

    @Test
    void branchesAreMadeArchivedDetachedAndDeleted() throws Exception {
        branch(BRANCH, ROOT);
        branch(TWIG, BRANCH);
        JsonNode root = send(200, "GET", "/" + ROOT, "");
        assertEquals("[\"" + BRANCH + "\"]", root.get("branches").toString());
        assertEquals("0/3000120", root.get("applied_gc_cutoff_lsn").textValue());
        assertEquals(7 * 86_400, root.get("pitr_interval_seconds").longValue());
        assertFalse(root.get("is_archived").booleanValue());

        String archived = "{\"state\":\"Archived\"}";
        send(412, "PUT", "/" + BRANCH + "/archival_config", archived);
        send(400, "PUT", "/" + BRANCH + "/archival_config", "{\"state\":\"asleep\"}");
        send(200, "PUT", "/" + TWIG + "/archival_config", archived);
        JsonNode twig = send(200, "GET", "/" + TWIG, "");
        assertTrue(twig.get("is_archived").booleanValue());
        assertTrue(Instant.parse(twig.get("archived_at").textValue()).isAfter(Instant.EPOCH));
        send(200, "PUT", "/" + TWIG + "/archival_config", "{\"state\":\"Unarchived\"}");

        send(412, "DELETE", "/" + BRANCH, "");
        JsonNode detached = send(200, "PUT", "/" + TWIG + "/detach_ancestor", "");
        assertEquals("{\"reparented_timelines\":[]}", detached.toString());
        assertNull(send(200, "GET", "/" + TWIG, "").get("ancestor_timeline_id"));
        branch(SIBLING, ROOT);
        send(400, "PUT", "/" + BRANCH + "/detach_ancestor?detach_behavior=v9", "");
        JsonNode moved = send(200, "PUT", "/" + SIBLING + "/detach_ancestor", "");
        String both = "{\"reparented_timelines\":[\"" + BRANCH + "\"]}";
        assertEquals(both, moved.toString());
        assertEquals(
                SIBLING,
                send(200, "GET", "/" + BRANCH, "").get("ancestor_timeline_id").textValue());
        send(412, "DELETE", "/" + SIBLING, "");
        moved = send(200, "PUT", "/" + SIBLING + "/detach_ancestor?detach_behavior=v1", "");
        assertEquals(both, moved.toString(), "the same again");
        String stay = "/detach_ancestor?detach_behavior=multi_level_and_no_reparent";
        assertEquals(
                "{\"reparented_timelines\":[]}",
                send(200, "PUT", "/" + SIBLING + stay, "").toString());
        send(202, "DELETE", "/" + BRANCH, "");
        send(404, "DELETE", "/" + BRANCH, "");
        send(404, "GET", "/" + BRANCH, "");
    }

    @Test
    void backgroundWorkIsAskedFor() throws Exception {
        Timeline root = server.tenants().timeline(TenantId.parse(TENANT), TimelineId.parse(ROOT));
        Modifications m = new Modifications();
        for (int i = 1; i <= 3; i++) {
            long lsn = 0x3000120 + 8 * i;
            m.image(Keys.twoPhase(0, i % 2), lsn, new byte[] {(byte) i});
            root.commit(m, lsn - 8, lsn);
            m.clear();
            send(200, "PUT", "/" + ROOT + "/checkpoint", "");
        }
        JsonNode before = send(200, "GET", "/" + ROOT, "");
        assertEquals(3, before.get("layer_count").intValue());
        assertEquals(
                "{\"debt_bytes\":0,\"debt_seconds\":0.0,\"off\":[],\"damaged_layers\":[]}",
                before.get("compaction").toString());

        send(200, "PUT", "/" + ROOT + "/compact", "");
        assertEquals(3, root.l0Count(), "three are not worth it");
        send(200, "PUT", "/" + ROOT + "/compact?force_l0_compaction=true", "");
        assertEquals(0, root.l0Count());
        assertEquals(0, images(root), "one layer is not worth an image");
        send(200, "PUT", "/" + ROOT + "/compact?force_image_layer_creation=true", "");
        assertTrue(images(root) > 0);
        send(400, "PUT", "/" + ROOT + "/compact?dry_run=true", "");
        send(405, "GET", "/" + ROOT + "/compact", "");

        JsonNode kept = send(200, "PUT", "/" + ROOT + "/do_gc", "");
        assertEquals(0, kept.get("layers_removed").intValue());
        JsonNode collected = send(200, "PUT", "/" + ROOT + "/do_gc", "{\"gc_horizon\":0}");
        assertEquals(collected.get("layers_total"), kept.get("layers_total"));
        assertTrue(collected.get("layers_removed").intValue() > 0, collected.toString());
        assertTrue(collected.get("bytes_removed").longValue() > 0, collected.toString());
        JsonNode after = send(200, "GET", "/" + ROOT, "");
        assertEquals("0/3000138", after.get("applied_gc_cutoff_lsn").textValue());
        send(400, "PUT", "/" + ROOT + "/do_gc", "{\"gc_horizon\":\"all\"}");
        send(400, "PUT", "/" + ROOT + "/do_gc", "{\"gc_horizon\":-1}");
        JsonNode refused = send(406, "POST", "/" + ROOT + "/lsn_lease", "{\"lsn\":\"0/3000120\"}");
        assertTrue(refused.get("msg").textValue().contains("kept from 0/3000138"));
    }

    private static long images(Timeline timeline) {
        return timeline.durableLayers().stream().filter(d -> d.name().image()).count();
    }

    private Timeline rootWithOneLayer() throws Exception {
        Timeline root = server.tenants().timeline(TenantId.parse(TENANT), TimelineId.parse(ROOT));
        Modifications m = new Modifications();
        long lsn = 0x3000120 + 8;
        m.image(Keys.twoPhase(0, 1), lsn, new byte[] {1});
        root.commit(m, lsn - 8, lsn);
        send(200, "PUT", "/" + ROOT + "/checkpoint", "");
        return root;
    }

    @Test
    void aDamagedLayerIsNamedUntilItIsTriedAgain() throws Exception {
        Timeline root = rootWithOneLayer();
        String name = root.durableLayers().getFirst().name().toString();
        Path file = directory.resolve("tenants/" + TENANT + "/timelines/" + ROOT + "/" + name);
        byte[] good = Files.readAllBytes(file);
        byte[] bad = good.clone();
        bad[85] ^= 1;
        Files.write(file, bad);
        JsonNode failed =
                send(500, "PUT", "/" + ROOT + "/compact?force_image_layer_creation=true", "");
        assertTrue(failed.get("msg").textValue().contains(name), failed.toString());
        String damaged = "[\"" + name + "\"]";
        assertEquals(damaged, compaction("damaged_layers"));
        Files.write(file, good);
        assertEquals(damaged, compaction("damaged_layers"));
        send(200, "PUT", "/" + ROOT + "/reset_compaction", "");
        assertEquals("[]", compaction("damaged_layers"));
        send(200, "PUT", "/" + ROOT + "/compact?force_l0_compaction=true", "");
        assertEquals(0, root.l0Count());
    }

    @Test
    void layersStayWhereThereIsNoStore() throws Exception {
        Timeline root = rootWithOneLayer();
        JsonNode layers = send(200, "GET", "/" + ROOT + "/layer", "").get("historic_layers");
        assertEquals(1, layers.size());
        assertFalse(layers.get(0).get("remote").booleanValue());
        String layer = "/" + ROOT + "/layer/" + layers.get(0).get("layer_file_name").textValue();
        send(304, "GET", layer, "");
        JsonNode refused = send(412, "DELETE", layer, "");
        assertTrue(refused.get("msg").textValue().contains("must stay"), refused.toString());
        send(405, "PUT", layer, "");
        String all = "/" + ROOT + "/download_remote_layers";
        send(404, "GET", all, "");
        send(400, "POST", all, "{\"max_concurrent_downloads\":0}");
        send(400, "POST", all, "{}");
        String nothing =
                "{\"task_id\":\"1\",\"state\":\"Completed\",\"total_layer_count\":0,\"successful_download_count\":0,\"failed_download_count\":0,\"downloaded_bytes\":0}";
        assertEquals(
                nothing, send(202, "POST", all, "{\"max_concurrent_downloads\":4}").toString());
        assertEquals(nothing, send(200, "GET", all, "").toString());
        send(400, "DELETE", "/" + ROOT + "/layer/nothing", "");
        send(400, "GET", layer.replace("-FFFF", "-EFFF"), "");
        JsonNode timeline = send(200, "GET", "/" + ROOT, "");
        assertEquals(timeline.get("current_physical_size"), timeline.get("resident_physical_size"));
    }

    private String compaction(String field) throws Exception {
        return send(200, "GET", "/" + ROOT, "").get("compaction").get(field).toString();
    }

    @Test
    void leasesTimesAndLayersAreAskedFor() throws Exception {
        JsonNode lease = send(200, "POST", "/" + ROOT + "/lsn_lease", "{\"lsn\":\"0/3000120\"}");
        Instant until = Instant.parse(lease.get("valid_until").textValue());
        assertTrue(until.isAfter(Instant.now().plusSeconds(500)), until.toString());
        assertEquals(
                "0/3000120",
                send(200, "GET", "/" + ROOT, "").get("lsn_leases").get(0).get("lsn").textValue());
        send(406, "POST", "/" + ROOT + "/lsn_lease", "{\"lsn\":\"0/3000118\"}");
        send(406, "POST", "/" + ROOT + "/lsn_lease", "{\"lsn\":\"0/3000128\"}");
        send(400, "POST", "/" + ROOT + "/lsn_lease", "{\"lsn\":3}");

        String byTime = "/" + ROOT + "/get_lsn_by_timestamp";
        JsonNode found = send(200, "GET", byTime + "?timestamp=2026-11-24T13%3A10%3A15Z", "");
        assertEquals("nodata", found.get("kind").textValue());
        assertEquals("0/3000120", found.get("lsn").textValue());
        send(400, "GET", byTime, "");
        send(400, "GET", byTime + "?timestamp=yesterday", "");
        send(412, "GET", "/" + ROOT + "/get_timestamp_of_lsn?lsn=0/3000120", "");
        send(406, "GET", "/" + ROOT + "/get_timestamp_of_lsn?lsn=0/1000", "");
        assertEquals(
                "{\"historic_layers\":[]}", send(200, "GET", "/" + ROOT + "/layer", "").toString());
        send(
                400,
                "POST",
                "",
                ("{\"new_timeline_id\":\"%s\",\"ancestor_timeline_id\":\"%s\","
                                + "\"ancestor_start_lsn\":\"0/3000120\",\"ancestor_start_time\":\"2026-11-24T13:10:15Z\"}")
                        .formatted(BRANCH, ROOT));
        send(
                406,
                "POST",
                "",
                ("{\"new_timeline_id\":\"%s\",\"ancestor_timeline_id\":\"%s\","
                                + "\"ancestor_start_time\":\"2026-11-24T13:10:15Z\"}")
                        .formatted(BRANCH, ROOT));
    }
}
