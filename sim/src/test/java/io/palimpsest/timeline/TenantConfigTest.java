package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TenantSetting;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Disk;
import io.palimpsest.remote.RemotePath;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.tenant.Tenants;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** What a tenant has of its own, on the disk and in the store, over starts and losses. */
class TenantConfigTest {
    private static final TenantId TENANT = TimelineWorld.TENANT.tenant();
    private static final TimelineId ROOT = TimelineWorld.ROOT;
    private static final long HOUR = 3_600_000_000_000L;
    private static final String FILE = TimelineStore.ROOT + "/" + TimelineWorld.TENANT + "/config";

    private static TenantOverrides pitr(long hours) {
        return TenantOverrides.NONE.with(
                Map.of(TenantSetting.PITR_INTERVAL, hours * HOUR), Set.of());
    }

    private static void isConfigured(Tenants tenants, TenantOverrides own) {
        assertEquals(own, tenants.overrides(TENANT));
        assertEquals(own.over(TenantConfig.DEFAULT), tenants.config(TENANT));
        assertEquals(own.over(TenantConfig.DEFAULT), tenants.timeline(TENANT, ROOT).config());
    }

    /** A server without a store. */
    private static void alone(Machine machine, Consumer<Tenants> what) {
        machine.start(
                        "alone",
                        () -> {
                            Tenants tenants =
                                    Tenants.load(
                                            machine.environment(),
                                            TimelineWorld.smallLimits(),
                                            TenantConfig.DEFAULT);
                            what.accept(tenants);
                            tenants.close();
                        })
                .join();
        machine.checkIdle();
    }

    @Test
    void itHoldsAtOnceAndAfterAStartWithoutAStore() {
        OwnershipTest.tell(
                31,
                world -> {
                    Machine machine = world.first();
                    alone(
                            machine,
                            tenants -> {
                                isConfigured(tenants, TenantOverrides.NONE);
                                tenants.configure(TENANT, _ -> pitr(5));
                                isConfigured(tenants, pitr(5));
                                OwnershipTest.refused(
                                        ErrorCode.BAD_REQUEST,
                                        () ->
                                                tenants.configure(
                                                        TENANT,
                                                        before ->
                                                                before.with(
                                                                        Map.of(
                                                                                TenantSetting
                                                                                        .COMPACTION_UPPER_LIMIT,
                                                                                1L),
                                                                        Set.of())));
                                OwnershipTest.refused(
                                        ErrorCode.NOT_FOUND,
                                        () -> tenants.configure(new TenantId(9, 9), _ -> pitr(5)));
                                isConfigured(tenants, pitr(5));
                            });
                    alone(
                            machine,
                            tenants -> {
                                isConfigured(tenants, pitr(5));
                                tenants.configure(TENANT, _ -> TenantOverrides.NONE);
                            });
                    alone(machine, tenants -> isConfigured(tenants, TenantOverrides.NONE));
                });
    }

    /** The server's may keep less than the tenant's own: nothing is collected meanwhile. */
    @Test
    void oneThatCannotBeReadKeepsEverything() {
        OwnershipTest.tell(
                32,
                world -> {
                    Machine machine = world.first();
                    alone(machine, tenants -> tenants.configure(TENANT, _ -> pitr(5)));
                    machine.start("damage", () -> damage(machine.environment().disk())).join();
                    alone(
                            machine,
                            tenants -> {
                                Timeline root = tenants.timeline(TENANT, ROOT);
                                String why = String.valueOf(root.collectionBlocked());
                                assertTrue(why.contains(FILE), why);
                                tenants.configure(TENANT, _ -> pitr(6));
                            });
                    alone(
                            machine,
                            tenants -> {
                                isConfigured(tenants, pitr(6));
                                assertNull(tenants.timeline(TENANT, ROOT).collectionBlocked());
                            });
                });
    }

    private static void damage(Disk disk) {
        String text = TextFile.read(disk, FILE, 1000);
        TextFile.replace(
                disk,
                FILE.substring(0, FILE.lastIndexOf('/')),
                "config",
                String.valueOf(text).replace("18000", "17000"));
    }

    @Test
    void itComesFromTheStoreToAnotherMachineAndOnlyTheOwnerSaysIt() {
        OwnershipTest.tell(
                33,
                world -> {
                    Machine first = world.first();
                    // What it had before there was a store comes there with all the rest.
                    alone(first, tenants -> tenants.configure(TENANT, _ -> pitr(5)));
                    Machine second = world.machine("second");
                    world.serve(
                            first,
                            tenants -> {
                                OwnershipTest.awaitStored(first, tenants.timeline(TENANT, ROOT));
                                isConfigured(tenants, pitr(5));
                                world.serve(
                                        second,
                                        other -> {
                                            other.attach(TENANT);
                                            isConfigured(other, pitr(5));
                                            other.configure(TENANT, _ -> pitr(7));
                                        });
                                OwnershipTest.refused(
                                        ErrorCode.PRECONDITION_FAILED,
                                        () -> tenants.configure(TENANT, _ -> pitr(8)));
                                isConfigured(tenants, pitr(5));
                            });
                    // The first one's directory says something else by now.
                    world.serve(
                            first,
                            tenants -> {
                                tenants.attach(TENANT);
                                isConfigured(tenants, pitr(7));
                            });
                    Machine third = world.machine("third");
                    world.serve(
                            third,
                            tenants -> {
                                tenants.attach(TENANT);
                                isConfigured(tenants, pitr(7));
                            });
                });
    }

    /** Said in the store, and then power is lost, or the store's answer. */
    @Test
    void whatTheStoreHasIsTheTruth() {
        OwnershipTest.tell(
                34,
                world -> {
                    Machine first = world.first();
                    String manifest = RemotePath.manifest(TimelineWorld.TENANT, new Generation(1));
                    world.serveUntilPowerIsLost(
                            first,
                            tenants -> {
                                OwnershipTest.awaitStored(first, tenants.timeline(TENANT, ROOT));
                                world.store.afterwards((key, condition) -> {
                                    if (key.equals(manifest)) {
                                        first.losePower();
                                    }
                                });
                                tenants.configure(TENANT, _ -> pitr(5));
                            });
                    world.store.afterwards((key, condition) -> {});
                    world.serve(first, tenants -> isConfigured(tenants, pitr(5)));
                });
    }
}
