package io.palimpsest.server.http;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is read by its key is what was stored under it; the rest of these routes is in ApiTest. */
class KeyRoutesTest {
    private static final String TIMELINE =
            "/v1/tenant/" + RunningServer.TENANT + "/timeline/" + RunningServer.ROOT;
    private static final RelTag TABLE = new RelTag(1663, 5, 20_000, RelTag.MAIN);
    private static final RelTag EMPTY = new RelTag(1663, 5, 20_001, RelTag.MAIN);
    private static final long LSN = 0x3000128;

    @TempDir private Path directory;

    /** A page with something in every octet, those too that are no characters. */
    private static byte[] page(int number) {
        byte[] page = new byte[Page.SIZE];
        for (int i = 0; i < page.length; i++) {
            page[i] = (byte) (i * 31 + number);
        }
        return page;
    }

    private static byte[] u32(int value) {
        return ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array();
    }

    private static void fill(Timeline root) {
        Modifications m = new Modifications();
        m.image(Keys.relationSize(TABLE), LSN, u32(2));
        m.image(Keys.block(TABLE, 0), LSN, page(0));
        m.image(Keys.block(TABLE, 1), LSN, page(1));
        m.image(Keys.relationSize(EMPTY), LSN, u32(0));
        m.image(Keys.slruSize(Slru.CLOG, 0), LSN, u32(1));
        m.image(Keys.slruPage(Slru.CLOG, 0), LSN, page(2));
        root.commit(m, LSN - 8, LSN);
        root.flushUpTo(LSN);
    }

    @Test
    void whatIsUnderAKeyIsAnswered() throws Exception {
        RunningServer.writeRoot(directory);
        try (RunningServer server = new RunningServer(directory, null)) {
            fill(
                    server.tenants()
                            .timeline(
                                    TenantId.parse(RunningServer.TENANT),
                                    TimelineId.parse(RunningServer.ROOT)));
            assertArrayEquals(page(1), read(server, Keys.block(TABLE, 1).toString()));
            assertArrayEquals(page(2), read(server, Keys.slruPage(Slru.CLOG, 0).toString()));
            assertArrayEquals(u32(2), read(server, Keys.relationSize(TABLE).toString()));
            server.send(404, "GET", TIMELINE + "/getpage?key=" + Keys.block(TABLE, 2), "");
            server.send(404, "GET", TIMELINE + "/touchpage?key=" + Keys.block(EMPTY, 0), "");
            JsonNode found = server.send(200, "GET", TIMELINE + "/keyspace?at_lsn=0/3000128", "");
            assertEquals(
                    "{\"keys\":[[\"%s\",\"%s\"]],\"at_lsn\":\"0/3000128\"}"
                            .formatted(Keys.block(TABLE, 0), Keys.block(TABLE, 2)),
                    found.toString());
        }
    }

    private static byte[] read(RunningServer server, String key) throws Exception {
        try (HttpClient http = HttpClient.newHttpClient()) {
            URI uri =
                    URI.create(
                            "http://127.0.0.1:"
                                    + server.address().getPort()
                                    + TIMELINE
                                    + "/getpage?lsn=0/3000128&key="
                                    + key);
            HttpResponse<byte[]> answer =
                    http.send(
                            HttpRequest.newBuilder(uri).build(),
                            HttpResponse.BodyHandlers.ofByteArray());
            assertEquals(200, answer.statusCode(), () -> Arrays.toString(answer.body()));
            return answer.body();
        }
    }
}
