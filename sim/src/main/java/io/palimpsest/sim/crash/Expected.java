package io.palimpsest.sim.crash;

import io.palimpsest.base.TimelineId;
import io.palimpsest.sim.check.ReferencePageserver;
import java.util.List;

/**
 * What recovery must find of a timeline, by what was acknowledged.
 *
 * @param durable it was said that this LSN is durable
 * @param cutoff history was said to begin here, or later
 * @param readable further LSNs that must be readable, because somebody was told so
 */
record Expected(
        TimelineId timeline,
        Presence presence,
        ReferencePageserver reference,
        long durable,
        long cutoff,
        List<Long> readable) {
    /** Whether there is such a timeline. */
    enum Presence {
        /** It is being made or deleted: whole, or not there. */
        PERHAPS,
        /** That it is there was acknowledged. */
        THERE,
        /** It is being archived, or taken back from there: read, or refused. */
        PERHAPS_ARCHIVED,
        /** That it is archived was acknowledged. */
        ARCHIVED,
        /** That it is gone was acknowledged. */
        GONE
    }

    Expected {
        readable = List.copyOf(readable);
    }

    Expected with(Presence newPresence) {
        return new Expected(timeline, newPresence, reference, durable, cutoff, readable);
    }

    Expected withLsns(long newDurable, long newCutoff) {
        return new Expected(timeline, presence, reference, newDurable, newCutoff, readable);
    }

    Expected withReadable(List<Long> lsns) {
        return new Expected(timeline, presence, reference, durable, cutoff, lsns);
    }
}
