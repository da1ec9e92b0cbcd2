package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TimelineId;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The branches of a {@link BackupRun}: what was confirmed of them, and to whom it must be known.
 */
final class BackupBranches {
    private final BackupRun run;
    private final BackupProfile profile;
    private final Prng random;
    private final @Nullable BackupGolden golden;
    private final BackupNames names;
    private int next = 5;

    /** Those whose making was confirmed, and where they hang. */
    private final TreeMap<TimelineId, Long> branches = new TreeMap<>();

    /** Those whose deletion was confirmed. */
    private final TreeSet<TimelineId> deleted = new TreeSet<>();

    BackupBranches(
            BackupRun run, BackupProfile profile, Prng random, @Nullable BackupGolden golden) {
        this.run = run;
        this.profile = profile;
        this.random = random;
        this.golden = golden;
        this.names = new BackupNames(random);
        if (golden != null) {
            branches.putAll(golden.branches());
            branches.keySet().forEach(id -> names.there(id, golden.name(id)));
        }
    }

    /**
     * Makes one, or changes or deletes one of those that are there.
     *
     * @param lastLife the power is not to be lost any more
     */
    void change(Machine machine, Tenants tenants, Timeline timeline, boolean lastLife) {
        try {
            boolean there = profile.changeOfBranch().strikes(random);
            if (!there || branches.isEmpty()) {
                long oldest = timeline.oldestReadableLsn();
                long last = timeline.lastRecordLsn();
                if (last < oldest || branches.size() >= profile.mostBranches()) {
                    return;
                }
                long lsn = oldest + random.nextLong(last - oldest + 1);
                TimelineId id = new TimelineId(7, next++);
                Label name = names.fresh();
                Timeline branch =
                        tenants.createBranch(BackupRun.TENANT, id, BackupRun.MAIN, lsn, name);
                machine.node().simulation().probe("backup-branch");
                branches.put(id, branch.ancestorLsn());
                names.made(id, name);
            } else {
                int n = random.nextInt(branches.size());
                TimelineId id = branches.keySet().stream().skip(n).findFirst().orElseThrow();
                switch (random.nextInt(6)) {
                    case 0 -> {
                        boolean siblings = random.nextBoolean();
                        List<TimelineId> moved = tenants.detach(BackupRun.TENANT, id, siblings);
                        machine.node()
                                .simulation()
                                .probe(
                                        moved.isEmpty()
                                                ? "backup-branch-detached"
                                                : "backup-branch-reparented");
                    }
                    case 1 -> {
                        tenants.archive(BackupRun.TENANT, id);
                        tenants.unarchive(BackupRun.TENANT, id);
                        machine.node().simulation().probe("backup-branch-archived");
                    }
                    case 2, 3 -> names.change(machine.node().simulation(), tenants, id);
                    default -> delete(machine, tenants, id, lastLife);
                }
            }
        } catch (PageserverException e) {
            machine.note("backup-branch-failed", String.valueOf(e.getMessage()));
            switch (e.code()) {
                case UNAVAILABLE,
                        THROTTLED,
                        LSN_OUT_OF_RANGE,
                        LSN_TIMEOUT,
                        NOT_FOUND,
                        CONFLICT,
                        SHUTTING_DOWN,
                        PRECONDITION_FAILED,
                        IO -> {}
                default -> run.requireDamage(machine, e);
            }
        }
    }

    /**
     * Every server that owns the tenant has what was confirmed.
     *
     * @param overtaken perhaps: then another server has changed what this one knows nothing of
     */
    void check(Machine machine, Tenants tenants, boolean overtaken) {
        for (var branch : new TreeMap<>(branches).entrySet()) {
            try {
                Timeline there = tenants.timeline(BackupRun.TENANT, branch.getKey());
                if (!overtaken) {
                    names.check(tenants, there);
                }
                long _ = run.reference(there.id()).compareAll(there, branch.getValue());
            } catch (PageserverException e) {
                // Another server may have deleted it since.
                if (e.code() == ErrorCode.NOT_FOUND && !branches.containsKey(branch.getKey())) {
                    continue;
                }
                if (e.code() != ErrorCode.NOT_FOUND || !overtaken) {
                    run.requireExcused(machine, e);
                }
            }
        }
        for (TimelineId id : deleted) {
            try {
                Timeline _ = tenants.timeline(BackupRun.TENANT, id);
                Check.that(overtaken, "timeline %s was deleted, and is there", id);
            } catch (PageserverException e) {
                // The tenant may still be on its way: then nobody can say.
                if (e.code() != ErrorCode.NOT_FOUND) {
                    run.requireExcused(machine, e);
                }
            }
        }
        machine.note("backup-branches-checked", branches.size() + " branches");
    }

    /** Is it there, as somebody was told? */
    boolean confirmed(TimelineId id) {
        return branches.containsKey(id);
    }

    private void delete(Machine machine, Tenants tenants, TimelineId id, boolean lastLife) {
        Simulation s = machine.node().simulation();
        boolean old = golden != null && golden.branches().containsKey(id);
        if (old && golden != null && !golden.deletable(id, branches.keySet())) {
            return;
        }
        branches.remove(id);
        names.forget(id);
        long cut = profile.deletionCutShortNanos();
        boolean[] under = {true};
        if (cut > 0 && !lastLife) {
            s.after(
                    random.nextLong(cut),
                    machine.node(),
                    () -> {
                        if (under[0]) {
                            s.probe("backup-power-lost-in-deletion");
                            machine.losePower();
                        }
                    });
        }
        try {
            tenants.delete(BackupRun.TENANT, id);
        } finally {
            under[0] = false;
        }
        s.probe(old ? "golden-branch-deleted" : "backup-branch-deleted");
        deleted.add(id);
    }
}
