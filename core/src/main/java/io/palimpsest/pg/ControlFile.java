package io.palimpsest.pg;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.PageserverException;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * global/pg_control: identity and settings of a cluster. Immutable.
 *
 * <pre>
 *   0 u64 system identifier    8 u32 version     12 u32 catalog version   16 u32 state
 *  24 i64 time                32 u64 checkpoint  40 CheckPoint, 88 bytes
 * 136 u64 minimum recovery point, u32 its timeline  152 u64 backup start  160 u64 backup end  168 bool end required
 * 172 i32 wal_level          176 bool wal_log_hints
 * 180 i32 max_connections, max_worker_processes, max_wal_senders, max_prepared_xacts, max_locks_per_xact
 * 200 bool track_commit_timestamp
 * 204 u32 alignment 8        208 f64 1234567.0
 * 216 u32 block size, blocks per relation segment, WAL block size, WAL segment size
 * 252 u32 data checksum version
 * 288 u32 CRC-32C of all before it (14 to 17); 292 in 18, where a bool sits at 256
 * </pre>
 *
 * The file is 8192 bytes, zero after the struct of 296. Source: PostgreSQL's pg_control.h.
 */
public final class ControlFile {
    public static final int BYTES = 8192;
    public static final int STRUCT_BYTES = 296;
    public static final int STATE_SHUT_DOWN = 1;

    private static final int CHECKPOINT_LSN = 32;
    private static final int CHECKPOINT = 40;
    private static final int RECOVERY = 136;
    private static final int WAL_LEVEL = 172;
    private static final int LOG_HINTS = 176;
    private static final int MAX_CONNECTIONS = 180;
    private static final int TRACK_COMMIT_TIMESTAMP = 200;
    private static final int CHECKSUMS = 252;

    private final PgVersion version;
    private final byte[] b;

    private ControlFile(PgVersion version, byte[] bytes) {
        this.version = version;
        b = bytes;
    }

    /**
     * Takes the file's bytes: 8192, or cut after the struct.
     *
     * @throws PageserverException CORRUPTION if length or CRC is wrong, BAD_REQUEST if it is of
     *     another version or built with other sizes
     */
    public static ControlFile parse(byte[] file, PgVersion version) {
        if (file.length < STRUCT_BYTES || file.length > BYTES) {
            throw PageserverException.corruption(
                    "pg_control: expected %d to %d bytes, found %d",
                    STRUCT_BYTES, BYTES, file.length);
        }
        byte[] b = Arrays.copyOf(file, BYTES);
        expect("version", version.controlVersion(), Bytes.i32(b, 8));
        int crcAt = crcOffset(version);
        int crc = crc(b, crcAt);
        if (crc != Bytes.i32(b, crcAt)) {
            throw PageserverException.corruption(
                    "pg_control: CRC at %d is %08X, expected %08X",
                    crcAt, Bytes.i32(b, crcAt), crc);
        }
        expect("catalog version", version.catalogVersion(), Bytes.i32(b, 12));
        expect("alignment", 8, Bytes.i32(b, 204));
        if (Double.doubleToRawLongBits(Bytes.f64(b, 208))
                != Double.doubleToRawLongBits(1234567.0)) {
            throw PageserverException.badRequest("pg_control: another floating-point format");
        }
        expect("block size", Page.SIZE, Bytes.i32(b, 216));
        expect("blocks of a relation segment", RelationFile.BLOCKS_PER_SEGMENT, Bytes.i32(b, 220));
        expect("WAL block size", Page.SIZE, Bytes.i32(b, 224));
        int segment = Bytes.i32(b, 228);
        if (Integer.bitCount(segment) != 1 || segment < 1 << 20 || segment > 1 << 30) {
            throw PageserverException.badRequest(
                    "pg_control: WAL segment size %d, expected a power of two from 1 MiB to 1 GiB",
                    segment);
        }
        return new ControlFile(version, b);
    }

