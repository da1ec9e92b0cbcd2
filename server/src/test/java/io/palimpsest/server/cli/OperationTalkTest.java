package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A command that waits for a server is ended, and what the server does is not. */
@Timeout(120)
class OperationTalkTest {
    private static final String TENANT = "11111111111111111111111111111111";

    @TempDir Path directory;

    private final CountDownLatch asked = new CountDownLatch(1);
    private final CountDownLatch answer = new CountDownLatch(1);
    private HttpServer server;

    @BeforeEach
    void listen() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext("/", this::serve);
        server.start();
    }

    @AfterEach
    void stop() {
        answer.countDown();
        server.stop(0);
    }

    private void serve(HttpExchange exchange) throws IOException {
        boolean waits = exchange.getRequestMethod().equals("PUT");
        if (waits) {
            asked.countDown();
            try {
                answer.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        byte[] body =
                (waits
                                ? "{}"
                                : "[{\"number\": 41, \"state\": \"completed\"}, {\"number\": 42, \"state\": \"running\"}]")
                        .getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(200, body.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(body);
        }
    }

    private Process attach(Path err) throws IOException {
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Palimpsest.class.getName(),
                        "tenant",
                        "attach",
                        TENANT,
                        "--server",
                        "http://127.0.0.1:" + server.getAddress().getPort())
                .redirectError(err.toFile())
                .start();
    }

    @Test
    void whoBreaksItOffIsToldThatTheServerGoesOn() throws Exception {
        Path err = directory.resolve("err");
        Process command = attach(err);
        try {
            asked.await();
            // Ctrl-C ends a JVM in the same way, with 130.
            command.destroy();
            assertTrue(command.waitFor(60, TimeUnit.SECONDS));
            assertEquals(143, command.exitValue());
        } finally {
            command.destroyForcibly();
        }
        String said = Files.readString(err);
        assertTrue(said.contains("palimpsest operation watch 42"), said);
        assertTrue(said.contains("palimpsest operation cancel 42"), said);
    }

    @Test
    void whoHasHisAnswerIsToldNothing() throws Exception {
        answer.countDown();
        Path err = directory.resolve("err");
        Process command = attach(err);
        try {
            assertTrue(command.waitFor(60, TimeUnit.SECONDS));
            assertEquals(0, command.exitValue(), Files.readString(err));
        } finally {
            command.destroyForcibly();
        }
        assertFalse(Files.readString(err).contains("goes on"), Files.readString(err));
    }
}
