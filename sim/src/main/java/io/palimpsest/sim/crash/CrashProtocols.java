package io.palimpsest.sim.crash;

import io.palimpsest.base.Check;
import io.palimpsest.base.TimelineId;
import io.palimpsest.sim.crash.Expected.Presence;
import io.palimpsest.timeline.Droppable;
import io.palimpsest.timeline.GarbageCollector;
import io.palimpsest.timeline.Timeline;
import java.util.List;
import java.util.function.Consumer;

/** The durable protocols of the page server. */
final class CrashProtocols {
    private static final TimelineId BRANCH = new TimelineId(5, 6);
    private static final TimelineId TWIG = new TimelineId(5, 7);
    private static final TimelineId SIBLING = new TimelineId(5, 9);

    private record Steps(
            String name, boolean withStore, Consumer<CrashWorld> before, Consumer<CrashWorld> steps)
            implements CrashProtocol {
        Steps(String name, Consumer<CrashWorld> before, Consumer<CrashWorld> steps) {
            this(name, false, before, steps);
        }

        static Steps stored(String name, Consumer<CrashWorld> before, Consumer<CrashWorld> steps) {
            return new Steps(
                    name,
                    true,
                    before.andThen(CrashWorld::settle),
                    steps.andThen(CrashWorld::settle));
        }

        @Override
        public void prepare(CrashWorld world) {
            before.accept(world);
        }

        @Override
        public void run(CrashWorld world) {
            steps.accept(world);
        }
    }

    private CrashProtocols() {}

    static List<CrashProtocol> all() {
        return List.of(
                new Steps("import", w -> w.write(20), CrashWorld::importMain),
                new Steps("flush", CrashProtocols::history, CrashProtocols::flushes),
                new Steps("branch-create", CrashProtocols::history, CrashProtocols::branches),
                new Steps("branch-delete", CrashProtocols::tree, CrashProtocols::delete),
                new Steps(
                        "detached-delete",
                        CrashProtocols::detachedTwig,
                        CrashProtocols::deleteTwig),
                new Steps("tenant-delete", CrashProtocols::unfollowed, CrashWorld::deleteTenant),
                new Steps("archive", CrashProtocols::tree, CrashProtocols::archive),
                new Steps("detach", CrashProtocols::tree, CrashProtocols::detach),
                new Steps("promote", CrashProtocols::siblings, CrashProtocols::promote),
                new Steps("lease", CrashProtocols::history, CrashProtocols::leases),
                new Steps("source-pause", CrashProtocols::history, CrashProtocols::pauses),
                new Steps("compaction", CrashProtocols::stack, CrashWorld::compact),
                new Steps("collection", CrashProtocols::images, CrashProtocols::collect),
                Steps.stored("store-import", w -> w.write(20), CrashWorld::importMain),
                Steps.stored("store-flush", CrashProtocols::history, CrashProtocols::oneFlush),
                Steps.stored("store-compaction", CrashProtocols::history, CrashWorld::compact),
                Steps.stored(
                        "store-branch-create", CrashProtocols::history, CrashProtocols::branches),
                Steps.stored("store-branch-delete", CrashProtocols::tree, CrashProtocols::delete),
                Steps.stored(
                        "store-tenant-delete",
                        CrashProtocols::unfollowed,
                        CrashWorld::deleteTenant),
                Steps.stored("store-archive", CrashProtocols::tree, CrashProtocols::archive),
                Steps.stored("store-promote", CrashProtocols::siblings, CrashProtocols::promote),
                Steps.stored("store-lease", CrashProtocols::history, CrashProtocols::leases),
                new Steps(
                        "store-take-over",
                        true,
                        CrashProtocols::lostMachine,
                        CrashProtocols::takeOver),
                Steps.stored("store-restart", CrashProtocols::tree, CrashProtocols::restart),
                Steps.stored("store-evict", CrashProtocols::history, CrashProtocols::evict));
    }

