package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.remote.RemoteLimits;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.sim.fault.StoreFaults;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Who owns a tenant in the store, step by step: what {@code make sim} finds only by chance. */
class OwnershipTest {
    private static final TenantId TENANT = TimelineWorld.TENANT.tenant();
    private static final TimelineId ROOT = TimelineWorld.ROOT;
    private static final TimelineId BRANCH = new TimelineId(100, 1);
    private static final long SECOND = 1_000_000_000L;

    /** Machines, one after the other or two at once, and the store that they share. */
    private static final class World {
        private final Simulation simulation;
        private final SimNet net;
        private final SimObjectStore objects;
        private final HookedStore store;

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
                    remote);
        }

        /** A server's life, in good order to its end. */
        void serve(Machine machine, Consumer<Tenants> what) {
            machine.start(
                            "server",
                            () -> {
                                Tenants tenants = load(machine);
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

    private static void tell(long seed, Consumer<World> story) {
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

    private static void awaitStored(Machine machine, Timeline timeline) {
        while (timeline.remoteConsistentLsn() < timeline.lastRecordLsn()) {
            machine.tasks().sleep(SECOND / 10);
        }
    }

    private static HookedStore.Hook refusing(String key) {
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

    private static String index(TimelineId timeline, int generation) {
        return RemotePath.index(TimelineWorld.TENANT, timeline, new Generation(generation));
    }

    private static void withBranch(World world, Machine machine) {
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
}
