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

/** The same seed does the same: in this JVM, and in others that are set up differently. */
class DeterminismTest {
    private static final String[] BATON = {
        "-Djdk.virtualThreadScheduler.parallelism=1",
        "-Djdk.virtualThreadScheduler.maxPoolSize=1",
        "-Djdk.trackAllThreads=false",
        "--sun-misc-unsafe-memory-access=allow"
    };

    @Test
    void sameSeedSameTraceOtherSeedOtherTrace() {
        TreeSet<Long> hashes = new TreeSet<>();
        for (Scenario scenario : Scenarios.all()) {
            for (long seed = 0; seed < 20; seed++) {
                long hash = Simulation.run(scenario, seed).hash();
                assertEquals(hash, Simulation.run(scenario, seed).hash(), "seed " + seed);
                hashes.add(hash);
            }
        }
        assertEquals(20 * Scenarios.all().size(), hashes.size());
    }

    /** Another collector, no compiler, other identity hashes: none of it shows. */
    @Test
    void otherJvmsFindTheSameTrace() throws Exception {
        String here = traceHere();
        assertEquals(here, traceOf("-XX:+UseParallelGC"));
        assertEquals(
                here,
                traceOf("-XX:+UseG1GC", "-XX:+UnlockExperimentalVMOptions", "-XX:hashCode=2"));
        assertEquals(here, traceOf("-XX:TieredStopAtLevel=1", "-Duser.language=tr"));
    }

    private static final String[] RUN = {"run", "--seed", "7", "--seeds", "10"};

    private static String traceHere() throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int status = Main.run(RUN, new PrintStream(out, true, StandardCharsets.UTF_8));
        String printed = out.toString(StandardCharsets.UTF_8);
        assertEquals(0, status, printed);
        return trace(printed);
    }

    private static String traceOf(String... options) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(Arrays.asList(BATON));
        command.addAll(Arrays.asList(options));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
        command.addAll(Arrays.asList(RUN));
        Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
        String printed = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, p.waitFor(), printed);
        return trace(printed);
    }

    private static String trace(String printed) {
        String last = printed.strip().lines().reduce("", (a, b) -> b);
        assertTrue(
                last.matches(
                        "sim: seeds=10 failed=0 sim_hours=[0-9.]+ wall_seconds=[0-9.]+"
                                + " steps=[0-9]+ trace=[0-9a-f]{16}"),
                printed);
        return last.substring(last.indexOf("trace="));
    }

    @Test
    void wrongArgumentsAreRefused() throws Exception {
        String[][] wrong = {
            {},
            {"walk"},
            {"run", "--seed"},
            {"run", "--seed", "x"},
            {"run", "--scenario", "no-such"},
            {"run", "--seeds", "0"}
        };
        for (String[] args : wrong) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            assertEquals(2, Main.run(args, new PrintStream(out, true, StandardCharsets.UTF_8)));
            assertTrue(out.toString(StandardCharsets.UTF_8).contains("usage"));
        }
    }
}
