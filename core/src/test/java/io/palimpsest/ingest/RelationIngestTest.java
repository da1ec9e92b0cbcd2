package io.palimpsest.ingest;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.VisibilityMap;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.Rmgr;
import java.util.Arrays;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Relations, their blocks, databases and tablespaces, record by record. */
class RelationIngestTest {
    private static final int SPC = Ingesting.SPC;
    private static final int DB = Ingesting.DB;
    private static final int REL = Ingesting.REL;
    private static final int HEAP_BLOCKS = VisibilityMap.HEAP_BLOCKS_PER_PAGE;

    private final Ingesting wal = new Ingesting(PgVersion.V16);

    private static byte[] page(int fill) {
        byte[] page = new byte[Page.SIZE];
        Page.init(page, 0);
        Arrays.fill(page, 100, Page.SIZE, (byte) fill);
        return page;
    }

    private long image(Ingesting into, int fork, int block, int fill) {
        return into.begin(Rmgr.XLOG, XlogInfo.FPI, 0)
                .block(0, fork, REL, block)
                .image(page(fill))
                .end();
    }

    private long truncate(int blocks, int flags) {
        return wal.begin(Rmgr.SMGR, 0x21, 0).ints(blocks, SPC, DB, REL, flags).end();
    }

    private static void assertZero(byte[] page) {
        assertArrayEquals(new byte[Page.SIZE], page);
    }

    @Test
    void aBlockFarBehindTheEndExtendsWithZeros() {
        long lsn = image(wal, RelTag.MAIN, 5, 7);
        assertEquals(6, wal.size(REL, RelTag.MAIN));
        for (int block = 0; block < 5; block++) {
            assertZero(wal.page(REL, RelTag.MAIN, block, lsn));
        }
        byte[] last = wal.page(REL, RelTag.MAIN, 5, lsn);
        assertEquals(7, last[200]);
        assertEquals(lsn, Page.lsn(last));
        assertEquals(-1, wal.size(REL, RelTag.FSM));
    }

    @Test
    void aRecordMayExtendByBlocksInAnyOrder() {
        wal.begin(Rmgr.XLOG, XlogInfo.FPI, 0);
        int[] blocks = {6, 2, 4, 0, 9};
        for (int i = 0; i < blocks.length; i++) {
            wal.block(i, RelTag.MAIN, REL, blocks[i]).image(page(blocks[i] + 1));
        }
        long lsn = wal.end();
        assertEquals(10, wal.size(REL, RelTag.MAIN));
        for (int block : blocks) {
            assertEquals(block + 1, wal.page(REL, RelTag.MAIN, block, lsn)[200]);
        }
        assertZero(wal.page(REL, RelTag.MAIN, 5, lsn));
    }

    @Test
    void whatWasTruncatedDoesNotShineThroughWhenTheRelationGrowsAgain() {
        for (int block = 0; block < 5; block++) {
            image(wal, RelTag.MAIN, block, 1);
        }
        long before = image(wal, RelTag.MAIN, 4, 2);
        truncate(2, 1);
        assertEquals(2, wal.size(REL, RelTag.MAIN));
        long after = image(wal, RelTag.MAIN, 6, 3);
        assertEquals(7, wal.size(REL, RelTag.MAIN));
        assertEquals(2, wal.page(REL, RelTag.MAIN, 4, before)[200]);
        assertZero(wal.page(REL, RelTag.MAIN, 4, after));
        assertEquals(1, wal.page(REL, RelTag.MAIN, 1, after)[200]);
    }

    @Test
    void aRecordForABlockThatWasNeverInitialisedFailsWhenRead() {
        image(wal, RelTag.MAIN, 3, 1);
        truncate(3, 1);
        long lsn =
                wal.begin(Rmgr.HEAP, 0x60, 700)
                        .block(0, RelTag.MAIN, REL, 3)
                        .ints(700)
                        .main((byte) 1, (byte) 0, (byte) 0, (byte) 0)
                        .end();
        assertEquals(4, wal.size(REL, RelTag.MAIN));
        assertThrows(PageserverException.class, () -> wal.page(REL, RelTag.MAIN, 3, lsn));
    }

