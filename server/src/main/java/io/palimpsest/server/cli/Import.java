package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.protocol.TarWriter;
import io.palimpsest.server.backup.BackupFacts;
import io.palimpsest.server.backup.BackupTar;
import io.palimpsest.server.backup.StoredBackup;
import io.palimpsest.server.backup.WalScan;
import io.palimpsest.server.backup.WalTrail;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Makes a branch of a base backup, of one with archived WAL, or of a PostgreSQL that runs. */
@Command(
        name = "import",
        mixinStandardHelpOptions = true,
        description = {
            "Makes a new branch of a base backup, with its WAL and that of an archive, or of a running PostgreSQL, which is not followed.",
            "A backup is what pg_basebackup makes, as a directory or as tar archives, plain or gzip, or the data directory of a server that was shut down. All of it is looked through before anything is sent.",
            "What fails leaves no branch behind, or says how to go on.",
            Conninfo.HELP
        })
final class Import implements Callable<Integer> {
    /** The server makes durable what it has got, and has its object store take it. */
    private static final Duration LONGEST = Duration.ofMinutes(30);

    @Spec CommandSpec spec = CommandSpec.create();

    @Mixin private SourceOptions options = new SourceOptions();

    @Parameters(
            paramLabel = "BACKUP|CONNINFO",
            description =
                    "A directory, a tar archive, or 'host=... port=... user=...' or postgresql://USER@HOST:PORT.")
    private String from = "";

    @Option(
            names = "--wal",
            paramLabel = "DIR",
            description =
                    "Archived WAL segments to go on with, plain or gzip. May be given several times.")
    private List<Path> wal = List.of();

    @Option(
            names = "--until",
            paramLabel = "LSN",
            description =
                    "The last record taken ends there or before. Default: as far as there is WAL.")
    private @Nullable String until;

    @Option(
            names = "--timeline",
            paramLabel = "ID",
            description =
                    "The id of the branch. Default: a random one. One that is there goes on from where its WAL ends.")
    private @Nullable String timeline;

    @Option(
            names = "--no-verify-checksums",
            description =
                    "Do not compare the checksums of pages, which are compared where the cluster has them.")
    private boolean unverified;

    @Option(
            names = "--i-accept",
            description =
                    "Of a running PostgreSQL: even if the slot that it takes could harm it, as source check says.")
    private boolean accepted;

    @Override
    public Integer call() throws InterruptedException {
        Path path = Path.of(from);
        try (ServerApi api = options.open()) {
            if (Files.exists(path)) {
                ofBackup(api, StoredBackup.at(path));
            } else if (from.contains("=") || from.matches("postgres(ql)?://.*")) {
                if (!wal.isEmpty() || until != null) {
                    throw PageserverException.badRequest(
                            "--wal and --until go with a backup, not with a running PostgreSQL");
                }
                print(new ImportOfServer(options, spec, accepted).run(api, from, id()), true);
            } else {
                throw PageserverException.of(
                        ErrorCode.NOT_FOUND,
                        "%s: no such file or directory, and no connection string",
                        from);
            }
        }
        return Palimpsest.DONE;
    }

    private TimelineId id() {
        return timeline == null ? BranchPoint.newId() : TimelineId.parse(timeline);
    }

    private void ofBackup(ServerApi api, StoredBackup backup) throws InterruptedException {
        BackupFacts facts = BackupFacts.read(backup);
        say(
                "backup     PostgreSQL %d, cluster %s, %s in %s files, from %s on",
                facts.version().major(),
                Long.toUnsignedString(facts.systemIdentifier()),
                Output.bytes(facts.bytes()),
                Output.number(facts.files()),
                Lsn.toString(facts.startLsn()));
        WalTrail trail = new WalTrail(backup, facts, wal);
        WalScan.Found found =
                WalScan.read(trail, facts, until == null ? -1 : Lsn.parse(until).value());
        for (WalHistory.Ended ended : trail.timelines().past()) {
            if (ended.timelineId() >= facts.walTimeline()) {
                say(
                        "promotion  WAL timeline %s ends at %s",
                        Integer.toUnsignedString(ended.timelineId()), Lsn.toString(ended.lsn()));
            }
        }
        long backupEnd = backupEnd(backup, facts, found);
        requireConsistent(found, backupEnd);
        say(
                "WAL        %s records, to %s%s",
                Output.number(found.records()),
                Lsn.toString(found.endLsn()),
                found.why().isEmpty() ? "" : ": " + found.why());
        TenantId tenant = options.tenantOrNew(api);
        TimelineId id = id();
        JsonNode branch = existing(api, tenant, id);
        boolean made = branch == null;
        if (branch == null) {
            branch = sendFiles(api, tenant, id, backup, facts, backupEnd);
        }
        long last = Lsn.parse(branch.path("last_record_lsn").asText()).value();
        if (!made) {
            say("goes on    branch %s is there, with WAL up to %s", id, Lsn.toString(last));
        }
        if (last < found.endLsn()) {
            branch = sendWal(api, tenant, id, trail, facts, last, found.endLsn());
        }
        print(branch, made);
    }

