package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Lsn;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** How sources stand: what their slots keep, against their limit, and for how long that will do. */
@Command(
        name = "status",
        mixinStandardHelpOptions = true,
        description = {
            "Says how the followed PostgreSQLs stand: the WAL that the slot keeps against its limit, and how long a page server that stops now can be away until the slot is lost.",
            "Exit status 4 if one of them cannot be followed as it is."
        })
final class SourceStatus implements Callable<Integer> {
    /** Of the limit, used, above which somebody should look. */
    private static final double HIGH = 0.5;

    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private SourceOptions options = new SourceOptions();

    @Parameters(
            paramLabel = "SOURCE",
            arity = "0..1",
            description = "One of them, by its name or the beginning of its branch's id.")
    private @Nullable String source;

    @Option(
            names = "--over",
            paramLabel = "SECONDS",
            defaultValue = "2",
            description = "Measure the rate of its WAL for so long (default: ${DEFAULT-VALUE}).")
    private double seconds;

    @Override
    public Integer call() throws InterruptedException {
        List<JsonNode> before = new ArrayList<>();
        List<JsonNode> after = new ArrayList<>();
        double elapsed;
        try (ServerApi api = options.open()) {
            List<JsonNode> all =
                    source == null ? options.sources(api) : List.of(options.source(api, source));
            long begun = System.nanoTime();
            for (JsonNode s : all) {
                before.add(api.get(SourceOptions.path(s)));
            }
            Thread.sleep((long) (Math.clamp(seconds, 0.1, 3600) * 1000));
            elapsed = (System.nanoTime() - begun) / 1e9;
            for (JsonNode s : all) {
                after.add(api.get(SourceOptions.path(s)));
            }
        }
        PrintWriter out = spec.commandLine().getOut();
        boolean good = true;
        ArrayNode list = null;
        ObjectNode o = Output.object();
        if (options.json()) {
            list = o.putArray("sources");
        }
        for (int i = 0; i < after.size(); i++) {
            JsonNode now = after.get(i);
            double rate = Math.max(0, end(now) - end(before.get(i))) / elapsed;
            String verdict = now.path("verdict").asText();
            good &= !verdict.equals("wrong") && now.path("problem").asText().isEmpty();
            if (list != null) {
                ObjectNode item = now.deepCopy();
                item.put("wal_bytes_per_second", Math.round(rate));
                Long left = secondsLeft(now, rate);
                if (left != null) {
                    item.put("seconds_left", left);
                }
                list.add(item);
            } else {
                out.print(i == 0 ? "" : System.lineSeparator());
                print(out, now, rate);
            }
        }
        if (list != null) {
            Output.json(out, o);
        }
        return good ? Palimpsest.DONE : Palimpsest.CONFLICT;
    }

    /** The source's address, for people. */
    static String server(JsonNode s) {
        return s.path("user").asText()
                + "@"
                + s.path("host").asText()
                + ":"
                + s.path("port").asInt();
    }

    private static long end(JsonNode status) {
        String lsn = status.path("slot_status").path("wal_end_lsn").asText();
        return lsn.isEmpty() ? 0 : Lsn.parse(lsn).value();
    }

    /** Null if nothing bounds it, or it does not write. */
    private static @Nullable Long secondsLeft(JsonNode status, double rate) {
        JsonNode left = status.path("slot_status").path("left_bytes");
        return left.isNumber() && rate >= 1 ? Long.valueOf((long) (left.asLong() / rate)) : null;
    }

    private void print(PrintWriter out, JsonNode s, double rate) {
        out.println("source    " + s.path("slot").asText() + ", " + server(s));
        String id = s.path("timeline_id").asText();
        out.println("branch    " + s.path("name").asText(id));
        out.println("receiver  " + s.path("walreceiver_status").asText());
        if (!s.path("problem").asText().isEmpty()) {
            out.println("problem   " + s.path("problem").asText());
        }
        JsonNode slot = s.path("slot_status");
        if (slot.isObject()) {
            out.println(
                    "slot      "
                            + slot.path("state").asText()
                            + (slot.path("active").asBoolean() ? ", in use" : ", not in use"));
            out.println("keeps     " + kept(slot));
            out.println("writes    " + writes(s, rate));
        }
        for (JsonNode f : s.path("findings")) {
            if (!f.path("verdict").asText().equals("good")) {
                out.println(
                        String.format(
                                Locale.ROOT,
                                "%-9s %s is %s: %s",
                                f.path("verdict").asText(),
                                f.path("what").asText(),
                                f.path("found").asText(),
                                f.path("next").asText()));
            }
        }
    }

    static String kept(JsonNode slot) {
        long kept = slot.path("retained_bytes").asLong();
        JsonNode limit = slot.path("limit_bytes");
        if (!limit.isNumber()) {
            return Output.bytes(kept) + " of WAL, and may keep all there will be";
        }
        double used = limit.asLong() == 0 ? 1 : (double) kept / limit.asLong();
        return String.format(
                Locale.ROOT,
                "%s of WAL, %s at most (%.0f %%)%s",
                Output.bytes(kept),
                Output.bytes(limit.asLong()),
                100 * used,
                used < HIGH ? "" : ": is this page server too slow, or its store away?");
    }

    private static String writes(JsonNode s, double rate) {
        Long left = secondsLeft(s, rate);
        String now = Output.bytes(Math.round(rate)) + " of WAL a second now";
        return left == null
                ? now
                : now
                        + "; if this page server stopped, its slot would be lost in "
                        + duration(left);
    }

    /** For people: two units at most. */
    static String duration(long seconds) {
        long minutes = seconds / 60;
        long hours = minutes / 60;
        long days = hours / 24;
        return days > 0
                ? days + " d " + hours % 24 + " h"
                : hours > 0
                        ? hours + " h " + minutes % 60 + " min"
                        : minutes > 0 ? minutes + " min " + seconds % 60 + " s" : seconds + " s";
    }
}
