package io.palimpsest.protocol;

/** What a server tells about a replication slot. */
public sealed interface ReplicationSlot {
    /** The server is too old to tell: PostgreSQL 14 has no READ_REPLICATION_SLOT. */
    record Unknown() implements ReplicationSlot {}

    /** There is no such slot. */
    record Absent() implements ReplicationSlot {}

    /**
     * A physical slot.
     *
     * @param restartLsn WAL from here on is kept; 0: none is kept yet
     * @param restartTimelineId PostgreSQL's timeline of that LSN; 0 if there is none
     */
    record Present(long restartLsn, int restartTimelineId) implements ReplicationSlot {}
}
