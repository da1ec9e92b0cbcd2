package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.f64;
import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.redo.IndexRecord.bytes;
import static io.palimpsest.redo.IndexRecord.i32s;
import static io.palimpsest.redo.IndexRecord.item;
import static io.palimpsest.redo.IndexRecord.page;
import static io.palimpsest.redo.IndexRecord.redo;
import static io.palimpsest.redo.IndexRecord.tuple;
import static io.palimpsest.redo.IndexRecord.u16s;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.wal.Rmgr;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class HashRedoTest {
    private static final int OPAQUE = Page.SIZE - 16;
    private static final int SPARES = 24 + 52;
    private static final int BITMAP_BLOCKS = 24 + 444;

    private static IndexRecord hash(int info) {
        return new IndexRecord(Rmgr.HASH, info);
    }

    private static byte[] key(int key) {
        return tuple(100, key, 0, 16, key);
    }

    private static byte[] bucket(byte[]... items) {
        return page(
                bytes(out -> {
                    i32s(out, -1, 7, 3);
                    u16s(out, 0x82, 0xFF80);
                }),
                List.of(items));
    }

    private static byte[] meta(double tuples, int fillFactor) {
        IndexRecord init =
                hash(0x00)
                        .initBlock(0, 0)
                        .main(out -> {
                            out.i64(Double.doubleToRawLongBits(tuples));
                            out.i32(450);
                            out.u16(fillFactor);
                        });
        byte[] meta = redo(new byte[Page.SIZE], init.value(0));
        Page.setLsn(meta, IndexRecord.PAGE_LSN);
        return meta;
    }

    @Test
    void theMetapageIsSizedAsPostgresDoes() {
        byte[] meta = meta(2550, 307);
        assertEquals(7, i32(meta, 24 + 24));
        assertEquals(15, i32(meta, 24 + 28));
        assertEquals(7, i32(meta, 24 + 32));
        assertEquals(3, i32(meta, 24 + 36));
        assertEquals(1, i32(meta, SPARES + 4 * 3));
        assertEquals(8152, u16(meta, 24 + 18));
        assertEquals(4096, u16(meta, 24 + 20));
        assertEquals(15, u16(meta, 24 + 22));
        assertEquals(4568, Page.lower(meta));
        assertEquals(8, u16(meta, OPAQUE + 12));
        assertEquals(1, i32(meta(0, 307), 24 + 24));
        assertEquals((1 << 30) - 1, i32(meta(1e18, 10), 24 + 24));
        assertThrows(PageserverException.class, () -> meta(Double.NaN, 10));
    }

    @Test
    void bucketsDoubleInFourPhasesFromSplitPointTenOn() {
        int[][] expected = {
            {1, 0},
            {2, 1},
            {3, 2},
            {4, 2},
            {5, 3},
            {512, 9},
            {513, 10},
            {640, 10},
            {641, 11},
            {768, 11},
            {769, 12},
            {1024, 13},
            {1025, 14},
            {1 << 30, 93}
        };
        for (int[] e : expected) {
            assertEquals(e[1], HashMeta.splitPoint(e[0]), e[0] + " buckets");
        }
        for (int point = 0; point <= 93; point++) {
            int buckets = HashMeta.bucketsUpTo(point);
            assertEquals(point, HashMeta.splitPoint(buckets));
            if (point < 93) {
                assertEquals(point + 1, HashMeta.splitPoint(buckets + 1));
            }
        }
    }

    private static IndexRecord addOverflow(boolean found) {
        return hash(0x30)
                .initBlock(0, 50)
                .block(1, 3)
                .block(2, 9)
                .initBlock(3, 51)
                .block(4, 0)
                .main(out -> {
                    out.u16(4096);
                    out.u8(found ? 1 : 0);
                });
    }

    @Test
    void anOverflowPageThatNeedsANewBitmapPage() {
        byte[] overflow = redo(new byte[Page.SIZE], addOverflow(false).value(0, out -> out.i32(3)));
        assertEquals(3, i32(overflow, OPAQUE));
        assertEquals(-1, i32(overflow, OPAQUE + 4));
        assertEquals(3, i32(overflow, OPAQUE + 8));
        assertEquals(1, u16(overflow, OPAQUE + 12));
        assertEquals(50, i32(redo(bucket(), addOverflow(false).value(1)), OPAQUE + 4));
        byte[] bitmap = redo(new byte[Page.SIZE], addOverflow(false).value(3));
        assertEquals(-1, i32(bitmap, 24 + 4092));
        assertEquals(0, i32(bitmap, 24 + 4096));
        assertEquals(24 + 4096, Page.lower(bitmap));

        byte[] meta = meta(2550, 307);
        byte[] value = addOverflow(false).value(4, out -> out.i32(77));
        byte[] after = redo(meta, value);
        assertEquals(77, i32(after, 24 + 40));
        assertEquals(3, i32(after, SPARES + 4 * 3));
        assertEquals(1, i32(after, 24 + 44));
        assertEquals(51, i32(after, BITMAP_BLOCKS));
        byte[] foundOne = redo(meta, addOverflow(true).value(4, out -> out.i32(77)));
        assertEquals(1, i32(foundOne, SPARES + 4 * 3));
        putI32(meta, 24 + 44, 1024);
        assertThrows(PageserverException.class, () -> redo(meta, value));
    }

    @Test
    void bitsAreSetAndCleared() {
        byte[] bitmap = bucket();
        byte[] set = redo(bitmap, addOverflow(true).value(2, out -> out.i32(35)));
        assertEquals(8, i32(set, 24 + 4));
        IndexRecord squeeze = squeeze(0, true, true);
        byte[] cleared = set.clone();
        Page.setLsn(cleared, IndexRecord.PAGE_LSN);
        assertEquals(0, i32(redo(cleared, squeeze.value(5, out -> out.i32(35))), 24 + 4));
        for (int bit : new int[] {-1, 8 * 8152}) {
            assertThrows(
                    PageserverException.class,
                    () -> redo(bitmap, addOverflow(true).value(2, out -> out.i32(bit))));
        }
    }

    private static IndexRecord squeeze(int tuples, boolean primary, boolean previous) {
        return hash(0x80)
                .block(0, 3)
                .block(1, 3)
                .block(2, 50)
                .block(3, 40)
                .block(4, 41)
                .block(5, 9)
                .block(6, 0)
                .main(out -> {
                    i32s(out, 40, 41);
                    out.u16(tuples);
                    out.u8(primary ? 1 : 0);
                    out.u8(previous ? 1 : 0);
                });
    }

    @Test
    void squeezeOfAPageThatIsThereOnlyForItsLock() {
        byte[] value = squeeze(0, true, false).value(1);
        byte[] page = bucket(key(1));
        for (PgVersion version : PgVersion.values()) {
            byte[] after = redo(version, page, value);
            boolean stamped = version.compareTo(PgVersion.V17) < 0;
            assertEquals(stamped ? IndexRecord.RECORD_LSN : IndexRecord.PAGE_LSN, Page.lsn(after));
            assertArrayEquals(item(page, 1), item(after, 1));
            assertEquals(7, i32(after, OPAQUE + 4));
        }
        assertArrayEquals(page, redo(page, squeeze(0, false, true).value(0)));
    }

    @Test
    void squeezeMovesTuplesAndFreesThePage() {
        byte[] value =
                squeeze(2, false, true)
                        .value(
                                1,
                                out -> {
                                    u16s(out, 1, 3);
                                    out.bytes(key(5));
                                    out.bytes(key(7));
                                });
        byte[] after = redo(bucket(key(6)), value);
        for (int i = 1; i <= 3; i++) {
            assertArrayEquals(key(4 + i), item(after, i));
        }
        assertEquals(41, i32(after, OPAQUE + 4));
        byte[] freed = redo(bucket(key(1)), squeeze(2, false, true).value(2));
        assertEquals(0, Page.maxOffset(freed));
        assertEquals(-1, i32(freed, OPAQUE + 8));
        assertEquals(0xFF80, i32(freed, OPAQUE + 12) >>> 16);
        assertEquals(0, u16(freed, OPAQUE + 12));
        assertEquals(41, i32(redo(bucket(), squeeze(2, false, true).value(3)), OPAQUE + 4));
        assertEquals(40, i32(redo(bucket(), squeeze(2, false, true).value(4)), OPAQUE));
    }

    private static IndexRecord splitAllocate(int flags) {
        return hash(0x40)
                .block(0, 4)
                .initBlock(1, 12)
                .block(2, 0)
                .main(out -> {
                    out.i32(8);
                    u16s(out, 0x22, 0x12);
                    out.u8(flags);
                });
    }

    @Test
    void splitChangesTheOldBucketEvenOnceItsImageIsRestored() {
        byte[] image = bucket(key(1));
        for (byte[] value :
                List.of(splitAllocate(3).value(0), splitAllocate(3).valueWithImage(0, image))) {
            byte[] after = redo(bucket(key(1)), value);
            assertEquals(8, i32(after, OPAQUE));
            assertEquals(0x22, u16(after, OPAQUE + 12));
            assertEquals(IndexRecord.RECORD_LSN, Page.lsn(after));
        }
        IndexRecord complete = hash(0x60).block(0, 4).block(1, 12).main(out -> u16s(out, 0x42, 2));
        assertEquals(0x42, u16(redo(bucket(), complete.valueWithImage(0, image)), OPAQUE + 12));
        assertEquals(2, u16(redo(bucket(), complete.value(1)), OPAQUE + 12));
        byte[] meta =
                redo(meta(2550, 307), splitAllocate(3).value(2, out -> i32s(out, 15, 31, 4, 6)));
        assertEquals(8, i32(meta, 24 + 24));
        assertEquals(31, i32(meta, 24 + 28));
        assertEquals(15, i32(meta, 24 + 32));
        assertEquals(4, i32(meta, 24 + 36));
        assertEquals(6, i32(meta, SPARES + 4 * 4));
    }

    private static IndexRecord vacuum(PgVersion version) {
        return hash(0xC0)
                .block(0, 3)
                .block(1, 0)
                .main(out -> {
                    out.i32(700);
                    if (version.compareTo(PgVersion.V16) >= 0) {
                        out.u16(2);
                        u16s(out, 1);
                    } else {
                        out.i32(2);
                    }
                    u16s(out, 1, 3);
                });
    }

    @Test
    void vacuumOfOnePageInBothLayouts() {
        for (PgVersion version : PgVersion.values()) {
            byte[] after = redo(version, bucket(key(1), key(2), key(3)), vacuum(version).value(0));
            assertEquals(1, Page.maxOffset(after));
            assertArrayEquals(key(2), item(after, 1));
            assertEquals(2, u16(after, OPAQUE + 12));
            assertEquals(-2.0, f64(redo(version, meta(0, 10), vacuum(version).value(1)), 24 + 8));
        }
    }

    @Test
    void aSplitPageWithoutImageIsDamage() {
        assertThrows(
                PageserverException.class, () -> redo(bucket(), hash(0x50).block(0, 3).value(0)));
    }

    private static List<Mutations.Case> cases() {
        byte[] page = bucket(key(1), key(2), key(3));
        byte[] meta = meta(2550, 307);
        byte[] zeros = new byte[Page.SIZE];
        return List.of(
                new Mutations.Case(
                        "overflow meta", meta, addOverflow(false).value(4, o -> o.i32(7))),
                new Mutations.Case("bit", page, addOverflow(false).value(2, o -> o.i32(7))),
                new Mutations.Case("bitmap", zeros, addOverflow(false).value(3)),
                new Mutations.Case("vacuum", page, vacuum(PgVersion.V17).value(0)),
                new Mutations.Case("vacuum", PgVersion.V14, page, vacuum(PgVersion.V14).value(0)),
                new Mutations.Case(
                        "split meta", meta, splitAllocate(3).value(2, o -> i32s(o, 15, 31, 4, 6))),
                new Mutations.Case(
                        "delete",
                        page,
                        hash(0x90)
                                .block(1, 3)
                                .main(o -> u16s(o, 0x101))
                                .value(1, o -> u16s(o, 1, 2, 3))),
                new Mutations.Case(
                        "squeeze",
                        page,
                        squeeze(2, false, true)
                                .value(
                                        1,
                                        o -> {
                                            u16s(o, 1, 3);
                                            o.bytes(key(5));
                                            o.bytes(key(7));
                                        })));
    }

    @Property(tries = 3000)
    void damageIsAnExplicitErrorOrAPage(@ForAll long seed) {
        Mutations.check(cases(), seed);
    }
}
