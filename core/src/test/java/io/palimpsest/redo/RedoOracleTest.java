package io.palimpsest.redo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.Prng;
import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalDecoder;
import io.palimpsest.wal.WalRecord;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Redo against PostgreSQL's own answer: every record of the recorded sections through {@link
 * RedoCheck}. Prints what was covered.
 */
final class RedoOracleTest {
    private static final int MESSAGES = 20;
    private static final int MAX_PAGES = 100_000;

    private final List<String> wrong = new ArrayList<>();

    static List<String> sections() {
        return RecordedWal.checkedNames();
    }

    static List<String> imageSections() {
        return RecordedWal.imageNames();
    }

    @ParameterizedTest
    @MethodSource("sections")
    void redoGivesThePagesTheServerLogged(String name) {
        RecordedWal wal = RecordedWal.load(name);
        RedoCheck check = new RedoCheck(RedoCheck.Engine.of(redo(wal)), MAX_PAGES, this::note);
        replay(wal, check, new WalRecord());
        System.out.print(table(name, check));
        assertTrue(
                check.total().checked() > 10_000,
                name + ": only " + check.total().checked() + " records were compared");
        assertEquals(List.of(), wrong, name);
        assertEquals(0, check.finish(), name + ": bits of visibility maps cleared by no record");
    }

    /** Without images to compare with: every record applies. */
    @ParameterizedTest
    @MethodSource("imageSections")
    void redoTakesEveryRecord(String name) {
        RecordedWal wal = RecordedWal.load(name);
        RedoCheck check = new RedoCheck(RedoCheck.Engine.of(redo(wal)), MAX_PAGES, this::note);
        replay(wal, check, new WalRecord());
        assertEquals(List.of(), wrong, name);
    }

    /**
     * One byte that the masks do not hide, changed after each redo, is found each time: for every
     * kind of record that there is anything to compare of.
     */
    @ParameterizedTest
    @MethodSource("sections")
    void everyPlantedByteIsFound(String name) {
        RecordedWal wal = RecordedWal.load(name);
        WalRecord record = new WalRecord();
        RedoCheck.Engine redo = RedoCheck.Engine.of(redo(wal));
        Prng prng = new Prng(wal.major());
        RedoCheck.Engine damaging =
                (change, page) -> {
                    redo.apply(change, page);
                    byte[] value = change.value();
                    if (value[0] == StoredValue.RECORD) {
                        damage(page, record, value[8], prng);
                    }
                };
        RedoCheck check = new RedoCheck(damaging, MAX_PAGES, finding -> {});
        replay(wal, check, record);
        TreeSet<String> damaged = new TreeSet<>();
        for (int rmid = 0; rmid <= Rmgr.LOGICALMSG; rmid++) {
            for (int info = 0; info < 256; info += 16) {
                RedoCheck.Tally tally = check.tally(rmid, info);
                if (tally != null && tally.checked() > 0) {
                    damaged.add(Rmgr.name(rmid));
                    assertTrue(
                            tally.mismatches() >= tally.checked(),
                            String.format(
                                    "%s: %s info %02X: %d records compared, %d found wrong",
                                    name,
                                    Rmgr.name(rmid),
                                    info,
                                    tally.checked(),
                                    tally.mismatches()));
                }
            }
        }
        assertEquals(
                new TreeSet<>(
                        List.of(
                                "HEAP", "HEAP2", "BTREE", "HASH", "GIN", "GIST", "SEQ", "SPGIST",
                                "BRIN", "GENERIC")),
                damaged,
                name);
    }

    /**
     * What brings no image to compare with is found out by the next record of its page that does:
     * whole page images, and the values made of records that clear bits of a visibility map without
     * naming it.
     */
    @ParameterizedTest
    @MethodSource("sections")
    void aByteThatIsNotComparedAtOnceIsFoundLater(String name) {
        RecordedWal wal = RecordedWal.load(name);
        RedoCheck.Engine redo = RedoCheck.Engine.of(redo(wal));
        int[] planted = new int[2];
        RedoCheck.Engine images =
                (change, page) -> {
                    redo.apply(change, page);
                    byte[] value = change.value();
                    boolean image = value[0] == StoredValue.RECORD && value[2] == Rmgr.XLOG;
                    if (image && change.relation().fork() == RelTag.MAIN) {
                        page[Page.SIZE - 1 - planted[0]++ % 32] ^= 1;
                    }
                };
        RedoCheck.Engine clears =
                (change, page) -> {
                    redo.apply(change, page);
                    if (change.value()[0] == StoredValue.VM_CLEAR) {
                        planted[1]++;
                        loseBit(page);
                    }
                };
        List<RedoCheck.Engine> engines = List.of(images, clears);
        for (int i = 0; i < engines.size(); i++) {
            RedoCheck check = new RedoCheck(engines.get(i), MAX_PAGES, finding -> {});
            replay(wal, check, new WalRecord());
            // Some minor releases name the map's page in each record that clears its bits.
            assertTrue(
                    i == 1 && planted[i] == 0 || check.total().mismatches() > 0,
                    name + ": " + planted[i] + " planted, none found, by engine " + i);
        }
    }

