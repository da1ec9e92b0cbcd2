package io.palimpsest.server.bootstrap;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.protocol.TarWriter;
import io.palimpsest.server.backup.BackupFacts;
import io.palimpsest.server.backup.BackupTar;
import io.palimpsest.server.backup.StoredBackup;
import io.palimpsest.server.backup.WalScan;
import io.palimpsest.server.backup.WalTrail;
import io.palimpsest.service.BranchCommand;
import io.palimpsest.service.Management;
import io.palimpsest.service.Management.TimelineInfo;
import io.palimpsest.timeline.BackupArchive;
import io.palimpsest.timeline.Incoming;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Makes a timeline of a cluster that nobody has used: PostgreSQL's own initdb makes it, and it is
 * taken over as the data directory of a server that was shut down (decision 0122).
 */
public final class Bootstrap {
    private final Management management;
    private final FreshCluster clusters;

    public Bootstrap(Management management, FreshCluster clusters) {
        this.management = management;
        this.clusters = clusters;
    }

    /**
     * Makes it; the same again is fine.
     *
     * @param name what it is called; null: nothing
     * @throws PageserverException CONFLICT if the id or the name is another timeline's, NOT_FOUND
     *     if there is no initdb of that version, IO with what it said if it fails
     */
    public TimelineInfo create(
            TenantId tenant, TimelineId id, PgVersion version, @Nullable Label name) {
        TimelineInfo there = management.timelineIfHere(tenant, id);
        if (there != null) {
            requireSame(there, version, name);
            return there;
        }
        requireFree(tenant, name);
        clusters.make(version.major(), data -> take(tenant, id, StoredBackup.at(data)));
        return name == null ? management.timeline(tenant, id) : named(tenant, id, name);
    }

    private TimelineInfo named(TenantId tenant, TimelineId id, Label name) {
        boolean done = false;
        try {
            TimelineInfo made = management.run(tenant, id, new BranchCommand.Rename(name));
            done = true;
            return made;
        } finally {
            if (!done) {
                management.delete(tenant, id);
            }
        }
    }

    private static void requireSame(TimelineInfo there, PgVersion version, @Nullable Label name) {
        boolean same =
                there.ancestor() == null
                        && there.pgVersion() == version.major()
                        && (name == null || name.equals(there.said().name()));
        if (!same) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT,
                    "timeline %s exists already and is another one",
                    there.timeline());
        }
    }

    private void requireFree(TenantId tenant, @Nullable Label name) {
        if (name == null) {
            return;
        }
        TimelineId holder = null;
        try {
            holder = management.find(tenant, name);
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.NOT_FOUND) {
                throw e;
            }
        }
        if (holder != null) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT, "timeline %s is called %s already", holder, name);
        }
    }

    private void take(TenantId tenant, TimelineId id, StoredBackup backup) {
        BackupFacts facts = BackupFacts.read(backup);
        WalTrail trail = new WalTrail(backup, facts, List.of());
        WalScan.Found found = WalScan.read(trail, facts, -1);
        long start = facts.startLsn();
        TimelineInfo made =
                sent(
                        to -> BackupTar.files(backup, facts, to),
                        in ->
                                management.createFromBackup(
                                        tenant,
                                        id,
                                        new BackupArchive(
                                                facts.version(), start, start, true, in)));
        long last = made.lastRecordLsn().value();
        if (last < found.endLsn()) {
            TimelineInfo _ =
                    sent(
                            to -> BackupTar.wal(trail, facts, last, found.endLsn(), to),
                            in ->
                                    management.importWal(
                                            tenant,
                                            id,
                                            new Lsn(last),
                                            new Lsn(found.endLsn()),
                                            in));
        }
    }

    /** By way of a file: the one writes where the other wants to read. */
    private static TimelineInfo sent(
            Consumer<TarWriter.Sink> writer, Function<Incoming, TimelineInfo> reader) {
        try {
            Path archive = Files.createTempFile("palimpsest-initdb-", ".tar");
            try {
                try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(archive))) {
                    writer.accept((bytes, offset, length) -> {
                        try {
                            out.write(bytes, offset, length);
                        } catch (IOException e) {
                            throw new UncheckedIOException(e);
                        }
                    });
                }
                try (InputStream in = Files.newInputStream(archive)) {
                    return reader.apply((into, offset, length) -> {
                        try {
                            return in.read(into, offset, length);
                        } catch (IOException e) {
                            throw new PageserverException(ErrorCode.IO, archive + ": " + e, e);
                        }
                    });
                }
            } finally {
                Files.deleteIfExists(archive);
            }
        } catch (IOException | UncheckedIOException e) {
            throw new PageserverException(
                    ErrorCode.IO, "a new cluster could not be written: " + e.getMessage(), e);
        }
    }
}
