package io.palimpsest.redo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.VisibilityMap;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalDecoder;
import io.palimpsest.wal.WalRecord;
import io.palimpsest.wal.WalWriter;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the check says about visibility maps, whose pages change in ways no record registers. */
final class RedoCheckTest {
    private static final long START = 0x100_0028L;
    private static final int SEGMENT = 1 << 24;
    private static final int SPC = 1663;
    private static final int DB = 5;
    private static final int REL = 16384;

    private final ByteSink out = new ByteSink(Page.SIZE);
    private final WalWriter wal = new WalWriter(PgVersion.V17, START, SEGMENT, 1, 1, 0, out);
    private final List<String> wrong = new ArrayList<>();
    private final RedoCheck check =
            new RedoCheck(
                    RedoCheck.Engine.of(new PageRedo(new RedoContext(PgVersion.V17, false))),
                    100,
                    finding -> wrong.add(finding.what()));

    private void replay() {
        WalDecoder decoder = new WalDecoder(PgVersion.V17, START, SEGMENT, 1, 1 << 20);
        decoder.feed(out.array(), 0, out.size());
        WalRecord record = new WalRecord();
        while (decoder.next(record)) {
            check.record(record);
        }
    }

    private static byte[] map(int... blocks) {
        byte[] page = new byte[Page.SIZE];
        Page.init(page, 0);
        for (int block : blocks) {
            VisibilityMap.set(page, block, 3);
        }
        return page;
    }

    /** An image of the map's page, to restore. */
    private void image(byte[] map, boolean standard) {
        wal.begin(Rmgr.XLOG, 0xB0, 0);
        wal.block(0, RelTag.VM, SPC, DB, REL, 0);
        wal.image(map, standard, true);
        wal.end();
    }

    /** Heap block is visible and frozen; the map's page afterwards. */
    private void visible(int block, byte[] map) {
        wal.begin(Rmgr.HEAP2, 0x40 | 2, 0);
        wal.block(0, RelTag.VM, SPC, DB, REL, 0);
        wal.image(map, false, false);
        wal.block(1, RelTag.MAIN, SPC, DB, REL, block);
        wal.mainData(new byte[] {0, 0, 0, 0, 3});
        wal.end();
    }

    /** A delete that clears the bits of the heap block. */
    private void delete(int block) {
        wal.begin(Rmgr.HEAP, 0x10, 700);
        wal.block(0, RelTag.MAIN, SPC, DB, REL, block);
        wal.mainData(new byte[] {0, 0, 0, 0, 1, 0, 0, 1});
        wal.end();
    }

    private void truncate(int blocks) {
        ByteSink main = new ByteSink(20);
        for (int value : new int[] {blocks, SPC, DB, REL, 7}) {
            main.i32(value);
        }
        wal.begin(Rmgr.SMGR, 0x20, 0);
        wal.mainData(main.array(), 0, main.size());
        wal.end();
    }

    @Test
    void aBitIsCompared() {
        image(map(1, 2), false);
        visible(3, map(1, 2, 3));
        visible(4, map(1, 2, 3, 4, 5));
        visible(6, map(1, 2, 3, 4, 5, 6));
        replay();
        assertEquals(3, check.total().checked());
        assertEquals(1, check.total().mismatches(), wrong::toString);
        assertTrue(wrong.getFirst().startsWith("first difference at 25"), wrong::toString);
        assertEquals(0, check.finish());
    }

    /** The image says nothing of the bits, so the page is unknown until the next one. */
    @Test
    void anImageWithoutItsBitsIsNoBase() {
        image(map(1, 2), true);
        visible(3, map(1, 2, 3));
        visible(4, map(1, 2, 3, 4));
        replay();
        assertEquals(List.of(), wrong);
        assertEquals(1, check.total().checked());
    }

    @Test
    void aRecordClearsWhatItDoesNotRegister() {
        image(map(1, 2), false);
        delete(2);
        visible(3, map(1, 3));
        replay();
        assertEquals(List.of(), wrong);
        assertEquals(1, check.total().checked());
        assertEquals(0, check.finish());
    }

    @Test
    void aBitMayBeClearedBeforeItsRecord() {
        image(map(1, 2), false);
        visible(3, map(1, 3));
        delete(2);
        visible(2, map(1, 2, 3));
        replay();
        assertEquals(List.of(), wrong);
        assertEquals(0, check.finish());
    }

    @Test
    void aBitClearedByNoRecordIsFoundInTheEnd() {
        image(map(1, 2), false);
        visible(3, map(1, 3));
        replay();
        assertEquals(0, check.total().mismatches());
        assertEquals(1, check.finish());
        assertEquals(1, check.total().mismatches());
    }

    @Test
    void aBitClearedByNoRecordIsFoundWhenItIsSetAgain() {
        image(map(1, 2), false);
        visible(3, map(1, 3));
        visible(2, map(1, 2, 3));
        replay();
        assertEquals(1, check.total().mismatches(), wrong::toString);
    }

    @Test
    void truncationCutsTheMap() {
        image(map(1, 2, 9), false);
        truncate(2);
        visible(0, map(0, 1));
        replay();
        assertEquals(List.of(), wrong);
        assertEquals(1, check.total().checked());
    }
}
