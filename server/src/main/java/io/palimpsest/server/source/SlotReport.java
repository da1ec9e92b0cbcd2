package io.palimpsest.server.source;

import io.palimpsest.server.source.SourceFacts.Settings;
import io.palimpsest.server.source.SourceFacts.Slot;
import java.util.OptionalLong;

/**
 * How a slot of ours stands.
 *
 * @param state {@code reserved}, {@code extended} (more than max_wal_size, and still kept), {@code
 *     unreserved} (gone with the next checkpoint), {@code lost} or {@code absent}
 * @param active does anybody use it now?
 * @param restartLsn it keeps WAL from here on; 0: none
 * @param walEnd end of the source's WAL
 * @param retainedBytes WAL that it keeps
 * @param limitBytes it may keep at most; empty: there is no limit
 * @param leftBytes WAL that may still come until it is lost; empty: there is no limit, or it is
 *     lost
 */
public record SlotReport(
        String state,
        boolean active,
        long restartLsn,
        long walEnd,
        long retainedBytes,
        OptionalLong limitBytes,
        OptionalLong leftBytes) {
    static SlotReport of(Settings settings) {
        Slot slot = settings.slot();
        OptionalLong limit = bounded(settings.slotKeepBytes());
        if (slot == null) {
            return new SlotReport(
                    "absent", false, 0, settings.walEnd(), 0, limit, OptionalLong.empty());
        }
        long from = slot.restartLsn();
        boolean keeps = from != 0 && !slot.lost();
        return new SlotReport(
                slot.lost() ? "lost" : slot.walStatus().isEmpty() ? "unused" : slot.walStatus(),
                slot.activePid() != 0,
                from,
                settings.walEnd(),
                keeps ? Math.max(0, settings.walEnd() - from) : 0,
                limit,
                keeps ? bounded(slot.safeBytes()) : OptionalLong.empty());
    }

    /** Negative safe bytes: what is kept is more than the limit already. */
    private static OptionalLong bounded(long bytes) {
        return bytes == SourceFacts.UNBOUNDED
                ? OptionalLong.empty()
                : OptionalLong.of(Math.max(0, bytes));
    }
}
