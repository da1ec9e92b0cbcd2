package io.palimpsest.regress;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TimelineId;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The operator of a soak: makes and deletes branches, takes leases, kills the page server, and
 * looks after each kill that all that was acknowledged is there.
 */
final class SoakSteward implements Runnable {
    private static final int MOST_BRANCHES = 40;
    private static final long TICK_MILLIS = 400;
    private static final long KILL_AFTER_SECONDS = 35;
    private static final long KILL_SPREAD_SECONDS = 30;

    private final SoakWorld world;
    private final Prng prng;
    private final long leaseSeconds;
    private final List<TimelineId> deleted = new ArrayList<>();
    private volatile boolean stopped;
    private volatile @Nullable RuntimeException failure;
    private long killAt;
    private long keyspaceAt;

    SoakSteward(SoakWorld world, Prng prng, long leaseSeconds) {
        this.world = world;
        this.prng = prng;
        this.leaseSeconds = leaseSeconds;
    }

    void stop() {
        stopped = true;
    }

    @Nullable RuntimeException failure() {
        return failure;
    }

    @Override
    public void run() {
        try {
            planKill();
            while (!stopped) {
                tick();
                Pause.millis(TICK_MILLIS);
            }
        } catch (RuntimeException e) {
            failure = e;
        }
    }

    private void planKill() {
        killAt =
                System.nanoTime()
                        + TimeUnit.SECONDS.toNanos(
                                KILL_AFTER_SECONDS + prng.nextLong(KILL_SPREAD_SECONDS));
    }

    private void tick() {
        int before = world.generation();
        try {
            world.counts.background(world.management.background());
            if (System.nanoTime() - keyspaceAt > TimeUnit.SECONDS.toNanos(8)) {
                world.refreshKeyspace();
                keyspaceAt = System.nanoTime();
            }
            if (System.nanoTime() - killAt > 0) {
                killAndCheck();
                planKill();
                return;
            }
            int what = prng.nextInt(10);
            if (what < 6 && world.timelines.size() < MOST_BRANCHES) {
                branch();
            } else if (what < 9) {
                if (world.timelines.size() > MOST_BRANCHES / 4) {
                    delete();
                }
            } else {
                lease();
            }
        } catch (RuntimeException e) {
            // Another actor may have stopped the server on purpose.
            if (world.undisturbed(before)) {
                throw e;
            }
        }
    }

    private void branch() {
        SoakTimelines.Branch parent = prng.oneIn(3) ? world.timelines.enter(prng) : null;
        try {
            SoakWorld.Window window = world.window();
            if (parent == null && !window.holds(window.cutoff())) {
                return;
            }
            SoakMoment moment = null;
            long lsn;
            if (parent != null) {
                lsn = parent.lsn;
                moment = parent.moment;
            } else {
                // A branch point is a record boundary's alignment.
                lsn = window.random(prng) & ~7L;
                if (!window.holds(lsn)) {
                    return;
                }
            }
            TimelineId id = world.newId();
            try {
                JsonNode made =
                        world.management.branch(
                                world.tenant, id, parent == null ? world.main : parent.id, lsn);
                if (SoakWorld.lsn(made, "ancestor_lsn") != lsn) {
                    world.counts.mismatch(
                            "asked for a branch at " + Lsn.toString(lsn) + ": " + made);
                }
            } catch (IllegalStateException e) {
                if (parent == null && !world.window().holds(lsn)) {
                    // The cutoff has overtaken us.
                    return;
                }
                throw e;
            }
            world.timelines.add(new SoakTimelines.Branch(id, parent, lsn, moment));
            world.counts.branches.incrementAndGet();
        } finally {
            if (parent != null) {
                world.timelines.leave(parent);
            }
        }
    }

    private void delete() {
        SoakTimelines.Branch branch = world.timelines.takeOut(prng);
        if (branch != null) {
            world.management.delete(world.tenant, branch.id);
            world.counts.deletes.incrementAndGet();
            deleted.add(branch.id);
        }
    }

    private void lease() {
        SoakWorld.Window window = world.window();
        long lsn = window.random(prng) & ~7L;
        if (!window.holds(lsn)) {
            return;
        }
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(leaseSeconds);
        try {
            JsonNode _ = world.management.lease(world.tenant, world.main, lsn);
        } catch (IllegalStateException e) {
            if (!world.window().holds(lsn)) {
                return;
            }
            throw e;
        }
        world.leases.add(new SoakWorld.Lease(lsn, until));
        world.counts.leases.incrementAndGet();
    }

    private void killAndCheck() {
        long durable = world.management.lsn(world.tenant, world.main, "disk_consistent_lsn");
        world.kill();
        long there = world.management.lsn(world.tenant, world.main, "last_record_lsn");
        if (Long.compareUnsigned(there, durable) < 0) {
            world.counts.mismatch(
                    "durable up to "
                            + Lsn.toString(durable)
                            + " before a kill, found up to "
                            + Lsn.toString(there));
        }
        for (int i = 0; i < 8; i++) {
            SoakTimelines.Branch branch = world.timelines.enter(prng);
            if (branch == null) {
                break;
            }
            try {
                JsonNode state = world.management.timeline(world.tenant, branch.id);
                if (SoakWorld.lsn(state, "ancestor_lsn") != branch.lsn) {
                    world.counts.mismatch("after a kill: " + state);
                }
            } finally {
                world.timelines.leave(branch);
            }
        }
        for (TimelineId id : deleted) {
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
            while (world.management.exists(world.tenant, id)) {
                if (System.nanoTime() > end) {
                    world.counts.mismatch("deleted branch " + id + " is there after a kill");
                    break;
                }
                Pause.millis(100);
            }
        }
        deleted.clear();
    }
}
