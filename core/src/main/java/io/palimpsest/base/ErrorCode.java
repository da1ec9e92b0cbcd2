package io.palimpsest.base;

/** Why a request or a job failed. A code exists only where some caller reacts differently to it. */
public enum ErrorCode {
    /** The caller asked for something that makes no sense; asking again will not help. */
    BAD_REQUEST,
    /** Tenant, timeline, relation or layer is not here. */
    NOT_FOUND,
    /** It exists already, or something else is using it. */
    CONFLICT,
    /** Something else has to be done first: a timeline with branches cannot go before them. */
    PRECONDITION_FAILED,
    /** The LSN asked for did not arrive in time. */
    LSN_TIMEOUT,
    /** The LSN is below what history is kept for, or below where this timeline may be read. */
    LSN_OUT_OF_RANGE,
    /** Stored or received bytes are damaged: explicit, never served. */
    CORRUPTION,
    /** A record kind that this engine cannot redo; names it. */
    UNSUPPORTED,
    /** The WAL source cannot go on without a person: wrong cluster, slot gone, WAL recycled. */
    SOURCE_BROKEN,
    /** The connection or the disk failed; trying again may help. */
    IO,
    /**
     * The disk is full: what was being written is not there, all else is. What was given up can be
     * done again, and goes on when there is room.
     */
    NO_SPACE,
    /** Who asks has not shown who he is, or not in a way that counts. */
    UNAUTHORIZED,
    /** Who asks is known, and may not. */
    FORBIDDEN,
    /** The object store refuses what was asked of it: names the identity and the permission. */
    DENIED,
    /** The object store asks for fewer requests; nothing was done. */
    THROTTLED,
    /**
     * The object store did not answer, or not in time. What was asked may have been done, may not,
     * or may be done later.
     */
    UNAVAILABLE,
    /** Somebody has asked for the work to stop, and it has left nothing behind. */
    CANCELLED,
    /** This timeline or server is going away. */
    SHUTTING_DOWN
}
