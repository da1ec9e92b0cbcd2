package io.palimpsest.sim.workload;

import io.palimpsest.base.Label;
import io.palimpsest.base.TimelineId;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.SimWalSource;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** What the clients of a page server know of one of its timelines; it outlives a loss of power. */
final class Line {
    /** Whether the timeline exists. */
    enum Presence {
        /** Its creation was asked for, and not answered. */
        BEING_MADE,
        THERE,
        /** Its deletion was asked for, and not answered. */
        BEING_DELETED,
        GONE
    }

    final TimelineId id;
    final @Nullable Line ancestor;
    final long branchLsn;
    final ReferencePageserver reference;

    /** What writes to it; null if nothing does. */
    final @Nullable WalWorkload workload;

    final @Nullable SimWalSource wal;
    Presence presence = Presence.BEING_MADE;

    /** Records that are still to be written. */
    int records;

    /** Others that it may have been hung on since. */
    final List<Line> perhapsOn = new ArrayList<>();

    /** The highest cutoff that was seen; it must never be lower, but for the next. */
    long cutoff;

    /** Once it may be: it may have got its ancestors' history since. */
    boolean reachesBack;

    /** The cutoff it came into being with. */
    long firstCutoff;

    /** The highest LSN that was said to be durable. */
    long durable;

    /** LSNs that were leased, and until when, milliseconds since 1970. */
    final TreeMap<Long, Long> leases = new TreeMap<>();

    /** LSNs of its pinned points, by name. */
    final TreeMap<Label, Long> pins = new TreeMap<>();

    Line(
            TimelineId id,
            @Nullable Line ancestor,
            long branchLsn,
            ReferencePageserver reference,
            @Nullable WalWorkload workload,
            @Nullable SimWalSource wal) {
        this.id = id;
        this.ancestor = ancestor;
        this.branchLsn = branchLsn;
        this.reference = reference;
        this.workload = workload;
        this.wal = wal;
    }

    boolean there() {
        return presence == Presence.THERE;
    }

    /** May another one hang on it? */
    boolean mayHave(Line branch) {
        return branch.presence != Presence.GONE
                && (branch.ancestor == this || branch.perhapsOn.contains(this));
    }

    /** The LSNs whose leases have not ended; the others are forgotten. */
    List<Long> leased(long nowMillis) {
        leases.values().removeIf(until -> until <= nowMillis);
        return List.copyOf(leases.keySet());
    }

    boolean leased(long lsn, long nowMillis) {
        Long until = leases.get(lsn);
        return until != null && until > nowMillis;
    }

    /** Must it be readable below the cutoff, too, as far as leases and pins go? */
    boolean kept(long lsn, long nowMillis) {
        return leased(lsn, nowMillis) || pins.containsValue(lsn);
    }

    @Override
    public String toString() {
        return "timeline " + id;
    }
}
