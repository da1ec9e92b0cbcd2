package io.palimpsest.protocol;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import org.jspecify.annotations.Nullable;

/**
 * What a PostgreSQL server said in an ErrorResponse. It travels as the cause of the {@link
 * PageserverException} that {@link ReplicationConnection} throws: {@link #of} finds it again for
 * callers that react to a SQLSTATE.
 */
public final class ReplicationError extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** The WAL asked for was removed (undefined_file). */
    public static final String WAL_REMOVED = "58P01";

    /** No such slot (undefined_object). */
    public static final String NO_SUCH_SLOT = "42704";

    /** The slot is used by somebody else (object_in_use). */
    public static final String SLOT_IN_USE = "55006";

    /** The slot exists already (duplicate_object). */
    public static final String SLOT_EXISTS = "42710";

    /** The role may not replicate (insufficient_privilege). */
    public static final String NO_PRIVILEGE = "42501";

    /** The slot was invalidated, or wal_level is too low (object_not_in_prerequisite_state). */
    public static final String NOT_USABLE = "55000";

    /** No walsender or connection is free (too_many_connections). */
    public static final String TOO_MANY_CONNECTIONS = "53300";

    /** No replication slot is free (configuration_limit_exceeded). */
    public static final String LIMIT_EXCEEDED = "53400";

    /** The server starts up or shuts down (cannot_connect_now). */
    public static final String CANNOT_CONNECT_NOW = "57P03";

    private final String severity;
    private final String sqlState;
    private final String serverMessage;

    ReplicationError(String severity, String sqlState, String serverMessage) {
        super(severity + " " + sqlState + ": " + serverMessage, null, false, false);
        this.severity = severity;
        this.sqlState = sqlState;
        this.serverMessage = serverMessage;
    }

    /** The server's error behind {@code e}, or null if the error is not the server's. */
    public static @Nullable ReplicationError of(PageserverException e) {
        return e.getCause() instanceof ReplicationError error ? error : null;
    }

    /** Is {@code e} the server's error of this SQLSTATE? */
    public static boolean is(PageserverException e, String sqlState) {
        ReplicationError error = of(e);
        return error != null && error.sqlState.equals(sqlState);
    }

    /** ERROR, FATAL or PANIC; the connection is gone after the last two. */
    public String severity() {
        return severity;
    }

    /** Five letters or digits; their meaning is PostgreSQL's appendix A. */
    public String sqlState() {
        return sqlState;
    }

    /** The primary message, in the server's language. */
    public String serverMessage() {
        return serverMessage;
    }

    /** Wrong password, unknown role, no entry in pg_hba.conf (class 28). */
    public boolean isAuthentication() {
        return sqlState.startsWith("28");
    }

    boolean endsConnection() {
        return !severity.equals("ERROR");
    }

    /** How the rest of the program is to react. */
    ErrorCode code() {
        return switch (sqlState) {
            case WAL_REMOVED, NO_SUCH_SLOT, NOT_USABLE, NO_PRIVILEGE -> ErrorCode.SOURCE_BROKEN;
            case SLOT_IN_USE, SLOT_EXISTS -> ErrorCode.CONFLICT;
            default ->
                    switch (sqlState.substring(0, 2)) {
                        case "28", "3D" -> ErrorCode.SOURCE_BROKEN;
                        case "0A", "22", "42" -> ErrorCode.BAD_REQUEST;
                        default -> ErrorCode.IO;
                    };
        };
    }
}
