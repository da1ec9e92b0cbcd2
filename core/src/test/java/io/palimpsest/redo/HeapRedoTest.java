package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.redo.HeapPages.ascii;
import static io.palimpsest.redo.HeapPages.infomask;
import static io.palimpsest.redo.HeapPages.infomask2;
import static io.palimpsest.redo.HeapPages.item;
import static io.palimpsest.redo.HeapPages.withTuples;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.HeapTuple;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.VisibilityMap;
import io.palimpsest.wal.Rmgr;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class HeapRedoTest {
    private static final int BLOCK = 0x0001_0002;

    private static RecordValue heap(int info) {
        return new RecordValue(Rmgr.HEAP, info).xid(900);
    }

    static RecordValue insert(int info, int offset, int flags, String userData) {
        return heap(info)
                .main(m -> {
                    m.u16(offset);
                    m.u8(flags);
                })
                .data(d -> {
                    d.u16(0x0003);
                    d.u16(0x0802);
                    d.u8(24);
                    d.u8(0);
                    d.bytes(ascii(userData));
                });
    }

    static RecordValue delete(int offset, int infobits, int flags) {
        return heap(0x10)
                .main(m -> {
                    m.i32(901);
                    m.u16(offset);
                    m.u8(infobits);
                    m.u8(flags);
                });
    }

    static RecordValue update(int info, int oldOffset, int flags, int newOffset) {
        return heap(info)
                .main(m -> {
                    m.i32(901);
                    m.u16(oldOffset);
                    m.u8(0x10);
                    m.u8(flags);
                    m.i32(902);
                    m.u16(newOffset);
                });
    }

    static RecordValue lock(int rmid, int infobits, int flags) {
        return new RecordValue(rmid, 0x60)
                .xid(900)
                .main(m -> {
                    m.i32(901);
                    m.u16(1);
                    m.u8(infobits);
                    m.u8(flags);
                });
    }

    private static void assertCorruption(RecordValue value, byte[] page) {
        PageserverException e =
                assertThrows(PageserverException.class, () -> value.applyTo(page, PgVersion.V16));
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }

    /** Header word by word, then the user data. */
    private static void assertTuple(
            byte[] tuple, int xmin, int xmax, int block, int offset, String userData) {
        assertEquals(xmin, i32(tuple, 0));
        assertEquals(xmax, i32(tuple, 4));
        assertEquals(0, i32(tuple, 8));
        assertEquals(block >>> 16, u16(tuple, 12));
        assertEquals(block & 0xFFFF, u16(tuple, 14));
        assertEquals(offset, u16(tuple, 16));
        assertEquals(24, tuple[22]);
        assertArrayEquals(ascii(userData), Arrays.copyOfRange(tuple, 24, tuple.length));
    }

    @ParameterizedTest
    @EnumSource(PgVersion.class)
    void insertStartsAPageFromAnyContent(PgVersion version) {
        byte[] page = new byte[Page.SIZE];
        Arrays.fill(page, (byte) 0x5A);
        insert(0x80, 1, 0, "hello").initBlock(0, BLOCK).applyTo(page, version);
        assertEquals(28, Page.lower(page));
        assertEquals(8192 - 32, Page.upper(page));
        assertEquals(RecordValue.LSN, Page.lsn(page));
        assertTuple(item(page, 1), 900, 0, BLOCK, 1, "hello");
        assertEquals(0x0802, infomask(page, 1));
        assertEquals(3, infomask2(page, 1));
        for (int i = 28; i < 8192 - 32; i++) {
            assertEquals(0, page[i]);
        }
    }

    @Test
    void insertTakesAnUnusedSlotAndNoOther() {
        byte[] page = withTuples("one", "two", "three");
        Page.setLinePointer(page, 2, 0);
        Page.setFlag(page, Page.FLAG_ALL_VISIBLE);
        int upper = Page.upper(page);
        insert(0, 2, 1, "second").block(0, BLOCK).applyTo(page, PgVersion.V14);
        assertEquals(3, Page.maxOffset(page));
        assertEquals(upper - 32, Page.upper(page));
        assertTuple(item(page, 2), 900, 0, BLOCK, 2, "second");
        assertEquals(0, Page.flags(page) & Page.FLAG_ALL_VISIBLE);
        assertCorruption(insert(0, 3, 0, "x").block(0, BLOCK), withTuples("one", "two", "three"));
        assertCorruption(insert(0, 5, 0, "x").block(0, BLOCK), withTuples("one", "two", "three"));
    }

    @Test
    void aPageThatHasTheRecordIsLeftAlone() {
        byte[] page = withTuples("one");
        Page.setLsn(page, RecordValue.LSN);
        byte[] before = page.clone();
        insert(0, 2, 0, "x").block(0, BLOCK).applyTo(page, PgVersion.V16);
        assertArrayEquals(before, page);
        Page.setLsn(page, RecordValue.LSN - 1);
        insert(0, 2, 0, "x").block(0, BLOCK).applyTo(page, PgVersion.V16);
        assertEquals(2, Page.maxOffset(page));
    }

    @Test
    void deleteMarksTheTuple() {
        byte[] page = withTuples("one");
        int tuple = HeapTuple.at(page, 1);
        HeapTuple.setInfomask(page, tuple, 0x0902 | 0x00F0 | 0x1400);
        HeapTuple.setInfomask2(page, tuple, 0x4001);
        Page.setFlag(page, Page.FLAG_ALL_VISIBLE);
        delete(1, 0x10, 0x01).block(0, BLOCK).applyTo(page, PgVersion.V15);
        assertTuple(item(page, 1), 700, 901, BLOCK, 1, "one");
        assertEquals(0x0102, infomask(page, 1));
        assertEquals(0x2001, infomask2(page, 1));
        assertEquals(900, Page.pruneXid(page));
        assertEquals(0, Page.flags(page));
    }

    @Test
    void superDeleteAndPartitionMove() {
        byte[] page = withTuples("one", "two");
        delete(1, 0, 0x08).block(0, BLOCK).applyTo(page, PgVersion.V15);
        assertTuple(item(page, 1), 0, 0, BLOCK, 1, "one");
        Page.setLsn(page, 0);
        delete(2, 0, 0x10).block(0, BLOCK).applyTo(page, PgVersion.V15);
        assertTuple(item(page, 2), 700, 901, -1, 0xFFFD, "two");
    }

    @Test
    void pruneXidIsTheOldestInTheRoundOfXids() {
        byte[] page = HeapPages.empty();
        Page.setPrunable(page, 100);
        Page.setPrunable(page, 200);
        assertEquals(100, Page.pruneXid(page));
        Page.setPrunable(page, 50);
        assertEquals(50, Page.pruneXid(page));
        Page.setPrunable(page, -20);
        assertEquals(-20, Page.pruneXid(page));
        Page.setPrunable(page, 60);
        assertEquals(-20, Page.pruneXid(page));
    }

    @Test
    void updateOnOnePageTakesPrefixAndSuffixFromTheOldTuple() {
        byte[] page = withTuples("abcdefghij");
        update(0x40, 1, 0x20 | 0x40, 2)
                .block(0, BLOCK)
                .data(d -> {
                    d.u16(3);
                    d.u16(2);
                    d.u16(0x8001);
                    d.u16(0x2802);
                    d.u8(24);
                    d.u8(0);
                    d.bytes(ascii("XYZ"));
                })
                .applyTo(page, PgVersion.V17);
        assertTuple(item(page, 1), 700, 901, BLOCK, 2, "abcdefghij");
        assertEquals(0x6001, infomask2(page, 1));
        assertTuple(item(page, 2), 900, 902, BLOCK, 2, "abcXYZij");
        assertEquals(0x8001, infomask2(page, 2));
        assertEquals(0x2802, infomask(page, 2));
        assertEquals(900, Page.pruneXid(page));
    }

    @Test
    void updateWithSuffixOnlyHasItsBitmapWithTheData() {
        byte[] page = withTuples("abcdefghij");
        update(0x20, 1, 0x40 | 0x01, 2)
                .block(0, BLOCK)
                .data(d -> {
                    d.u16(4);
                    d.u16(0x0001);
                    d.u16(0x2802);
                    d.u8(24);
                    d.u8(0);
                    d.bytes(ascii("new-"));
                })
                .applyTo(page, PgVersion.V14);
        assertTuple(item(page, 2), 900, 902, BLOCK, 2, "new-ghij");
        assertEquals(0x2001, infomask2(page, 1));
    }

    @Test
    void partsOfAnOldTupleMustExist() {
        for (int flag : new int[] {0x20, 0x40}) {
            RecordValue tooLong =
                    update(0x20, 1, flag, 2)
                            .block(0, BLOCK)
                            .data(d -> {
                                d.u16(11);
                                d.u16(1);
                                d.u16(2);
                                d.u8(24);
                                d.u8(0);
                            });
            assertCorruption(tooLong, withTuples("abcdefghij"));
            tooLong.applyTo(withTuples("abcdefghijk"), PgVersion.V16);
            assertCorruption(tooLong.block(1, 7), withTuples("abcdefghijk"));
        }
    }

    @Test
    void updateAcrossPages() {
        RecordValue record =
                update(0xA0, 1, 0x03, 1)
                        .initBlock(0, BLOCK)
                        .block(1, 9)
                        .data(d -> {
                            d.u16(0x0001);
                            d.u16(0x2802);
                            d.u8(24);
                            d.u8(0);
                            d.bytes(ascii("new"));
                        });
        byte[] newPage = new byte[Page.SIZE];
        record.applyTo(newPage, PgVersion.V18);
        assertTuple(item(newPage, 1), 900, 902, BLOCK, 1, "new");
        assertEquals(0, Page.pruneXid(newPage));
        byte[] oldPage = withTuples("old");
        Page.setFlag(oldPage, Page.FLAG_ALL_VISIBLE);
        record.own(1).applyTo(oldPage, PgVersion.V18);
        assertTuple(item(oldPage, 1), 700, 901, BLOCK, 1, "old");
        assertEquals(900, Page.pruneXid(oldPage));
        assertEquals(0, Page.flags(oldPage));
        assertEquals(1, Page.maxOffset(oldPage));
    }

    @Test
    void lockOnlyResetsTheChainAndOtherLocksDoNot() {
        byte[] page = withTuples("one");
        int tuple = HeapTuple.at(page, 1);
        HeapTuple.setInfomask2(page, tuple, 0x4001);
        HeapTuple.setCtid(page, tuple, 5, 6);
        Page.setFlag(page, Page.FLAG_ALL_VISIBLE);
        byte[] second = page.clone();
        byte[] third = page.clone();

        lock(Rmgr.HEAP, 0x02 | 0x08, 0).block(0, BLOCK).applyTo(page, PgVersion.V16);
        assertTuple(item(page, 1), 700, 901, BLOCK, 1, "one");
        assertEquals(0x0001, infomask2(page, 1));
        assertEquals(0x0192, infomask(page, 1));
        assertEquals(Page.FLAG_ALL_VISIBLE, Page.flags(page));

        lock(Rmgr.HEAP, 0x01 | 0x04, 0).block(0, BLOCK).applyTo(second, PgVersion.V16);
        assertTuple(item(second, 1), 700, 901, 5, 6, "one");
        assertEquals(0x4001, infomask2(second, 1));
        assertEquals(0x1142, infomask(second, 1));

        lock(Rmgr.HEAP, 0x04, 0).block(0, BLOCK).applyTo(third, PgVersion.V16);
        assertTuple(item(third, 1), 700, 901, BLOCK, 1, "one");
    }

    @Test
    void lockUpdatedKeepsCommandIdAndChain() {
        byte[] page = withTuples("one");
        int tuple = HeapTuple.at(page, 1);
        HeapTuple.setInfomask2(page, tuple, 0x4001);
        HeapTuple.setCtid(page, tuple, 5, 6);
        putI32(page, tuple + 8, 77);
        lock(Rmgr.HEAP2, 0x02, 0).block(0, BLOCK).applyTo(page, PgVersion.V16);
        assertEquals(77, i32(page, tuple + 8));
        assertEquals(6, u16(page, tuple + 16));
        assertEquals(0x4001, infomask2(page, 1));
        assertEquals(901, i32(page, tuple + 4));
    }

    @Test
    void confirmPointsTheTupleAtItself() {
        byte[] page = withTuples("one");
        HeapTuple.setCtid(page, HeapTuple.at(page, 1), 3, 0xFFFE);
        heap(0x50).block(0, BLOCK).main(m -> m.u16(1)).applyTo(page, PgVersion.V16);
        assertTuple(item(page, 1), 700, 0, BLOCK, 1, "one");
    }

    @Test
    void inplaceReplacesUserDataOfEqualLength() {
        RecordValue before18 =
                heap(0x70).block(0, BLOCK).main(m -> m.u16(1)).data(d -> d.bytes(ascii("ONE")));
        byte[] page = withTuples("one");
        before18.applyTo(page, PgVersion.V17);
        assertArrayEquals(ascii("ONE"), Arrays.copyOfRange(item(page, 1), 24, 27));
        assertCorruption(before18, withTuples("four"));
        RecordValue since18 =
                heap(0x70)
                        .block(0, BLOCK)
                        .main(m -> {
                            m.u16(1);
                            m.zeros(14);
                            m.i32(2);
                            m.zeros(32);
                        })
                        .data(d -> d.bytes(ascii("ONE")));
        byte[] page18 = withTuples("one");
        since18.applyTo(page18, PgVersion.V18);
        assertArrayEquals(page, page18);
        assertCorruption(since18, withTuples("one"));
    }

    @Test
    void registeredMapPagesAreClearedAndStampedOnlyIfABitWasSet() {
        int heapBlock = VisibilityMap.HEAP_BLOCKS_PER_PAGE + 5;
        RecordValue record = insert(0, 1, 0x01, "x").block(0, heapBlock).vmBlock(1, 1).own(1);
        byte[] map = HeapPages.empty();
        VisibilityMap.set(map, 5, 3);
        VisibilityMap.set(map, 6, 3);
        record.applyTo(map, PgVersion.V18);
        assertEquals(0, VisibilityMap.status(map, 5));
        assertEquals(3, VisibilityMap.status(map, 6));
        assertEquals(RecordValue.LSN, Page.lsn(map));
        byte[] clear = HeapPages.empty();
        record.applyTo(clear, PgVersion.V18);
        assertEquals(0, Page.lsn(clear));
        byte[] fresh = new byte[Page.SIZE];
        record.applyTo(fresh, PgVersion.V18);
        assertArrayEquals(HeapPages.empty(), fresh);
        assertCorruption(insert(0, 1, 1, "x").block(0, 3).vmBlock(1, 1).own(1), clear);
    }

    @Test
    void lockClearsOnlyTheFrozenBit() {
        for (int rmid : new int[] {Rmgr.HEAP, Rmgr.HEAP2}) {
            byte[] map = HeapPages.empty();
            VisibilityMap.set(map, 5, 3);
            lock(rmid, 0x02, 0x00).block(0, 5).vmBlock(1, 0).own(1).applyTo(map, PgVersion.V17);
            assertEquals(3, VisibilityMap.status(map, 5));
            lock(rmid, 0x02, 0x01).block(0, 5).vmBlock(1, 0).own(1).applyTo(map, PgVersion.V17);
            assertEquals(1, VisibilityMap.status(map, 5));
        }
    }

    @Test
    void updateClearsBothBlocksOnOneMapPageAndEachOnItsOwn() {
        byte[] map = HeapPages.empty();
        VisibilityMap.set(map, 5, 3);
        VisibilityMap.set(map, 9, 3);
        byte[] both = map.clone();
        update(0x20, 1, 0x03, 2)
                .block(0, 5)
                .block(1, 9)
                .vmBlock(2, 0)
                .own(2)
                .applyTo(both, PgVersion.V17);
        assertEquals(0, VisibilityMap.status(both, 5));
        assertEquals(0, VisibilityMap.status(both, 9));
        int far = VisibilityMap.HEAP_BLOCKS_PER_PAGE + 9;
        RecordValue apart =
                update(0x20, 1, 0x03, 2).block(0, 5).block(1, far).vmBlock(2, 0).vmBlock(3, 1);
        byte[] ofNew = map.clone();
        apart.own(2).applyTo(ofNew, PgVersion.V17);
        assertEquals(0, VisibilityMap.status(ofNew, 5));
        assertEquals(3, VisibilityMap.status(ofNew, 9));
        byte[] ofOld = map.clone();
        apart.own(3).applyTo(ofOld, PgVersion.V17);
        assertEquals(3, VisibilityMap.status(ofOld, 5));
        assertEquals(0, VisibilityMap.status(ofOld, 9));
        byte[] samePage = map.clone();
        update(0x40, 1, 0x01, 2).block(0, 9).vmBlock(2, 0).own(2).applyTo(samePage, PgVersion.V17);
        assertEquals(0, VisibilityMap.status(samePage, 9));
    }

    @Test
    void recordsWithoutAPageAreRefused() {
        assertCorruption(heap(0x30).block(0, BLOCK).main(m -> m.zeros(12)), withTuples("one"));
        assertTrue(
                assertThrows(
                                PageserverException.class,
                                () ->
                                        insert(0, 1, 0, "x")
                                                .block(0, BLOCK)
                                                .applyTo(new byte[Page.SIZE], PgVersion.V14))
                        .getMessage()
                        .contains("uninitialised"));
    }
}
