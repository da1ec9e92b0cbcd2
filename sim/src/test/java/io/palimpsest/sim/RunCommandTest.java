package io.palimpsest.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Check;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunCommandTest {
    /** It fails with every third seed, spins if it is told to, and reaches what it is told to. */
    private record Sample(
            String name, boolean spins, List<String> mustReach, List<String> mustReachInMany)
            implements Scenario {
        Sample(String name, boolean spins, List<String> mustReach) {
            this(name, spins, mustReach, List.of());
        }

        @Override
        public void run(Simulation s) {
            while (spins) {
                Thread.onSpinWait();
            }
            s.probe("here");
            Check.that(s.seed() % 3 != 0 || !name.equals("fails"), "seed %d fails", s.seed());
        }
    }

    private static Options options(long seeds, Sample... scenarios) {
        return options(seeds, false, scenarios);
    }

    private static Options options(long seeds, boolean mixed, Sample... scenarios) {
        return new Options(
                1, seeds, 0, 1, List.of(scenarios), mixed, 300, false, null, null, 0, null, false);
    }

    private static String run(int status, Options options) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        PrintStream printer = new PrintStream(out, true, StandardCharsets.UTF_8);
        int found = new RunCommand(options, printer, printer).run();
        String printed = out.toString(StandardCharsets.UTF_8);
        assertEquals(status, found, printed);
        return printed;
    }

    @Test
    void aSeedHasFailedIfOneOfItsScenariosHas() throws Exception {
        String printed =
                run(
                        1,
                        options(
                                30,
                                new Sample("fails", false, List.of()),
                                new Sample("good", false, List.of())));
        assertTrue(printed.contains("scenario: fails seeds=30 failed=10 "), printed);
        assertTrue(printed.contains("scenario: good seeds=30 failed=0 "), printed);
        assertTrue(printed.contains("sim: seeds=30 failed=10 "), printed);
        assertTrue(printed.contains("probes: good here=30\n"), printed);
        for (int seed = 3; seed <= 30; seed += 3) {
            assertTrue(printed.contains("replay: make sim SCENARIO=fails SEED=" + seed), printed);
        }
    }

    @Test
    void mixedEachSeedRunsOneScenarioInTurn() throws Exception {
        String printed =
                run(
                        1,
                        options(
                                30,
                                true,
                                new Sample("good", false, List.of()),
                                new Sample("fails", false, List.of())));
        assertTrue(printed.contains("scenario: good seeds=15 failed=0 "), printed);
        // 3, 9, 15, 21 and 27 are odd: of the second one.
        assertTrue(printed.contains("scenario: fails seeds=15 failed=5 "), printed);
        assertTrue(printed.contains("sim: seeds=30 failed=5 "), printed);
    }

    @Test
    void manySeedsAreMixedAndAFewOfThemGolden() {
        Options many = Options.parse(new String[] {"run", "--seeds", "500"});
        assertTrue(many.mixed());
        assertEquals(20, many.golden());
        assertEquals(1, many.of(3).size());
        Options one = Options.parse(new String[] {"run", "--seed", "7"});
        assertEquals(one.scenarios(), one.of(7));
        assertEquals(0, one.golden());
        Options all = Options.parse(new String[] {"run", "--seeds", "499", "--scenario", "all"});
        assertEquals(all.scenarios(), all.of(3));
        assertEquals(0, all.golden());
        List<String> part = many.ofPart(251, 250, 10);
        assertEquals(
                new Options(
                        251,
                        250,
                        0,
                        1,
                        many.scenarios(),
                        true,
                        20_000,
                        false,
                        null,
                        null,
                        10,
                        null,
                        true),
                Options.parse(part.toArray(String[]::new)));
    }

    @Test
    void asManySeedsAsThereIsTimeForAreMixedAndTheFirstGolden() {
        Options tenMinutes = Options.parse(new String[] {"run", "--minutes", "10", "--jobs", "2"});
        assertTrue(tenMinutes.mixed());
        assertEquals(20, tenMinutes.golden());
        assertEquals(500, tenMinutes.surelyRun());
        assertEquals(1_000_000_000L, tenMinutes.seeds());
        assertEquals(2, tenMinutes.jobs());
        Options part =
                Options.parse(
                        tenMinutes.ofPart(500_000_001, 500_000_000, 10).toArray(String[]::new));
        assertEquals(10, part.minutes());
        assertEquals(500_000_001, part.seed());
        Options few = Options.parse(new String[] {"run", "--minutes", "1", "--seeds", "7"});
        assertEquals(7, few.surelyRun());
        assertEquals(7, few.seeds());
        for (String[] wrong :
                new String[][] {{"run", "--minutes", "-1"}, {"run", "--seeds", "0"}}) {
            assertThrows(IllegalArgumentException.class, () -> Options.parse(wrong));
        }
    }

    @Test
    void whatIsRareIsOnlyDemandedOfManySeeds() throws Exception {
        Sample good = new Sample("good", false, List.of("here"), List.of("here"));
        Sample some = new Sample("some", false, List.of("here", "there"));
        Sample many = new Sample("many", false, List.of("here"), List.of("rare"));
        run(0, options(99, good, some, many));
        String printed = run(1, options(100, good, some, many));
        assertTrue(printed.contains("sim: no seed of some reached there\n"), printed);
        assertFalse(printed.contains("reached rare"), printed);
        run(0, options(499, good, many));
        printed = run(1, options(500, good, some, many));
        assertTrue(printed.contains("sim: no seed of some reached there\n"), printed);
        assertTrue(printed.contains("sim: no seed of many reached rare\n"), printed);
        // Each of three scenarios has a third of the seeds.
        run(0, options(297, true, good, some, many));
        run(1, options(300, true, good, some, many));
    }

    /** What spins keeps the only processor for ever, so in another process. */
    @Test
    void aTaskThatSpinsEndsTheRun(@TempDir Path directory) throws Exception {
        Path output = directory.resolve("output");
        Process p =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Djdk.virtualThreadScheduler.parallelism=1",
                                "-Djdk.virtualThreadScheduler.maxPoolSize=1",
                                "-cp",
                                System.getProperty("java.class.path"),
                                Spinning.class.getName())
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile())
                        .start();
        boolean ended = p.waitFor(60, TimeUnit.SECONDS);
        p.destroyForcibly();
        String printed = Files.readString(output);
        assertTrue(ended, printed);
        assertEquals(1, p.exitValue(), printed);
        assertTrue(printed.contains("blocked outside the ports: driver/scenario"), printed);
        assertTrue(printed.contains("replay: make sim SCENARIO=spins SEED=1"), printed);
        assertTrue(printed.contains("before seed 2 of 3"), printed);
        assertTrue(printed.contains("sim: seeds=1 failed=1 "), printed);
    }

    static final class Spinning {
        private Spinning() {}

        public static void main(String[] args) throws Exception {
            Options options = options(3, new Sample("spins", true, List.of()));
            System.exit(new RunCommand(options, System.out, System.err).run());
        }
    }

    @Test
    void howFarItIsIsToldInWords() {
        assertEquals(
                "sim: 10 of 100 seeds, 1 failed, after 1 min 40 s, about 15 min 0 s to go",
                Progress.line(10, 100, 1, 100_000_000_000L));
        assertEquals(
                "sim: 0 of 100 seeds, 0 failed, after 10 s",
                Progress.line(0, 100, 0, 10_000_000_000L));
        assertEquals(
                "sim: 1 of 1000 seeds, 0 failed, after 20 s, about 5 h 33 min to go",
                Progress.line(1, 1000, 0, 20_000_000_000L));
    }
}
