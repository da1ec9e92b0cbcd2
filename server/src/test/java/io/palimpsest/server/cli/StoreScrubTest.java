package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpServer;
import io.palimpsest.base.Generation;
import io.palimpsest.base.TimelineId;
import io.palimpsest.fixtures.GoldenStore;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.TenantManifest;
import io.palimpsest.remote.TenantManifest.Entry;
import io.palimpsest.server.store.LocalStore;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

/** {@code store scrub} and {@code store verify}, over the golden store's layers and indexes. */
class StoreScrubTest extends StoreCommandTest {
    private static final Generation SECOND = new Generation(2);

    /** Kinds of what scrub finds, each with the key. */
    private List<String> found(int status) throws IOException {
        assertEquals(status, run("scrub", "--json"), out + "" + err);
        List<String> found = new ArrayList<>();
        for (JsonNode finding : json().get("findings")) {
            found.add(finding.get("kind").asText() + " " + finding.get("key").asText());
        }
        assertEquals(status == 6, json().get("harmed").asBoolean());
        return found;
    }

    private String timelineOf(String layer) {
        return layer.substring(0, layer.lastIndexOf('/'));
    }

    @Test
    void nothingIsWrongWithWhatIsWhole() throws IOException {
        assertEquals(List.of(), found(0));
        assertEquals(1, json().get("tenants").asInt());
        assertEquals(layers.size() + timelines.size() + 1, json().get("objects").asInt());
        assertEquals(0, run("verify", "--full"), out + "" + err);
        assertTrue(out.toString().startsWith("verified " + layers.size() + " layers"), "" + out);
        assertEquals(0, run("verify", "--sample", "3", "--json"), out + "" + err);
        assertEquals(3, json().get("layers").asInt());
    }

    @Test
    void whatIsMissingOrShortIsHarm() throws IOException {
        store().delete(List.of(layers.first()));
        put(layers.last(), new byte[100]);
        assertEquals(
                List.of("missing " + layers.first(), "wrong-length " + layers.last()),
                found(6).stream().sorted().toList());
        assertEquals(6, run("verify", "--full"), out + "" + err);
        assertTrue(out.toString().contains(layers.first() + ": DAMAGED: expected "), "" + out);
        assertTrue(out.toString().contains(layers.last() + ": DAMAGED: "), "" + out);
        assertTrue(out.toString().contains("2 damaged"), "" + out);
    }