    private static void expect(String what, int expected, int found) {
        if (expected != found) {
            throw PageserverException.badRequest(
                    "pg_control: %s is %d, expected %d", what, found, expected);
        }
    }

    private static int crcOffset(PgVersion version) {
        return version.atLeast(PgVersion.V18) ? 292 : 288;
    }

    private static int crc(byte[] b, int length) {
        CRC32C crc = new CRC32C();
        crc.update(b, 0, length);
        return (int) crc.getValue();
    }

    /** A copy with the change made and a new CRC. */
    private ControlFile with(byte[] changed) {
        int at = crcOffset(version);
        Bytes.putI32(changed, at, crc(changed, at));
        return new ControlFile(version, changed);
    }

    /** A copy of the file's 8192 bytes. */
    public byte[] toBytes() {
        return b.clone();
    }

    public PgVersion version() {
        return version;
    }

    public long systemIdentifier() {
        return Bytes.i64(b, 0);
    }

    public int state() {
        return Bytes.i32(b, 16);
    }

    /** Where the last checkpoint's record starts. */
    public long checkPointLsn() {
        return Bytes.i64(b, CHECKPOINT_LSN);
    }

    public CheckPoint checkPoint() {
        return CheckPoint.read(b, CHECKPOINT);
    }

    /** A backup that was taken on a standby is consistent from there on. */
    public long minimumRecoveryPoint() {
        return Bytes.i64(b, RECOVERY);
    }

    public int walLevel() {
        return Bytes.i32(b, WAL_LEVEL);
    }

    public boolean walLogHints() {
        return b[LOG_HINTS] != 0;
    }

    /** How many prepared transactions a standby of it must have room for. */
    public int maxPreparedTransactions() {
        return Bytes.i32(b, MAX_CONNECTIONS + 12);
    }

    public boolean tracksCommitTimestamps() {
        return b[TRACK_COMMIT_TIMESTAMP] != 0;
    }

    public boolean dataChecksums() {
        return Bytes.i32(b, CHECKSUMS) != 0;
    }

    /** Whether changes of hint bits are logged, and setting all-visible moves a heap page's LSN. */
    public boolean hintBitsLogged() {
        return dataChecksums() || walLogHints();
    }

    public int walSegmentBytes() {
        return Bytes.i32(b, 228);
    }

    /**
     * A cluster that was shut down, its checkpoint at {@code lsn}: nothing to recover, no backup
     * under way.
     */
    public ControlFile shutDownAt(long lsn, CheckPoint checkPoint) {
        byte[] c = withCheckPoint(STATE_SHUT_DOWN, lsn, checkPoint).b;
        Arrays.fill(c, RECOVERY, WAL_LEVEL, (byte) 0);
        return with(c);
    }

    /** Another checkpoint, at {@code lsn}, and cluster state. */
    public ControlFile withCheckPoint(int state, long lsn, CheckPoint checkPoint) {
        byte[] c = b.clone();
        Bytes.putI32(c, 16, state);
        Bytes.putI64(c, CHECKPOINT_LSN, lsn);
        System.arraycopy(checkPoint.toBytes(), 0, c, CHECKPOINT, CheckPoint.BYTES);
        return with(c);
    }

    /**
     * The settings that XLOG_PARAMETER_CHANGE announces, as its main data has them.
     *
     * <pre>
     * 0 i32 max_connections, max_worker_processes, max_wal_senders, max_prepared_xacts, max_locks_per_xact
     * 20 i32 wal_level   24 bool wal_log_hints   25 bool track_commit_timestamp
     * </pre>
     */
    public ControlFile withParameters(byte[] record, int at) {
        Check.that(at >= 0 && record.length - at >= 26, "parameters at %d", at);
        byte[] c = b.clone();
        System.arraycopy(record, at, c, MAX_CONNECTIONS, 20);
        System.arraycopy(record, at + 20, c, WAL_LEVEL, 4);
        c[LOG_HINTS] = record[at + 24];
        c[TRACK_COMMIT_TIMESTAMP] = record[at + 25];
        return with(c);
    }
}
