package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.TimelineId;
import io.palimpsest.regress.PageSource.Answer;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Files of ours that are cut, changed or gone, and an import that a SIGKILL ended: the server
 * starts, says what is wrong with which file, deletes nothing, and serves the rest.
 */
class LocalDamageTest {
    private static Scene scene;

    @BeforeAll
    static void set() throws Exception {
        scene = new Scene("local-damage");
    }

    @AfterAll
    static void clear() {
        scene.close();
    }

    @Test
    void damagedFilesOfSomeTimelines() throws Exception {
        TimelineId whole = scene.imported();
        TimelineId cut = scene.imported();
        TimelineId gone = scene.imported();
        TimelineId noIndex = scene.imported();
        TimelineId flipped = scene.imported();
        TimelineId noSource = scene.imported();
        TimelineId flippedIndex = scene.branch(whole);
        TimelineId wildIndex = scene.branch(whole);
        TimelineId tornIndex = scene.branch(whole);
        TimelineId emptyIndex = scene.branch(whole);
        long lsn = scene.grow(5);
        for (TimelineId id : List.of(whole, cut, gone, flipped, noSource)) {
            scene.awaitArrival(id, lsn);
        }
        scene.server.stop();

        Path cutFile = layers(cut).getFirst();
        byte[] bytes = Files.readAllBytes(cutFile);
        Files.write(cutFile, java.util.Arrays.copyOf(bytes, bytes.length - 1));
        Files.delete(layers(gone).getLast());
        Files.delete(scene.directory(noIndex).resolve("index"));
        int kept = layers(noIndex).size();
        Path flippedFile = layers(flipped).getFirst();
        int at = flipFirstDataBlock(flippedFile);
        Files.write(source(noSource), new byte[] {'h', 'o', 's'});
        change(flippedIndex, b -> b[b.length / 2] ^= 1);
        change(wildIndex, b -> java.util.Arrays.fill(b, 40, 120, (byte) 0xFF));
        byte[] index = Files.readAllBytes(scene.directory(tornIndex).resolve("index"));
        Files.write(
                scene.directory(tornIndex).resolve("index"),
                java.util.Arrays.copyOf(index, index.length - 5));
        Files.write(scene.directory(emptyIndex).resolve("index"), new byte[0]);
        Files.createDirectories(scene.server.workingDirectory().resolve("tenants/lost+found"));
        Files.createDirectories(scene.directory(whole).resolveSibling("backup-of-yesterday"));
        scene.server.start();

        refused(
                cut,
                lsn,
                cutFile.getFileName().toString(),
                "found " + (bytes.length - 1),
                "expected " + bytes.length);
        refused(gone, lsn, "no such file", "the index names this layer");
        scene.assertLoggedOnce("layer-missing", gone);
        broken(noIndex, "index", "layers beside it");
        assertEquals(kept, layers(noIndex).size());
        broken(flippedIndex, "index: expected the checksum", "found");
        broken(wildIndex, "index");
        broken(tornIndex, "index", "torn");
        broken(emptyIndex, "index", "torn");
        String why = scene.awaitStatus(noSource, "broken");
        assertTrue(why.contains("expected a connection string, a slot"), why);
        assertTrue(scene.readsTable(noSource, lsn) > 0);
        flippedBlock(flipped, lsn, flippedFile, at);

        long later = scene.grow(5);
        scene.awaitArrival(whole, later);
        assertTrue(scene.readsTable(whole, later) > 0);
        assertFalse(scene.server.log().contains("task-failed"), scene.server.logTail());
    }

    /** A layer is opened when it is read: what needs it is refused, the timeline goes on. */
    private static void refused(TimelineId id, long lsn, String... words) throws Exception {
        String refusal = scene.refusal(id, lsn);
        for (String word : words) {
            assertTrue(refusal.contains(word), "expected '" + word + "' in: " + refusal);
        }
        assertEquals(refusal, scene.refusal(id, lsn));
        String detail = scene.http("GET", scene.timelinePath(id));
        assertTrue(detail.startsWith("200"), detail);
    }

