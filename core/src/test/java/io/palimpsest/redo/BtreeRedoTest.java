package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.f64;
import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.i64;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.redo.IndexRecord.bytes;
import static io.palimpsest.redo.IndexRecord.i32s;
import static io.palimpsest.redo.IndexRecord.item;
import static io.palimpsest.redo.IndexRecord.items;
import static io.palimpsest.redo.IndexRecord.page;
import static io.palimpsest.redo.IndexRecord.redo;
import static io.palimpsest.redo.IndexRecord.tid;
import static io.palimpsest.redo.IndexRecord.tuple;
import static io.palimpsest.redo.IndexRecord.u16s;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.wal.Rmgr;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class BtreeRedoTest {
    private static final int OPAQUE = Page.SIZE - 16;
    private static final byte[] HIGH_KEY = tuple(0, 1, 0x2000, 16, 0x77);

    private static byte[] special(int left, int right, int level, int flags, int cycle) {
        return bytes(out -> {
            i32s(out, left, right, level);
            u16s(out, flags, cycle);
        });
    }

    /** Heap TIDs are (100, n). */
    private static byte[] posting(int key, int... tids) {
        return bytes(out -> {
            int size = Page.maxAlign(16 + 6 * tids.length);
            tid(out, 16, 0x2000 | tids.length);
            out.u16(0x2000 | size);
            for (int i = 0; i < 8; i++) {
                out.u8(key);
            }
            for (int tid : tids) {
                tid(out, 100, tid);
            }
            out.zeros(size - 16 - 6 * tids.length);
        });
    }

    private static byte[] plain(int key, int tid) {
        return tuple(100, tid, 0, 16, key);
    }

    private static byte[] leaf(byte[]... items) {
        List<byte[]> all = new ArrayList<>(List.of(HIGH_KEY));
        all.addAll(List.of(items));
        return page(special(4, 6, 0, 0x41, 9), all);
    }

    private static IndexRecord btree(int info) {
        return new IndexRecord(Rmgr.BTREE, info);
    }

    private static void assertItems(byte[] page, byte[]... expected) {
        List<byte[]> found = items(page);
        assertEquals(expected.length, found.size());
        for (int i = 0; i < expected.length; i++) {
            assertArrayEquals(expected[i], found.get(i), "item " + (i + 1));
        }
    }

    private static byte[] insertPosting(int position) {
        return btree(0x50)
                .block(0, 5)
                .main(out -> out.u16(3))
                .value(
                        0,
                        out -> {
                            out.u16(position);
                            out.bytes(plain(1, 20));
                        });
    }

    @Test
    void aTidThatFallsIntoAPostingTupleDisplacesItsLast() {
        byte[] page = leaf(posting(1, 10, 15, 25, 30), plain(2, 5));
        byte[] after = redo(page, insertPosting(2));
        assertItems(after, HIGH_KEY, posting(1, 10, 15, 20, 25), plain(1, 30), plain(2, 5));
        assertEquals(IndexRecord.RECORD_LSN, Page.lsn(after));
    }

    @Test
    void aPostingTupleIsNeverSplitAtItsEnds() {
        byte[] page = leaf(posting(1, 10, 15), plain(2, 5));
        for (int position : new int[] {0, 2}) {
            PageserverException e =
                    assertThrows(
                            PageserverException.class, () -> redo(page, insertPosting(position)));
            assertEquals(ErrorCode.CORRUPTION, e.code());
        }
    }

    private static IndexRecord split(int info, int firstRight, int newItem, int position) {
        return btree(info)
                .block(0, 5)
                .initBlock(1, 9)
                .block(2, 6)
                .main(out -> {
                    out.i32(0);
                    u16s(out, firstRight, newItem, position);
                });
    }

    @Test
    void splitPutsTheNewItemAmongTheLeftOnes() {
        byte[] page = leaf(plain(1, 1), plain(2, 1), plain(3, 1));
        byte[] newHighKey = tuple(0, 1, 0x2000, 24, 0x33);
        for (int at = 2; at <= 4; at++) {
            byte[] value =
                    split(0x30, 4, at, 0)
                            .value(
                                    0,
                                    out -> {
                                        out.bytes(plain(8, 1));
                                        out.bytes(newHighKey);
                                    });
            byte[] after = redo(page, value);
            List<byte[]> expected = new ArrayList<>(List.of(newHighKey, plain(1, 1), plain(2, 1)));
            expected.add(at - 1, plain(8, 1));
            assertItems(after, expected.toArray(byte[][]::new));
            assertEquals(4, i32(after, OPAQUE));
            assertEquals(9, i32(after, OPAQUE + 4));
            assertEquals(0x81, u16(after, OPAQUE + 12));
            assertEquals(0, u16(after, OPAQUE + 14));
        }
    }

    @Test
    void splitOfARightmostPageHasDataFromItemOne() {
        byte[] page = page(special(4, 0, 0, 3, 0), List.of(plain(1, 1), plain(2, 1)));
        byte[] after = redo(page, split(0x40, 2, 3, 0).value(0, out -> out.bytes(HIGH_KEY)));
        assertItems(after, HIGH_KEY, plain(1, 1));
    }

    @Test
    void splitWithAPostingTupleSplitToo() {
        byte[] page = leaf(posting(1, 10, 15, 25, 30), plain(2, 5), plain(3, 5));
        byte[] data =
                bytes(out -> {
                    out.bytes(plain(1, 20));
                    out.bytes(HIGH_KEY);
                });
        byte[] left = redo(page, split(0x30, 4, 3, 2).value(0, out -> out.bytes(data)));
        assertItems(left, HIGH_KEY, posting(1, 10, 15, 20, 25), plain(1, 30), plain(2, 5));
        // The new item opens the right page: it is logged only for the posting tuple's sake.
        byte[] cut = redo(page, split(0x40, 3, 3, 2).value(0, out -> out.bytes(data)));
        assertItems(cut, HIGH_KEY, posting(1, 10, 15, 20, 25));
    }

    @Test
    void theRightPageIsTheTupleAreaAsItWas() {
        byte[] value =
                split(0x40, 3, 3, 0)
                        .value(
                                1,
                                out -> {
                                    out.bytes(plain(3, 3));
                                    out.bytes(posting(2, 7, 8));
                                    out.bytes(HIGH_KEY);
                                });
        byte[] right = redo(new byte[Page.SIZE], value);
        assertItems(right, HIGH_KEY, posting(2, 7, 8), plain(3, 3));
        assertEquals(5, i32(right, OPAQUE));
        assertEquals(6, i32(right, OPAQUE + 4));
        assertEquals(1, u16(right, OPAQUE + 12));
    }

    private static byte[] deduplicate(int... intervals) {
        return btree(0x60)
                .block(0, 5)
                .main(out -> out.u16(intervals.length / 2))
                .value(0, out -> u16s(out, intervals));
    }

    @Test
    void deduplicationMergesPlainAndPostingTuples() {
        byte[] page =
                leaf(
                        plain(1, 1),
                        plain(2, 1),
                        posting(2, 2, 3),
                        plain(2, 4),
                        plain(3, 1),
                        plain(4, 1));
        byte[] after = redo(page, deduplicate(3, 3));
        assertItems(after, HIGH_KEY, plain(1, 1), posting(2, 1, 2, 3, 4), plain(3, 1), plain(4, 1));
        assertEquals(1, u16(after, OPAQUE + 12));
        assertThrows(PageserverException.class, () -> redo(page, deduplicate(7, 2)));
        assertThrows(PageserverException.class, () -> redo(page, deduplicate(9, 2)));
    }

    private static byte[] delete(int info, int[] deleted, int[] updated, int... updates) {
        return btree(info)
                .block(0, 5)
                .main(out -> {
                    if (info == 0x70) {
                        out.i32(700);
                    }
                    u16s(out, deleted.length, updated.length);
                })
                .value(
                        0,
                        out -> {
                            u16s(out, deleted);
                            u16s(out, updated);
                            u16s(out, updates);
                        });
    }

    @Test
    void vacuumShrinksPostingTuplesThenDeletes() {
        byte[] page = leaf(posting(1, 1, 2, 3), plain(2, 1), posting(3, 1, 2), plain(4, 1));
        for (int info : new int[] {0x70, 0xC0}) {
            byte[] value = delete(info, new int[] {3}, new int[] {2, 4}, 1, 1, 1, 0);
            byte[] after = redo(page, value);
            assertItems(after, HIGH_KEY, posting(1, 1, 3), plain(3, 2), plain(4, 1));
            assertEquals(1, u16(after, OPAQUE + 12));
            assertEquals(9, u16(after, OPAQUE + 14));
            byte[] after18 = redo(PgVersion.V18, page, value);
            assertEquals(info == 0xC0 ? 0 : 9, u16(after18, OPAQUE + 14));
        }
        byte[] all = delete(0xC0, new int[0], new int[] {4}, 2, 0, 1);
        assertThrows(PageserverException.class, () -> redo(page, all));
    }

    private static final IndexRecord HALF_DEAD =
            btree(0xB0)
                    .initBlock(0, 5)
                    .block(1, 2)
                    .main(out -> {
                        u16s(out, 2, 0);
                        i32s(out, 5, 4, 6, 0x12345);
                    });

    @Test
    void aHalfDeadLeafKeepsOnlyTheTopParent() {
        byte[] leaf = redo(new byte[Page.SIZE], HALF_DEAD.value(0));
        assertItems(leaf, tuple(0x12345, 0, 0x2000, 8, 0));
        assertEquals(0x11, u16(leaf, OPAQUE + 12));
        byte[] parent =
                page(
                        special(0, 0, 1, 2, 0),
                        List.of(
                                tuple(3, 0, 0x2000, 8, 0),
                                tuple(5, 1, 0x2000, 16, 1),
                                tuple(6, 1, 0x2000, 16, 2)));
        assertItems(
                redo(parent, HALF_DEAD.value(1)),
                tuple(3, 0, 0x2000, 8, 0),
                tuple(6, 1, 0x2000, 16, 1));
    }

    private static final IndexRecord UNLINK =
            btree(0x90)
                    .initBlock(0, 5)
                    .block(1, 4)
                    .block(2, 6)
                    .initBlock(3, 7)
                    .initBlock(4, 0)
                    .main(out -> {
                        i32s(out, 4, 6, 1, 0);
                        out.i64(0x1_0000_0007L);
                        i32s(out, 14, 16, 99);
                    });

    private static byte[] unlinkMeta() {
        return UNLINK.value(
                4,
                out -> {
                    i32s(out, 4, 3, 1, 8, 2, 11);
                    out.u8(1);
                    out.zeros(3);
                });
    }

    @Test
    void unlinkOfAnInnerPage() {
        byte[] target = redo(new byte[Page.SIZE], UNLINK.value(0));
        assertEquals(0x1_0000_0007L, i64(target, 24));
        assertEquals(32, Page.lower(target));
        assertEquals(OPAQUE, Page.upper(target));
        assertEquals(0x104, u16(target, OPAQUE + 12));
        assertEquals(6, i32(redo(leaf(), UNLINK.value(1)), OPAQUE + 4));
        assertEquals(4, i32(redo(leaf(), UNLINK.value(2)), OPAQUE));
        byte[] leaf = redo(new byte[Page.SIZE], UNLINK.value(3));
        assertEquals(14, i32(leaf, OPAQUE));
        assertEquals(16, i32(leaf, OPAQUE + 4));
        assertArrayEquals(tuple(99, 0, 0x2000, 8, 0), item(leaf, 1));
        byte[] meta = redo(new byte[Page.SIZE], unlinkMeta());
        assertEquals(72, Page.lower(meta));
        assertEquals(0x053162, i32(meta, 24));
        assertEquals(3, i32(meta, 32));
        assertEquals(8, i32(meta, 40));
        assertEquals(11, i32(meta, 48));
        assertEquals(-1.0, f64(meta, 56));
        assertEquals(1, meta[64]);
        assertEquals(8, u16(meta, OPAQUE + 12));
    }

    @Test
    void blocksARecordCannotHaveAreRefused() {
        assertThrows(
                PageserverException.class, () -> redo(leaf(), btree(0xD0).block(0, 5).value(0)));
        assertThrows(
                PageserverException.class,
                () -> redo(leaf(), btree(0x00).block(1, 5).main(out -> out.u16(2)).value(1)));
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () -> redo(leaf(), btree(0xF0).block(0, 5).value(0)));
        assertEquals(ErrorCode.UNSUPPORTED, e.code());
    }

    private static List<Mutations.Case> cases() {
        byte[] page =
                leaf(posting(1, 10, 15, 25, 30), plain(2, 5), plain(3, 5), posting(4, 1, 2, 3));
        byte[] zeros = new byte[Page.SIZE];
        byte[] tuples =
                bytes(out -> {
                    out.bytes(plain(1, 20));
                    out.bytes(HIGH_KEY);
                });
        return List.of(
                new Mutations.Case("insert posting", page, insertPosting(2)),
                new Mutations.Case(
                        "split left",
                        page,
                        split(0x30, 4, 3, 2).value(0, out -> out.bytes(tuples))),
                new Mutations.Case(
                        "split right",
                        zeros,
                        split(0x40, 4, 3, 2).value(1, out -> out.bytes(tuples))),
                new Mutations.Case("deduplicate", page, deduplicate(3, 2)),
                new Mutations.Case(
                        "vacuum",
                        page,
                        delete(0xC0, new int[] {3}, new int[] {2, 5}, 2, 0, 2, 1, 1)),
                new Mutations.Case("delete", page, delete(0x70, new int[] {2, 3, 4}, new int[0])),
                new Mutations.Case("half dead", zeros, HALF_DEAD.value(0)),
                new Mutations.Case("half dead parent", page, HALF_DEAD.value(1)),
                new Mutations.Case("unlink", zeros, UNLINK.value(0)),
                new Mutations.Case("unlink meta", zeros, unlinkMeta()),
                new Mutations.Case(
                        "new root",
                        zeros,
                        btree(0xA0)
                                .initBlock(0, 3)
                                .block(1, 1)
                                .initBlock(2, 0)
                                .main(out -> i32s(out, 3, 1))
                                .value(0, out -> out.bytes(tuples))));
    }

    @Property(tries = 3000)
    void damageIsAnExplicitErrorOrAPage(@ForAll long seed) {
        Mutations.check(cases(), seed);
    }
}
