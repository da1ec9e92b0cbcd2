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
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.remote.RemoteKey;
import io.palimpsest.remote.RemoteLimits;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.remote.TenantManifest;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.OwnershipTest.World;
import io.palimpsest.value.Keys;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

/** Deleting a tenant as a whole, step by step; power loss at each step is for CrashPointsTest. */
class TenantDeletionTest {
    private static final TenantId TENANT = TimelineWorld.TENANT.tenant();
    private static final TimelineId ROOT = TimelineWorld.ROOT;
    private static final TimelineId BRANCH = new TimelineId(100, 1);
    private static final long SECOND = 1_000_000_000L;

    private static void nothingIsLeftInTheStore(World world) {
        assertFalse(world.objects.keys().isEmpty(), "manifests stay");
        for (String key : world.objects.keys()) {
            assertTrue(RemoteKey.of(key) instanceof RemoteKey.Manifest, key);
        }
    }

    private static TenantManifest.State manifest(World world, int generation) {
        String key = RemotePath.manifest(TimelineWorld.TENANT, new Generation(generation));
        return TenantManifest.decode(world.content(key), key).state();
    }

    private static void nothingIsHere(Machine machine, Tenants tenants) {
        assertEquals(List.of(), tenants.tenants());
        assertEquals(List.of(), machine.environment().disk().list(TimelineStore.ROOT));
        refused(ErrorCode.NOT_FOUND, () -> tenants.timeline(TENANT, ROOT));
        assertNull(tenants.location(TENANT));
    }

    private static void awaitDeleted(Machine machine, Tenants tenants) {
        for (int i = 0; !tenants.deletions().isEmpty(); i++) {
            assertTrue(i < 100, () -> tenants.deletions().toString());
            machine.tasks().sleep(SECOND);
        }
    }

    private static RemoteStore remote(World world, Machine machine) {
        return new RemoteStore(
                world.objects,
                machine.clock(),
                machine.tasks(),
                machine.ids(),
                machine.tracer(),
                RemoteLimits.DEFAULT);
    }

    @Test
    void allOfItGoesAndItDoesNotComeBack() {
        tell(
                1,
                world -> {
                    Machine first = world.first();
                    withBranch(world, first);
                    world.serve(
                            first,
                            tenants -> {
                                tenants.putHeatmap(TENANT);
                                tenants.deleteTenant(TENANT, false);
                                nothingIsHere(first, tenants);
                                nothingIsLeftInTheStore(world);
                                assertEquals(TenantManifest.State.DELETED, manifest(world, 2));
                                Operation.Status told = tenants.operations().list().getLast();
                                assertEquals(Operation.Kind.DELETION, told.kind());
                                assertEquals(Operation.State.COMPLETED, told.state());
                                assertTrue(told.bytesDone() > 0);
                                assertEquals(List.of(TENANT), tenants.tenantsInStore());
                                assertEquals(List.of(), tenants.tenantsToAttach());
                                // Again is fine, and its id is not used again.
                                tenants.deleteTenant(TENANT, false);
                                refused(
                                        ErrorCode.NOT_FOUND,
                                        () -> tenants.createBranch(TENANT, BRANCH, ROOT, 0));
                                refused(ErrorCode.NOT_FOUND, () -> tenants.attach(TENANT));
                                awaitDeleted(first, tenants);
                            });
                    world.serve(first, tenants -> nothingIsHere(first, tenants));
                    nothingIsLeftInTheStore(world);
                });
    }

    @Test
    void withoutAStoreItIsTheSame() {
        tell(
                2,
                world -> {
                    Machine first = world.first();
                    first.start(
                                    "server",
                                    () -> {
                                        Tenants tenants = local(first);
                                        Timeline _ = tenants.createBranch(TENANT, BRANCH, ROOT, 0);
                                        tenants.protect(tenants.timeline(TENANT, BRANCH), true);
                                        refused(
                                                ErrorCode.PRECONDITION_FAILED,
                                                () -> tenants.deleteTenant(TENANT, false));
                                        assertNotNull(
                                                tenants.timeline(TENANT, ROOT)
                                                        .latest()
                                                        .image(Keys.CHECKPOINT));
                                        tenants.deleteTenant(TENANT, true);
                                        nothingIsHere(first, tenants);
                                        tenants.deleteTenant(TENANT, false);
                                        tenants.close();
                                        Tenants again = local(first);
                                        nothingIsHere(first, again);
                                        again.close();
                                    })
                            .join();
                    first.checkIdle();
                });
    }

