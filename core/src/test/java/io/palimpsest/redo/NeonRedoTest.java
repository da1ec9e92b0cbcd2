package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
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
import static org.junit.jupiter.api.Assertions.fail;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.HeapTuple;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.port.RedoEngine;
import io.palimpsest.port.Subject;
import io.palimpsest.timeline.HistoryRedo;
import io.palimpsest.wal.Rmgr;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Records of {@link NeonRecords}, none of them from a Neon that ran. */
class NeonRedoTest {
    private static final int BLOCK = 0x0001_0002;

    private static void apply(RecordValue record, byte[] page, PgVersion version) {
        record.applyTo(page, NeonRecords.context(version));
    }

    /** Header word by word, then the user data, of a tuple without nulls. */
    private static void assertTuple(
            byte[] tuple, int xmin, int xmax, int commandId, int offset, String userData) {
        assertEquals(xmin, i32(tuple, 0));
        assertEquals(xmax, i32(tuple, 4));
        assertEquals(commandId, i32(tuple, 8));
        assertEquals(BLOCK >>> 16, u16(tuple, 12));
        assertEquals(BLOCK & 0xFFFF, u16(tuple, 14));
        assertEquals(offset, u16(tuple, 16));
        assertEquals(24, tuple[22]);
        assertArrayEquals(ascii(userData), Arrays.copyOfRange(tuple, 24, tuple.length));
    }

    private static void assertError(
            ErrorCode code, RecordValue record, byte[] page, RedoContext context) {
        PageserverException e =
                assertThrows(PageserverException.class, () -> record.applyTo(page, context));
        assertEquals(code, e.code());
    }

    @ParameterizedTest
    @EnumSource(value = PgVersion.class, names = "V18", mode = EnumSource.Mode.EXCLUDE)
    void insertGivesTheTupleItsCommandId(PgVersion version) {
        byte[] page = withTuples("one");
        Page.setFlag(page, Page.FLAG_ALL_VISIBLE);
        apply(NeonRecords.insert(version, 0).block(0, BLOCK), page, version);
        assertTuple(item(page, 2), 900, 0, 7, 2, "new");
        assertEquals(0x0802, infomask(page, 2));
        assertEquals(3, infomask2(page, 2));
        assertEquals(0, Page.flags(page) & Page.FLAG_ALL_VISIBLE);
        assertEquals(RecordValue.LSN, Page.lsn(page));
        Arrays.fill(page, (byte) 0x5A);
        apply(NeonRecords.insert(version, 0x80).initBlock(0, BLOCK), page, version);
        assertEquals(1, Page.maxOffset(page));
        assertTuple(item(page, 1), 900, 0, 7, 1, "new");
    }

    @ParameterizedTest
    @EnumSource(value = PgVersion.class, names = "V18", mode = EnumSource.Mode.EXCLUDE)
    void deleteSetsTheCommandIdAndSaysIfItIsACombinedOne(PgVersion version) {
        byte[] page = withTuples("one");
        Page.setFlag(page, Page.FLAG_ALL_VISIBLE);
        apply(NeonRecords.delete(version).block(0, BLOCK), page, version);
        assertTuple(item(page, 1), 700, 901, 9, 1, "one");
        assertEquals(0x0102 | HeapTuple.COMBOCID, infomask(page, 1));
        assertEquals(0x2001, infomask2(page, 1));
        assertEquals(900, Page.pruneXid(page));
        assertEquals(0, Page.flags(page));
    }

    @ParameterizedTest
    @EnumSource(value = PgVersion.class, names = "V18", mode = EnumSource.Mode.EXCLUDE)
    void updateHasACommandIdForEachOfItsTuples(PgVersion version) {
        byte[] page = withTuples("one");
        apply(NeonRecords.update(version).block(0, BLOCK), page, version);
        assertTuple(item(page, 1), 700, 901, 11, 2, "one");
        assertEquals(0x0102 | HeapTuple.COMBOCID, infomask(page, 1));
        assertEquals(0x2001, infomask2(page, 1));
        assertTuple(item(page, 2), 900, 902, 12, 2, "new");
        assertEquals(0x2802, infomask(page, 2));
        byte[] oldPage = withTuples("one");
        RecordValue across = NeonRecords.update(version).block(0, BLOCK).block(1, 9);
        apply(across.own(1), oldPage, version);
        assertTuple(item(oldPage, 1), 700, 901, 11, 2, "one");
        byte[] newPage = withTuples("else");
        apply(across.own(0), newPage, version);
        assertTuple(item(newPage, 2), 900, 902, 12, 2, "new");
        assertEquals(0, i32(item(newPage, 1), 8));
    }

