package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.cli.Branches.Branch;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Tells what there is in a branch's history, the newest first. */
@Command(
        name = "log",
        mixinStandardHelpOptions = true,
        description =
                "What there is in a branch's history, the newest first: its ends, named points, restore points, branches that hang on it, leases, and what was dropped, emptied or deleted.")
final class BranchLog implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(
            arity = "0..1",
            paramLabel = "BRANCH",
            description = "Its name, or its id. Not needed if there is one.")
    private String name = "";

    @Option(
            names = {"-n", "--limit"},
            paramLabel = "N",
            defaultValue = "50",
            description = "So many at most. Default: ${DEFAULT-VALUE}.")
    private int limit = 50;

    private record Event(Lsn lsn, String kind, String what, @Nullable Instant commit) {}

    @Override
    public Integer call() throws InterruptedException {
        if (limit < 1) {
            throw PageserverException.badRequest("--limit is %d, expected 1 or more", limit);
        }
        List<Event> events;
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            Branch branch = branches.find(name);
            List<Event> all = events(branches, branch);
            for (JsonNode marker :
                    MarkerText.of(api, branches, branch, limit, false).path("markers")) {
                boolean restorePoint = marker.path("kind").asText().equals("restore_point");
                add(
                        all,
                        marker.path("before_lsn").asText(),
                        restorePoint ? "restore" : "before",
                        MarkerText.said(marker).replaceFirst("^just before ", ""));
            }
            all.sort(Comparator.comparing(Event::lsn).reversed());
            if (all.size() > limit) {
                server.say("%d more; --limit shows them", all.size() - limit);
            }
            events = new ArrayList<>();
            for (Event event : all.subList(0, Math.min(limit, all.size()))) {
                Instant commit = BranchPoint.timeIfKept(api, branches.path(branch), event.lsn);
                events.add(new Event(event.lsn, event.kind, event.what, commit));
            }
        }
        if (server.json()) {
            ObjectNode o = Output.object();
            ArrayNode list = o.putArray("events");
            for (Event event : events) {
                ObjectNode one =
                        list.addObject()
                                .put("lsn", event.lsn.toString())
                                .put("kind", event.kind)
                                .put("what", event.what);
                if (event.commit != null) {
                    one.put("commit_at", event.commit.toString());
                }
            }
            Output.json(server.out(), o);
            return Palimpsest.DONE;
        }
        Output.Table table = new Output.Table("LSN", "COMMIT", "KIND", "WHAT");
        for (Event event : events) {
            table.row(event.lsn, event.commit == null ? "-" : event.commit, event.kind, event.what);
        }
        table.print(server.out());
        return Palimpsest.DONE;
    }

    private static List<Event> events(Branches branches, Branch branch) {
        List<Event> events = new ArrayList<>();
        add(events, branch.latest(), "latest", "the last record");
        for (JsonNode point : branch.points()) {
            String what = point.path("name").asText() + PointList.state(point);
            add(events, point.path("lsn").asText(), "point", what);
        }
        for (Branch child : branches.children(branch)) {
            add(events, child.branchLsn(), "branch", child.name());
        }
        for (JsonNode lease : branch.json().path("lsn_leases")) {
            String until = "until " + lease.path("valid_until").asText();
            add(events, lease.path("lsn").asText(), "lease", until);
        }
        add(events, branch.oldest(), "oldest", "history is kept from here on");
        if (!branch.ancestor().isEmpty()) {
            String from = "it leaves " + branches.nameOf(branch.ancestor());
            add(events, branch.branchLsn(), "begin", from);
        }
        return events;
    }

    private static void add(List<Event> events, String lsn, String kind, String what) {
        events.add(new Event(Lsn.parse(lsn), kind, what, null));
    }
}