    @Test
    void block4294967295AndAbsurdGapsAreRefused() {
        Ingesting a = new Ingesting(PgVersion.V16);
        PageserverException e =
                assertThrows(PageserverException.class, () -> image(a, RelTag.MAIN, -1, 1));
        assertEquals(ErrorCode.CORRUPTION, e.code());
        Ingesting b = new Ingesting(PgVersion.V16);
        e = assertThrows(PageserverException.class, () -> image(b, RelTag.MAIN, 1 << 30, 1));
        assertEquals(ErrorCode.UNSUPPORTED, e.code());
    }

    @Test
    void truncationCutsAllThreeForks() {
        image(wal, RelTag.MAIN, 9, 1);
        byte[] map = page(0xFF);
        Arrays.fill(map, Page.HEADER, Page.SIZE, (byte) 0xFF);
        for (int block = 0; block < 3; block++) {
            wal.begin(Rmgr.XLOG, XlogInfo.FPI, 0).block(0, RelTag.VM, REL, block).image(map).end();
        }
        image(wal, RelTag.FSM, 5, 9);
        int blocks = HEAP_BLOCKS + 6;
        long lsn = truncate(blocks, 7);
        assertEquals(10, wal.size(REL, RelTag.MAIN), "never extends");
        assertEquals(2, wal.size(REL, RelTag.VM));
        byte[] partial = wal.page(REL, RelTag.VM, 1, lsn);
        assertEquals((byte) 0xFF, partial[Page.HEADER]);
        assertEquals(0x0F, partial[Page.HEADER + 1], "blocks 4 and 5 of 4..7");
        assertEquals(0, partial[Page.HEADER + 2]);
        // Bottom page 8 of the FSM holds this block: physical page 1 + 1 + 8.
        assertEquals(6, wal.size(REL, RelTag.FSM));

        lsn = truncate(3, 7);
        assertEquals(3, wal.size(REL, RelTag.MAIN));
        assertEquals(1, wal.size(REL, RelTag.VM));
        assertEquals(3, wal.size(REL, RelTag.FSM));
        assertZero(wal.page(REL, RelTag.FSM, 2, lsn));
        truncate(0, 7);
        assertEquals(0, wal.size(REL, RelTag.MAIN));
        assertEquals(0, wal.size(REL, RelTag.VM));
        assertEquals(2, wal.size(REL, RelTag.FSM), "the root pages stay");
    }

    @Test
    void forksAreCreatedAtCreateAndDroppedAtCommitAndAbort() {
        wal.begin(Rmgr.SMGR, 0x11, 700).ints(SPC, DB, REL, RelTag.MAIN).end();
        wal.begin(Rmgr.SMGR, 0x11, 700).ints(SPC, DB, REL, RelTag.INIT).end();
        assertEquals(0, wal.size(REL, RelTag.MAIN));
        assertEquals(0, wal.size(REL, RelTag.INIT));
        image(wal, RelTag.VM, 0, 1);
        wal.begin(Rmgr.XACT, 0x80, 700).longs(1).ints(4).ints(1, SPC, DB, REL).end();
        for (int fork = 0; fork < 4; fork++) {
            assertEquals(-1, wal.size(REL, fork), "fork " + fork);
        }
        wal.begin(Rmgr.SMGR, 0x11, 701).ints(SPC, DB, REL + 1, RelTag.MAIN).end();
        wal.begin(Rmgr.XACT, 0xA1, 701).longs(1).ints(4).ints(1, SPC, DB, REL + 1).end();
        assertEquals(-1, wal.size(REL + 1, RelTag.MAIN));
    }

