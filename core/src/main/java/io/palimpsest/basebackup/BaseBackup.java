package io.palimpsest.basebackup;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.ControlFile;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.port.Clock;
import io.palimpsest.protocol.TarWriter;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import io.palimpsest.value.ReadView;
import io.palimpsest.wal.BootWal;
import io.palimpsest.wal.WalPage;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.zip.CRC32C;

/**
 * A timeline as of one LSN, written as the tar archive of a data directory that was shut down
 * there: transactions that had not ended are aborted by that. Its memory is bounded by the largest
 * database's list of relations. While it is written its LSN is leased.
 *
 * <p>pg_control comes last but for the WAL, and the archive's end mark only if all went well, so
 * that half a backup cannot be taken for a whole one. Not in it: what the page store does not have,
 * that is the contents of unlogged and temporary relations, replication slots, statistics,
 * configuration.
 */
public final class BaseBackup {
    private static final long LEASE_NANOS = 60_000_000_000L;

    private static final List<String> DIRECTORIES =
            List.of(
                    "global",
                    "pg_wal",
                    "pg_wal/archive_status",
                    "pg_commit_ts",
                    "pg_dynshmem",
                    "pg_notify",
                    "pg_serial",
                    "pg_snapshots",
                    "pg_subtrans",
                    "pg_twophase",
                    "pg_multixact",
                    "pg_multixact/members",
                    "pg_multixact/offsets",
                    "base",
                    "pg_replslot",
                    "pg_tblspc",
                    "pg_stat",
                    "pg_stat_tmp",
                    "pg_xact",
                    "pg_logical",
                    "pg_logical/snapshots",
                    "pg_logical/mappings");

    private final Timeline timeline;
    private final Clock clock;
    private final BackupForm form;
    private final long lsn;
    private final long previousLsn;
    private final ReadView view;
    private final PgVersion version;
    private final ControlFile control;
    private final CheckPoint checkPoint;
    private final long bootLsn;
    private long leasedAt;

    /**
     * @param lsn effective: readable, and there
     * @throws PageserverException LSN_OUT_OF_RANGE if it is neither
     */
    public BaseBackup(Timeline timeline, BackupForm form, long lsn) {
        this.timeline = timeline;
        this.clock = timeline.clock();
        this.form = form;
        this.lsn = lsn;
        lease();
        view = timeline.viewAt(lsn);
        version = timeline.version();
        // The record before this LSN is known of the newest alone; it may move while it is asked.
        long previous = timeline.prevRecordLsn();
        previousLsn = timeline.lastRecordLsn() == lsn ? previous : 0;
        control = ControlFile.parse(required(Keys.CONTROL_FILE, "pg_control"), version);
        checkPoint = CheckPoint.read(required(Keys.CHECKPOINT, "checkpoint"), 0);
        bootLsn = BootWal.recordStart(lsn, control.walSegmentBytes());
        checkPoint.setRedo(bootLsn);
    }

    /** The LSN that a server started from it goes on from. */
    public long bootLsn() {
        return bootLsn;
    }

    /**
     * Whoever asks may say where the record before the LSN starts.
     *
     * @param claimed 0 if it is not said
     * @throws PageserverException BAD_REQUEST if it is known to be elsewhere
     */
    public void checkPrevious(long claimed) {
        if (claimed != 0 && previousLsn != 0 && claimed != previousLsn) {
            throw PageserverException.badRequest(
                    "the record before %s starts at %s, not at %s",
                    Lsn.toString(lsn), Lsn.toString(previousLsn), Lsn.toString(claimed));
        }
    }

    /** Seconds since 1970, for the archive. */
    public long time() {
        return clock.wallMillis() / 1000;
    }

    /** Writes it all; a failure leaves the archive without its end. */
    public void write(TarWriter tar) {
        DIRECTORIES.forEach(tar::directory);
        if (version.atLeast(PgVersion.V17)) {
            tar.directory("pg_wal/summaries");
        }
        new SlruFiles(timeline, lsn, checkPoint, tar).write(this::keepLease);
        new DatabaseFiles(timeline, lsn, form, control.dataChecksums(), tar)
                .write(view, this::keepLease);
        view.scan(Keys.ofKind(Keys.TWO_PHASE), (key, state) -> prepared(tar, key, state));
        switch (form) {
            case STOCK -> bootStock(tar);
            case COMPUTE, COMPUTE_WITH_RELATIONS -> bootCompute(tar);
        }
        tar.finish();
    }

