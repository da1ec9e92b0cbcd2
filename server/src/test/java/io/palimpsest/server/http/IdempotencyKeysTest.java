package io.palimpsest.server.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.http.ManagementRoutes.Answer;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Requests that are made twice by one key. */
@Timeout(60)
class IdempotencyKeysTest {
    private static final byte[] THIS = {1};
    private static final byte[] THAT = {2};

    @TempDir private Path directory;

    private int done;

    private Answer did(int status) {
        return new Answer(status, null, "" + ++done, "text/plain");
    }

    @Test
    void whatWasDoneIsAnsweredAgain() {
        IdempotencyKeys keys = new IdempotencyKeys();
        Answer first = keys.answer("tenant", "k", THIS, () -> did(201));
        assertSame(first, keys.answer("tenant", "k", THIS, () -> did(201)));
        assertEquals(422, keys.answer("tenant", "k", THAT, () -> did(201)).status());
        assertEquals(1, done);
        assertEquals("2", keys.answer("other", "k", THIS, () -> did(201)).text());
        assertEquals("3", keys.answer("tenant", "l", THIS, () -> did(201)).text());
    }

    @Test
    void whatFailedIsTriedAgain() {
        IdempotencyKeys keys = new IdempotencyKeys();
        assertEquals(409, keys.answer("t", "k", THIS, () -> did(409)).status());
        PageserverException failure = PageserverException.badRequest("no");
        assertSame(
                failure,
                assertThrows(
                        PageserverException.class,
                        () ->
                                keys.answer(
                                        "t",
                                        "k",
                                        THIS,
                                        () -> {
                                            throw failure;
                                        })));
        assertEquals(200, keys.answer("t", "k", THAT, () -> did(200)).status());
    }

    @Test
    void twoAtOnceAreNotDoneTwice() {
        IdempotencyKeys keys = new IdempotencyKeys();
        Answer outer =
                keys.answer(
                        "t",
                        "k",
                        THIS,
                        () -> {
                            PageserverException e =
                                    assertThrows(
                                            PageserverException.class,
                                            () -> keys.answer("t", "k", THIS, () -> did(200)));
                            assertEquals(ErrorCode.CONFLICT, e.code());
                            return did(200);
                        });
        assertEquals("1", outer.text());
    }

    @Test
    void theOldestAreForgotten() {
        IdempotencyKeys keys = new IdempotencyKeys();
        for (int i = 0; i <= 10_000; i++) {
            Answer _ = keys.answer("t", "k" + i, THIS, () -> did(200));
        }
        int before = done;
        Answer _ = keys.answer("t", "k10000", THIS, () -> did(200));
        assertEquals(before, done, "remembered");
        Answer _ = keys.answer("t", "k0", THIS, () -> did(200));
        assertEquals(before + 1, done, "forgotten");
    }

    private static JsonNode post(
            RunningServer server, int status, String key, String path, String body)
            throws Exception {
        HttpResponse<String> answer =
                server.request(
                        "POST",
                        "/v1/tenant/" + RunningServer.TENANT + "/timeline" + path,
                        body,
                        "Idempotency-Key",
                        key);
        assertEquals(status, answer.statusCode(), answer.body());
        return new ObjectMapper().readTree(answer.body());
    }

    @Test
    void aBranchIsFoundByItsKeyAgainAfterARestart() throws Exception {
        RunningServer.writeRoot(directory);
        String body =
                "{\"ancestor_timeline_id\": \"" + RunningServer.ROOT + "\", \"name\": \"dev\"}";
        JsonNode made;
        JsonNode lease;
        String at = "{\"lsn\": \"0/3000120\"}";
        try (RunningServer server = new RunningServer(directory, null)) {
            made = post(server, 201, "k1", "", body);
            assertEquals(made, post(server, 201, "k1", "", body));
            post(server, 422, "k1", "", body.replace("dev", "test"));
            assertNotEquals(
                    made.path("timeline_id"),
                    post(server, 201, "k2", "", body.replace("dev", "test")).path("timeline_id"));
            lease = post(server, 200, "k3", "/" + RunningServer.ROOT + "/lsn_lease", at);
            assertEquals(
                    lease, post(server, 200, "k3", "/" + RunningServer.ROOT + "/lsn_lease", at));
            post(server, 422, "k3", "/dev/lsn_lease", at);
            post(server, 400, " ", "", body);
            post(server, 400, "k".repeat(256), "", body);
            post(server, 400, "k4", "", "{\"name\": \"x\"}");
        }
        try (RunningServer server = new RunningServer(directory, null)) {
            JsonNode again = post(server, 201, "k1", "", body);
            assertEquals(made.path("timeline_id"), again.path("timeline_id"));
            assertEquals("dev", again.path("name").asText());
        }
        try (RunningServer server = new RunningServer(directory, null)) {
            post(server, 422, "k1", "", body.replace("dev", "other"));
        }
    }
}
