package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
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

/** Has a running page server take tenants over from its object store. */
@Command(
        name = "attach",
        mixinStandardHelpOptions = true,
        description = {
            "Has a running page server take tenants over from its object store.",
            "A server that has one of them until then is fenced: it takes no more of its WAL."
        })
final class TenantAttach implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private ServerOptions server = new ServerOptions();

    @Option(names = "--all", description = "All tenants that the store has something of.")
    private boolean all;

    @Option(
            names = "--generation",
            paramLabel = "N",
            description =
                    "The generation, of one tenant, if somebody gives them out; else the next one.")
    private int generation;

    @Parameters(paramLabel = "TENANT", arity = "0..*", description = "Tenant ids.")
    private List<String> tenants = List.of();

    @Override
    public Integer call() throws InterruptedException {
        if (all == !tenants.isEmpty()) {
            throw PageserverException.badRequest("give tenant ids, or --all");
        }
        boolean given = spec.commandLine().getParseResult().hasMatchedOption("--generation");
        if (given && (generation < 1 || tenants.size() != 1)) {
            throw PageserverException.badRequest(
                    "--generation is a number from 1, of one tenant that is named");
        }
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        int status = Palimpsest.DONE;
        try (ServerApi api = server.open()) {
            for (TenantId tenant :
                    all ? inStore(api) : tenants.stream().map(TenantId::parse).toList()) {
                try (OperationTalk _ = OperationTalk.begin(api, tenant, null, err, false)) {
                    JsonNode _ =
                            api.call(
                                    "PUT",
                                    "/v1/tenant/" + tenant + "/location_config",
                                    "{\"mode\": \"AttachedSingle\""
                                            + (given ? ", \"generation\": " + generation : "")
                                            + "}");
                    out.println(tenant + "  attached");
                } catch (PageserverException e) {
                    err.println("palimpsest: " + tenant + ": " + e.getMessage());
                    status =
                            e.code() == ErrorCode.NOT_FOUND
                                    ? Palimpsest.NOT_FOUND
                                    : Palimpsest.FAILED;
                }
            }
        }
        return status;
    }

    private static List<TenantId> inStore(ServerApi api) throws InterruptedException {
        List<TenantId> found = new ArrayList<>();
        for (JsonNode tenant : api.get("/v1/store/tenant")) {
            found.add(TenantId.parse(tenant.path("id").asText()));
        }
        return found;
    }
}
