package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.server.cli.Branches.Branch;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What was done to a branch, for people. */
final class MarkerText {
    private MarkerText() {}

    /** The newest ones that a server tells of a branch. */
    static JsonNode of(ServerApi api, Branches branches, Branch branch, int limit, boolean rewrites)
            throws InterruptedException {
        return api.get(
                branches.path(branch)
                        + "/marker?limit="
                        + Math.min(limit, 1000)
                        + (rewrites ? "&rewrites=true" : ""));
    }

    /** In words: that it was, and what it was done to. */
    static String said(JsonNode marker) {
        String kind = marker.path("kind").asText();
        if (kind.equals("restore_point")) {
            return "restore point " + marker.path("name").asText();
        }
        if (kind.equals("drop_database")) {
            return "just before DROP DATABASE " + marker.path("name").asText();
        }
        Map<String, List<String>> byKind = new LinkedHashMap<>();
        byKind.put(kind, new ArrayList<>());
        for (JsonNode relation : marker.path("relations")) {
            byKind.computeIfAbsent(relation.path("kind").asText(), _ -> new ArrayList<>())
                    .add(relation(relation));
        }
        List<String> parts = new ArrayList<>();
        byKind.forEach((one, names) -> parts.add(done(one, String.join(", ", names))));
        String more =
                marker.has("more_relations")
                        ? ", and " + marker.path("more_relations").asLong() + " relations more"
                        : "";
        return "just before " + String.join("; ", parts) + more;
    }

    private static String done(String kind, String what) {
        return switch (kind) {
            case "drop_table" -> "DROP TABLE " + what;
            case "truncate" -> "TRUNCATE " + what;
            case "delete" -> "DELETE " + what;
            case "gone" -> "the files went of " + what;
            default ->
                    what.isEmpty()
                            ? "others than tables went, or were written anew"
                            : "it was written anew: " + what;
        };
    }

    private static String relation(JsonNode relation) {
        String name = relation.path("name").asText();
        return relation.has("rows")
                ? "of " + relation.path("rows").asLong() + " rows of " + name
                : name + " (" + Output.bytes(relation.path("bytes").asLong()) + ")";
    }
}
