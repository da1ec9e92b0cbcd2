package io.palimpsest.protocol;

/**
 * The answer to IDENTIFY_SYSTEM.
 *
 * @param systemId which cluster, as in its control file; unsigned
 * @param timelineId PostgreSQL's timeline, 1 in a cluster that was never promoted
 * @param flushLsn end of the WAL that the server has flushed
 */
public record SystemIdentity(long systemId, int timelineId, long flushLsn) {}