    private void prepared(TarWriter tar, Key key, byte[] state) {
        CRC32C crc = new CRC32C();
        crc.update(state, 0, state.length);
        byte[] sum = new byte[4];
        Bytes.putI32(sum, 0, (int) crc.getValue());
        String name =
                version.atLeast(PgVersion.V17)
                        ? String.format(Locale.ROOT, "%08X%08X", key.field3(), key.field4())
                        : String.format(Locale.ROOT, "%08X", key.field4());
        tar.file("pg_twophase/" + name, state.length + 4L);
        tar.content(state, 0, state.length);
        tar.content(sum, 0, 4);
        tar.endFile();
    }

    private void bootStock(TarWriter tar) {
        checkPoint.setOldestActiveXid(0);
        checkPoint.setFullPageWrites(true);
        checkPoint.setTime(clock.wallMillis() / 1000);
        if (version.atLeast(PgVersion.V17)) {
            checkPoint.setWalLevel(control.walLevel());
        }
        BootWal wal =
                new BootWal(
                        version,
                        bootLsn,
                        control.walSegmentBytes(),
                        control.systemIdentifier(),
                        previousLsn,
                        checkPoint);
        tar.file("global/pg_control", control.shutDownAt(bootLsn, checkPoint).toBytes());
        // The server itself does without; a standby of it asks for the file, and waits for ever.
        WalHistory history = timeline.walHistory().upTo(lsn);
        if (!history.past().isEmpty() && history.timelineId() == checkPoint.timeline()) {
            tar.file(
                    "pg_wal/" + history.fileName(),
                    history.text().getBytes(StandardCharsets.US_ASCII));
        }
        for (int i = 0; i < wal.segments(); i++) {
            tar.file("pg_wal/" + wal.name(i), control.walSegmentBytes());
            wal.write(i, sink(tar));
            tar.endFile();
        }
    }

    private void bootCompute(TarWriter tar) {
        tar.file(
                "pg_hba.conf",
                "local all all trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\nlocal replication all trust\nhost replication all 127.0.0.1/32 trust\nhost replication all ::1/128 trust\n"
                        .getBytes(StandardCharsets.US_ASCII));
        tar.file("pg_ident.conf", new byte[0]);
        tar.file("postgresql.auto.conf", new byte[0]);
        byte[] signal = ("PREV LSN: " + previous()).getBytes(StandardCharsets.US_ASCII);
        tar.file("neon.signal", signal);
        tar.file("zenith.signal", signal);
        // Not a checkpoint that could be looked for: the compute goes by redo alone.
        tar.file("global/pg_control", control.shutDownAt(0, checkPoint).toBytes());
        int segment = control.walSegmentBytes();
        tar.file(
                "pg_wal/" + WalPage.segmentName(1, Long.divideUnsigned(lsn, segment), segment),
                segment);
        BootWal.headers(version, lsn, segment, control.systemIdentifier(), sink(tar));
        tar.endFile();
    }

    private String previous() {
        if (previousLsn != 0) {
            return Lsn.toString(previousLsn);
        }
        return lsn == timeline.ancestorLsn() ? "none" : "invalid";
    }

    private static BootWal.Sink sink(TarWriter tar) {
        return new BootWal.Sink() {
            @Override
            public void bytes(byte[] bytes, int offset, int length) {
                tar.content(bytes, offset, length);
            }

            @Override
            public void zeros(long count) {
                tar.zeros(count);
            }
        };
    }

    private byte[] required(Key key, String what) {
        byte[] found = view.image(key);
        if (found == null) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND,
                    "timeline %s has no %s at %s: nothing was imported into it",
                    timeline.id(),
                    what,
                    Lsn.toString(lsn));
        }
        return found;
    }

    private void lease() {
        long _ = timeline.keep(lsn);
        leasedAt = clock.monotonicNanos();
    }

    private void keepLease() {
        if (clock.monotonicNanos() - leasedAt > LEASE_NANOS) {
            lease();
        }
    }

    /** Directory of a database's files. */
    static String directory(int spc, int db, PgVersion version) {
        return switch (spc) {
            case RelTag.GLOBAL_TABLESPACE -> "global";
            case RelTag.DEFAULT_TABLESPACE -> "base/" + Integer.toUnsignedString(db);
            default -> tablespace(spc, version) + "/" + Integer.toUnsignedString(db);
        };
    }

    /** Directory of a tablespace's files. */
    static String tablespace(int spc, PgVersion version) {
        return "pg_tblspc/"
                + Integer.toUnsignedString(spc)
                + "/PG_"
                + version.major()
                + "_"
                + version.catalogVersion();
    }
}
