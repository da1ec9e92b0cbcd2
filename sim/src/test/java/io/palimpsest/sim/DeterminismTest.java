package io.palimpsest.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.sim.workload.Scenarios;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The same seed does the same: in this JVM, and in others that are set up differently. */
class DeterminismTest {
    private static final String[] BATON = {
        "-Djdk.virtualThreadScheduler.parallelism=1",
        "-Djdk.virtualThreadScheduler.maxPoolSize=1",
        "-Djdk.trackAllThreads=false",
        "--sun-misc-unsafe-memory-access=allow"
    };

    private static final List<String> QUICK = List.of("group-commit", "power-loss");

    /** Those that take long are run a few times only. */
    private static int seedsOf(Scenario scenario) {
        return QUICK.contains(scenario.name()) ? 20 : 2;
    }

    @Test
    void sameSeedSameTraceOtherSeedOtherTrace() {
        TreeSet<Long> hashes = new TreeSet<>();
        int runs = 0;
        for (Scenario scenario : Scenarios.all()) {
            for (long seed = 0; seed < seedsOf(scenario); seed++) {
                long hash = Simulation.run(scenario, seed).hash();
                assertEquals(hash, Simulation.run(scenario, seed).hash(), "seed " + seed);
                hashes.add(hash);
                runs++;
            }
        }
        assertEquals(runs, hashes.size());
    }

    /** Another collector, no compiler, other identity hashes: none of it shows. */
    @ParameterizedTest
    @ValueSource(strings = {"10 group-commit,power-loss", "1 storage,bit-rot,backup"})
    void otherJvmsFindTheSameTrace(String seedsAndScenarios) throws Exception {
        String[] words = seedsAndScenarios.split(" ", -1);
        String[] run = {"run", "--seed", "7", "--seeds", words[0], "--scenario", words[1]};
        List<String> here = traces(printedHere(run));
        assertEquals(words[1].split(",", -1).length + 1, here.size());
        assertEquals(here, traces(printedBy(run, "-XX:+UseParallelGC")));
        assertEquals(
                here,
                traces(
                        printedBy(
                                run,
                                "-XX:+UseG1GC",
                                "-XX:+UnlockExperimentalVMOptions",
                                "-XX:hashCode=2")));
        assertEquals(here, traces(printedBy(run, "-XX:TieredStopAtLevel=1", "-Duser.language=tr")));
    }

    @Test
    void severalProcessesFindWhatOneFinds() throws Exception {
        String[] one = {"run", "--seeds", "9", "--scenario", "group-commit,power-loss"};
        String[] three = Arrays.copyOf(one, one.length + 2);
        three[one.length] = "--jobs";
        three[one.length + 1] = "3";
        String printed = printedHere(three);
        assertEquals(traces(printedHere(one)), traces(printed));
        assertTrue(printed.contains("scenario: power-loss seeds=9 failed=0 "), printed);
    }

    private static String printedHere(String[] run) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        PrintStream printer = new PrintStream(out, true, StandardCharsets.UTF_8);
        int status = Main.run(run, printer, printer);
        String printed = out.toString(StandardCharsets.UTF_8);
        assertEquals(0, status, printed);
        return printed;
    }

    private static String printedBy(String[] run, String... options) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(Arrays.asList(BATON));
        command.addAll(Arrays.asList(options));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
        command.addAll(Arrays.asList(run));
        Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
        String printed = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, p.waitFor(), printed);
        return printed;
    }

    /** Of each scenario, and of all. */
    private static List<String> traces(String printed) {
        String last = printed.strip().lines().reduce("", (a, b) -> b);
        assertTrue(
                last.matches(
                        "sim: seeds=[0-9]+ failed=0 sim_hours=[0-9.]+ wall_seconds=[0-9.]+"
                                + " steps=[0-9]+ trace=[0-9a-f]{16}"),
                printed);
        return printed.lines()
                .filter(l -> l.startsWith("scenario:") || l.equals(last))
                .map(l -> l.substring(l.indexOf("steps=")))
                .toList();
    }

    @Test
    void wrongArgumentsAreRefused() throws Exception {
        String[][] wrong = {
            {},
            {"walk"},
            {"run", "--seed"},
            {"run", "--seed", "x"},
            {"run", "--scenario", "no-such"},
            {"run", "--scenario", "storage,no-such"},
            {"run", "--patience", "0"},
            {"run", "--seeds", "0"}
        };
        for (String[] args : wrong) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            PrintStream printer = new PrintStream(out, true, StandardCharsets.UTF_8);
            assertEquals(2, Main.run(args, printer, printer));
            assertTrue(out.toString(StandardCharsets.UTF_8).contains("usage"));
        }
    }
}