    private static void broken(TimelineId id, String... words) throws Exception {
        String detail = scene.http("GET", scene.timelinePath(id));
        String refusal = scene.refusal(id, 1L << 40);
        for (String word : words) {
            assertTrue(detail.contains(word), "expected '" + word + "' in: " + detail);
            assertTrue(refusal.contains(word), "expected '" + word + "' in: " + refusal);
        }
        assertTrue(detail.startsWith("500") && detail.contains("put the file back"), detail);
        scene.assertLoggedOnce("timeline-broken", id);
    }

    /** All of the table's pages are asked for; those of the block are refused, others served. */
    private static void flippedBlock(TimelineId id, long lsn, Path file, int at) {
        int refused = 0;
        int served = 0;
        try (PageserverClient client = scene.client(id)) {
            for (PageSource.Fork fork : client.keyspace(lsn).relations()) {
                for (Answer answer : client.pages(fork.tag(), 0, fork.blocks(), lsn)) {
                    switch (answer) {
                        case Answer.Pages(byte[] _) -> served++;
                        case Answer.Refused(String why) -> {
                            refused++;
                            for (String word :
                                    List.of(
                                            file.getFileName().toString(),
                                            " " + at,
                                            "expected",
                                            "found")) {
                                assertTrue(why.contains(word), "'" + word + "' in: " + why);
                            }
                        }
                    }
                }
            }
        } catch (UncheckedIOException e) {
            throw new AssertionError(scene.server.logTail(), e);
        }
        System.out.println(
                "one flipped byte: " + refused + " pages refused, " + served + " served");
        assertTrue(refused > 0 && served > refused, refused + " refused, " + served + " served");
    }

    /** Changes a byte in the middle of a data block half-way; the position of the block. */
    private static int flipFirstDataBlock(Path file) throws IOException {
        byte[] b = Files.readAllBytes(file);
        int at = 80;
        while (at < b.length / 2) {
            at += 16 + length(b, at);
        }
        b[at + 16 + length(b, at) / 2] ^= 1;
        Files.write(file, b);
        return at;
    }

    private static int length(byte[] b, int block) {
        return java.nio.ByteBuffer.wrap(b)
                .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                .getInt(block + 4);
    }

    private static void change(TimelineId id, java.util.function.Consumer<byte[]> how)
            throws IOException {
        Path index = scene.directory(id).resolve("index");
        byte[] b = Files.readAllBytes(index);
        how.accept(b);
        Files.write(index, b);
    }

    private static Path source(TimelineId id) {
        return scene.directory(id).resolveSibling("../sources/" + id).normalize();
    }

    private static List<Path> layers(TimelineId id) throws IOException {
        try (Stream<Path> files = Files.list(scene.directory(id))) {
            return files.filter(f -> f.getFileName().toString().contains("__")).sorted().toList();
        }
    }

