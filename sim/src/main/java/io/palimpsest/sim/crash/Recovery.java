package io.palimpsest.sim.crash;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.sim.check.StoredFiles;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Starts a page server on what a loss of power has left, and sees that
 *
 * <ul>
 *   <li>all that was acknowledged is there, and reads as the reference has it;
 *   <li>no file is left that no index names, none is left open, no task runs on;
 *   <li>starting again changes nothing.
 * </ul>
 *
 * What was found is a matter of the disk as the start leaves it; for one that was seen before it is
 * not compared again.
 */
final class Recovery {
    /** A disk after a start, and what was required of it. */
    private record Seen(long state, List<Expected> expected) {}

    private final CrashWorld world;
    private final Set<Seen> compared = new HashSet<>();
    private final Set<Long> stable = new HashSet<>();

    Recovery(CrashWorld world) {
        this.world = world;
    }

    /** What the start did to the disk. */
    List<JournalDisk.Operation> from(DiskState state, List<Expected> expected) {
        JournalDisk disk = new JournalDisk(state, () -> {});
        Tenants tenants = world.recover(disk);
        DiskState after = disk.state();
        List<JournalDisk.Operation> done = List.copyOf(disk.journal());
        if (compared.add(new Seen(after.hash(), expected))) {
            expected.forEach(e -> compare(tenants, e));
            checkTogether(tenants, expected);
            world.checkFollows(tenants);
        }
        tenants.close();
        Check.that(disk.handles() == 0, "%d files left open", disk.handles());
        int tasks = world.server().node().liveTasks();
        Check.that(tasks == 1, "%d tasks run, expected the one that recovers", tasks);
        if (stable.add(after.hash())) {
            StoredFiles.checkAllNamed(new JournalDisk(after, () -> {}));
            DiskState again = afterAnotherStart(after);
            Check.that(
                    again.hash() == after.hash(),
                    "a second start changes the disk: %s before, %s after",
                    after.paths(),
                    again.paths());
        }
        return done;
    }

    private DiskState afterAnotherStart(DiskState state) {
        JournalDisk disk = new JournalDisk(state, () -> {});
        world.recover(disk).close();
        return disk.state();
    }

    /** Timelines that are all being deleted at once are all there, or none is. */
    static void checkTogether(Tenants tenants, List<Expected> expected) {
        int there = tenants.timelines(CrashWorld.TENANT).size();
        boolean together =
                expected.stream().allMatch(e -> e.presence() == Expected.Presence.PERHAPS);
        Check.that(
                !together || there == 0 || there == expected.size(),
                "%d of %d timelines are there of a tenant that is deleted as a whole",
                there,
                expected.size());
    }

    static void compare(Tenants tenants, Expected e) {
        Timeline timeline;
        try {
            timeline = tenants.timeline(CrashWorld.TENANT, e.timeline());
        } catch (PageserverException absent) {
            // An import that goes on when its source is there again is nothing yet.
            Check.that(
                    absent.code() == ErrorCode.NOT_FOUND || absent.code() == ErrorCode.CONFLICT,
                    "timeline %s: expected it or nothing of it, found: %s",
                    e.timeline(),
                    absent.toString());
            Check.that(
                    e.presence() == Expected.Presence.PERHAPS
                            || e.presence() == Expected.Presence.GONE,
                    "timeline %s was acknowledged, and is not there",
                    e.timeline());
            return;
        }
        Check.that(
                e.presence() != Expected.Presence.GONE,
                "timeline %s was acknowledged to be gone, and is there",
                e.timeline());
        long last = timeline.lastRecordLsn();
        Check.that(
                last >= e.durable(),
                "%s was acknowledged, there is WAL up to %s",
                Lsn.toString(e.durable()),
                Lsn.toString(last));
        long oldest = timeline.oldestReadableLsn();
        Check.that(
                oldest >= e.cutoff(),
                "the cutoff goes back from %s to %s",
                Lsn.toString(e.cutoff()),
                Lsn.toString(oldest));
        try {
            comparePages(timeline, e, oldest, last);
        } catch (PageserverException refused) {
            if (refused.code() == ErrorCode.PRECONDITION_FAILED
                    && (e.presence() == Expected.Presence.ARCHIVED
                            || e.presence() == Expected.Presence.PERHAPS_ARCHIVED)) {
                return;
            }
            throw refused;
        }
        Check.that(
                e.presence() != Expected.Presence.ARCHIVED,
                "timeline %s was archived, and is read",
                e.timeline());
    }

    /**
     * Whoever owns the timeline now keeps as little history as he may: what somebody was told is
     * readable all the same.
     */
    static void compareKept(Tenants tenants, Expected e) {
        if (e.presence() != Expected.Presence.THERE || e.readable().isEmpty()) {
            return;
        }
        Timeline timeline = tenants.timeline(CrashWorld.TENANT, e.timeline());
        boolean _ = timeline.advanceCutoff(timeline.diskConsistentLsn());
        e.readable().forEach(lsn -> e.reference().compareAll(timeline, lsn));
    }

    private static void comparePages(Timeline timeline, Expected e, long oldest, long last) {
        TreeSet<Long> lsns = new TreeSet<>(e.readable());
        if (oldest <= last) {
            lsns.add(oldest);
            lsns.add(Math.max(oldest, e.durable()));
            lsns.add(oldest + (last - oldest) / 2);
            lsns.add(last);
        }
        for (long lsn : lsns) {
            e.reference().compareAll(timeline, lsn);
        }
    }
}
