package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.timeline.LocationMode;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Says, or asks, what a running page server is to a tenant. */
@Command(
        name = "locate",
        mixinStandardHelpOptions = true,
        description = {
            "Says what a running page server is to a tenant; without a mode, asks.",
            "Modes: AttachedSingle, AttachedMulti, AttachedStale, Secondary, Detached."
        })
final class TenantLocate implements Callable<Integer> {
    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private ServerOptions server = new ServerOptions();

    @Parameters(paramLabel = "TENANT", index = "0", description = "Tenant id.")
    private String tenant = "";

    @Parameters(paramLabel = "MODE", index = "1", arity = "0..1", description = "What it is to be.")
    private @Nullable String mode;

    @Option(
            names = "--generation",
            paramLabel = "N",
            description = "The generation, of attached modes, if somebody gives them out.")
    private @Nullable Integer generation;

    @Option(names = "--warm", description = "Of Secondary: layers are kept ready.")
    private boolean warm;

    @Override
    public Integer call() throws InterruptedException {
        TenantId id = TenantId.parse(tenant);
        LocationMode wanted = mode == null ? null : LocationMode.parse(mode);
        if (generation != null && (wanted == null || !wanted.attached() || generation < 1)) {
            throw PageserverException.badRequest(
                    "--generation is a number from 1, of an attached mode");
        }
        if (warm && wanted != LocationMode.SECONDARY) {
            throw PageserverException.badRequest("--warm is of Secondary");
        }
        PrintWriter out = spec.commandLine().getOut();
        try (ServerApi api = server.open()) {
            if (wanted != null) {
                JsonNode _ = api.call("PUT", "/v1/tenant/" + id + "/location_config", body(wanted));
            }
            if (wanted == LocationMode.DETACHED) {
                out.println(id + "  " + wanted);
                return Palimpsest.DONE;
            }
            JsonNode now = api.get("/v1/location_config/" + id);
            JsonNode held = now.path("generation");
            out.println(
                    id
                            + "  "
                            + now.path("mode").asText()
                            + (held.isInt() ? "  generation " + held.intValue() : "")
                            + (now.path("secondary_conf").path("warm").asBoolean()
                                    ? "  warm"
                                    : ""));
        }
        return Palimpsest.DONE;
    }

    private String body(LocationMode wanted) {
        return "{\"mode\": \""
                + wanted
                + "\""
                + (generation == null ? "" : ", \"generation\": " + generation)
                + (wanted == LocationMode.SECONDARY
                        ? ", \"secondary_conf\": {\"warm\": " + warm + "}"
                        : "")
                + "}";
    }
}
