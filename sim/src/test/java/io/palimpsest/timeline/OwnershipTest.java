package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.EvictionConfig;
import io.palimpsest.base.Generation;
import io.palimpsest.base.HeatmapConfig;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.OwnershipConfig;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.remote.RemoteLimits;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.remote.TenantManifest;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.sim.fault.StoreFaults;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.value.Keys;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Who owns a tenant in the store, step by step: what {@code make sim} finds only by chance. */
class OwnershipTest {
    private static final TenantId TENANT = TimelineWorld.TENANT.tenant();
    private static final TimelineId ROOT = TimelineWorld.ROOT;
    private static final TimelineId BRANCH = new TimelineId(100, 1);
    private static final long SECOND = 1_000_000_000L;

    /** Machines, one after the other or two at once, and the store that they share. */
    static final class World {
        private final Simulation simulation;
        private final SimNet net;
        final SimObjectStore objects;
        final HookedStore store;

        World(Simulation simulation) {
            this.simulation = simulation;
            net = new SimNet(simulation, FaultPlan.quiet());
            objects = new SimObjectStore(simulation, StoreFaults.quiet());
            store = new HookedStore(objects);
        }

        Machine machine(String name) {
            return new Machine(net, name, FaultPlan.quiet());
        }

        /** A machine that has a timeline which no store has heard of. */
        Machine first() {
            Machine machine = machine("first");
            machine.start(
                            "import",
                            () -> {
                                TimelineWorld world = world(machine);
                                Timeline root = world.create();
                                TimelineWorld.Pen pen = new TimelineWorld.Pen(root, world.limits);
                                for (int i = 0; i < 5; i++) {
                                    long _ = pen.end(701 + i, true, i);
                                    pen.write();
                                }
                                root.flushUpTo(root.lastRecordLsn());
                                root.shutDown();
                            })
                    .join();
            return machine;
        }

        private static TimelineWorld world(Machine machine) {
            return new TimelineWorld(machine, TimelineWorld.smallLimits(), TenantConfig.DEFAULT);
        }

        Tenants load(Machine machine) {
            return load(machine, OwnershipConfig.DEFAULT);
        }

        Tenants load(Machine machine, OwnershipConfig ownership) {
            return load(machine, ownership, HeatmapConfig.DEFAULT);
        }

        Tenants load(Machine machine, OwnershipConfig ownership, HeatmapConfig heatmap) {
            RemoteStore remote =
                    new RemoteStore(
                            store,
                            machine.clock(),
                            machine.tasks(),
                            machine.ids(),
                            machine.tracer(),
                            RemoteLimits.DEFAULT);
            return Tenants.load(
                    machine.environment(),
                    TimelineWorld.smallLimits(),
                    TenantConfig.DEFAULT,
                    remote,
                    EvictionConfig.DEFAULT,
                    ownership,
                    heatmap);
        }

        /** What an object is. */
        byte[] content(String key) {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            ObjectStore.Stored _ = objects.get(key, bytes::write);
            return bytes.toByteArray();
        }

        /** A server's life, in good order to its end. */
        void serve(Machine machine, Consumer<Tenants> what) {
            serve(machine, HeatmapConfig.DEFAULT, what);
        }

        void serve(Machine machine, HeatmapConfig heatmap, Consumer<Tenants> what) {
            machine.start(
                            "server",
                            () -> {
                                Tenants tenants = load(machine, OwnershipConfig.DEFAULT, heatmap);
                                what.accept(tenants);
                                tenants.close();
                            })
                    .join();
            machine.checkIdle();
        }

        /** A server's life that ends with its power, which is lost if it is at its end. */
        void serveUntilPowerIsLost(Machine machine, Consumer<Tenants> what) {
            simulation.after(10 * SECOND, machine.node(), machine::losePower);
            machine.start(
                            "server",
                            () -> {
                                what.accept(load(machine));
                                machine.tasks().sleep(100 * SECOND);
                            })
                    .join();
        }
    }

    static void tell(long seed, Consumer<World> story) {
        Scenario scenario =
                new Scenario() {
                    @Override
                    public String name() {
                        return "ownership";
                    }

                    @Override
                    public void run(Simulation s) {
                        story.accept(new World(s));
                    }
                };
        Simulation.run(scenario, seed).check();
    }

