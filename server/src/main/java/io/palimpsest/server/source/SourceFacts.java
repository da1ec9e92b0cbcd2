package io.palimpsest.server.source;

import org.jspecify.annotations.Nullable;

/**
 * What a source says about itself, as far as it decides whether and how safely it can be followed.
 *
 * @param version as the server writes it
 * @param standby does it replay another server's WAL?
 * @param systemIdentifier which cluster; unsigned
 * @param walTimeline PostgreSQL's timeline
 * @param blockSize of a page, in bytes
 * @param settings null if SQL is refused
 * @param refusal why SQL is refused; empty if it is not
 */
record SourceFacts(
        String version,
        boolean standby,
        long systemIdentifier,
        int walTimeline,
        int blockSize,
        @Nullable Settings settings,
        String refusal) {
    /** What {@link Settings#slotKeepBytes} is if there is no limit. */
    static final long UNBOUNDED = -1;

    /**
     * What SQL tells.
     *
     * @param slotKeepBytes {@code max_slot_wal_keep_size}, or {@link #UNBOUNDED}
     * @param idleSlotSeconds {@code idle_replication_slot_timeout}; 0: none
     * @param walEnd end of its WAL
     * @param slot the one asked for; null if there is none of that name
     */
    record Settings(
            String walLevel,
            int maxSenders,
            int senders,
            int maxSlots,
            int slots,
            long slotKeepBytes,
            long idleSlotSeconds,
            boolean fullPageWrites,
            boolean fsync,
            boolean checksums,
            boolean hintsLogged,
            String synchronousStandbyNames,
            long walEnd,
            @Nullable Slot slot) {}

    /**
     * A row of {@code pg_replication_slots}.
     *
     * @param activePid the process that uses it; 0: none
     * @param restartLsn from here on it keeps WAL; 0: none yet
     * @param walStatus reserved, extended, unreserved or lost; empty if it keeps none
     * @param safeBytes WAL that may still come before it can be lost; {@link #UNBOUNDED} if there
     *     is no limit, or it is lost
     * @param invalidation why it was given up, as newer servers tell; empty if it was not
     */
    record Slot(
            boolean physical,
            boolean temporary,
            int activePid,
            long restartLsn,
            String walStatus,
            long safeBytes,
            String invalidation) {
        boolean lost() {
            return walStatus.equals("lost") || !invalidation.isEmpty();
        }
    }
}
