package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.timeline.WalSource;
import java.io.PrintWriter;
import java.time.Duration;
import picocli.CommandLine.Model.CommandSpec;

/**
 * Copies a running PostgreSQL: follows it for as long as the copy takes to become consistent, and
 * no longer. Its slot is dropped then.
 */
final class ImportOfServer {
    /** Of a cluster's copy. */
    private static final Duration LONGEST = Duration.ofHours(6);

    /** Without a byte of WAL. */
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private static final long PAUSE_MILLIS = 100;

    private final SourceOptions options;
    private final CommandSpec spec;
    private final boolean accepted;

    ImportOfServer(SourceOptions options, CommandSpec spec, boolean accepted) {
        this.options = options;
        this.spec = spec;
        this.accepted = accepted;
    }

    /** The branch, as the server tells of it. */
    JsonNode run(ServerApi api, String conninfo, TimelineId id) throws InterruptedException {
        String slot = "palimpsest_import_" + id.toString().substring(0, 8);
        WalSource source = Conninfo.parse(conninfo, slot, System.getenv());
        PrintWriter err = spec.commandLine().getErr();
        TenantId tenant = options.tenantOrNew(api);
        ObjectNode body = SourceOptions.body(source);
        JsonNode check = api.call("POST", "/v1/source/check", body.toString());
        if (!check.path("verdict").asText().equals("good")) {
            SourceOptions.print(err, check.path("findings"));
        }
        body.put("new_timeline_id", id.toString()).put("accept_danger", accepted);
        err.println("copying the cluster of " + source.host() + ":" + source.port() + " ...");
        try (OperationTalk _ = OperationTalk.begin(api, tenant, id, err, options.json())) {
            JsonNode _ =
                    api.call("POST", "/v1/tenant/" + tenant + "/source", body.toString(), LONGEST);
        }
        String branch = "/v1/tenant/" + tenant + "/timeline/" + id;
        boolean whole = false;
        try {
            awaitConsistent(api, branch);
            whole = true;
        } finally {
            if (!whole) {
                err.println(
                        "palimpsest: the files are in, the WAL that makes them consistent is not; branch %s still follows %s with slot %s: palimpsest source status %s"
                                .formatted(id, source.host(), slot, slot));
            }
        }
        JsonNode removed = api.call("DELETE", branch + "/source", "");
        if (!removed.path("slot_dropped").asBoolean()) {
            err.println(
                    "palimpsest: slot %s is still there and keeps WAL for nobody: SELECT pg_drop_replication_slot('%s') on %s: %s"
                            .formatted(
                                    slot, slot, source.host(), removed.path("problem").asText()));
        }
        return api.get(branch);
    }

    private static void awaitConsistent(ServerApi api, String branch) throws InterruptedException {
        long last = 0;
        long since = System.nanoTime();
        while (true) {
            JsonNode now = api.get(branch);
            long has = Lsn.parse(now.path("last_record_lsn").asText()).value();
            long needs = Lsn.parse(now.path("min_readable_lsn").asText()).value();
            if (has >= needs) {
                return;
            }
            if (has > last) {
                last = has;
                since = System.nanoTime();
            }
            if (System.nanoTime() - since > PATIENCE.toNanos()) {
                throw PageserverException.of(
                        ErrorCode.IO,
                        "no WAL came for %d s, up to %s, and %s is needed: %s",
                        PATIENCE.toSeconds(),
                        Lsn.toString(has),
                        Lsn.toString(needs),
                        now.path("walreceiver_status").asText());
            }
            Thread.sleep(PAUSE_MILLIS);
        }
    }
}
