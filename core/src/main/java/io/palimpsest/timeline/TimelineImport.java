package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.ingest.BackupLabel;
import io.palimpsest.ingest.BaseBackupImport;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.protocol.BaseBackupOptions;
import io.palimpsest.protocol.BaseBackupRange;
import io.palimpsest.protocol.BaseBackupVisitor;
import io.palimpsest.protocol.ReplicationConnection;
import io.palimpsest.protocol.ReplicationError;
import io.palimpsest.protocol.ReplicationSlot;
import io.palimpsest.protocol.SystemIdentity;
import io.palimpsest.protocol.TarEntry;
import io.palimpsest.protocol.TarReader;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Makes a timeline from a running Postgres: the slot first, so that no WAL is lost, then the base
 * backup as it streams, everything at the backup's start LSN; the timeline exists when all of it is
 * durable. Reads below the backup's end are refused: until WAL up to there is in, pages may be
 * torn.
 */
final class TimelineImport {
    private static final long PROGRESS_BYTES = 256L << 20;

    private final Surroundings surroundings;
    private final Environment environment;
    private final TenantShardId tenant;
    private final TimelineId id;
    private final String directory;
    private final WalSource source;
    private final BranchProperties properties;
    private final @Nullable RemoteTimeline remote;
    private final Operation operation;

    /** As it is written down, which says whether the slot is ours to drop should this fail. */
    private Intent intent;

    TimelineImport(
            Surroundings surroundings,
            TenantShardId tenant,
            Intent intent,
            String directory,
            WalSource source,
            BranchProperties properties,
            @Nullable RemoteTimeline remote,
            Operation operation) {
        this.properties = properties;
        this.remote = remote;
        this.operation = operation;
        this.surroundings = surroundings;
        this.environment = surroundings.environment();
        this.tenant = tenant;
        this.intent = intent;
        this.id = intent.timeline();
        this.directory = directory;
        this.source = source;
    }

    Timeline run() {
        operation.stage("connecting to " + source.host() + ":" + source.port());
        operation.checkGoesOn();
        try (ReplicationConnection connection = SourceSlot.connect(environment, source)) {
            operation.checkGoesOn();
            int block = connection.blockSize();
            if (block != Page.SIZE) {
                throw PageserverException.of(
                        ErrorCode.SOURCE_BROKEN,
                        "the source has pages of %d bytes (block_size), expected %d; only a PostgreSQL built with the default can be imported",
                        block,
                        Page.SIZE);
            }
            reserveSlot(connection);
            try (Operation.Interruption _ = operation.interruptedBy(connection::close)) {
                return take(connection);
            }
        } catch (PageserverException e) {
            throw SourceError.explain(e, source);
        }
    }

    /** Makes sure the slot is there and keeps WAL. */
    private void reserveSlot(ReplicationConnection connection) {
        ReplicationSlot slot = connection.readReplicationSlot(source.slot());
        if (slot instanceof ReplicationSlot.Present present
                && present.restartLsn() == 0
                && intent.slotIsOurs()) {
            // It kept too much while nobody followed: the copy is begun anew, and so is this.
            connection.dropReplicationSlot(source.slot(), true);
            slot = new ReplicationSlot.Absent();
        }
        if (slot instanceof ReplicationSlot.Present present) {
            if (present.restartLsn() == 0) {
                throw PageserverException.of(
                        ErrorCode.SOURCE_BROKEN,
                        "replication slot %s exists but keeps no WAL: it was never used or the source has invalidated it; drop it, or name another",
                        source.slot());
            }
            return;
        }
        try {
            // Once it is asked for it may be there, even if no answer comes.
            if (slot instanceof ReplicationSlot.Absent) {
                slotIsOurs(true);
            }
            connection.createPhysicalReplicationSlot(source.slot(), true);
            slotIsOurs(true);
        } catch (PageserverException e) {
            if (slot instanceof ReplicationSlot.Absent && ReplicationError.of(e) != null) {
                slotIsOurs(false);
            }
            if (slot instanceof ReplicationSlot.Unknown
                    && ReplicationError.is(e, ReplicationError.SLOT_EXISTS)) {
                return;
            }
            throw e;
        }
    }

