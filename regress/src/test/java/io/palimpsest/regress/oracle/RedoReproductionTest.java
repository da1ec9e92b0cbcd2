package io.palimpsest.regress.oracle;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.PageserverException;
import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.redo.PageRedo;
import io.palimpsest.redo.RedoCheck;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalDecoder;
import io.palimpsest.wal.WalRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class RedoReproductionTest {
    private static final RecordedWal WAL = RecordedWal.load("pg17");
    private static final RedoContext CONTEXT =
            new RedoContext(PgVersion.ofMajor(WAL.major()), WAL.hintBitsLogged());

    @TempDir private Path directory;

    /** What a broken engine leaves behind fails with it and passes with the right one. */
    @Test
    void aFindingIsMetAgainFromItsFile() throws IOException {
        RedoCheck.Engine right = RedoCheck.Engine.of(new PageRedo(CONTEXT));
        RedoCheck.Engine broken =
                (change, page) -> {
                    right.apply(change, page);
                    if (change.value()[2] == Rmgr.BTREE) {
                        page[17] ^= 1;
                    }
                };
        Path file = directory.resolve("finding.redo");
        RedoReproduction written = findings(broken, 50).getLast();
        written.write(file);
        RedoReproduction read = RedoReproduction.read(file);
        assertEquals(Rmgr.BTREE, read.parsed().rmid());
        assertEquals(CONTEXT, read.context());
        assertEquals(written.what(), read.what());
        assertArrayEquals(written.before(), read.before());
        assertArrayEquals(written.expected(), read.expected());
        assertArrayEquals(written.found(), read.found());
        String again = read.run(broken);
        assertNotNull(again);
        assertTrue(again.startsWith("first difference at 17"), again);
        assertTrue(written.what().startsWith(again.substring(0, 30)), written.what());
        assertNull(read.run(RedoCheck.Engine.of(new PageRedo(read.context()))));
    }

    /** An engine that throws leaves a finding without a page of its own. */
    @Test
    void aRefusalIsMetAgain() throws IOException {
        RedoCheck.Engine right = RedoCheck.Engine.of(new PageRedo(CONTEXT));
        RedoCheck.Engine refusing =
                (change, page) -> {
                    if (change.value()[2] == Rmgr.SEQ) {
                        throw PageserverException.corruption("no\nsequences");
                    }
                    right.apply(change, page);
                };
        Path file = directory.resolve("finding.redo");
        findings(refusing, 1).getFirst().write(file);
        RedoReproduction read = RedoReproduction.read(file);
        assertNull(read.found());
        assertEquals("no sequences", read.what());
        assertEquals("no\nsequences", read.run(refusing));
        assertNull(read.run(right));
    }

    @Test
    void anotherFileIsRefused() throws IOException {
        Path file = directory.resolve("finding.redo");
        Files.writeString(file, "version=17\nhintBitsLogged=true\nwhat=x\nstartLsn=0/10\n");
        IOException e = assertThrows(IOException.class, () -> RedoReproduction.read(file));
        assertTrue(String.valueOf(e.getMessage()).contains("no endLsn"), e::getMessage);
    }

    private static List<RedoReproduction> findings(RedoCheck.Engine engine, int count) {
        List<RedoReproduction> findings = new ArrayList<>();
        RedoCheck check =
                new RedoCheck(
                        engine,
                        10_000,
                        finding -> findings.add(RedoReproduction.of(CONTEXT, finding)));
        WalDecoder decoder =
                new WalDecoder(
                        CONTEXT.version(),
                        WAL.startLsn(),
                        WAL.segmentSize(),
                        WAL.systemIdentifier(),
                        1 << 30);
        decoder.feed(WAL.bytes(), 0, WAL.bytes().length);
        WalRecord record = new WalRecord();
        while (findings.size() < count && decoder.next(record)) {
            check.record(record);
        }
        assertFalse(findings.isEmpty(), "the engine was found right");
        assertNotNull(findings.getLast());
        return findings;
    }
}
