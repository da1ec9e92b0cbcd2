package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.server.store.LeftOvers;
import io.palimpsest.server.store.LeftOvers.LeftOver;
import io.palimpsest.timeline.DeletedBranches;
import io.palimpsest.timeline.StoreReview.Finding;
import io.palimpsest.timeline.StoreReview.Kind;
import java.io.PrintWriter;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;

/** What a scrub may delete, because it is provably nobody's; and what became of it. */
final class ScrubDeletion {
    /** What only the server that owns a tenant can tell from what it is about to name. */
    private static final List<Kind> OWNERS =
            List.of(Kind.UNNAMED, Kind.REMOVED, Kind.SUPERSEDED, Kind.OF_NO_BRANCH);

    private final List<Finding> doomed;
    private final List<LeftOver> leftOvers;
    private final List<Finding> owners;
    private final List<String> problems = new ArrayList<>();
    private boolean run;
    private int objects;
    private long bytes;
    private int aborted;
    private long ownersObjects;
    private long ownersBytes;

    private ScrubDeletion(List<Finding> doomed, List<LeftOver> leftOvers, List<Finding> owners) {
        this.doomed = doomed;
        this.leftOvers = leftOvers;
        this.owners = owners;
    }

    static ScrubDeletion of(List<Finding> findings, List<LeftOver> leftOvers) {
        return new ScrubDeletion(
                findings.stream().filter(finding -> finding.kind() == Kind.DELETING).toList(),
                leftOvers,
                findings.stream().filter(finding -> OWNERS.contains(finding.kind())).toList());
    }

    /** Deletes it. What fails is told, and the rest goes on. */
    void run(RemoteStore store, LeftOvers place) {
        run = true;
        for (TenantShardId tenant : tenants(doomed)) {
            try {
                DeletedBranches.Outcome outcome = DeletedBranches.delete(store, tenant, doomed);
                objects += outcome.objects();
                bytes += outcome.bytes();
                if (outcome.refusal() != null) {
                    problems.add(outcome.refusal());
                }
            } catch (PageserverException e) {
                problems.add(String.valueOf(e.getMessage()));
            }
        }
        for (LeftOver leftOver : leftOvers) {
            try {
                place.delete(leftOver);
                aborted++;
            } catch (PageserverException e) {
                problems.add(String.valueOf(e.getMessage()));
            }
        }
    }

    private static SortedSet<TenantShardId> tenants(List<Finding> findings) {
        TreeSet<TenantShardId> tenants = new TreeSet<>();
        for (Finding finding : findings) {
            switch (RemoteKey.of(finding.key())) {
                case RemoteKey.Layer layer -> tenants.add(layer.tenant());
                case RemoteKey.Index index -> tenants.add(index.tenant());
                case RemoteKey.Manifest _, RemoteKey.Hints _, RemoteKey.Foreign _ -> {}
            }
        }
        return tenants;
    }

    /** Has a page server delete the garbage of those of the tenants that it owns. */
    void askOwner(ServerApi api) throws InterruptedException {
        for (TenantShardId tenant : tenants(owners)) {
            try {
                JsonNode answer = api.call("PUT", "/v1/tenant/" + tenant + "/remote_garbage", "");
                ownersObjects += answer.path("deleted_objects").asLong();
                ownersBytes += answer.path("deleted_bytes").asLong();
            } catch (PageserverException e) {
                problems.add("garbage of tenant " + tenant + ": " + e.getMessage());
            }
        }
    }

    /** Whether nothing that was to be deleted was refused. */
    boolean whole() {
        return problems.isEmpty();
    }

    void print(PrintWriter out) {
        doomed.forEach(finding -> out.println("nobody's  " + finding.key()));
        leftOvers.forEach(leftOver ->
                out.println(
                        "nobody's  %s, begun at %s and never finished"
                                .formatted(
                                        leftOver.name(),
                                        Instant.ofEpochMilli(leftOver.begunMillis()))));
        if (!owners.isEmpty()) {
            out.println(
                    "%s objects, %s, are left to the page servers that own the tenants: they alone know what they are about to name"
                            .formatted(Output.number(owners.size()), Output.bytes(sum(owners))));
        }
        problems.forEach(problem -> out.println("not deleted: " + problem));
        if (run) {
            out.println(
                    "deleted %s objects, %s, and %s beginnings of objects"
                            .formatted(
                                    Output.number(objects),
                                    Output.bytes(bytes),
                                    Output.number(aborted)));
            if (ownersObjects > 0) {
                out.println(
                        "the owner deleted %s objects, %s"
                                .formatted(
                                        Output.number(ownersObjects), Output.bytes(ownersBytes)));
            }
        } else {
            out.println(
                    "would delete %s objects, %s, and %s beginnings of objects; nothing was deleted, --yes does it"
                            .formatted(
                                    Output.number(doomed.size()),
                                    Output.bytes(sum(doomed)),
                                    Output.number(leftOvers.size())));
        }
    }

    private static long sum(List<Finding> findings) {
        return findings.stream().mapToLong(Finding::bytes).sum();
    }

    void tree(ObjectNode root) {
        root.put("dry_run", !run);
        ObjectNode candidates = root.putObject("candidates");
        candidates.put("objects", doomed.size()).put("bytes", sum(doomed));
        ArrayNode begun = root.putArray("left_overs");
        for (LeftOver leftOver : leftOvers) {
            begun.addObject()
                    .put("name", leftOver.name())
                    .put("begun", Instant.ofEpochMilli(leftOver.begunMillis()).toString());
        }
        root.putObject("of_owners").put("objects", owners.size()).put("bytes", sum(owners));
        root.putObject("deleted")
                .put("objects", objects)
                .put("bytes", bytes)
                .put("left_overs", aborted);
        root.putObject("deleted_by_owner").put("objects", ownersObjects).put("bytes", ownersBytes);
        ArrayNode failed = root.putArray("problems");
        problems.forEach(failed::add);
    }
}
