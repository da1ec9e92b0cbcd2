package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.redo.HeapPages.ascii;
import static io.palimpsest.redo.HeapPages.infomask;
import static io.palimpsest.redo.HeapPages.infomask2;
import static io.palimpsest.redo.HeapPages.item;
import static io.palimpsest.redo.HeapPages.withTuples;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.palimpsest.base.ByteSink;
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

class Heap2RedoTest {
    private static RecordValue heap2(int info) {
        return new RecordValue(Rmgr.HEAP2, info).xid(900);
    }

    private static void u16s(ByteSink out, int... values) {
        for (int value : values) {
            out.u16(value);
        }
    }

    /** Prune in the layout of the version: one redirect 2 to 3, dead 1, the rest unused. */
    static RecordValue prune(PgVersion version, int... unused) {
        if (version.atLeast(PgVersion.V17)) {
            return heap2(0x10)
                    .block(0, 7)
                    .main(m -> {
                        m.u8(0);
                        m.u8(0x04 | 0x08 | 0x20 | 0x40 | (unused.length > 0 ? 0x80 : 0));
                        m.i32(800);
                    })
                    .data(d -> {
                        u16s(d, 1, 2, 3, 1, 1);
                        if (unused.length > 0) {
                            d.u16(unused.length);
                            u16s(d, unused);
                        }
                    });
        }
        return heap2(0x10)
                .block(0, 7)
                .main(m -> {
                    m.i32(800);
                    u16s(m, 1, 1);
                    if (version == PgVersion.V16) {
                        m.u8(1);
                    }
                })
                .data(d -> {
                    u16s(d, 2, 3, 1);
                    u16s(d, unused);
                });
    }

    @ParameterizedTest
    @EnumSource(PgVersion.class)
    void prunePacksInLinePointerOrderAndTruncatesSince15(PgVersion version) {
        byte[] page = withTuples("one", "two", "three", "four", "five", "six");
        // Items 3 and 4 change places, so that packing must bring them back in order.
        int third = Page.linePointer(page, 3);
        Page.setLinePointer(page, 3, Page.linePointer(page, 4));
        Page.setLinePointer(page, 4, third);
        prune(version, 5, 6).applyTo(page, version);
        assertEquals(version == PgVersion.V14 ? 6 : 4, Page.maxOffset(page));
        assertEquals(version == PgVersion.V14 ? Page.FLAG_HAS_FREE_LINES : 0, Page.flags(page));
        assertEquals(Page.linePointer(0, Page.LP_DEAD, 0), Page.linePointer(page, 1));
        assertEquals(Page.linePointer(3, Page.LP_REDIRECT, 0), Page.linePointer(page, 2));
        assertEquals(Page.linePointer(8192 - 32, Page.LP_NORMAL, 28), Page.linePointer(page, 3));
        assertEquals(Page.linePointer(8192 - 64, Page.LP_NORMAL, 29), Page.linePointer(page, 4));
        assertArrayEquals(ascii("four"), Arrays.copyOfRange(item(page, 3), 24, 28));
        assertArrayEquals(ascii("three"), Arrays.copyOfRange(item(page, 4), 24, 29));
        assertEquals(8192 - 64, Page.upper(page));
        assertEquals(RecordValue.LSN, Page.lsn(page));
    }

    @ParameterizedTest
    @EnumSource(PgVersion.class)
    void pruneKeepsUnusedLinesInTheMiddle(PgVersion version) {
        byte[] page = withTuples("one", "two", "three", "four", "five");
        prune(version, 4).applyTo(page, version);
        assertEquals(5, Page.maxOffset(page));
        assertEquals(Page.FLAG_HAS_FREE_LINES, Page.flags(page));
        assertEquals(0, Page.linePointer(page, 4));
    }

