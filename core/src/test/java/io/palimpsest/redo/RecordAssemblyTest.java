package io.palimpsest.redo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.value.RecordSlice;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.WalDecoder;
import io.palimpsest.wal.WalRecord;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Records made again of slices are records, with all that their own block's redo needs. */
final class RecordAssemblyTest {
    static List<String> sections() {
        return Stream.concat(RecordedWal.checkedNames().stream(), RecordedWal.imageNames().stream())
                .toList();
    }

    @ParameterizedTest
    @MethodSource("sections")
    void everyRecordedRecordComesBack(String name) {
        RecordedWal wal = RecordedWal.load(name);
        PgVersion version = PgVersion.ofMajor(wal.major());
        RecordAssembly assembly = new RecordAssembly(version);
        WalDecoder decoder =
                new WalDecoder(
                        version,
                        wal.startLsn(),
                        wal.segmentSize(),
                        wal.systemIdentifier(),
                        1 << 30);
        decoder.feed(wal.bytes(), 0, wal.bytes().length);
        WalRecord r = new WalRecord();
        WalRecord again = new WalRecord();
        RecordSlice slice = new RecordSlice();
        ByteSink value = new ByteSink(8192);
        ByteSink out = new ByteSink(8192);
        int made = 0;
        while (decoder.next(r)) {
            for (int i = 0; i < r.blockCount(); i++) {
                value.clear();
                StoredValue.record(value, r, i);
                slice.wrap(value.array(), 0, value.size(), r.endLsn());
                out.clear();
                out.zeros(3); // nothing may depend on where it starts
                assembly.append(out, slice, r.spc(i), r.db(i), r.rel(i));
                requireCrc(out);
                again.parse(out.array(), 3, out.size() - 3, r.startLsn(), r.endLsn(), version);
                requireSame(r, i, again);
                made++;
            }
        }
        assertTrue(made > 1000, name + ": only " + made);
    }

    private static void requireCrc(ByteSink out) {
        CRC32C crc = new CRC32C();
        crc.update(out.array(), 3 + 24, out.size() - 3 - 24);
        crc.update(out.array(), 3, 20);
        assertEquals(Bytes.i32(out.array(), 3 + 20), (int) crc.getValue());
        assertEquals(out.size() - 3, Bytes.i32(out.array(), 3));
    }

    private static void requireSame(WalRecord r, int i, WalRecord again) {
        String what = r.startLsn() + " block " + i;
        int own = again.blockWithId(r.blockId(i));
        assertEquals(r.rmid(), again.rmid(), what);
        assertEquals(r.xid(), again.xid(), what);
        assertEquals(r.blockNumber(i), again.blockNumber(own), what);
        assertEquals(r.fork(i), again.fork(own), what);
        assertEquals(r.spc(i), again.spc(own), what);
        assertEquals(r.db(i), again.db(own), what);
        assertEquals(r.rel(i), again.rel(own), what);
        assertEquals(r.willInit(i), again.willInit(own), what);
        assertEquals(r.appliesImage(i), again.appliesImage(own), what);
        same(
                what,
                r,
                r.dataOffset(i),
                r.dataLength(i),
                again,
                again.dataOffset(own),
                again.dataLength(own));
        same(
                what,
                r,
                r.mainOffset(),
                r.mainLength(),
                again,
                again.mainOffset(),
                again.mainLength());
        if (r.appliesImage(i)) {
            assertEquals(r.imageFlags(i), again.imageFlags(own), what);
            assertEquals(r.holeOffset(i), again.holeOffset(own), what);
            assertEquals(r.holeLength(i), again.holeLength(own), what);
            same(
                    what,
                    r,
                    r.imageOffset(i),
                    r.imageLength(i),
                    again,
                    again.imageOffset(own),
                    again.imageLength(own));
        }
    }

    private static void same(
            String what,
            WalRecord r,
            int at,
            int length,
            WalRecord again,
            int againAt,
            int againLength) {
        assertTrue(
                Arrays.equals(
                        r.bytes(), at, at + length, again.bytes(), againAt, againAt + againLength),
                what);
    }
}
