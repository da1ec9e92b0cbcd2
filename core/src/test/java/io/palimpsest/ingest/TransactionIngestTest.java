package io.palimpsest.ingest;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.ControlFiles;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.Slru;
import io.palimpsest.pg.Xid;
import io.palimpsest.value.Keys;
import io.palimpsest.wal.Rmgr;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Transactions, multixacts, commit timestamps, checkpoints and settings, record by record. */
class TransactionIngestTest {
    private static int status(Ingesting wal, int xid, long lsn) {
        byte[] page = wal.page(Slru.CLOG, Slru.clogPage(xid), lsn);
        int index = Integer.remainderUnsigned(xid, Slru.XACTS_PER_PAGE);
        return page[index / 4] >> 2 * (index % 4) & 3;
    }

    private static int offset(Ingesting wal, int multi, long lsn) {
        byte[] page = wal.page(Slru.MULTIXACT_OFFSETS, Slru.offsetsPage(multi), lsn);
        return Bytes.i32(page, 4 * Integer.remainderUnsigned(multi, Slru.OFFSETS_PER_PAGE));
    }

    /** Member's xid; its status is checked to be {@code xid % 6}. */
    private static int member(Ingesting wal, int offset, long lsn) {
        byte[] page = wal.page(Slru.MULTIXACT_MEMBERS, Slru.membersPage(offset), lsn);
        int index = Integer.remainderUnsigned(offset, Slru.MEMBERS_PER_PAGE);
        int group = index / 4 * 20;
        int xid = Bytes.i32(page, group + 4 + 4 * (index % 4));
        assertEquals(Integer.remainderUnsigned(xid, 6), page[group + index % 4]);
        return xid;
    }

    private static long create(Ingesting wal, int multi, int offset, int n) {
        wal.begin(Rmgr.MULTIXACT, 0x20, 700).ints(multi, offset, n);
        for (int i = 0; i < n; i++) {
            wal.ints(1000 + i, (1000 + i) % 6);
        }
        return wal.end();
    }

    @ParameterizedTest
    @EnumSource
    void commitsAndAbortsWithTheirSubtransactions(PgVersion version) {
        Ingesting wal = new Ingesting(version);
        wal.begin(Rmgr.CLOG, 0x00, 0).page(0).end();
        // Children on the next page, which has no ZEROPAGE, and out of order.
        int[] children = {32_770, 32_769, 32_767};
        wal.begin(Rmgr.XACT, 0x80, 32_700).longs(5).ints(2).ints(3).ints(children);
        long lsn = wal.end();
        assertEquals(Slru.XACT_COMMITTED, status(wal, 32_700, lsn));
        for (int xid : children) {
            assertEquals(Slru.XACT_COMMITTED, status(wal, xid, lsn));
        }
        assertEquals(Slru.XACT_IN_PROGRESS, status(wal, 32_768, lsn));
        assertEquals(2, wal.size(Slru.CLOG, 0));
        assertTrue(wal.checkPoint().nextXid() > 32_770);
        lsn = wal.begin(Rmgr.XACT, 0xA0, 32_768).longs(5).ints(0).end();
        assertEquals(Slru.XACT_ABORTED, status(wal, 32_768, lsn));
    }

    @ParameterizedTest
    @CsvSource({"V14, 12", "V15, 12", "V17, 12", "V18, 16"})
    void everyPartOfACommitIsPassedOver(PgVersion version, int statisticsBytes) {
        Ingesting wal = new Ingesting(version, true, 700);
        boolean statistics = version != PgVersion.V14;
        int xinfo = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x80 | 0x20 | (statistics ? 0x100 : 0);
        wal.begin(Rmgr.XACT, 0xB0, 0).origin(4).longs(11).ints(xinfo);
        wal.ints(5, 1663).ints(1, 801).ints(1, 1663, 5, 99);
        if (statistics) {
            wal.ints(2).main(new byte[2 * statisticsBytes]);
        }
        wal.ints(1).main(new byte[16]).ints(800).main((byte) 'g', (byte) 0).longs(1, 22);
        long lsn = wal.end();
        assertEquals(Slru.XACT_COMMITTED, status(wal, 800, lsn));
        byte[] page = wal.page(Slru.COMMIT_TS, 0, lsn);
        assertEquals(22, Bytes.i64(page, 10 * 800), "the origin's time");
        assertEquals(4, Bytes.u16(page, 10 * 800 + 8));
        assertEquals(22, Bytes.i64(page, 10 * 801));
        assertEquals(801, wal.checkPoint().newestCommitTsXid());
    }