    @Test
    void pageImagesForHintsMayBeMissingOthersMayNot() {
        image(wal, RelTag.MAIN, 0, 1);
        wal.begin(Rmgr.XLOG, XlogInfo.FPI_FOR_HINT, 0).block(0, RelTag.MAIN, REL, 0).end();
        assertEquals(
                1,
                wal.history
                        .values()
                        .getOrDefault(Keys.block(new RelTag(SPC, DB, REL, 0), 0), new TreeMap<>())
                        .size());
        wal.begin(Rmgr.XLOG, XlogInfo.FPI, 0).block(0, RelTag.MAIN, REL, 0);
        assertThrows(PageserverException.class, wal::end);
    }

    // ---- visibility map ----

    /** Map pages of REL, all bits set, for heap blocks up to the second page's end. */
    private void visibleMaps() {
        byte[] map = page(0xFF);
        Arrays.fill(map, Page.HEADER, Page.SIZE, (byte) 0xFF);
        for (int block = 0; block < 2; block++) {
            wal.begin(Rmgr.XLOG, XlogInfo.FPI, 0).block(0, RelTag.VM, REL, block).image(map).end();
        }
    }

    private int bits(int heapBlock, long lsn) {
        byte[] map = wal.page(REL, RelTag.VM, VisibilityMap.mapBlock(heapBlock), lsn);
        return map[VisibilityMap.mapByte(heapBlock)] >> VisibilityMap.shift(heapBlock) & 3;
    }

    private Ingesting heap(int rmid, int info, int block) {
        return wal.begin(rmid, info, 700).block(0, RelTag.MAIN, REL, block).image(page(1));
    }

    @Test
    void flagsOfInsertDeleteAndLockClearBits() {
        visibleMaps();
        long lsn = heap(Rmgr.HEAP, 0x00, 1).main((byte) 1, (byte) 0, (byte) 1).end();
        assertEquals(0, bits(1, lsn));
        assertEquals(3, bits(0, lsn));
        byte[] map = wal.page(REL, RelTag.VM, 0, lsn);
        assertTrue(Page.lsn(map) < lsn, "the map page's LSN stays");
        lsn = heap(Rmgr.HEAP, 0x10, 2).ints(700).ints(0x0100_0001).end();
        assertEquals(0, bits(2, lsn));
        lsn = heap(Rmgr.HEAP, 0x60, 3).ints(700).ints(0x0100_0001).end();
        assertEquals(VisibilityMap.ALL_VISIBLE, bits(3, lsn));
        lsn = heap(Rmgr.HEAP2, 0x60, 4).ints(700).ints(0x0100_0001).end();
        assertEquals(VisibilityMap.ALL_VISIBLE, bits(4, lsn));
        lsn = heap(Rmgr.HEAP2, 0x50, 5).ints(0x0001_0001).end();
        assertEquals(0, bits(5, lsn));
        lsn = heap(Rmgr.HEAP, 0x00, 6).main((byte) 1, (byte) 0, (byte) 2).end();
        assertEquals(3, bits(6, lsn), "no flag");
    }

    @ParameterizedTest
    @ValueSource(ints = {0x20, 0x40})
    void updatesClearOldAndNew(int op) {
        visibleMaps();
        long lsn = update(op, 3, 10, 11);
        assertEquals(0, bits(10, lsn));
        assertEquals(0, bits(11, lsn));
        assertEquals(3, bits(12, lsn));
        lsn = update(op, 3, 20, HEAP_BLOCKS + 4);
        assertEquals(0, bits(20, lsn));
        assertEquals(0, bits(HEAP_BLOCKS + 4, lsn));
        lsn = update(op, 1, 30, 31);
        assertEquals(3, bits(30, lsn));
        assertEquals(0, bits(31, lsn));
        lsn = update(op, 2, 32, 33);
        assertEquals(0, bits(32, lsn));
        assertEquals(3, bits(33, lsn));
        lsn = update(op, 3, 40, 40);
        assertEquals(0, bits(40, lsn));
        lsn = update(op, 1, 41, 41);
        assertEquals(0, bits(41, lsn));
    }

