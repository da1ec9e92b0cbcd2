package io.palimpsest.protocol;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Ids;
import io.palimpsest.port.Net;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A connection for physical replication to an ordinary PostgreSQL 14 to 18: who the cluster is, its
 * slots, a base backup, the WAL stream. Blocking; one task uses it at a time.
 *
 * <p>Errors are {@link PageserverException}s: what the server said carries a {@link
 * ReplicationError} and leaves the connection usable unless it was FATAL; a lost or silent server
 * is IO, garbage from it is CORRUPTION, and after these the connection is closed. Source:
 * PostgreSQL's documentation, "Streaming Replication Protocol".
 */
public final class ReplicationConnection implements AutoCloseable {
    private static final int MAX_SLOT_NAME = 63;

    private final ReplicationLink link;
    private final ReplicationSettings settings;
    private final PgVersion version;

    private ReplicationConnection(
            ReplicationLink link, ReplicationSettings settings, PgVersion version) {
        this.link = link;
        this.settings = settings;
        this.version = version;
    }

    /** Connects, authenticates and waits until the server takes commands. */
    public static ReplicationConnection open(
            Net net, Clock clock, Ids ids, ReplicationSettings settings) {
        Net.Connection connection =
                net.connect(settings.host(), settings.port(), settings.timeoutNanos());
        ReplicationLink link = new ReplicationLink(connection, clock);
        boolean done = false;
        try {
            new ReplicationHandshake(link, settings, ids).run();
            PgVersion version = version(link.serverVersion());
            done = true;
            return new ReplicationConnection(link, settings, version);
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.CORRUPTION) {
                throw e;
            }
            throw new PageserverException(
                    ErrorCode.CORRUPTION,
                    settings
                            + " does not answer as a PostgreSQL server: "
                            + e.getMessage()
                            + "; check host and port",
                    e);
        } finally {
            if (!done) {
                link.close();
            }
        }
    }

    /** As the server writes it, e.g. {@code 15.8 (Debian 15.8-0)}. */
    public String serverVersion() {
        return link.serverVersion();
    }

    public PgVersion version() {
        return version;
    }

    /** Does it replay somebody else's WAL, so that it may have less today than it had? */
    public boolean standby() {
        return link.standby();
    }

    public SystemIdentity identifySystem() {
        @Nullable String[] row = oneRow("IDENTIFY_SYSTEM", 3);
        String systemId = link.column(row, 0);
        try {
            return new SystemIdentity(
                    Long.parseUnsignedLong(systemId), link.u32(row, 1), link.lsn(row, 2));
        } catch (NumberFormatException e) {
            throw link.fail(
                    PageserverException.corruption(
                            "IDENTIFY_SYSTEM: found system id '%s', expected a number", systemId));
        }
    }

    /**
     * Which timelines its WAL was on before that one; null if the server has no file of it, as for
     * the first it never has.
     */
    public @Nullable WalHistory timelineHistory(int timelineId) {
        if (timelineId == 1) {
            return WalHistory.on(1);
        }
        @Nullable String[] row;
        try {
            row = oneRow("TIMELINE_HISTORY " + Integer.toUnsignedString(timelineId), 2);
        } catch (PageserverException e) {
            if (ReplicationError.is(e, ReplicationError.WAL_REMOVED)) {
                return null;
            }
            throw e;
        }
        return WalHistory.parse(timelineId, link.column(row, 1));
    }

    /** Of a page, in bytes. */
    public int blockSize() {
        String text = link.column(oneRow("SHOW block_size", 1), 0);
        try {
            return Integer.parseInt(text);
        } catch (NumberFormatException e) {
            throw link.fail(
                    PageserverException.corruption(
                            "block_size: found '%s', expected a number", text));
        }
    }

    /** In bytes. */
    public int walSegmentSize() {
        String text = link.column(oneRow("SHOW wal_segment_size", 1), 0);
        int bytes = bytes(text);
        if (bytes < 1 << 20 || bytes > 1 << 30 || Integer.bitCount(bytes) != 1) {
            throw link.fail(
                    PageserverException.corruption(
                            "wal_segment_size: found '%s', expected a power of two"
                                    + " from 1MB to 1GB",
                            text));
        }
        return bytes;
    }

    public ReplicationSlot readReplicationSlot(String name) {
        if (version == PgVersion.V14) {
            return new ReplicationSlot.Unknown();
        }
        @Nullable String[] row = oneRow("READ_REPLICATION_SLOT " + slot(name), 3);
        if (row[0] == null) {
            return new ReplicationSlot.Absent();
        }
        return new ReplicationSlot.Present(
                row[1] == null ? 0 : link.lsn(row, 1), row[2] == null ? 0 : link.u32(row, 2));
    }

    /**
     * CONFLICT if it exists.
     *
     * @param reserveWal keep WAL from now on, not from the first use on
     */
    public void createPhysicalReplicationSlot(String name, boolean reserveWal) {
        String option =
                !reserveWal ? "" : version == PgVersion.V14 ? " RESERVE_WAL" : " (RESERVE_WAL)";
        oneRow("CREATE_REPLICATION_SLOT " + slot(name) + " PHYSICAL" + option, 4);
    }

    /**
     * SOURCE_BROKEN if there is none, CONFLICT if it is in use.
     *
     * @param wait wait until nobody uses it
     */
    public void dropReplicationSlot(String name, boolean wait) {
        String command = "DROP_REPLICATION_SLOT " + slot(name) + (wait ? " WAIT" : "");
        link.query(command, 0, settings.timeoutNanos());
    }

    /** Takes a base backup. Whatever {@code visitor} throws ends the connection. */
    public BaseBackupRange baseBackup(BaseBackupOptions options, BaseBackupVisitor visitor) {
        return new BaseBackupReader(link, version, options, visitor).run();
    }

    /**
     * Starts the stream at exactly {@code startLsn}. That the WAL is gone or not there yet may come
     * only with the first {@link ReplicationStream#receive}. Until the stream has ended no other
     * command may be given.
     *
     * @param slot null for none
     * @param timelineId PostgreSQL's timeline; 0: the server's current one
     */
    public ReplicationStream startReplication(
            @Nullable String slot, long startLsn, int timelineId) {
        link.command(
                "START_REPLICATION "
                        + (slot == null ? "" : "SLOT " + slot(slot) + " ")
                        + "PHYSICAL "
                        + Lsn.toString(startLsn)
                        + (timelineId == 0
                                ? ""
                                : " TIMELINE " + Integer.toUnsignedString(timelineId)));
        int type = link.await(settings.timeoutNanos());
        return switch (type) {
            case 'W' -> new ReplicationStream(link, settings.timeoutNanos(), true);
            // The timeline ended right at startLsn: its successor comes instead of a stream.
            case 'T' -> new ReplicationStream(link, settings.timeoutNanos(), false);
            default -> throw link.unexpected(type, "CopyBothResponse");
        };
    }

    /** Ends the connection; the server notices. */
    @Override
    public void close() {
        link.close();
    }

    private @Nullable String[] oneRow(String command, int columns) {
        List<@Nullable String[]> rows = link.query(command, columns, settings.timeoutNanos());
        if (rows.size() != 1) {
            throw link.fail(
                    PageserverException.corruption(
                            "%s: found %d rows, expected 1", command, rows.size()));
        }
        return rows.getFirst();
    }

    private static String slot(String name) {
        boolean good = !name.isEmpty() && name.length() <= MAX_SLOT_NAME;
        for (int i = 0; good && i < name.length(); i++) {
            char c = name.charAt(i);
            good = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_';
        }
        if (!good) {
            throw PageserverException.badRequest(
                    "'%s' is no slot name: expected 1 to %d of a-z, 0-9 and _",
                    name, MAX_SLOT_NAME);
        }
        return '"' + name + '"';
    }

    private static PgVersion version(String text) {
        int digits = 0;
        while (digits < text.length() && Character.isDigit(text.charAt(digits)) && digits < 4) {
            digits++;
        }
        if (digits == 0) {
            throw PageserverException.of(
                    ErrorCode.CORRUPTION,
                    "server_version: found '%s', expected a version number",
                    text);
        }
        return PgVersion.ofMajor(Integer.parseInt(text, 0, digits, 10));
    }

    private static int bytes(String text) {
        int shift = text.endsWith("GB") ? 30 : text.endsWith("MB") ? 20 : -1;
        if (shift < 0) {
            return -1;
        }
        try {
            long units = Long.parseLong(text, 0, text.length() - 2, 10);
            return units > 0 && units <= 1L << 30 - shift ? (int) units << shift : -1;
        } catch (NumberFormatException e) {
            return -1;
        }
    }
}
