package io.palimpsest.sim.mutant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.sim.crash.CrashPoints;
import io.palimpsest.sim.workload.Scenarios;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A few of {@code make sim-mutants}; and that all of them can be planted in the sources of now. */
class MutantsTest {
    private static final Path SOURCES = Path.of("../core/src/main/java");

    @TempDir Path directory;

    @Test
    void eachHasItsPlaceInTheSources() throws IOException {
        TreeSet<String> names = new TreeSet<>();
        for (Mutant mutant : Mutant.all()) {
            assertTrue(names.add(mutant.name()), "twice: " + mutant.name());
            assertNotEquals(mutant.old(), mutant.replacement(), mutant.name());
            assertFalse(mutant.planted(SOURCES).isEmpty());
            if (mutant.byCrashPoints()) {
                assertTrue(CrashPoints.protocols().contains(mutant.hunt(1, 1).get(2)), mutant.by());
            } else {
                assertEquals(1, Scenarios.named(mutant.by()).size());
            }
        }
        assertTrue(names.size() >= 40, names.size() + " mutants");
    }

    /** One of each room, of those that the first seeds find. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "index-not-synced",
                "layer-name-not-synced",
                "collected-though-seen",
                "frozen-not-read",
                "insert-at-next-item",
                "index-before-layer",
                "rewound-too-far",
                "index-format-changed"
            })
    void someAreFoundAtOnce(String name) throws IOException, InterruptedException {
        Mutant mutant =
                Mutant.all().stream().filter(m -> m.name().equals(name)).findFirst().orElseThrow();
        Path classes = new MutantBuild(SOURCES, directory).compile(mutant);
        MutantHunt.Found found = new MutantHunt(mutant, classes, 60).row(0);
        assertTrue(found.seeds() > 0, mutant.what() + ": " + found.how());
    }

    /** What makes no difference is not found: the hunt does not call everything a failure. */
    @Test
    void aMutantThatIsNoneIsNotFound() throws IOException, InterruptedException {
        Mutant none =
                new Mutant(
                        "none",
                        "nothing",
                        "redo/GenericRedo.java",
                        "return true;",
                        "return page.length > 0;",
                        "power-loss");
        Path classes = new MutantBuild(SOURCES, directory).compile(none);
        MutantHunt.Found found = new MutantHunt(none, classes, 20).row(0);
        assertEquals(0, found.seeds(), found.how());
    }

    @Test
    void aPlaceThatIsGoneIsTold() throws IOException {
        Path file = directory.resolve("io/palimpsest/a/A.java");
        Files.createDirectories(file.getParent());
        Files.writeString(file, "one two two");
        for (String old : List.of("three", "two", "")) {
            Mutant mutant = new Mutant("m", "", "a/A.java", old, "", "power-loss");
            assertThrows(IllegalStateException.class, () -> mutant.planted(directory), old);
        }
        assertEquals(
                "1 two two",
                new Mutant("m", "", "a/A.java", "one", "1", "power-loss").planted(directory));
    }
}
