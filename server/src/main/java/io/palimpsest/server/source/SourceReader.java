package io.palimpsest.server.source;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Environment;
import io.palimpsest.protocol.ReplicationConnection;
import io.palimpsest.protocol.ReplicationError;
import io.palimpsest.protocol.SystemIdentity;
import io.palimpsest.server.source.SourceFacts.Settings;
import io.palimpsest.server.source.SourceFacts.Slot;
import io.palimpsest.timeline.SourceSlot;
import io.palimpsest.timeline.WalSource;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * Asks a source about itself: by a connection for replication, as we follow it, and by SQL for what
 * only that tells. Nothing is changed there.
 */
final class SourceReader {
    private static final int SECONDS = 10;

    /** Of this many columns, named where they are read. PostgreSQL 14 to 18 have them all. */
    private static final String SETTINGS =
            """
            SELECT current_setting('wal_level') AS wal_level,
                   current_setting('max_wal_senders')::int AS max_wal_senders,
                   (SELECT count(*) FROM pg_stat_replication) AS senders,
                   current_setting('max_replication_slots')::int AS max_slots,
                   (SELECT count(*) FROM pg_replication_slots) AS slots,
                   (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS keep_mb,
                   coalesce((SELECT setting::bigint FROM pg_settings WHERE name = 'idle_replication_slot_timeout'), 0) AS idle_s,
                   current_setting('full_page_writes')::bool AS full_page_writes,
                   current_setting('fsync')::bool AS fsync,
                   current_setting('data_checksums')::bool AS checksums,
                   current_setting('wal_log_hints')::bool AS hints,
                   current_setting('synchronous_standby_names') AS synchronous,
                   CASE WHEN pg_is_in_recovery()
                        THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                        ELSE pg_current_wal_lsn() END AS wal_end
            """;

    private static final String SLOT =
            """
            SELECT slot_type = 'physical' AS physical, temporary, active_pid, restart_lsn, wal_status, safe_wal_size,
                   to_jsonb(s) ->> 'invalidation_reason' AS invalidation
              FROM pg_replication_slots s WHERE slot_name = ?
            """;

    private final Environment environment;

    SourceReader(Environment environment) {
        this.environment = environment;
    }

    /**
     * All that is to be known.
     *
     * @throws PageserverException with advice if we are not let in for replication, or it is no
     *     PostgreSQL that can be followed
     */
    SourceFacts facts(WalSource source) {
        String version;
        boolean standby;
        SystemIdentity identity;
        int blockSize;
        try (ReplicationConnection connection = SourceSlot.connect(environment, source)) {
            version = connection.serverVersion();
            standby = connection.standby();
            identity = connection.identifySystem();
            blockSize = connection.blockSize();
        } catch (PageserverException e) {
            throw advised(e, source);
        }
        Settings settings = null;
        String refusal = "";
        try {
            settings = settings(source);
        } catch (SQLException e) {
            refusal = String.valueOf(e.getMessage());
        }
        return new SourceFacts(
                version,
                standby,
                identity.systemId(),
                identity.timelineId(),
                blockSize,
                settings,
                refusal);
    }

    /** What only SQL tells. Unencrypted, as WAL comes. */
    private static Settings settings(WalSource source) throws SQLException {
        PGSimpleDataSource database = new PGSimpleDataSource();
        database.setServerNames(new String[] {source.host()});
        database.setPortNumbers(new int[] {source.port()});
        database.setDatabaseName("postgres");
        database.setUser(source.user());
        if (!source.password().isEmpty()) {
            database.setPassword(source.password());
        }
        database.setSslmode("disable");
        database.setGssEncMode("disable");
        database.setReadOnly(true);
        database.setConnectTimeout(SECONDS);
        database.setSocketTimeout(SECONDS);
        database.setApplicationName("palimpsest source check");
        try (Connection sql = database.getConnection()) {
            Slot slot = slot(sql, source.slot());
            try (PreparedStatement statement = sql.prepareStatement(SETTINGS);
                    ResultSet row = statement.executeQuery()) {
                row.next();
                long keep = row.getLong("keep_mb");
                return new Settings(
                        row.getString("wal_level"),
                        row.getInt("max_wal_senders"),
                        row.getInt("senders"),
                        row.getInt("max_slots"),
                        row.getInt("slots"),
                        keep < 0 ? SourceFacts.UNBOUNDED : keep << 20,
                        row.getLong("idle_s"),
                        row.getBoolean("full_page_writes"),
                        row.getBoolean("fsync"),
                        row.getBoolean("checksums"),
                        row.getBoolean("hints"),
                        row.getString("synchronous"),
                        lsn(row.getString("wal_end")),
                        slot);
            }
        }
    }

    private static @Nullable Slot slot(Connection sql, String name) throws SQLException {
        try (PreparedStatement statement = sql.prepareStatement(SLOT)) {
            statement.setString(1, name);
            try (ResultSet row = statement.executeQuery()) {
                if (!row.next()) {
                    return null;
                }
                long safe = row.getLong("safe_wal_size");
                boolean bounded = !row.wasNull();
                return new Slot(
                        row.getBoolean("physical"),
                        row.getBoolean("temporary"),
                        row.getInt("active_pid"),
                        lsn(row.getString("restart_lsn")),
                        orEmpty(row.getString("wal_status")),
                        bounded ? safe : SourceFacts.UNBOUNDED,
                        orEmpty(row.getString("invalidation")));
            }
        }
    }

    private static long lsn(@Nullable String text) {
        return text == null ? 0 : Lsn.parse(text).value();
    }

    private static String orEmpty(@Nullable String text) {
        return text == null ? "" : text;
    }

    /** What a person can do about it, where the server's words do not say. */
    private static PageserverException advised(PageserverException e, WalSource source) {
        ReplicationError said = ReplicationError.of(e);
        String advice =
                said == null
                        ? ""
                        : said.isAuthentication()
                                ? "; check user and password, and that the source's pg_hba.conf lets the user in for replication: host replication "
                                        + source.user()
                                        + " ADDRESS scram-sha-256"
                                : switch (said.sqlState()) {
                                    case ReplicationError.NO_PRIVILEGE ->
                                            "; on the source: ALTER ROLE "
                                                    + source.user()
                                                    + " REPLICATION";
                                    case ReplicationError.TOO_MANY_CONNECTIONS ->
                                            "; raise max_wal_senders or max_connections on the source";
                                    case ReplicationError.SLOT_IN_USE -> "; stop who uses it first";
                                    default -> "";
                                };
        return new PageserverException(
                e.code() == ErrorCode.BAD_REQUEST
                        ? ErrorCode.BAD_REQUEST
                        : ErrorCode.PRECONDITION_FAILED,
                source.host() + ":" + source.port() + ": " + e.getMessage() + advice,
                e);
    }
}
