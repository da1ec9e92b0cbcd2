package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.ingest.BackupLabel;
import io.palimpsest.ingest.BaseBackupImport;
import io.palimpsest.pg.ControlFile;
import io.palimpsest.pg.RelationFile;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.protocol.TarEntry;
import io.palimpsest.protocol.TarReader;
import io.palimpsest.wal.WalPage;
import io.palimpsest.wal.WalRecord;
import org.jspecify.annotations.Nullable;

/**
 * Makes a timeline of a base backup that comes as an archive, everything at the LSN where its WAL
 * starts; the timeline exists when all of it is durable. An archive is not trusted: a link is
 * refused unless it says where a tablespace was, and is never followed. Which cluster it is of, and
 * whether it is whole, is known when its control file comes, which is late: until then nothing
 * exists.
 */
final class ArchiveImport implements TarReader.Visitor {
    private static final long PROGRESS_BYTES = 256L << 20;
    private static final int PIECE = 128 << 10;
    private static final String TABLESPACES = "pg_tblspc/";

    private final Surroundings surroundings;
    private final Environment environment;
    private final TenantShardId tenant;
    private final TimelineId id;
    private final String directory;
    private final BackupArchive backup;
    private final @Nullable RemoteTimeline remote;
    private final Operation operation;
    private final BaseBackupImport files;
    private final Timeline filling;
    private boolean inFile;

    private ArchiveImport(
            Surroundings surroundings,
            TenantShardId tenant,
            TimelineId id,
            String directory,
            BackupArchive backup,
            @Nullable RemoteTimeline remote,
            Operation operation) {
        this.surroundings = surroundings;
        this.environment = surroundings.environment();
        this.tenant = tenant;
        this.id = id;
        this.directory = directory;
        this.backup = backup;
        this.remote = remote;
        this.operation = operation;
        TimelineStore.markUnfinished(environment.disk(), directory);
        this.filling = begin();
        this.files =
                new BaseBackupImport(
                        backup.version(),
                        backup.baseLsn(),
                        batch -> filling.commitPart(batch, backup.baseLsn()),
                        backup.checksums());
    }

    static Timeline run(
            Surroundings surroundings,
            TenantShardId tenant,
            TimelineId id,
            String directory,
            BackupArchive backup,
            @Nullable RemoteTimeline remote,
            Operation operation) {
        ArchiveImport importing =
                new ArchiveImport(surroundings, tenant, id, directory, backup, remote, operation);
        boolean done = false;
        try (Operation.Interruption _ =
                        operation.interruptedBy(() ->
                                importing.filling.breakOff(
                                        PageserverException.of(
                                                ErrorCode.CANCELLED, "its import is to stop")));
                Operation.Interruption _ = operation.interruptedBy(backup.bytes()::end)) {
            importing.read();
            importing.finish();
            done = true;
            return importing.filling;
        } finally {
            if (!done) {
                importing.filling.close();
            }
        }
    }

    /** Of which cluster it is turns out later. */
    private Timeline begin() {
        TimelineIndex index =
                TimelineIndex.empty(
                        new TimelineIndex.Identity(
                                tenant,
                                id,
                                remote == null ? Generation.FIRST : remote.tenant().generation(),
                                backup.version(),
                                WalOrigin.STOCK,
                                0,
                                16 << 20,
                                1),
                        null,
                        Long.MAX_VALUE,
                        backup.baseLsn() - 1);
        return Timeline.beginImport(surroundings, directory, index, remote);
    }

    private void read() {
        operation.stage("taking the base backup's files");
        tell(
                Event.IMPORT_STARTED,
                "from an archive, base backup at " + Lsn.toString(backup.baseLsn()));
        TarReader tar = new TarReader(this);
        byte[] piece = new byte[PIECE];
        long received = 0;
        for (int n; (n = backup.bytes().read(piece, 0, piece.length)) >= 0; received += n) {
            operation.checkGoesOn();
            tar.push(piece, 0, n);
            operation.moved(n);
            if (received / PROGRESS_BYTES != (received + n) / PROGRESS_BYTES) {
                tell(Event.IMPORT_PROGRESS, (received + n >> 20) + " MiB received");
            }
        }
        tar.finish();
        operation.stage("making them durable");
    }

    @Override
    public void entry(TarEntry entry) {
        inFile = false;
        switch (entry.type()) {
            case FILE -> {
                inFile = true;
                files.file(entry.name(), entry.size());
            }
            case DIRECTORY -> {}
            case SYMBOLIC_LINK -> tablespace(entry);
            case HARD_LINK -> throw link(entry);
        }
    }

    private void tablespace(TarEntry entry) {
        int oid =
                entry.name().startsWith(TABLESPACES)
                        ? RelationFile.number(entry.name().substring(TABLESPACES.length()))
                        : 0;
        if (oid == 0) {
            throw link(entry);
        }
        files.tablespace(oid, entry.link());
    }

    private static PageserverException link(TarEntry entry) {
        return PageserverException.badRequest(
                "%s: found a link to '%s'; a base backup has links only for tablespaces, pg_tblspc/OID",
                entry.name(), entry.link());
    }

    @Override
    public void content(byte[] bytes, int offset, int length) {
        if (inFile) {
            files.content(bytes, offset, length);
        }
    }

    @Override
    public void entryEnd() {
        if (inFile) {
            files.endFile();
            inFile = false;
        }
    }

    private void finish() {
        operation.checkGoesOn();
        BaseBackupImport.Result result = files.finish();
        ControlFile control = result.control();
        BackupLabel label = result.label();
        if (label == null) {
            requireEndOf(control);
        }
        int walTimeline =
                label == null || label.timeline() == 0
                        ? control.checkPoint().timeline()
                        : label.timeline();
        filling.finishImport(
                backup.baseLsn(),
                backup.endLsn(),
                control.systemIdentifier(),
                control.walSegmentBytes(),
                walTimeline);
        tell(Event.IMPORT_FINISHED, "readable from " + Lsn.toString(backup.endLsn()) + " on");
    }

    /** A cluster that was shut down ends with its checkpoint, and nowhere else. */
    private void requireEndOf(ControlFile control) {
        long record = control.checkPointLsn();
        long end =
                WalPage.recordEnd(
                        record, WalRecord.SHUTDOWN_CHECKPOINT_BYTES, control.walSegmentBytes());
        if (backup.baseLsn() != record && backup.baseLsn() != end
                || backup.endLsn() != backup.baseLsn()) {
            throw PageserverException.badRequest(
                    "the cluster was shut down by a checkpoint from %s to %s: expected one of them as both base_lsn and end_lsn, found %s and %s",
                    Lsn.toString(record),
                    Lsn.toString(end),
                    Lsn.toString(backup.baseLsn()),
                    Lsn.toString(backup.endLsn()));
        }
    }

    private void tell(Event event, String what) {
        environment.tracer().event(event, Subject.of(tenant, id), what);
    }
}
