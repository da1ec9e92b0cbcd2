package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.server.cli.Branches.Branch;
import io.palimpsest.server.runtime.SecureIds;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * A branch as of a point: where another one is to leave it. The point was resolved, before any
 * work.
 *
 * @param lsn as text
 * @param commit the last commit at or below it, null if none is known
 * @param said for people: the LSN, and the commit that it is for
 */
record BranchPoint(
        TenantId tenant,
        TimelineId timeline,
        String branch,
        int major,
        String lsn,
        @Nullable Instant commit,
        String said) {
    /**
     * Finds out what LSN the point is.
     *
     * @param text the point as it was said
     * @param now what {@code -15m} counts from
     * @throws PageserverException NOT_FOUND if there is no such named point; LSN_OUT_OF_RANGE with
     *     the nearest commits if the point cannot be reached
     */
    static BranchPoint resolve(
            ServerApi api, Branches branches, Branch branch, String text, Instant now)
            throws InterruptedException {
        String path = branches.path(branch);
        return switch (Point.parse(text, now)) {
            case Point.Latest _ -> at(api, branches, branch, text, Lsn.parse(branch.latest()));
            case Point.Oldest _ -> at(api, branches, branch, text, oldest(branch));
            case Point.Named(var name) ->
                    at(api, branches, branch, text, named(api, path, branch, name.text()));
            case Point.At(var lsn) -> at(api, branches, branch, text, lsn);
            case Point.Xid(var xid) -> {
                JsonNode end = api.get(path + "/get_lsn_of_xid?xid=" + xid);
                checkCommitted(branch, end);
                yield of(
                        branches,
                        branch,
                        text,
                        Lsn.parse(end.path("lsn").asText()),
                        Instant.parse(end.path("timestamp").asText()),
                        " of transaction " + xid + ", inclusive: just after it");
            }
            case Point.Time(var instant) -> {
                JsonNode found =
                        api.get(
                                path
                                        + "/get_lsn_by_timestamp?timestamp="
                                        + URLEncoder.encode(
                                                instant.toString(), StandardCharsets.UTF_8));
                if (!found.path("kind").asText().equals("present")) {
                    throw PageserverException.of(
                            ErrorCode.LSN_OUT_OF_RANGE,
                            "%s cannot be reached: the last commit before it is %s, the first after it is %s",
                            instant,
                            commit(found.path("before")),
                            commit(found.path("after")));
                }
                Instant commit = Instant.parse(found.path("before").path("timestamp").asText());
                yield of(
                        branches,
                        branch,
                        text,
                        Lsn.parse(found.path("lsn").asText()),
                        commit,
                        " (" + before(commit, instant) + " before the asked time)");
            }
        };
    }

    /** Refuses a transaction that leads nowhere, and says why. */
    private static void checkCommitted(Branch branch, JsonNode end) {
        String status = end.path("status").asText();
        if (status.equals("committed") && end.path("readable").asBoolean()) {
            return;
        }
        String where = end.has("lsn") ? " at " + end.path("lsn").asText() : "";
        String what =
                switch (status) {
                    case "committed" ->
                            "was committed"
                                    + (where.isEmpty() ? " before" : where + ", before")
                                    + " the history that is kept";
                    case "aborted" -> "was rolled back" + where + ": there is no commit to go to";
                    case "prepared" ->
                            "is prepared for a commit in two phases, and neither committed nor rolled back by now";
                    case "in_progress" -> "is in progress: its commit has not come yet";
                    case "past" -> "is so long ago that it is not known any more";
                    default ->
                            "is not known on "
                                    + branch.name()
                                    + " up to its latest, "
                                    + branch.latest()
                                    + ": it has not ended yet, or there is none";
                };
        throw PageserverException.of(
                ErrorCode.LSN_OUT_OF_RANGE,
                "transaction %s %s; the nearest commit before is %s, the nearest after is %s",
                end.path("xid").asText(),
                what,
                commit(end.path("before")),
                commit(end.path("after")));
    }

    /** A branch is readable from where it hangs on, at the least; that is its own history. */
    private static Lsn oldest(Branch branch) {
        return Lsn.parse(branch.oldest());
    }

    /** A point that was given the name here, or a restore point that was by PostgreSQL. */
    private static Lsn named(ServerApi api, String path, Branch branch, String name)
            throws InterruptedException {
        for (JsonNode point : branch.points()) {
            if (point.path("name").asText().equals(name)) {
                return Lsn.parse(point.path("lsn").asText());
            }
        }
        JsonNode markers = api.get(path + "/marker?restore_point=" + name).path("markers");
        if (markers.size() > 1) {
            List<String> all = new ArrayList<>();
            markers.forEach(m -> all.add(m.path("lsn").asText()));
            throw PageserverException.badRequest(
                    "branch %s has %d restore points called %s: say which LSN, of %s",
                    branch.name(), all.size(), name, String.join(", ", all));
        }
        if (!markers.isEmpty()) {
            return Lsn.parse(markers.path(0).path("lsn").asText());
        }
        throw PageserverException.of(
                ErrorCode.NOT_FOUND,
                "branch %s has no point called %s; palimpsest point list %s shows those there are. Other points are latest, oldest, an LSN, a time with a zone, -15m, xid:733",
                branch.name(),
                name,
                branch.name());
    }

    private static BranchPoint at(
            ServerApi api, Branches branches, Branch branch, String text, Lsn lsn)
            throws InterruptedException {
        Lsn last = Lsn.parse(branch.latest());
        if (lsn.compareTo(last) > 0) {
            throw PageserverException.of(
                    ErrorCode.LSN_OUT_OF_RANGE,
                    "%s has not come yet: the nearest there is is the latest, %s",
                    lsn,
                    last);
        }
        Branch holder = branch;
        while (!holder.ancestor().isEmpty() && lsn.compareTo(Lsn.parse(holder.branchLsn())) < 0) {
            // That history is its ancestor's.
            holder = branches.byId(holder.ancestor());
        }
        return of(branches, branch, text, lsn, time(api, branches.path(holder), lsn), "");
    }

    /** When the last commit at or below it was; LSN_OUT_OF_RANGE if history is not kept there. */
    static @Nullable Instant time(ServerApi api, String path, Lsn lsn) throws InterruptedException {
        try {
            return Instant.parse(api.get(path + "/get_timestamp_of_lsn?lsn=" + lsn).asText());
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.PRECONDITION_FAILED) {
                return null;
            }
            throw e;
        }
    }

    /** The same; null also if that history is not kept any more. */
    static @Nullable Instant timeIfKept(ServerApi api, String path, Lsn lsn)
            throws InterruptedException {
        try {
            return time(api, path, lsn);
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.LSN_OUT_OF_RANGE) {
                return null;
            }
            throw e;
        }
    }

    private static BranchPoint of(
            Branches branches,
            Branch branch,
            String text,
            Lsn lsn,
            @Nullable Instant commit,
            String more) {
        return new BranchPoint(
                branches.tenant(),
                TimelineId.parse(branch.id()),
                branch.name(),
                branch.json().path("pg_version").asInt(),
                lsn.toString(),
                commit,
                "%s@%s -> %s, %s%s"
                        .formatted(
                                branch.name(),
                                text,
                                lsn,
                                commit == null
                                        ? "no commit is known at or before it"
                                        : "commit " + commit,
                                more));
    }

    private static String before(Instant commit, Instant asked) {
        Duration d = Duration.between(commit, asked);
        return d.toMinutes() > 2
                ? d.toMinutes() + " min"
                : String.format(Locale.ROOT, "%.1f s", d.toMillis() / 1000.0);
    }

    private static String commit(JsonNode commit) {
        return commit.isObject()
                ? commit.path("timestamp").asText() + " at " + commit.path("lsn").asText()
                : "none";
    }

    static TimelineId newId() {
        SecureIds ids = new SecureIds();
        return new TimelineId(ids.nextLong(), ids.nextLong());
    }

    /** As commands print it. */
    ObjectNode json() {
        ObjectNode o = Branches.body();
        o.put("branch", branch).put("timeline_id", timeline.toString()).put("lsn", lsn);
        if (commit != null) {
            o.put("commit_at", commit.toString());
        }
        return o;
    }

    /** Makes the branch; {@code name} may be null. */
    JsonNode branch(ServerApi api, TimelineId id, @Nullable String name)
            throws InterruptedException {
        ObjectNode body =
                Branches.body()
                        .put("new_timeline_id", id.toString())
                        .put("ancestor_timeline_id", timeline.toString())
                        .put("ancestor_start_lsn", lsn);
        if (name != null) {
            body.put("name", name);
        }
        return api.call("POST", "/v1/tenant/" + tenant + "/timeline", body.toString());
    }

    /** Deletes a branch that was made here; it may be gone already. */
    static void delete(ServerApi api, TenantId tenant, TimelineId branch)
            throws InterruptedException {
        try {
            JsonNode _ = api.call("DELETE", "/v1/tenant/" + tenant + "/timeline/" + branch, "");
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.NOT_FOUND) {
                throw e;
            }
        }
    }
}