    /** Flags: 1 old block cleared, 2 new. Block 1 is there only if it is another one. */
    private long update(int op, int flags, int newBlock, int oldBlock) {
        heap(Rmgr.HEAP, op, newBlock);
        if (newBlock != oldBlock) {
            wal.block(1, RelTag.MAIN, REL, oldBlock).image(page(1));
        }
        return wal.ints(700, 1 | flags << 24, 701, 1).end();
    }

    @Test
    void registeredMapPagesAreBlocksLikeAny() {
        visibleMaps();
        Key map = Keys.block(new RelTag(SPC, DB, REL, RelTag.VM), 0);
        wal.begin(Rmgr.HEAP, 0x00, 700)
                .block(0, RelTag.MAIN, REL, 1)
                .image(page(1))
                .block(1, RelTag.VM, REL, 0)
                .main((byte) 1, (byte) 0, (byte) 1);
        assertRecord(map, wal.end());
        // Only the old block's map page is registered: what it covers is all there is to clear.
        wal.begin(Rmgr.HEAP, 0x20, 700)
                .block(0, RelTag.MAIN, REL, HEAP_BLOCKS)
                .image(page(1))
                .block(1, RelTag.MAIN, REL, 1)
                .image(page(1))
                .block(3, RelTag.VM, REL, 0)
                .ints(700, 1 | 3 << 24, 701, 1);
        long lsn = wal.end();
        assertRecord(map, lsn);
        assertEquals(3, bits(HEAP_BLOCKS, lsn));
    }

    private void assertRecord(Key key, long lsn) {
        TreeMap<Long, byte[]> values = wal.history.values().get(key);
        assertNotNull(values);
        byte[] value = values.get(lsn);
        assertNotNull(value);
        assertEquals(StoredValue.RECORD, value[0]);
    }

    @Test
    void aMapPageThatDoesNotExistHasNothingToClear() {
        heap(Rmgr.HEAP, 0x00, 1).main((byte) 1, (byte) 0, (byte) 1).end();
        assertEquals(-1, wal.size(REL, RelTag.VM));
        visibleMaps();
        heap(Rmgr.HEAP, 0x00, 2 * HEAP_BLOCKS).main((byte) 1, (byte) 0, (byte) 1).end();
        assertEquals(2, wal.size(REL, RelTag.VM));
    }

    @Test
    void aVisibleRecordMakesItsMapPage() {
        long lsn =
                wal.begin(Rmgr.HEAP2, 0x40, 0)
                        .block(0, RelTag.VM, REL, 1)
                        .block(1, RelTag.MAIN, REL, HEAP_BLOCKS + 1)
                        .image(page(1))
                        .ints(0)
                        .main((byte) 3)
                        .end();
        assertEquals(2, wal.size(REL, RelTag.VM));
        assertEquals(3, bits(HEAP_BLOCKS + 1, lsn));
        assertEquals(0, bits(HEAP_BLOCKS, lsn));
        assertEquals(0, bits(5, lsn));
    }

    // ---- databases ----

