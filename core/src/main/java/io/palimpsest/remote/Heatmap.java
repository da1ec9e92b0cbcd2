package io.palimpsest.remote;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.JsonText;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerName;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Which layers of a tenant are on its owner's disk, and when they were read: what a secondary
 * location keeps ready. Only a hint: whoever owns the tenant goes by the indexes. The form is the
 * field's, see docs/formats.md.
 *
 * @param generation of the owner who wrote it
 * @param uploadPeriodMillis how often it is written, if it is another
 */
public record Heatmap(int generation, List<Branch> timelines, long uploadPeriodMillis) {
    /** A timeline's layers. */
    public record Branch(TimelineId id, List<Layer> layers) {
        public Branch {
            layers = List.copyOf(layers);
        }
    }

    /**
     * A layer that the store has for sure.
     *
     * @param size bytes
     * @param readSeconds when it was read last, since 1970
     */
    public record Layer(LayerName name, long size, long readSeconds) {}

    /** Digits of the generation and the hyphen before them, at the end of a layer's name. */
    private static final int GENERATION = 9;

    public Heatmap {
        timelines = List.copyOf(timelines);
    }

    public byte[] encode() {
        StringBuilder s = new StringBuilder(256);
        s.append("{\"generation\":").append(generation).append(",\"timelines\":[");
        String between = "";
        for (Branch branch : timelines) {
            s.append(between).append("\n{\"timeline_id\":\"").append(branch.id);
            s.append("\",\"layers\":[");
            String comma = "";
            for (Layer layer : branch.layers) {
                String name = layer.name.toString();
                s.append(comma).append("\n{\"name\":\"");
                s.append(name, 0, name.length() - GENERATION);
                s.append("\",\"metadata\":{\"file_size\":").append(layer.size);
                s.append(",\"generation\":").append(layer.name.generation().value());
                s.append("},\"access_time\":").append(layer.readSeconds).append('}');
                comma = ",";
            }
            s.append("]}");
            between = ",";
        }
        s.append("],\"upload_period_ms\":").append(uploadPeriodMillis).append("}\n");
        return s.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** CORRUPTION, naming {@code key}, if it is none. Fields that are not known are left out. */
    public static Heatmap decode(byte[] bytes, String key) {
        try {
            Map<?, ?> all = map(JsonText.parse(new String(bytes, StandardCharsets.UTF_8)), "it");
            List<Branch> timelines = new ArrayList<>();
            for (Object one : list(all, "timelines")) {
                Map<?, ?> branch = map(one, "a timeline");
                List<Layer> layers = new ArrayList<>();
                for (Object layer : list(branch, "layers")) {
                    layers.add(layer(map(layer, "a layer")));
                }
                timelines.add(new Branch(TimelineId.parse(text(branch, "timeline_id")), layers));
            }
            return new Heatmap(
                    (int) number(all, "generation", Integer.MAX_VALUE),
                    timelines,
                    all.containsKey("upload_period_ms")
                            ? number(all, "upload_period_ms", Long.MAX_VALUE)
                            : 0);
        } catch (PageserverException e) {
            throw new PageserverException(
                    ErrorCode.CORRUPTION,
                    key + ": expected a heatmap, found another thing: " + e.getMessage(),
                    e);
        }
    }

    private static Layer layer(Map<?, ?> layer) {
        Map<?, ?> metadata = map(layer.get("metadata"), "metadata");
        Generation generation =
                new Generation((int) number(metadata, "generation", Integer.MAX_VALUE));
        return new Layer(
                LayerName.parse(text(layer, "name") + "-" + generation),
                number(metadata, "file_size", Long.MAX_VALUE),
                number(layer, "access_time", Long.MAX_VALUE));
    }

    private static Map<?, ?> map(@Nullable Object value, String what) {
        if (value instanceof Map<?, ?> map) {
            return map;
        }
        throw PageserverException.badRequest("%s is no object", what);
    }

    private static List<?> list(Map<?, ?> in, String name) {
        if (in.get(name) instanceof List<?> list) {
            return list;
        }
        throw PageserverException.badRequest("'%s' is no array", name);
    }

    private static String text(Map<?, ?> in, String name) {
        if (in.get(name) instanceof String text) {
            return text;
        }
        throw PageserverException.badRequest("'%s' is no text", name);
    }

    private static long number(Map<?, ?> in, String name, long most) {
        if (in.get(name) instanceof Long number && number >= 0 && number <= most) {
            return number;
        }
        throw PageserverException.badRequest("'%s' is no number from 0 to %d", name, most);
    }
}
