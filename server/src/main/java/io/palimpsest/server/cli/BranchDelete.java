package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TimelineId;
import io.palimpsest.server.cli.Branches.Branch;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Deletes a branch. */
@Command(
        name = "delete",
        aliases = "rm",
        mixinStandardHelpOptions = true,
        description = {
            "Deletes a branch, for good. It says what would go; --yes does it, or the name typed on a terminal.",
            "One that has branches is refused without --cascade, one that is protected always."
        })
final class BranchDelete implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(paramLabel = "BRANCH", description = "Its name, or its id.")
    private String name = "";

    @Option(names = "--cascade", description = "And all that hang on it.")
    private boolean cascade;

    @Mixin private Consent consent = new Consent();

    @Override
    public Integer call() throws InterruptedException {
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            List<Branch> going = branches.leavesFirst(branches.find(name));
            check(going);
            if (!server.json()) {
                String what = consent.given() ? "deletes  " : "would delete  ";
                going.forEach(branch -> server.out().println(what + text(branch)));
            }
            List<String> slots = slots(api, branches, going);
            slots.forEach(slot -> server.say("%s", slot));
            boolean really = consent.given(going.getLast().name());
            if (really) {
                for (Branch branch : going) {
                    TimelineId id = TimelineId.parse(branch.id());
                    try (OperationTalk _ = server.talk(api, branches.tenant(), id)) {
                        BranchPoint.delete(api, branches.tenant(), id);
                    }
                }
            }
            if (server.json()) {
                ObjectNode o = Output.object();
                ArrayNode list = o.putArray("branches");
                going.forEach(branch -> list.add(branches.describe(branch)));
                o.put("deleted", really);
                Output.json(server.out(), o);
            }
            return consent.status(really, "nothing was deleted");
        }
    }

    private static String text(Branch branch) {
        return branch.name()
                + (branch.name().equals(branch.id()) ? "" : " (" + branch.id() + ")")
                + ", "
                + Output.bytes(branch.json().path("current_physical_size").asLong());
    }

    private void check(List<Branch> going) {
        List<String> kept = new ArrayList<>();
        going.stream().filter(Branch::isProtected).forEach(branch -> kept.add(branch.name()));
        if (!kept.isEmpty()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "%s protected: palimpsest branch unprotect first",
                    String.join(", ", kept) + (kept.size() > 1 ? " are" : " is"));
        }
        if (going.size() > 1 && !cascade) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "%d branches hang on %s, directly or not: %s; --cascade deletes them too, branch promote makes one independent",
                    going.size() - 1,
                    going.getLast().name(),
                    going.subList(0, going.size() - 1).stream().map(Branch::name).toList());
        }
    }

    /** What is left at sources: nobody reads from their slots any more. */
    private static List<String> slots(ServerApi api, Branches branches, List<Branch> going)
            throws InterruptedException {
        List<String> slots = new ArrayList<>();
        for (JsonNode source : api.get("/v1/tenant/" + branches.tenant() + "/source")) {
            String id = source.path("timeline_id").asText();
            if (going.stream().anyMatch(branch -> branch.id().equals(id))) {
                slots.add(
                        "%s follows %s: its slot keeps WAL there for nobody; afterwards, there: SELECT pg_drop_replication_slot('%s')"
                                .formatted(
                                        branches.nameOf(id),
                                        SourceStatus.server(source),
                                        source.path("slot").asText()));
            }
        }
        return slots;
    }
}