    private static boolean isThere(TimelineId id) {
        try {
            return scene.http("GET", scene.timelinePath(id)).startsWith("200");
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void anImportThatSigkillEndedGoesOnByItself() throws Exception {
        TimelineId id = scene.newTimeline();
        String slot = Scene.slot(id);
        String slots = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '" + slot + "'";
        try (Stall stall = new Stall(scene.postgres.port(), 6 << 20)) {
            String conninfo =
                    scene.postgres.conninfo().replaceAll("port=\\d+", "port=" + stall.port());
            Thread importing =
                    Thread.ofVirtual()
                            .start(() -> {
                                try {
                                    scene.importFrom(id, conninfo, slot);
                                } catch (RuntimeException e) {
                                    // The server is killed: of course it fails.
                                    return;
                                }
                            });
            Scene.await(
                    stall::stalled, () -> "the import does not begin: " + scene.server.logTail());
            String during = scene.http("GET", scene.timelinePath(id));
            assertTrue(during.startsWith("409") && during.contains("is being created"), during);
            scene.server.kill();
            importing.join();
            scene.server.start();
            assertEquals("1", scene.sql(slots));
            String detail = scene.http("GET", scene.timelinePath(id));
            assertTrue(detail.startsWith("409") && detail.contains("is being created"), detail);
            scene.assertLoggedOnce("operation-resumed", id);
            String operations = scene.http("GET", "/v1/operation");
            assertTrue(operations.contains("\"resumed\":true"), operations);
            assertFalse(Files.exists(scene.directory(id).resolve("index")));
            assertTrue(scene.importFails(id, conninfo, slot).contains("is being created"));
            stall.goOn();
            Scene.await(
                    () -> isThere(id),
                    () -> "the import does not go on: " + scene.server.logTail());
            long lsn = scene.grow(3);
            scene.awaitArrival(id, lsn);
            assertTrue(scene.readsTable(id, lsn) > 0);
            assertTrue(
                    Lsn.parse(
                                            scene.sql(
                                                    "SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = '"
                                                            + slot
                                                            + "'"))
                                    .value()
                            > 0);
        }
    }

    @Test
    void aFailedImportTakesItsSlotAlong() throws Exception {
        TimelineId id = scene.newTimeline();
        String slot = Scene.slot(id);
        try (Stall stall = new Stall(scene.postgres.port(), 6 << 20)) {
            String conninfo =
                    scene.postgres.conninfo().replaceAll("port=\\d+", "port=" + stall.port());
            Thread cutting =
                    Thread.ofVirtual()
                            .start(() -> {
                                Scene.await(stall::stalled, () -> "no stall");
                                stall.cut();
                            });
            String why = scene.importFails(id, conninfo, slot);
            cutting.join();
            assertTrue(why.contains("connection") || why.contains("read from"), why);
        }
        assertEquals(
                "0",
                scene.sql(
                        "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '"
                                + slot
                                + "'"));
        assertFalse(Files.exists(scene.directory(id)));
        assertFalse(Files.exists(source(id)));
    }

    /** Passes a connection through, and stops after so many bytes from the server. */
    private static final class Stall implements AutoCloseable {
        private final ServerSocket listener =
                new ServerSocket(0, 8, InetAddress.getLoopbackAddress());
        private final int target;
        private final AtomicLong left;
        private volatile Socket held = new Socket();

        Stall(int target, long bytes) throws IOException {
            this.target = target;
            this.left = new AtomicLong(bytes);
            Thread.ofVirtual().start(this::accept);
        }

        int port() {
            return listener.getLocalPort();
        }

        boolean stalled() {
            return left.get() <= 0;
        }

        void goOn() {
            left.set(Long.MAX_VALUE);
        }

        /** Ends the connection that is held, and holds no other. */
        void cut() throws UncheckedIOException {
            goOn();
            try {
                held.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private void accept() {
            try {
                while (true) {
                    Socket client = listener.accept();
                    Socket server = new Socket("127.0.0.1", target);
                    Thread.ofVirtual().start(() -> pass(client, server, false));
                    Thread.ofVirtual().start(() -> pass(server, client, true));
                }
            } catch (IOException e) {
                // Closed: the test is over.
                return;
            }
        }

        private void pass(Socket from, Socket to, boolean counted) {
            byte[] buffer = new byte[1 << 16];
            try (from;
                    to) {
                InputStream in = from.getInputStream();
                OutputStream out = to.getOutputStream();
                for (int n = in.read(buffer); n > 0; n = in.read(buffer)) {
                    if (counted) {
                        if (left.addAndGet(-n) <= 0) {
                            held = to;
                        }
                        while (stalled() && !to.isClosed()) {
                            Pause.millis(20);
                        }
                    }
                    out.write(buffer, 0, n);
                }
            } catch (IOException e) {
                // One side is gone; the other is closed too.
                return;
            }
        }

        @Override
        public void close() throws IOException {
            goOn();
            listener.close();
        }
    }
}
