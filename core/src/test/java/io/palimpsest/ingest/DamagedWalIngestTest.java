package io.palimpsest.ingest;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.value.Modifications;
import io.palimpsest.wal.WalRecord;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Records of real servers, damaged as if behind a right checksum, at the moment they came: each is
 * ingested or refused with a PageserverException, soon, and never makes more than a few values.
 */
class DamagedWalIngestTest {
    private static final int HEADER = 24;
    private static final int BATCH = 20;
    private static final int MANY_VALUES = 140_000;

    static Stream<String> sections() {
        return RecordedWal.checkedNames().stream();
    }

    @ParameterizedTest
    @MethodSource("sections")
    @Timeout(120)
    void damageIsRefusedOrIngested(String name) {
        RecordedWal wal = RecordedWal.load(name);
        PgVersion version = PgVersion.ofMajor(wal.major());
        RecordedIngest recorded = new RecordedIngest(wal, true);
        StoredHistory history = recorded.history();
        WalRecord r = new WalRecord();
        Prng random = new Prng(wal.major());
        int refused = 0;
        int ingested = 0;
        int records = 0;
        while (recorded.decoder().next(r)) {
            if (records % BATCH == 0 || r.blockCount() == 0) {
                recorded.commit();
                for (int i = 0; i < (r.blockCount() == 0 ? 12 : 4); i++) {
                    if (damaged(r, version, history, random)) {
                        ingested++;
                    } else {
                        refused++;
                    }
                }
            }
            recorded.ingest().ingest(r, recorded.out());
            records++;
        }
        System.out.printf(
                "%s: damaged records: %d refused, %d ingested%n", name, refused, ingested);
        assertTrue(refused > 1000 && ingested > 1000, name);
    }

    /** Is it ingested? What it makes is dropped. */
    private static boolean damaged(
            WalRecord r, PgVersion version, StoredHistory history, Prng random) {
        byte[] bytes = new byte[r.length()];
        System.arraycopy(r.bytes(), r.offset(), bytes, 0, bytes.length);
        for (int i = 1 + random.nextInt(3); i > 0; i--) {
            int at = 16 + random.nextInt(2);
            if (bytes.length > HEADER && !random.oneIn(8)) {
                at = HEADER + random.nextInt(bytes.length - HEADER);
            }
            bytes[at] =
                    (byte)
                            (random.nextBoolean()
                                    ? random.nextInt(256)
                                    : bytes[at] ^ 1 << random.nextInt(8));
        }
        Modifications out = new Modifications();
        try {
            WalRecord damaged = new WalRecord();
            damaged.parse(bytes, 0, bytes.length, r.startLsn(), r.endLsn(), version);
            new WalIngest(version, WalOrigin.STOCK, history, 64).ingest(damaged, out);
        } catch (PageserverException e) {
            return false;
        } finally {
            assertTrue(out.count() < MANY_VALUES, () -> out.count() + " values of one record");
        }
        return true;
    }
}
