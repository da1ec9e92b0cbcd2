package io.palimpsest.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.port.Tasks;
import io.palimpsest.sim.workload.Scenarios;
import io.palimpsest.sim.world.Node;
import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.sim.world.Simulation.Inspection;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
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

    /** What the run makes of itself hangs on the JVM from some step on. */
    private record Unsteady(String name) implements Scenario {
        @Override
        public void run(Simulation s) {
            Node node = s.node("node");
            for (int i = 0; i < 20; i++) {
                int n = i;
                node.tasks().spawn(Tasks.Lane.LATENCY, "task-" + n, () -> s.trace().note(n)).join();
                if (i == 7) {
                    s.trace().note("SI".toLowerCase(Locale.getDefault()));
                }
            }
        }
    }

    /** What the other JVMs run of it: what {@link Main} does, of that scenario. */
    static final class UnsteadyMain {
        private UnsteadyMain() {}

        public static void main(String[] args) throws Exception {
            if (args[0].equals("trace")) {
                System.exit(TraceCommand.run(args, System.out, Unsteady::new));
            }
            Outcome _ =
                    Story.write(
                            new Unsteady(args[2]),
                            Long.parseLong(args[4]),
                            20_000,
                            Inspection.NONE,
                            Path.of(args[6]));
        }
    }

    private static Options golden(Scenario scenario, Path directory) {
        return new Options(
                1,
                3,
                0,
                1,
                List.of(scenario),
                false,
                20_000,
                false,
                null,
                directory,
                3,
                null,
                false);
    }

    /** Turkish has another small letter for I: one of the JVMs is set up so. */
    @Test
    void whatHangsOnTheJvmIsToldWithTheStepWhereItShows(@TempDir Path directory) throws Exception {
        Scenario unsteady = new Unsteady("unsteady");
        GoldenSeeds seeds =
                new GoldenSeeds(golden(unsteady, directory), UnsteadyMain.class.getName());
        for (long seed = 1; seed <= 3; seed++) {
            seeds.ran(Simulation.run(unsteady, seed));
        }
        List<GoldenSeeds.Mismatch> mismatches = seeds.compare();
        assertEquals(2, mismatches.size(), mismatches.toString());
        String report = mismatches.getFirst().report();
        String here = directory.resolve("unsteady-1-here.story").toString();
        String there = directory.resolve("unsteady-1-there.story").toString();
        assertTrue(report.contains("two runs of the seed differ"), report);
        assertTrue(report.contains("    one: si\n    the other: s\u0131\n"), report);
        assertTrue(report.contains("  stories: " + here + " " + there), report);
        assertTrue(report.contains("SCENARIO=unsteady SEED=1 STORY=" + here), report);
        assertTrue(report.contains("SEED=1 GC=none VM='-XX:+UseParallelGC "), report);
        List<String> story = Files.readAllLines(Path.of(here));
        int line = story.indexOf("  si");
        assertEquals(story.subList(0, line), Files.readAllLines(Path.of(there)).subList(0, line));
        String step =
                story.subList(0, line).stream()
                        .filter(l -> l.startsWith("step "))
                        .reduce("", (a, b) -> b);
        assertTrue(step.endsWith(": driver/scenario"), step);
        String number = step.substring(0, step.indexOf(" at "));
        assertTrue(report.contains("line " + (line + 1) + ", in " + number + "\n"), report);
    }

    /** It counts how often it was run. */
    private record Counting(AtomicInteger runs) implements Scenario {
        @Override
        public String name() {
            return "counting";
        }

        @Override
        public void run(Simulation s) {
            s.trace().note(runs.getAndIncrement());
        }
    }

    @Test
    void twoUnequalRunsInThisJvmAreAFailureWithTheirStories(@TempDir Path directory)
            throws Exception {
        Options options =
                new Options(
                        20,
                        1,
                        0,
                        1,
                        List.of(new Counting(new AtomicInteger())),
                        false,
                        20_000,
                        false,
                        null,
                        directory,
                        0,
                        null,
                        false);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        PrintStream printer = new PrintStream(out, true, StandardCharsets.UTF_8);
        assertEquals(1, new RunCommand(options, printer, printer).run());
        String printed = out.toString(StandardCharsets.UTF_8);
        assertTrue(printed.contains("    one: 2\n    the other: 3\n"), printed);
        assertTrue(printed.contains("sim: seeds=1 failed=1 "), printed);
    }

    @Test
    void equalStoriesHaveNoDifferenceAndAShorterOneHas(@TempDir Path directory) throws Exception {
        Path a = Files.writeString(directory.resolve("a"), "step 1 at 2 ns: x\n  1\n");
        Path b = Files.writeString(directory.resolve("b"), "step 1 at 2 ns: x\n  1\n");
        Path c = Files.writeString(directory.resolve("c"), "step 1 at 2 ns: x\n");
        Path d = Files.writeString(directory.resolve("d"), "step 1 at 3 ns: x\n  1\n");
        assertNull(Story.firstDifference(a, b));
        assertEquals(
                new Story.Difference(
                        2, "step 1", "      step 1 at 2 ns: x\n", "  1", "(nothing more)"),
                Story.firstDifference(a, c));
        assertEquals(
                new Story.Difference(1, "step 1", "", "step 1 at 2 ns: x", "step 1 at 3 ns: x"),
                Story.firstDifference(a, d));
    }

    /**
     * Other JVMs find the same of real scenarios: what {@code make sim} does with its golden seeds.
     */
    @Test
    void goldenSeedsAreRunByOtherJvms() throws Exception {
        String printed =
                printedHere(
                        "run",
                        "--seeds",
                        "40",
                        "--scenario",
                        "group-commit,power-loss",
                        "--golden",
                        "6",
                        "--jobs",
                        "2");
        assertTrue(printed.contains("golden: histories=6\n"), printed);
    }

    @Test
    void aStoryIsWrittenOfOneHistory(@TempDir Path directory) throws Exception {
        Path file = directory.resolve("below/story");
        String printed =
                printedHere(
                        "run",
                        "--scenario",
                        "power-loss",
                        "--seed",
                        "3",
                        "--story",
                        file.toString());
        List<String> story = Files.readAllLines(file);
        assertTrue(
                story.getLast().matches("end after \\d+ steps, \\d+ ns: trace [0-9a-f]{16}"),
                story.getLast());
        String steps = story.getLast().split(" ", -1)[2];
        assertTrue(printed.contains(" steps=" + steps + " "), printed);
        assertEquals(
                Long.parseLong(steps), story.stream().filter(l -> l.startsWith("step ")).count());
    }

    private static String printedHere(String... run) throws Exception {
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
                                + " steps=[0-9]+ crash_states=[0-9]+ trace=[0-9a-f]{16}"),
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
            {"run", "--seeds", "0"},
            {"run", "--story", "file"},
            {"run", "--scenario", "storage", "--seeds", "2", "--story", "file"},
            {"trace", "storage"},
            {"trace", "no-such", "1"},
            {"measures", "--rounds", "0"},
            {"measures", "--hours", "1"}
        };
        for (String[] args : wrong) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            PrintStream printer = new PrintStream(out, true, StandardCharsets.UTF_8);
            assertEquals(2, Main.run(args, printer, printer));
            String said = out.toString(StandardCharsets.UTF_8);
            assertTrue(said.contains("usage") || said.startsWith("trace: expected"), said);
        }
    }
}
