package io.palimpsest.regress.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.palimpsest.fixtures.EmbeddedPostgres;
import io.palimpsest.regress.storage.Report.Row;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The harness of {@code make bench-pages}, at a size that measures nothing. */
class HotPagesTest {
    @Test
    void everyoneAnswersWithPages() throws Exception {
        Path home = EmbeddedPostgres.temporaryDirectory("palimpsest-hot-pages-");
        try {
            Path program = home.resolve("pages");
            assumeTrue(compiles(program), "there is no C compiler (cc)");
            Report report = new Report(text -> {});
            new HotPages(17, 1, 0.05, 20, report).run(home, program);
            assertEquals(9, report.measures().size());
            for (Measure measure : report.measures()) {
                // Processor time comes in hundredths of a second, of which there may be none.
                boolean any = !measure.unit().equals("us") || measure.name().contains("p50");
                assertTrue(measure.best() >= (any ? 1e-9 : 0), measure.toString());
                assertTrue(
                        measure.peers().stream().allMatch(v -> v >= (any ? 1e-9 : 0)),
                        measure.toString());
            }
        } finally {
            EmbeddedPostgres.deleteDirectory(home);
        }
    }

    private static boolean compiles(Path program) throws IOException, InterruptedException {
        try {
            int status =
                    new ProcessBuilder(
                                    "cc",
                                    "-std=gnu11",
                                    "-O2",
                                    "-Wall",
                                    "-Wextra",
                                    "-Werror",
                                    "-pthread",
                                    "-o",
                                    program.toString(),
                                    "src/main/c/pages/pages.c")
                            .inheritIO()
                            .start()
                            .waitFor();
            assertEquals(0, status, "cc");
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    @Test
    void aRowIsDividedByAnotherRoundByRound() {
        Row ours = new Row();
        ours.add(6, 1);
        ours.add(8, 1);
        Row other = new Row();
        other.add(3, 9);
        other.add(2, 9);
        Report report = new Report(text -> {});
        report.cost("a", "b", "s", ours.over(other), Goal.atMost(3), "");
        Measure measure = report.measures().getFirst();
        assertEquals(List.of(6.0, 8.0), measure.ours());
        assertEquals(List.of(3.0, 2.0), measure.peers());
        assertEquals(3.0, measure.ratio());
        assertEquals("met", measure.verdict());
    }
}
