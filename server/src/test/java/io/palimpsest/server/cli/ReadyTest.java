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
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ReadyTest {
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    /** How often it says no before it says yes. */
    private final AtomicInteger refusals = new AtomicInteger();

    private HttpServer server;

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext(
                "/readyz",
                exchange -> {
                    boolean ready = refusals.getAndDecrement() <= 0;
                    byte[] body =
                            (ready
                                            ? "{\"ready\":true}"
                                            : "{\"ready\":false,\"msg\":\"not ready: disk: 0\"}")
                                    .getBytes(StandardCharsets.UTF_8);
                    exchange.sendResponseHeaders(ready ? 200 : 503, body.length);
                    exchange.getResponseBody().write(body);
                    exchange.close();
                });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private int run(String... more) {
        String[] all = new String[3 + more.length];
        all[0] = "ready";
        all[1] = "--server";
        all[2] = "http://localhost:" + server.getAddress().getPort();
        System.arraycopy(more, 0, all, 3, more.length);
        return Palimpsest.run(
                new PrintWriter(out, true), new PrintWriter(err, true), Terminal.NONE, all);
    }

    @Test
    void saysHowItIs() {
        assertEquals(0, run());
        assertEquals("ready\n", out.toString());
        refusals.set(1);
        assertEquals(1, run());
        assertTrue(err.toString().contains("not ready: disk: 0"), err.toString());
    }

    @Test
    void waits() {
        refusals.set(2);
        assertEquals(0, run("--wait", "20", "--json"));
        assertEquals("{\"ready\":true}\n", out.toString());
    }

    @Test
    void aServerThatIsNotThereIsSaid() {
        server.stop(0);
        assertEquals(7, run());
        assertTrue(err.toString().contains("does not answer"), err.toString());
    }
}