    private static Tenants local(Machine machine) {
        return Tenants.load(
                machine.environment(), TimelineWorld.smallLimits(), TenantConfig.DEFAULT);
    }

    @Test
    void whatIsProtectedOrFollowsASourceKeepsIt() {
        tell(
                3,
                world -> {
                    Machine first = world.first();
                    withBranch(world, first);
                    world.serve(
                            first,
                            tenants -> {
                                Timeline branch = tenants.timeline(TENANT, BRANCH);
                                tenants.protect(branch, true);
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> tenants.deleteTenant(TENANT, false));
                                tenants.protect(branch, false);
                                tenants.follow(
                                        TENANT,
                                        ROOT,
                                        WalSource.parse("host=nowhere user=sim", "sim"));
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> tenants.deleteTenant(TENANT, true));
                                // One that is archived receives nothing, and has its slot still.
                                tenants.archive(TENANT, BRANCH);
                                tenants.archive(TENANT, ROOT);
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> tenants.deleteTenant(TENANT, true));
                                assertEquals(TenantManifest.State.COMPLETE, manifest(world, 2));
                                tenants.unarchive(TENANT, ROOT);
                                assertNotNull(tenants.unfollow(TENANT, ROOT), "it is nowhere");
                                tenants.deleteTenant(TENANT, false);
                                nothingIsHere(first, tenants);
                                nothingIsLeftInTheStore(world);
                            });
                });
    }

    @Test
    void aFormerOwnerDeletesNothing() {
        tell(
                4,
                world -> {
                    Machine first = world.first();
                    withBranch(world, first);
                    world.serve(
                            first,
                            old -> {
                                Machine second = world.machine("second");
                                world.serve(
                                        second,
                                        tenants -> {
                                            tenants.attach(TENANT);
                                            awaitStored(second, tenants.timeline(TENANT, ROOT));
                                            tenants.locate(
                                                    TENANT,
                                                    LocationMode.ATTACHED_MULTI,
                                                    OptionalInt.empty(),
                                                    false,
                                                    null);
                                            refused(
                                                    ErrorCode.PRECONDITION_FAILED,
                                                    () -> tenants.deleteTenant(TENANT, true));
                                        });
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> old.deleteTenant(TENANT, true));
                            });
                    Machine third = world.machine("third");
                    world.serve(
                            third,
                            tenants -> {
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> tenants.deleteTenant(TENANT, true));
                                tenants.attach(TENANT);
                                assertEquals(2, tenants.timelines(TENANT).size());
                            });
                });
    }

    /** Of its word that the tenant goes the owner loses the answer; another one is quicker. */
    @Test
    void aNewOwnerThatHasNotReadTheWordKeepsIt() {
        tell(
                5,
                world -> {
                    Machine first = world.first();
                    withBranch(world, first);
                    Machine second = world.machine("second");
                    world.serve(
                            first,
                            old -> {
                                String mine =
                                        RemotePath.manifest(
                                                TimelineWorld.TENANT, new Generation(2));
                                world.store.hook((key, condition) -> {
                                    if (key.equals(mine)) {
                                        world.store.hook((k, c) -> {});
                                        world.serve(second, tenants -> tenants.attach(TENANT));
                                    }
                                });
                                refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> old.deleteTenant(TENANT, true));
                                assertEquals(TenantManifest.State.DELETING, manifest(world, 2));
                                assertTrue(old.deletions().isEmpty());
                            });
                    world.serve(
                            second, tenants -> assertEquals(2, tenants.timelines(TENANT).size()));
                });
    }

    private static PageserverException unavailable() {
        return PageserverException.of(ErrorCode.UNAVAILABLE, "no answer");
    }

    @Test
    void whatTheStoreDoesNotAnswerIsGoneOnWith() {
        tell(
                6,
                world -> {
                    Machine first = world.first();
                    withBranch(world, first);
                    world.serve(
                            first,
                            tenants -> {
                                world.store.hook(
                                        OwnershipTest.refusing(
                                                RemotePath.manifests(TimelineWorld.TENANT)));
                                refused(
                                        ErrorCode.UNAVAILABLE,
                                        () -> tenants.deleteTenant(TENANT, true));
                                refused(ErrorCode.NOT_FOUND, () -> tenants.timeline(TENANT, ROOT));
                                refused(ErrorCode.CONFLICT, () -> tenants.attach(TENANT));
                                assertEquals(1, tenants.deletions().size());
                                world.store.hook((key, condition) -> {});
                                awaitDeleted(first, tenants);
                                nothingIsHere(first, tenants);
                                nothingIsLeftInTheStore(world);
                            });
                });
    }

    @Test
    void anotherServerFinishesWhatOneHasBegun() {
        tell(
                7,
                world -> {
                    Machine first = world.first();
                    withBranch(world, first);
                    world.serve(
                            first,
                            tenants -> {
                                world.store.deleting(() -> {
                                    throw unavailable();
                                });
                                refused(
                                        ErrorCode.UNAVAILABLE,
                                        () -> tenants.deleteTenant(TENANT, true));
                            });
                    assertEquals(TenantManifest.State.DELETING, manifest(world, 2));
                    world.store.deleting(() -> {});
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                refused(ErrorCode.NOT_FOUND, () -> tenants.attach(TENANT));
                                awaitDeleted(second, tenants);
                                nothingIsHere(second, tenants);
                            });
                    nothingIsLeftInTheStore(world);
                    assertEquals(TenantManifest.State.DELETED, manifest(world, 3));
                    // The first one has its directory still, and deletes that.
                    world.serve(
                            first,
                            tenants -> {
                                awaitDeleted(first, tenants);
                                nothingIsHere(first, tenants);
                            });
                });
    }

    /** It has been off since before. */
    @Test
    void aDirectoryOfATenantThatWasDeletedElsewhereGoes() {
        tell(
                8,
                world -> {
                    Machine first = world.first();
                    withBranch(world, first);
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                tenants.attach(TENANT);
                                tenants.deleteTenant(TENANT, false);
                            });
                    world.serve(
                            first,
                            tenants -> {
                                awaitDeleted(first, tenants);
                                nothingIsHere(first, tenants);
                            });
                    nothingIsLeftInTheStore(world);
                });
    }

    @Test
    void aScrubDeletesWhatComesLate() {
        tell(
                9,
                world -> {
                    Machine first = world.first();
                    withBranch(world, first);
                    String late = RemotePath.index(TimelineWorld.TENANT, ROOT, new Generation(1));
                    world.objects.copy(late, "saved");
                    world.serve(first, tenants -> tenants.deleteTenant(TENANT, false));
                    world.objects.copy("saved", late);
                    world.objects.delete(List.of("saved"));
                    first.start(
                                    "scrub",
                                    () -> {
                                        RemoteStore store = remote(world, first);
                                        StoreReview review = new StoreReview(store);
                                        review.list().forEach(review::review);
                                        assertEquals(1, review.findings().size());
                                        assertEquals(
                                                StoreReview.Kind.DELETING,
                                                review.findings().getFirst().kind());
                                        DeletedBranches.Outcome done =
                                                DeletedBranches.delete(
                                                        store,
                                                        TimelineWorld.TENANT,
                                                        review.findings());
                                        assertNull(done.refusal());
                                        assertEquals(1, done.objects());
                                    })
                            .join();
                    nothingIsLeftInTheStore(world);
                });
    }
}