    @Test
    void aFlippedByteIsFoundByReading() throws IOException {
        Path file = directory.resolve("store").resolve(layers.first());
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length / 2] ^= 1;
        Files.write(file, bytes);
        assertEquals(List.of(), found(0));
        assertEquals(6, run("verify", "--full", "--json"), out + "" + err);
        assertEquals(1, json().get("damaged").size());
        assertEquals(layers.first(), json().at("/damaged/0/key").asText());
    }

    @Test
    void anotherLayerUnderTheNameIsFoundByReading() {
        // Its own checksums are all right; only it is not what the name says.
        put(layers.first(), GoldenStore.read(1, layers.last()));
        assertEquals(6, run("verify", "--full"), out + "" + err);
        assertTrue(out.toString().contains(layers.first() + ": DAMAGED: "), "" + out);
    }

    @Test
    void aDamagedIndexIsHarmAndItsLayersAreNotCalledGarbage() throws IOException {
        String timeline = timelineOf(layers.first());
        put(timeline + "/index-00000001", new byte[10]);
        assertEquals(List.of("unreadable " + timeline), found(6));
        assertEquals(6, run("verify", "--full"), out + "" + err);
        put(RemotePath.manifest(TENANT, Generation.FIRST), new byte[10]);
        assertEquals(List.of("unreadable tenants/" + TENANT + "/manifest-"), found(6));
        assertEquals(6, run("verify", "--full"), out + "" + err);
    }

    @Test
    void anIndexThatIsNotThereIsHarm() throws IOException {
        String timeline = timelineOf(layers.first());
        store().delete(List.of(timeline + "/index-00000001"));
        assertEquals(List.of("unreadable " + timeline), found(6));
    }

    @Test
    void whatNobodyNamesIsNoHarm() throws IOException {
        String timeline = timelineOf(layers.first());
        TimelineId id = TimelineId.parse(timeline.substring(timeline.lastIndexOf('/') + 1));
        String old = timeline + "/index-00000001";
        put(timeline + "/index-00000002", nextGeneration(GoldenStore.read(1, timeline + "/index")));
        List<Entry> next = new ArrayList<>(timelines);
        next.replaceAll(e -> e.id().equals(id) ? new Entry(id, SECOND, false, null) : e);
        manifest(SECOND, next);
        String unnamed =
                timeline
                        + "/000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__0000000000000001-0000000000000009-00000001";
        String gone = timeline.replace(id.toString(), "99999999999999999999999999999999");
        put(unnamed, new byte[1]);
        put(gone + "/index-00000001", new byte[1]);
        put(timeline + "/notes.txt", new byte[1]);
        put("tenants/nobody/file", new byte[1]);
        put("elsewhere/file", new byte[1]);
        assertEquals(
                List.of(
                        "foreign tenants/nobody/",
                        "foreign " + timeline + "/notes.txt",
                        "of-no-branch " + gone + "/index-00000001",
                        "superseded " + old,
                        "unnamed " + unnamed),
                found(0).stream().sorted(Comparator.comparing(s -> s.split(" ")[0])).toList());
        assertEquals(0, run("scrub"), out + "" + err);
        assertFalse(out.toString().contains(unnamed), "" + out);
        assertEquals(0, run("scrub", "--list"), out + "" + err);
        assertTrue(out.toString().contains("unnamed  " + unnamed), "" + out);
    }

    /** The index of that text as the holder of generation 2 would have put it. */
    private static byte[] nextGeneration(byte[] index) {
        String text =
                new String(index, StandardCharsets.UTF_8)
                        .replace("\ngeneration 00000001\n", "\ngeneration 00000002\n");
        String body = text.substring(0, text.lastIndexOf("crc32c "));
        CRC32C crc = new CRC32C();
        crc.update(body.getBytes(StandardCharsets.UTF_8));
        return (body + "crc32c %08x\n".formatted(crc.getValue())).getBytes(StandardCharsets.UTF_8);
    }

    private List<String> keys() {
        return store().list("tenants/", true, 1000, null).objects().stream()
                .map(ObjectStore.Entry::key)
                .toList();
    }

    /** The first layer's timeline, as one that is being deleted under that generation. */
    private String deleting(Generation generation) {
        String timeline = timelineOf(layers.first());
        TimelineId id = TimelineId.parse(timeline.substring(timeline.lastIndexOf('/') + 1));
        List<Entry> next = new ArrayList<>(timelines);
        next.replaceAll(e -> e.id().equals(id) ? new Entry(id, Generation.FIRST, true, null) : e);
        manifest(generation, next);
        return timeline + "/";
    }

    @Test
    void whatIsOfADeletedBranchIsDeletedWhenToldTwice() throws IOException {
        String doomed = deleting(Generation.FIRST);
        List<String> before = keys();
        List<String> kept = before.stream().filter(key -> !key.startsWith(doomed)).toList();
        assertEquals(0, run("scrub", "--delete"), out + "" + err);
        assertTrue(out.toString().contains("would delete"), "" + out);
        assertTrue(out.toString().contains("nobody's  " + layers.first()), "" + out);
        assertEquals(before, keys());
        assertEquals(0, run("scrub", "--delete", "--yes", "--json"), out + "" + err);
        assertEquals(before.size() - kept.size(), json().at("/deletion/deleted/objects").asInt());
        assertFalse(json().at("/deletion/dry_run").asBoolean());
        assertEquals(kept, keys());
        assertEquals(0, run("scrub", "--delete", "--yes"), out + "" + err);
        assertTrue(out.toString().contains("deleted 0 objects"), "" + out);
        assertEquals(2, run("scrub", "--yes"), out + "" + err);
    }

    @Test
    void whileATenantIsTakenOverNothingIsDeleted() {
        String _ = deleting(Generation.FIRST);
        List<String> before = keys();
        // A fenced owner may have written what the first manifest says.
        put(
                RemotePath.manifest(TENANT, SECOND),
                TenantManifest.bare(TENANT, SECOND, 8, 8).encode());
        assertEquals(1, run("scrub", "--delete", "--yes"), out + "" + err);
        assertTrue(out.toString().contains("not deleted: tenant " + TENANT), "" + out);
        assertEquals(before.size() + 1, keys().size());
        manifest(SECOND, timelines);
        assertEquals(0, run("scrub", "--delete", "--yes"), out + "" + err);
        assertEquals(before.size() + 1, keys().size());
    }

    @Test
    void whatOnlyTheOwnerCanTellIsLeftToIt() throws IOException {
        String unnamed =
                timelineOf(layers.first())
                        + "/000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__0000000000000001-0000000000000009-00000001";
        put(unnamed, new byte[1]);
        List<String> before = keys();
        assertEquals(0, run("scrub", "--delete", "--yes", "--json"), out + "" + err);
        assertEquals(1, json().at("/deletion/of_owners/objects").asInt());
        assertEquals(before, keys());
    }

    @Test
    void theOwnerIsAskedToDeleteItsGarbage() throws IOException {
        put(
                "tenants/%s/timelines/%s/index-00000001".formatted(TENANT, "9".repeat(32)),
                new byte[1]);
        List<String> asked = new CopyOnWriteArrayList<>();
        HttpServer server =
                HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext(
                "/",
                exchange -> {
                    asked.add(exchange.getRequestMethod() + " " + exchange.getRequestURI());
                    byte[] answer =
                            "{\"deleted_objects\": 3, \"deleted_bytes\": 2048}"
                                    .getBytes(StandardCharsets.UTF_8);
                    exchange.sendResponseHeaders(200, answer.length);
                    exchange.getResponseBody().write(answer);
                    exchange.close();
                });
        server.start();
        String url = "http://127.0.0.1:" + server.getAddress().getPort();
        try {
            assertEquals(0, run("scrub", "--delete", "--owner", url), out + "" + err);
            assertEquals(List.of(), asked);
            assertEquals(0, run("scrub", "--delete", "--yes", "--owner", url), out + "" + err);
        } finally {
            server.stop(0);
        }
        assertEquals(List.of("PUT /v1/tenant/" + TENANT + "/remote_garbage"), asked);
        assertTrue(out.toString().contains("the owner deleted 3 objects, 2.0 KiB"), "" + out);
        // Nobody is there any more.
        assertEquals(1, run("scrub", "--delete", "--yes", "--owner", url), out + "" + err);
        assertTrue(out.toString().contains("not deleted: garbage of tenant " + TENANT), "" + out);
    }

    @Test
    void filesThatNeverGotANameAreDeletedWhenTheyAreOld() throws IOException {
        LocalStore _ = store();
        Path begun = directory.resolve("store/.tmp/begun");
        Files.write(begun, new byte[10]);
        Files.setLastModifiedTime(begun, FileTime.from(Instant.now().minus(Duration.ofHours(5))));
        assertEquals(0, run("scrub", "--delete", "--yes"), out + "" + err);
        assertTrue(Files.exists(begun));
        assertEquals(0, run("scrub", "--delete", "--left-for", "4h"), out + "" + err);
        assertTrue(out.toString().contains("nobody's  begun, begun at "), "" + out);
        assertTrue(Files.exists(begun));
        assertEquals(0, run("scrub", "--delete", "--left-for", "4h", "--yes"), out + "" + err);
        assertFalse(Files.exists(begun));
    }

    @Test
    void ofOneTenantAndOfNone() {
        assertEquals(0, run("scrub", "--tenant", TENANT.toString()), out + "" + err);
        assertEquals(0, run("verify", "--full", "--tenant", TENANT.toString()), out + "" + err);
        String none = "99999999999999999999999999999999";
        assertEquals(3, run("scrub", "--tenant", none), out + "" + err);
        assertEquals(3, run("verify", "--full", "--tenant", none), out + "" + err);
        assertEquals(2, run("verify"), out + "" + err);
        assertEquals(2, run("verify", "--sample", "0"), out + "" + err);
        assertEquals(2, run("verify", "--sample", "1", "--full"), out + "" + err);
    }
}