    @ParameterizedTest
    @EnumSource(value = PgVersion.class, names = "V18", mode = EnumSource.Mode.EXCLUDE)
    void hotUpdateTakesWhatItDoesNotCarryFromTheOldTuple(PgVersion version) {
        byte[] page = withTuples("abcdef");
        HeapTuple.setInfomask(page, HeapTuple.at(page, 1), 0x0902 | HeapTuple.COMBOCID);
        apply(NeonRecords.hotUpdate(version).block(0, BLOCK), page, version);
        assertTuple(item(page, 1), 700, 901, 11, 2, "abcdef");
        assertEquals(0x0102, infomask(page, 1), "no combined command id any more");
        assertEquals(0x6001, infomask2(page, 1));
        assertTuple(item(page, 2), 900, 902, 12, 2, "aXYef");
        assertEquals((byte) 0xFE, item(page, 2)[23]);
        assertEquals(0x8001, infomask2(page, 2));
    }

    @ParameterizedTest
    @EnumSource(value = PgVersion.class, names = "V18", mode = EnumSource.Mode.EXCLUDE)
    void lockSetsTheCommandId(PgVersion version) {
        byte[] page = withTuples("one");
        HeapTuple.setInfomask2(page, HeapTuple.at(page, 1), 0x4001);
        apply(NeonRecords.lock(version, 0x26).block(0, BLOCK), page, version);
        assertTuple(item(page, 1), 700, 901, 13, 1, "one");
        assertEquals(0x0102 | 0x00C0 | HeapTuple.COMBOCID, infomask(page, 1));
        assertEquals(1, infomask2(page, 1));
        Page.setLsn(page, 0);
        apply(NeonRecords.lock(version, 0x06).block(0, BLOCK), page, version);
        assertEquals(0x0102 | 0x00C0, infomask(page, 1));
    }

    @ParameterizedTest
    @EnumSource(value = PgVersion.class, names = "V18", mode = EnumSource.Mode.EXCLUDE)
    void multiInsertHasOneForEachTupleOrOneForAll(PgVersion version) {
        boolean forAll = version.atLeast(PgVersion.V16);
        byte[] page = withTuples("one", "two", "three");
        Page.setLinePointer(page, 2, 0);
        apply(NeonRecords.multiInsert(version, false).block(0, BLOCK), page, version);
        assertTuple(item(page, 2), 900, 0, forAll ? 23 : 21, 2, "abc");
        assertTuple(item(page, 4), 900, 0, forAll ? 23 : 22, 4, "de");
        assertEquals(0x0802, infomask(page, 4));
        assertEquals(2, infomask2(page, 4));
        apply(NeonRecords.multiInsert(version, true).initBlock(0, BLOCK), page, version);
        assertEquals(2, Page.maxOffset(page));
        assertTuple(item(page, 1), 900, 0, forAll ? 23 : 21, 1, "abc");
        assertTuple(item(page, 2), 900, 0, forAll ? 23 : 22, 2, "de");
    }

    @ParameterizedTest
    @EnumSource(PgVersion.class)
    void lockUpdatedKeepsTheCommandId(PgVersion version) {
        byte[] page = withTuples("one");
        int tuple = HeapTuple.at(page, 1);
        HeapTuple.setCommandId(page, tuple, 5);
        HeapTuple.setInfomask(page, tuple, 0x0902 | HeapTuple.COMBOCID);
        apply(NeonRecords.lockUpdated().block(0, BLOCK), page, version);
        assertEquals(5, i32(item(page, 1), 8));
        assertEquals(0x0102 | 0x00C0 | HeapTuple.COMBOCID, infomask(page, 1));
        assertEquals(901, i32(item(page, 1), 4));
    }