    @Test
    void countsThatTheRecordCannotHoldAreCorruption() {
        for (int n : new int[] {-1, 2, Integer.MAX_VALUE}) {
            Ingesting wal = new Ingesting(PgVersion.V16);
            wal.begin(Rmgr.XACT, 0x80, 700).longs(5).ints(2).ints(n).ints(701);
            PageserverException e = assertThrows(PageserverException.class, wal::end);
            assertEquals(ErrorCode.CORRUPTION, e.code());
            Ingesting multi = new Ingesting(PgVersion.V16);
            multi.begin(Rmgr.MULTIXACT, 0x20, 700).ints(5, 1, n, 700, 0);
            e = assertThrows(PageserverException.class, multi::end);
            assertEquals(ErrorCode.CORRUPTION, e.code());
        }
    }

    @ParameterizedTest
    @EnumSource
    void preparedTransactionsAreKeptUntilTheyEnd(PgVersion version) {
        long next = 2L << 32 | 5;
        Ingesting wal = new Ingesting(version, false, next);
        byte[] state = new byte[80];
        state[0] = 9;
        // Given out before the wraparound: of the epoch before.
        wal.begin(Rmgr.XACT, 0x10, -8).main(state).end();
        wal.begin(Rmgr.XACT, 0x10, 9).main(state).end();
        assertArrayEquals(state, wal.history.image(Keys.twoPhase(1, -8)));
        assertArrayEquals(state, wal.history.image(Keys.twoPhase(2, 9)));
        wal.begin(Rmgr.XACT, 0xB0, 0).longs(1).ints(0x10).ints(-8).end();
        long lsn = wal.begin(Rmgr.XACT, 0xC0, 0).longs(1).ints(0x10).ints(9).end();
        assertNull(wal.history.image(Keys.twoPhase(1, -8)));
        assertNull(wal.history.image(Keys.twoPhase(2, 9)));
        assertEquals(Slru.XACT_COMMITTED, status(wal, -8, lsn));
        assertEquals(Slru.XACT_ABORTED, status(wal, 9, lsn));
    }

    @Test
    void nextXidStaysAheadAndCarriesTheEpoch() {
        Ingesting wal = new Ingesting(PgVersion.V17, false, 0xFFFF_FFF0L);
        wal.begin(Rmgr.XACT, 0x00, -10).longs(1).end();
        assertEquals(1L << 32 | 3, wal.checkPoint().nextXid());
        wal.begin(Rmgr.XACT, 0x00, 3).longs(1).end();
        assertEquals(1L << 32 | 1024, wal.checkPoint().nextXid());
        wal.begin(Rmgr.XACT, 0x00, 1023).longs(1).end();
        assertEquals(1L << 32 | 1024, wal.checkPoint().nextXid());
        wal.begin(Rmgr.XACT, 0x00, 1024).longs(1).end();
        assertEquals(1L << 32 | 2048, wal.checkPoint().nextXid());
        wal.begin(Rmgr.XACT, 0x00, -10).longs(1).end();
        assertEquals(1L << 32 | 2048, wal.checkPoint().nextXid());
    }

    // ---- multixacts ----

    @ParameterizedTest
    @EnumSource
    void theNextMultixactsOffsetOutlivesALateZeroPage(PgVersion version) {
        Ingesting wal = new Ingesting(version);
        int last = Slru.OFFSETS_PER_PAGE - 1;
        long lsn = create(wal, last, 50, 2);
        assertEquals(50, offset(wal, last, lsn));
        assertEquals(52, offset(wal, last + 1, lsn));
        // A server of an older minor release logs it now; redo of a newer one keeps the entry.
        lsn = wal.begin(Rmgr.MULTIXACT, 0x00, 0).page(1).end();
        assertEquals(52, offset(wal, last + 1, lsn));
        assertEquals(0, offset(wal, last + 2, lsn));
        lsn = create(wal, last + 1, 52, 3);
        assertEquals(52, offset(wal, last + 1, lsn));
        assertEquals(55, offset(wal, last + 2, lsn));
        assertEquals(last + 2, wal.checkPoint().nextMulti());
        assertEquals(55, wal.checkPoint().nextMultiOffset());
        assertEquals(2, wal.size(Slru.MULTIXACT_OFFSETS, 0));
    }

