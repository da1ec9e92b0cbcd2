package io.palimpsest.timeline;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.protocol.ReplicationError;

/**
 * What the source of the WAL said, made an error that says what a person can do about it. The code
 * tells the rest: IO may go away by itself, SOURCE_BROKEN does not.
 */
final class SourceError {
    private SourceError() {}

    /** The error with advice; the same one if it says enough. */
    static PageserverException explain(PageserverException e, WalSource source) {
        ReplicationError said = ReplicationError.of(e);
        if (said == null) {
            return e;
        }
        if (said.isAuthentication()) {
            return with(
                    e,
                    ErrorCode.IO,
                    "check user and password of the connection string, and that the source's pg_hba.conf lets user "
                            + source.user()
                            + " in for replication (host replication ...)");
        }
        return switch (said.sqlState()) {
            case ReplicationError.NO_PRIVILEGE ->
                    with(
                            e,
                            ErrorCode.IO,
                            "on the source: ALTER ROLE " + source.user() + " REPLICATION");
            case ReplicationError.SLOT_IN_USE ->
                    with(
                            e,
                            ErrorCode.CONFLICT,
                            "it may be a dead connection of ours, which goes away within the source's wal_sender_timeout;"
                                    + " else give every consumer a slot of its own");
            case ReplicationError.TOO_MANY_CONNECTIONS ->
                    with(e, ErrorCode.IO, "raise max_wal_senders or max_connections on the source");
            case ReplicationError.LIMIT_EXCEEDED ->
                    with(
                            e,
                            ErrorCode.SOURCE_BROKEN,
                            "drop a slot that is not used or raise max_replication_slots on the source");
            case ReplicationError.NOT_USABLE ->
                    with(
                            e,
                            ErrorCode.SOURCE_BROKEN,
                            "wal_level must be replica or logical; a slot that the source has invalidated is of no use any more: drop it and import again as a new timeline");
            case ReplicationError.CANNOT_CONNECT_NOW ->
                    with(e, ErrorCode.IO, "it is tried again until the source is up");
            default -> e;
        };
    }

    private static PageserverException with(PageserverException e, ErrorCode code, String advice) {
        return new PageserverException(
                code, e.getMessage() + "; " + advice, e.getCause() == null ? e : e.getCause());
    }
}
