package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TimelineId;
import io.palimpsest.server.cli.Branches.Branch;
import org.jspecify.annotations.Nullable;

/**
 * A new branch in the place of one, under its name: the new one is there before the name is taken,
 * and that is one step on the server, so that the name always leads to the one or the other.
 *
 * @param preserveUnder what the former one is called afterwards; null: it is deleted
 */
record BranchReplacement(
        BranchServer server,
        ServerApi api,
        Branches branches,
        Branch target,
        @Nullable String preserveUnder) {
    /** Refuses what cannot be, before any work. */
    void check() throws InterruptedException {
        if (!target.json().has("name")) {
            throw PageserverException.badRequest(
                    "timeline %s has no name that could lead to another one: palimpsest branch rename gives it one",
                    target.id());
        }
        if (target.isProtected()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "%s is protected and keeps its name: palimpsest branch unprotect %s first",
                    target.name(),
                    target.name());
        }
        for (Branch branch : branches.all()) {
            if (preserveUnder != null && branch.name().equals(preserveUnder)) {
                throw PageserverException.of(
                        ErrorCode.CONFLICT, "there is a branch %s already", preserveUnder);
            }
        }
        if (preserveUnder == null && !branches.children(target).isEmpty()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "%d branches hang on %s: keep it by --preserve-under, or delete them first",
                    branches.children(target).size(),
                    target.name());
        }
    }

    /** Makes it, and prints what is there then. */
    void run(BranchPoint from) throws InterruptedException {
        TimelineId id = BranchPoint.newId();
        JsonNode _ = from.branch(api, id, null);
        boolean taken = false;
        JsonNode named;
        try {
            ObjectNode body = Branches.body().put("name", target.name()).put("take", true);
            if (preserveUnder != null) {
                body.put("preserve_under", preserveUnder);
            }
            named =
                    api.call(
                            "PUT",
                            "/v1/tenant/" + branches.tenant() + "/timeline/" + id + "/name",
                            body.toString());
            taken = true;
        } finally {
            if (!taken) {
                discard(id);
            }
        }
        if (preserveUnder == null) {
            deleteFormer();
        }
        print(new Branch(named), from);
    }

    private void deleteFormer() throws InterruptedException {
        try {
            BranchPoint.delete(api, branches.tenant(), TimelineId.parse(target.id()));
        } catch (PageserverException e) {
            server.say(
                    "%s leads to the new one; the former, %s, is left without a name, for it could not be deleted",
                    target.name(), target.id());
            throw e;
        }
    }

    /** The name was refused, or it is not known whether it was taken: then the branch stays. */
    private void discard(TimelineId id) throws InterruptedException {
        try {
            JsonNode now = api.get("/v1/tenant/" + branches.tenant() + "/timeline/" + id);
            if (!now.has("name")) {
                BranchPoint.delete(api, branches.tenant(), id);
            }
        } catch (PageserverException e) {
            server.say(
                    "timeline %s was made for this and may be left over: %s",
                    id, String.valueOf(e.getMessage()));
        }
    }

    private void print(Branch made, BranchPoint from) throws InterruptedException {
        Branches now = Branches.of(api, branches.tenant());
        if (server.json()) {
            ObjectNode o = Output.object();
            o.set("branch", now.describe(made));
            o.set("point", from.json());
            ObjectNode former = o.putObject("former").put("timeline_id", target.id());
            if (preserveUnder != null) {
                former.put("name", preserveUnder);
            }
            former.put("deleted", preserveUnder == null);
            Output.json(server.out(), o);
            return;
        }
        server.out().println("branch   " + made.name());
        server.out().println("id       " + made.id());
        server.out()
                .println(
                        "former   "
                                + target.id()
                                + (preserveUnder == null
                                        ? ", deleted"
                                        : ", called " + preserveUnder));
    }

    /** Says so if a source goes on feeding what had the name. */
    void warnOfSource() throws InterruptedException {
        for (JsonNode source : api.get("/v1/tenant/" + branches.tenant() + "/source")) {
            if (source.path("timeline_id").asText().equals(target.id())) {
                server.say(
                        "the source %s (slot %s) goes on feeding the former one%s, and the new %s follows nobody",
                        SourceStatus.server(source),
                        source.path("slot").asText(),
                        preserveUnder == null ? "" : ", " + preserveUnder,
                        target.name());
            }
        }
    }
}
