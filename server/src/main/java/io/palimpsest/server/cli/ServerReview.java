package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Asks a running server, by its management API alone, how it and all that it has stand. What cannot
 * be known from there is not guessed: a value that is not known has no figure.
 */
final class ServerReview {
    /** What {@code disk_usage_based_eviction} leaves free, if nobody says otherwise. */
    private static final long LITTLE_ROOM = 2_000_000_000L;

    /** Of a slot's limit, in percent: half is for a look, what is left then goes soon. */
    private static final long SLOT_WARNING = 50;

    private static final long SLOT_WRONG = 80;

    /** Compaction that needs longer than that is behind. */
    private static final double LONG_DEBT_SECONDS = 3600;

    /** Each costs a request: those with most data. */
    private static final int MOST_DETAILS = 100;

    /** Limits of a source's lag in bytes. */
    record Lag(long warning, long wrong) {}

    private final ServerApi api;
    private final Lag lag;
    private final Review review = new Review();
    private final List<JsonNode> branches = new ArrayList<>();
    private final Map<String, String> names = new TreeMap<>();
    private Map<String, Double> metrics = new TreeMap<>();

    private ServerReview(ServerApi api, Lag lag) {
        this.api = api;
        this.lag = lag;
    }

    static Review of(ServerApi api, Lag lag) throws InterruptedException {
        ServerReview all = new ServerReview(api, lag);
        all.server();
        all.tenants();
        all.branches();
        all.compaction();
        all.sources();
        all.operations();
        return all.review;
    }

    private void server() throws InterruptedException {
        String text = api.text("/metrics");
        metrics = Metrics.of(text);
        ObjectNode server = review.facts.putObject("server");
        server.put("version", Metrics.label(text, "palimpsest_build_info", "version"));
        Double started = metrics.get("process_start_time_seconds");
        if (started != null) {
            server.put("started_at", Instant.ofEpochSecond(started.longValue()).toString());
        }
        JsonNode ready = api.either("/readyz?verbose");
        server.put("ready", ready.path("ready").asBoolean());
        for (JsonNode check : ready.path("checks")) {
            ready(server, check);
        }
        figure("connections", "palimpsest_connections");
        figure("page_request_failures", "palimpsest_page_request_failures_total");
        figure("background_failures", "palimpsest_background_failures_total");
        Double damaged = metrics.get("palimpsest_damaged_layer_count");
        if (damaged != null && damaged > 0) {
            review.wrong(
                    "layers",
                    damaged.longValue() + " are damaged",
                    "the log names them (PAL-9002); with a store, palimpsest store verify says whether it has them whole: then delete the file here");
        }
    }

    private void figure(String name, String metric) {
        Double value = metrics.get(metric);
        if (value != null) {
            review.figures.add(new Review.Figure(name, value.longValue(), "", ""));
        }
    }

    private void ready(ObjectNode server, JsonNode check) {
        String name = check.path("name").asText();
        String detail = check.path("detail").asText();
        if (check.has("left_bytes")) {
            long left = check.path("left_bytes").asLong();
            server.put("disk_left_bytes", left);
            review.figures.add(new Review.Figure("disk_left", left, "B", LITTLE_ROOM + ":"));
            if (check.path("ok").asBoolean() && left < LITTLE_ROOM) {
                review.warning(
                        name,
                        detail,
                        "make room: palimpsest gc plan says what holds history, palimpsest branch list what is large");
                return;
            }
        }
        if (name.equals("store")) {
            server.put("store", detail);
        }
        if (check.path("ok").asBoolean()) {
            review.good(name, detail);
        } else {
            review.wrong(
                    name,
                    detail,
                    switch (name) {
                        case "store" -> "palimpsest store check -D WORKDIR says what it refuses";
                        case "disk" -> "make room now: below that nobody is sent here";
                        default -> "wait until it has stopped, and start it again";
                    });
        }
    }

    // ---- tenants and branches ----

    private void tenants() throws InterruptedException {
        ArrayNode list = review.facts.putArray("tenants");
        for (JsonNode tenant : api.get("/v1/tenant")) {
            list.add(tenant);
            if (tenant.hasNonNull("fenced_by")) {
                review.warning(
                        "tenant " + tenant.path("id").asText(),
                        "another server has taken it over, under generation "
                                + tenant.path("fenced_by").asText(),
                        "if that was meant: palimpsest tenant locate "
                                + tenant.path("id").asText()
                                + " Detached; if not, find the other server");
            }
            for (JsonNode branch :
                    api.get("/v1/tenant/" + tenant.path("id").asText() + "/timeline")) {
                branches.add(branch);
                names.put(branch.path("timeline_id").asText(), name(branch));
            }
        }
        for (JsonNode pair : api.get("/v1/location_config").path("tenant_shards")) {
            if (pair.path(1).isNull()) {
                review.warning(
                        "tenant " + pair.path(0).asText(),
                        "it is on its way, or cannot be attached",
                        "the log says why (PAL-3002); palimpsest operation list shows it if it comes");
            }
        }
        review.good("tenants", list.size() + " here");
    }