    @Test
    void pruneMayLeaveNoLineSince15ButVacuumLeavesOne() {
        RecordValue all = heap2(0x10).block(0, 7).data(d -> u16s(d, 1, 2));
        byte[] page14 = withTuples("one", "two");
        all.main(m -> m.zeros(8)).applyTo(page14, PgVersion.V14);
        assertEquals(2, Page.maxOffset(page14));
        assertEquals(8192, Page.upper(page14));
        byte[] page15 = withTuples("one", "two");
        all.applyTo(page15, PgVersion.V15);
        assertEquals(0, Page.maxOffset(page15));
        assertEquals(0, Page.flags(page15));

        byte[] vacuumed = withTuples("one", "two");
        Page.setLinePointer(vacuumed, 1, Page.linePointer(0, Page.LP_DEAD, 0));
        Page.setLinePointer(vacuumed, 2, Page.linePointer(0, Page.LP_DEAD, 0));
        byte[] since17 = vacuumed.clone();
        int upper = Page.upper(vacuumed);
        heap2(0x20)
                .block(0, 7)
                .main(m -> m.u16(2))
                .data(d -> u16s(d, 1, 2))
                .applyTo(vacuumed, PgVersion.V14);
        assertEquals(1, Page.maxOffset(vacuumed));
        assertEquals(Page.FLAG_HAS_FREE_LINES, Page.flags(vacuumed));
        assertEquals(upper, Page.upper(vacuumed));
        heap2(0x30)
                .block(0, 7)
                .main(m -> u16s(m, 0x8000))
                .data(d -> u16s(d, 2, 1, 2))
                .applyTo(since17, PgVersion.V17);
        assertArrayEquals(vacuumed, since17);
    }

    static RecordValue freeze(PgVersion version) {
        if (version.atLeast(PgVersion.V16)) {
            RecordValue record = heap2(0x30).block(0, 7);
            if (version == PgVersion.V16) {
                record.main(m -> {
                    m.i32(800);
                    m.u16(2);
                    m.u8(0);
                });
            } else {
                record.main(m -> {
                    m.u8(1);
                    m.u8(0x18);
                    m.i32(800);
                });
            }
            return record.data(d -> {
                if (version.atLeast(PgVersion.V17)) {
                    u16s(d, 2, 0);
                }
                plan(d, 0, 0x0001, 0x0B02, 0, 2);
                plan(d, 55, 0x2001, 0x0302, 0x02, 1);
                u16s(d, 1, 3, 2);
            });
        }
        return heap2(0x30)
                .block(0, 7)
                .main(m -> {
                    m.i32(800);
                    m.u16(3);
                })
                .data(d -> {
                    tupleToFreeze(d, 0, 1, 0x0001, 0x0B02, 0);
                    tupleToFreeze(d, 0, 3, 0x0001, 0x0B02, 0);
                    tupleToFreeze(d, 55, 2, 0x2001, 0x0302, 0x02);
                });
    }

    private static void plan(
            ByteSink d, int xmax, int infomask2, int infomask, int flags, int tuples) {
        d.i32(xmax);
        u16s(d, infomask2, infomask, flags, tuples);
    }

    private static void tupleToFreeze(
            ByteSink d, int xmax, int offset, int infomask2, int infomask, int flags) {
        d.i32(xmax);
        u16s(d, offset, infomask2, infomask, flags);
    }

    @ParameterizedTest
    @EnumSource(PgVersion.class)
    void freezeSetsInfomasksOfTheRightTuples(PgVersion version) {
        byte[] page = withTuples("one", "two", "three", "four");
        freeze(version).applyTo(page, version);
        assertEquals(0x0B02, infomask(page, 1));
        assertEquals(0x0302, infomask(page, 2));
        assertEquals(0x0B02, infomask(page, 3));
        assertEquals(0x0902, infomask(page, 4));
        assertEquals(0x2001, infomask2(page, 2));
        int second = HeapTuple.at(page, 2);
        assertEquals(700, i32(page, second));
        assertEquals(55, i32(page, second + 4));
        assertEquals(2, i32(page, second + 8));
        assertEquals(0, i32(page, HeapTuple.at(page, 3) + 8));
    }

    @Test
    void pruneAndFreezeDoesAllPartsInOneRecord() {
        byte[] page = withTuples("one", "two", "three", "four", "five");
        heap2(0x20)
                .block(0, 7)
                .main(m -> {
                    m.u8(1);
                    m.u8(0x04 | 0x10 | 0x20 | 0x40 | 0x80);
                })
                .data(d -> {
                    u16s(d, 1, 0);
                    plan(d, 0, 0x0001, 0x0B02, 0, 1);
                    u16s(d, 1, 2, 3);
                    u16s(d, 1, 1);
                    u16s(d, 2, 4, 5);
                    u16s(d, 3);
                })
                .applyTo(page, PgVersion.V18);
        assertEquals(3, Page.maxOffset(page));
        assertEquals(0x0B02, infomask(page, 3));
        assertEquals(8192 - 32, Page.item(page, 3));
    }

