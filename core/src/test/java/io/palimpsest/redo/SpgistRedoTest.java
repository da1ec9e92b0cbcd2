package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.redo.IndexRecord.bytes;
import static io.palimpsest.redo.IndexRecord.i32s;
import static io.palimpsest.redo.IndexRecord.items;
import static io.palimpsest.redo.IndexRecord.page;
import static io.palimpsest.redo.IndexRecord.redo;
import static io.palimpsest.redo.IndexRecord.tid;
import static io.palimpsest.redo.IndexRecord.u16s;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.wal.Rmgr;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class SpgistRedoTest {
    private static final int OPAQUE = Page.SIZE - 8;
    private static final int XID = 700;
    private static final byte[] PLACEHOLDER = dead(3, -1, 0, 0);
    private static final byte[] DEAD = dead(2, -1, 0, 0);

    private static IndexRecord spgist(int info) {
        return new IndexRecord(Rmgr.SPGIST, info);
    }

    private static byte[] dead(int state, int block, int offset, int xid) {
        return bytes(out -> {
            out.i32(16 << 2 | state);
            out.u16(0);
            tid(out, block, offset);
            out.i32(xid);
        });
    }

    /** A live leaf tuple of 24 bytes; the two high bits of its link must survive. */
    private static byte[] leaf(int key, int next) {
        return bytes(out -> {
            out.i32(24 << 2);
            out.u16(0x4000 | next);
            tid(out, 100, key);
            out.zeros(12);
        });
    }

    /** An inner tuple with a prefix of 8 bytes and nodes of 16, linked to (links[i], 1). */
    private static byte[] inner(int key, int... links) {
        return bytes(out -> {
            out.i32(links.length << 3 | 8 << 16);
            u16s(out, 16 + 16 * links.length, 0);
            out.i64(key);
            for (int link : links) {
                tid(out, link, 1);
                out.u16(16);
                out.i64(key);
            }
        });
    }

    private static byte[] innerTo(int key, int block, int offset) {
        byte[] tuple = inner(key, 0);
        IndexTuple.setTid(tuple, 16, block, offset);
        return tuple;
    }

    private static byte[] spgistPage(int flags, int redirects, int placeholders, byte[]... items) {
        return page(
                bytes(out -> u16s(out, flags, redirects, placeholders, 0xFF82)), List.of(items));
    }

    private static void assertPage(
            byte[] page, int redirects, int placeholders, byte[]... expected) {
        List<byte[]> found = items(page);
        assertEquals(expected.length, found.size());
        for (int i = 0; i < expected.length; i++) {
            assertArrayEquals(expected[i], found.get(i), "item " + (i + 1));
        }
        assertEquals(redirects, u16(page, OPAQUE + 2));
        assertEquals(placeholders, u16(page, OPAQUE + 4));
    }

    private static void state(ByteSink out, boolean build) {
        i32s(out, XID, build ? 1 : 0);
    }

    private static IndexRecord addLeaf(boolean init, int offset, int head) {
        IndexRecord record = spgist(0x10);
        return (init ? record.initBlock(0, 5) : record.block(0, 5))
                .block(1, 1)
                .main(out -> {
                    u16s(out, init ? 0x101 : 0, offset, head, 1, 1);
                    out.bytes(leaf(9, 0));
                });
    }

    @Test
    void aLeafIsAddedToItsChain() {
        byte[] page = spgistPage(4, 0, 1, leaf(1, 0), PLACEHOLDER, leaf(3, 0));
        assertPage(
                redo(page, addLeaf(false, 2, 1).value(0)),
                0,
                0,
                leaf(1, 2),
                leaf(9, 0),
                leaf(3, 0));
        assertPage(
                redo(page, addLeaf(false, 4, 0).value(0)),
                0,
                1,
                leaf(1, 0),
                PLACEHOLDER,
                leaf(3, 0),
                leaf(9, 0));
        assertThrows(PageserverException.class, () -> redo(page, addLeaf(false, 3, 1).value(0)));
        byte[] dead = spgistPage(4, 0, 0, leaf(1, 0), DEAD);
        assertPage(redo(dead, addLeaf(false, 2, 2).value(0)), 0, 0, leaf(1, 0), leaf(9, 0));
        byte[] fresh = redo(new byte[Page.SIZE], addLeaf(true, 1, 0).value(0));
        assertPage(fresh, 0, 0, leaf(9, 0));
        assertEquals(12, u16(fresh, OPAQUE));
        assertEquals(0xFF82, u16(fresh, OPAQUE + 6));
        byte[] parent = redo(spgistPage(0, 0, 0, inner(1, 7, 8)), addLeaf(false, 2, 1).value(1));
        byte[] linked = inner(1, 7, 5);
        IndexTuple.setTid(linked, 32, 5, 2);
        assertPage(parent, 0, 0, linked);
    }

    private static IndexRecord moveLeafs(boolean build) {
        return spgist(0x20)
                .block(0, 5)
                .block(1, 6)
                .block(2, 1)
                .main(out -> {
                    u16s(out, 2, 0, 0, 1, 0, 0);
                    state(out, build);
                    u16s(out, 3, 1);
                    u16s(out, 2, 3, 4);
                    out.bytes(leaf(3, 0));
                    out.bytes(leaf(1, 2));
                    out.bytes(leaf(9, 3));
                });
    }

    @Test
    void aChainMovesAndItsFirstBecomesARedirection() {
        byte[] source = spgistPage(4, 0, 0, leaf(1, 0), leaf(2, 0), leaf(3, 1));
        assertPage(
                redo(source, moveLeafs(false).value(0)),
                1,
                1,
                PLACEHOLDER,
                leaf(2, 0),
                dead(1, 6, 4, XID));
        assertPage(
                redo(source, moveLeafs(true).value(0)), 0, 2, PLACEHOLDER, leaf(2, 0), PLACEHOLDER);
        byte[] target = spgistPage(4, 0, 1, leaf(5, 0), PLACEHOLDER);
        assertPage(
                redo(target, moveLeafs(false).value(1)),
                0,
                0,
                leaf(5, 0),
                leaf(3, 0),
                leaf(1, 2),
                leaf(9, 3));
        byte[] parent = spgistPage(0, 0, 0, inner(1, 7));
        assertPage(redo(parent, moveLeafs(false).value(2)), 0, 0, innerTo(1, 6, 4));
    }

    private static IndexRecord addNode(boolean moved, int parentBlock) {
        IndexRecord record = spgist(0x30).block(0, 5);
        if (moved) {
            record.block(1, 6);
        }
        if (parentBlock == 2) {
            record.block(2, 1);
        }
        return record.main(out -> {
            u16s(out, 2, 3, (parentBlock & 0xFF) << 8, 1, 0, 0);
            state(out, false);
            out.bytes(inner(9, 7, 8));
        });
    }

    @Test
    void aNodeIsAddedInPlaceOrElsewhere() {
        byte[] page = spgistPage(0, 0, 0, inner(1, 7), inner(9, 7));
        assertPage(redo(page, addNode(false, -1).value(0)), 0, 0, inner(1, 7), inner(9, 7, 8));
        assertPage(
                redo(page, addNode(true, 0).value(0)), 1, 0, innerTo(1, 6, 3), dead(1, 6, 3, XID));
        assertPage(
                redo(page, addNode(true, 1).value(1)),
                0,
                0,
                innerTo(1, 6, 3),
                inner(9, 7),
                inner(9, 7, 8));
        assertPage(redo(page, addNode(true, 2).value(2)), 0, 0, innerTo(1, 6, 3), inner(9, 7));
    }

    private static IndexRecord splitTuple(boolean same) {
        IndexRecord record = spgist(0x40).block(0, 5);
        if (!same) {
            record.initBlock(1, 6);
        }
        return record.main(out -> {
            u16s(out, 1, same ? 3 : 1, same ? 0x100 : 1);
            out.bytes(inner(1, 7));
            out.bytes(inner(2, 7, 8));
        });
    }

    @Test
    void aTupleIsSplitIntoPrefixAndPostfix() {
        byte[] page = spgistPage(0, 0, 0, inner(5, 7, 8), inner(6, 7));
        assertPage(
                redo(page, splitTuple(true).value(0)),
                0,
                0,
                inner(1, 7),
                inner(6, 7),
                inner(2, 7, 8));
        assertPage(redo(page, splitTuple(false).value(0)), 0, 0, inner(1, 7), inner(6, 7));
        assertPage(redo(new byte[Page.SIZE], splitTuple(false).value(1)), 0, 0, inner(2, 7, 8));
    }

    private static IndexRecord pickSplit(boolean build) {
        return spgist(0x50)
                .block(0, 5)
                .initBlock(1, 6)
                .block(2, 7)
                .main(out -> {
                    u16s(out, 0, 3, 3, 0x100, 2, 0, 1, 1, 0, 0);
                    state(out, build);
                    u16s(out, 2, 1, 3);
                    u16s(out, 1, 1, 2);
                    out.bytes(new byte[] {1, 0, 1});
                    out.bytes(inner(9, 7, 8));
                    out.bytes(leaf(1, 0));
                    out.bytes(leaf(2, 0));
                    out.bytes(leaf(3, 0));
                });
    }

    @Test
    void aChainIsReplacedByAnInnerTuple() {
        byte[] source = spgistPage(4, 0, 0, leaf(1, 0), leaf(2, 0), leaf(3, 1));
        assertPage(
                redo(source, pickSplit(false).value(0)),
                1,
                1,
                leaf(2, 0),
                dead(1, 7, 2, XID),
                PLACEHOLDER);
        assertPage(
                redo(source, pickSplit(true).value(0)), 0, 2, leaf(2, 0), PLACEHOLDER, PLACEHOLDER);
        assertPage(
                redo(new byte[Page.SIZE], pickSplit(false).value(1)), 0, 0, leaf(1, 0), leaf(3, 0));
        byte[] inner = spgistPage(0, 0, 0, inner(1, 5));
        assertPage(redo(inner, pickSplit(false).value(2)), 0, 0, innerTo(1, 7, 2), inner(9, 7, 8));
    }

    private static byte[] vacuumLeaf() {
        return spgist(0x60)
                .block(0, 5)
                .main(out -> {
                    u16s(out, 1, 1, 1, 1);
                    state(out, false);
                    u16s(out, 1, 2, 5, 3, 3, 4);
                })
                .value(0);
    }

    @Test
    void vacuumOfALeaf() {
        byte[] page =
                spgistPage(4, 0, 0, leaf(1, 0), leaf(2, 0), leaf(3, 5), leaf(4, 0), leaf(5, 0));
        assertPage(
                redo(page, vacuumLeaf()),
                0,
                2,
                DEAD,
                PLACEHOLDER,
                leaf(5, 4),
                leaf(4, 0),
                PLACEHOLDER);
    }

    private static byte[] vacuumRedirect(PgVersion version) {
        return spgist(0x80)
                .block(0, 5)
                .main(out -> {
                    u16s(out, 2, 3);
                    out.i32(XID);
                    if (version.compareTo(PgVersion.V16) >= 0) {
                        out.u16(0);
                    }
                    u16s(out, 1, 4);
                })
                .value(0);
    }

    @Test
    void vacuumOfRedirections() {
        byte[] page =
                spgistPage(4, 2, 1, dead(1, 6, 4, 5), leaf(2, 0), PLACEHOLDER, dead(1, 6, 5, 5));
        for (PgVersion version : PgVersion.values()) {
            assertPage(
                    redo(version, page, vacuumRedirect(version)),
                    0,
                    1,
                    dead(3, -1, 0, 5),
                    leaf(2, 0));
        }
    }

    private static List<Mutations.Case> cases() {
        byte[] leaves = spgistPage(4, 0, 1, leaf(1, 0), PLACEHOLDER, leaf(3, 1));
        byte[] inner = spgistPage(0, 0, 0, inner(1, 7, 8), inner(9, 7));
        byte[] redirects =
                spgistPage(4, 2, 1, dead(1, 6, 4, 5), leaf(2, 0), PLACEHOLDER, dead(1, 6, 5, 5));
        byte[] five =
                spgistPage(4, 0, 0, leaf(1, 0), leaf(2, 0), leaf(3, 5), leaf(4, 0), leaf(5, 0));
        return List.of(
                new Mutations.Case("add leaf", leaves, addLeaf(false, 2, 1).value(0)),
                new Mutations.Case("link", inner, addLeaf(false, 2, 1).value(1)),
                new Mutations.Case("move source", five, moveLeafs(false).value(0)),
                new Mutations.Case(
                        "move target",
                        spgistPage(4, 0, 1, leaf(5, 0), PLACEHOLDER),
                        moveLeafs(false).value(1)),
                new Mutations.Case("add node", inner, addNode(true, 0).value(0)),
                new Mutations.Case("split tuple", inner, splitTuple(true).value(0)),
                new Mutations.Case("pick split", five, pickSplit(false).value(0)),
                new Mutations.Case(
                        "pick split inner",
                        spgistPage(0, 0, 0, inner(1, 5)),
                        pickSplit(false).value(2)),
                new Mutations.Case("vacuum leaf", five, vacuumLeaf()),
                new Mutations.Case("redirects", redirects, vacuumRedirect(PgVersion.V17)));
    }

    @Property(tries = 3000)
    void damageIsAnExplicitErrorOrAPage(@ForAll long seed) {
        Mutations.check(cases(), seed);
    }
}
