package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The branches of a tenant, as a running server told of them at one moment. */
final class Branches {
    private final ServerApi api;
    private final TenantId tenant;
    private final List<Branch> all = new ArrayList<>();

    /** A branch, as the server describes it. */
    record Branch(JsonNode json) {
        String id() {
            return json.path("timeline_id").asText();
        }

        /** Its name, or its id if it has none. */
        String name() {
            return json.path("name").asText(id());
        }

        boolean isProtected() {
            return json.path("is_protected").asBoolean();
        }

        /** The id of what it hangs on; empty: nothing. */
        String ancestor() {
            return json.path("ancestor_timeline_id").asText();
        }

        /** Where it hangs; empty: nowhere. */
        String branchLsn() {
            return json.path("ancestor_lsn").asText();
        }

        String latest() {
            return json.path("last_record_lsn").asText();
        }

        String oldest() {
            return json.path("min_readable_lsn").asText();
        }

        List<JsonNode> points() {
            List<JsonNode> points = new ArrayList<>();
            json.path("points").forEach(points::add);
            return points;
        }
    }

    private Branches(ServerApi api, TenantId tenant) {
        this.api = api;
        this.tenant = tenant;
    }

    static Branches of(ServerApi api, TenantId tenant) throws InterruptedException {
        Branches branches = new Branches(api, tenant);
        for (JsonNode json : api.get("/v1/tenant/" + tenant + "/timeline")) {
            branches.all.add(new Branch(json));
        }
        return branches;
    }

    TenantId tenant() {
        return tenant;
    }

    List<Branch> all() {
        return all;
    }

    /** Those that are not archived. */
    List<Branch> active() {
        return all.stream().filter(b -> !b.json().path("is_archived").asBoolean()).toList();
    }

    /**
     * The one that is meant: by its name, its id or the beginning of it, or the slot of the source
     * that it follows; an empty text means the only one there is.
     *
     * @throws PageserverException NOT_FOUND; BAD_REQUEST if several ids begin so
     */
    Branch find(String text) throws InterruptedException {
        for (Branch branch : all) {
            if (branch.name().equals(text) || branch.id().equals(text.toLowerCase(Locale.ROOT))) {
                return branch;
            }
        }
        for (JsonNode source : api.get("/v1/tenant/" + tenant + "/source")) {
            if (source.path("slot").asText().equals(text)) {
                return byId(source.path("timeline_id").asText());
            }
        }
        List<Branch> found = all.stream().filter(b -> b.id().startsWith(text)).toList();
        if (found.isEmpty()) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND,
                    "tenant %s has no branch %s; palimpsest branch list shows those there are",
                    tenant,
                    text);
        }
        if (found.size() > 1 && text.isEmpty()) {
            throw PageserverException.badRequest(
                    "there are %d branches: say which one; palimpsest branch list shows them",
                    found.size());
        }
        if (found.size() > 1) {
            throw PageserverException.badRequest(
                    "%d branches begin with '%s': %s",
                    found.size(), text, found.stream().map(Branch::name).toList());
        }
        return found.getFirst();
    }

    /** The one of that id; NOT_FOUND. */
    Branch byId(String id) {
        return all.stream()
                .filter(branch -> branch.id().equals(id))
                .findFirst()
                .orElseThrow(() ->
                        PageserverException.of(
                                ErrorCode.NOT_FOUND,
                                "timeline %s of tenant %s is not there, or cannot be read",
                                id,
                                tenant));
    }

    /** What a timeline is called; its id if it has no name or is not there. */
    String nameOf(String id) {
        return all.stream()
                .filter(branch -> branch.id().equals(id))
                .map(Branch::name)
                .findFirst()
                .orElse(id);
    }

    /** Those that hang on it, in the order of where, then of names. */
    List<Branch> children(Branch of) {
        return all.stream()
                .filter(branch -> branch.ancestor().equals(of.id()))
                .sorted(
                        Comparator.comparing((Branch b) -> Lsn.parse(b.branchLsn()))
                                .thenComparing(Branch::name))
                .toList();
    }

    /** It and all that hang on it, each after those that hang on it. */
    List<Branch> leavesFirst(Branch top) {
        List<Branch> order = new ArrayList<>(List.of(top));
        for (int i = 0; i < order.size(); i++) {
            order.addAll(children(order.get(i)));
        }
        return order.reversed();
    }

    String path(Branch branch) {
        return "/v1/tenant/" + tenant + "/timeline/" + branch.id();
    }

    /** Has the server change something of a branch. */
    JsonNode put(Branch branch, String what, ObjectNode body) throws InterruptedException {
        return api.call("PUT", path(branch) + "/" + what, body.toString());
    }

    static ObjectNode body() {
        return JsonNodeFactory.instance.objectNode();
    }

    /** The name that is said, if it is one: before any work. */
    static @Nullable String checked(@Nullable String name) {
        return name == null ? null : new Label(name).text();
    }

    /** A branch as commands print it. */
    ObjectNode describe(Branch branch) {
        ObjectNode o = body();
        o.put("tenant_id", tenant.toString()).put("timeline_id", branch.id());
        copy(branch, o, "name");
        if (!branch.ancestor().isEmpty()) {
            ObjectNode from = o.putObject("from").put("timeline_id", branch.ancestor());
            from.put("name", nameOf(branch.ancestor()));
            from.put("lsn", branch.branchLsn());
        }
        o.put("oldest_lsn", branch.oldest()).put("latest_lsn", branch.latest());
        copy(branch, o, "is_protected");
        copy(branch, o, "is_archived");
        copy(branch, o, "expires_at");
        copy(branch, o, "pg_version");
        copy(branch, o, "current_physical_size");
        copy(branch, o, "points");
        return o;
    }

    private static void copy(Branch branch, ObjectNode to, String member) {
        if (branch.json().hasNonNull(member)) {
            to.set(member, branch.json().get(member));
        }
    }
}
