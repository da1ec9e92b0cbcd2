package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.remote.RemoteLimits;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.remote.TenantManifest;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.sim.fault.SimWalSource;
import io.palimpsest.sim.fault.StoreFaults;
import io.palimpsest.sim.workload.WalWorkload;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * An import that is told to stop stops, soon and wherever it is, and leaves nothing behind: no
 * timeline, no file, no object, and no slot that would fill the source's disk.
 */
class CancelledImportTest {
    private static final long SECOND = 1_000_000_000L;
    private static final long START_LSN = 0x0200_0028L;
    private static final TenantId TENANT = new TenantId(1, 2);
    private static final TenantShardId SHARD = TenantShardId.unsharded(TENANT);
    private static final TimelineId TIMELINE = new TimelineId(3, 4);
    private static final WalSource SOURCE =
            WalSource.parse("host=postgres port=" + SimPostgres.PORT + " user=sim", "sim");

    /** A source, a server, and a store if there is to be one. */
    private static final class World {
        final SimWalSource wal = new SimWalSource(START_LSN);
        final Machine source;
        final Machine server;
        final SimPostgres postgres;
        final SimObjectStore objects;
        final HookedStore store;

        Limits limits = TimelineWorld.smallLimits();

        /** So long the source says nothing before it sends a backup. */
        long silence;

        World(Simulation s) {
            SimNet net = new SimNet(s, FaultPlan.quiet());
            source = new Machine(net, "postgres", FaultPlan.quiet());
            server = new Machine(net, "pageserver", FaultPlan.quiet());
            objects = new SimObjectStore(s, StoreFaults.quiet());
            store = new HookedStore(objects);
            WalWorkload workload =
                    new WalWorkload(
                            s.random("records"),
                            PgVersion.V17,
                            START_LSN,
                            new ReferencePageserver(),
                            wal,
                            source.clock()::wallMillis);
            workload.init();
            for (int i = 0; i < 50; i++) {
                workload.write();
            }
            postgres =
                    new SimPostgres(
                            source,
                            PgVersion.V17,
                            wal,
                            () -> {
                                source.tasks().sleep(silence);
                                return workload.backup();
                            });
            source.start("postmaster", postgres::serve);
        }

        Tenants load(boolean stored) {
            RemoteStore remote =
                    new RemoteStore(
                            store,
                            server.clock(),
                            server.tasks(),
                            server.ids(),
                            server.tracer(),
                            RemoteLimits.DEFAULT);
            return Tenants.load(
                    server.environment(), limits, TenantConfig.DEFAULT, stored ? remote : null);
        }

        /** Another server has the tenant from now on. */
        void claim() {
            Generation next = new Generation(2);
            byte[] bytes = TenantManifest.bare(SHARD, next, 7, 0).encode();
            String _ =
                    objects.put(
                            RemotePath.manifest(SHARD, next),
                            ObjectStore.Content.of(bytes),
                            ObjectStore.Condition.ALWAYS);
        }

        /** Cancels what runs, that much later; how long the importing took. */
        long cancelled(Tenants tenants, long after) {
            server.tasks()
                    .spawn(
                            Lane.LATENCY,
                            "operator",
                            () -> {
                                server.tasks().sleep(after);
                                Operation.Status _ = cancel(tenants);
                            });
            long begun = server.clock().monotonicNanos();
            PageserverException e =
                    assertThrows(
                            PageserverException.class,
                            () -> tenants.createFromSource(TENANT, TIMELINE, SOURCE));
            assertEquals(ErrorCode.CANCELLED, e.code(), e.getMessage());
            return server.clock().monotonicNanos() - begun;
        }

        void nothingIsLeft(Tenants tenants) {
            assertFalse(postgres.hasSlot(), "a slot keeps WAL for nobody");
            assertEquals(List.of(), server.disk().list("tenants/" + SHARD + "/timelines"));
            assertEquals(List.of(), server.disk().list("tenants/" + SHARD + "/sources"));
            assertEquals(List.of(), server.disk().list("tenants/" + SHARD + "/intents"));
            PageserverException e =
                    assertThrows(
                            PageserverException.class, () -> tenants.timeline(TENANT, TIMELINE));
            assertEquals(ErrorCode.NOT_FOUND, e.code(), e.getMessage());
        }
    }

