package io.palimpsest.timeline;

import static io.palimpsest.timeline.OwnershipTest.awaitStored;
import static io.palimpsest.timeline.OwnershipTest.tell;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.service.Management;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.tenant.WarmUp;
import java.util.List;
import java.util.Objects;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** Every kind of long work is told to stop, and is as if it had not been asked for. */
class CancelledOperationsTest {
    private static final long SECOND = 1_000_000_000L;
    private static final TenantId TENANT = TimelineWorld.TENANT.tenant();
    private static final TimelineId ROOT = TimelineWorld.ROOT;
    private static final TimelineId BRANCH = new TimelineId(100, 1);

    private static Operation.Status running(Tenants tenants, Operation.Kind kind) {
        return tenants.operations().list().stream()
                .filter(s -> s.kind() == kind && s.state() == Operation.State.RUNNING)
                .findFirst()
                .orElseThrow();
    }

    private static void cancelled(Tenants tenants, Operation.Kind kind) {
        Operation.Status asked = tenants.operations().cancel(running(tenants, kind).number());
        assertTrue(asked.stopping() || asked.state() == Operation.State.CANCELLED);
    }

    private static void assertCancelled(Tenants tenants, Operation.Kind kind) {
        Operation.Status last = tenants.operations().list().getLast();
        assertEquals(kind, last.kind());
        assertEquals(Operation.State.CANCELLED, last.state());
        assertFalse(last.stopping());
        assertEquals(1, tenants.operations().cancelled(kind));
        // Again is fine.
        assertEquals(last, tenants.operations().cancel(last.number()));
    }

    private static void assertStopped(Runnable work) {
        PageserverException e = assertThrows(PageserverException.class, work::run);
        assertEquals(ErrorCode.CANCELLED, e.code(), e.getMessage());
        assertTrue(String.valueOf(e.getMessage()).contains("cancelled by request"), e.getMessage());
    }

