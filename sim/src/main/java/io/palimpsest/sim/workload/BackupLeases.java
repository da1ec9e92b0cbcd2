package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.timeline.Timeline;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * Clients that lease LSNs of the main timeline in {@link BackupScenario}. What one was promised
 * every owner must keep, be it the same machine or another, though it keeps next to no history of
 * its own accord: until the promise is over by the time that everybody else has.
 */
final class BackupLeases {
    private final Prng random;
    private final ReferencePageserver reference;

    /** LSNs that were promised, and until when: milliseconds since 1970. */
    private final TreeMap<Long, Long> promised = new TreeMap<>();

    BackupLeases(Prng random, ReferencePageserver reference) {
        this.random = random;
        this.reference = reference;
    }

    /** Asks for one more, or for a longer one; it may be refused. */
    void take(Machine machine, Timeline timeline) {
        long oldest = timeline.oldestReadableLsn();
        long last = timeline.lastRecordLsn();
        if (last < oldest) {
            return;
        }
        boolean again = !promised.isEmpty() && random.nextInt(3) == 0;
        long lsn = again ? any() : oldest + random.nextLong(last - oldest + 1);
        long until = timeline.lease(lsn);
        promised.merge(lsn, until, Math::max);
        machine.node().simulation().probe("backup-lease");
    }

    /** One that was promised before all began. */
    void promised(long lsn, long untilMillis) {
        promised.put(lsn, untilMillis);
    }

    private long any() {
        int n = random.nextInt(promised.size());
        return promised.keySet().stream().skip(n).findFirst().orElseThrow();
    }

    /**
     * Reads at what was promised.
     *
     * @param overtaken perhaps: then another server has promised what this one knows nothing of
     * @param excused looks at other reasons why a read may fail, and throws the rest
     */
    void check(
            Machine machine,
            Timeline timeline,
            boolean overtaken,
            Consumer<PageserverException> excused) {
        for (var lease : new TreeMap<>(promised).entrySet()) {
            long lsn = lease.getKey();
            if (lsn > timeline.lastRecordLsn()) {
                // The source has that WAL still.
                continue;
            }
            try {
                long _ = reference.compareSome(timeline, random.nextInt(1 << 20), lsn);
                if (lsn < timeline.oldestReadableLsn() && !over(machine, lease.getValue())) {
                    machine.node().simulation().probe("backup-read-of-lease");
                }
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.LSN_OUT_OF_RANGE) {
                    excused.accept(e);
                    continue;
                }
                Check.that(
                        overtaken || over(machine, lease.getValue()),
                        "a lease is not kept %d ms before its end: %s",
                        lease.getValue() - trueMillis(machine),
                        e.toString());
            }
        }
        promised.values().removeIf(until -> over(machine, until));
    }

    private static boolean over(Machine machine, long untilMillis) {
        return trueMillis(machine) >= untilMillis;
    }

    /** Whatever the machine's own clock says. */
    private static long trueMillis(Machine machine) {
        return Simulation.EPOCH_MILLIS + machine.node().simulation().now() / 1_000_000;
    }
}
