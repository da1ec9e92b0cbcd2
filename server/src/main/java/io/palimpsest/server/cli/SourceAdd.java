package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Label;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.timeline.WalSource;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Has a server follow a PostgreSQL. */
@Command(
        name = "add",
        mixinStandardHelpOptions = true,
        description = {
            "Follows a PostgreSQL by a new branch: checks it, copies the cluster, then streams its WAL.",
            "A source that could be harmed is refused: one whose slot may keep WAL without a limit, above all.",
            "The same again is fine: what is followed already is not copied twice.",
            Conninfo.HELP
        })
final class SourceAdd implements Callable<Integer> {
    /** Of a cluster's copy. */
    private static final Duration LONGEST = Duration.ofHours(6);

    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private SourceOptions options = new SourceOptions();

    @Parameters(
            index = "0",
            paramLabel = "NAME",
            description =
                    "What it is to be called here, and its replication slot there: a-z, 0-9 and _.")
    private String name = "";

    @Parameters(
            index = "1",
            paramLabel = "CONNINFO",
            description =
                    "Whom to follow: 'host=... port=... user=...', or postgresql://USER@HOST:PORT.")
    private String conninfo = "";

    @Option(
            names = "--timeline",
            paramLabel = "ID",
            description = "The id of the new branch. Default: a random one.")
    private @Nullable String timeline;

    @Option(
            names = "--branch",
            paramLabel = "NAME",
            description = "What the new branch is called. Default: as the source.")
    private @Nullable String branch;

    @Option(
            names = "--i-accept",
            description = "Follow it even if that could harm it, as source check says.")
    private boolean accepted;

    @Override
    public Integer call() throws InterruptedException {
        WalSource source = Conninfo.parse(conninfo, name, System.getenv());
        Label label = new Label(branch == null ? name : branch);
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        try (ServerApi api = options.open()) {
            JsonNode there = there(api, source);
            if (there != null) {
                err.println("palimpsest: it is followed already");
                print(out, there, true);
                return Palimpsest.DONE;
            }
            TenantId tenant = options.tenantOrNew(api);
            TimelineId id = timeline == null ? BranchPoint.newId() : TimelineId.parse(timeline);
            ObjectNode body = SourceOptions.body(source);
            JsonNode check = api.call("POST", "/v1/source/check", body.toString());
            String verdict = check.path("verdict").asText();
            if (!verdict.equals("good")) {
                SourceOptions.print(err, check.path("findings"));
            }
            body.put("new_timeline_id", id.toString())
                    .put("name", label.text())
                    .put("accept_danger", accepted);
            if (verdict.equals("good") || verdict.equals("warning") || accepted) {
                err.println(
                        "copying the cluster of " + source.host() + ":" + source.port() + " ...");
            }
            JsonNode made;
            try (OperationTalk _ = OperationTalk.begin(api, tenant, id, err, options.json())) {
                made =
                        api.call(
                                "POST",
                                "/v1/tenant/" + tenant + "/source",
                                body.toString(),
                                LONGEST);
            }
            print(out, made, false);
            return Palimpsest.DONE;
        }
    }

    /** The same source, if it is followed already. */
    private @Nullable JsonNode there(ServerApi api, WalSource source) throws InterruptedException {
        for (JsonNode s : options.sources(api)) {
            if (s.path("slot").asText().equals(source.slot())
                    && s.path("host").asText().equals(source.host())
                    && s.path("port").asInt() == source.port()) {
                return s;
            }
        }
        return null;
    }

    private void print(PrintWriter out, JsonNode source, boolean before) {
        String tenant = source.path("tenant_id").asText();
        String id = source.path("timeline_id").asText();
        JsonNode called = source.path("name");
        if (options.json()) {
            ObjectNode o =
                    Output.object()
                            .put("tenant_id", tenant)
                            .put("timeline_id", id)
                            .put("already", before);
            if (called.isTextual()) {
                o.put("name", called.asText());
            }
            Output.json(out, o);
            return;
        }
        out.println("tenant  " + tenant);
        if (called.isTextual()) {
            out.println("branch  " + called.asText());
        }
        out.println("id      " + id);
        out.println("next    palimpsest source status " + name);
    }
}
