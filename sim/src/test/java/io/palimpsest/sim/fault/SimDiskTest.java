package io.palimpsest.sim.fault;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Disk;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** That each fault of the model does happen, and only where it may. */
class SimDiskTest {
    private static void each(int seeds, FaultPlan plan, Consumer<Machine> body) {
        for (long seed = 0; seed < seeds; seed++) {
            Scenario scenario =
                    new Scenario() {
                        @Override
                        public String name() {
                            return "disk";
                        }

                        @Override
                        public void run(Simulation s) {
                            body.accept(new Machine(new SimNet(s, plan), "m", plan));
                        }
                    };
            Simulation.run(scenario, seed).check();
        }
    }

    private static void on(Machine m, Consumer<Disk> body) {
        m.start("body", () -> body.accept(m.disk())).join();
    }

    private static byte[] ones(int length) {
        byte[] b = new byte[length];
        Arrays.fill(b, (byte) 1);
        return b;
    }

    private static byte[] read(Disk disk, String path) {
        try (Disk.Input in = disk.open(path)) {
            byte[] b = new byte[(int) in.size()];
            in.read(0, b, 0, b.length);
            return b;
        }
    }

    @Test
    void unsyncedBytesAreLostKeptOrTornBySector() {
        TreeMap<String, Integer> fates = new TreeMap<>();
        each(
                300,
                FaultPlan.quiet(),
                m -> {
                    on(
                            m,
                            disk -> {
                                Disk.Output out = disk.create("f");
                                out.append(ones(5000), 0, 5000);
                                out.sync();
                                disk.syncDirectory("");
                                out.append(ones(15_000), 0, 15_000);
                            });
                    assertEquals(1, m.disk().openHandles().size());
                    m.losePower();
                    assertEquals(List.of(), m.disk().openHandles());
                    on(
                            m,
                            disk -> {
                                byte[] b = read(disk, "f");
                                for (int i = 0; i < 5000; i++) {
                                    assertEquals(1, b[i], "synced byte " + i);
                                }
                                int wrong = 0;
                                boolean aligned = true;
                                for (int i = 5000; i < b.length; i++) {
                                    if (b[i] != 1) {
                                        wrong++;
                                    }
                                    boolean changes = (b[i] == 0) != (b[i - 1] == 0);
                                    aligned &= !changes || i % 512 == 0 || i == 5000;
                                }
                                String fate =
                                        b.length == 5000
                                                ? "lost"
                                                : b.length < 20_000
                                                        ? wrong == 0 ? "prefix" : "torn prefix"
                                                        : wrong == 0
                                                                ? "kept"
                                                                : aligned ? "zeros" : "garbage";
                                fates.merge(fate, 1, Integer::sum);
                            });
                });
        assertEquals(
                List.of("garbage", "kept", "lost", "prefix", "torn prefix", "zeros"),
                List.copyOf(fates.keySet()));
        fates.forEach((fate, n) -> assertTrue(n >= 5, fate + ": " + n));
    }

    @Test
    void namesNotSyncedComeThroughIndependently() {
        TreeSet<String> states = new TreeSet<>();
        each(
                300,
                FaultPlan.quiet(),
                m -> {
                    on(
                            m,
                            disk -> {
                                disk.create("old").close();
                                disk.create("dead").close();
                                disk.syncDirectory("");
                                disk.create("a").close();
                                disk.rename("old", "new");
                                disk.delete("dead");
                                disk.create("b").close();
                            });
                    m.losePower();
                    on(m, disk -> states.add(disk.list("").toString()));
                });
        // Each of four changes is there or not: sixteen states, and no other.
        assertEquals(16, states.size(), states.toString());
        assertTrue(states.contains("[dead, old]"));
        assertTrue(states.contains("[a, b, new]"));
        assertTrue(states.contains("[b, dead, old]"));
    }

    @Test
    void aFailedSyncTakesTheBytesWithIt() {
        int[] lost = new int[1];
        each(
                100,
                FaultPlan.quiet().withSyncFails(1),
                m -> {
                    on(
                            m,
                            disk -> {
                                Disk.Output out = disk.create("f");
                                out.append(ones(10), 0, 10);
                                PageserverException e =
                                        assertThrows(PageserverException.class, out::sync);
                                assertEquals(ErrorCode.IO, e.code());
                                // Trying again is what a program must not do.
                                assertThrows(Check.Failed.class, out::sync);
                                assertThrows(Check.Failed.class, () -> out.append(ones(1), 0, 1));
                                out.close();
                                assertArrayEquals(ones(10), read(disk, "f"));
                                assertThrows(
                                        PageserverException.class, () -> disk.syncDirectory(""));
                                m.disk().plan(FaultPlan.quiet());
                                // The later sync does not cover what the failed one lost.
                                disk.syncDirectory("");
                            });
                    m.losePower();
                    on(
                            m,
                            disk -> {
                                if (!disk.exists("f")
                                        || !Arrays.equals(ones(10), read(disk, "f"))) {
                                    lost[0]++;
                                }
                            });
                });
        assertTrue(lost[0] > 30 && lost[0] < 100, "lost: " + lost[0]);
    }

