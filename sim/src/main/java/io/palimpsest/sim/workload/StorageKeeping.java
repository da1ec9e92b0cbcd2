package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.GarbageCollector;
import io.palimpsest.timeline.Timeline;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Clients of {@link StorageScenario} that want history to be kept, by leases, pinned points and
 * branches, and others that have it given up in the same moment. What was granted is read when the
 * cutoff has passed it, and again when all has been dropped that may be.
 */
final class StorageKeeping {
    private final StorageRun run;
    private final Tenants tenants;
    private final StorageClients clients;
    private final List<Tasks.Task> others;
    private final Prng random;
    private final Machine server;

    /**
     * @param others tasks that are waited for before the server is stopped
     */
    StorageKeeping(
            StorageRun run, Tenants tenants, StorageClients clients, List<Tasks.Task> others) {
        this.run = run;
        this.tenants = tenants;
        this.clients = clients;
        this.others = others;
        random = run.random();
        server = run.server();
    }

    /** An LSN that is leased or pinned; one that nothing else keeps if there is such a one. */
    long held(Line line, long oldest, long last) {
        List<Long> all = new ArrayList<>(line.leased(server.clock().wallMillis()));
        all.addAll(line.pins.values());
        List<Long> below = all.stream().filter(lsn -> lsn < oldest).toList();
        List<Long> from = below.isEmpty() ? all : below;
        return from.isEmpty() ? oldest : Math.min(last, from.get(random.nextInt(from.size())));
    }

    // ---- what is asked for ----

    /** Keeps an LSN readable for a while. */
    void lease(Line line, Timeline t) {
        long oldest = t.oldestReadableLsn();
        boolean close = run.closeToCutoff();
        long lsn = some(t, close);
        boolean gone = !t.retention().readable(lsn);
        Tasks.Task meanwhile = maybeCollect(t);
        try {
            line.leases.merge(lsn, t.lease(lsn), Math::max);
            Check.that(!gone, "a lease below the cutoff, at %s", Lsn.toString(lsn));
            if (close) {
                run.probe("lease-at-cutoff");
                readAgain(line, t, lsn, t, meanwhile);
            }
        } catch (PageserverException e) {
            if (refused(t, lsn, e, "a lease")) {
                run.probe(lsn < oldest ? "lease-refused" : "lease-too-late");
            }
        }
    }

    /** Keeps an LSN readable until it is unpinned; or lets one go. */
    void point(Line line, Timeline t) {
        if (!line.pins.isEmpty() && random.nextInt(3) == 0) {
            letGo(line, t);
            return;
        }
        long oldest = t.oldestReadableLsn();
        boolean close = run.closeToCutoff();
        long lsn = some(t, close);
        Label name = run.newPoint();
        boolean gone = !t.retention().readable(lsn);
        Tasks.Task meanwhile = maybeCollect(t);
        try {
            boolean later = random.nextInt(3) == 0;
            tenants.createPoint(t, name, lsn, !later);
            if (later) {
                tenants.pin(t, name, true);
            }
            Check.that(!gone, "a pinned point below the cutoff, at %s", Lsn.toString(lsn));
            line.pins.put(name, lsn);
            run.probe("point-pinned");
            if (close) {
                readAgain(line, t, lsn, t, meanwhile);
            }
        } catch (PageserverException e) {
            if (refused(t, lsn, e, "a pinned point")) {
                run.probe(lsn < oldest ? "point-refused" : "point-too-late");
            }
        }
    }

    private void letGo(Line line, Timeline t) {
        int n = random.nextInt(line.pins.size());
        Label name = line.pins.keySet().stream().skip(n).findFirst().orElseThrow();
        Long lsn = line.pins.remove(name);
        try {
            if (random.nextBoolean()) {
                tenants.deletePoint(t, name);
                return;
            }
            tenants.pin(t, name, false);
            run.probe("point-unpinned");
            // What was lost with the power, and is still to come again, cannot be pinned.
            if (lsn != null && lsn <= t.lastRecordLsn() && random.nextBoolean()) {
                tenants.pin(t, name, true);
                line.pins.put(name, lsn);
            }
        } catch (PageserverException e) {
            if (refused(t, lsn == null ? 0 : lsn, e, "a pinned point")) {
                run.probe("point-refused");
            }
        }
    }

    private long some(Timeline t, boolean close) {
        long oldest = t.oldestReadableLsn();
        long last = t.lastRecordLsn();
        return close
                ? Math.max(t.ancestorLsn(), Math.min(last, run.closeTo(oldest)))
                : oldest + random.nextLong(last - oldest + 1);
    }

    /** Was it for the cutoff? It may be refused for nothing else but a fault. */
    private boolean refused(Timeline t, long lsn, PageserverException e, String what) {
        boolean below = e.code() == ErrorCode.LSN_OUT_OF_RANGE;
        if (!(below && lsn < t.oldestReadableLsn() || clients.mayFail(e))) {
            Check.that(
                    false,
                    "%s, which is legal, is refused: %s",
                    what + " at " + Lsn.toString(lsn),
                    e.toString());
        }
        return below;
    }

    // ---- what is given up meanwhile ----

    /**
     * Somewhere within this a branch is made, or an LSN leased or pinned: history is given up.
     *
     * @return who gives it up, or null
     */
    Tasks.@Nullable Task maybeCollect(Timeline t) {
        if (!run.collectsMeanwhile()) {
            return null;
        }
        Tasks.Task asked =
                server.tasks()
                        .spawn(
                                Tasks.Lane.LATENCY,
                                "collection asked for",
                                () -> collect(t, run.dropsMeanwhile()));
        others.add(asked);
        if (!run.maybeStall(asked)) {
            server.tasks().sleep(run.untilAnotherAsks());
        }
        return asked;
    }

    private void collect(Timeline t, boolean dropping) {
        try {
            long cutoff = t.oldestReadableLsn();
            long last = t.lastRecordLsn();
            // A little further than it is, but no further than the policy has it.
            long room = last - run.config().gcHorizonBytes() - cutoff;
            GarbageCollector.Result _ =
                    run.config().pitrIntervalNanos() > 0 || room <= 0
                            ? tenants.housekeeper().gcNow(t)
                            : tenants.housekeeper().gcNow(t, last - cutoff - run.step(room));
            if (dropping) {
                tenants.housekeeper().runToQuiescence(t);
            }
        } catch (PageserverException e) {
            boolean gone =
                    switch (e.code()) {
                        // Deleted, archived or closed meanwhile.
                        case SHUTTING_DOWN, NOT_FOUND, PRECONDITION_FAILED -> true;
                        default -> false;
                    };
            if (!gone && !clients.mayFail(e)) {
                throw e;
            }
        }
    }

    /**
     * What was granted is there, though the cutoff has passed it: at once, and when all was dropped
     * that may be.
     *
     * @param keeper whose history it is
     * @param meanwhile who has given it up, or null
     */
    void readAgain(
            Line line, Timeline t, long lsn, Timeline keeper, Tasks.@Nullable Task meanwhile) {
        if (meanwhile == null) {
            return;
        }
        meanwhile.join();
        if (lsn >= keeper.oldestReadableLsn()) {
            return;
        }
        run.probe("kept-though-given-up");
        clients.readAt(line, t, lsn, () -> line.reference.compareAll(t, lsn));
        if (run.dropsMeanwhile()) {
            collect(keeper, true);
            clients.readAt(line, t, lsn, () -> line.reference.compareAll(t, lsn));
        }
    }
}
