package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Deletes a tenant. */
@Command(
        name = "delete",
        aliases = "rm",
        mixinStandardHelpOptions = true,
        description = {
            "Deletes a tenant with all of its branches, on the server and in its object store, for good. It says what would go; --yes does it, or its id typed on a terminal.",
            "One that has protected branches is refused without --protected, one that follows a source always: source drop first."
        })
final class TenantDelete implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private ServerOptions server = new ServerOptions();

    @Option(names = "--protected", description = "Protected branches go, too.")
    private boolean protectedToo;

    @Mixin private Consent consent = new Consent();

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Parameters(paramLabel = "TENANT", description = "Tenant id.")
    private String tenant = "";

    @Override
    public Integer call() throws InterruptedException {
        TenantId id = TenantId.parse(tenant);
        boolean really;
        try (ServerApi api = server.open()) {
            JsonNode status = status(api, id, consent.given());
            List<JsonNode> branches =
                    status == null ? List.of() : TenantShow.branches(api, id, status);
            check(api, id, branches);
            if (!json) {
                print(status, branches, consent.given());
            }
            really = consent.given(id.toString());
            if (really) {
                JsonNode _ =
                        api.call(
                                "DELETE",
                                "/v1/tenant/" + id + (protectedToo ? "?protected=delete" : ""),
                                "");
            }
            if (json) {
                ObjectNode o = Output.object();
                o.put("tenant", id.toString());
                ArrayNode list = o.putArray("branches");
                branches.forEach(list::add);
                o.put("deleted", really);
                Output.json(spec.commandLine().getOut(), o);
            }
        }
        return consent.status(really, "nothing was deleted");
    }

    /** Null if it is not here: with --yes the server says whether it is gone, or somewhere else. */
    private static @Nullable JsonNode status(ServerApi api, TenantId id, boolean really)
            throws InterruptedException {
        try {
            return api.get("/v1/tenant/" + id);
        } catch (PageserverException e) {
            if (really && e.code() == ErrorCode.NOT_FOUND) {
                return null;
            }
            throw e;
        }
    }

    private void check(ServerApi api, TenantId id, List<JsonNode> branches)
            throws InterruptedException {
        List<String> kept = new ArrayList<>();
        for (JsonNode branch : branches) {
            if (branch.path("is_protected").asBoolean() && !protectedToo) {
                kept.add(branch.path("name").asText(branch.path("timeline_id").asText()));
            }
        }
        if (!kept.isEmpty()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "%s protected: palimpsest branch unprotect first, or --protected",
                    String.join(", ", kept) + (kept.size() > 1 ? " are" : " is"));
        }
        if (branches.isEmpty()) {
            return;
        }
        List<String> slots = new ArrayList<>();
        for (JsonNode source : api.get("/v1/tenant/" + id + "/source")) {
            slots.add(source.path("slot").asText());
        }
        if (!slots.isEmpty()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "it follows %s: the slot would keep WAL there for nobody, until that disk is full; palimpsest source drop first",
                    String.join(", ", slots));
        }
    }

    private void print(@Nullable JsonNode status, List<JsonNode> branches, boolean really) {
        PrintWriter out = spec.commandLine().getOut();
        String verb = really ? "deletes  " : "would delete  ";
        branches.forEach(branch -> out.println(verb + TenantShow.text(branch)));
        out.println(
                status == null
                        ? "nothing of tenant " + tenant + " is here"
                        : verb
                                + "tenant "
                                + tenant
                                + ", "
                                + branches.size()
                                + (branches.size() == 1 ? " branch, " : " branches, ")
                                + TenantShow.bytes(status, "current_physical_size")
                                + ", here and in the store");
        out.flush();
    }
}