    static void awaitStored(Machine machine, Timeline timeline) {
        while (timeline.remoteConsistentLsn() < timeline.lastRecordLsn()) {
            machine.tasks().sleep(SECOND / 10);
        }
    }

    private static TimelineStore.Ownership owner(int generation, int fencedBy) {
        return new TimelineStore.Ownership(
                generation, fencedBy, LocationMode.ATTACHED_SINGLE, false);
    }

    static HookedStore.Hook refusing(String key) {
        return (put, condition) -> {
            if (put.startsWith(key)) {
                throw PageserverException.of(ErrorCode.UNAVAILABLE, "%s: no answer", put);
            }
        };
    }

    @Test
    void ourIndexesAreThereBeforeTheManifestIsComplete() {
        tell(
                1,
                world -> {
                    Machine first = world.first();
                    world.serve(
                            first, tenants -> awaitStored(first, tenants.timeline(TENANT, ROOT)));
                    String manifest = RemotePath.manifest(TimelineWorld.TENANT, new Generation(2));
                    String index = RemotePath.index(TimelineWorld.TENANT, ROOT, new Generation(2));
                    int[] completed = {0};
                    world.store.hook((key, condition) -> {
                        if (key.equals(manifest) && condition instanceof Condition.Version) {
                            completed[0]++;
                            assertTrue(world.objects.keys().contains(index));
                        }
                    });
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                tenants.attach(TENANT);
                                Timeline root = tenants.timeline(TENANT, ROOT);
                                assertEquals(root.lastRecordLsn(), root.remoteConsistentLsn());
                            });
                    assertEquals(1, completed[0]);
                });
    }

    /** Twice power is lost before the index of a new branch is in the store. */
    @Test
    void whatADirectoryBringsStaysInTheManifestUntilItsIndexHasCome() {
        tell(
                2,
                world -> {
                    Machine first = world.first();
                    world.store.hook(refusing(RemotePath.timeline(TimelineWorld.TENANT, BRANCH)));
                    world.serveUntilPowerIsLost(
                            first,
                            tenants -> {
                                Timeline _ = tenants.createBranch(TENANT, BRANCH, ROOT, 0);
                            });
                    world.serveUntilPowerIsLost(
                            first,
                            tenants -> {
                                Timeline branch = tenants.timeline(TENANT, BRANCH);
                                assertEquals(0, branch.remoteConsistentLsn());
                            });
                    world.store.hook((key, condition) -> {});
                    world.serve(
                            first, tenants -> awaitStored(first, tenants.timeline(TENANT, BRANCH)));
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                tenants.attach(TENANT);
                                List<TimelineId> there =
                                        tenants.timelines(TENANT).stream()
                                                .map(Timeline::id)
                                                .toList();
                                assertEquals(List.of(ROOT, BRANCH), there);
                                assertNotNull(tenants.timeline(TENANT, BRANCH).ancestor());
                            });
                });
    }

    static String index(TimelineId timeline, int generation) {
        return RemotePath.index(TimelineWorld.TENANT, timeline, new Generation(generation));
    }

    static void withBranch(World world, Machine machine) {
        world.serve(
                machine,
                tenants -> {
                    Timeline _ = tenants.createBranch(TENANT, BRANCH, ROOT, 0);
                    awaitStored(machine, tenants.timeline(TENANT, ROOT));
                });
    }

    @Test
    void anIndexThatIsGoneBreaksItsTimelineAndNoOther() {
        tell(
                3,
                world -> {
                    withBranch(world, world.first());
                    world.objects.copy(index(BRANCH, 1), "saved");
                    world.objects.delete(List.of(index(BRANCH, 1)));
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                tenants.attach(TENANT);
                                Timeline root = tenants.timeline(TENANT, ROOT);
                                assertNotNull(root.collectionBlocked());
                                PageserverException e =
                                        assertThrows(
                                                PageserverException.class,
                                                () -> tenants.timeline(TENANT, BRANCH));
                                assertEquals(ErrorCode.CORRUPTION, e.code());
                                assertTrue(
                                        String.valueOf(e.getMessage()).contains(index(BRANCH, 1)));
                            });
                    world.objects.copy("saved", index(BRANCH, 1));
                    world.serve(
                            second,
                            tenants -> {
                                assertNotNull(tenants.timeline(TENANT, BRANCH).ancestor());
                                assertNull(tenants.timeline(TENANT, ROOT).collectionBlocked());
                            });
                    assertTrue(world.objects.keys().contains(index(BRANCH, 3)));
                });
    }

    @Test
    void aDirectoryPutsAgainAnIndexThatTheStoreHasLost() {
        tell(
                4,
                world -> {
                    Machine first = world.first();
                    withBranch(world, first);
                    world.objects.delete(List.of(index(ROOT, 1)));
                    world.serve(
                            first, tenants -> awaitStored(first, tenants.timeline(TENANT, ROOT)));
                    assertTrue(world.objects.keys().contains(index(ROOT, 2)));
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                tenants.attach(TENANT);
                                assertEquals(2, tenants.timelines(TENANT).size());
                            });
                });
    }

    @Test
    void anAttemptToAttachGoesOnWithTheClaimOfTheOneThatFailed() {
        tell(
                5,
                world -> {
                    withBranch(world, world.first());
                    Machine second = world.machine("second");
                    world.store.hook(refusing(index(ROOT, 2)));
                    world.serve(
                            second,
                            tenants -> {
                                for (int i = 0; i < 2; i++) {
                                    PageserverException e =
                                            assertThrows(
                                                    PageserverException.class,
                                                    () -> tenants.attach(TENANT));
                                    assertEquals(ErrorCode.UNAVAILABLE, e.code());
                                }
                                world.store.hook((key, condition) -> {});
                                tenants.attach(TENANT);
                                assertEquals(2, tenants.timelines(TENANT).size());
                            });
                    String next = RemotePath.manifest(TimelineWorld.TENANT, new Generation(3));
                    assertFalse(world.objects.keys().contains(next));
                });
    }

    /** It has nothing to put, and nobody tells it anything. */
    @Test
    void aServerThatIsTakenOverFindsOutAndServesOn() {
        tell(
                6,
                world -> {
                    Machine first = world.first();
                    Machine second = world.machine("second");
                    world.serve(
                            first,
                            tenants -> {
                                Timeline root = tenants.timeline(TENANT, ROOT);
                                awaitStored(first, root);
                                world.serve(second, other -> other.attach(TENANT));
                                assertEquals(owner(1, 0), tenants.ownership(TENANT));
                                first.tasks().sleep(61 * SECOND);
                                assertEquals(owner(1, 2), tenants.ownership(TENANT));
                                assertTrue(
                                        root.failure() instanceof PageserverException e
                                                && e.code() == ErrorCode.PRECONDITION_FAILED);
                                assertNotNull(root.latest().image(Keys.CHECKPOINT));
                                PageserverException e =
                                        assertThrows(
                                                PageserverException.class,
                                                () -> tenants.deleteGarbage(TENANT));
                                assertEquals(ErrorCode.PRECONDITION_FAILED, e.code());
                            });
                });
    }

    /** An object that a lost server has put, and that no index came to name. */
    private static void leave(World world, TimelineId timeline, LayerName like, int generation) {
        LayerName name =
                LayerName.delta(
                        like.keys(),
                        new LsnRange(like.startLsn(), like.endLsn()),
                        TimelineWorld.TENANT,
                        new Generation(generation));
        String _ =
                world.objects.put(
                        RemotePath.layer(TimelineWorld.TENANT, timeline, name),
                        Content.of(new byte[9]),
                        Condition.ABSENT);
    }

    @Test
    void theOwnerDeletesWhatFormerOnesHaveLeftAndNothingElse() {
        tell(
                7,
                world -> {
                    Machine first = world.first();
                    TimelineId nobodys = new TimelineId(100, 9);
                    List<LayerName> named = new ArrayList<>();
                    withBranch(world, first);
                    world.serve(
                            first,
                            tenants ->
                                    tenants.timeline(TENANT, ROOT).durableLayers().stream()
                                            .map(LayerDescriptor::name)
                                            .filter(name -> !name.image())
                                            .forEach(named::add));
                    LayerName like = named.getFirst();
                    LayerName upTo =
                            LayerName.delta(
                                    like.keys(),
                                    new LsnRange(like.startLsn(), like.endLsn() + 8),
                                    TimelineWorld.TENANT,
                                    new Generation(1));
                    leave(world, ROOT, upTo, 1);
                    leave(world, nobodys, upTo, 2);
                    // The branch may take that one over when it is detached.
                    world.objects.copy(
                            RemotePath.layer(TimelineWorld.TENANT, ROOT, like),
                            RemotePath.layer(TimelineWorld.TENANT, BRANCH, like));
                    // Of a generation that nobody has yet: it is none of ours to judge.
                    leave(world, ROOT, upTo, 9);
                    world.objects.copy(index(ROOT, 2), index(nobodys, 2));
                    world.objects.copy(index(ROOT, 2), "tenants/foreign");
                    Machine second = world.machine("second");
                    TreeSet<String> before = new TreeSet<>(world.objects.keys());
                    world.serve(
                            second,
                            tenants -> {
                                tenants.attach(TENANT);
                                // Of both timelines the indexes of both generations, of the one
                                // that nobody has the index, and two layers.
                                assertEquals(7L, tenants.deleteGarbage(TENANT).objects());
                                assertEquals(0L, tenants.deleteGarbage(TENANT).objects());
                            });
                    TreeSet<String> gone = new TreeSet<>(before);
                    gone.removeAll(world.objects.keys());
                    assertEquals(7, gone.size(), gone.toString());
                    assertTrue(
                            gone.stream()
                                    .allMatch(key ->
                                            key.contains("/index-0000000")
                                                    || key.endsWith("-00000001")
                                                    || key.endsWith("-00000002")),
                            gone.toString());
                    named.forEach(name ->
                            assertTrue(
                                    world.objects
                                            .keys()
                                            .contains(
                                                    RemotePath.layer(
                                                            TimelineWorld.TENANT, ROOT, name))));
                    // And it can still be taken over by the branch.
                    world.serve(second, tenants -> tenants.detach(TENANT, BRANCH));
                });
    }

    /** What is deleted there, perhaps late, is not what a branch comes to be made of. */
    @Test
    void whatIsDeletedAsGarbageIsNotTakenOver() {
        tell(
                8,
                world -> {
                    Machine first = world.first();
                    withBranch(world, first);
                    world.serve(
                            first,
                            tenants -> {
                                Timeline branch = tenants.timeline(TENANT, BRANCH);
                                RemoteTimeline remote =
                                        Objects.requireNonNull(branch.remote(), "a store");
                                LayerName name =
                                        tenants.timeline(TENANT, ROOT)
                                                .durableLayers()
                                                .getFirst()
                                                .name();
                                assertTrue(remote.giveUp(name));
                                PageserverException e =
                                        assertThrows(
                                                PageserverException.class,
                                                () -> tenants.detach(TENANT, BRANCH));
                                assertEquals(ErrorCode.CONFLICT, e.code());
                            });
                    world.serve(first, tenants -> tenants.detach(TENANT, BRANCH));
                });
    }

    static void refused(ErrorCode code, Executable what) {
        PageserverException e = assertThrows(PageserverException.class, what);
        assertEquals(code, e.code(), e.getMessage());
    }

    @Test
    void whereTheStoreCannotSayWhoOwnsATenantSomebodyHasTo() {
        tell(
                9,
                world -> {
                    Machine first = world.first();
                    withBranch(world, first);
                    world.store.forgetConditions();
                    List<String> before = world.objects.keys();
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> tenants.attach(TENANT));
                                assertEquals(before, world.objects.keys(), "nobody is fenced");
                                refused(
                                        ErrorCode.CONFLICT,
                                        () -> tenants.attach(TENANT, OptionalInt.of(7)));
                                tenants.attach(TENANT, OptionalInt.of(2));
                                assertEquals(owner(2, 0), tenants.ownership(TENANT));
                                refused(
                                        ErrorCode.CONFLICT,
                                        () -> tenants.attach(TENANT, OptionalInt.of(4)));
                            });
                    world.serve(
                            second,
                            tenants ->
                                    refused(
                                            ErrorCode.PRECONDITION_FAILED,
                                            () -> tenants.timeline(TENANT, ROOT)));
                    second.start(
                                    "taken over",
                                    () -> {
                                        Tenants tenants =
                                                world.load(
                                                        second, new OwnershipConfig(SECOND, true));
                                        assertEquals(2, tenants.timelines(TENANT).size());
                                        tenants.close();
                                    })
                            .join();
                });
    }

    /** What is promised is in the store, or it is not promised (decision 0086). */
    @Test
    void aLeaseIsGrantedWhenTheStoreHasItAndByNobodyElseThanTheOwner() {
        tell(
                10,
                world -> {
                    Machine first = world.first();
                    Machine second = world.machine("second");
                    world.serve(
                            first,
                            tenants -> {
                                Timeline root = tenants.timeline(TENANT, ROOT);
                                awaitStored(first, root);
                                long lsn = root.lastRecordLsn();
                                world.store.hook(refusing(index(ROOT, 1)));
                                refused(ErrorCode.UNAVAILABLE, () -> root.lease(lsn));
                                assertTrue(root.keep(lsn) > first.clock().wallMillis());
                                world.store.hook((key, condition) -> {});
                                first.tasks().sleep(60 * SECOND);
                                long until = root.lease(lsn);
                                world.serve(
                                        second,
                                        other -> {
                                            other.attach(TENANT);
                                            assertEquals(
                                                    List.of(new Lease(lsn, until)),
                                                    other.timeline(TENANT, ROOT).leases());
                                        });
                                first.tasks().sleep(SECOND);
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> root.lease(root.oldestReadableLsn()));
                            });
                });
    }

    /** By its own clock it is over; by that of the server that has granted it, it may not be. */
    @Test
    void theNextOwnersClockMayBeFast() {
        tell(
                11,
                world -> {
                    Machine first = world.first();
                    long[] leased = {0, 0};
                    world.serve(
                            first,
                            tenants -> {
                                Timeline root = tenants.timeline(TENANT, ROOT);
                                leased[0] = root.oldestReadableLsn();
                                leased[1] = root.lease(leased[0]);
                            });
                    Machine second = world.machine("second");
                    long left = leased[1] - second.clock().wallMillis();
                    second.node().shiftWall(left + 30_000);
                    world.serve(
                            second,
                            tenants -> {
                                tenants.attach(TENANT);
                                Timeline root = tenants.timeline(TENANT, ROOT);
                                assertTrue(root.advanceCutoff(root.diskConsistentLsn()));
                                root.window().checkReadable(leased[0]);
                                second.tasks().sleep(31 * SECOND);
                                boolean _ = root.advanceCutoff(root.diskConsistentLsn());
                                assertFalse(root.window().readable(leased[0]));
                            });
                });
    }

    /**
     * "It is being deleted" is carried out, its answer lost; others delete its objects. A manifest
     * of ours that names the branch as if nothing had been said would name what is gone.
     */
    @Test
    void aDeletionThatTheStoreGaveNoAnswerToIsNotTakenBack() {
        tell(
                12,
                world -> {
                    Machine first = world.first();
                    withBranch(world, first);
                    String manifest = RemotePath.manifest(TimelineWorld.TENANT, new Generation(2));
                    world.serve(
                            first,
                            tenants -> {
                                assertEquals(owner(2, 0), tenants.ownership(TENANT));
                                Timeline branch = tenants.timeline(TENANT, BRANCH);
                                awaitStored(first, branch);
                                world.store.afterwards((key, condition) -> {
                                    if (key.equals(manifest)) {
                                        world.objects.outage(100 * SECOND);
                                        throw PageserverException.of(
                                                ErrorCode.UNAVAILABLE, "%s: no answer", key);
                                    }
                                });
                                refused(
                                        ErrorCode.UNAVAILABLE,
                                        () -> tenants.delete(TENANT, BRANCH));
                                world.store.afterwards((key, condition) -> {});
                                first.tasks().sleep(100 * SECOND);
                                assertTrue(saysDeleting(world, manifest));
                                // Anything that changes the manifest.
                                Timeline _ =
                                        tenants.createBranch(
                                                TENANT, new TimelineId(100, 2), ROOT, 0);
                                assertTrue(saysDeleting(world, manifest));
                            });
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                tenants.attach(TENANT);
                                assertEquals(2, tenants.timelines(TENANT).size());
                            });
                    assertFalse(
                            world.objects.keys().stream()
                                    .anyMatch(key -> key.contains("/" + BRANCH + "/")));
                });
    }

    private static boolean saysDeleting(World world, String manifest) {
        return TenantManifest.decode(world.content(manifest), manifest).timelines().stream()
                .anyMatch(entry -> entry.id().equals(BRANCH) && entry.deleting());
    }
}
