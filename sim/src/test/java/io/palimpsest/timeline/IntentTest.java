package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Disk;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.tenant.WarmUp;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** What is written down of long work, and a warm-up that goes on by it. */
class IntentTest {
    private static final long SECOND = 1_000_000_000L;
    private static final TenantId TENANT = TimelineWorld.TENANT.tenant();
    private static final TimelineId ROOT = TimelineWorld.ROOT;
    private static final String DIRECTORY = "tenants/" + TimelineWorld.TENANT + "/intents";

    /** What a test does with a disk. */
    private interface OnDisk extends OneMachine {
        @Override
        default String name() {
            return "intents";
        }
    }

    private static void run(OnDisk test) {
        Simulation.run(test, 1).check();
    }

    private static List<Intent> all(Disk disk, List<String> damaged) {
        return Intent.all(
                disk,
                TimelineWorld.TENANT,
                (path, e) -> {
                    assertEquals(ErrorCode.CORRUPTION, e.code());
                    assertTrue(String.valueOf(e.getMessage()).contains(path), e.getMessage());
                    damaged.add(path);
                });
    }

    private static void put(Disk disk, String path, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        disk.delete(path);
        try (Disk.Output out = disk.create(path)) {
            out.append(bytes, 0, bytes.length);
            out.sync();
        }
    }

    @Test
    void isReadAsItWasWrittenOrRefused() {
        run(machine -> {
            Disk disk = machine.disk();
            Intent importing =
                    Intent.toImport(ROOT, 1_764_421_234_567L, new Label("shop"))
                            .withSlot(true)
                            .toEnd();
            List<Intent> written =
                    List.of(
                            Intent.toDetach(ROOT, 7, true),
                            importing,
                            Intent.toImport(new TimelineId(7, 8), 8, null),
                            Intent.toWarmUp(ROOT, 9, 4));
            written.forEach(intent -> intent.write(disk, TimelineWorld.TENANT));
            List<String> damaged = new ArrayList<>();
            assertEquals(written, all(disk, damaged));
            assertEquals(List.of(), damaged);
            String path = DIRECTORY + "/import-" + ROOT;
            String text = Objects.requireNonNull(TextFile.read(disk, path, 10_000));
            for (String other :
                    List.of(
                            "",
                            text.replace("shop", "ship"),
                            text.replace("slot ours\n", ""),
                            text.replace("intent 1", "intent 2"),
                            text + "x",
                            text.substring(0, text.length() - 3))) {
                put(disk, path, other);
                damaged.clear();
                assertEquals(3, all(disk, damaged).size(), other);
                assertEquals(List.of(path), damaged);
                assertNull(Intent.find(disk, TimelineWorld.TENANT, Operation.Kind.IMPORT, ROOT));
            }
            // It stays until somebody has looked at it; one of another name is none.
            disk.rename(DIRECTORY + "/warm_up-" + ROOT, DIRECTORY + "/warm_up-x");
            assertEquals(2, all(disk, damaged).size());
            assertEquals(4, disk.list(DIRECTORY).size());
        });
    }

    @Test
    void aWarmUpGoesOnAfterARestart() {
        OwnershipTest.tell(
                21,
                world -> {
                    Machine first = world.first();
                    world.serve(
                            first,
                            tenants ->
                                    OwnershipTest.awaitStored(
                                            first, tenants.timeline(TENANT, ROOT)));
                    Machine second = world.machine("second");
                    world.serve(
                            second,
                            tenants -> {
                                tenants.attach(TENANT);
                                world.objects.outage(30 * SECOND);
                                WarmUp.Progress _ =
                                        tenants.warmUps().start(tenants.timeline(TENANT, ROOT), 2);
                                second.tasks().sleep(SECOND);
                            });
                    assertEquals(List.of("warm_up-" + ROOT), second.disk().list(DIRECTORY));
                    world.serve(
                            second,
                            tenants -> {
                                awaitHere(second, tenants);
                                assertTrue(
                                        tenants.operations().list().stream()
                                                .anyMatch(o ->
                                                        o.kind() == Operation.Kind.WARM_UP
                                                                && o.resumed()
                                                                && o.state()
                                                                        == Operation.State
                                                                                .COMPLETED));
                                assertEquals(List.of(), second.disk().list(DIRECTORY));
                            });
                    world.serve(
                            second,
                            tenants -> {
                                second.tasks().sleep(SECOND);
                                assertTrue(
                                        tenants.operations().list().stream()
                                                .noneMatch(
                                                        o -> o.kind() == Operation.Kind.WARM_UP));
                            });
                });
    }

    /** The tenant comes when the store is back, and then its layers. */
    private static void awaitHere(Machine machine, Tenants tenants) {
        for (int i = 0; i < 120; i++) {
            machine.tasks().sleep(SECOND);
            try {
                if (tenants.timeline(TENANT, ROOT).layersNotHere().isEmpty()) {
                    machine.tasks().sleep(SECOND);
                    return;
                }
            } catch (PageserverException e) {
                assertEquals(ErrorCode.UNAVAILABLE, e.code(), e.getMessage());
            }
        }
        throw new AssertionError("the layers do not come");
    }
}
