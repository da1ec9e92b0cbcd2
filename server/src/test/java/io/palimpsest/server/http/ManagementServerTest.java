package io.palimpsest.server.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.TenantId;
import io.palimpsest.fixtures.KeyFiles;
import io.palimpsest.server.auth.Doors;
import io.palimpsest.server.auth.Tokens;
import io.palimpsest.service.Access;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class ManagementServerTest {
    private static final String TENANT = "0123456789abcdef0123456789abcdef";
    private static final String TIMELINE = "fedcba9876543210fedcba9876543210";

    @TempDir private Path directory;
    private RunningServer server;

    @BeforeEach
    void start() {
        server = new RunningServer(directory, null);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private HttpResponse<String> send(String method, String path, String body, String... headers)
            throws Exception {
        return server.request(method, path, body, headers);
    }

    private void refused(int status, String message, String method, String path, String body)
            throws Exception {
        HttpResponse<String> answer = send(method, path, body);
        assertEquals(status, answer.statusCode(), answer.body());
        String found = new ObjectMapper().readTree(answer.body()).get("msg").asText();
        assertTrue(found.contains(message), found);
    }

    @Test
    void saysThatItIsThere() throws Exception {
        HttpResponse<String> answer = send("GET", "/v1/status?x=1", "");
        assertEquals(200, answer.statusCode());
        assertEquals("{\"id\":1}", answer.body());
        assertTrue(answer.headers().firstValue("PAGESERVER_LAUNCH_TIMESTAMP").isPresent());
        answer = send("GET", "/v1/tenant", "");
        assertEquals("[]", answer.body());
    }

    @Test
    void tellsMonitoring() throws Exception {
        assertEquals("ok\n", send("GET", "/livez", "").body());
        assertEquals("ok\n", send("GET", "/startupz", "").body());
        HttpResponse<String> ready = send("GET", "/readyz", "");
        assertEquals(200, ready.statusCode());
        assertEquals("{\"ready\":true}", ready.body());
        HttpResponse<String> metrics = send("GET", "/metrics", "");
        assertEquals("some_metric 1\n", metrics.body());
        assertEquals(
                "text/plain; version=0.0.4; charset=utf-8",
                metrics.headers().firstValue("Content-Type").orElse(""));
        refused(405, "GET is", "POST", "/metrics", "");
    }

    private static String single(String generation) {
        return "{\"mode\": \"AttachedSingle\", \"generation\": " + generation + "}";
    }

    @Test
    void refusesWithReasons() throws Exception {
        String timelines = "/v1/tenant/" + TENANT + "/timeline";
        refused(404, "there is no path /v2", "GET", "/v2", "");
        refused(405, "POST is not allowed", "POST", "/v1/status", "");
        refused(400, "tenant id", "GET", "/v1/tenant/xyz/timeline", "");
        refused(404, "tenant " + TENANT, "GET", timelines, "");
        refused(412, "remote_storage", "PUT", "/v1/tenant/" + TENANT + "/remote_garbage", "");
        String location = "/v1/tenant/" + TENANT + "/location_config";
        refused(400, "generation", "PUT", location, single("0"));
        refused(400, "generation", "PUT", location, single("\"7\""));
        refused(412, "remote_storage", "PUT", location, single("7"));
        refused(404, TIMELINE, "GET", timelines + "/" + TIMELINE, "");
        refused(404, TIMELINE, "PUT", timelines + "/" + TIMELINE + "/checkpoint", "");
        refused(404, "no path", "PUT", timelines + "/" + TIMELINE + "/nonsense", "");
        refused(400, "not JSON", "POST", timelines, "{");
        refused(400, "not JSON", "POST", timelines, "{} {}");
        refused(400, "JSON object", "POST", timelines, "[]");
        refused(400, "new_timeline_id", "POST", timelines, "{}");
        refused(400, "neither", "POST", timelines, body(""));
        refused(
                400,
                "no LSN",
                "POST",
                timelines + "/",
                body(
                        ",\"ancestor_timeline_id\":\""
                                + TIMELINE
                                + "\",\"ancestor_start_lsn\":\"7\""));
        refused(
                404,
                TIMELINE,
                "POST",
                timelines,
                body(",\"ancestor_timeline_id\":\"" + TIMELINE + "\""));
        refused(400, "conninfo", "POST", timelines, body(",\"import_from\":{}"));
    }

    private static String body(String more) {
        return "{\"new_timeline_id\":\"" + TIMELINE + "\"" + more + "}";
    }

    /** Whoever answers first, and however far the connection's thread is then. */
    @Test
    void pipelinedRequestsAreAnsweredOneAfterTheOther() throws IOException {
        for (int round = 0; round < 150; round++) {
            StringBuilder requests = new StringBuilder();
            for (int i = 0; i < 12; i++) {
                requests.append("GET /nothing-")
                        .append(i)
                        .append(" HTTP/1.1\r\nHost: localhost\r\n");
                requests.append(i < 11 ? "\r\n" : "Connection: close\r\n\r\n");
            }
            String text = raw(requests.toString());
            for (int i = 1; i < 12; i++) {
                int before = text.indexOf("no path /nothing-" + (i - 1));
                assertTrue(before >= 0 && before < text.indexOf("no path /nothing-" + i), text);
            }
        }
    }

    @Test
    void answersPipelinedRequestsInOrderAndGarbageNotAtAll() throws IOException {
        try (Socket socket = new Socket("127.0.0.1", server.address().getPort())) {
            socket.setSoTimeout(10_000);
            String get = " HTTP/1.1\r\nHost: localhost\r\n\r\n";
            socket.getOutputStream()
                    .write(
                            ("GET /v1/status" + get + "GET /a" + get + "GET /b" + get)
                                    .getBytes(StandardCharsets.UTF_8));
            StringBuilder text = new StringBuilder();
            InputStream in = socket.getInputStream();
            byte[] buffer = new byte[1024];
            while (!text.toString().contains("no path /b")) {
                int n = in.read(buffer);
                assertTrue(n > 0, text.toString());
                text.append(new String(buffer, 0, n, StandardCharsets.UTF_8));
            }
            assertTrue(text.indexOf("\"id\"") < text.indexOf("no path /a"));
            assertTrue(text.indexOf("no path /a") < text.indexOf("no path /b"));
        }
        try (Socket socket = new Socket("127.0.0.1", server.address().getPort())) {
            socket.setSoTimeout(10_000);
            socket.getOutputStream()
                    .write("\0\1\2 rubbish\r\n\r\n".getBytes(StandardCharsets.UTF_8));
            String text =
                    new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertTrue(text.startsWith("HTTP/1.1 400"), text);
        }
    }

    private String raw(String request) throws IOException {
        try (Socket socket = new Socket("127.0.0.1", server.address().getPort())) {
            socket.setSoTimeout(10_000);
            socket.getOutputStream().write(request.getBytes(StandardCharsets.UTF_8));
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private void answers(int status, String word, String headers) throws IOException {
        String text = raw("GET /v1/tenant HTTP/1.1\r\n" + headers + "Connection: close\r\n\r\n");
        assertTrue(text.startsWith("HTTP/1.1 " + status), text);
        assertTrue(text.contains(word), text);
    }

    /** A page that somebody on this machine looks at is not somebody on this machine. */
    @Test
    void webPagesDoNotDriveIt() throws Exception {
        answers(200, "[]", "Host: localhost:9898\r\n");
        answers(200, "[]", "Host: [::1]:9898\r\n");
        answers(200, "[]", "Host: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n");
        answers(403, "evil.example", "Host: localhost\r\nOrigin: https://evil.example\r\n");
        answers(403, "web page of null", "Host: localhost\r\nOrigin: null\r\n");
        answers(403, "the Host is 'evil.example:80'", "Host: evil.example:80\r\n");
        String form =
                raw(
                        "POST /v1/tenant/"
                                + TENANT
                                + "/timeline HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
        assertTrue(form.startsWith("HTTP/1.1 415"), form);
        assertTrue(form.contains("application/json, found 'text/plain'"), form);
    }

    private int status(String method, String path, String authorization) throws Exception {
        return send(method, path, "", "Authorization", authorization).statusCode();
    }

    @Test
    void aTokenOpensWhatItIsForAndNothingElse() throws Exception {
        KeyFiles files = new KeyFiles();
        Path key = files.privateKey(directory.resolve("private"));
        Tokens tokens =
                new Tokens(
                        files.publicKey(directory.resolve("public.pem")), InstantSource.system());
        server.reopen(new Doors(false, true, tokens));
        String all = "Bearer " + Tokens.signed(key, Access.EVERYTHING, null);
        String one = "bearer " + Tokens.signed(key, new Access(TenantId.parse(TENANT)), null);
        String timelines = "/v1/tenant/" + TENANT + "/timeline";
        String others = "/v1/tenant/" + TIMELINE + "/timeline";

        for (String open : List.of("/v1/status", "/livez", "/startupz", "/readyz?verbose")) {
            assertEquals(200, send("GET", open, "").statusCode(), open);
        }
        assertEquals(401, send("GET", "/metrics", "").statusCode());
        assertEquals(403, status("GET", "/metrics", one));
        assertEquals(200, status("GET", "/metrics", all));
        String config = "/v1/tenant/config";
        String ofIt = "{\"tenant_id\": \"" + TENANT + "\", \"gc_horizon\": 1}";
        String ofAnother = ofIt.replace(TENANT, TIMELINE);
        assertEquals(401, send("PATCH", config, ofIt).statusCode());
        assertEquals(404, send("PATCH", config, ofIt, "Authorization", one).statusCode());
        assertEquals(403, send("PATCH", config, ofAnother, "Authorization", one).statusCode());
        assertEquals(404, send("PATCH", config, ofAnother, "Authorization", all).statusCode());
        assertEquals(400, send("PUT", config, "{}", "Authorization", one).statusCode());
        HttpResponse<String> nobody = send("GET", "/v1/tenant", "");
        assertEquals(401, nobody.statusCode());
        assertEquals("Bearer", nobody.headers().firstValue("WWW-Authenticate").orElse(""));
        for (String path : List.of("/v1/tenant", timelines, "/v1/nonsense", "/v1/status/")) {
            assertEquals(401, status("GET", path, "Basic eDp5"), path);
            assertEquals(401, status("GET", path, "Bearer nonsense"), path);
        }
        // 404: let in, and there is no such tenant.
        assertEquals(404, status("GET", timelines, one));
        assertEquals(404, status("GET", timelines, all));
        assertEquals(403, status("GET", others, one));
        assertEquals(403, status("POST", others, one));
        assertEquals(403, status("DELETE", others + "/" + TIMELINE, one));
        assertEquals(403, status("PUT", "/v1/tenant/" + TIMELINE + "/location_config", one));
        for (String path : List.of("/v1/tenant", "/v1/background", "/v1/store/tenant")) {
            assertEquals(403, status("GET", path, one), path);
        }
        assertEquals(200, status("GET", "/v1/tenant", all));
        assertEquals(403, status("POST", "/v1/reload_auth_validation_keys", one));
        assertEquals(200, status("POST", "/v1/reload_auth_validation_keys", all));
    }

    @Test
    void whereNobodyIsAskedThereAreNoKeys() throws Exception {
        refused(400, "http_auth_type", "POST", "/v1/reload_auth_validation_keys", "");
    }
}
