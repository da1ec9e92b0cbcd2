package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.server.store.LocalStore;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StoreDuTest {
    private static final String TENANT = "11111111111111111111111111111111";
    private static final String OTHER = "11111111111111111111111111111112";
    private static final String TIMELINE = "22222222222222222222222222222222";
    private static final String KEYS =
            "000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF__";

    @TempDir Path directory;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private int du(String... args) {
        out.getBuffer().setLength(0);
        err.getBuffer().setLength(0);
        String[] words =
                Stream.concat(
                                Stream.of(
                                        "store",
                                        "du",
                                        "-c",
                                        "remote_storage={local_path='" + directory + "'}"),
                                Stream.of(args))
                        .toArray(String[]::new);
        return Palimpsest.run(new PrintWriter(out), new PrintWriter(err), Terminal.NONE, words);
    }

    private void put(String key, int length) {
        String _ =
                new LocalStore(directory).put(key, Content.of(new byte[length]), Condition.ABSENT);
    }

    @Test
    void everyObjectIsCountedOnce() throws IOException {
        String timeline = "tenants/" + TENANT + "/timelines/" + TIMELINE + "/";
        put("tenants/" + TENANT + "/manifest-00000001", 1);
        put("tenants/" + TENANT + "/manifest-00000002", 2);
        put(timeline + "index-00000002", 4);
        put(timeline + KEYS + "00000000016B3748-0000000002000000-00000001", 8);
        put(timeline + KEYS + "00000000016B3748-00000001", 16);
        put(timeline + KEYS + "00000000016B3749-00000001", 32);
        put("tenants/" + OTHER + "/manifest-00000001", 64);
        put(timeline + "index-00000002.orig", 128);
        put("elsewhere/file", 256);

        assertEquals(0, du("--json"), out + "" + err);
        JsonNode json = new ObjectMapper().readTree(out.toString());
        assertEquals(9, json.get("objects").asInt());
        assertEquals(511, json.get("bytes").asInt());
        assertEquals(384, json.at("/others/bytes").asInt());
        assertEquals(2, json.get("tenants").size());
        JsonNode tenant = json.at("/tenants/0");
        assertEquals(TENANT, tenant.get("id").asText());
        assertEquals(63, tenant.get("bytes").asInt());
        assertEquals(3, tenant.at("/manifest/bytes").asInt());
        assertEquals(TIMELINE, tenant.at("/timelines/0/id").asText());
        assertEquals(8, tenant.at("/timelines/0/delta/bytes").asInt());
        assertEquals(48, tenant.at("/timelines/0/image/bytes").asInt());
        assertEquals(2, tenant.at("/timelines/0/image/objects").asInt());
        assertEquals(4, tenant.at("/timelines/0/index/bytes").asInt());

        assertEquals(0, du());
        assertTrue(out.toString().contains(TIMELINE + "  image"), out.toString());
        assertTrue(out.toString().contains("others"), out.toString());
    }

    @Test
    void oneTenantAlone() throws IOException {
        put("tenants/" + TENANT + "/manifest-00000001", 1);
        put("tenants/" + OTHER + "/manifest-00000001", 2);
        assertEquals(0, du("--json", "--tenant", OTHER), out + "" + err);
        JsonNode json = new ObjectMapper().readTree(out.toString());
        assertEquals(2, json.get("bytes").asInt());
        assertEquals(3, du("--tenant", TIMELINE), out + "" + err);
        assertEquals(2, du("--tenant", "nobody"), out + "" + err);
    }
}
