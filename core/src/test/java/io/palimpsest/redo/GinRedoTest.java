package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;
import static io.palimpsest.redo.IndexRecord.bytes;
import static io.palimpsest.redo.IndexRecord.i32s;
import static io.palimpsest.redo.IndexRecord.item;
import static io.palimpsest.redo.IndexRecord.page;
import static io.palimpsest.redo.IndexRecord.redo;
import static io.palimpsest.redo.IndexRecord.tid;
import static io.palimpsest.redo.IndexRecord.tuple;
import static io.palimpsest.redo.IndexRecord.u16s;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.pg.Page;
import io.palimpsest.wal.Rmgr;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class GinRedoTest {
    private static final int OPAQUE = Page.SIZE - 8;

    private static IndexRecord gin(int info) {
        return new IndexRecord(Rmgr.GIN, info);
    }

    private static byte[] ginPage(int flags, int maxOffset, byte[]... items) {
        return page(
                bytes(out -> {
                    out.i32(77);
                    u16s(out, maxOffset, flags);
                }),
                List.of(items));
    }

    /** A leaf or inner page of a posting tree, with this from offset 32 on. */
    private static byte[] dataPage(int flags, int maxOffset, byte[] content) {
        byte[] page = ginPage(flags, maxOffset);
        System.arraycopy(content, 0, page, 32, content.length);
        Page.setLower(page, 32 + content.length);
        return page;
    }

    private static byte[] tids(long... tids) {
        return bytes(out -> {
            for (long tid : tids) {
                tid(out, (int) (tid >>> 11), (int) tid & 2047);
            }
        });
    }

    private static byte[] list(long... tids) {
        byte[] out = new byte[Page.SIZE];
        int size = new GinPostingList(out).compress(tids(tids), 0, tids.length, 0);
        return Arrays.copyOf(out, size);
    }

    private static byte[] concat(byte[]... parts) {
        return bytes(out -> {
            for (byte[] part : parts) {
                out.bytes(part);
            }
        });
    }

    private static byte[] content(byte[] page) {
        return Arrays.copyOfRange(page, 32, Page.lower(page));
    }

    @Test
    void aPostingListIsDifferencesOfSevenBits() {
        long first = 5L << 11 | 3;
        byte[] expected =
                bytes(out -> {
                    tid(out, 5, 3);
                    out.u16(3);
                    u16s(out, 0x8001, 0x0001);
                });
        assertArrayEquals(expected, list(first, first + 1, first + 129));
        // The longest: from the first TID of all to the last, 43 bits.
        byte[] longest = list(0, (1L << 43) - 1);
        assertEquals(7, u16(longest, 6));
        assertEquals(1, u8(longest, 14));
        assertEquals(16, longest.length);
    }

    private static List<Long> decode(byte[] list) {
        List<Long> found = new ArrayList<>();
        long tid = (long) (u16(list, 0) << 16 | u16(list, 2)) << 11 | u16(list, 4);
        found.add(tid);
        long delta = 0;
        int shift = 0;
        for (int i = 0; i < u16(list, 6); i++) {
            int c = u8(list, 8 + i);
            delta |= (long) (c & 0x7F) << shift;
            shift += 7;
            if (c < 0x80) {
                tid += delta;
                found.add(tid);
                delta = 0;
                shift = 0;
            }
        }
        return found;
    }

    private static TreeSet<Long> randomTids(Prng random, int most) {
        TreeSet<Long> tids = new TreeSet<>();
        int range = 1 + random.nextInt(40);
        for (int i = 1 + random.nextInt(most); i > 0; i--) {
            tids.add(random.nextLong(1L << range));
        }
        return tids;
    }

    private static long[] array(TreeSet<Long> tids) {
        return tids.stream().mapToLong(Long::longValue).toArray();
    }

    @Property(tries = 500)
    void addingToAPostingListIsTheUnion(@ForAll long seed) {
        Prng random = new Prng(seed);
        TreeSet<Long> old = randomTids(random, 300);
        TreeSet<Long> added = randomTids(random, 100);
        byte[] list = list(array(old));
        byte[] out = new byte[Page.SIZE];
        int size = new GinPostingList(out).merge(list, 0, tids(array(added)), 0, added.size(), 4);
        old.addAll(added);
        byte[] merged = Arrays.copyOfRange(out, 4, 4 + size);
        assertEquals(List.copyOf(old), decode(merged), "seed " + seed);
        assertArrayEquals(list(array(old)), merged, "seed " + seed);
    }

    private static byte[] vacuum(byte[]... actions) {
        return gin(0x90)
                .block(0, 5)
                .value(
                        0,
                        out -> {
                            out.u16(actions.length);
                            for (byte[] action : actions) {
                                out.bytes(action);
                            }
                        });
    }

    private static byte[] action(int number, int kind, byte[] content) {
        return bytes(out -> {
            out.u8(number);
            out.u8(kind);
            out.bytes(content);
        });
    }

    private static byte[] addItems(int number, long... tids) {
        return action(
                number,
                4,
                bytes(out -> {
                    out.u16(tids.length);
                    out.bytes(tids(tids));
                }));
    }

    @Test
    void aLeafIsRecompressedByActions() {
        byte[] a = list(100, 200);
        byte[] b = list(300, 400, 500);
        byte[] c = list(600);
        byte[] d = list(700, 1700);
        byte[] n = list(250);
        byte[] page = dataPage(0x83, 0, concat(a, b, c, d));
        assertArrayEquals(
                concat(n, a, list(300, 350, 400, 500), d),
                content(
                        redo(
                                page,
                                vacuum(
                                        action(0, 2, n),
                                        addItems(1, 350, 400),
                                        action(2, 1, new byte[0])))));
        assertArrayEquals(
                concat(a, b, c, n, list(900)),
                content(redo(page, vacuum(action(3, 3, n), action(4, 2, list(900))))));
        assertThrows(
                PageserverException.class, () -> redo(page, vacuum(action(4, 1, new byte[0]))));
        assertThrows(
                PageserverException.class,
                () -> redo(page, vacuum(action(2, 2, n), action(1, 2, n))));
    }

    @Test
    void anOldLeafIsCompressedFirst() {
        byte[] page = dataPage(0x03, 3, tids(100, 200, 300));
        byte[] after = redo(page, vacuum(addItems(0, 150)));
        assertArrayEquals(list(100, 150, 200, 300), content(after));
        assertEquals(0x83, u16(after, OPAQUE + 6));
        assertEquals(0, u16(after, OPAQUE + 4));
    }

    private static IndexRecord insert(int flags) {
        return gin(0x20)
                .block(0, 5)
                .block(1, 9)
                .main(out -> {
                    out.u16(flags);
                    if ((flags & 2) == 0) {
                        u16s(out, 0, 9, 1, 10);
                    }
                });
    }

    private static byte[] postingItem(int block, int tid) {
        return bytes(out -> {
            u16s(out, block >>> 16, block);
            tid(out, 0, tid);
        });
    }

    private static byte[] insertPostingItem(int offset) {
        return insert(1)
                .value(
                        0,
                        out -> {
                            out.u16(offset);
                            out.bytes(postingItem(9, 50));
                        });
    }

    @Test
    void anInnerPostingPageGetsTheNewChildBeforeTheSplitOne() {
        byte[] page = dataPage(1, 2, concat(postingItem(8, 40), postingItem(9, 90)));
        byte[] after = redo(page, insertPostingItem(2));
        assertArrayEquals(
                concat(postingItem(8, 40), postingItem(9, 50), postingItem(65546, 90)),
                content(after));
        assertEquals(3, u16(after, OPAQUE + 4));
        assertThrows(PageserverException.class, () -> redo(page, insertPostingItem(3)));
        assertEquals(1, u16(redo(dataPage(0x41, 0, new byte[0]), insert(1).value(1)), OPAQUE + 6));
    }

    private static byte[] insertEntry(int flags, boolean replace) {
        return insert(flags)
                .value(
                        0,
                        out -> {
                            out.u16(2);
                            out.u16(replace ? 1 : 0);
                            out.bytes(tuple(9, 0, 0, 24, 5));
                        });
    }

    @Test
    void entries() {
        byte[] page = ginPage(0, 0, tuple(8, 0, 0, 16, 1), tuple(9, 0, 0, 16, 2));
        byte[] inner = redo(page, insertEntry(0, false));
        assertArrayEquals(tuple(9, 0, 0, 24, 5), item(inner, 2));
        assertArrayEquals(tuple(65546, 0, 0, 16, 2), item(inner, 3));
        byte[] leaf = redo(page, insertEntry(2, true));
        assertEquals(2, Page.maxOffset(leaf));
        assertArrayEquals(tuple(9, 0, 0, 24, 5), item(leaf, 2));
    }

    private static final IndexRecord DELETE_PAGE =
            gin(0x50)
                    .block(0, 5)
                    .block(1, 6)
                    .block(2, 4)
                    .main(out -> {
                        u16s(out, 1, 0);
                        i32s(out, 99, 700);
                    });

    @Test
    void deletionOfAPage() {
        byte[] page = redo(dataPage(0x83, 0, new byte[0]), DELETE_PAGE.value(0));
        assertEquals(0x87, u16(page, OPAQUE + 6));
        assertEquals(700, Page.pruneXid(page));
        byte[] parent = dataPage(1, 2, concat(postingItem(5, 40), postingItem(9, 90)));
        byte[] after = redo(parent, DELETE_PAGE.value(1));
        assertArrayEquals(postingItem(9, 90), content(after));
        assertEquals(1, u16(after, OPAQUE + 4));
        assertEquals(99, i32(redo(page(new byte[8], List.of()), DELETE_PAGE.value(2)), OPAQUE));
    }

    private static byte[] updateMeta(int id, int tuples) {
        return gin(0x60)
                .initBlock(0, 0)
                .block(1, 4)
                .main(out -> {
                    i32s(out, 1663, 5, 16384, 0);
                    for (int i = 0; i < 14; i++) {
                        out.i32(i + 1);
                    }
                    i32s(out, 3, 44, tuples, 0);
                })
                .value(
                        id,
                        out -> {
                            for (int i = 0; i < tuples; i++) {
                                out.bytes(tuple(1, i, 0, 14, i));
                            }
                        });
    }

    @Test
    void pendingList() {
        byte[] meta = redo(new byte[Page.SIZE], updateMeta(0, 0));
        assertEquals(80, Page.lower(meta));
        assertEquals(1, i32(meta, 24));
        assertEquals(14, i32(meta, 76));
        assertEquals(-1, i32(meta, OPAQUE));
        assertEquals(8, u16(meta, OPAQUE + 6));
        byte[] tail = redo(ginPage(0x30, 1, tuple(1, 9, 0, 16, 9)), updateMeta(1, 2));
        assertEquals(3, Page.maxOffset(tail));
        assertArrayEquals(tuple(1, 1, 0, 14, 1), item(tail, 3));
        assertEquals(2, u16(tail, OPAQUE + 4));
        assertEquals(44, i32(redo(ginPage(0x30, 1), updateMeta(1, 0)), OPAQUE));
        for (int link : new int[] {-1, 12}) {
            byte[] page =
                    redo(
                            new byte[Page.SIZE],
                            gin(0x70)
                                    .initBlock(0, 4)
                                    .main(out -> i32s(out, link, 1))
                                    .value(0, out -> out.bytes(tuple(1, 1, 0, 14, 1))));
            assertEquals(link, i32(page, OPAQUE));
            assertEquals(link == -1 ? 0x30 : 0x10, u16(page, OPAQUE + 6));
            assertEquals(link == -1 ? 1 : 0, u16(page, OPAQUE + 4));
        }
        byte[] deleted =
                redo(
                        new byte[Page.SIZE],
                        gin(0x80)
                                .initBlock(0, 0)
                                .initBlock(1, 4)
                                .main(out -> {
                                    out.zeros(56);
                                    i32s(out, 1, 0);
                                })
                                .value(1));
        assertEquals(4, u16(deleted, OPAQUE + 6));
    }

    @Test
    void recordsThatAreImagesOnlyMustHaveThem() {
        for (int info : new int[] {0x30, 0x40}) {
            byte[] image = ginPage(0, 0, tuple(8, 0, 0, 16, 1));
            IndexRecord record = gin(info).block(0, 5);
            assertArrayEquals(
                    item(image, 1), item(redo(ginPage(0, 0), record.valueWithImage(0, image)), 1));
            assertThrows(PageserverException.class, () -> redo(ginPage(0, 0), record.value(0)));
        }
    }

    private static List<Mutations.Case> cases() {
        byte[] leaf =
                dataPage(0x83, 0, concat(list(100, 200), list(300, 400, 1 << 30), list(1L << 42)));
        byte[] inner = dataPage(1, 2, concat(postingItem(8, 40), postingItem(9, 90)));
        byte[] entries = ginPage(0, 0, tuple(8, 0, 0, 16, 1), tuple(9, 0, 0, 16, 2));
        byte[] actions =
                vacuum(
                        action(0, 2, list(1, 90)),
                        addItems(1, 350, 400),
                        action(2, 3, list(1 << 20, 1 << 30)));
        return List.of(
                new Mutations.Case("actions", leaf, actions),
                new Mutations.Case(
                        "old leaf", dataPage(3, 3, tids(1, 2, 3)), vacuum(addItems(0, 2, 7))),
                new Mutations.Case("posting item", inner, insertPostingItem(2)),
                new Mutations.Case("delete posting item", inner, DELETE_PAGE.value(1)),
                new Mutations.Case("entry", entries, insertEntry(0, false)),
                new Mutations.Case("replace", entries, insertEntry(2, true)),
                new Mutations.Case("tail", ginPage(0x30, 1), updateMeta(1, 2)),
                new Mutations.Case(
                        "create",
                        new byte[Page.SIZE],
                        gin(0x10)
                                .initBlock(0, 4)
                                .main(out -> {
                                    out.i32(10);
                                    out.bytes(list(1, 2, 3));
                                })
                                .value(0)));
    }

    @Property(tries = 3000)
    void damageIsAnExplicitErrorOrAPage(@ForAll long seed) {
        Mutations.check(cases(), seed);
    }
}