    @Test
    void aFullDiskTakesPartOrSaysSoLater() {
        int[] late = new int[1];
        int[] names = new int[1];
        each(
                20,
                FaultPlan.quiet().withCapacity(1000),
                m ->
                        on(
                                m,
                                disk -> {
                                    Disk.Output out = disk.create("f");
                                    out.append(ones(700), 0, 700);
                                    PageserverException e =
                                            assertThrows(
                                                    PageserverException.class,
                                                    () -> {
                                                        out.append(ones(400), 0, 400);
                                                        assertEquals(1100, out.size());
                                                        late[0]++;
                                                        out.sync();
                                                    });
                                    assertEquals(ErrorCode.NO_SPACE, e.code());
                                    assertTrue(e.getMessage().contains("no space left"));
                                    assertTrue(out.size() >= 700 && out.size() <= 1100);
                                    assertThrows(Check.Failed.class, out::sync);
                                    out.close();
                                    try {
                                        disk.link("f", "l");
                                        disk.delete("l");
                                    } catch (PageserverException refused) {
                                        assertEquals(ErrorCode.NO_SPACE, refused.code());
                                        names[0]++;
                                    }
                                    disk.delete("f");
                                    try (Disk.Output again = disk.create("g")) {
                                        again.append(ones(1000), 0, 1000);
                                        again.sync();
                                    }
                                }));
        assertTrue(late[0] > 2 && late[0] < 18, "failed at the sync: " + late[0]);
        assertTrue(names[0] > 0 && names[0] < 18, "names refused: " + names[0]);
    }

    @Test
    void rotIsAnOverlay() {
        each(
                20,
                FaultPlan.quiet().withBitRot(1),
                m ->
                        on(
                                m,
                                disk -> {
                                    try (Disk.Output out = disk.create("f")) {
                                        out.append(ones(1000), 0, 1000);
                                    }
                                    byte[] first = read(disk, "f");
                                    assertFalse(Arrays.equals(ones(1000), first));
                                    m.disk().plan(FaultPlan.quiet());
                                    assertArrayEquals(first, read(disk, "f"));
                                    m.disk().showRot(false);
                                    assertArrayEquals(ones(1000), read(disk, "f"));
                                }));
    }

    @Test
    void aReadMayFailOnce() {
        each(
                20,
                FaultPlan.quiet().withReadFails(1),
                m ->
                        on(
                                m,
                                disk -> {
                                    try (Disk.Output out = disk.create("f")) {
                                        out.append(ones(10), 0, 10);
                                    }
                                    assertEquals(
                                            ErrorCode.IO,
                                            assertThrows(
                                                            PageserverException.class,
                                                            () -> read(disk, "f"))
                                                    .code());
                                    assertEquals(List.of(), m.disk().openHandles());
                                    m.disk().plan(FaultPlan.quiet());
                                    assertArrayEquals(ones(10), read(disk, "f"));
                                }));
    }

    @Test
    void powerGoesAtTheOperationAskedFor() {
        for (long operation = 1; operation <= 4; operation++) {
            long at = operation;
            each(
                    10,
                    FaultPlan.quiet().withPowerLossAt(at),
                    m -> {
                        int[] done = new int[1];
                        on(
                                m,
                                disk -> {
                                    Disk.Output out = disk.create("f");
                                    done[0]++;
                                    out.append(ones(10), 0, 10);
                                    done[0]++;
                                    out.sync();
                                    done[0]++;
                                    disk.syncDirectory("");
                                    done[0]++;
                                });
                        assertEquals(at - 1, done[0]);
                        assertEquals(1, m.node().incarnation());
                    });
        }
    }

    @Test
    void whatIsLeftOpenIsNamed() {
        each(
                1,
                FaultPlan.quiet(),
                m -> {
                    on(m, disk -> disk.create("f"));
                    Check.Failed e = assertThrows(Check.Failed.class, m::checkIdle);
                    assertTrue(e.getMessage().contains("f (written by m/body)"), e.getMessage());
                });
    }

    @Test
    void openingWhatIsBeingWrittenIsAWrongProgram() {
        each(
                1,
                FaultPlan.quiet(),
                m ->
                        on(
                                m,
                                disk -> {
                                    try (Disk.Output out = disk.create("f")) {
                                        assertEquals(0, out.size());
                                        assertThrows(Check.Failed.class, () -> disk.open("f"));
                                    }
                                }));
    }
}
