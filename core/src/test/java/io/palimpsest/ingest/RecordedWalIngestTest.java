package io.palimpsest.ingest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Key;
import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.value.Keys;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalRecord;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** WAL of real servers of all five versions, from its first to its last record. */
class RecordedWalIngestTest {
    static Stream<String> sections() {
        return Stream.concat(
                RecordedWal.checkedNames().stream(), Stream.of("pg14-pglz", "pg15-lz4"));
    }

    @ParameterizedTest
    @MethodSource("sections")
    void everyRecordIsUnderstood(String name) {
        RecordedWal wal = RecordedWal.load(name);
        RecordedIngest recorded = new RecordedIngest(wal, false);
        StoredHistory history = recorded.history();
        WalRecord r = new WalRecord();
        int records = 0;
        long lastXid = 0;
        TreeMap<Integer, Boolean> ends = new TreeMap<>();
        while (recorded.decoder().next(r)) {
            recorded.ingest().ingest(r, recorded.out());
            records++;
            if (r.rmid() == Rmgr.XACT && (r.info() & 0x70) == 0x20) {
                ends.put(r.xid(), false);
            } else if (r.rmid() == Rmgr.XACT && (r.info() & 0x70) == 0x00) {
                ends.put(r.xid(), true);
            }
            lastXid = Math.max(lastXid, r.xid() & 0xFFFF_FFFFL);
            boolean copy = recorded.out().copy() != null;
            if (records % 100 == 0 || copy) {
                recorded.commit();
                for (int i = 0; i < r.blockCount(); i++) {
                    assertBlockExists(history, r, i);
                }
            }
        }
        recorded.commit();
        long end = r.endLsn();
        assertTrue(records > 1000, records + " records");
        assertPagesCanBeRead(history, end);
        ends.forEach((xid, committed) -> assertStatus(history, xid, committed, end));
        byte[] last = history.image(Keys.CHECKPOINT);
        assertNotNull(last);
        assertTrue(CheckPoint.read(last, 0).nextXid() > lastXid);
    }

    private static void assertBlockExists(StoredHistory history, WalRecord r, int i) {
        RelTag tag = new RelTag(r.spc(i), r.db(i), r.rel(i), r.fork(i));
        byte[] size = history.image(Keys.relationSize(tag));
        assertNotNull(size, tag.toString());
        assertTrue(Bytes.u32(size, 0) > (r.blockNumber(i) & 0xFFFF_FFFFL), tag.toString());
    }

    /** Every page below a size starts from an initial value and its records apply. */
    private static void assertPagesCanBeRead(StoredHistory history, long end) {
        int[] pages = {0};
        history.scan(
                Keys.ofKind(Keys.REL_SIZE),
                (key, size) -> {
                    RelTag tag = Keys.relation(key);
                    for (int block = 0; block < Bytes.i32(size, 0); block++) {
                        Key page = Keys.block(tag, block);
                        TreeMap<Long, byte[]> values = history.values().get(page);
                        assertNotNull(values, tag + " block " + block);
                        assertTrue(
                                StoredValue.isInitial(values.firstEntry().getValue(), 0),
                                tag + " block " + block);
                        history.page(page, end);
                        pages[0]++;
                    }
                });
        assertTrue(pages[0] > 200, pages[0] + " pages");
    }

    private static void assertStatus(StoredHistory history, int xid, boolean committed, long end) {
        byte[] page = history.page(Keys.slruPage(Slru.CLOG, Slru.clogPage(xid)), end);
        int index = Integer.remainderUnsigned(xid, Slru.XACTS_PER_PAGE);
        assertEquals(
                committed ? Slru.XACT_COMMITTED : Slru.XACT_ABORTED,
                page[index / 4] >> 2 * (index % 4) & 3,
                "xid " + xid);
    }
}