    /** From where on pages are whole; 0 if nothing tells. */
    private static long backupEnd(StoredBackup backup, BackupFacts facts, WalScan.Found found) {
        if (facts.label() == null) {
            return facts.startLsn();
        }
        long said = backup.endByManifest().orElse(0);
        long standby = facts.label().ofStandby() ? facts.control().minimumRecoveryPoint() : 0;
        return Math.max(found.backupEndLsn(), Math.max(said, standby));
    }

    private void requireConsistent(WalScan.Found found, long backupEnd) {
        if (until != null && Lsn.parse(until).value() < backupEnd) {
            throw PageserverException.of(
                    ErrorCode.LSN_OUT_OF_RANGE,
                    "--until %s: the backup is consistent from %s on only",
                    until,
                    Lsn.toString(backupEnd));
        }
        if (backupEnd == 0 || found.endLsn() < backupEnd) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "the backup is not consistent: its WAL ends at %s%s, and the backup %s; name the directory where the rest of the WAL was archived by --wal",
                    Lsn.toString(found.endLsn()),
                    found.why().isEmpty() ? "" : " (" + found.why() + ")",
                    backupEnd == 0
                            ? "does not end before that"
                            : "ends at " + Lsn.toString(backupEnd));
        }
        if (until != null && !found.why().isEmpty() && found.endLsn() < Lsn.parse(until).value()) {
            throw PageserverException.of(
                    ErrorCode.LSN_OUT_OF_RANGE,
                    "--until %s: the WAL ends at %s: %s",
                    until,
                    Lsn.toString(found.endLsn()),
                    found.why());
        }
    }

    private static String path(TenantId tenant, TimelineId id) {
        return "/v1/tenant/" + tenant + "/timeline/" + id;
    }

    /** The branch, if it is there already; only one that was named can be. */
    private @Nullable JsonNode existing(ServerApi api, TenantId tenant, TimelineId id)
            throws InterruptedException {
        if (timeline == null) {
            return null;
        }
        try {
            return api.get(path(tenant, id));
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.NOT_FOUND) {
                return null;
            }
            throw e;
        }
    }

    private JsonNode sendFiles(
            ServerApi api,
            TenantId tenant,
            TimelineId id,
            StoredBackup backup,
            BackupFacts facts,
            long backupEnd)
            throws InterruptedException {
        String query =
                "/import_basebackup?base_lsn=%s&end_lsn=%s&pg_version=%d%s"
                        .formatted(
                                Lsn.toString(facts.startLsn()),
                                Lsn.toString(backupEnd),
                                facts.version().major(),
                                unverified ? "&verify_checksums=false" : "");
        return api.upload(
                path(tenant, id) + query,
                counted("files", facts.bytes(), to -> BackupTar.files(backup, facts, to)),
                LONGEST);
    }

    private JsonNode sendWal(
            ServerApi api,
            TenantId tenant,
            TimelineId id,
            WalTrail trail,
            BackupFacts facts,
            long start,
            long end)
            throws InterruptedException {
        String query =
                "/import_wal?start_lsn=%s&end_lsn=%s"
                        .formatted(Lsn.toString(start), Lsn.toString(end));
        try {
            return api.upload(
                    path(tenant, id) + query,
                    counted(
                            "WAL",
                            BackupTar.walBytes(facts, start, end),
                            to -> BackupTar.wal(trail, facts, start, end, to)),
                    LONGEST);
        } catch (PageserverException e) {
            say(
                    "the files are in, not all of the WAL: the same command with --tenant %s --timeline %s goes on; DELETE of %s on the server forgets the branch",
                    tenant, id, path(tenant, id));
            throw e;
        }
    }

    private Consumer<TarWriter.Sink> counted(String what, long all, Consumer<TarWriter.Sink> body) {
        Progress progress =
                new Progress(spec.commandLine().getErr(), options.json(), "sent " + what, all);
        return to ->
                body.accept((bytes, offset, length) -> {
                    to.bytes(bytes, offset, length);
                    progress.bytes(length);
                });
    }

    private void print(JsonNode branch, boolean made) {
        String tenant = branch.path("tenant_id").asText();
        String id = branch.path("timeline_id").asText();
        String last = branch.path("last_record_lsn").asText();
        String oldest = branch.path("min_readable_lsn").asText();
        if (options.json()) {
            ObjectNode o =
                    Output.object()
                            .put("tenant_id", tenant)
                            .put("timeline_id", id)
                            .put("pg_version", branch.path("pg_version").asInt())
                            .put("min_readable_lsn", oldest)
                            .put("last_record_lsn", last)
                            .put("already", !made);
            Output.json(spec.commandLine().getOut(), o);
            return;
        }
        spec.commandLine().getOut().println("tenant  " + tenant);
        spec.commandLine().getOut().println("branch  " + id);
        spec.commandLine().getOut().println("readable from " + oldest + " to " + last);
        spec.commandLine()
                .getOut()
                .println("next    palimpsest connect " + id.substring(0, 8) + " --psql");
    }

    private void say(String format, Object... arguments) {
        spec.commandLine().getErr().printf(Locale.ROOT, format + "%n", arguments);
        spec.commandLine().getErr().flush();
    }
}