    @ParameterizedTest
    @EnumSource(
            value = PgVersion.class,
            names = {"V16", "V17", "V18"})
    void since16HeapRecordsAreStockOnes(PgVersion version) {
        byte[] page = withTuples("one");
        int tuple = HeapTuple.at(page, 1);
        HeapTuple.setCommandId(page, tuple, 5);
        HeapTuple.setInfomask(page, tuple, 0x0902 | HeapTuple.COMBOCID);
        apply(HeapRedoTest.delete(1, 0x30, 0).block(0, BLOCK), page, version);
        assertTuple(item(page, 1), 700, 901, 0, 1, "one");
        assertEquals(0x0102, infomask(page, 1));
    }

    @ParameterizedTest
    @EnumSource(
            value = PgVersion.class,
            names = {"V14", "V15"})
    void theOriginTellsWhichRecordsTheseAre(PgVersion version) {
        RedoContext stock = new RedoContext(version, true);
        assertError(
                ErrorCode.CORRUPTION,
                NeonRecords.lock(version, 6).block(0, BLOCK),
                withTuples("one"),
                stock);
        assertError(
                ErrorCode.CORRUPTION,
                HeapRedoTest.delete(1, 0, 0).block(0, BLOCK),
                withTuples("one"),
                NeonRecords.context(version));
    }

    @ParameterizedTest
    @EnumSource(PgVersion.class)
    void theResourceManagerIsThatOfNeons16And17(PgVersion version) {
        RecordValue insert = NeonRecords.insert(PgVersion.V17, 0).block(0, BLOCK);
        byte[] page = withTuples("one");
        RedoContext stock = new RedoContext(version, WalOrigin.STOCK, true);
        assertError(ErrorCode.UNSUPPORTED, insert, page, stock);
        if (version != PgVersion.V16 && version != PgVersion.V17) {
            assertError(ErrorCode.UNSUPPORTED, insert, page, NeonRecords.context(version));
        }
        assertArrayEquals(withTuples("one"), page);
    }

    /** An engine that would make its own of every record. */
    private record Postgres(Mode mode) implements RedoEngine {
        @Override
        public boolean knows(int majorVersion) {
            return true;
        }

        @Override
        public void apply(
                int majorVersion,
                boolean hintBitsLogged,
                Values values,
                int oldest,
                int newest,
                byte[] page) {
            Arrays.fill(page, (byte) 0x5A);
        }
    }

    /** A history of one value. */
    private record OneValue(byte[] bytes) implements RedoEngine.Values {
        @Override
        public int count() {
            return 1;
        }

        @Override
        public long lsn(int i) {
            return RecordValue.LSN;
        }

        @Override
        public int offset(int i) {
            return 0;
        }

        @Override
        public int length(int i) {
            return bytes.length;
        }

        @Override
        public long hi() {
            return 0;
        }

        @Override
        public long mid() {
            return 0;
        }

        @Override
        public long lo() {
            return BLOCK;
        }
    }

    @ParameterizedTest
    @EnumSource(RedoEngine.Mode.class)
    void noOtherEngineIsAsked(RedoEngine.Mode mode) {
        OneValue value =
                new OneValue(NeonRecords.insert(PgVersion.V15, 0x80).initBlock(0, BLOCK).encode());
        HistoryRedo redo =
                new HistoryRedo(
                        NeonRecords.context(PgVersion.V15),
                        new Postgres(mode),
                        (event, subject, detail) -> fail(event + ": " + detail),
                        Subject.SERVER);
        byte[] page = new byte[Page.SIZE];
        redo.redo(value, page);
        assertTuple(item(page, 1), 900, 0, 7, 1, "new");
        Arrays.fill(page, (byte) 1);
        assertTrue(redo.tryRedo(value, page));
        assertTuple(item(page, 1), 900, 0, 7, 1, "new");
    }

    @Test
    void recordsUnknownOrCutAreRefused() {
        RedoContext context = NeonRecords.context(PgVersion.V16);
        for (int info : new int[] {0x60, 0x70, 0xE0}) {
            RecordValue unknown = new RecordValue(Rmgr.NEON, info).block(0, BLOCK);
            assertError(ErrorCode.UNSUPPORTED, unknown, withTuples("one"), context);
        }
        for (int info = 0; info <= 0x50; info += 0x10) {
            RecordValue cut =
                    new RecordValue(Rmgr.NEON, info).block(0, BLOCK).main(m -> m.zeros(2));
            assertError(ErrorCode.CORRUPTION, cut, withTuples("one"), context);
        }
    }
}
