package io.palimpsest.server.http;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.server.bootstrap.Bootstrap;
import io.palimpsest.server.http.ManagementRoutes.Answer;
import io.palimpsest.service.Management;
import io.palimpsest.service.Management.TimelineInfo;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/**
 * How timelines are made, but for backups that are sent ({@link ImportRoutes}).
 *
 * <pre>
 *   POST /v1/tenant/:tenant/timeline                 201 timeline; the same again is fine
 *
 *   The same POST with the same Idempotency-Key is answered as the first time; a branch may then have no new_timeline_id.
 *   {"new_timeline_id", "ancestor_timeline_id", "ancestor_start_lsn"?}      a branch; our own in all: "name"?
 *   {"new_timeline_id", "ancestor_timeline_id", "ancestor_start_time"}      our own: as of a moment
 *   {"new_timeline_id", "import_from": {"conninfo", "slot"}}                our own: from a running PostgreSQL
 *   {"new_timeline_id", "pg_version"}                                       an empty cluster, by initdb
 * </pre>
 */
final class CreationRoutes {
    private static final int ID_BYTES = 16;

    private final Management management;
    private final Bootstrap bootstrap;

    CreationRoutes(Management management, Bootstrap bootstrap) {
        this.management = management;
        this.bootstrap = bootstrap;
    }

    void add(Router router) {
        router.add("POST", "/v1/tenant/{tenant}/timeline", this::create);
    }

    private Answer create(Request request) {
        JsonNode body = request.json();
        TenantId tenant = request.tenant();
        Label name = BranchRoutes.label(body, "name");
        String key = request.key();
        if (key != null && !body.has("new_timeline_id") && body.has("ancestor_timeline_id")) {
            return branchOfKey(request, key, body, name);
        }
        TimelineId id = TimelineId.parse(Request.text(body, "new_timeline_id"));
        TimelineInfo made;
        if (body.has("ancestor_timeline_id")) {
            TimelineId ancestor = request.timeline(Request.text(body, "ancestor_timeline_id"));
            made = branch(tenant, id, ancestor, body, name);
        } else if (body.has("import_from")) {
            JsonNode source = body.get("import_from");
            made =
                    management.createFromSource(
                            tenant,
                            id,
                            Request.text(source, "conninfo"),
                            Request.text(source, "slot"),
                            name);
        } else if (body.has("pg_version")) {
            made = bootstrap.create(tenant, id, version(body), name);
        } else {
            throw PageserverException.badRequest(
                    "the body says neither ancestor_timeline_id, import_from nor pg_version (an empty cluster): how is the timeline to be made?");
        }
        return new Answer(201, ManagementRoutes.json(made));
    }

    /**
     * Its id is made of the key: so it is found again by that, also after a restart. What it was to
     * be then must be what it is.
     */
    private Answer branchOfKey(Request request, String key, JsonNode body, @Nullable Label name) {
        TenantId tenant = request.tenant();
        byte[] hash =
                IdempotencyKeys.sha256(
                        IdempotencyKeys.bytes("branch"),
                        IdempotencyKeys.bytes(tenant.toString()),
                        IdempotencyKeys.bytes(key));
        TimelineId id = TimelineId.parse(HexFormat.of().formatHex(hash, 0, ID_BYTES));
        TimelineId ancestor = request.timeline(Request.text(body, "ancestor_timeline_id"));
        try {
            return new Answer(201, ManagementRoutes.json(branch(tenant, id, ancestor, body, name)));
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.CONFLICT) {
                throw e;
            }
            TimelineInfo there = management.timelineIfHere(tenant, id);
            if (there == null) {
                throw e;
            }
            boolean anyPoint =
                    !body.hasNonNull("ancestor_start_lsn")
                            && !body.hasNonNull("ancestor_start_time");
            boolean same =
                    anyPoint
                            && ancestor.equals(there.ancestor())
                            && (name == null || name.equals(there.said().name()));
            return same
                    ? new Answer(201, ManagementRoutes.json(there))
                    : IdempotencyKeys.otherRequest();
        }
    }

    private TimelineInfo branch(
            TenantId tenant,
            TimelineId id,
            TimelineId ancestor,
            JsonNode request,
            @Nullable Label name) {
        boolean byLsn = request.hasNonNull("ancestor_start_lsn");
        if (!request.hasNonNull("ancestor_start_time")) {
            Lsn at = byLsn ? Lsn.parse(Request.text(request, "ancestor_start_lsn")) : Lsn.INVALID;
            return management.createBranch(tenant, id, ancestor, at, name);
        }
        if (byLsn) {
            throw PageserverException.badRequest(
                    "the body says both ancestor_start_lsn and ancestor_start_time");
        }
        return management.createBranch(
                tenant,
                id,
                ancestor,
                ManagementRoutes.moment(Request.text(request, "ancestor_start_time")),
                name);
    }

    private static PgVersion version(JsonNode body) {
        JsonNode version = body.path("pg_version");
        if (body.hasNonNull("existing_initdb_timeline_id")) {
            throw PageserverException.badRequest(
                    "existing_initdb_timeline_id: archives of initdb are not kept here; leave it out, and a new cluster is made");
        }
        if (!version.canConvertToInt()) {
            throw PageserverException.badRequest(
                    "pg_version is %s, expected 14, 15, 16, 17 or 18", version);
        }
        return PgVersion.ofMajor(version.intValue());
    }
}
