package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Label;
import io.palimpsest.base.TimelineId;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Goes on after a failover that has lost what a branch has. */
@Command(
        name = "rewind",
        mixinStandardHelpOptions = true,
        description = {
            "Goes on after a failover of a PostgreSQL that has lost what was followed already.",
            "A branch of what both have follows the new server from there, by the same slot, and gets the name. Nothing is copied, and nothing is lost: what had the name keeps all it has, under another one.",
            "It is refused where the server goes on from all that is here. The same again with --timeline does what is left."
        })
final class SourceRewind implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private SourceOptions options = new SourceOptions();

    @Parameters(
            paramLabel = "SOURCE",
            description = "Its name, or the beginning of its branch's id.")
    private String name = "";

    @Option(
            names = "--preserve-under",
            paramLabel = "NAME",
            description =
                    "What the former branch is called. Default: its name, and up to which LSN it has WAL.")
    private @Nullable String preserveUnder;

    @Option(
            names = "--timeline",
            paramLabel = "ID",
            description = "The id of the new branch. Default: a random one.")
    private @Nullable String timeline;

    @Override
    public Integer call() throws InterruptedException {
        PrintWriter out = spec.commandLine().getOut();
        try (ServerApi api = options.open()) {
            JsonNode source = options.source(api, name);
            String former = source.path("timeline_id").asText();
            TimelineId id = timeline == null ? BranchPoint.newId() : TimelineId.parse(timeline);
            String last = detail(api, source, former).path("last_record_lsn").asText();
            ObjectNode body = Branches.body().put("new_timeline_id", id.toString());
            String kept = kept(source, last);
            if (kept != null) {
                body.put("preserve_under", kept);
            }
            JsonNode made =
                    api.call("POST", SourceOptions.path(source) + "/rewind", body.toString());
            print(out, made, former, last, kept);
            return Palimpsest.DONE;
        }
    }

    private static JsonNode detail(ServerApi api, JsonNode source, String id)
            throws InterruptedException {
        return api.get("/v1/tenant/" + source.path("tenant_id").asText() + "/timeline/" + id);
    }

    /** Null: what has no name needs none. */
    private @Nullable String kept(JsonNode source, String last) {
        if (!source.has("name")) {
            return preserveUnder;
        }
        if (preserveUnder != null) {
            return new Label(preserveUnder).text();
        }
        String until = "-until-" + last.replace('/', '-');
        String called = source.path("name").asText();
        return called.substring(0, Math.min(called.length(), Label.LONGEST - until.length()))
                + until;
    }

    private void print(
            PrintWriter out, JsonNode made, String former, String last, @Nullable String kept) {
        String from = made.path("ancestor_lsn").asText();
        if (options.json()) {
            ObjectNode o = Output.object().put("timeline_id", made.path("timeline_id").asText());
            if (made.has("name")) {
                o.put("name", made.path("name").asText());
            }
            o.put("from_lsn", from);
            ObjectNode before = o.putObject("former").put("timeline_id", former);
            before.put("last_record_lsn", last);
            if (kept != null) {
                before.put("name", kept);
            }
            Output.json(out, o);
            return;
        }
        if (made.has("name")) {
            out.println("branch  " + made.path("name").asText());
        }
        out.println("id      " + made.path("timeline_id").asText());
        out.println("from    " + from + ", where the server that is followed now went on");
        out.println(
                "former  "
                        + former
                        + (kept == null ? "" : ", called " + kept)
                        + ", keeps all up to "
                        + last);
        out.println("next    palimpsest source status " + name);
    }
}
