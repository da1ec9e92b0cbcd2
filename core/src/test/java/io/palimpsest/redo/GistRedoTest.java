package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.i64;
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

class GistRedoTest {
    private static final int OPAQUE = Page.SIZE - 16;

    private static IndexRecord gist(int info) {
        return new IndexRecord(Rmgr.GIST, info);
    }

    private static byte[] key(int key, int size) {
        return tuple(100, key, 0, size, key);
    }

    private static byte[] gistPage(int flags, byte[]... items) {
        return page(
                bytes(out -> {
                    i32s(out, 0, 0, 77);
                    u16s(out, flags, 0xFF81);
                }),
                List.of(items));
    }

    private static byte[] update(int[] deleted, byte[]... inserted) {
        return gist(0x00)
                .block(0, 5)
                .block(1, 6)
                .main(out -> u16s(out, deleted.length, inserted.length))
                .value(
                        0,
                        out -> {
                            u16s(out, deleted);
                            for (byte[] tuple : inserted) {
                                out.bytes(tuple);
                            }
                        });
    }

    @Test
    void oneForOneKeepsTheItemNumber() {
        byte[] after = redo(gistPage(1, key(1, 16), key(2, 16)), update(new int[] {1}, key(9, 32)));
        assertArrayEquals(key(9, 32), item(after, 1));
        assertArrayEquals(key(2, 16), item(after, 2));
        assertEquals(1, u16(after, OPAQUE + 12));
    }

    @Test
    void otherwiseNewTuplesComeLast() {
        byte[] update = update(new int[] {1}, key(8, 16), key(9, 24));
        byte[] after = redo(gistPage(1, key(1, 16), key(2, 16)), update);
        assertEquals(3, Page.maxOffset(after));
        assertArrayEquals(key(2, 16), item(after, 1));
        assertArrayEquals(key(8, 16), item(after, 2));
        assertArrayEquals(key(9, 24), item(after, 3));
        assertEquals(5, u16(after, OPAQUE + 12));
        byte[] inner = redo(gistPage(0, key(1, 16), key(2, 16)), update);
        assertEquals(0, u16(inner, OPAQUE + 12));
    }

    @Test
    void theLeftChildIsMarkedEvenOnceItsImageIsRestored() {
        byte[] child = gistPage(9, key(1, 16));
        IndexRecord update = gist(0x00).block(0, 5).block(1, 6).main(out -> u16s(out, 0, 0));
        IndexRecord split = split(true).block(0, 6);
        for (byte[] value :
                List.of(
                        update.value(1),
                        update.valueWithImage(1, child),
                        split.value(0),
                        split.valueWithImage(0, child))) {
            byte[] after = redo(child, value);
            assertEquals(1, u16(after, OPAQUE + 12));
            assertEquals(1, i32(after, OPAQUE));
            assertEquals(0x2000, i32(after, OPAQUE + 4));
            assertEquals(IndexRecord.RECORD_LSN, Page.lsn(after));
        }
        byte[] parent = redo(child, update.valueWithImage(0, child));
        assertEquals(9, u16(parent, OPAQUE + 12));
    }

    private static IndexRecord split(boolean root) {
        return gist(0x30)
                .initBlock(1, root ? 0 : 5)
                .initBlock(2, 8)
                .initBlock(3, 9)
                .main(out -> {
                    i32s(out, 55, 0);
                    out.i64(0x3_0000_0004L);
                    u16s(out, 1, 3);
                    out.u8(1);
                    out.zeros(3);
                });
    }

    private static byte[] splitPage(boolean root, int id) {
        return split(root)
                .value(
                        id,
                        out -> {
                            out.i32(2);
                            out.bytes(key(1, 16));
                            out.bytes(key(2, 24));
                        });
    }

    @Test
    void splitLinksItsPages() {
        for (int id = 1; id <= 3; id++) {
            byte[] page = redo(new byte[Page.SIZE], splitPage(false, id));
            assertEquals(id == 1 ? 8 : id == 2 ? 9 : 55, i32(page, OPAQUE + 8));
            assertEquals(id == 3 ? 1 : 9, u16(page, OPAQUE + 12));
            assertEquals(3, i32(page, OPAQUE));
            assertEquals(4, i32(page, OPAQUE + 4));
            assertArrayEquals(key(2, 24), item(page, 2));
        }
        byte[] root = redo(new byte[Page.SIZE], splitPage(true, 1));
        assertEquals(-1, i32(root, OPAQUE + 8));
        assertEquals(0, u16(root, OPAQUE + 12));
        byte[] child = redo(new byte[Page.SIZE], splitPage(true, 2));
        assertEquals(9, i32(child, OPAQUE + 8));
        assertEquals(1, u16(child, OPAQUE + 12));
    }

    private static byte[] delete(PgVersion version, int... offsets) {
        return gist(0x10)
                .block(0, 5)
                .main(out -> {
                    out.i32(700);
                    out.u16(offsets.length);
                    if (version.compareTo(PgVersion.V16) >= 0) {
                        out.u16(1);
                    }
                    u16s(out, offsets);
                })
                .value(0);
    }

    @Test
    void deleteInBothLayouts() {
        for (PgVersion version : PgVersion.values()) {
            byte[] page = gistPage(0x11, key(1, 16), key(2, 16), key(3, 16), key(4, 16));
            byte[] after = redo(version, page, delete(version, 1, 2, 4));
            assertEquals(1, Page.maxOffset(after));
            assertArrayEquals(key(3, 16), item(after, 1));
            assertEquals(5, u16(after, OPAQUE + 12));
        }
    }

    @Test
    void deletionOfAPage() {
        IndexRecord delete =
                gist(0x60)
                        .block(0, 5)
                        .block(1, 2)
                        .main(out -> {
                            out.i64(0x1_0000_0009L);
                            out.u16(1);
                        });
        byte[] leaf = redo(gistPage(1, key(1, 16)), delete.value(0));
        assertEquals(3, u16(leaf, OPAQUE + 12));
        assertEquals(32, Page.lower(leaf));
        assertEquals(0x1_0000_0009L, i64(leaf, 24));
        byte[] parent = redo(gistPage(0, key(1, 16), key(2, 16)), delete.value(1));
        assertArrayEquals(key(2, 16), item(parent, 1));
    }

    @Test
    void anImageIsNeverReplacedByNothing() {
        assertThrows(
                PageserverException.class,
                () -> redo(gistPage(1), gist(0x20).block(0, 5).value(0)));
    }

    private static List<Mutations.Case> cases() {
        byte[] page = gistPage(1, key(1, 16), key(2, 16), key(3, 32), key(4, 16));
        return List.of(
                new Mutations.Case("overwrite", page, update(new int[] {3}, key(9, 64))),
                new Mutations.Case("update", page, update(new int[] {1, 2, 4}, key(9, 64))),
                new Mutations.Case("split", new byte[Page.SIZE], splitPage(false, 2)),
                new Mutations.Case("delete", page, delete(PgVersion.V17, 1, 3, 4)),
                new Mutations.Case("delete", PgVersion.V14, page, delete(PgVersion.V14, 1, 3)));
    }

    @Property(tries = 3000)
    void damageIsAnExplicitErrorOrAPage(@ForAll long seed) {
        Mutations.check(cases(), seed);
    }
}