    static CrashProtocol named(String name) {
        return all().stream()
                .filter(p -> p.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no protocol is called " + name));
    }

    /** A timeline with two layers beside those of the import. */
    private static void history(CrashWorld w) {
        w.importMain();
        flushes(w);
    }

    private static void flushes(CrashWorld w) {
        for (int i = 0; i < 2; i++) {
            w.stream(15);
            w.flush();
        }
    }

    private static void pauses(CrashWorld w) {
        w.pause(true);
        w.pause(false);
        oneFlush(w);
        w.pause(true);
    }

    private static void oneFlush(CrashWorld w) {
        w.stream(8);
        w.flush();
    }

    /** Layers enough to merge and to make images of. */
    private static void stack(CrashWorld w) {
        history(w);
        flushes(w);
    }

    /** Images at two LSNs, a branch between them, and a layer that is newer than both. */
    private static void images(CrashWorld w) {
        history(w);
        w.compact();
        Timeline main = w.main();
        w.branch(BRANCH, CrashWorld.MAIN, main.lastRecordLsn());
        flushes(w);
        w.compact();
        w.stream(5);
        w.flush();
    }

    /** The cutoff moves, layers go, and what is below it is reduced to what the branch needs. */
    private static void collect(CrashWorld w) {
        w.collect();
        w.compact();
    }

    private static void branches(CrashWorld w) {
        Timeline main = w.main();
        long oldest = main.oldestReadableLsn();
        long middle = oldest + (main.lastRecordLsn() - oldest) / 2 & -8;
        w.branch(BRANCH, CrashWorld.MAIN, middle);
        w.branch(TWIG, BRANCH, middle);
        w.stream(5);
        w.branch(new TimelineId(5, 8), CrashWorld.MAIN, main.lastRecordLsn());
    }

    private static void tree(CrashWorld w) {
        history(w);
        branches(w);
    }

    private static void unfollowed(CrashWorld w) {
        tree(w);
        String left = w.tenants().unfollow(CrashWorld.TENANT, CrashWorld.MAIN);
        Check.that(left == null, "the slot stays: %s", String.valueOf(left));
    }

    private static void delete(CrashWorld w) {
        delete(w, TWIG);
        delete(w, BRANCH);
    }

    private static void delete(CrashWorld w, TimelineId id) {
        w.change(
                id,
                Presence.PERHAPS,
                () -> w.tenants().delete(CrashWorld.TENANT, id),
                Presence.GONE);
    }

    /** A timeline with layers that is nobody's ancestor: in what order they go, matters. */
    private static void detachedTwig(CrashWorld w) {
        tree(w);
        List<TimelineId> _ = w.detach(TWIG, false);
    }

    private static void deleteTwig(CrashWorld w) {
        delete(w, TWIG);
    }

    private static void archive(CrashWorld w) {
        w.change(
                TWIG,
                Presence.PERHAPS_ARCHIVED,
                () -> w.tenants().archive(CrashWorld.TENANT, TWIG),
                Presence.ARCHIVED);
        w.change(
                TWIG,
                Presence.PERHAPS_ARCHIVED,
                () -> w.tenants().unarchive(CrashWorld.TENANT, TWIG),
                Presence.THERE);
    }

    /** First from a branch, then from the root. */
    private static void detach(CrashWorld w) {
        List<TimelineId> _ = w.detach(TWIG, false);
        List<TimelineId> _ = w.detach(BRANCH, false);
    }

    /** A branch, and one of the same timeline that is of before. */
    private static void siblings(CrashWorld w) {
        history(w);
        Timeline main = w.main();
        long oldest = main.oldestReadableLsn();
        long early = oldest + (main.lastRecordLsn() - oldest) / 4 & -8;
        w.branch(SIBLING, CrashWorld.MAIN, early);
        branches(w);
        // Nothing but what hangs on it has what is before.
        w.collect();
        w.compact();
    }

    /** The sibling hangs on the branch then, and both give up what nobody needs. */
    private static void promote(CrashWorld w) {
        List<TimelineId> moved = w.detach(BRANCH, true);
        Check.that(moved.contains(SIBLING), "the sibling does not hang on the branch: %s", moved);
        w.collect();
        w.compact();
        Timeline branch = w.tenants().timeline(CrashWorld.TENANT, BRANCH);
        GarbageCollector.Result _ = w.tenants().housekeeper().gcNow(branch, 0);
        w.tenants().housekeeper().compactNow(branch);
    }

    /** An LSN stays readable though the cutoff passes it. */
    private static void leases(CrashWorld w) {
        Timeline main = w.main();
        long oldest = main.oldestReadableLsn();
        long last = main.lastRecordLsn();
        w.lease(CrashWorld.MAIN, oldest + (last - oldest) / 3);
        boolean _ = main.advanceCutoff(oldest + (last - oldest) / 2);
        w.lease(CrashWorld.MAIN, last);
        boolean _ = main.advanceCutoff(main.diskConsistentLsn());
    }

    private static void lostMachine(CrashWorld w) {
        tree(w);
        w.settle();
        w.loseMachine();
    }

    /** Another machine has the tenant from now on, and streams to it. */
    private static void takeOver(CrashWorld w) {
        w.startElsewhere();
        w.stream(5);
        w.flush();
        w.settle();
    }

    private static void restart(CrashWorld w) {
        w.restart();
        w.stream(5);
        w.flush();
    }

    /** All layers leave the disk, and come again. */
    private static void evict(CrashWorld w) {
        List<Droppable> all = w.main().droppable();
        for (Droppable layer : all) {
            Check.that(
                    w.tenants().evictor().evict(layer.file()),
                    "%s stays on the disk",
                    layer.file());
        }
        w.stream(5);
        w.flush();
        for (Droppable layer : all) {
            layer.file().fetch();
        }
    }
}
