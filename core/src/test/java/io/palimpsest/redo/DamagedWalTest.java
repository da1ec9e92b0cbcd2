package io.palimpsest.redo;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalDecoder;
import io.palimpsest.wal.WalRecord;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Records of the recorded sections, damaged as if behind a right checksum, over the real page each
 * was for: it is refused, or its redo ends with a PageserverException or with a page; nothing
 * outside the record has an influence on that.
 */
final class DamagedWalTest {
    private record Block(RelTag tag, int number) {}

    private static final int MARGIN = 64;
    private static final int HEADER = 24;
    private static final int XL_INFO = 16;

    /** At the margins of what a length, an offset or a count may be. */
    private static final int[] EDGES = {0, 1, 2, 4, 0x1F, 0x20, 0x7F, 0x80, 0xFE, 0xFF};

    private final Map<Block, byte[]> pages = new HashMap<>();
    private final ByteSink value = new ByteSink(Page.SIZE);
    private final WalRecord damaged = new WalRecord();
    private final TreeSet<String> managers = new TreeSet<>();
    private int refused;
    private int failed;
    private int applied;

    static List<String> sections() {
        return RecordedWal.checkedNames();
    }

    @ParameterizedTest
    @MethodSource("sections")
    @Timeout(120)
    void damageIsAnErrorOrAPage(String name) {
        RecordedWal wal = RecordedWal.load(name);
        PgVersion version = PgVersion.ofMajor(wal.major());
        PageRedo redo = new PageRedo(new RedoContext(version, wal.hintBitsLogged()));
        WalDecoder decoder =
                new WalDecoder(
                        version,
                        wal.startLsn(),
                        wal.segmentSize(),
                        wal.systemIdentifier(),
                        1 << 30);
        decoder.feed(wal.bytes(), 0, wal.bytes().length);
        WalRecord r = new WalRecord();
        Prng random = new Prng(wal.major());
        while (decoder.next(r)) {
            if (r.blockCount() > 0 && (random.oneIn(4) || rare(r))) {
                damage(r, version, redo, random);
            }
            for (int i = 0; i < r.blockCount(); i++) {
                apply(r, i, redo);
            }
        }
        System.out.printf(
                "%s: damaged records: %d refused, blocks: %d failed, %d redone%n",
                name, refused, failed, applied);
        assertTrue(refused > 1_000 && failed > 1_000 && applied > 10_000, name);
        assertTrue(
                managers.containsAll(
                        List.of(
                                "HEAP", "HEAP2", "BTREE", "HASH", "GIN", "GIST", "SEQ", "SPGIST",
                                "BRIN", "GENERIC", "XLOG")),
                managers::toString);
    }

    /** All but those that make up most of each section. */
    private static boolean rare(WalRecord r) {
        return r.rmid() != Rmgr.HEAP && r.rmid() != Rmgr.BTREE && r.rmid() != Rmgr.HASH;
    }

    /** What follows is redone over whole pages: the record as it is. */
    private void apply(WalRecord r, int i, PageRedo redo) {
        value.clear();
        StoredValue.record(value, r, i);
        byte[] page =
                StoredValue.isInitial(value.array(), 0)
                        ? pages.computeIfAbsent(block(r, i), b -> new byte[Page.SIZE])
                        : pages.get(block(r, i));
        if (page != null) {
            redo.apply(page, value.array(), 0, value.size(), r.endLsn());
        }
    }

    private void damage(WalRecord r, PgVersion version, PageRedo redo, Prng random) {
        byte[] bytes = new byte[MARGIN + r.length() + MARGIN];
        System.arraycopy(r.bytes(), r.offset(), bytes, MARGIN, r.length());
        // Headers of blocks and what follows the images: where damage does most.
        for (int i = 1 + random.nextInt(3); i > 0; i--) {
            int at = random.oneIn(20) ? XL_INFO : position(r, random);
            bytes[MARGIN + at] =
                    (byte) (random.nextBoolean() ? EDGES[random.nextInt(10)] : random.nextInt(256));
        }
        String first = outcome(r, version, redo, bytes, (byte) 0);
        String second = outcome(r, version, redo, bytes, (byte) 0xFF);
        assertEquals(first, second, () -> "info " + r.info() + " at " + r.startLsn());
    }

    private static int position(WalRecord r, Prng random) {
        int length = r.length() - HEADER;
        if (random.oneIn(3) || r.mainLength() == 0) {
            return HEADER + random.nextInt(random.nextBoolean() ? Math.min(40, length) : length);
        }
        return r.mainOffset() - r.offset() + random.nextInt(r.mainLength());
    }

    /** Of all blocks together; the pages that are known stay as they were. */
    private String outcome(
            WalRecord r, PgVersion version, PageRedo redo, byte[] bytes, byte around) {
        Arrays.fill(bytes, 0, MARGIN, around);
        Arrays.fill(bytes, bytes.length - MARGIN, bytes.length, around);
        byte[] before = bytes.clone();
        StringBuilder outcome = new StringBuilder();
        try {
            damaged.parse(bytes, MARGIN, r.length(), r.startLsn(), r.endLsn(), version);
        } catch (PageserverException e) {
            refused++;
            return e.getMessage();
        }
        for (int i = 0; i < damaged.blockCount(); i++) {
            value.clear();
            StoredValue.record(value, damaged, i);
            byte[] page = pages.getOrDefault(block(damaged, i), new byte[Page.SIZE]).clone();
            try {
                redo.apply(page, value.array(), 0, value.size(), r.endLsn());
                outcome.append(Arrays.hashCode(page)).append(' ');
                managers.add(Rmgr.name(damaged.rmid()));
                applied++;
            } catch (PageserverException e) {
                outcome.append(e.getMessage());
                failed++;
            }
        }
        assertArrayEquals(before, bytes, "redo changed the record");
        return outcome.toString();
    }

    private static Block block(WalRecord r, int i) {
        return new Block(new RelTag(r.spc(i), r.db(i), r.rel(i), r.fork(i)), r.blockNumber(i));
    }
}
