package io.palimpsest.sim.workload;

import static io.palimpsest.sim.workload.Chance.NEVER;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Prng;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.world.Scenario;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
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
        assertEquals(List.of(), mine.mustReachInMany());
        assertFalse(usual.mustReachInMany().isEmpty());
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

    @Test
    void aFileOfStorageIsLikeStorageButForWhatItSays() throws IOException {
        Path file =
                write(
                        "kind = 'storage'\n[clients]\nlease = 0\n[disk]\nfull = '1/1'\n[slow]\ndisk_millis = 20\n");
        StorageProfile mine = StorageProfile.read("mine", ScenarioFile.read(file.toString()));
        StorageProfile usual = StorageProfile.builtIn("storage");
        assertEquals(0, mine.clients().lease());
        assertEquals(usual.mustReach(), mine.mustReach());
        assertEquals(usual.mustReachInMany(), mine.mustReachInMany());
        assertEquals(usual.clients().read(), mine.clients().read());
        assertEquals(Chance.ALWAYS, mine.full());
        assertEquals(usual.history(), mine.history());
        FaultPlan slow = mine.slowness().of(FaultPlan.quiet());
        assertEquals(20_000_000, slow.diskNanos());
        assertEquals(FaultPlan.quiet().netNanos(), slow.netNanos());
        assertEquals(
                List.of(file.toString()),
                Scenarios.named(file.toString()).stream().map(Scenario::name).toList());
    }

    /** Each deed as often as its weight says, and none that has no weight. */
    @Test
    void clientsDoWhatTheirWeightsSay() {
        StorageProfile.Clients clients =
                new StorageProfile.Clients(1, 0, 3, 0, 0, 0, 6, NEVER, NEVER, NEVER, NEVER, 8);
        Map<StorageProfile.Clients.Deed, Integer> done =
                new EnumMap<>(StorageProfile.Clients.Deed.class);
        Prng random = new Prng(1);
        for (int i = 0; i < 10_000; i++) {
            done.merge(clients.next(random), 1, Integer::sum);
        }
        assertEquals(
                List.of(
                        StorageProfile.Clients.Deed.BRANCH,
                        StorageProfile.Clients.Deed.LEASE,
                        StorageProfile.Clients.Deed.READ),
                List.copyOf(done.keySet()));
        assertEquals(1000, done.get(StorageProfile.Clients.Deed.BRANCH), 150);
        assertEquals(3000, done.get(StorageProfile.Clients.Deed.LEASE), 250);
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
                "kind = 'storage'; [clients]; read = 0 | clients that never read",
                "kind = 'storage'; [lives]; most = 0 | no time for a life",
                "kind = 'storage'; [servers]; most = 1 | found 1",
                "kind = 'power-loss'; [lives]; operations = 0 | no life whose power is lost",
                "kind = 'power-loss'; [wal]; more = 0 | no WAL",
                "kind = 'power-loss'; [lives]; by_time = 1 | expected a chance like",
                "kind = 'walking' | expected \"backup\", \"failover\", \"power-loss\" or \"storage\"",
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
