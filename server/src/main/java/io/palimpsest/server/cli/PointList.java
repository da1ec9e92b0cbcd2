package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.cli.Branches.Branch;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
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

/** Lists points of a history to come back to. */
@Command(
        name = "list",
        aliases = "ls",
        mixinStandardHelpOptions = true,
        description =
                "Lists points of a branch's history to come back to, the newest first: those that have names, restore points, and those just before something was dropped, emptied, or many rows were deleted.")
final class PointList implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(
            arity = "0..1",
            paramLabel = "BRANCH",
            description = "Its name, or its id. Not needed if there is one.")
    private String name = "";

    @Option(
            names = {"-n", "--limit"},
            paramLabel = "N",
            defaultValue = "20",
            description =
                    "So many at most, besides those with names, up to 1000. Default: ${DEFAULT-VALUE}.")
    private int limit = 20;

    @Option(
            names = "--rewrites",
            description = "Also where tables or indexes were only written anew, as by VACUUM FULL.")
    private boolean rewrites;

    @Option(
            names = "--since",
            paramLabel = "POINT",
            description =
                    "Only what is not before that: -1d, a time with a zone, an LSN, or any other point.")
    private @Nullable String since;

    private record Row(Lsn lsn, String point, String at, String what) {}

    @Override
    public Integer call() throws InterruptedException {
        if (limit < 1) {
            throw PageserverException.badRequest("--limit is %d, expected 1 or more", limit);
        }
        Branch branch;
        JsonNode marked;
        Lsn oldest;
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            branch = branches.find(name);
            marked = MarkerText.of(api, branches, branch, limit, rewrites);
            oldest = since == null ? new Lsn(0) : since(api, branches, branch, since);
        }
        ArrayNode markers = younger(marked.path("markers"), "before_lsn", oldest);
        ArrayNode points = younger(branch.points(), "lsn", oldest);
        if (server.json()) {
            ObjectNode o = Output.object();
            o.put("branch", branch.name()).put("timeline_id", branch.id());
            o.set("points", points);
            o.set("markers", markers);
            Output.json(server.out(), o);
            return Palimpsest.DONE;
        }
        List<Row> rows = new ArrayList<>();
        for (JsonNode point : points) {
            rows.add(
                    new Row(
                            Lsn.parse(point.path("lsn").asText()),
                            point.path("name").asText(),
                            "-",
                            "named " + point.path("created_at").asText() + state(point)));
        }
        for (JsonNode marker : markers) {
            boolean restorePoint = marker.path("kind").asText().equals("restore_point");
            rows.add(
                    new Row(
                            Lsn.parse(marker.path("before_lsn").asText()),
                            restorePoint ? marker.path("name").asText() : "-",
                            marker.path("timestamp").asText("-"),
                            MarkerText.said(marker)));
        }
        rows.sort(Comparator.comparing(Row::lsn).reversed());
        Output.Table table = new Output.Table("POINT", "LSN", "AT", "WHAT");
        rows.forEach(row -> table.row(row.point, row.lsn, row.at, row.what));
        table.print(server.out());
        if (marked.has("more_below")) {
            server.say(
                    "there may be more before %s; --limit shows them",
                    marked.path("more_below").asText());
        }
        return Palimpsest.DONE;
    }

    /** Where to begin; a time before all that is kept means all of it. */
    private static Lsn since(ServerApi api, Branches branches, Branch branch, String text)
            throws InterruptedException {
        if (!(Point.parse(text, Instant.now()) instanceof Point.Time(Instant time))) {
            return Lsn.parse(BranchPoint.resolve(api, branches, branch, text, Instant.now()).lsn());
        }
        JsonNode found =
                api.get(
                        branches.path(branch)
                                + "/get_lsn_by_timestamp?timestamp="
                                + URLEncoder.encode(time.toString(), StandardCharsets.UTF_8));
        return switch (found.path("kind").asText()) {
            case "present" -> Lsn.parse(found.path("lsn").asText());
            case "future" -> Lsn.parse(branch.latest());
            default -> new Lsn(0);
        };
    }

    private static ArrayNode younger(Iterable<JsonNode> all, String member, Lsn oldest) {
        ArrayNode left = JsonNodeFactory.instance.arrayNode();
        for (JsonNode one : all) {
            if (Lsn.parse(one.path(member).asText()).compareTo(oldest) >= 0) {
                left.add(one);
            }
        }
        return left;
    }

    /** What is to be said of a point after a comma, if anything. */
    static String state(JsonNode point) {
        if (!point.path("readable").asBoolean()) {
            return ", not readable any more: it is not pinned";
        }
        if (!point.path("pinned").asBoolean()) {
            return "";
        }
        return ", pinned"
                + (point.hasNonNull("expires_at")
                        ? " until " + point.path("expires_at").asText()
                        : "");
    }
}
