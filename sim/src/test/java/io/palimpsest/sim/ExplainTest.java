package io.palimpsest.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Check;
import io.palimpsest.sim.workload.Scenarios;
import io.palimpsest.sim.world.Node;
import io.palimpsest.sim.world.Outcome;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.sim.world.Simulation.Inspection;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExplainTest {
    @TempDir Path directory;

    private static final class Failing implements Scenario {
        @Override
        public String name() {
            return "failing";
        }

        @Override
        public void run(Simulation s) {
            Node node = s.node("pageserver");
            s.watermark(node, "last record", 0x1000);
            s.watermark(node, "last record", 0x3000);
            node.note("said", "a < b & \"c\"");
            s.after(1_000, () -> s.kill(node));
            boolean _ = s.strikes("store", "answer lost: put <x>");
            s.node("driver").tasks().sleep(3_600_000_000_000L);
            Check.that(false, "page at 0/2000 is <wrong>");
        }
    }

    @Test
    void aPageShowsWhatHappened() {
        Outcome outcome = Simulation.run(new Failing(), 1, 20_000, new Inspection(null, true));
        String page = ExplainPage.of(outcome);
        for (String shown :
                List.of(
                        ">pageserver</text>",
                        ">store</text>",
                        "said: a &lt; b &amp; &quot;c&quot;",
                        "answer lost: put &lt;x&gt;",
                        "page at 0/2000 is &lt;wrong&gt;",
                        "failed at 0/2000",
                        "power-lost",
                        ">last record</text>")) {
            assertTrue(page.contains(shown), shown + " is not in " + page);
        }
        assertFalse(page.contains("<wrong>"), "what is told is not part of the page's own text");
    }

    @Test
    void theCommandWritesThePage() throws IOException {
        Path page = directory.resolve("deep/page.html");
        String said =
                run("explain", "--scenario", "power-loss", "--seed", "3", "--out", page.toString());
        assertTrue(said.contains("it went well"), said);
        String text = Files.readString(page);
        assertTrue(text.contains("durable here") && text.contains("power-loss, seed 3"), text);
    }

    @Test
    void wrongArgumentsAreTold() throws IOException {
        for (String[] wrong :
                new String[][] {
                    {"explain"},
                    {"explain", "--plan", directory.resolve("none").toString()},
                    {"explain", "--seed"},
                    {"explain", "--what", "1"}
                }) {
            assertTrue(run(wrong).contains("usage"), List.of(wrong).toString());
        }
    }

    private static String run(String... args) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int status = ExplainCommand.run(args, new PrintStream(out, true, StandardCharsets.UTF_8));
        String said = out.toString(StandardCharsets.UTF_8);
        assertEquals(said.contains("usage") ? 2 : 0, status);
        return said;
    }

    @Test
    void recordingChangesNothing() {
        Scenario scenario = Scenarios.named("power-loss").getFirst();
        Outcome plain = Simulation.run(scenario, 4);
        Outcome recorded = Simulation.run(scenario, 4, 20_000, new Inspection(null, true));
        assertEquals(plain.hash(), recorded.hash());
    }

    @Test
    void longWaitsAreCutShortAndOrderIsKept() {
        TimeScale scale = new TimeScale(List.of(10L, 20L, 30L, 1_000_000L, 1_000_010L), 100);
        double last = -1;
        for (long moment : new long[] {10, 20, 30, 1_000_000, 1_000_010}) {
            assertTrue(scale.at(moment) > last, "at " + moment);
            last = scale.at(moment);
        }
        assertEquals(100, scale.at(1_000_010), 0.01);
        assertEquals(scale.at(30), scale.at(500), 0.01);
        assertTrue(scale.at(1_000_000) - scale.at(30) < 60, "the wait takes all the room");
    }
}
