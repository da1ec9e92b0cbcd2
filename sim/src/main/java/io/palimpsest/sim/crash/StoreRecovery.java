package io.palimpsest.sim.crash;

import io.palimpsest.base.Check;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.tenant.Tenants;
import java.util.List;

/**
 * Starts a page server on what is in a store, and perhaps on what a loss of power has left of its
 * disk, and sees that
 *
 * <ul>
 *   <li>all that was acknowledged is there, and reads as the reference has it;
 *   <li>all that the newest manifest and its indexes name is in the store, before and after;
 *   <li>what the machine had comes to be in the store, so that it may be lost a moment later;
 *   <li>no file is left open, no task runs on.
 * </ul>
 */
final class StoreRecovery {
    private static final TenantShardId TENANT = TenantShardId.unsharded(CrashWorld.TENANT);

    private final CrashWorld world;

    StoreRecovery(CrashWorld world) {
        this.world = world;
    }

    /** The machine starts again. */
    void here(DiskState disk, StoreStep step) {
        JournalStore store = new JournalStore(step.store(), _ -> {});
        recover(disk, store, step.here());
        recover(DiskState.EMPTY, store, step.here());
    }

    /** The machine is lost, another one takes over. */
    void elsewhere(StoreStep step) {
        step.store().checkNamed(TENANT);
        recover(DiskState.EMPTY, new JournalStore(step.store(), _ -> {}), step.elsewhere());
    }

    /** The same, and what the lost one has asked for last is done after so many changes. */
    void elsewhere(StoreStep step, JournalStore.Request late, int changes) {
        recover(
                DiskState.EMPTY,
                new JournalStore(step.store().later(), _ -> {}, late, changes),
                step.elsewhere());
    }

    private void recover(DiskState state, JournalStore store, List<Expected> expected) {
        JournalDisk disk = new JournalDisk(state, () -> {});
        Tenants tenants = world.recover(disk, store);
        expected.forEach(e -> Recovery.compare(tenants, e));
        expected.forEach(e -> Recovery.compareKept(tenants, e));
        Recovery.checkTogether(tenants, expected);
        tenants.close();
        // One that has done its work may not have ended yet.
        world.server().tasks().sleep(1_000_000);
        Check.that(disk.handles() == 0, "%d files left open", disk.handles());
        int tasks = world.server().node().liveTasks();
        Check.that(tasks == 1, "%d tasks run, expected the one that recovers", tasks);
        store.state().checkNamed(TENANT);
        store.state().checkGone(TENANT);
        if (!expected.isEmpty()
                && expected.stream().allMatch(e -> e.presence() == Expected.Presence.GONE)) {
            Check.that(disk.state().paths().isEmpty(), "left behind: %s", disk.state().paths());
        }
    }
}
