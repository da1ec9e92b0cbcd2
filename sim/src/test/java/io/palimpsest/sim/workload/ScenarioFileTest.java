package io.palimpsest.sim.workload;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.sim.world.Scenario;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ScenarioFileTest {
    @TempDir Path directory;

    private Path write(String text) throws IOException {
        return Files.writeString(directory.resolve("mine.toml"), text);
    }

    @Test
    void whatAFileLeavesOutIsAsInBackup() throws IOException {
        Path file = write("must_reach = ['x']\n[servers]\nsecond = '2/2'\nlife_seconds = 7\n");
        BackupProfile mine = BackupProfile.read("mine", ScenarioFile.read(file.toString()));
        BackupProfile usual = BackupProfile.builtIn("backup");
        assertEquals(List.of("x"), mine.mustReach());
        assertEquals(new Chance(2, 2), mine.second());
        assertEquals(7_000_000_000L, mine.lifeNanos());
        assertEquals(usual.comesBack(), mine.comesBack());
        assertEquals(usual.roughness(), mine.roughness());
        assertEquals(usual.scrubPauseNanos(), mine.scrubPauseNanos());
    }

    @Test
    void aFileIsAScenarioByItsPath() throws IOException {
        Path file = write("kind = 'backup'\n");
        List<Scenario> named = Scenarios.named("split-brain," + file);
        assertEquals(
                List.of("split-brain", file.toString()),
                named.stream().map(Scenario::name).toList());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "[servers]; secnd = '1/2' | found 1/2",
                "[servers]; second = '3/2' | expected a chance like",
                "[servers]; second = 1 | expected a chance like",
                "[servers]; fewest = 9 | lives from 9 to 6",
                "[servers]; life_seconds = 0 | no time",
                "[store]; lost = -1 | expected a number",
                "rot = 'yes' | expected true or false",
                "must_reach = [1] | expected a list of strings",
                "kind = 'storage' | expected \"backup\"",
                "rot = | mine.toml"
            })
    void whatIsWrongIsTold(String text, String told) throws IOException {
        Path file = write(text.replace("; ", "\n") + "\n");
        IllegalArgumentException e =
                assertThrows(
                        IllegalArgumentException.class, () -> Scenarios.named(file.toString()));
        assertTrue(String.valueOf(e.getMessage()).contains(told), e.getMessage());
    }

    @Test
    void aFileThatIsNotThereIsTold() {
        IllegalArgumentException e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> Scenarios.named(directory.resolve("none.toml").toString()));
        assertTrue(String.valueOf(e.getMessage()).contains("none.toml"), e.getMessage());
    }
}