    private static Operation.@Nullable Status cancel(Tenants tenants) {
        for (Operation.Status status : tenants.operations().list()) {
            if (status.kind() == Operation.Kind.IMPORT
                    && status.state() == Operation.State.RUNNING) {
                return tenants.operations().cancel(status.number());
            }
        }
        return null;
    }

    private static void tell(long seed, Consumer<World> story) {
        Scenario scenario =
                new Scenario() {
                    @Override
                    public String name() {
                        return "cancelled-import";
                    }

                    @Override
                    public void run(Simulation s) {
                        World world = new World(s);
                        world.server.start("pageserver", () -> story.accept(world)).join();
                        world.server.checkIdle();
                        world.postgres.stop();
                    }
                };
        Simulation.run(scenario, seed).check();
    }

    private static Limits withOpenLayers(long bytes) {
        Limits d = TimelineWorld.smallLimits();
        return new Limits(
                bytes,
                d.flushDistance(),
                d.flushAgeNanos(),
                d.ingestBatchRecords(),
                d.ingestBatchBytes(),
                d.layerBlockBytes(),
                d.recordBytes(),
                d.waitLsnNanos(),
                d.blockCacheBytes(),
                d.openLayerFiles(),
                d.batchPages(),
                d.chainDeltas(),
                d.backgroundBytesPerSecond());
    }

    private static long duration() {
        long[] took = new long[1];
        tell(
                1,
                world -> {
                    Tenants tenants = world.load(false);
                    long begun = world.server.clock().monotonicNanos();
                    Timeline _ = tenants.createFromSource(TENANT, TIMELINE, SOURCE);
                    took[0] = world.server.clock().monotonicNanos() - begun;
                    tenants.close();
                });
        return took[0];
    }

