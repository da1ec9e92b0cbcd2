package io.palimpsest.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Check;
import io.palimpsest.sim.workload.Scenarios;
import io.palimpsest.sim.world.Fault;
import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.sim.world.Simulation.Inspection;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ShrinkTest {
    private static final long PATIENCE = 20_000;

    @TempDir Path directory;

    /** Fails if certain ones of many faults have struck. */
    private record Needs(TreeSet<Integer> all) implements Scenario {
        @Override
        public String name() {
            return "needs";
        }

        @Override
        public void run(Simulation s) {
            TreeSet<Integer> missing = new TreeSet<>(all);
            for (int i = 0; i < 300; i++) {
                if (s.strikes("disk", "sort " + i % 7 + ": " + i)) {
                    missing.remove(i);
                }
            }
            Check.that(!missing.isEmpty(), "all have struck");
        }
    }

    private static Needs needs(Integer... numbers) {
        return new Needs(new TreeSet<>(List.of(numbers)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "0", "299", "3,17", "100,101,102", "0,50,150,250,299"})
    void onlyWhatItTakesIsLeft(String numbers) {
        TreeSet<Integer> taken = new TreeSet<>();
        for (String number : numbers.isEmpty() ? new String[0] : numbers.split(",", -1)) {
            taken.add(Integer.parseInt(number));
        }
        Scenario scenario = new Needs(taken);
        Outcome failed = Simulation.run(scenario, 1);
        assertEquals(300, failed.faults().size());
        Outcome few = Shrink.run(scenario, failed, PATIENCE, 60_000);
        assertNotNull(few.failure());
        assertEquals(taken, FailingPlan.numbers(few.faults()));
    }

    @Test
    void withoutTimeItIsLeftAsItWas() {
        Scenario scenario = needs(3, 17);
        Outcome failed = Simulation.run(scenario, 1);
        assertEquals(failed, Shrink.run(scenario, failed, PATIENCE, 0));
    }

    @Test
    void aPlanReplaysFromItsFile() throws IOException {
        Scenario scenario = needs(3, 17);
        Outcome few = Shrink.run(scenario, Simulation.run(scenario, 5), PATIENCE, 60_000);
        Path file = FailingPlan.of(few, "abc\"def").write(directory.resolve("a/b"));
        FailingPlan read = FailingPlan.read(file);
        assertEquals("needs", read.scenario());
        assertEquals(5, read.seed());
        assertEquals("abc\"def", read.commit());
        assertTrue(read.violated().contains("all have struck"), read.violated());
        assertTrue(Files.readString(file).contains("disk: sort 3: 17"), Files.readString(file));
        Outcome again = Simulation.run(scenario, 5, PATIENCE, read.inspection(false));
        assertEquals(few.hash(), again.hash());
        assertEquals(few.faults(), again.faults());
        assertNotNull(again.failure());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "seed = 1\nfaults = []\n",
                "scenario = \"x\"\nseed = \"1\"\nfaults = []\n",
                "scenario = \"x\"\nseed = 1\nfaults = [-1]\n",
                "scenario = \"x\"\nseed = 1\nfaults = [\"a\"]\n",
                "scenario ="
            })
    void whatIsNoPlanIsTold(String text) throws IOException {
        Path file = Files.writeString(directory.resolve("plan.toml"), text);
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> FailingPlan.read(file));
        assertTrue(String.valueOf(e.getMessage()).contains("plan.toml"), e.getMessage());
    }

    /** That they are counted changes nothing, nor that they all may strike. */
    @Test
    void allFaultsAreTheSameHistory() {
        Scenario scenario = Scenarios.named("power-loss").getFirst();
        int struck = 0;
        for (long seed = 1; seed <= 5; seed++) {
            Outcome all = Simulation.run(scenario, seed);
            assertNull(all.failure());
            Outcome same =
                    Simulation.run(
                            scenario,
                            seed,
                            PATIENCE,
                            new Inspection(FailingPlan.numbers(all.faults()), true));
            assertEquals(all.hash(), same.hash());
            assertEquals(all.faults(), same.faults());
            struck += all.faults().size();
            Outcome none =
                    Simulation.run(
                            scenario, seed, PATIENCE, new Inspection(new TreeSet<>(), false));
            assertNull(none.failure());
            assertEquals(List.<Fault>of(), none.faults());
        }
        assertTrue(struck > 0, "no fault in any of them");
    }
}