    @Test
    void anEarlyZeroPageIsJustZeros() {
        Ingesting wal = new Ingesting(PgVersion.V17);
        int last = Slru.OFFSETS_PER_PAGE - 1;
        long lsn = wal.begin(Rmgr.MULTIXACT, 0x00, 0).page(1).end();
        assertArrayEquals(new byte[Page.SIZE], wal.page(Slru.MULTIXACT_OFFSETS, 1, lsn));
        lsn = create(wal, last, 50, 2);
        assertEquals(52, offset(wal, last + 1, lsn));
    }

    @Test
    void multixactsAndOffsetsWrapAroundPastZero() {
        Ingesting wal = new Ingesting(PgVersion.V18);
        long lsn = create(wal, -1, -2, 2);
        assertEquals(-2, offset(wal, -1, lsn));
        assertEquals(1, offset(wal, 1, lsn), "multixact 1 comes after the last, and offset 1");
        assertEquals(0, offset(wal, 0, lsn));
        assertEquals(1000, member(wal, -2, lsn));
        assertEquals(1001, member(wal, -1, lsn));
    }

    @Property(tries = 60)
    void membersSpanPagesAndWrap(
            @ForAll @IntRange(min = -4000, max = 4000) int offset,
            @ForAll @IntRange(min = 1, max = 4000) int n) {
        Ingesting wal = new Ingesting(PgVersion.V15);
        long lsn = create(wal, 7, offset, n);
        for (int i : new int[] {0, n / 3, n / 2, n - 1}) {
            assertEquals(1000 + i, member(wal, offset + i, lsn));
        }
        assertEquals(offset, offset(wal, 7, lsn));
        assertTrue(wal.checkPoint().nextXid() > 1000 + n - 1);
    }

    @Test
    void truncationOfMultixactsDropsSegmentsOfBothStores() {
        Ingesting wal = new Ingesting(PgVersion.V16);
        int perSegment = 32 * Slru.OFFSETS_PER_PAGE;
        int membersPerSegment = 32 * Slru.MEMBERS_PER_PAGE;
        for (int s = 0; s < 4; s++) {
            create(wal, s * perSegment + 5, s * membersPerSegment + 5, 2);
        }
        int oldest = 2 * perSegment;
        wal.begin(Rmgr.MULTIXACT, 0x30, 0).ints(5, 1, oldest, 1, 2 * membersPerSegment + 3).end();
        assertEquals(-1, wal.size(Slru.MULTIXACT_OFFSETS, 0));
        assertEquals(1, wal.size(Slru.MULTIXACT_OFFSETS, 1), "of the one before the oldest");
        assertEquals(1, wal.size(Slru.MULTIXACT_OFFSETS, 2));
        assertEquals(-1, wal.size(Slru.MULTIXACT_MEMBERS, 0));
        assertEquals(-1, wal.size(Slru.MULTIXACT_MEMBERS, 1));
        assertEquals(1, wal.size(Slru.MULTIXACT_MEMBERS, 2));
        assertEquals(oldest, wal.checkPoint().oldestMulti());
        assertEquals(5, wal.checkPoint().oldestMultiDatabase());
    }

    // ---- truncation ----

    @Test
    void statusSegmentsBeforeTheCutoffGo() {
        Ingesting wal = new Ingesting(PgVersion.V17, false, 40L * 32_768);
        for (int page = 0; page < 70; page += 16) {
            wal.begin(Rmgr.CLOG, 0x00, 0).page(page).end();
        }
        assertEquals(17, wal.size(Slru.CLOG, 0));
        assertEquals(1, wal.size(Slru.CLOG, 2));
        wal.begin(Rmgr.CLOG, 0x10, 0).page(31).ints(31 * 32_768, 5).end();
        assertEquals(17, wal.size(Slru.CLOG, 0), "page 31 is in it");
        wal.begin(Rmgr.CLOG, 0x10, 0).page(39).ints(39 * 32_768, 5).end();
        assertEquals(-1, wal.size(Slru.CLOG, 0));
        assertEquals(17, wal.size(Slru.CLOG, 1));
        assertEquals(39 * 32_768, wal.checkPoint().oldestXid());
    }

