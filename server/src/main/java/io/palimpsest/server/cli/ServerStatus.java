package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintWriter;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** How a running server stands, on one page. */
@Command(
        name = "status",
        mixinStandardHelpOptions = true,
        description = {
            "Says on one page how a running server stands: what runs there, tenants, branches, sources with their lag and what can be recovered of them, work that goes on, and all that is not well.",
            "Exit status 4 if something must be put right; palimpsest check says what to do."
        })
final class ServerStatus implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private ServerOptions server = new ServerOptions();

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws InterruptedException {
        Review review;
        try (ServerApi api = server.open()) {
            review = ServerReview.of(api, new ServerReview.Lag(Long.MAX_VALUE, Long.MAX_VALUE));
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            Output.json(out, review.json());
        } else {
            print(out, review);
        }
        return review.verdict() == Review.Verdict.WRONG ? Palimpsest.CONFLICT : Palimpsest.DONE;
    }

    private void print(PrintWriter out, Review review) {
        JsonNode s = review.facts.path("server");
        String up =
                s.has("started_at")
                        ? ", up "
                                + SourceStatus.duration(
                                        Math.max(
                                                0,
                                                Duration.between(
                                                                Instant.parse(
                                                                        s.path("started_at")
                                                                                .asText()),
                                                                Instant.now())
                                                        .toSeconds()))
                        : "";
        out.println("server    " + s.path("version").asText() + " at " + server.url() + up);
        out.println(
                "ready     "
                        + (s.path("ready").asBoolean() ? "yes" : "no")
                        + (s.has("disk_left_bytes")
                                ? "; "
                                        + Output.bytes(s.path("disk_left_bytes").asLong())
                                        + " of disk left"
                                : ""));
        out.println("store     " + s.path("store").asText());
        out.println("tenants   " + tenants(review.facts.path("tenants")));
        JsonNode b = review.facts.path("branches");
        out.println(
                String.format(
                        Locale.ROOT,
                        "branches  %d, %d archived; %s of layers, %s of them on the disk",
                        b.path("count").asInt(),
                        b.path("archived").asInt(),
                        Output.bytes(b.path("bytes").asLong()),
                        Output.bytes(b.path("resident_bytes").asLong())));
        for (JsonNode operation : review.facts.path("operations")) {
            out.println(
                    "running   "
                            + OperationText.name(operation)
                            + ", "
                            + OperationText.progress(operation));
        }
        sources(out, review.facts.path("sources"));
        for (Review.Finding f : review.troubles()) {
            out.println(f.verdict() + ": " + f.what() + ": " + f.found());
        }
        if (!review.troubles().isEmpty()) {
            spec.commandLine().getErr().println("palimpsest check says what to do");
        }
    }

    private static String tenants(JsonNode tenants) {
        List<String> modes = new ArrayList<>();
        tenants.forEach(tenant -> {
            String mode = tenant.path("mode").asText();
            if (!modes.contains(mode)) {
                modes.add(mode);
            }
        });
        return tenants.size() + (modes.isEmpty() ? "" : ", " + String.join(", ", modes));
    }

    private static void sources(PrintWriter out, JsonNode sources) {
        if (sources.isEmpty()) {
            out.println("sources   none is followed");
            return;
        }
        Output.Table table =
                new Output.Table(
                        "SOURCE", "BRANCH", ">BEHIND", ">SLOT KEEPS", "RECOVERABLE FROM", "TO");
        for (JsonNode source : sources) {
            table.row(
                    source.path("slot").asText(),
                    source.path("branch").asText(),
                    bytes(source.path("lag_bytes")),
                    bytes(source.path("slot_status").path("retained_bytes")),
                    source.path("recoverable_from").asText("-"),
                    source.path("recoverable_to").asText("-"));
        }
        table.print(out);
    }

    private static String bytes(JsonNode value) {
        return value.isNumber() ? Output.bytes(value.asLong()) : "-";
    }
}
