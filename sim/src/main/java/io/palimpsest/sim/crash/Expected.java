package io.palimpsest.sim.crash;

import io.palimpsest.base.TimelineId;
import io.palimpsest.sim.check.ReferencePageserver;
import java.util.List;

/**
 * What recovery must find of a timeline, by what was acknowledged.
 *
 * @param durable it was said that this LSN is durable
 * @param readable further LSNs that must be readable, because somebody was told so
 */
record Expected(
        TimelineId timeline,
        Presence presence,
        ReferencePageserver reference,
        long durable,
        List<Long> readable) {
    /** Whether there is such a timeline. */
    enum Presence {
        /** It is being made or deleted: whole, or not there. */
        PERHAPS,
        /** That it is there was acknowledged. */
        THERE,
        /** That it is gone was acknowledged. */
        GONE
    }

    Expected {
        readable = List.copyOf(readable);
    }

    Expected with(Presence newPresence) {
        return new Expected(timeline, newPresence, reference, durable, readable);
    }

    Expected withDurable(long lsn) {
        return new Expected(timeline, presence, reference, lsn, readable);
    }

    Expected withReadable(List<Long> lsns) {
        return new Expected(timeline, presence, reference, durable, lsns);
    }
}