    @Property
    void noSegmentInUseIsTruncated(@ForAll int oldest, @ForAll @IntRange(min = 0) int used) {
        // Between oldest and newest lie fewer than 2^31 ids: all of their pages must stay.
        int newest = oldest + used;
        int middle = oldest + used / 2;
        for (Slru slru : new Slru[] {Slru.CLOG, Slru.MULTIXACT_OFFSETS, Slru.COMMIT_TS}) {
            int perPage =
                    slru == Slru.CLOG
                            ? Slru.XACTS_PER_PAGE
                            : slru == Slru.COMMIT_TS
                                    ? Slru.COMMIT_TS_PER_PAGE
                                    : Slru.OFFSETS_PER_PAGE;
            int cutoff = Integer.divideUnsigned(oldest, perPage);
            for (int id : new int[] {oldest, middle, newest}) {
                int page = Integer.divideUnsigned(id, perPage);
                int first = page & -32;
                assertFalse(
                        SlruStore.precedes(slru, first, cutoff)
                                && SlruStore.precedes(slru, first + 31, cutoff),
                        () -> slru + " page " + page + " before " + cutoff);
            }
        }
    }

    // ---- settings and checkpoints ----

    private static Ingesting parameters(Ingesting wal, boolean hints, boolean commitTimestamps) {
        return wal.begin(Rmgr.XLOG, XlogInfo.PARAMETER_CHANGE, 0)
                .ints(100, 8, 10, 0, 64, 1)
                .main(
                        (byte) (hints ? 1 : 0),
                        (byte) (commitTimestamps ? 1 : 0),
                        (byte) 0,
                        (byte) 0);
    }

    @Test
    void settingsAreKeptAndTold() {
        Ingesting wal = new Ingesting(PgVersion.V17);
        wal.eager = false;
        assertFalse(wal.ingest().hintBitsLogged());
        parameters(wal, true, false).end();
        assertTrue(wal.ingest().hintBitsLogged());
        assertTrue(wal.commit(), "redo must know");
        assertFalse(wal.commit());
        assertTrue(new WalIngest(PgVersion.V17, wal.history).hintBitsLogged(), "after a restart");
        assertEquals(1, wal.checkPoint().walLevel());
    }

    @Test
    void commitTimestampsBeginAndEndWithTheSetting() {
        Ingesting wal = new Ingesting(PgVersion.V16);
        wal.begin(Rmgr.XACT, 0x00, 700).longs(1).end();
        assertEquals(-1, wal.size(Slru.COMMIT_TS, 0));
        parameters(wal, false, true).end();
        long lsn = wal.begin(Rmgr.XACT, 0x00, 1700).longs(33).end();
        assertEquals(33, Bytes.i64(wal.page(Slru.COMMIT_TS, 2, lsn), 10 * (1700 - 2 * 819)));
        assertEquals(1024, wal.checkPoint().oldestCommitTsXid());
        assertEquals(1700, wal.checkPoint().newestCommitTsXid());
        wal.begin(Rmgr.COMMIT_TS, 0x00, 0).page(3).end();
        assertEquals(4, wal.size(Slru.COMMIT_TS, 0));
        wal.begin(Rmgr.COMMIT_TS, 0x10, 0).page(1).ints(1200).end();
        assertEquals(1200, wal.checkPoint().oldestCommitTsXid());
        parameters(wal, false, false).end();
        assertEquals(-1, wal.size(Slru.COMMIT_TS, 0));
        assertEquals(0, wal.checkPoint().newestCommitTsXid());
    }

