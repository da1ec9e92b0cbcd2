package io.palimpsest.wal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.PgVersion;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class BootWalTest {
    private static final long SYSTEM = 0x1234_5678_9ABC_DEF0L;
    private static final int SEGMENT = 1 << 20;
    private static final long BASE = 0x1A_FF00_0000L;

    private static BootWal.Sink into(ByteSink out) {
        return new BootWal.Sink() {
            @Override
            public void bytes(byte[] bytes, int offset, int length) {
                out.bytes(bytes, offset, length);
            }

            @Override
            public void zeros(long count) {
                out.zeros((int) count);
            }
        };
    }

    private static CheckPoint checkPoint(long lsn) {
        CheckPoint c = CheckPoint.read(new byte[CheckPoint.BYTES], 0);
        c.setRedo(lsn);
        c.setTimelines(7, 7);
        c.setNextXid(1234);
        return c;
    }

    /** Mid page, first on a page and in a segment, and cut by a page's and a segment's end. */
    @ParameterizedTest
    @CsvSource({"5000, 1", "8216, 1", "40, 1", "16320, 1", "16368, 1", "1048456, 1", "1048512, 2"})
    void aReaderFindsTheRecord(int offset, int segments) {
        long lsn = BASE + offset;
        for (PgVersion version : PgVersion.values()) {
            BootWal wal = new BootWal(version, lsn, SEGMENT, SYSTEM, lsn - 64, checkPoint(lsn));
            assertEquals(segments, wal.segments());
            assertEquals("000000070000001A00000FF0", wal.name(0));
            ByteSink out = new ByteSink(SEGMENT);
            for (int i = 0; i < segments; i++) {
                wal.write(i, into(out));
                assertEquals((i + 1) * SEGMENT, out.size());
            }
            WalDecoder decoder = new WalDecoder(version, lsn, SEGMENT, SYSTEM, 1 << 20);
            decoder.feed(out.array(), offset, out.size() - offset);
            WalRecord record = new WalRecord();
            assertTrue(decoder.next(record));
            assertEquals(lsn, record.startLsn());
            assertEquals(lsn - 64, record.prevLsn());
            assertEquals(Rmgr.XLOG, record.rmid());
            assertEquals(0, record.info());
            assertEquals(CheckPoint.BYTES, record.mainLength());
            byte[] found = new byte[CheckPoint.BYTES];
            System.arraycopy(record.bytes(), record.mainOffset(), found, 0, found.length);
            assertArrayEquals(checkPoint(lsn).toBytes(), found);
        }
    }

    /** Each page's header says how much of "the record from before" is still to come. */
    @ParameterizedTest
    @CsvSource({"5000", "8216", "70000", "1048512"})
    void whoeverLooksForTheFirstRecordFindsOurs(int offset) {
        long lsn = BASE + offset;
        BootWal wal = new BootWal(PgVersion.V17, lsn, SEGMENT, SYSTEM, 0, checkPoint(lsn));
        ByteSink out = new ByteSink(SEGMENT);
        wal.write(0, into(out));
        byte[] b = out.array();
        int at = 0;
        while (true) {
            int header = at == 0 ? WalPage.LONG_HEADER : WalPage.HEADER;
            assertEquals(PgVersion.V17.walMagic(), Bytes.u16(b, at));
            assertEquals(BASE + at, Bytes.i64(b, at + 8));
            int left = Bytes.i32(b, at + 16);
            assertEquals(left > 0, (Bytes.u16(b, at + 2) & WalPage.FIRST_IS_CONTRECORD) != 0);
            if (at + header + left <= at + WalPage.SIZE) {
                int end = at + header + left;
                assertEquals(offset, end % WalPage.SIZE == 0 ? end + WalPage.HEADER : end);
                return;
            }
            at += WalPage.SIZE;
        }
    }

    @ParameterizedTest
    @CsvSource({
        "0, 40",
        "1, 40",
        "40, 40",
        "48, 48",
        "8192, 8216",
        "8190, 8216",
        "16384, 16408",
        "17001, 17008"
    })
    void aRecordStartsBehindThePagesHeader(int lsn, int start) {
        assertEquals(BASE + start, BootWal.recordStart(BASE + lsn, SEGMENT));
    }
}