    private Subject subject() {
        return Subject.of(tenant, id);
    }

    /** Written down before anything comes of it. */
    private void slotIsOurs(boolean ours) {
        if (intent.slotIsOurs() != ours) {
            intent = intent.withSlot(ours);
            intent.write(environment.disk(), tenant);
        }
    }

    /** It came to nothing, which is written down, so that no start begins it anew. */
    void ends() {
        try {
            intent.toEnd().write(environment.disk(), tenant);
        } catch (PageserverException e) {
            environment
                    .tracer()
                    .event(Event.INTENT_NOT_ENDED, subject(), String.valueOf(e.getMessage()));
        }
    }

    /**
     * It came to nothing: a slot nobody follows would fill the source's disk. But whoever owns the
     * tenant by now may follow the source by it, and whoever uses it does.
     *
     * @param owner throws if the tenant is another server's, or that cannot be found out
     * @return false if it could not be dropped, which has to be tried again
     */
    boolean dropSlot(Runnable owner) {
        if (!intent.slotIsOurs()) {
            return true;
        }
        try {
            owner.run();
            if (!SourceSlot.dropUnused(environment, source)) {
                stays("somebody uses it");
            }
            return true;
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.PRECONDITION_FAILED) {
                stays(String.valueOf(e.getMessage()));
                return true;
            }
            String left =
                    "replication slot "
                            + source.slot()
                            + " could not be dropped after a failed import and keeps WAL on the source until it is, which is tried again and again while the server runs; or "
                            + TimelineStore.dropSlotBy(source)
                            + ": "
                            + e.getMessage();
            operation.leaves(left);
            environment.tracer().event(Event.SLOT_LEFT_BEHIND, subject(), left);
            return false;
        }
    }

    private void stays(String why) {
        environment
                .tracer()
                .event(
                        Event.SLOT_LEFT_BEHIND,
                        subject(),
                        "another server may need it: "
                                + why
                                + "; if none does, "
                                + TimelineStore.dropSlotBy(source));
    }

    private static PageserverException backupStopped() {
        return PageserverException.of(ErrorCode.CANCELLED, "its import is to stop");
    }

    private Timeline take(ReplicationConnection connection) {
        SystemIdentity identity = connection.identifySystem();
        Backup backup = new Backup(connection, identity, connection.walSegmentSize());
        boolean done = false;
        try {
            operation.stage("waiting for a checkpoint of the source");
            operation.checkGoesOn();
            BaseBackupRange range =
                    connection.baseBackup(
                            new BaseBackupOptions("palimpsest import").withSizes(), backup);
            operation.checkGoesOn();
            operation.stage("making the copy durable");
            Timeline timeline = backup.finish(range);
            done = true;
            return timeline;
        } finally {
            backup.end();
            if (!done && backup.timeline != null) {
                backup.timeline.close();
            }
        }
    }

    /** Receives the backup and writes it. */
    private final class Backup implements BaseBackupVisitor, TarReader.Visitor {
        private final ReplicationConnection connection;
        private final SystemIdentity identity;
        private final int segmentSize;
        private long startLsn;
        private @Nullable Timeline timeline;
        private @Nullable BaseBackupImport files;
        private @Nullable TarReader tar;
        private String prefix = "";
        private boolean inFile;
        private long received;

        /** Waits for the disk end, too. */
        private Operation.@Nullable Interruption stopping;

        Backup(ReplicationConnection connection, SystemIdentity identity, int segmentSize) {
            this.connection = connection;
            this.identity = identity;
            this.segmentSize = segmentSize;
        }

        @Override
        public void begin(
                long start, int walTimeline, List<Tablespace> tablespaces, long expectedBytes) {
            operation.stage("copying the cluster");
            operation.total(expectedBytes);
            startLsn = start;
            TimelineIndex index =
                    TimelineIndex.empty(
                                    new TimelineIndex.Identity(
                                            tenant,
                                            id,
                                            remote == null
                                                    ? Generation.FIRST
                                                    : remote.tenant().generation(),
                                            connection.version(),
                                            WalOrigin.STOCK,
                                            identity.systemId(),
                                            segmentSize,
                                            walTimeline),
                                    null,
                                    Long.MAX_VALUE,
                                    start - 1)
                            .having(properties);
            TimelineStore.markUnfinished(environment.disk(), directory);
            Timeline filling = Timeline.beginImport(surroundings, directory, index, remote);
            timeline = filling;
            stopping = operation.interruptedBy(() -> filling.breakOff(backupStopped()));
            BaseBackupImport into =
                    new BaseBackupImport(
                            connection.version(), start, batch -> filling.commitPart(batch, start));
            for (Tablespace t : tablespaces) {
                into.tablespace(t.oid(), t.path());
            }
            files = into;
            environment
                    .tracer()
                    .event(
                            Event.IMPORT_STARTED,
                            subject(),
                            "from " + source + ", base backup at " + Lsn.toString(start));
        }

        /** It is not to be stopped in the old way any more. */
        void end() {
            if (stopping != null) {
                stopping.close();
            }
        }

        @Override
        public void archive(int oid) {
            prefix = oid == 0 ? "" : "pg_tblspc/" + Integer.toUnsignedString(oid) + "/";
            tar = new TarReader(this);
        }

        @Override
        public void bytes(byte[] bytes, int offset, int length) {
            operation.checkGoesOn();
            archiveReader().push(bytes, offset, length);
            if (received / PROGRESS_BYTES != (received + length) / PROGRESS_BYTES) {
                environment
                        .tracer()
                        .event(
                                Event.IMPORT_PROGRESS,
                                subject(),
                                (received + length >> 20) + " MiB received");
            }
            received += length;
            operation.moved(length);
        }

        @Override
        public void archiveEnd() {
            archiveReader().finish();
            tar = null;
        }

        private TarReader archiveReader() {
            if (tar == null) {
                throw PageserverException.of(
                        ErrorCode.IO, "base backup: bytes outside of an archive");
            }
            return tar;
        }

        private BaseBackupImport files() {
            if (files == null) {
                throw PageserverException.of(ErrorCode.IO, "base backup: a file before its start");
            }
            return files;
        }

        @Override
        public void entry(TarEntry entry) {
            inFile = entry.type() == TarEntry.Type.FILE;
            if (inFile) {
                files().file(prefix + entry.name(), entry.size());
            }
        }

        @Override
        public void content(byte[] bytes, int offset, int length) {
            if (inFile) {
                files().content(bytes, offset, length);
            }
        }

        @Override
        public void entryEnd() {
            if (inFile) {
                files().endFile();
                inFile = false;
            }
        }

        Timeline finish(BaseBackupRange range) {
            BaseBackupImport.Result result = files().finish();
            if (result.control().systemIdentifier() != identity.systemId()) {
                throw PageserverException.of(
                        ErrorCode.SOURCE_BROKEN,
                        "base backup: pg_control is of cluster %s, the server says %s",
                        Long.toUnsignedString(result.control().systemIdentifier()),
                        Long.toUnsignedString(identity.systemId()));
            }
            BackupLabel label = result.label();
            if (label == null || label.startLsn() != range.startLsn()) {
                throw PageserverException.of(
                        ErrorCode.SOURCE_BROKEN,
                        "base backup: backup_label is %s, expected one that starts at %s",
                        String.valueOf(label),
                        Lsn.toString(range.startLsn()));
            }
            if (range.startTimelineId() != range.endTimelineId()) {
                throw PageserverException.of(
                        ErrorCode.SOURCE_BROKEN,
                        "the source went over from WAL timeline %d to %d during the backup; import again",
                        range.startTimelineId(),
                        range.endTimelineId());
            }
            Timeline complete = timeline;
            if (complete == null) {
                throw PageserverException.of(ErrorCode.IO, "base backup: it never began");
            }
            complete.finishImport(startLsn, range.endLsn(), range.startTimelineId());
            environment
                    .tracer()
                    .event(
                            Event.IMPORT_FINISHED,
                            subject(),
                            (received >> 20)
                                    + " MiB, readable from "
                                    + Lsn.toString(range.endLsn())
                                    + " on");
            return complete;
        }
    }
}
