package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.TenantId;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** How it is with a tenant. */
@Command(
        name = "show",
        mixinStandardHelpOptions = true,
        description = "Tells how it is with a tenant of a running server as a whole.")
final class TenantShow implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private ServerOptions server = new ServerOptions();

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Parameters(paramLabel = "TENANT", description = "Tenant id.")
    private String tenant = "";

    @Override
    public Integer call() throws InterruptedException {
        TenantId id = TenantId.parse(tenant);
        JsonNode status;
        List<JsonNode> branches;
        try (ServerApi api = server.open()) {
            status = api.get("/v1/tenant/" + id);
            branches = branches(api, id, status);
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            ObjectNode o = Output.object();
            o.set("tenant", status);
            ArrayNode list = o.putArray("branches");
            branches.forEach(list::add);
            Output.json(out, o);
            return Palimpsest.DONE;
        }
        out.println("tenant      " + status.path("id").asText());
        out.println("state       " + state(status));
        JsonNode reason = status.at("/state/data/reason");
        if (reason.isTextual()) {
            out.println("because     " + reason.asText());
        }
        if (status.has("mode")) {
            out.println(
                    "mode        "
                            + status.path("mode").asText()
                            + ", generation "
                            + status.path("generation").asText()
                            + (status.has("fenced_by")
                                    ? ", taken over by generation "
                                            + status.path("fenced_by").asText()
                                    : ""));
        }
        if (status.has("gc_blocking")) {
            out.println("kept        " + status.path("gc_blocking").asText());
        }
        out.println("size        " + bytes(status, "current_physical_size"));
        out.println("here        " + bytes(status, "resident_physical_size"));
        for (JsonNode branch : branches) {
            out.println("branch      " + text(branch));
        }
        return Palimpsest.DONE;
    }

    /** Its timelines; none while it is on its way, or goes. */
    static List<JsonNode> branches(ServerApi api, TenantId id, JsonNode status)
            throws InterruptedException {
        List<JsonNode> all = new ArrayList<>();
        if (!status.path("timelines").isEmpty()) {
            api.get("/v1/tenant/" + id + "/timeline").forEach(all::add);
        }
        return all;
    }

    static String state(JsonNode tenant) {
        return tenant.at("/state/slug").asText();
    }

    static String bytes(JsonNode tenant, String member) {
        JsonNode bytes = tenant.path(member);
        return bytes.isNumber() ? Output.bytes(bytes.longValue()) : "-";
    }

    /** A branch, in a line. */
    static String text(JsonNode branch) {
        String id = branch.path("timeline_id").asText();
        return (branch.hasNonNull("name") ? branch.path("name").asText() + " (" + id + ")" : id)
                + ", "
                + bytes(branch, "current_physical_size")
                + (branch.path("is_protected").asBoolean() ? ", protected" : "")
                + (branch.path("is_archived").asBoolean() ? ", archived" : "");
    }
}
