package io.palimpsest.protocol;

/** The WAL needed to make a base backup consistent: [startLsn, endLsn). */
public record BaseBackupRange(long startLsn, int startTimelineId, long endLsn, int endTimelineId) {}
