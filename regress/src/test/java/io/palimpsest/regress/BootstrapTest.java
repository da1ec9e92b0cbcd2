package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.fixtures.PostgresBinaries;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Clusters that nobody has used, by PostgreSQL's own initdb: of each version, at once a server. */
class BootstrapTest {
    private static final TenantId TENANT = TenantId.parse("00112233445566778899aabbccddee00");

    @Test
    void anEmptyClusterOfEachVersionCanBeConnectedTo() throws Exception {
        Path home = EmbeddedPostgres.temporaryDirectory("palimpsest-bootstrap-");
        Path distribution = home.resolve("postgres");
        Files.createDirectories(distribution);
        for (int major = 14; major <= 18; major++) {
            Files.createSymbolicLink(
                    distribution.resolve("v" + major), PostgresBinaries.fetch(major).home());
        }
        try (ServerProcess server =
                new ServerProcess(home, List.of("pg_distrib_dir='" + distribution + "'"))) {
            server.start();
            for (int major = 14; major <= 18; major++) {
                made(server, major, home.resolve("copies"));
            }
            refused(server);
        } finally {
            EmbeddedPostgres.deleteDirectory(home);
        }
    }

    private static void made(ServerProcess server, int major, Path copies) throws Exception {
        String id = String.format("%032x", major);
        String body =
                "{\"new_timeline_id\":\"%s\",\"pg_version\":%d,\"name\":\"fresh-%d\"}"
                        .formatted(id, major, major);
        JsonNode made = post(server, 201, body);
        assertEquals(major, made.get("pg_version").intValue());
        assertEquals("fresh-" + major, made.get("name").textValue());
        assertEquals(
                made.get("last_record_lsn"),
                post(server, 201, body).get("last_record_lsn"),
                "the same again");
        Path bin = PostgresBinaries.fetch(major).home().resolve("bin");
        try (ConnectedCopy copy =
                ConnectedCopy.start(server, TENANT, TimelineId.parse(id), 0, copies, bin)) {
            assertEquals("UTF8", copy.sql("SHOW server_encoding"));
            assertEquals("on", copy.sql("SHOW data_checksums"));
            assertEquals("3", copy.sql("SELECT count(*) FROM pg_database"));
            assertEquals(List.of(), copy.damage());
        }
    }

    private static void refused(ServerProcess server) throws Exception {
        String other = "\"new_timeline_id\":\"%032x\"".formatted(0xf0);
        String taken = "{" + other + ",\"pg_version\":17,\"name\":\"fresh-18\"}";
        assertTrue(post(server, 409, taken).get("msg").textValue().contains("called fresh-18"));
        post(server, 409, "{\"new_timeline_id\":\"%032x\",\"pg_version\":17}".formatted(18));
        post(server, 400, "{" + other + ",\"pg_version\":13}");
        post(server, 400, "{" + other + ",\"pg_version\":\"17\"}");
        post(server, 400, "{" + other + "}");
        Map<String, String> environment =
                Map.of("PALIMPSEST_SERVER", "http://127.0.0.1:" + server.management().getPort());
        CommandLineRun both =
                CommandLineRun.of(
                        environment,
                        "branch",
                        "create",
                        "x",
                        "--empty",
                        "17",
                        "--from",
                        "fresh-17");
        assertEquals(2, both.status(), both.all());
    }

    private static JsonNode post(ServerProcess server, int status, String body) throws Exception {
        URI uri =
                URI.create(
                        "http://127.0.0.1:%d/v1/tenant/%s/timeline"
                                .formatted(server.management().getPort(), TENANT));
        HttpRequest request =
                HttpRequest.newBuilder(uri)
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build();
        try (HttpClient http = HttpClient.newHttpClient()) {
            HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
            assertEquals(status, answer.statusCode(), answer.body());
            return CommandLineRun.json(answer.body());
        }
    }
}
