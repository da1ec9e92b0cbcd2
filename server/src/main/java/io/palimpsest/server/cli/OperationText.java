package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;

/** How a person reads how far an operation of a server is. */
final class OperationText {
    private static final int CELLS = 20;

    private OperationText() {}

    /** What it does, on what, as its number and kind say. */
    static String name(JsonNode operation) {
        return operation.path("number").asText() + " " + kind(operation);
    }

    static String kind(JsonNode operation) {
        return operation.path("kind").asText().replace('_', ' ');
    }

    /** A line for a program: progress, and at last the end. */
    static String event(JsonNode operation) {
        boolean running = operation.path("state").asText().equals("running");
        ObjectNode o =
                JsonNodeFactory.instance.objectNode().put("event", running ? "progress" : "end");
        o.setAll((ObjectNode) operation);
        return o.toString();
    }

    /** A line: the bar where it is known how much there will be, bytes, rate, time that is left. */
    static String progress(JsonNode operation) {
        long done = operation.path("bytes_done").asLong();
        long total = operation.path("bytes_total").asLong();
        StringBuilder line = new StringBuilder();
        if (operation.path("stopping").asBoolean()) {
            line.append("stopping: ");
        }
        if (operation.path("resumed").asBoolean()) {
            line.append("again: ");
        }
        line.append(operation.path("stage").asText());
        if (total > 0) {
            line.append("  ").append(bar(done, total));
        }
        if (done > 0) {
            line.append("  ").append(Output.bytes(done));
            if (total > 0) {
                line.append(" of about ").append(Output.bytes(total));
            }
            line.append(", ")
                    .append(Output.bytes(operation.path("bytes_per_second").asLong()))
                    .append("/s");
        }
        if (operation.has("seconds_left")) {
            line.append(", ")
                    .append(SourceStatus.duration(operation.path("seconds_left").asLong()))
                    .append(" left");
        }
        return line.toString();
    }

    /** What was estimated may be passed: never more than all. */
    private static String bar(long done, long total) {
        double part = Math.min(1, (double) done / total);
        int full = (int) (part * CELLS);
        return String.format(
                Locale.ROOT,
                "[%s%s] %3d %%",
                "#".repeat(full),
                ".".repeat(CELLS - full),
                (int) (part * 100));
    }
}
