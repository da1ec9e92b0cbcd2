package io.palimpsest.ingest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Marker;
import io.palimpsest.value.Marker.Deleted;
import io.palimpsest.value.Marker.Gone;
import io.palimpsest.wal.Rmgr;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is noted of records that somebody may want to come back from. */
class MarkersTest {
    private static Marker marker(Ingesting wal, long lsn) {
        byte[] content = wal.history.imageAt(Keys.marker(lsn), lsn);
        assertNotNull(content, "no marker");
        return Marker.read(lsn, content);
    }

    private static int count(Ingesting wal) {
        int[] n = new int[1];
        wal.history.scan(Keys.ofKind(Keys.MARKER), (_, _) -> n[0]++);
        return n[0];
    }

    /** Rows of a table whose page is there go. */
    private static void delete(Ingesting wal, int xid, int rel, int rows) {
        for (int i = 0; i < rows; i++) {
            wal.begin(Rmgr.HEAP, 0x10, xid).block(0, 0, rel, 0).ints(xid).ints(0x0100_0001).end();
        }
    }

    private static void page(Ingesting wal, int rel) {
        byte[] page = new byte[Page.SIZE];
        Page.init(page, 0);
        wal.begin(Rmgr.XLOG, 0xB0, 0).block(0, 0, rel, 0).image(page).end();
    }

    private static long commit(Ingesting wal, int xid, int... children) {
        wal.begin(Rmgr.XACT, 0x80, xid).longs(5).ints(2).ints(children.length).ints(children);
        return wal.end();
    }

    @ParameterizedTest
    @EnumSource
    void relationsThatWentWithACommit(PgVersion version) {
        Ingesting wal = new Ingesting(version);
        int rel = 20_000;
        for (int i = 0; i < 40; i++) {
            wal.begin(Rmgr.XLOG, 0xB0, 0);
            for (int block = 0; block <= i % 4; block++) {
                byte[] page = new byte[Page.SIZE];
                Page.init(page, 0);
                wal.block(block, 0, rel + i, block).image(page);
            }
            wal.end();
        }
        wal.begin(Rmgr.XACT, 0x80, 701).longs(77).ints(4).ints(40);
        for (int i = 0; i < 40; i++) {
            wal.ints(Ingesting.SPC, Ingesting.DB, rel + i);
        }
        long lsn = wal.end();
        Marker marker = marker(wal, lsn);
        assertEquals(lsn, marker.lsn());
        assertEquals(wal.record.startLsn(), marker.before());
        assertEquals(77, marker.micros());
        assertEquals(701, marker.xid());
        assertEquals(40, marker.relations());
        assertEquals(Markers.NAMED, marker.gone().size());
        assertEquals(new Gone(Ingesting.SPC, Ingesting.DB, rel + 3, 4), marker.gone().getFirst());
        assertTrue(marker.gone().stream().allMatch(g -> g.blocks() >= 3), marker.toString());
        assertEquals(-1, wal.size(rel, 0), "and they are gone");
    }

    @Test
    void relationsThatWereNeverToBeAreNone() {
        Ingesting wal = new Ingesting(PgVersion.V17);
        page(wal, 20_000);
        wal.begin(Rmgr.XACT, 0xA0, 701).longs(77).ints(4).ints(1);
        wal.ints(Ingesting.SPC, Ingesting.DB, 20_000).end();
        assertEquals(0, count(wal));
    }

    @Test
    void manyRowsOfATransactionAndItsParts() {
        Ingesting wal = new Ingesting(PgVersion.V16);
        page(wal, 20_000);
        page(wal, 20_001);
        page(wal, 1249);
        int many = (int) Markers.MANY_ROWS;
        delete(wal, 701, 20_000, many - 1);
        delete(wal, 702, 20_001, 1);
        delete(wal, 703, 20_001, many);
        assertEquals(many, marker(wal, commit(wal, 703)).rows(), "others run");
        Marker marker = marker(wal, commit(wal, 701, 702));
        assertEquals(many, marker.rows());
        assertEquals(
                List.of(
                        new Deleted(Ingesting.SPC, Ingesting.DB, 20_000, many - 1),
                        new Deleted(Ingesting.SPC, Ingesting.DB, 20_001, 1)),
                marker.deleted());
        int before = count(wal);
        delete(wal, 704, 20_000, many - 1);
        commit(wal, 704);
        delete(wal, 705, 20_000, many);
        wal.begin(Rmgr.XACT, 0x20, 705).longs(5).end();
        // The same number again, much later.
        delete(wal, 705, 20_000, 1);
        commit(wal, 705);
        delete(wal, 706, 1249, many);
        commit(wal, 706);
        assertEquals(before, count(wal), "too few, rolled back, PostgreSQL's own");
    }