    @ParameterizedTest
    @EnumSource
    void databasesComeAndGo(PgVersion version) {
        Ingesting w = new Ingesting(version);
        // Everything in one batch: what is not committed yet counts as well.
        w.eager = false;
        int drop = 0x20;
        if (version == PgVersion.V14) {
            drop = 0x10;
            w.begin(Rmgr.RELMAP, 0x00, 700)
                    .ints(DB, SPC, version.relmapBytes())
                    .main(new byte[version.relmapBytes()])
                    .end();
        } else {
            w.begin(Rmgr.DBASE, 0x10, 700).ints(DB, SPC).end();
            w.begin(Rmgr.RELMAP, 0x00, 700)
                    .ints(DB, SPC, version.relmapBytes())
                    .main(new byte[version.relmapBytes()])
                    .end();
        }
        image(w, RelTag.MAIN, 2, 4);
        w.begin(Rmgr.SMGR, 0x11, 700).ints(SPC, DB + 1, 99, RelTag.MAIN).end();
        w.begin(Rmgr.DBASE, 0x01, 700).ints(6, 1700, DB, SPC).end();
        Modifications.DatabaseCopy copy = w.out.copy();
        assertEquals(new Modifications.DatabaseCopy(SPC, DB, 1700, 6, w.record.endLsn()), copy);
        assertThrows(Check.Failed.class, () -> image(w, RelTag.MAIN, 3, 4));
        w.commit();
        byte[] map = w.history.image(Keys.relmap(1700, 6));
        assertNotNull(map);
        assertEquals(version.relmapBytes(), map.length);
        assertNotNull(w.history.image(Keys.database(1700, 6)));

        // A new stream, as the one above was used after its copy; drop within one batch.
        Ingesting d = new Ingesting(version);
        image(d, RelTag.MAIN, 2, 4);
        d.eager = false;
        image(d, RelTag.FSM, 0, 4);
        d.begin(Rmgr.SMGR, 0x11, 700).ints(SPC, DB + 1, 99, RelTag.MAIN).end();
        d.begin(Rmgr.DBASE, drop | 1, 700).ints(DB, 2, SPC, 1700).end();
        d.commit();
        assertEquals(-1, d.size(REL, RelTag.MAIN));
        assertEquals(-1, d.size(REL, RelTag.FSM));
        assertNotNull(d.history.image(Keys.relationSize(new RelTag(SPC, DB + 1, 99, RelTag.MAIN))));
        assertNull(d.history.image(Keys.database(SPC, DB)));
    }

    @Test
    void aCopyIsSeenAfterwards() {
        image(wal, RelTag.MAIN, 2, 4);
        wal.eager = false;
        wal.begin(Rmgr.DBASE, 0x01, 700).ints(DB, SPC, 4, SPC).end();
        long copied = wal.record.endLsn();
        wal.history.commit(wal.out);
        wal.out.clear();
        // What the executor of the copy does.
        Key size = Keys.relationSize(new RelTag(SPC, DB, REL, RelTag.MAIN));
        wal.out.image(size, copied, new byte[] {9, 0, 0, 0});
        wal.commit();
        image(wal, RelTag.MAIN, 8, 4);
        wal.commit();
        assertEquals(9, wal.size(REL, RelTag.MAIN), "it knows the copied size");
    }

    @Test
    void tablespacesComeAndGo() {
        byte[] path = "/data/fast\0".getBytes(java.nio.charset.StandardCharsets.UTF_8);
        wal.begin(Rmgr.TBLSPC, 0x00, 700).ints(1700).main(path).end();
        byte[] stored = wal.history.image(Keys.tablespace(1700));
        assertArrayEquals(Arrays.copyOf(path, path.length - 1), stored);
        wal.begin(Rmgr.TBLSPC, 0x10, 700).ints(1700).end();
        assertNull(wal.history.image(Keys.tablespace(1700)));
    }

    @Test
    void aDirectoryCachedInTwoGenerationsStaysRight() {
        // The cache holds 8 entries: more relations than that, again and again.
        for (int round = 1; round <= 3; round++) {
            for (int rel = 100; rel < 150; rel++) {
                wal.begin(Rmgr.XLOG, XlogInfo.FPI, 0)
                        .block(0, RelTag.MAIN, rel, round)
                        .image(page(round))
                        .end();
                assertEquals(round + 1, wal.size(rel, RelTag.MAIN));
            }
        }
        wal.begin(Rmgr.DBASE, 0x21, 700).ints(DB, 1, SPC).end();
        for (int rel = 100; rel < 150; rel++) {
            assertEquals(-1, wal.size(rel, RelTag.MAIN));
        }
        assertFalse(wal.commit());
    }
}
