package io.palimpsest.wal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Prng;
import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.pg.PgVersion;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The decoder on WAL of real servers. */
final class RecordedWalTest {
    static List<String> sections() {
        List<String> all = new ArrayList<>(RecordedWal.imageNames());
        all.add("pg18");
        return all;
    }

    private static WalDecoder decoder(RecordedWal wal, long start) {
        return new WalDecoder(
                PgVersion.ofMajor(wal.major()),
                start,
                wal.segmentSize(),
                wal.systemIdentifier(),
                1 << 30);
    }

    @ParameterizedTest
    @MethodSource("sections")
    void isReadWholeHoweverItComes(String name) {
        RecordedWal wal = RecordedWal.load(name);
        byte[] b = wal.bytes();
        WalDecoder whole = decoder(wal, wal.startLsn());
        whole.feed(b, 0, b.length);
        WalRecord r = new WalRecord();
        List<Long> starts = new ArrayList<>();
        long hash = 0;
        while (whole.next(r)) {
            starts.add(r.startLsn());
            hash = hash(hash, r);
        }
        assertTrue(starts.size() > 1000, starts.size() + " records");
        assertEquals(wal.endLsn(), whole.lastRecordEnd());
        assertEquals(1, whole.timelineId());

        Prng random = new Prng(7);
        WalDecoder pieces = decoder(wal, wal.startLsn());
        long hashOfPieces = 0;
        for (int at = 0; at < b.length; ) {
            int n =
                    Math.min(
                            1 + random.nextInt(random.nextBoolean() ? 200 : 200_000),
                            b.length - at);
            pieces.feed(b, at, n);
            while (pieces.next(r)) {
                hashOfPieces = hash(hashOfPieces, r);
            }
            at += n;
        }
        assertEquals(hash, hashOfPieces);

        for (int i = 0; i + 2 < starts.size(); i += 1 + random.nextInt(3)) {
            WalDecoder here = decoder(wal, starts.get(i));
            int at = (int) (starts.get(i) - wal.startLsn());
            here.feed(b, at, b.length - at);
            for (int k = 0; k < 3; k++) {
                assertTrue(here.next(r));
                assertEquals(starts.get(i + k), r.startLsn());
            }
        }
    }

    private static long hash(long hash, WalRecord r) {
        long h = hash * 31 + r.startLsn();
        h = h * 31 + r.endLsn();
        h = h * 31 + r.length() + r.info();
        for (int i = 0; i < r.blockCount(); i++) {
            h = h * 31 + r.blockNumber(i) + r.dataLength(i) + r.imageLength(i);
        }
        return h * 31 + r.mainLength();
    }
}
