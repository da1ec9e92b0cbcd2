package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** What a tenant has of its own in place of the server's configuration. */
@Command(
        name = "config",
        mixinStandardHelpOptions = true,
        description = {
            "Says how a tenant is configured, and what of that is its own; with KEY=VALUE, changes it, at once and for good.",
            "Keys are those of tenant_config, docs/configuration.md says what each is for; durations such as '7 d'."
        })
final class TenantConfigure implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private ServerOptions server = new ServerOptions();

    @Parameters(paramLabel = "TENANT", index = "0", description = "Tenant id.")
    private String tenant = "";

    @Parameters(
            paramLabel = "KEY=VALUE",
            index = "1..*",
            description = "What it is to have of its own.")
    private List<String> settings = List.of();

    @Option(
            names = "--unset",
            paramLabel = "KEY",
            description = "What is to be as the server is configured again; may be repeated.")
    private List<String> unset = List.of();

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws InterruptedException {
        TenantId id = TenantId.parse(tenant);
        ObjectNode changes = changes();
        PrintWriter out = spec.commandLine().getOut();
        try (ServerApi api = server.open()) {
            if (!changes.isEmpty()) {
                changes.put("tenant_id", id.toString());
                JsonNode _ = api.call("PATCH", "/v1/tenant/config", changes.toString());
            }
            JsonNode now = api.get("/v1/tenant/" + id + "/config");
            if (json) {
                ObjectNode o = Output.object();
                o.put("tenant_id", id.toString());
                now.properties().forEach(field -> o.set(field.getKey(), field.getValue()));
                Output.json(out, o);
                return Palimpsest.DONE;
            }
            JsonNode own = now.path("tenant_specific_overrides");
            Output.Table table = new Output.Table("KEY", "VALUE", "OF");
            for (Map.Entry<String, JsonNode> field : now.path("effective_config").properties()) {
                table.row(
                        field.getKey(),
                        field.getValue().asText(),
                        own.has(field.getKey()) ? "the tenant" : "the server");
            }
            table.print(out);
        }
        return Palimpsest.DONE;
    }

    private ObjectNode changes() {
        ObjectNode changes = JsonNodeFactory.instance.objectNode();
        for (String setting : settings) {
            int equals = setting.indexOf('=');
            if (equals < 1) {
                throw PageserverException.badRequest(
                        "'%s' is not KEY=VALUE, e.g. pitr_interval='14 d'", setting);
            }
            String value = setting.substring(equals + 1).strip();
            if (value.matches("[0-9]{1,18}")) {
                changes.put(setting.substring(0, equals), Long.parseLong(value));
            } else {
                changes.put(setting.substring(0, equals), value);
            }
        }
        for (String key : unset) {
            if (changes.has(key)) {
                throw PageserverException.badRequest("%s is set and unset", key);
            }
            changes.putNull(key);
        }
        return changes;
    }
}
