package io.palimpsest.timeline;

import static io.palimpsest.timeline.OwnershipTest.awaitStored;
import static io.palimpsest.timeline.OwnershipTest.refused;
import static io.palimpsest.timeline.OwnershipTest.tell;
import static io.palimpsest.timeline.OwnershipTest.withBranch;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.HeatmapConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.remote.Heatmap;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.tenant.Secondaries;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.OwnershipTest.World;
import io.palimpsest.value.Keys;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What a server is to a tenant, each way from one to another, and what stays of it. */
class LocationsTest {
    private static final TenantId TENANT = TimelineWorld.TENANT.tenant();
    private static final TimelineId ROOT = TimelineWorld.ROOT;
    private static final TimelineId BRANCH = new TimelineId(100, 1);
    private static final TimelineId OTHER = new TimelineId(100, 2);
    private static final long SECOND = 1_000_000_000L;

    private static void locate(Tenants tenants, LocationMode mode) {
        tenants.locate(TENANT, mode, OptionalInt.empty(), false, null);
    }

    private static void locate(Tenants tenants, LocationMode mode, int generation) {
        tenants.locate(TENANT, mode, OptionalInt.of(generation), false, null);
    }

    private static @Nullable Location location(Tenants tenants) {
        return tenants.location(TENANT);
    }

    private static Location attached(LocationMode mode, int generation) {
        return new Location(mode, generation, false);
    }

