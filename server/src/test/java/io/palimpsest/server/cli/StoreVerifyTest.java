package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.fixtures.GoldenStore;
import io.palimpsest.port.ObjectStore.Entry;
import io.palimpsest.remote.RemoteLimits;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.server.runtime.SecureIds;
import io.palimpsest.server.runtime.SystemClock;
import io.palimpsest.server.runtime.SystemTasks;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import org.junit.jupiter.api.Test;

/** {@code store verify --since-last}: what was found good is not read again. */
class StoreVerifyTest extends StoreCommandTest {
    private static final Proofs.Proof PROOF = new Proofs.Proof(1, 2, 3_000, 4_000);

    private void verified(int status, int read, int before, String... args) throws IOException {
        assertEquals(status, run("verify", args), out + "" + err);
        assertEquals(read, json().get("layers").asInt(), "" + out);
        assertEquals(before, json().get("good_before").asInt(), "" + out);
    }

    private void flip(String key, boolean asIfNothingHappened) throws IOException {
        Path file = directory.resolve("store").resolve(key);
        FileTime modified = Files.getLastModifiedTime(file);
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length / 2] ^= 1;
        Files.write(file, bytes);
        Files.setLastModifiedTime(
                file,
                asIfNothingHappened ? modified : FileTime.fromMillis(modified.toMillis() + 5_000));
    }

    @Test
    void whatWasFoundGoodIsRememberedInTheStore() throws IOException {
        verified(0, layers.size(), 0, "--full", "--since-last", "--json");
        verified(0, 0, layers.size(), "--full", "--since-last", "--json");
        assertNotNull(json().get("oldest_proof"));
        // Without it nothing of that counts.
        verified(0, layers.size(), 0, "--full", "--json");
        verified(0, layers.size(), 0, "--full", "--since-last", "--again-after", "0s", "--json");
        // It is no layer, and nobody's garbage.
        assertEquals(0, run("scrub", "--json"), out + "" + err);
        assertEquals(0, json().get("findings").size());
    }

    @Test
    void aRunGoesOnWhereOneWasBrokenOff() throws IOException {
        String file = directory.resolve("proofs").toString();
        verified(0, 3, 0, "--sample", "3", "--proofs", file, "--json");
        assertEquals(layers.size() - 3, json().get("not_read").asInt());
        verified(0, 2, 3, "--sample", "2", "--since-last", "--proofs", file, "--json");
        verified(0, layers.size() - 5, 5, "--full", "--since-last", "--proofs", file, "--json");
        assertEquals(file, json().get("remembered_in").asText());
        assertEquals(0, run("verify", "--full", "--since-last", "--proofs", file));
        assertTrue(out.toString().startsWith("verified 0 layers, 0 B: good"), "" + out);
        assertTrue(out.toString().contains(layers.size() + " more were found good"), "" + out);
    }

    @Test
    void whatIsNotThatObjectAnyMoreIsReadAgain() throws IOException {
        verified(0, layers.size(), 0, "--full", "--since-last", "--json");
        store().delete(List.of(layers.first()));
        flip(layers.last(), false);
        verified(6, 2, layers.size() - 2, "--full", "--since-last", "--json");
        assertEquals(2, json().get("damaged").size());
        // What was found damaged is found again until it is mended.
        verified(6, 2, layers.size() - 2, "--full", "--since-last", "--json");
        put(layers.first(), GoldenStore.read(1, layers.first()));
        put(layers.last(), GoldenStore.read(1, layers.last()));
        verified(0, 2, layers.size() - 2, "--full", "--since-last", "--json");
    }

    @Test
    void rotThatNoListShowsIsFoundAgainAfterATime() throws IOException {
        verified(0, layers.size(), 0, "--full", "--since-last", "--json");
        flip(layers.first(), true);
        verified(0, 0, layers.size(), "--full", "--since-last", "--again-after", "1d", "--json");
        verified(6, layers.size(), 0, "--full", "--since-last", "--again-after", "0s", "--json");
        // From then on it is known.
        verified(6, 1, layers.size() - 1, "--full", "--since-last", "--json");
        assertEquals(layers.first(), json().at("/damaged/0/key").asText());
    }

    @Test
    void whatIsDamagedSaysWhatToDo() throws IOException {
        store().delete(List.of(layers.first()));
        long length = GoldenStore.read(1, layers.first()).length;
        assertEquals(6, run("verify", "--full"), out + "" + err);
        assertTrue(
                out.toString()
                        .contains(
                                layers.first()
                                        + ": DAMAGED: expected "
                                        + length
                                        + " bytes (by the index), found no such object"),
                "" + out);
        assertTrue(out.toString().contains("\n  next: reads that need it fail"), "" + out);
    }

    @Test
    void whatNobodyNamesAnyMoreIsForgotten() throws IOException {
        Path file = directory.resolve("proofs");
        verified(0, layers.size(), 0, "--full", "--proofs", file.toString(), "--json");
        assertEquals(layers.size(), Proofs.decode(Files.readAllBytes(file), "f").size());
        manifest(Generation.FIRST, timelines.subList(0, 1));
        assertEquals(
                0,
                run("verify", "--full", "--since-last", "--proofs", file.toString(), "--json"),
                out + "" + err);
        int left = json().get("good_before").asInt();
        assertTrue(left < layers.size(), "" + out);
        assertEquals(left, Proofs.decode(Files.readAllBytes(file), "f").size());
    }

    @Test
    void aRecordThatIsNoneIsRefused() throws IOException {
        Path file = directory.resolve("proofs");
        verified(0, layers.size(), 0, "--full", "--proofs", file.toString(), "--json");
        byte[] good = Files.readAllBytes(file);
        for (int at : List.of(0, 30, good.length / 2, good.length - 2)) {
            byte[] bad = good.clone();
            bad[at] ^= 1;
            Files.write(file, bad);
            assertEquals(4, run("verify", "--full", "--proofs", file.toString()), out + "" + err);
            assertTrue(err.toString().contains(file + ", line "), "" + err);
            assertTrue(err.toString().contains("delete it"), "" + err);
        }
        assertEquals(2, run("verify", "--full", "--again-after", "1d"), out + "" + err);
        assertEquals(2, run("verify", "--full", "--since-last", "--again-after", "soon"));
    }

    private RemoteStore remote() {
        return new RemoteStore(
                store(),
                new SystemClock(),
                new SystemTasks((event, subject, detail) -> {}, (task, failure) -> {}),
                new SecureIds(),
                (event, subject, detail) -> {},
                RemoteLimits.DEFAULT);
    }

    @Test
    void twoRunsAtOnceKeepWhatBothFoundButNotWhatOneFoundDamaged() {
        ProofsPlace.InStore here = new ProofsPlace.InStore(remote());
        ProofsPlace.InStore there = new ProofsPlace.InStore(remote());
        Proofs before = here.load();
        before.add("both", PROOF);
        before.add("rotten", PROOF);
        here.save(before);
        Proofs ours = here.load();
        Proofs theirs = there.load();
        ours.add("ours", PROOF);
        ours.disprove("rotten");
        theirs.add("theirs", PROOF);
        there.save(theirs);
        here.save(ours);
        Proofs found = there.load();
        assertEquals(3, found.size());
        assertNotNull(found.find("ours"));
        assertNotNull(found.find("theirs"));
        assertNull(found.find("rotten"));
    }

    @Test
    void aRecordReadsBackAsItWas() {
        Proofs proofs = new Proofs();
        proofs.add("tenants/a/b", PROOF);
        proofs.add("c", new Proofs.Proof(1L << 40, -1, 0, 1_700_000_000_123L));
        Proofs back = Proofs.decode(proofs.encode(), "x");
        assertEquals(PROOF, back.find("tenants/a/b"));
        assertEquals(proofs.find("c"), back.find("c"));
        assertFalse(PROOF.holds(new Entry("k", 2, 3_000)));
        assertTrue(PROOF.holds(new Entry("k", 1, 3_900)));
        PageserverException e =
                assertThrows(PageserverException.class, () -> Proofs.decode(new byte[0], "x"));
        assertEquals(ErrorCode.PRECONDITION_FAILED, e.code());
    }
}
