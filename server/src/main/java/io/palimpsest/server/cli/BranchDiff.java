package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.pg.Page;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Tells in what two points differ. */
@Command(
        name = "diff",
        mixinStandardHelpOptions = true,
        description = {
            "Which relations differ between two branches, or points of one, and how many blocks.",
            "By what was written since their histories parted; --exact reads and compares those blocks."
        })
final class BranchDiff implements Callable<Integer> {
    @Mixin private BranchServer server = new BranchServer();

    @Parameters(index = "0", paramLabel = "BRANCH[@POINT]", description = "The one.")
    private String one = "";

    @Parameters(index = "1", paramLabel = "BRANCH[@POINT]", description = "The other.")
    private String other = "";

    @Option(
            names = "--exact",
            description = "Read the blocks that were written, and count those that differ.")
    private boolean exact;

    @Option(names = "--system", description = "Also PostgreSQL's own relations, one by one.")
    private boolean system;

    @Override
    public Integer call() throws InterruptedException {
        BranchPoint from;
        BranchPoint to;
        JsonNode diff;
        try (ServerApi api = server.open()) {
            Branches branches = Branches.of(api, server.tenant(api));
            from = BranchOptions.resolve(api, branches, one);
            to = BranchOptions.resolve(api, branches, other);
            server.say("%s", from.said());
            server.say("%s", to.said());
            diff =
                    api.get(
                            branches.path(branches.byId(from.timeline().toString()))
                                    + "/diff?with="
                                    + to.timeline()
                                    + "&lsn="
                                    + from.lsn()
                                    + "&with_lsn="
                                    + to.lsn()
                                    + "&exact="
                                    + exact);
        }
        if (server.json()) {
            ObjectNode o = Output.object();
            o.set("from", from.json());
            o.set("to", to.json());
            o.setAll((ObjectNode) diff);
            Output.json(server.out(), o);
            return Palimpsest.DONE;
        }
        print(diff);
        return Palimpsest.DONE;
    }

    private void print(JsonNode diff) {
        String common = diff.path("common_lsn").asText();
        server.out()
                .println(
                        common.isEmpty()
                                ? "they have no history in common"
                                : "the same up to " + common);
        Output.Table table =
                new Output.Table(
                        "RELATION",
                        "DATABASE",
                        exact ? "DIFFERENT BLOCKS" : "WRITTEN BLOCKS",
                        "SIZE",
                        "DELTA",
                        "STATE");
        int hidden = 0;
        long hiddenBlocks = 0;
        for (JsonNode relation : diff.path("relations")) {
            if (!system && isSystem(relation)) {
                hidden++;
                hiddenBlocks += relation.path("changed_blocks").asLong();
                continue;
            }
            long before = relation.path("blocks").asLong();
            long after = relation.path("with_blocks").asLong();
            table.row(
                    relation.path("name").asText(file(relation)),
                    relation.path("database").asText("-"),
                    relation.path("changed_blocks").asLong(),
                    Output.bytes(after * Page.SIZE),
                    after == before
                            ? "-"
                            : (after < before ? "-" : "+")
                                    + Output.bytes(Math.abs(after - before) * Page.SIZE),
                    state(relation));
        }
        table.print(server.out());
        if (hidden > 0) {
            server.out()
                    .println(
                            "and %d of PostgreSQL's own, %d blocks; --system shows them"
                                    .formatted(hidden, hiddenBlocks));
        }
        if (diff.path("at_most").asBoolean()) {
            server.say(
                    "the history since was collected in part, so that fewer may have been written; --exact tells");
        }
    }

    /** Those of all databases are, too. */
    private static boolean isSystem(JsonNode relation) {
        String name = relation.path("name").asText();
        return !relation.has("database")
                || name.startsWith("pg_catalog.")
                || name.startsWith("pg_toast.");
    }

    private static String file(JsonNode relation) {
        return relation.path("with_file").asText(relation.path("file").asText());
    }

    private static String state(JsonNode relation) {
        if (!relation.has("file")) {
            return "new";
        }
        if (!relation.has("with_file")) {
            return "gone";
        }
        return relation.path("file").asText().equals(relation.path("with_file").asText())
                ? "-"
                : "written anew";
    }
}