    /** Some layers more, durable here. */
    private static void write(Timeline root, int xid) {
        TimelineWorld.Pen pen = new TimelineWorld.Pen(root, TimelineWorld.smallLimits());
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 5; j++) {
                long _ = pen.end(xid + 5 * i + j, true, xid + j);
            }
            pen.write();
            root.flushUpTo(root.lastRecordLsn());
        }
    }

    private static Timeline root(Tenants tenants) {
        return tenants.timeline(TENANT, ROOT);
    }

    private static void readable(Timeline timeline) {
        assertNotNull(timeline.latest().image(Keys.CHECKPOINT));
    }

    @Test
    void multiPutsAndDeletesNothingBeforeItIsSingle() {
        tell(
                1,
                world -> {
                    Machine first = world.first();
                    withBranch(world, first);
                    world.serve(first, tenants -> readable(root(tenants)));
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                locate(tenants, LocationMode.ATTACHED_MULTI, 3);
                                assertEquals(
                                        attached(LocationMode.ATTACHED_MULTI, 3),
                                        location(tenants));
                                List<String> before = layers(world);
                                Timeline root = root(tenants);
                                write(root, 800);
                                tenants.housekeeper().compactNow(root);
                                awaitStored(second, root);
                                second.tasks().sleep(100 * SECOND);
                                assertTrue(
                                        layers(world).containsAll(before),
                                        "what a former owner had");
                                assertFalse(root.index().removed().isEmpty());
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> tenants.delete(TENANT, BRANCH));
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> tenants.deleteGarbage(TENANT));
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> tenants.housekeeper().gcNow(root, 0));
                                readable(root);
                            });
                    // What is to be deleted is not forgotten by a restart.
                    world.serve(
                            second,
                            tenants -> {
                                assertEquals(
                                        attached(LocationMode.ATTACHED_MULTI, 4),
                                        location(tenants));
                                assertFalse(root(tenants).index().removed().isEmpty());
                                int before = layers(world).size();
                                locate(tenants, LocationMode.ATTACHED_SINGLE, 4);
                                second.tasks().sleep(10 * SECOND);
                                assertTrue(root(tenants).index().removed().isEmpty());
                                assertTrue(layers(world).size() < before);
                                tenants.delete(TENANT, BRANCH);
                                readable(root(tenants));
                            });
                });
    }

    private static List<String> layers(World world) {
        return world.objects.keys().stream().filter(key -> key.contains("__")).sorted().toList();
    }

    @Test
    void aStaleLocationIsReadAndWrittenAndLeavesTheStoreAlone() {
        tell(
                2,
                world -> {
                    Machine first = world.first();
                    Machine second = world.machine("second");
                    world.serve(
                            first,
                            tenants -> {
                                Timeline root = root(tenants);
                                awaitStored(first, root);
                                locate(tenants, LocationMode.ATTACHED_STALE, 1);
                                locate(tenants, LocationMode.ATTACHED_STALE);
                                List<String> before = world.objects.keys();
                                write(root, 800);
                                first.tasks().sleep(100 * SECOND);
                                assertEquals(before, world.objects.keys());
                                assertTrue(root.remoteConsistentLsn() < root.diskConsistentLsn());
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> tenants.createBranch(TENANT, OTHER, ROOT, 0));
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> tenants.archive(TENANT, ROOT));
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> root.lease(root.lastRecordLsn()));
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> tenants.housekeeper().compactNow(root));
                                // Here it may be all there is of what was written.
                                refused(
                                        ErrorCode.CONFLICT,
                                        () -> locate(tenants, LocationMode.DETACHED));
                                world.serve(second, other -> other.attach(TENANT));
                                first.tasks().sleep(100 * SECOND);
                                assertNull(root.failure());
                                write(root, 900);
                                readable(root);
                                refused(
                                        ErrorCode.CONFLICT,
                                        () -> locate(tenants, LocationMode.ATTACHED_SINGLE, 1));
                                locate(tenants, LocationMode.DETACHED);
                                locate(tenants, LocationMode.DETACHED);
                                assertNull(location(tenants));
                                assertTrue(tenants.locations().isEmpty());
                                refused(ErrorCode.NOT_FOUND, () -> root(tenants));
                            });
                    assertTrue(first.disk().list(TimelineStore.ROOT).isEmpty());
                });
    }

    @Test
    void whatAStaleLocationHasTakenInIsPutWhenItOwnsTheTenantAgain() {
        tell(
                3,
                world -> {
                    Machine first = world.first();
                    long[] last = {0};
                    world.serve(
                            first,
                            tenants -> {
                                awaitStored(first, root(tenants));
                                locate(tenants, LocationMode.ATTACHED_STALE);
                                write(root(tenants), 800);
                                // In place, since nobody has claimed the tenant.
                                locate(tenants, LocationMode.ATTACHED_SINGLE, 1);
                                awaitStored(first, root(tenants));
                                locate(tenants, LocationMode.ATTACHED_STALE);
                                write(root(tenants), 900);
                                last[0] = root(tenants).lastRecordLsn();
                            });
                    List<String> before = world.objects.keys();
                    world.serve(
                            first,
                            tenants -> {
                                // It starts as what it was, and claims nothing.
                                assertEquals(
                                        attached(LocationMode.ATTACHED_STALE, 1),
                                        location(tenants));
                                assertEquals(before, world.objects.keys());
                                assertEquals(last[0], root(tenants).lastRecordLsn());
                                write(root(tenants), 1000);
                                last[0] = root(tenants).lastRecordLsn();
                                refused(
                                        ErrorCode.CONFLICT,
                                        () -> locate(tenants, LocationMode.ATTACHED_SINGLE, 1));
                                locate(tenants, LocationMode.ATTACHED_SINGLE);
                                assertEquals(
                                        attached(LocationMode.ATTACHED_SINGLE, 2),
                                        location(tenants));
                                assertEquals(last[0], root(tenants).lastRecordLsn());
                                awaitStored(first, root(tenants));
                            });
                    world.serve(
                            world.machine("second"),
                            tenants -> {
                                tenants.attach(TENANT);
                                assertEquals(last[0], root(tenants).lastRecordLsn());
                            });
                });
    }

    @Test
    void aFencedOwnerGoesOnAsAStaleLocation() {
        tell(
                4,
                world -> {
                    Machine first = world.first();
                    world.serve(
                            first,
                            tenants -> {
                                awaitStored(first, root(tenants));
                                world.serve(world.machine("second"), other -> other.attach(TENANT));
                                first.tasks().sleep(61 * SECOND);
                                assertNotNull(root(tenants).failure());
                                locate(tenants, LocationMode.ATTACHED_STALE, 1);
                                assertNull(root(tenants).failure());
                                write(root(tenants), 800);
                                readable(root(tenants));
                                // By word of somebody who wants it so it takes over again.
                                locate(tenants, LocationMode.ATTACHED_SINGLE);
                                assertEquals(
                                        attached(LocationMode.ATTACHED_SINGLE, 3),
                                        location(tenants));
                                readable(root(tenants));
                            });
                });
    }

    @Test
    void aSecondaryLocationServesNothingAndKeepsItsLayers() {
        tell(
                5,
                world -> {
                    Machine first = world.first();
                    long[] bytes = {0};
                    world.serve(
                            first,
                            tenants -> {
                                write(root(tenants), 800);
                                bytes[0] = root(tenants).residentBytes();
                                locate(tenants, LocationMode.SECONDARY);
                                locate(tenants, LocationMode.SECONDARY);
                                assertEquals(
                                        new Location(LocationMode.SECONDARY, 0, false),
                                        location(tenants));
                                refused(ErrorCode.UNAVAILABLE, () -> root(tenants));
                                refused(
                                        ErrorCode.CONFLICT,
                                        () -> locate(tenants, LocationMode.ATTACHED_STALE));
                            });
                    List<String> before = world.objects.keys();
                    world.serve(
                            first,
                            tenants -> {
                                refused(ErrorCode.UNAVAILABLE, () -> root(tenants));
                                assertEquals(before, world.objects.keys());
                                locate(tenants, LocationMode.ATTACHED_SINGLE, 2);
                                assertTrue(bytes[0] > 0);
                                assertEquals(bytes[0], root(tenants).residentBytes());
                                readable(root(tenants));
                                locate(tenants, LocationMode.SECONDARY);
                                locate(tenants, LocationMode.DETACHED);
                            });
                    assertTrue(first.disk().list(TimelineStore.ROOT).isEmpty());
                });
    }

    @Test
    void nothingLeavesTheDiskBeforeTheStoreHasIt() {
        tell(
                6,
                world -> {
                    Machine first = world.first();
                    world.serve(
                            first,
                            tenants -> {
                                awaitStored(first, root(tenants));
                                world.store.hook(
                                        OwnershipTest.refusing(
                                                RemotePath.tenant(TimelineWorld.TENANT)));
                                write(root(tenants), 800);
                                for (LocationMode mode :
                                        List.of(LocationMode.SECONDARY, LocationMode.DETACHED)) {
                                    refused(
                                            ErrorCode.UNAVAILABLE,
                                            () ->
                                                    tenants.locate(
                                                            TENANT,
                                                            mode,
                                                            OptionalInt.empty(),
                                                            false,
                                                            SECOND));
                                }
                                // All is as it was.
                                Timeline root = root(tenants);
                                write(root, 900);
                                readable(root);
                                long last = root.lastRecordLsn();
                                world.store.hook((key, condition) -> {});
                                first.tasks().sleep(60 * SECOND);
                                locate(tenants, LocationMode.DETACHED);
                                locate(tenants, LocationMode.ATTACHED_SINGLE);
                                assertEquals(last, root(tenants).lastRecordLsn());
                                assertEquals(0, root(tenants).residentBytes());
                                readable(root(tenants));
                            });
                });
    }

    @Test
    void generationsGoForward() {
        tell(
                7,
                world -> {
                    Machine first = world.first();
                    withBranch(world, first);
                    world.serve(
                            first,
                            tenants -> {
                                Timeline before = root(tenants);
                                locate(tenants, LocationMode.ATTACHED_SINGLE, 2);
                                assertEquals(before, root(tenants));
                                refused(
                                        ErrorCode.BAD_REQUEST,
                                        () -> locate(tenants, LocationMode.ATTACHED_SINGLE, 1));
                                refused(
                                        ErrorCode.BAD_REQUEST,
                                        () -> locate(tenants, LocationMode.ATTACHED_STALE, 1));
                                refused(
                                        ErrorCode.CONFLICT,
                                        () -> locate(tenants, LocationMode.ATTACHED_STALE, 3));
                                refused(
                                        ErrorCode.CONFLICT,
                                        () -> locate(tenants, LocationMode.ATTACHED_MULTI, 4));
                                assertEquals(before, root(tenants));
                                locate(tenants, LocationMode.ATTACHED_MULTI, 3);
                                assertEquals(
                                        attached(LocationMode.ATTACHED_MULTI, 3),
                                        location(tenants));
                                assertEquals(2, tenants.timelines(TENANT).size());
                                readable(root(tenants));
                                refused(
                                        ErrorCode.NOT_FOUND,
                                        () ->
                                                tenants.locate(
                                                        new TenantId(9, 9),
                                                        LocationMode.ATTACHED_SINGLE,
                                                        OptionalInt.empty(),
                                                        false,
                                                        null));
                            });
                });
    }

    /** Who guessed might take the tenant from its owner. */
    @Test
    void aDamagedWordIsNotGuessed() {
        tell(
                8,
                world -> {
                    Machine first = world.first();
                    String file = TimelineStore.ROOT + "/" + TimelineWorld.TENANT + "/location";
                    world.serve(first, tenants -> locate(tenants, LocationMode.ATTACHED_STALE));
                    List<String> before = world.objects.keys();
                    world.serve(
                            first,
                            tenants -> {
                                first.disk().delete(file);
                                first.disk().create(file).close();
                            });
                    world.serve(
                            first,
                            tenants -> {
                                refused(ErrorCode.PRECONDITION_FAILED, () -> root(tenants));
                                assertEquals(before, world.objects.keys());
                                assertNull(location(tenants));
                                assertTrue(tenants.locations().containsKey(TENANT));
                                locate(tenants, LocationMode.ATTACHED_SINGLE);
                                readable(root(tenants));
                            });
                });
    }

    private static void await(Machine machine, Supplier<Boolean> condition) {
        for (int i = 0; i < 1000 && !condition.get(); i++) {
            machine.tasks().sleep(SECOND / 10);
        }
        assertTrue(condition.get());
    }

    private static HeatmapConfig heatmaps(long mostBytes) {
        return new HeatmapConfig(SECOND, SECOND, 2, 0, mostBytes);
    }

    /** What comes to it comes once: the layers are there when it takes over. */
    @Test
    void aWarmSecondaryTakesOverWithoutWaitingForLayers() {
        tell(
                9,
                world -> {
                    Machine first = world.first();
                    Machine second = world.machine("second");
                    TenantId nobodys = new TenantId(9, 9);
                    world.serve(
                            first,
                            heatmaps(0),
                            owner -> {
                                write(root(owner), 800);
                                awaitStored(first, root(owner));
                                long bytes = root(owner).layerBytes();
                                world.serve(
                                        second,
                                        heatmaps(0),
                                        tenants -> {
                                            tenants.locate(
                                                    TENANT,
                                                    LocationMode.SECONDARY,
                                                    OptionalInt.empty(),
                                                    true,
                                                    null);
                                            await(
                                                    second,
                                                    () ->
                                                            tenants.secondary(TENANT).bytes()
                                                                    == bytes);
                                            refused(ErrorCode.UNAVAILABLE, () -> root(tenants));
                                            refused(
                                                    ErrorCode.NOT_FOUND,
                                                    () -> tenants.secondary(nobodys));
                                            first.start(
                                                            "write",
                                                            () -> {
                                                                write(root(owner), 900);
                                                                awaitStored(first, root(owner));
                                                            })
                                                    .join();
                                            await(
                                                    second,
                                                    () ->
                                                            tenants.secondary(TENANT).bytes()
                                                                    == root(owner).layerBytes());
                                            locate(tenants, LocationMode.ATTACHED_SINGLE, 2);
                                            assertEquals(
                                                    root(owner).layerBytes(),
                                                    root(tenants).residentBytes());
                                            readable(root(tenants));
                                            refused(
                                                    ErrorCode.NOT_FOUND,
                                                    () -> tenants.secondary(TENANT));
                                        });
                            });
                    assertTrue(
                            world.objects
                                    .keys()
                                    .contains(RemotePath.heatmap(TimelineWorld.TENANT)));
                });
    }

    /** Within its bound the most recently read ones, and no others stay. */
    @Test
    void aSecondaryKeepsWithinItsBound() {
        tell(
                10,
                world -> {
                    Machine first = world.first();
                    Machine second = world.machine("second");
                    world.serve(
                            first,
                            heatmaps(0),
                            owner -> {
                                write(root(owner), 800);
                                awaitStored(first, root(owner));
                                owner.putHeatmap(TENANT);
                            });
                    Heatmap heatmap =
                            Heatmap.decode(
                                    world.content(RemotePath.heatmap(TimelineWorld.TENANT)), "it");
                    List<Heatmap.Layer> layers = heatmap.timelines().getFirst().layers();
                    long most = layers.stream().mapToLong(Heatmap.Layer::size).sum() / 2;
                    world.serve(
                            second,
                            heatmaps(0),
                            tenants -> {
                                locate(tenants, LocationMode.SECONDARY);
                                Secondaries.Progress all =
                                        tenants.downloadSecondary(TENANT, 100 * SECOND);
                                assertTrue(all.complete());
                                assertEquals(layers.size(), all.layers());
                            });
                    world.serve(
                            second,
                            heatmaps(most),
                            tenants -> {
                                Secondaries.Progress some =
                                        tenants.downloadSecondary(TENANT, 100 * SECOND);
                                assertTrue(some.complete());
                                assertTrue(some.layers() > 0 && some.layers() < layers.size());
                                assertTrue(some.bytes() <= most && some.bytes() > 0);
                                // What is damaged is a hint that is not taken.
                                world.objects.delete(
                                        List.of(RemotePath.heatmap(TimelineWorld.TENANT)));
                                world.objects.copy(
                                        OwnershipTest.index(ROOT, 1),
                                        RemotePath.heatmap(TimelineWorld.TENANT));
                                assertEquals(
                                        some.bytes(),
                                        tenants.downloadSecondary(TENANT, 100 * SECOND).bytes());
                                locate(tenants, LocationMode.ATTACHED_SINGLE);
                                assertEquals(some.bytes(), root(tenants).residentBytes());
                                readable(root(tenants));
                            });
                });
    }
}
