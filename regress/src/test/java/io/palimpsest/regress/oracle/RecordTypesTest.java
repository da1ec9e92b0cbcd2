package io.palimpsest.regress.oracle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.redo.PageRedo;
import io.palimpsest.redo.RedoCheck;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.wal.WalDecoder;
import io.palimpsest.wal.WalRecord;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class RecordTypesTest {
    static List<String> sections() {
        return RecordedWal.checkedNames();
    }

    /** Every record of a real section is of a type that the table knows for that version. */
    @ParameterizedTest
    @MethodSource("sections")
    void everyRecordHasALine(String name) {
        RecordedWal wal = RecordedWal.load(name);
        PgVersion version = PgVersion.ofMajor(wal.major());
        RedoCheck check =
                new RedoCheck(
                        RedoCheck.Engine.of(
                                new PageRedo(new RedoContext(version, wal.hintBitsLogged()))),
                        10_000,
                        finding -> {});
        WalDecoder decoder =
                new WalDecoder(
                        version,
                        wal.startLsn(),
                        wal.segmentSize(),
                        wal.systemIdentifier(),
                        1 << 30);
        decoder.feed(wal.bytes(), 0, wal.bytes().length);
        WalRecord record = new WalRecord();
        while (decoder.next(record)) {
            check.record(record);
        }
        RecordTypes types = new RecordTypes(wal.major());
        types.add(check);
        String text = types.text();
        assertFalse(text.contains("not in the list"), text);
        assertTrue(types.seen() > 80, text);
        assertTrue(text.contains("NOOP") && text.contains("not seen: no server writes it"), text);
        assertEquals(
                types.types().size(),
                types.seen()
                        + types.missed().size()
                        + text.lines().filter(l -> l.contains("not seen: ")).count());
    }
}