    @ParameterizedTest
    @EnumSource
    void checkpointsMoveCountersForward(PgVersion version) {
        Ingesting wal = new Ingesting(version, false, 5000);
        wal.begin(Rmgr.XLOG, XlogInfo.NEXTOID, 0).ints(40_000).end();
        create(wal, 10, 20, 3);
        CheckPoint online = ControlFiles.checkPoint(4000);
        online.setNextOid(30_000);
        online.setOldestActiveXid(3999);
        online.setOldestXid(900, 7);
        online.setNextMulti(4);
        online.setRedo(0x77);
        wal.begin(Rmgr.XLOG, XlogInfo.CHECKPOINT_ONLINE, 0).main(online.toBytes()).end();
        CheckPoint now = wal.checkPoint();
        assertEquals(5000, now.nextXid());
        assertEquals(40_000, now.nextOid());
        assertEquals(11, now.nextMulti());
        assertEquals(23, now.nextMultiOffset());
        assertEquals(900, now.oldestXid());
        assertEquals(3999, now.oldestActiveXid());
        assertEquals(0x77, now.redo());
        CheckPoint shutdown = ControlFiles.checkPoint(4500);
        shutdown.setNextOid(41_000);
        shutdown.setNextMulti(12);
        shutdown.setNextMultiOffset(24);
        shutdown.setOldestXid(900, 7);
        wal.begin(Rmgr.XLOG, XlogInfo.CHECKPOINT_SHUTDOWN, 0).main(shutdown.toBytes()).end();
        assertArrayEquals(shutdown.toBytes(), wal.checkPoint().toBytes());
        wal.begin(Rmgr.STANDBY, 0x10, 0).ints(0, 0, 0, 4600, 4555, 4599).end();
        assertEquals(4555, wal.checkPoint().oldestActiveXid());
        assertTrue(Xid.precedes(4599, (int) wal.checkPoint().nextXid()));
    }

    @Test
    void endOfRecoveryTellsTheTimeline() {
        Ingesting wal = new Ingesting(PgVersion.V14);
        wal.begin(Rmgr.XLOG, XlogInfo.END_OF_RECOVERY, 0).longs(1).ints(2, 1).end();
        assertEquals(2, wal.checkPoint().timeline());
        assertEquals(1, wal.checkPoint().previousTimeline());
        wal.begin(Rmgr.XLOG, XlogInfo.FPW_CHANGE, 0).main((byte) 1).end();
        assertTrue(wal.checkPoint().fullPageWrites());
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0xC0",
        "1, 0x70",
        "2, 0x30",
        "3, 0x20",
        "4, 0x30",
        "5, 0x20",
        "6, 0x40",
        "18, 0x20",
        "134, 0x00"
    })
    void unknownRecordsAreRefused(int rmid, String info) {
        Ingesting wal = new Ingesting(PgVersion.V16);
        wal.begin(rmid, Integer.decode(info), 700).longs(0, 0, 0, 0);
        PageserverException e = assertThrows(PageserverException.class, wal::end);
        assertEquals(ErrorCode.UNSUPPORTED, e.code());
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0x00",
        "0, 0x10",
        "0, 0x30",
        "0, 0x60",
        "0, 0x80",
        "0, 0x90",
        "1, 0x00",
        "1, 0x10",
        "1, 0x30",
        "2, 0x10",
        "2, 0x20",
        "3, 0x00",
        "3, 0x10",
        "4, 0x00",
        "4, 0x10",
        "4, 0x20",
        "5, 0x00",
        "5, 0x10",
        "6, 0x00",
        "6, 0x10",
        "6, 0x20",
        "6, 0x30",
        "7, 0x00",
        "8, 0x10",
        "9, 0x50",
        "9, 0x60",
        "10, 0x00",
        "10, 0x10",
        "10, 0x20",
        "10, 0x40",
        "10, 0x60",
        "18, 0x00",
        "18, 0x10"
    })
    void recordsWithoutTheirMainDataAreCorruption(int rmid, String info) {
        Ingesting wal = new Ingesting(PgVersion.V16);
        wal.begin(rmid, Integer.decode(info), 700);
        PageserverException e = assertThrows(PageserverException.class, wal::end);
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }

    @Test
    void aTimelineWithoutControlFileCannotIngest() {
        StoredHistory empty = new StoredHistory(PgVersion.V16);
        assertNotNull(
                assertThrows(PageserverException.class, () -> new WalIngest(PgVersion.V16, empty)));
    }
}