    @Test
    void blockDataMustEndWhereTheRecordSays() {
        for (PgVersion version : PgVersion.values()) {
            RecordValue tooMuch =
                    version.atLeast(PgVersion.V17)
                            ? heap2(0x10)
                                    .block(0, 7)
                                    .main(m -> u16s(m, 0x4000))
                                    .data(d -> u16s(d, 1, 1, 2))
                            : heap2(0x20).block(0, 7).main(m -> m.u16(1)).data(d -> u16s(d, 1, 2));
            assertCorruption(tooMuch, withTuples("one", "two"), version);
            assertCorruption(prune(version, 0), withTuples("one", "two", "three"), version);
            assertCorruption(prune(version, 4), withTuples("one", "two", "three"), version);
        }
    }

    private static void assertCorruption(RecordValue value, byte[] page, PgVersion version) {
        PageserverException e =
                assertThrows(PageserverException.class, () -> value.applyTo(page, version));
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }

    static RecordValue visible(int flags, int heapBlock) {
        return heap2(0x40)
                .main(m -> {
                    m.i32(800);
                    m.u8(flags);
                })
                .vmBlock(0, VisibilityMap.mapBlock(heapBlock))
                .block(1, heapBlock);
    }

    @ParameterizedTest
    @EnumSource(PgVersion.class)
    void visibleSetsTheFlagAndTheBits(PgVersion version) {
        byte[] heap = withTuples("one");
        visible(3, 6).own(1).applyTo(heap, version, false);
        assertEquals(Page.FLAG_ALL_VISIBLE, Page.flags(heap));
        assertEquals(0, Page.lsn(heap));
        visible(3, 6).own(1).applyTo(heap, version, true);
        assertEquals(RecordValue.LSN, Page.lsn(heap));

        byte[] map = new byte[Page.SIZE];
        visible(1, 6).applyTo(map, version);
        assertEquals(24, Page.lower(map));
        assertEquals(8192, Page.upper(map));
        assertEquals(0x10, map[25]);
        assertEquals(RecordValue.LSN, Page.lsn(map));
        Page.setLsn(map, 0);
        visible(1 | 4, 6).applyTo(map, version);
        assertEquals(0, Page.lsn(map));
        visible(3, 6).applyTo(map, version);
        assertEquals(0x30, map[25]);
        assertEquals(RecordValue.LSN, Page.lsn(map));
    }

    static RecordValue multiInsert(boolean init) {
        RecordValue record = heap2(init ? 0xD0 : 0x50);
        if (init) {
            record.initBlock(0, 7);
        } else {
            record.block(0, 7);
        }
        return record.main(
                        m -> {
                            u16s(m, init ? 0x20 : 0x01, 3);
                            if (!init) {
                                u16s(m, 2, 4, 5);
                            }
                        })
                .data(d -> {
                    for (String s : new String[] {"a", "bc", "def"}) {
                        d.zeros(d.size() & 1);
                        u16s(d, s.length() + 1, 1, 0x0802);
                        d.u8(24);
                        d.u8(0);
                        d.bytes(ascii(s));
                    }
                });
    }

    @Test
    void multiInsertFillsAFreshPageOrTheGapsOfAnother() {
        byte[] page = new byte[Page.SIZE];
        multiInsert(true).applyTo(page, PgVersion.V16);
        assertEquals(3, Page.maxOffset(page));
        assertEquals(Page.FLAG_ALL_VISIBLE, Page.flags(page));
        assertArrayEquals(ascii("bc"), Arrays.copyOfRange(item(page, 2), 24, 26));
        assertArrayEquals(ascii("def"), Arrays.copyOfRange(item(page, 3), 24, 27));

        byte[] other = withTuples("one", "two", "three");
        Page.setFlag(other, Page.FLAG_ALL_VISIBLE);
        Page.setLinePointer(other, 2, 0);
        multiInsert(false).applyTo(other, PgVersion.V14);
        assertEquals(5, Page.maxOffset(other));
        assertEquals(0, Page.flags(other));
        assertArrayEquals(ascii("a"), Arrays.copyOfRange(item(other, 2), 24, 25));
        assertArrayEquals(ascii("def"), Arrays.copyOfRange(item(other, 5), 24, 27));
        assertEquals(900, i32(item(other, 5), 0));
        assertEquals(5, item(other, 5)[16]);
    }

    @Test
    void recordsWithoutAPageAreRefused() {
        for (int info : new int[] {0x00, 0x70}) {
            assertCorruption(heap2(info).block(0, 7), withTuples("one"), PgVersion.V16);
        }
    }
}
