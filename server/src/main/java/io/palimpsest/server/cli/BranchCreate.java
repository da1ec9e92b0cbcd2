package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Label;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import java.time.Duration;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Makes a branch. */
@Command(
        name = "create",
        mixinStandardHelpOptions = true,
        description = {
            "Makes a branch of another one, as of any point of its history: one small file, whatever the size of the data.",
            "It shares objects with what it is a branch of: it is no backup.",
            "With --empty it is a branch of nothing: a new cluster, which the server's initdb makes."
        })
final class BranchCreate implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(paramLabel = "NAME", description = "What it is to be called.")
    private String name = "";

    @Option(
            names = "--from",
            paramLabel = "BRANCH[@POINT]",
            description =
                    "Of what, and as of when: latest (the default), oldest, an LSN, a time with a zone, -15m, xid:733, or the name of a point. Not needed if there is one branch.")
    private String from = "";

    @Option(
            names = "--empty",
            paramLabel = "VERSION",
            description = "A new cluster of that version of PostgreSQL: 14 to 18.")
    private int empty;

    @Option(
            names = "--ttl",
            paramLabel = "TIME",
            converter = Age.class,
            description = "Delete it by itself after that time: 90s, 15m, 12h, 30d.")
    private @Nullable Duration ttl;

    @Option(names = "--protect", description = "It cannot be deleted before it is unprotected.")
    private boolean protect;

    @Override
    public Integer call() throws InterruptedException {
        Label label = new Label(name);
        Duration end = ttl == null ? null : BranchExpire.checked(ttl);
        if (end != null && protect) {
            throw PageserverException.badRequest(
                    "a protected branch does not expire: say --ttl or --protect");
        }
        if (empty != 0 && !from.isEmpty()) {
            throw PageserverException.badRequest(
                    "a branch of %s is not empty: say --from or --empty", from);
        }
        try (ServerApi api = server.open()) {
            TenantId tenant = empty == 0 ? server.tenant(api) : server.tenantOrNew(api);
            BranchPoint point =
                    empty == 0 ? BranchOptions.resolve(api, Branches.of(api, tenant), from) : null;
            Branches.Branch made = new Branches.Branch(made(api, tenant, point, label));
            Branches branches = Branches.of(api, tenant);
            if (end != null) {
                made = new Branches.Branch(branches.put(made, "expiry", BranchExpire.body(end)));
            }
            if (protect) {
                ObjectNode body = Branches.body().put("protected", true);
                made = new Branches.Branch(branches.put(made, "protection", body));
            }
            if (server.json()) {
                ObjectNode o = Output.object();
                o.set("branch", branches.describe(made));
                if (point != null) {
                    o.set("point", point.json());
                }
                Output.json(server.out(), o);
            } else {
                server.out().println("branch   " + made.name());
                server.out().println("id       " + made.id());
                if (made.json().has("expires_at")) {
                    server.out().println("expires  " + made.json().path("expires_at").asText());
                }
                server.say("next: palimpsest connect %s --psql", made.name());
            }
            return Palimpsest.DONE;
        }
    }

    private JsonNode made(ServerApi api, TenantId tenant, @Nullable BranchPoint point, Label label)
            throws InterruptedException {
        TimelineId id = BranchPoint.newId();
        if (point != null) {
            server.say("%s", point.said());
            return point.branch(api, id, label.text());
        }
        ObjectNode body =
                Branches.body()
                        .put("new_timeline_id", id.toString())
                        .put("pg_version", empty)
                        .put("name", label.text());
        return api.call("POST", "/v1/tenant/" + tenant + "/timeline", body.toString());
    }
}
