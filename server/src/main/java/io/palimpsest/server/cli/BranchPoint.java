package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.server.runtime.SecureIds;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Where a branch is to leave another one: a point that was resolved.
 *
 * @param lsn as text
 * @param said for people: the LSN, and the commit that it is for
 */
record BranchPoint(TenantId tenant, TimelineId timeline, int major, String lsn, String said) {
    /**
     * Finds the branch, and what LSN the point is.
     *
     * @param branch a timeline's id, or the beginning of it, or the name of the source it follows
     * @throws PageserverException NOT_FOUND; BAD_REQUEST if several begin so; LSN_OUT_OF_RANGE with
     *     the nearest commits if the point cannot be reached
     */
    static BranchPoint resolve(
            ServerApi api, @Nullable String tenantText, String branch, Point point)
            throws InterruptedException {
        TenantId tenant = Connect.tenant(api, tenantText);
        TimelineId timeline = timeline(api, tenant, branch);
        String path = path(tenant, timeline);
        JsonNode detail = api.get(path);
        int major = detail.path("pg_version").asInt();
        return switch (point) {
            case Point.Latest _ -> {
                String lsn = detail.path("last_record_lsn").asText();
                yield new BranchPoint(tenant, timeline, major, lsn, "its latest, " + lsn);
            }
            case Point.At(var lsn) -> {
                Lsn last = Lsn.parse(detail.path("last_record_lsn").asText());
                if (lsn.compareTo(last) > 0) {
                    throw PageserverException.of(
                            ErrorCode.LSN_OUT_OF_RANGE,
                            "%s has not come yet: the latest is %s",
                            lsn,
                            last);
                }
                yield new BranchPoint(tenant, timeline, major, lsn.toString(), lsn.toString());
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
                String lsn = found.path("lsn").asText();
                yield new BranchPoint(
                        tenant,
                        timeline,
                        major,
                        lsn,
                        instant + ": after the commit of " + commit(found.path("before")));
            }
        };
    }

    private static String commit(JsonNode commit) {
        return commit.isObject()
                ? commit.path("timestamp").asText() + " at " + commit.path("lsn").asText()
                : "none";
    }

    private static TimelineId timeline(ServerApi api, TenantId tenant, String branch)
            throws InterruptedException {
        List<TimelineId> found = new ArrayList<>();
        for (JsonNode timeline : api.get("/v1/tenant/" + tenant + "/timeline")) {
            String id = timeline.path("timeline_id").asText();
            if (id.startsWith(branch)) {
                found.add(TimelineId.parse(id));
            }
        }
        for (JsonNode source : api.get("/v1/tenant/" + tenant + "/source")) {
            if (source.path("slot").asText().equals(branch)) {
                return TimelineId.parse(source.path("timeline_id").asText());
            }
        }
        if (found.isEmpty()) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND, "tenant %s has no branch %s", tenant, branch);
        }
        if (found.size() > 1) {
            throw PageserverException.badRequest(
                    "%d branches begin with '%s': %s", found.size(), branch, found);
        }
        return found.getFirst();
    }

    private static String path(TenantId tenant, TimelineId timeline) {
        return "/v1/tenant/" + tenant + "/timeline/" + timeline;
    }

    static TimelineId newId() {
        SecureIds ids = new SecureIds();
        return new TimelineId(ids.nextLong(), ids.nextLong());
    }

    /** Makes the branch. */
    void branch(ServerApi api, TimelineId id) throws InterruptedException {
        JsonNode _ =
                api.call(
                        "POST",
                        "/v1/tenant/" + tenant + "/timeline",
                        "{\"new_timeline_id\": \"%s\", \"ancestor_timeline_id\": \"%s\", \"ancestor_start_lsn\": \"%s\"}"
                                .formatted(id, timeline, lsn));
    }

    /** Deletes a branch that was made here; it may be gone already. */
    static void delete(ServerApi api, TenantId tenant, TimelineId branch)
            throws InterruptedException {
        try {
            JsonNode _ = api.call("DELETE", path(tenant, branch), "");
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.NOT_FOUND) {
                throw e;
            }
        }
    }
}