    @Test
    void aPreparedTransactionCountsWhenItIsCommitted() {
        Ingesting wal = new Ingesting(PgVersion.V17);
        page(wal, 20_000);
        delete(wal, 701, 20_000, (int) Markers.MANY_ROWS);
        wal.begin(Rmgr.XACT, 0x10, 701).main(new byte[80]).end();
        long lsn = wal.begin(Rmgr.XACT, 0xB0, 0).longs(1).ints(0x10).ints(701).end();
        assertEquals(701, marker(wal, lsn).xid());
    }

    @ParameterizedTest
    @EnumSource
    void databasesAndRestorePoints(PgVersion version) {
        Ingesting wal = new Ingesting(version);
        int drop = version.atLeast(PgVersion.V15) ? 0x20 : 0x10;
        long lsn = wal.begin(Rmgr.DBASE, drop, 701).ints(99, 1).ints(Ingesting.SPC).end();
        Marker marker = marker(wal, lsn);
        assertEquals(99, marker.database());
        assertEquals(wal.record.startLsn(), marker.before());
        byte[] name = Arrays.copyOf("nächtlich".getBytes(StandardCharsets.UTF_8), 64);
        lsn = wal.begin(Rmgr.XLOG, 0x70, 0).longs(123).main(name).end();
        assertEquals(Marker.restorePoint(lsn, 123, "nächtlich"), marker(wal, lsn));
        wal.begin(Rmgr.XLOG, 0x70, 0).longs(123).main(new byte[63]);
        PageserverException e = assertThrows(PageserverException.class, wal::end);
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }

    @Test
    void aMarkerIsItsBytes() {
        Marker all =
                new Marker(
                        1L << 40,
                        1L << 39,
                        -5,
                        -7,
                        "x",
                        8,
                        300,
                        List.of(new Gone(1, 2, 3, 0xFFFF_FFFEL), new Gone(4, 5, -6, 0)),
                        1L << 33,
                        List.of(new Deleted(7, 8, -9, 1L << 33)));
        ByteSink out = new ByteSink(16);
        all.write(out);
        assertEquals(all, Marker.read(1L << 40, out.toByteArray()));
        for (int n = 0; n < out.size(); n++) {
            byte[] cut = Arrays.copyOf(out.toByteArray(), n);
            PageserverException e =
                    assertThrows(PageserverException.class, () -> Marker.read(5, cut));
            assertEquals(ErrorCode.CORRUPTION, e.code());
        }
    }

    /** Against a map, with numbers near each other and far apart, ends in any order. */
    @Property(tries = 60)
    void rowsAreThoseOfTheirTransactions(@ForAll long seed) {
        Prng random = new Prng(seed);
        DeletedRows rows = new DeletedRows();
        TreeMap<Integer, TreeMap<Integer, Long>> model = new TreeMap<>();
        XactRecord alone = new XactRecord();
        int base = (int) random.nextLong();
        for (int i = 0; i < 4000; i++) {
            int xid = base + random.nextInt(300) * (random.nextBoolean() ? 1 : 64);
            if (xid == 0) {
                continue;
            }
            if (random.nextInt(5) != 0) {
                int rel = 16_384 + random.nextInt(6);
                rows.deleted(xid, 1663, 5, rel);
                model.computeIfAbsent(xid, _ -> new TreeMap<>()).merge(rel, 1L, Long::sum);
                continue;
            }
            DeletedRows.Rows found = rows.end(xid, alone);
            TreeMap<Integer, Long> expected = model.remove(xid);
            if (expected == null) {
                assertNull(found);
                continue;
            }
            assertNotNull(found);
            TreeMap<Integer, Long> byRelation = new TreeMap<>();
            found.byRelation().forEach(d -> byRelation.put(d.rel(), d.rows()));
            assertEquals(expected, byRelation);
            assertEquals(
                    expected.values().stream().mapToLong(Long::longValue).sum(), found.total());
        }
    }

    @Test
    void thoseThatACrashEndedAreForgottenWhenTheyAreMany() {
        DeletedRows rows = new DeletedRows();
        XactRecord alone = new XactRecord();
        for (int xid = 1000; xid < 4000; xid++) {
            rows.deleted(xid, 1663, 5, 16_384);
        }
        rows.oldestRunning(3990);
        assertNull(rows.end(3989, alone));
        assertNotNull(rows.end(3990, alone));
        rows.oldestRunning(4000);
        assertNotNull(rows.end(3991, alone), "few are kept");
    }
}
