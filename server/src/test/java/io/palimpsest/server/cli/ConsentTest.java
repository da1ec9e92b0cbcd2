package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What cannot be taken back happens only if somebody wants it; beside a server that takes notes.
 */
class ConsentTest {
    private static final String TENANT = "1".repeat(32);
    private static final String MAIN = "a".repeat(32);
    private static final String DEV = "b".repeat(32);

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    private final List<String> changes = new ArrayList<>();
    private HttpServer server;

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext(
                "/",
                exchange -> {
                    String path = exchange.getRequestURI().getPath();
                    if (!exchange.getRequestMethod().equals("GET")) {
                        changes.add(exchange.getRequestMethod() + " " + path);
                    }
                    byte[] body = answer(path).getBytes(StandardCharsets.UTF_8);
                    exchange.sendResponseHeaders(200, body.length);
                    exchange.getResponseBody().write(body);
                    exchange.close();
                });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private static String answer(String path) {
        if (path.equals("/v1/tenant")) {
            return "[{\"id\": \"" + TENANT + "\"}]";
        }
        if (path.endsWith("/timeline")) {
            return "["
                    + branch(
                            MAIN,
                            "main",
                            ", \"lsn_leases\": [{\"lsn\": \"0/18\", \"valid_until\": \"2126-01-01T00:00:00Z\"}]")
                    + ", "
                    + branch(
                            DEV,
                            "dev",
                            ", \"ancestor_timeline_id\": \""
                                    + MAIN
                                    + "\", \"ancestor_lsn\": \"0/10\"")
                    + "]";
        }
        if (path.endsWith("/source")) {
            return path.contains(MAIN)
                    ? "{\"slot_dropped\": true}"
                    : "[{\"tenant_id\": \""
                            + TENANT
                            + "\", \"timeline_id\": \""
                            + MAIN
                            + "\", \"slot\": \"shop\", \"host\": \"h\", \"port\": 1, \"user\": \"u\"}]";
        }
        if (path.endsWith("/get_timestamp_of_lsn")) {
            return "\"2026-11-29T10:00:00Z\"";
        }
        return path.endsWith("/name") ? branch(DEV, "dev", "") : "{}";
    }

    private static String branch(String id, String name, String more) {
        return "{\"timeline_id\": \""
                + id
                + "\", \"name\": \""
                + name
                + "\", \"last_record_lsn\": \"0/20\", \"min_readable_lsn\": \"0/8\", \"pg_version\": 17, \"current_physical_size\": 5"
                + more
                + "}";
    }

    private int run(Terminal terminal, String... words) {
        out.getBuffer().setLength(0);
        err.getBuffer().setLength(0);
        List<String> all = new ArrayList<>(List.of(words));
        all.add("--server");
        all.add("http://localhost:" + server.getAddress().getPort());
        return Palimpsest.run(
                new PrintWriter(out, true),
                new PrintWriter(err, true),
                terminal,
                all.toArray(String[]::new));
    }

    private static Terminal typing(String line) {
        return new Terminal(true, () -> line);
    }

    private void doesNothing(String why, Terminal terminal, String... words) {
        assertEquals(2, run(terminal, words), err.toString());
        assertEquals(List.of(), changes);
        assertTrue(err.toString().contains("palimpsest: nothing was "), err.toString());
        assertTrue(err.toString().contains(why), err.toString());
    }

    /** Each verb that takes something away for good: a new one belongs here. */
    private void asks(String typed, String change, String... words) {
        changes.clear();
        doesNothing("--yes does it", Terminal.NONE, words);
        doesNothing("another name", typing(typed + "x"), words);
        doesNothing("--yes does it", typing(""), words);
        doesNothing("--yes does it", typing(null), words);
        List<String> dry = new ArrayList<>(List.of(words));
        dry.add("--dry-run");
        assertEquals(0, run(typing(typed), dry.toArray(String[]::new)), err.toString());
        dry.add("--yes");
        assertEquals(0, run(typing(typed), dry.toArray(String[]::new)), err.toString());
        assertEquals(List.of(), changes);
        assertFalse(err.toString().contains("type "), err.toString());
        assertEquals(0, run(typing(" " + typed + "\n"), words), err.toString());
        assertTrue(err.toString().contains("type " + typed + " to do it"), err.toString());
        assertTrue(changes.getLast().startsWith(change), changes.toString());
        changes.clear();
        List<String> yes = new ArrayList<>(List.of(words));
        yes.add("--yes");
        assertEquals(0, run(Terminal.NONE, yes.toArray(String[]::new)), err.toString());
        assertTrue(changes.getLast().startsWith(change), changes.toString());
        assertFalse(err.toString().contains("type "), err.toString());
    }

    @Test
    void deletingABranch() {
        asks("dev", "DELETE /v1/tenant/" + TENANT + "/timeline/" + DEV, "branch", "delete", "dev");
    }

    @Test
    void resettingABranch() {
        asks("dev", "DELETE /v1/tenant/" + TENANT + "/timeline/" + DEV, "branch", "reset", "dev");
    }

    @Test
    void droppingASource() {
        asks("shop", "DELETE /v1/tenant/" + TENANT, "source", "drop", "shop");
    }

    @Test
    void droppingALease() {
        asks(
                "0/18",
                "DELETE /v1/tenant/" + TENANT + "/timeline/" + MAIN + "/lsn_lease",
                "lease",
                "drop",
                "main@0/18");
        assertEquals(3, run(Terminal.NONE, "lease", "drop", "main@0/10", "--yes"));
        assertEquals(2, run(Terminal.NONE, "lease", "drop", "main", "--yes"));
    }

    @Test
    void deletingATenant() {
        asks(TENANT, "DELETE /v1/tenant/" + TENANT, "tenant", "delete", TENANT);
    }

    @Test
    void quietSaysOnlyWhatIsWrong() {
        assertEquals(0, run(Terminal.NONE, "branch", "reset", "dev", "--dry-run"));
        assertTrue(err.toString().contains("main@latest -> "), err.toString());
        assertEquals(0, run(Terminal.NONE, "branch", "delete", "dev", "--yes", "--quiet"));
        assertEquals("", err.toString());
        assertTrue(out.toString().contains("deletes  dev"), out.toString());
        assertEquals(2, run(Terminal.NONE, "branch", "delete", "dev", "-q"));
        assertEquals("palimpsest: nothing was deleted: --yes does it\n", err.toString());
        assertEquals(2, run(Terminal.NONE, "--quiet", "branch", "delete", "dev"));
        assertEquals("palimpsest: nothing was deleted: --yes does it\n", err.toString());
    }

    @Test
    void aServerThatIsNotThere() {
        server.stop(0);
        assertEquals(7, run(Terminal.NONE, "branch", "list"));
        assertTrue(err.toString().contains("is it started, and is --server right?"));
        assertEquals(7, run(Terminal.NONE, "status"));
        assertEquals(2, run(Terminal.NONE, "check", "--nagios"));
        assertTrue(out.toString().startsWith("PALIMPSEST CRITICAL - http://"), out.toString());
    }
}