    static String name(JsonNode branch) {
        return branch.path("name").asText(branch.path("timeline_id").asText());
    }

    private static String path(JsonNode branch) {
        return "/v1/tenant/%s/timeline/%s"
                .formatted(branch.path("tenant_id").asText(), branch.path("timeline_id").asText());
    }

    private void branches() {
        long bytes = 0;
        long resident = 0;
        int archived = 0;
        for (JsonNode branch : branches) {
            bytes += branch.path("current_physical_size").asLong();
            resident += branch.path("resident_physical_size").asLong();
            archived += branch.path("is_archived").asBoolean() ? 1 : 0;
            branch(branch);
        }
        review.facts
                .putObject("branches")
                .put("count", branches.size())
                .put("archived", archived)
                .put("bytes", bytes)
                .put("resident_bytes", resident);
        review.figures.add(new Review.Figure("branches", branches.size(), "", ""));
        review.figures.add(new Review.Figure("layers", bytes, "B", ""));
        review.good("branches", branches.size() + ", " + Output.bytes(bytes) + " of layers");
    }

    private void branch(JsonNode branch) {
        String what = "branch " + name(branch);
        if (branch.path("state").has("Broken")) {
            review.wrong(
                    what,
                    branch.path("state").path("Broken").path("reason").asText(),
                    "put that right and restart the server: it is read meanwhile, and what was told to be safe is");
        }
        if (branch.hasNonNull("disk_full")) {
            review.wrong(
                    what,
                    "it takes no WAL: " + branch.path("disk_full").asText(),
                    "make room; it goes on by itself");
        }
        if (branch.hasNonNull("gc_blocked")) {
            review.warning(
                    what,
                    "nothing of it is collected: " + branch.path("gc_blocked").asText(),
                    "put right what cannot be read, or the disk fills");
        }
        if (branch.hasNonNull("upload_error")) {
            review.warning(
                    what,
                    "%s are not in the store: %s"
                            .formatted(
                                    Output.bytes(branch.path("upload_lag_bytes").asLong()),
                                    branch.path("upload_error").asText()),
                    "palimpsest store check -D WORKDIR says what the store refuses; the source keeps its WAL meanwhile");
        }
    }

    private void compaction() throws InterruptedException {
        List<JsonNode> largest =
                branches.stream()
                        .filter(b ->
                                b.path("current_physical_size").asLong() > 0
                                        && !b.path("is_archived").asBoolean())
                        .sorted(
                                Comparator.comparingLong(
                                        (JsonNode b) -> -b.path("current_physical_size").asLong()))
                        .limit(MOST_DETAILS)
                        .toList();
        long debt = 0;
        for (JsonNode branch : largest) {
            JsonNode compaction;
            try {
                compaction = api.get(path(branch)).path("compaction");
            } catch (PageserverException e) {
                if (e.code() == ErrorCode.NOT_FOUND) {
                    // Deleted since it was listed.
                    continue;
                }
                throw e;
            }
            debt += compaction.path("debt_bytes").asLong();
            if (!compaction.path("off").isEmpty()) {
                review.wrong(
                        "branch " + name(branch),
                        "compaction failed too often and is off: " + compaction.path("off"),
                        "the log says why (PAL-4006); when that is put right: palimpsest compact run "
                                + name(branch)
                                + " --reset");
            }
            if (compaction.path("debt_seconds").asDouble() > LONG_DEBT_SECONDS) {
                review.warning(
                        "branch " + name(branch),
                        "compaction is "
                                + SourceStatus.duration(compaction.path("debt_seconds").asLong())
                                + " behind",
                        "is the disk slow, or the load more than it takes? At a quiet time: palimpsest compact run "
                                + name(branch));
            }
        }
        review.figures.add(new Review.Figure("compaction_debt", debt, "B", ""));
        review.good("compaction", Output.bytes(debt) + " to be rewritten");
    }

    // ---- sources ----

