package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.sim.fault.SimWalSource;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import java.util.Collection;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The tenant that servers of a {@link BackupRun} go on with, as the first version has left it: what
 * was in it then, and what of that may still be read.
 */
final class BackupGolden {
    /** More than clocks of machines are apart. */
    private static final long CLOCKS_DIFFER_MILLIS = 120_000;

    private final BackupRun run;
    private final Prng random;
    private final GoldenTenant tenant = GoldenTenant.first();
    private final Map<TimelineId, ReferencePageserver> references = tenant.references();

    /** The end of each branch. */
    private final TreeMap<TimelineId, Long> branches = new TreeMap<>();

    /** Names of the main timeline's layers of then. */
    private final TreeSet<String> layers = new TreeSet<>();

    BackupGolden(BackupRun run, Prng random) {
        this.run = run;
        this.random = random;
        for (GoldenTenant.Line line : tenant.lines()) {
            if (!line.id().equals(BackupRun.MAIN)) {
                branches.put(line.id(), line.last());
            }
        }
        String main = "/timelines/" + BackupRun.MAIN + "/";
        for (String path : tenant.disk().keySet()) {
            int at = path.indexOf(main);
            if (at >= 0) {
                layers.add(path.substring(at + main.length()));
            }
        }
    }

    void fill(SimObjectStore store) {
        tenant.fill(store);
    }

    /** The machine has the disk of then. */
    void fill(Machine machine, FaultPlan afterwards) {
        machine.disk().plan(FaultPlan.quiet());
        machine.start("disk of then", () -> tenant.fill(machine.files())).join();
        machine.disk().plan(afterwards);
    }

    PgVersion version() {
        return tenant.version();
    }

    long end(TimelineId id) {
        return tenant.line(id).last();
    }

    /** Of a timeline that was not there then: what it hangs on, which is the main one. */
    ReferencePageserver reference(TimelineId id) {
        ReferencePageserver own = references.get(id);
        return own != null ? own : Objects.requireNonNull(references.get(BackupRun.MAIN));
    }

    /** WAL goes on where it was. */
    WalWorkload workload(
            Prng ofRecords, ReferencePageserver reference, SimWalSource wal, LongSupplier date) {
        return WalWorkload.resumed(
                ofRecords, version(), end(BackupRun.MAIN), reference, wal, date, tenant.counters());
    }

    /** Ends of the branches of then, by id. */
    SortedMap<TimelineId, Long> branches() {
        return branches;
    }

    /** What a branch is called, or null. */
    @Nullable Label name(TimelineId id) {
        return tenant.names().get(id);
    }

    /** Not while another one of then hangs on it, nor one that was protected. */
    boolean deletable(TimelineId id, Collection<TimelineId> there) {
        return tenant.lines().stream()
                        .noneMatch(line -> id.equals(line.from()) && there.contains(line.id()))
                && tenant.held().stream().noneMatch(held -> held.timeline().equals(id));
    }

    /** Leases of the main timeline: LSN, and until when. */
    Leases leases() {
        return each ->
                tenant.held().stream()
                        .filter(h -> h.point() == null && h.timeline().equals(BackupRun.MAIN))
                        .forEach(h -> each.accept(h.lsn(), h.untilMillis()));
    }

    /** For each. */
    interface Leases {
        void forEach(BiConsumer<Long, Long> each);
    }

    /**
     * What was in it then is in it still, as far as it may be read: pages at an LSN of then, at
     * what is pinned or leased, and on branches.
     *
     * @param overtaken perhaps: then another server may have deleted what this one reads
     */
    void readSome(Machine machine, Tenants tenants, boolean overtaken) {
        GoldenTenant.Line line = tenant.lines().get(random.nextInt(tenant.lines().size()));
        boolean main = line.id().equals(BackupRun.MAIN);
        if (!main && !run.branches().confirmed(line.id())) {
            return;
        }
        try {
            Timeline there = tenants.timeline(BackupRun.TENANT, line.id());
            long oldest = there.oldestReadableLsn();
            if (oldest <= line.last()) {
                read(there, oldest + random.nextLong(line.last() - oldest + 1));
                probe(machine, main ? "golden-read" : "golden-branch-read");
            }
            for (GoldenTenant.Held held : tenant.held()) {
                boolean pinned = held.point() != null;
                if (held.timeline().equals(line.id()) && (pinned || !over(machine, held))) {
                    readHeld(there, held);
                    probe(machine, pinned ? "golden-pin-read" : "golden-lease-read");
                }
            }
            if (isRewritten(tenants.timeline(BackupRun.TENANT, BackupRun.MAIN))) {
                probe(machine, "golden-rewritten");
            }
        } catch (PageserverException e) {
            boolean gone = e.code() == ErrorCode.NOT_FOUND;
            if (!gone || !overtaken && run.branches().confirmed(line.id())) {
                run.requireExcused(machine, e);
            }
        }
    }

    /** Is none of its layers of then left? */
    private boolean isRewritten(Timeline main) {
        return main.durableLayers().stream()
                .noneMatch(layer -> layers.contains(layer.name().toString()));
    }

    /** That it is not kept any more is no excuse. */
    private void readHeld(Timeline there, GoldenTenant.Held held) {
        try {
            read(there, held.lsn());
        } catch (PageserverException e) {
            Check.that(
                    e.code() != ErrorCode.LSN_OUT_OF_RANGE,
                    "%s is not kept: %s",
                    held,
                    e.toString());
            throw e;
        }
    }

    private void read(Timeline there, long lsn) {
        long _ = reference(there.id()).compareSome(there, random.nextInt(1 << 20), lsn);
    }

    private static boolean over(Machine machine, GoldenTenant.Held held) {
        return Simulation.EPOCH_MILLIS + machine.node().simulation().now() / 1_000_000
                >= held.untilMillis() - CLOCKS_DIFFER_MILLIS;
    }

    private static void probe(Machine machine, String what) {
        machine.node().simulation().probe(what);
    }
}
