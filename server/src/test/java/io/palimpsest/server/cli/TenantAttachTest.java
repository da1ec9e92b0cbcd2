package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class TenantAttachTest {
    private static final String HERE = "11111111111111111111111111111111";
    private static final String NOWHERE = "22222222222222222222222222222222";

    private final List<String> asked = new CopyOnWriteArrayList<>();
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    private HttpServer server;

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext(
                "/",
                exchange -> {
                    String path = exchange.getRequestURI().getPath();
                    String body =
                            new String(
                                    exchange.getRequestBody().readAllBytes(),
                                    StandardCharsets.UTF_8);
                    asked.add(exchange.getRequestMethod() + " " + path + " " + body);
                    boolean missing = path.contains(NOWHERE);
                    byte[] answer =
                            (path.startsWith("/v1/location_config/")
                                            ? "{\"mode\": \"Secondary\", \"secondary_conf\": {\"warm\": true}}"
                                            : path.equals("/v1/store/tenant")
                                                    ? "[{\"id\": \"" + HERE + "\"}]"
                                                    : missing
                                                            ? "{\"msg\": \"nothing of it\"}"
                                                            : "{}")
                                    .getBytes(StandardCharsets.UTF_8);
                    exchange.sendResponseHeaders(missing ? 404 : 200, answer.length);
                    exchange.getResponseBody().write(answer);
                    exchange.close();
                });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private int run(String... args) {
        return run("attach", args);
    }

    private int run(String verb, String[] args) {
        String[] all = new String[args.length + 4];
        all[0] = "tenant";
        all[1] = verb;
        all[2] = "--server";
        all[3] = "http://localhost:" + server.getAddress().getPort();
        System.arraycopy(args, 0, all, 4, args.length);
        return Palimpsest.run(
                new PrintWriter(out, true), new PrintWriter(err, true), Terminal.NONE, all);
    }

    @Test
    void allThatTheStoreHasIsAttached() {
        assertEquals(0, run("--all"), err.toString());
        assertEquals(HERE + "  attached" + System.lineSeparator(), out.toString());
        assertEquals(
                List.of(
                        "GET /v1/store/tenant ",
                        "PUT /v1/tenant/"
                                + HERE
                                + "/location_config {\"mode\": \"AttachedSingle\"}"),
                asked);
    }

    @Test
    void whatIsNotThereIsSaid() {
        assertEquals(3, run(HERE, NOWHERE));
        assertEquals(HERE + "  attached" + System.lineSeparator(), out.toString());
        assertTrue(err.toString().contains(NOWHERE + ": nothing of it"), err.toString());
    }

    @Test
    void aGenerationIsOfOneTenant() {
        assertEquals(2, run("--all", "--generation", "3"));
        assertEquals(2, run(HERE, NOWHERE, "--generation", "3"));
        assertEquals(2, run(HERE, "--generation", "0"));
        assertEquals(List.of(), asked);
        assertEquals(0, run(HERE, "--generation", "3"), err.toString());
        assertEquals(
                List.of(
                        "PUT /v1/tenant/"
                                + HERE
                                + "/location_config {\"mode\": \"AttachedSingle\", \"generation\": 3}"),
                asked);
    }

    @Test
    void aServerIsToldWhatItIsToATenant() {
        for (String[] bad :
                new String[][] {
                    {},
                    {HERE, "Owner"},
                    {HERE, "AttachedStale", "--warm"},
                    {HERE, "--generation", "1"},
                    {HERE, "Secondary", "--generation", "1"},
                    {HERE, "AttachedMulti", "--generation", "0"}
                }) {
            assertEquals(2, run("locate", bad), String.join(" ", bad));
        }
        assertEquals(List.of(), asked);
        assertEquals(0, run("locate", new String[] {HERE, "Secondary", "--warm"}), err.toString());
        assertEquals(HERE + "  Secondary  warm" + System.lineSeparator(), out.toString());
        assertEquals(0, run("locate", new String[] {HERE, "AttachedMulti", "--generation", "2"}));
        assertEquals(0, run("locate", new String[] {HERE, "Detached"}));
        assertEquals(3, run("locate", new String[] {NOWHERE, "Detached"}));
        String put = "PUT /v1/tenant/" + HERE + "/location_config ";
        assertEquals(
                List.of(
                        put + "{\"mode\": \"Secondary\", \"secondary_conf\": {\"warm\": true}}",
                        "GET /v1/location_config/" + HERE + " ",
                        put + "{\"mode\": \"AttachedMulti\", \"generation\": 2}",
                        "GET /v1/location_config/" + HERE + " ",
                        put + "{\"mode\": \"Detached\"}",
                        "PUT /v1/tenant/" + NOWHERE + "/location_config {\"mode\": \"Detached\"}"),
                asked);
    }

    @Test
    void idsOrAll() {
        assertEquals(2, run());
        assertEquals(2, run("--all", HERE));
        assertEquals(List.of(), asked);
    }
}
