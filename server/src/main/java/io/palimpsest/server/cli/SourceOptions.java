package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.server.runtime.SecureIds;
import io.palimpsest.timeline.WalSource;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What commands about sources have in common. */
final class SourceOptions {
    @Mixin private ServerOptions server = new ServerOptions();

    @Option(
            names = "--tenant",
            paramLabel = "TENANT",
            description = "Of this tenant. Default: of the only one, or of all.")
    private @Nullable String tenant;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    boolean json() {
        return json;
    }

    ServerApi open() {
        return server.open();
    }

    /** Null if it is not said. */
    @Nullable TenantId tenant() {
        return tenant == null ? null : TenantId.parse(tenant);
    }

    /** The one that is named, or the only one there is, or a new one. */
    TenantId tenantOrNew(ServerApi api) throws InterruptedException {
        return tenantOrNew(api, tenant());
    }

    static TenantId tenantOrNew(ServerApi api, @Nullable TenantId named)
            throws InterruptedException {
        if (named != null) {
            return named;
        }
        JsonNode all = api.get("/v1/tenant");
        if (!all.isEmpty()) {
            return Connect.only(all);
        }
        SecureIds ids = new SecureIds();
        return new TenantId(ids.nextLong(), ids.nextLong());
    }

    /** Sources that are followed. */
    List<JsonNode> sources(ServerApi api) throws InterruptedException {
        TenantId of = tenant();
        List<JsonNode> all = new ArrayList<>();
        api.get(of == null ? "/v1/source" : "/v1/tenant/" + of + "/source").forEach(all::add);
        return all;
    }

    /**
     * The one that is called so: by its slot, its branch's name, or the beginning of that's id.
     *
     * @throws PageserverException NOT_FOUND; BAD_REQUEST if several are
     */
    JsonNode source(ServerApi api, String name) throws InterruptedException {
        List<JsonNode> found =
                sources(api).stream()
                        .filter(s ->
                                s.path("slot").asText().equals(name)
                                        || s.path("name").asText().equals(name)
                                        || s.path("timeline_id").asText().startsWith(name))
                        .toList();
        if (found.isEmpty()) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND,
                    "no source is called %s; palimpsest source list shows those that are followed",
                    name);
        }
        if (found.size() > 1) {
            throw PageserverException.badRequest(
                    "%d sources are called %s; say which one by the beginning of its branch's id: %s",
                    found.size(),
                    name,
                    found.stream().map(s -> s.path("timeline_id").asText()).toList());
        }
        return found.getFirst();
    }

    /** Where the server tells of that source. */
    static String path(JsonNode source) {
        return "/v1/tenant/%s/timeline/%s/source"
                .formatted(
                        TenantId.parse(source.path("tenant_id").asText()),
                        TimelineId.parse(source.path("timeline_id").asText()));
    }

    /** The body that tells the server whom to follow. */
    static ObjectNode body(WalSource source) {
        return JsonNodeFactory.instance
                .objectNode()
                .put("conninfo", source.conninfo())
                .put("slot", source.slot());
    }

    /** Findings as a table; what is to be done below it. */
    static void print(PrintWriter out, JsonNode findings) {
        Output.Table table = new Output.Table("WHAT", "VERDICT", "FOUND");
        for (JsonNode f : findings) {
            table.row(
                    f.path("what").asText(), f.path("verdict").asText(), f.path("found").asText());
        }
        table.print(out);
        for (JsonNode f : findings) {
            if (!f.path("next").asText().isEmpty()) {
                out.println(
                        f.path("verdict").asText()
                                + ": "
                                + f.path("what").asText()
                                + ": "
                                + f.path("next").asText());
            }
        }
    }
}
