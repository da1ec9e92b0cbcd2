package io.palimpsest.server.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.KeyFiles;
import io.palimpsest.server.auth.Doors;
import io.palimpsest.server.auth.Tokens;
import io.palimpsest.server.store.LocalStore;
import io.palimpsest.service.Access;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import java.io.InputStream;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The management API against its description: the routes are those of the document, and what two
 * real servers answer to the cases of {@code api.txt} is what it says. A route that no case has
 * succeed fails the test.
 */
@Timeout(120)
class ApiTest {
    private static final String CASES = "api.txt";

    @TempDir private Path directory;

    private final ApiDescription description = ApiDescription.read();
    private final TreeSet<String> succeeded = new TreeSet<>();
    private final TreeMap<String, String> names =
            new TreeMap<>(
                    Map.of(
                            "T",
                            RunningServer.TENANT,
                            "R",
                            RunningServer.ROOT,
                            "B",
                            "b".repeat(32),
                            "C",
                            "c".repeat(32)));

    @Test
    void theDescriptionHasTheRoutesAndNoOthers() throws Exception {
        try (RunningServer server = new RunningServer(directory, null)) {
            TreeSet<String> routes = new TreeSet<>();
            server.router()
                    .routes()
                    .forEach(route -> assertTrue(routes.add(name(route)), name(route) + " twice"));
            assertEquals(routes, description.operations());
            for (Router.Route route : server.router().routes()) {
                assertEquals(route.open(), description.isOpen(name(route)), name(route));
                assertEquals(
                        route.method().equals("POST"),
                        description.takesIdempotencyKey(name(route)),
                        name(route));
            }
        }
        description.check();
    }

    private static String name(Router.Route route) {
        return route.method() + " " + route.template();
    }

    @Test
    void answersAreAsDescribedAndEachRouteHasSucceeded() throws Exception {
        RunningServer.writeRoot(directory.resolve("1"));
        Files.createDirectories(directory.resolve("2"));
        LocalStore store = new LocalStore(directory.resolve("store"));
        TreeSet<String> routes = new TreeSet<>();
        try (RunningServer first = new RunningServer(directory.resolve("1"), store);
                RunningServer second = new RunningServer(directory.resolve("2"), store)) {
            fill(
                    first.tenants()
                            .timeline(
                                    TenantId.parse(RunningServer.TENANT),
                                    TimelineId.parse(RunningServer.ROOT)));
            JsonNode last = null;
            for (String line : cases()) {
                if (line.startsWith("= ")) {
                    String[] words = line.split(" ");
                    names.put(words[2], last.at("/" + words[1]).asText());
                } else if (line.startsWith("elsewhere ")) {
                    elsewhere(line.split(" ", 5));
                } else {
                    String[] words = line.split(" ", 5);
                    last = ask(words[0].equals("1") ? first : second, words);
                }
            }
            count(first, routes);
            count(second, routes);
            reload(first);
            count(first, routes);
        }
        routes.removeAll(succeeded);
        assertEquals(new TreeSet<>(), routes, "no case of " + CASES + " has these succeed");
    }

    /** Three layers. */
    private static void fill(Timeline root) {
        Modifications m = new Modifications();
        for (int i = 1; i <= 3; i++) {
            long lsn = 0x3000120 + 8 * i;
            m.image(Keys.twoPhase(0, i % 2), lsn, new byte[] {(byte) i});
            root.commit(m, lsn - 8, lsn);
            m.clear();
            root.flushUpTo(lsn);
        }
        assertTrue(root.awaitStored(10_000_000_000L));
    }

    private static List<String> cases() throws Exception {
        try (InputStream in = ApiTest.class.getResourceAsStream(CASES)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.isBlank() && !line.startsWith("#"))
                    .toList();
        }
    }

    /** The words: server, method, path, status, body. */
    private JsonNode ask(RunningServer server, String[] words) throws Exception {
        String path = named(words[2]);
        String body = words.length == 5 ? named(words[4]) : "";
        HttpResponse<String> answer = server.request(words[1], path, body);
        String what = String.join(" ", words) + "\nanswered " + answer.body();
        assertEquals(Integer.parseInt(words[3]), answer.statusCode(), what);
        assertFalse(answer.body().contains("hidden"), what);
        return described(server, words[1], path, answer, what);
    }

    private String named(String text) {
        String named = text;
        for (Map.Entry<String, String> name : names.descendingMap().entrySet()) {
            named = named.replace("$" + name.getKey(), name.getValue());
        }
        return named;
    }

    /** The answer, which must be as the description has it. */
    private JsonNode described(
            RunningServer server,
            String method,
            String path,
            HttpResponse<String> answer,
            String what)
            throws Exception {
        String type = answer.headers().firstValue("Content-Type").orElse("");
        String operation = operation(server, method, path.replaceAll("\\?.*", ""));
        boolean json = type.equals("application/json");
        JsonNode body =
                json && !answer.body().isEmpty()
                        ? new ObjectMapper().readTree(answer.body())
                        : new ObjectMapper().getNodeFactory().textNode(answer.body());
        List<String> wrong =
                description.mismatches(operation, answer.statusCode(), type, body, path);
        assertEquals(List.of(), wrong, what);
        return body;
    }

    /** Which route answered; empty if none has that path and method. */
    private static String operation(RunningServer server, String method, String path) {
        List<String> found = new ArrayList<>();
        for (Router.Route route : server.router().routes()) {
            String pattern = route.template().replaceAll("\\{\\w+}", "[^/]+");
            if (route.method().equals(method) && path.matches(pattern)) {
                found.add(name(route));
            }
        }
        assertTrue(found.size() <= 1, found.toString());
        return found.isEmpty() ? "" : found.getFirst();
    }

    /** Where else a route succeeds: that test is there, and calls it so. */
    private void elsewhere(String[] words) throws Exception {
        Path file = Path.of("..").resolve(words[3]);
        assertTrue(Files.readString(file).contains(words[4]), words[3] + " has no " + words[4]);
        succeeded.add(words[1] + " " + words[2]);
    }

    private void reload(RunningServer server) throws Exception {
        KeyFiles files = new KeyFiles();
        Path key = files.privateKey(directory.resolve("private"));
        Tokens tokens =
                new Tokens(
                        files.publicKey(directory.resolve("public.pem")), InstantSource.system());
        server.reopen(new Doors(false, true, tokens));
        HttpResponse<String> answer =
                server.request(
                        "POST",
                        "/v1/reload_auth_validation_keys",
                        "",
                        "Authorization",
                        "Bearer " + Tokens.signed(key, Access.EVERYTHING, null));
        assertEquals(200, answer.statusCode(), answer.body());
        described(server, "POST", "/v1/reload_auth_validation_keys", answer, "");
    }

    private void count(RunningServer server, TreeSet<String> routes) {
        for (Router.Route route : server.router().routes()) {
            routes.add(name(route));
            if (route.successes().sum() > 0) {
                succeeded.add(name(route));
            }
        }
    }
}
