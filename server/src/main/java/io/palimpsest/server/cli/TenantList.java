package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Tenants of a running server. */
@Command(
        name = "list",
        aliases = "ls",
        mixinStandardHelpOptions = true,
        description =
                "Tenants of a running server: those it has attached, those on their way, those that are being deleted.")
final class TenantList implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private ServerOptions server = new ServerOptions();

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws InterruptedException {
        JsonNode all;
        try (ServerApi api = server.open()) {
            all = api.get("/v1/tenant");
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            ObjectNode o = Output.object();
            ArrayNode list = o.putArray("tenants");
            all.forEach(list::add);
            Output.json(out, o);
            return Palimpsest.DONE;
        }
        if (all.isEmpty()) {
            spec.commandLine().getErr().println("palimpsest: the server has no tenants");
            return Palimpsest.DONE;
        }
        Output.Table table =
                new Output.Table("TENANT", "STATE", "MODE", ">GENERATION", ">BYTES", ">HERE");
        for (JsonNode tenant : all) {
            table.row(
                    tenant.path("id").asText(),
                    TenantShow.state(tenant),
                    tenant.path("mode").asText("-"),
                    tenant.path("generation").asText("-"),
                    TenantShow.bytes(tenant, "current_physical_size"),
                    TenantShow.bytes(tenant, "resident_physical_size"));
        }
        table.print(out);
        return Palimpsest.DONE;
    }
}
