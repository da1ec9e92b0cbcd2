package io.palimpsest.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.JsonText;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerName;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class HeatmapTest {
    private static final TenantShardId TENANT = TenantShardId.unsharded(new TenantId(1, 2));

    private static Heatmap heatmap() {
        LayerName delta =
                LayerName.delta(KeyRange.ALL, new LsnRange(16, 32), TENANT, new Generation(3));
        LayerName image = LayerName.image(KeyRange.ALL, 16, TENANT, new Generation(11));
        return new Heatmap(
                12,
                List.of(
                        new Heatmap.Branch(
                                new TimelineId(1, 1),
                                List.of(
                                        new Heatmap.Layer(delta, 4096, 1_764_000_000L),
                                        new Heatmap.Layer(image, 1L << 40, 0))),
                        new Heatmap.Branch(new TimelineId(1, 2), List.of())),
                60_000);
    }

    private static Heatmap read(String text) {
        return Heatmap.decode(text.getBytes(StandardCharsets.UTF_8), "k");
    }

    @Test
    void whatIsWrittenIsReadAndHasTheFieldsForm() {
        byte[] bytes = heatmap().encode();
        assertEquals(heatmap(), Heatmap.decode(bytes, "k"));
        String text = new String(bytes, StandardCharsets.UTF_8);
        String layer =
                "0000000000000010-0000000000000020\",\"metadata\":{\"file_size\":4096,\"generation\":3},\"access_time\":1764000000}";
        assertTrue(text.contains(layer), text);
        assertEquals(
                new Heatmap(1, List.of(), 0),
                read(
                        "{\"generation\": 1, \"timelines\": [], \"more\": [null, 1.5, {\"\\u0041\": true}]}"));
    }

    /** Anybody may have put it: whatever it says, nothing but layers below a timeline is named. */
    @Test
    void whatIsNoneIsRefusedWithItsKey() {
        String good = new String(heatmap().encode(), StandardCharsets.UTF_8);
        for (String bad :
                List.of(
                        "",
                        "[]",
                        "{}",
                        good + "x",
                        good.replace("\"generation\":12", "\"generation\":-1"),
                        good.replace("\"generation\":3", "\"generation\":99999999999"),
                        good.replace(
                                "0000000000000010-0000000000000020\"", "../../../../etc/passwd\""),
                        good.replace("\"file_size\":4096", "\"file_size\":\"4096\""),
                        good.replace(new TimelineId(1, 1).toString(), "../1"),
                        "[".repeat(100_000))) {
            PageserverException e = assertThrows(PageserverException.class, () -> read(bad));
            assertEquals(ErrorCode.CORRUPTION, e.code(), bad);
            assertTrue(String.valueOf(e.getMessage()).startsWith("k: "), e.getMessage());
        }
    }

    @Test
    void damageIsRefusedOrAnotherHeatmap() {
        byte[] good = heatmap().encode();
        Prng random = new Prng(1);
        for (int i = 0; i < 20_000; i++) {
            byte[] bad = good.clone();
            bad[random.nextInt(bad.length)] ^= (byte) (1 << random.nextInt(8));
            try {
                Heatmap _ = Heatmap.decode(bad, "k");
            } catch (PageserverException e) {
                assertEquals(ErrorCode.CORRUPTION, e.code());
            }
        }
    }

    @Test
    void jsonIsReadAsItIsWritten() {
        TreeMap<String, Object> object = new TreeMap<>();
        object.put("a\"\\/\b\f\n\r\tA", List.of(-1L, 1.5e3, true, false, JsonText.NULL, ""));
        assertEquals(
                object,
                JsonText.parse(
                        " {\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\" : [ -1, 1.5e3, true,false,null, \"\" ]} "));
        for (String bad :
                List.of(
                        "01",
                        "+1",
                        "1.",
                        ".5",
                        "1e",
                        "tru",
                        "\"",
                        "\"\\x\"",
                        "\"\n\"",
                        "{\"a\":1,\"a\":1}",
                        "[1,]",
                        "{,}",
                        "1 2",
                        "99999999999999999999")) {
            PageserverException e =
                    assertThrows(PageserverException.class, () -> JsonText.parse(bad), bad);
            assertEquals(ErrorCode.BAD_REQUEST, e.code());
        }
    }
}