    @Test
    void atAnyMomentNothingIsLeft() {
        long whole = duration();
        List<String> stages = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            long at = whole * i / 60;
            tell(
                    1,
                    world -> {
                        Tenants tenants = world.load(false);
                        List<Operation.Status> asked = new ArrayList<>();
                        world.server
                                .tasks()
                                .spawn(
                                        Lane.LATENCY,
                                        "operator",
                                        () -> {
                                            world.server.tasks().sleep(at);
                                            Operation.Status status = cancel(tenants);
                                            if (status != null) {
                                                asked.add(status);
                                            }
                                        });
                        PageserverException cancelled = null;
                        try {
                            Timeline _ = tenants.createFromSource(TENANT, TIMELINE, SOURCE);
                        } catch (PageserverException e) {
                            cancelled = e;
                        }
                        Operation.Status last = tenants.operations().status(1);
                        if (cancelled == null) {
                            assertEquals(Operation.State.COMPLETED, last.state());
                        } else {
                            assertEquals(ErrorCode.CANCELLED, cancelled.code());
                            assertEquals(Operation.State.CANCELLED, last.state());
                            assertEquals(1, tenants.operations().cancelled(last.kind()));
                            stages.add(asked.getFirst().stage());
                            world.nothingIsLeft(tenants);
                            // The same again works.
                            Timeline _ = tenants.createFromSource(TENANT, TIMELINE, SOURCE);
                        }
                        assertTrue(tenants.timeline(TENANT, TIMELINE).layerCount() > 0);
                        tenants.close();
                    });
        }
        assertTrue(stages.size() > 40, stages.toString());
        for (String stage : List.of("connecting to", "copying the cluster")) {
            assertTrue(stages.stream().anyMatch(s -> s.startsWith(stage)), stages.toString());
        }
    }

    @Test
    void aSourceThatSaysNothingIsNotWaitedFor() {
        tell(
                2,
                world -> {
                    world.silence = 3600 * SECOND;
                    Tenants tenants = world.load(false);
                    long took = world.cancelled(tenants, 5 * SECOND);
                    assertTrue(took < 7 * SECOND, took / 1_000_000 + " ms");
                    world.nothingIsLeft(tenants);
                    tenants.close();
                });
    }

    @Test
    void aFullDiskIsNotWaitedFor() {
        tell(
                3,
                world -> {
                    // So many layers that the source has to wait for them.
                    world.limits = withOpenLayers(1 << 10);
                    Tenants tenants = world.load(false);
                    world.server.disk().plan(FaultPlan.quiet().withCapacity(3_000));
                    long took = world.cancelled(tenants, 30 * SECOND);
                    assertTrue(took >= 30 * SECOND && took < 40 * SECOND, took / 1_000_000 + " ms");
                    world.server.disk().plan(FaultPlan.quiet());
                    world.nothingIsLeft(tenants);
                    tenants.close();
                });
    }

    @Test
    void aSlotThatCannotBeDroppedIsTold() {
        tell(
                4,
                world -> {
                    world.silence = 3600 * SECOND;
                    Tenants first = world.load(false);
                    Tenants tenants = first;
                    world.server
                            .tasks()
                            .spawn(
                                    Lane.LATENCY,
                                    "source",
                                    () -> {
                                        world.server.tasks().sleep(4 * SECOND);
                                        world.postgres.stop();
                                        world.server.tasks().sleep(SECOND);
                                        Operation.Status _ = cancel(first);
                                    });
                    PageserverException e =
                            assertThrows(
                                    PageserverException.class,
                                    () -> first.createFromSource(TENANT, TIMELINE, SOURCE));
                    assertEquals(ErrorCode.CANCELLED, e.code(), e.getMessage());
                    Operation.Status last = tenants.operations().status(1);
                    for (String said : List.of(e.getMessage(), String.valueOf(last.failure()))) {
                        assertTrue(said.contains("pg_drop_replication_slot('sim')"), said);
                    }
                    // It is tried again, also by the next server, until the source is back.
                    world.server.tasks().sleep(30 * SECOND);
                    Operation.Status again = tenants.operations().status(2);
                    assertEquals(Operation.State.RUNNING, again.state(), again.toString());
                    assertTrue(again.stage().startsWith("tried again in "), again.stage());
                    tenants.close();
                    assertTrue(world.postgres.hasSlot());
                    tenants = world.load(false);
                    world.postgres.restart();
                    world.source.start("postmaster", world.postgres::serve);
                    world.server.tasks().sleep(120 * SECOND);
                    again = tenants.operations().status(1);
                    assertEquals(Operation.State.COMPLETED, again.state(), again.toString());
                    assertTrue(again.resumed());
                    world.nothingIsLeft(tenants);
                    tenants.close();
                });
    }

    @Test
    void nothingIsLeftInTheStore() {
        tell(
                5,
                world -> {
                    Tenants tenants = world.load(true);
                    // The layers are there, and the index never comes.
                    world.store.hook((key, condition) -> {
                        if (key.contains(TIMELINE + "/index")) {
                            throw PageserverException.of(ErrorCode.UNAVAILABLE, "no answer");
                        }
                    });
                    long took = world.cancelled(tenants, 60 * SECOND);
                    assertTrue(took < 75 * SECOND, took / 1_000_000 + " ms");
                    world.nothingIsLeft(tenants);
                    String prefix = RemotePath.timeline(SHARD, TIMELINE);
                    assertEquals(
                            List.of(),
                            world.objects.keys().stream()
                                    .filter(key -> key.startsWith(prefix))
                                    .toList());
                    world.store.hook((key, condition) -> {});
                    tenants.close();
                });
    }

    private static void noAnswer() {
        throw PageserverException.of(ErrorCode.UNAVAILABLE, "no answer");
    }

    /** Its new owner may follow the source by that slot. */
    @Test
    void theSlotOfATenantThatAnotherServerHasTakenStays() {
        for (boolean known : new boolean[] {true, false}) {
            tell(
                    6,
                    world -> {
                        world.silence = 3600 * SECOND;
                        Tenants tenants = world.load(true);
                        world.server
                                .tasks()
                                .spawn(
                                        Lane.LATENCY,
                                        "another server",
                                        () -> {
                                            world.server.tasks().sleep(4 * SECOND);
                                            world.claim();
                                            if (!known) {
                                                world.store.listing(CancelledImportTest::noAnswer);
                                            }
                                        });
                        long _ = world.cancelled(tenants, 10 * SECOND);
                        // Until then it is not known whose it is.
                        world.store.listing(() -> {});
                        world.server.tasks().sleep(200 * SECOND);
                        assertTrue(world.postgres.hasSlot(), "the new owner's slot is gone");
                        tenants.close();
                    });
        }
    }
}