    @Test
    void aWarmUpBringsNoOtherLayer() {
        tell(
                11,
                world -> {
                    Machine first = world.first();
                    world.serve(
                            first, tenants -> awaitStored(first, tenants.timeline(TENANT, ROOT)));
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                tenants.attach(TENANT);
                                Timeline root = tenants.timeline(TENANT, ROOT);
                                int away = root.layersNotHere().size();
                                assertTrue(away > 0);
                                // The store does not answer: it would be tried again and again.
                                world.objects.outage(20 * SECOND);
                                WarmUp.Progress _ = tenants.warmUps().start(root, 2);
                                second.tasks().sleep(SECOND);
                                cancelled(tenants, Operation.Kind.WARM_UP);
                                second.tasks().sleep(SECOND / 10);
                                assertCancelled(tenants, Operation.Kind.WARM_UP);
                                WarmUp.Progress end =
                                        Objects.requireNonNull(tenants.warmUps().progress(root));
                                assertEquals(WarmUp.State.STOPPED, end.state());
                                assertEquals(away, root.layersNotHere().size());
                                second.tasks().sleep(20 * SECOND);
                            });
                });
    }

    @Test
    void aTenantThatWasBeingAttachedIsNotHereNorComesByItself() {
        tell(
                12,
                world -> {
                    Machine first = world.first();
                    world.serve(
                            first, tenants -> awaitStored(first, tenants.timeline(TENANT, ROOT)));
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                // When its index is put under the new generation.
                                world.store.hook((key, condition) -> {
                                    if (key.contains("/index-00000002")) {
                                        world.store.hook((k, c) -> {});
                                        cancelled(tenants, Operation.Kind.ATTACH);
                                    }
                                });
                                assertStopped(() -> tenants.attach(TENANT));
                                assertCancelled(tenants, Operation.Kind.ATTACH);
                                assertEquals(List.of(), second.disk().list("tenants"));
                                PageserverException e =
                                        assertThrows(
                                                PageserverException.class,
                                                () -> tenants.timeline(TENANT, ROOT));
                                assertEquals(ErrorCode.NOT_FOUND, e.code());
                            });
                    world.serve(
                            second,
                            tenants -> {
                                assertEquals(List.of(), tenants.tenants());
                                tenants.attach(TENANT);
                                assertTrue(tenants.timeline(TENANT, ROOT).layerCount() > 0);
                            });
                });
    }

    @Test
    void aBranchThatWasBeingDetachedHangsWhereItHung() {
        tell(
                13,
                world -> {
                    Machine first = world.first();
                    OwnershipTest.withBranch(world, first);
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                tenants.attach(TENANT);
                                Timeline branch = tenants.timeline(TENANT, BRANCH);
                                List<String> files = second.disk().list(branch.directory());
                                // Its ancestor's layers come from the store, which takes a while.
                                world.objects.outage(3 * SECOND);
                                second.tasks()
                                        .spawn(
                                                Lane.LATENCY,
                                                "operator",
                                                () -> {
                                                    second.tasks().sleep(SECOND);
                                                    cancelled(
                                                            tenants,
                                                            Operation.Kind.DETACH_ANCESTOR);
                                                });
                                assertStopped(() -> tenants.detach(TENANT, BRANCH));
                                assertCancelled(tenants, Operation.Kind.DETACH_ANCESTOR);
                                assertNotNull(branch.ancestor());
                                assertEquals(files, second.disk().list(branch.directory()));
                                tenants.detach(TENANT, BRANCH);
                                assertNull(branch.ancestor());
                                long done = tenants.operations().list().getLast().number();
                                OwnershipTest.refused(
                                        ErrorCode.CONFLICT,
                                        () -> tenants.operations().cancel(done));
                            });
                });
    }

    @Test
    void aDeletionIsStoppedBeforeItIsDurableAndNotAfterwards() {
        tell(
                14,
                world -> {
                    Machine first = world.first();
                    OwnershipTest.withBranch(world, first);
                    world.serve(
                            first,
                            tenants -> {
                                String[] refusal = new String[1];
                                // The manifest is told when the index says so already.
                                world.store.hook((key, condition) -> {
                                    if (key.contains("manifest")) {
                                        world.store.hook((k, c) -> {});
                                        PageserverException e =
                                                assertThrows(
                                                        PageserverException.class,
                                                        () ->
                                                                cancelled(
                                                                        tenants,
                                                                        Operation.Kind.DELETION));
                                        assertEquals(ErrorCode.CONFLICT, e.code());
                                        refusal[0] = e.getMessage();
                                    }
                                });
                                tenants.delete(TENANT, BRANCH);
                                assertTrue(
                                        String.valueOf(refusal[0]).contains("gone for everybody"),
                                        refusal[0]);
                                assertEquals(
                                        Operation.State.COMPLETED,
                                        tenants.operations().list().getLast().state());
                            });
                });
    }

    @Test
    void aCompactionStopsAndLeavesWhatWasThere() {
        new CompactionToCancel().check();
    }

    /** Merges are slow by a bound of bytes a second. */
    private static final class CompactionToCancel implements OneMachine {
        @Override
        public String name() {
            return "cancelled-compaction";
        }

        private static Limits slow(long bytesPerSecond) {
            Limits d = TimelineWorld.smallLimits();
            return new Limits(
                    d.openLayerBytes(),
                    1L << 40,
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
                    bytesPerSecond);
        }

        void check() {
            Simulation.run(this, 15).check();
        }

        @Override
        public void onMachine(Machine machine) {
            TimelineWorld world =
                    new TimelineWorld(machine, slow(400_000), StoredTimelines.onDemand(16 << 10));
            Timeline made = world.create();
            GeneratedHistory history = new GeneratedHistory(new Prng(5), TimelineWorld.START);
            for (int i = 0; i < 12; i++) {
                history.write(made, 150);
                made.flushUpTo(made.lastRecordLsn());
            }
            made.shutDown();
            Tenants tenants = Tenants.load(world.environment, world.limits, world.config);
            Management management = new Management(tenants);
            Timeline root = tenants.timeline(TENANT, ROOT);
            TreeSet<String> files = new TreeSet<>(machine.disk().list(root.directory()));
            List<LayerDescriptor> layers = root.durableLayers();
            for (int queued = 0; queued < 2; queued++) {
                boolean second = queued == 1;
                long begun = machine.clock().monotonicNanos();
                machine.tasks()
                        .spawn(
                                Lane.LATENCY,
                                "operator",
                                () -> {
                                    machine.tasks().sleep(SECOND / 10);
                                    if (second) {
                                        // It waits behind one that nobody can stop.
                                        tenants.operations()
                                                .cancel(
                                                        running(tenants, Operation.Kind.COMPACTION)
                                                                .number());
                                    } else {
                                        cancelled(tenants, Operation.Kind.COMPACTION);
                                    }
                                });
                if (second) {
                    machine.tasks()
                            .spawn(
                                    Lane.LATENCY,
                                    "first",
                                    () -> tenants.housekeeper().mergeNow(root));
                    machine.tasks().sleep(SECOND / 100);
                }
                assertStopped(() -> management.compact(TENANT, ROOT, Management.Extent.ALL));
                assertTrue(machine.clock().monotonicNanos() - begun < SECOND, "it was waited for");
                assertEquals(
                        Operation.State.CANCELLED, tenants.operations().list().getLast().state());
                if (!second) {
                    assertEquals(layers, root.durableLayers());
                    assertEquals(files, new TreeSet<>(machine.disk().list(root.directory())));
                }
            }
            management.compact(TENANT, ROOT, Management.Extent.ALL);
            assertTrue(root.durableLayers().size() != layers.size(), "nothing was compacted");
            for (LayerDescriptor layer : root.durableLayers()) {
                LayerFile _ = Objects.requireNonNull(root.layerFile(layer.name()));
            }
            tenants.close();
        }
    }
}