    /** Pages beyond the limit are forgotten, and what is known again is checked again. */
    @Test
    void memoryIsBounded() {
        RecordedWal wal = RecordedWal.load("pg17");
        RedoCheck check = new RedoCheck(RedoCheck.Engine.of(redo(wal)), 8, this::note);
        replay(wal, check, new WalRecord());
        assertEquals(8, check.pages());
        assertTrue(check.forgotten() > 100, "forgotten: " + check.forgotten());
        assertTrue(check.total().withoutBase() > 100, "no base: " + check.total().withoutBase());
        assertTrue(check.total().checked() > 5_000, "checked: " + check.total().checked());
        assertEquals(List.of(), wrong);
    }

    /** Flips a bit of a byte that is compared; nothing if the block is not compared. */
    private static void damage(byte[] page, WalRecord r, int index, Prng prng) {
        if (!r.hasImage(index) || r.appliesImage(index)) {
            return;
        }
        PageMask.Kind kind = PageMask.Kind.of(r.rmid(), r.fork(index));
        if (kind == null) {
            return;
        }
        if (kind == PageMask.Kind.VISIBILITY_MAP) {
            loseBit(page);
            return;
        }
        byte[] masked = page.clone();
        PageMask.mask(masked, kind, r.blockNumber(index));
        while (true) {
            int at = prng.nextInt(Page.SIZE);
            byte was = page[at];
            page[at] ^= (byte) (1 << prng.nextInt(8));
            byte[] changed = page.clone();
            PageMask.mask(changed, kind, r.blockNumber(index));
            if (!Arrays.equals(masked, changed)) {
                return;
            }
            page[at] = was;
        }
    }

    /** A bit of a visibility map: one too many could be one that the server cleared early. */
    private static void loseBit(byte[] map) {
        for (int at = Page.HEADER; at < Page.SIZE; at++) {
            if (map[at] != 0) {
                map[at] &= (byte) (map[at] - 1);
                return;
            }
        }
    }

    private static PageRedo redo(RecordedWal wal) {
        return new PageRedo(new RedoContext(PgVersion.ofMajor(wal.major()), wal.hintBitsLogged()));
    }

    private static void replay(RecordedWal wal, RedoCheck check, WalRecord record) {
        WalDecoder decoder =
                new WalDecoder(
                        PgVersion.ofMajor(wal.major()),
                        wal.startLsn(),
                        wal.segmentSize(),
                        wal.systemIdentifier(),
                        1 << 30);
        decoder.feed(wal.bytes(), 0, wal.bytes().length);
        while (decoder.next(record)) {
            check.record(record);
        }
        assertEquals(wal.endLsn(), decoder.position(), "decoded to the end");
    }

    private void note(RedoCheck.Finding finding) {
        WalRecord r = finding.record();
        if (wrong.size() < MESSAGES) {
            wrong.add(
                    String.format(
                            "%s %s info %02X rel %d fork %d block %d: %s",
                            Lsn.toString(r.startLsn()),
                            Rmgr.name(r.rmid()),
                            r.info(),
                            r.rel(finding.index()),
                            r.fork(finding.index()),
                            r.blockNumber(finding.index()),
                            finding.what()));
        } else {
            wrong.set(MESSAGES - 1, "... and more");
        }
    }

    private static String table(String name, RedoCheck check) {
        StringBuilder out = new StringBuilder(name);
        out.append(": rmgr, info      seen  checked mismatch unsupported no-base\n");
        for (int rmid = 0; rmid <= Rmgr.LOGICALMSG; rmid++) {
            for (int info = 0; info < 256; info += 16) {
                RedoCheck.Tally c = check.tally(rmid, info);
                if (c != null) {
                    out.append(
                            String.format(
                                    "  %-12s %02X %8d %8d %8d %8d %8d%n",
                                    Rmgr.name(rmid),
                                    info,
                                    c.seen(),
                                    c.checked(),
                                    c.mismatches(),
                                    c.unsupported(),
                                    c.withoutBase()));
                }
            }
        }
        return out.toString();
    }
}