    private void sources() throws InterruptedException {
        ArrayNode list = review.facts.putArray("sources");
        for (JsonNode listed : api.get("/v1/source")) {
            ObjectNode source = listed.deepCopy();
            source.put("branch", names.getOrDefault(id(source), id(source)));
            list.add(source);
            try {
                source.setAll((ObjectNode) api.get(SourceOptions.path(listed)));
                source(source);
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.NOT_FOUND) {
                    throw e;
                }
                // Dropped since it was listed.
            }
        }
        if (list.isEmpty()) {
            review.good("sources", "none is followed");
        }
    }

    private static String id(JsonNode source) {
        return source.path("timeline_id").asText();
    }

    private void source(ObjectNode source) throws InterruptedException {
        String slot = source.path("slot").asText();
        String what = "source " + slot;
        int before = review.troubles().size();
        receiver(source, what);
        for (JsonNode f : source.path("findings")) {
            String verdict = f.path("verdict").asText();
            String found = f.path("what").asText() + ": " + f.path("found").asText();
            String next = f.path("next").asText();
            switch (verdict) {
                case "wrong" -> review.wrong(what, found, next);
                case "dangerous", "warning" -> review.warning(what, found, next);
                default -> {}
            }
        }
        JsonNode state = source.path("slot_status");
        if (state.isObject()) {
            slot(what, slot, state);
        }
        window(source, what, slot);
        if (review.troubles().size() == before) {
            review.good(
                    what,
                    source.path("walreceiver_status").asText()
                            + (source.has("lag_bytes")
                                    ? ", "
                                            + Output.bytes(source.path("lag_bytes").asLong())
                                            + " behind"
                                    : ""));
        }
    }

    private void receiver(JsonNode source, String what) {
        String receiver = source.path("walreceiver_status").asText();
        if (receiver.startsWith("broken")) {
            review.wrong(
                    what,
                    receiver,
                    "palimpsest source status "
                            + source.path("slot").asText()
                            + "; after a failover palimpsest source rewind");
        } else if (!source.path("problem").asText().isEmpty()) {
            review.warning(
                    what,
                    "it does not say how its slot stands: " + source.path("problem").asText(),
                    "palimpsest source check " + source.path("slot").asText());
        } else if (source.path("paused").asBoolean()) {
            review.warning(
                    what, receiver, "palimpsest source resume " + source.path("slot").asText());
        } else if (!receiver.startsWith("streaming")) {
            review.warning(
                    what, receiver, "palimpsest source check " + source.path("slot").asText());
        }
    }

    private void slot(String what, String slot, JsonNode state) {
        long kept = state.path("retained_bytes").asLong();
        review.figures.add(new Review.Figure("slot_" + slot, kept, "B", ""));
        JsonNode limit = state.path("limit_bytes");
        if (!limit.isNumber() || limit.asLong() == 0) {
            return;
        }
        long used = Math.round(100.0 * kept / limit.asLong());
        review.figures.add(
                new Review.Figure("slot_used_" + slot, used, "%", SLOT_WARNING + ";" + SLOT_WRONG));
        String found =
                "its slot keeps %s of WAL, %d %% of what it may"
                        .formatted(Output.bytes(kept), used);
        String next =
                "raise max_slot_wal_keep_size there, or find out why WAL is not taken: palimpsest source status "
                        + slot;
        if (used >= SLOT_WRONG) {
            review.wrong(what, found, next);
        } else if (used >= SLOT_WARNING) {
            review.warning(what, found, next);
        }
    }

    /** How far behind it is, and what of its history there is. */
    private void window(ObjectNode source, String what, String slot) throws InterruptedException {
        JsonNode branch =
                branches.stream()
                        .filter(b -> b.path("timeline_id").asText().equals(id(source)))
                        .findFirst()
                        .orElse(null);
        if (branch == null) {
            return;
        }
        String last = branch.path("last_record_lsn").asText();
        put(source, "recoverable_from", branch, branch.path("min_readable_lsn").asText());
        put(source, "recoverable_to", branch, last);
        JsonNode end = source.path("slot_status").path("wal_end_lsn");
        if (!end.isTextual()) {
            return;
        }
        long behind = Math.max(0, Lsn.parse(end.asText()).value() - Lsn.parse(last).value());
        source.put("lag_bytes", behind);
        review.figures.add(
                new Review.Figure("lag_" + slot, behind, "B", lag.warning + ";" + lag.wrong));
        String found = Output.bytes(behind) + " of its WAL are not here yet";
        String next =
                "is this server too slow, or its disk or store? palimpsest status, and what comes: palimpsest source status "
                        + slot;
        if (behind >= lag.wrong) {
            review.wrong(what, found, next);
        } else if (behind >= lag.warning) {
            review.warning(what, found, next);
        }
    }

    private void put(ObjectNode source, String member, JsonNode branch, String lsn)
            throws InterruptedException {
        Instant at = BranchPoint.timeIfKept(api, path(branch), Lsn.parse(lsn));
        if (at != null) {
            source.put(member, at.toString());
        }
    }

    private void operations() throws InterruptedException {
        ArrayNode running = review.facts.putArray("operations");
        for (JsonNode operation : api.get("/v1/operation")) {
            if (operation.path("state").asText().equals("running")) {
                running.add(operation);
            }
        }
        review.figures.add(new Review.Figure("operations", running.size(), "", ""));
    }

    /** What of Prometheus's text is needed: samples without labels, and a label of one. */
    private static final class Metrics {
        private Metrics() {}

        static Map<String, Double> of(String text) {
            Map<String, Double> samples = new TreeMap<>();
            for (String line : text.lines().toList()) {
                int space = line.lastIndexOf(' ');
                if (space < 0 || line.startsWith("#") || line.indexOf('{') >= 0) {
                    continue;
                }
                try {
                    samples.put(line.substring(0, space), Double.valueOf(line.substring(space)));
                } catch (NumberFormatException e) {
                    // Not a sample: nobody asks for it.
                }
            }
            return samples;
        }

        static String label(String text, String metric, String label) {
            for (String line : text.lines().toList()) {
                int at = line.indexOf(label + "=\"");
                if (line.startsWith(metric + "{") && at > 0) {
                    int from = at + label.length() + 2;
                    return line.substring(from, line.indexOf('"', from));
                }
            }
            return "unknown";
        }
    }
}
