package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What {@code check} makes of servers in all kinds of trouble. */
class ReviewTest {
    private static final String TENANT = "1".repeat(32);
    private static final String MAIN = "a".repeat(32);
    private static final String TIMELINES = "/v1/tenant/" + TENANT + "/timeline";
    private static final String SOURCE =
            "'tenant_id': '%s', 'timeline_id': '%s', 'slot': 'shop', 'host': 'h', 'port': 1, 'user': 'u'"
                    .formatted(TENANT, MAIN);

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    private final Map<String, String> answers = new TreeMap<>();
    private HttpServer server;

    @BeforeEach
    void start() throws IOException {
        answers.put(
                "/metrics",
                "# TYPE\npalimpsest_build_info{version=\"7.7\",java=\"25\"} 1\nprocess_start_time_seconds 1.7e9\npalimpsest_damaged_layer_count 0\n");
        answers.put(
                "/readyz",
                "{'ready': true, 'checks': [{'name': 'disk', 'ok': true, 'detail': 'much', 'left_bytes': 5000000000}, {'name': 'store', 'ok': true, 'detail': 'none'}]}");
        answers.put("/v1/tenant", "[{'id': '%s', 'mode': 'AttachedSingle'}]".formatted(TENANT));
        answers.put("/v1/location_config", "{'tenant_shards': []}");
        answers.put("/v1/operation", "[]");
        branch("'walreceiver_status': 'streaming'");
        answers.put(TIMELINES + "/" + MAIN, "{'compaction': {'debt_bytes': 7, 'off': []}}");
        answers.put(TIMELINES + "/" + MAIN + "/get_timestamp_of_lsn", "'2026-11-29T10:00:00Z'");
        answers.put("/v1/source", "[{" + SOURCE + "}]");
        source("streaming from h", "good", "'limit_bytes': 1000, 'retained_bytes': 100");
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext(
                "/",
                exchange -> {
                    String answer = answers.get(exchange.getRequestURI().getPath());
                    byte[] body =
                            (answer == null ? "{'msg': 'not there'}" : answer)
                                    .replace('\'', '"')
                                    .getBytes(StandardCharsets.UTF_8);
                    int status =
                            answer == null ? 404 : answer.contains("'ready': false") ? 503 : 200;
                    exchange.sendResponseHeaders(status, body.length);
                    exchange.getResponseBody().write(body);
                    exchange.close();
                });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private void branch(String more) {
        answers.put(
                TIMELINES,
                "[{'tenant_id': '%s', 'timeline_id': '%s', 'name': 'main', 'last_record_lsn': '0/100', 'min_readable_lsn': '0/8', 'current_physical_size': 5, 'resident_physical_size': 5, %s}]"
                        .formatted(TENANT, MAIN, more));
    }

    private void source(String receiver, String verdict, String slot) {
        answers.put(
                TIMELINES + "/" + MAIN + "/source",
                "{%s, 'walreceiver_status': '%s', 'verdict': '%s', 'findings': [{'what': 'max_slot_wal_keep_size', 'verdict': '%s', 'found': 'so', 'next': 'do this'}], 'slot_status': {'state': 'reserved', 'wal_end_lsn': '0/180', %s}}"
                        .formatted(SOURCE, receiver, verdict, verdict, slot));
    }

    private int run(String... words) {
        out.getBuffer().setLength(0);
        err.getBuffer().setLength(0);
        List<String> all = new java.util.ArrayList<>(List.of(words));
        all.add("--server");
        all.add("http://localhost:" + server.getAddress().getPort());
        return Palimpsest.run(
                new PrintWriter(out, true),
                new PrintWriter(err, true),
                Terminal.NONE,
                all.toArray(String[]::new));
    }

    /** It is said by all, with what to do, and with the exit status of how bad it is. */
    private void finds(int nagios, String found, String next) {
        assertEquals(nagios, run("check", "--nagios"), out.toString());
        String line = out.toString();
        assertEquals(1, line.lines().count(), line);
        assertTrue(
                line.startsWith(
                        "PALIMPSEST " + List.of("OK", "WARNING", "CRITICAL").get(nagios) + " - "),
                line);
        assertTrue(line.substring(0, line.indexOf('|')).contains(found), line);
        assertEquals(nagios == 2 ? 4 : 0, run("check"), err.toString());
        assertTrue(out.toString().contains(found), out.toString());
        assertTrue(out.toString().contains(next), out.toString());
        assertEquals(nagios == 2 ? 4 : 0, run("status"), err.toString());
        assertTrue(out.toString().contains(found), out.toString());
    }

    @Test
    void allIsWell() throws Exception {
        assertEquals(0, run("check", "--nagios"), out.toString());
        assertEquals(
                "PALIMPSEST OK - 6 things looked at | 'disk_left'=5000000000B;2000000000: 'branches'=1 'layers'=5B 'compaction_debt'=7B 'slot_shop'=100B 'slot_used_shop'=10%;50;80 'lag_shop'=128B;1073741824;10737418240 'operations'=0\n",
                out.toString());
        assertEquals(0, run("status"));
        assertTrue(out.toString().contains("server    7.7 at http://localhost:"), out.toString());
        assertTrue(out.toString().contains("shop    main     128 B"), out.toString());
        assertTrue(out.toString().contains("2026-11-29T10:00:00Z"), out.toString());
        assertEquals("", err.toString());
        assertEquals(0, run("doctor", "--json"));
        JsonNode json = JsonText.read(out.toString());
        assertEquals("good", json.path("verdict").asText());
        assertEquals(128, json.path("sources").path(0).path("lag_bytes").asLong());
        assertEquals(2, run("check", "--json", "--nagios"));
    }

    @Test
    void theServer() {
        answers.put(
                "/readyz",
                "{'ready': false, 'msg': 'no', 'checks': [{'name': 'disk', 'ok': false, 'detail': '1 MiB left', 'left_bytes': 1048576}]}");
        finds(2, "1 MiB left", "make room now");
        answers.put(
                "/readyz",
                "{'ready': true, 'checks': [{'name': 'disk', 'ok': true, 'detail': '1 GB left', 'left_bytes': 1000000000}]}");
        finds(1, "1 GB left", "gc plan");
        answers.put("/metrics", "palimpsest_damaged_layer_count 2\n");
        finds(2, "2 are damaged", "store verify");
    }

    @Test
    void tenants() {
        answers.put("/v1/tenant", "[{'id': '%s', 'fenced_by': '00000007'}]".formatted(TENANT));
        finds(1, "under generation 00000007", "Detached");
        answers.put("/v1/location_config", "{'tenant_shards': [['2222', null]]}");
        finds(1, "cannot be attached", "PAL-3002");
    }

    @Test
    void branches() {
        branch("'state': {'Broken': {'reason': 'it broke'}}");
        finds(2, "branch main: it broke".substring(13), "restart");
        branch("'disk_full': 'no space'");
        finds(2, "it takes no WAL: no space", "make room");
        branch("'gc_blocked': 'unknown'");
        finds(1, "nothing of it is collected", "put right");
        branch("'upload_error': 'denied', 'upload_lag_bytes': 2048");
        finds(1, "2.0 KiB are not in the store: denied", "store check");
        branch("'state': 'Active'");
        answers.put(TIMELINES + "/" + MAIN, "{'compaction': {'off': ['merge']}}");
        finds(2, "compaction failed too often", "compact run main --reset");
        answers.put(TIMELINES + "/" + MAIN, "{'compaction': {'debt_seconds': 7300.5, 'off': []}}");
        finds(1, "2 h 1 min behind", "compact run main");
    }

    @Test
    void sources() {
        source("broken: lost", "good", "'limit_bytes': null, 'retained_bytes': 1");
        finds(2, "broken: lost", "source rewind");
        source("waiting to connect", "good", "'limit_bytes': null, 'retained_bytes': 1");
        finds(1, "waiting to connect", "source check shop");
        source("streaming", "dangerous", "'limit_bytes': null, 'retained_bytes': 1");
        finds(1, "max_slot_wal_keep_size: so", "do this");
        source("streaming", "wrong", "'limit_bytes': null, 'retained_bytes': 1");
        finds(2, "max_slot_wal_keep_size: so", "do this");
        source("streaming", "good", "'limit_bytes': 100, 'retained_bytes': 50");
        finds(1, "50 % of what it may", "max_slot_wal_keep_size");
        source("streaming", "good", "'limit_bytes': 100, 'retained_bytes': 80");
        finds(2, "80 % of what it may", "max_slot_wal_keep_size");
        source("streaming", "good", "'limit_bytes': null, 'retained_bytes': 1");
        assertEquals(1, run("check", "--nagios", "--lag-warning", "128"), out.toString());
        assertEquals(2, run("check", "--nagios", "--lag-critical", "100"), out.toString());
        answers.put("/v1/source", "[]");
        assertEquals(0, run("status"));
        assertTrue(out.toString().contains("none is followed"), out.toString());
    }

    /** Whatever stands in a text, it is one line, and the bar is where figures begin. */
    @Test
    void textsDoNotSpoilTheLine() {
        branch("'gc_blocked': 'a | b\\n c'");
        assertEquals(1, run("check", "--nagios"));
        assertEquals(1, out.toString().lines().count(), out.toString());
        assertTrue(out.toString().contains("collected: a b c | 'disk_left'="), out.toString());
    }
}
