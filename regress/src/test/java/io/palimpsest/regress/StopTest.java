package io.palimpsest.regress;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TimelineId;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** SIGTERM under load, a second server on the same files, and nonsense on both ports. */
class StopTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final long SEED = Long.getLong("seed", 1);
    private static Scene scene;
    private static TimelineId timeline;

    @BeforeAll
    static void set() throws Exception {
        scene = new Scene("stop");
        timeline = scene.imported();
    }

    @AfterAll
    static void clear() {
        scene.close();
    }

    /** With a client that waits for WAL, a receiver of a source that is away, and WAL coming. */
    @Test
    void sigtermWhileStreaming() throws Exception {
        AtomicBoolean enough = new AtomicBoolean();
        Thread load =
                Thread.ofVirtual()
                        .start(() -> {
                            try {
                                while (!enough.get()) {
                                    scene.grow(10);
                                }
                            } catch (java.sql.SQLException e) {
                                throw new IllegalStateException(e);
                            }
                        });
        Thread waiting =
                Thread.ofVirtual()
                        .start(() -> {
                            try {
                                scene.refusal(timeline, 1L << 50);
                            } catch (RuntimeException e) {
                                // The connection ends with the server.
                                return;
                            }
                        });
        long before = scene.lsn(timeline, "last_record_lsn");
        scene.awaitArrival(timeline, before + (1 << 20));
        long arrived = scene.lsn(timeline, "last_record_lsn");
        long start = System.nanoTime();
        scene.server.stop();
        long millis = (System.nanoTime() - start) / 1_000_000;
        System.out.println("SIGTERM while streaming: " + millis + " ms");
        enough.set(true);
        load.join();
        waiting.join();
        assertTrue(millis < 15_000, millis + " ms");
        assertTrue(scene.server.log().contains("server-stopped"), scene.server.logTail());
        for (String line : scene.server.log().lines().toList()) {
            JsonNode event = JSON.readTree(line);
            assertTrue(event.path("code").asText().matches("PAL-\\d{4}"), line);
            assertTrue(event.hasNonNull("ts") && event.hasNonNull("msg"), line);
        }
        long durable = durableByIndex();
        assertTrue(
                Long.compareUnsigned(durable, arrived) >= 0,
                Lsn.toString(durable) + " < " + Lsn.toString(arrived));
        scene.server.start();
        assertTrue(Long.compareUnsigned(scene.lsn(timeline, "disk_consistent_lsn"), durable) >= 0);
        long lsn = scene.grow(1);
        scene.awaitArrival(timeline, lsn);
        assertTrue(scene.readsTable(timeline, lsn) > 0);
    }

    private static long durableByIndex() throws IOException {
        return Files.readAllLines(scene.directory(timeline).resolve("index")).stream()
                .filter(l -> l.startsWith("disk_consistent_lsn "))
                .map(l -> Lsn.parse(l.substring(20)).value())
                .findFirst()
                .orElseThrow();
    }

    @Test
    void aSecondServerOnTheSameDirectory() throws Exception {
        Path output = scene.home.resolve("second.log");
        Process second =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                "io.palimpsest.server.Main",
                                "-D",
                                scene.server.workingDirectory().toString(),
                                "-c",
                                "listen_pg_addr='127.0.0.1:0'",
                                "-c",
                                "listen_http_addr='127.0.0.1:0'")
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile())
                        .start();
        assertTrue(second.waitFor(40, TimeUnit.SECONDS));
        assertEquals(1, second.exitValue());
        String said = Files.readString(output);
        assertTrue(
                said.contains("another page server uses") && said.contains("choose another -D"),
                said);
        assertTrue(scene.lsn(timeline, "last_record_lsn") > 0);
    }

    /** Each is sent on a connection of its own, which the server ends or answers with an error. */
    @Test
    void nonsenseOnBothPorts() throws Exception {
        System.out.println("seed " + SEED);
        Prng random = new Prng(SEED);
        List<byte[]> nonsense = new ArrayList<>();
        nonsense.add("GET / HTTP/1.1\r\n\r\n".getBytes(ISO_8859_1));
        nonsense.add(
                "POST /v1/tenant HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n{"
                        .getBytes(ISO_8859_1));
        nonsense.add(("GET /" + "a/".repeat(20_000) + " HTTP/1.1\r\n\r\n").getBytes(ISO_8859_1));
        nonsense.add(
                "POST /v1/tenant/xyz/timeline HTTP/1.1\r\nContent-Length: 1\r\n\r\n{"
                        .getBytes(ISO_8859_1));
        nonsense.add(new byte[0]);
        nonsense.add(ByteBuffer.allocate(8).putInt(Integer.MAX_VALUE).putInt(196608).array());
        nonsense.add(ByteBuffer.allocate(8).putInt(-1).putInt(196608).array());
        nonsense.add(ByteBuffer.allocate(8).putInt(8).putInt(80877103).array());
        nonsense.add(ByteBuffer.allocate(8).putInt(8).putInt(7 << 16).array());
        nonsense.add(startUp(new byte[] {'Q', 0x7F, -1, -1, -1, 's'}));
        nonsense.add(startUp(new byte[] {'Q', 0, 0, 0, 3}));
        nonsense.add(startUp(new byte[] {'d', 0, 0, 0, 5, 9}));
        nonsense.add(startUp(query("pagestream_v3 nonsense")));
        nonsense.add(startUp(query("pagestream_v9 " + scene.tenant + " " + timeline)));
        nonsense.add(startUp(query("DROP TABLE t; -- '\u00fc")));
        nonsense.add(
                startUp(
                        join(
                                query("pagestream_v3 " + scene.tenant + " " + timeline),
                                new byte[] {'d', 0, 0, 0, 6, 2, 7})));
        for (int i = 0; i < 40; i++) {
            byte[] noise = new byte[1 + random.nextInt(3000)];
            for (int at = 0; at < noise.length; at++) {
                noise[at] = (byte) random.nextInt(256);
            }
            nonsense.add(i % 2 == 0 ? noise : startUp(noise));
        }
        for (byte[] bytes : nonsense) {
            send(scene.server.pageService(), bytes);
            send(scene.server.management(), bytes);
        }
        assertTrue(scene.server.isRunning());
        assertFalse(scene.server.log().contains("task-failed"), scene.server.logTail());
        long lsn = scene.grow(1);
        scene.awaitArrival(timeline, lsn);
        assertTrue(scene.readsTable(timeline, lsn) > 0);
        String detail = scene.http("GET", "/v1/tenant/" + scene.tenant + "/timeline/-xyz");
        assertTrue(detail.startsWith("400"), detail);
    }

    private static byte[] query(String text) {
        byte[] bytes = (text + "\0").getBytes(ISO_8859_1);
        return ByteBuffer.allocate(5 + bytes.length)
                .put((byte) 'Q')
                .putInt(4 + bytes.length)
                .put(bytes)
                .array();
    }

    private static byte[] startUp(byte[] then) {
        byte[] parameters = "user\0x\0\0".getBytes(ISO_8859_1);
        return ByteBuffer.allocate(8 + parameters.length + then.length)
                .putInt(8 + parameters.length)
                .putInt(196608)
                .put(parameters)
                .put(then)
                .array();
    }

    private static byte[] join(byte[] a, byte[] b) {
        return ByteBuffer.allocate(a.length + b.length).put(a).put(b).array();
    }

    /** Sends, says that no more comes, and reads to the end, which must come. */
    private static void send(InetSocketAddress to, byte[] bytes) throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(to, 5000);
            socket.setSoTimeout(20_000);
            socket.getOutputStream().write(bytes);
            socket.shutdownOutput();
            socket.getInputStream().readAllBytes();
        } catch (SocketException e) {
            // Reset: the server has ended the connection before all was sent.
            return;
        }
    }
}
