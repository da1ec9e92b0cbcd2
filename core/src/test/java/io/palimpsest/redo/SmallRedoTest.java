package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.redo.HeapPages.ascii;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.Rmgr;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Sequences, generic records, BRIN, and what PageRedo does before it asks a resource manager. */
class SmallRedoTest {
    private static void assertCorruption(RecordValue value, byte[] page) {
        PageserverException e =
                assertThrows(PageserverException.class, () -> value.applyTo(page, PgVersion.V16));
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }

    static RecordValue sequence() {
        return new RecordValue(Rmgr.SEQ, 0)
                .initBlock(0, 0)
                .main(m -> {
                    m.zeros(12);
                    m.bytes(HeapPages.tuple(2, 0, 0, 3, 0x0B01, "12345678abcdefgh!"));
                });
    }

    @Test
    void aSequenceIsOnePageWithOneTuple() {
        byte[] page = new byte[Page.SIZE];
        Arrays.fill(page, (byte) 7);
        sequence().applyTo(page, PgVersion.V14);
        assertEquals(0x1717, i32(page, 8184));
        assertEquals(0, i32(page, 8188));
        assertEquals(8184, Page.special(page));
        assertEquals(8184 - 48, Page.upper(page));
        assertEquals(1, Page.maxOffset(page));
        assertArrayEquals(
                HeapPages.tuple(2, 0, 0, 3, 0x0B01, "12345678abcdefgh!"), HeapPages.item(page, 1));
        assertEquals(RecordValue.LSN, Page.lsn(page));
    }

    static RecordValue generic() {
        return new RecordValue(Rmgr.GENERIC, 0)
                .block(0, 3)
                .data(d -> {
                    d.u16(12);
                    d.u16(2);
                    d.u16(30);
                    d.u16(8190);
                    d.u16(2);
                    d.bytes(ascii("zz"));
                });
    }

    @Test
    void genericPiecesOverwriteAndTheHoleIsZero() {
        byte[] page = HeapPages.empty();
        Arrays.fill(page, 24, 8192, (byte) 1);
        Page.setUpper(page, 8000);
        generic().applyTo(page, PgVersion.V18);
        assertEquals(30, Page.lower(page));
        assertEquals(1, page[29]);
        assertEquals(0, page[30]);
        assertEquals(0, page[7999]);
        assertEquals(1, page[8000]);
        assertEquals('z', page[8191]);
        RecordValue outside =
                new RecordValue(Rmgr.GENERIC, 0)
                        .block(0, 3)
                        .data(d -> {
                            d.u16(8191);
                            d.u16(2);
                            d.u16(0);
                        });
        assertCorruption(outside, HeapPages.empty());
        assertCorruption(
                outside.data(d -> {
                    d.u16(100);
                    d.u16(3);
                    d.u16(0);
                }),
                HeapPages.empty());
    }

    private static RecordValue brin(int info) {
        return new RecordValue(Rmgr.BRIN, info);
    }

    static RecordValue brinInsert(boolean init) {
        RecordValue record = brin(init ? 0x90 : 0x10);
        if (init) {
            record.initBlock(0, 0x1_0005);
        } else {
            record.block(0, 0x1_0005);
        }
        return record.block(1, 1)
                .main(m -> {
                    m.i32(1360 * 128 + 300);
                    m.i32(128);
                    m.u16(1);
                })
                .data(d -> d.bytes(ascii("summary1")));
    }

    static byte[] revmap() {
        byte[] page = new byte[Page.SIZE];
        brin(0x40)
                .block(0, 0)
                .initBlock(1, 1)
                .main(m -> m.i32(1))
                .own(1)
                .applyTo(page, PgVersion.V14);
        return page;
    }

    @Test
    void brinMetapageAndRevmap() {
        byte[] meta = new byte[Page.SIZE];
        brin(0x00)
                .initBlock(0, 0)
                .main(m -> {
                    m.i32(128);
                    m.u16(1);
                })
                .applyTo(meta, PgVersion.V15);
        assertEquals(0xA8109CFA, i32(meta, 24));
        assertEquals(1, i32(meta, 28));
        assertEquals(128, i32(meta, 32));
        assertEquals(0, i32(meta, 36));
        assertEquals(40, Page.lower(meta));
        assertEquals(0xF091, u16(meta, 8190));
        Page.setLsn(meta, 0);
        brin(0x40).block(0, 0).initBlock(1, 9).main(m -> m.i32(9)).applyTo(meta, PgVersion.V15);
        assertEquals(9, i32(meta, 36));
        assertEquals(0xF092, u16(revmap(), 8190));
        assertEquals(8184, Page.special(revmap()));
    }

    @Test
    void brinInsertUpdateAndDesummarize() {
        byte[] regular = new byte[Page.SIZE];
        brinInsert(true).applyTo(regular, PgVersion.V17);
        assertEquals(0xF093, u16(regular, 8190));
        assertArrayEquals(ascii("summary1"), HeapPages.item(regular, 1));

        byte[] revmap = revmap();
        Page.setLsn(revmap, 0);
        brinInsert(true).own(1).applyTo(revmap, PgVersion.V17);
        assertEquals(1, u16(revmap, 24 + 12));
        assertEquals(5, u16(revmap, 24 + 14));
        assertEquals(1, u16(revmap, 24 + 16));

        Page.setLsn(regular, 0);
        brin(0x30)
                .block(0, 5)
                .main(m -> m.u16(1))
                .data(d -> d.bytes(ascii("longer summary!!")))
                .applyTo(regular, PgVersion.V17);
        assertArrayEquals(ascii("longer summary!!"), HeapPages.item(regular, 1));
        assertEquals(8184 - 16, Page.upper(regular));

        byte[] old = regular.clone();
        Page.setLsn(old, 0);
        RecordValue update =
                brin(0x20)
                        .block(0, 6)
                        .block(1, 1)
                        .block(2, 5)
                        .main(m -> {
                            m.u16(1);
                            m.u16(0);
                            m.i32(0);
                            m.i32(128);
                            m.u16(2);
                        })
                        .data(d -> d.bytes(ascii("moved...")));
        update.own(2).applyTo(old, PgVersion.V17);
        assertEquals(0, Page.maxOffset(old));
        assertEquals(8184, Page.upper(old));
        Page.setLsn(regular, 0);
        update.own(0).applyTo(regular, PgVersion.V17);
        assertArrayEquals(ascii("moved..."), HeapPages.item(regular, 2));

        RecordValue desummarize =
                brin(0x50)
                        .block(0, 1)
                        .block(1, 5)
                        .main(m -> {
                            m.i32(128);
                            m.i32(1360 * 128 + 300);
                            m.u16(1);
                        });
        Page.setLsn(revmap, 0);
        desummarize.applyTo(revmap, PgVersion.V17);
        assertEquals(-1, i32(revmap, 24 + 12));
        assertEquals(0, u16(revmap, 24 + 16));
        Page.setLsn(regular, 0);
        desummarize.own(1).applyTo(regular, PgVersion.V17);
        assertEquals(2, Page.maxOffset(regular));
        assertEquals(0, Page.linePointer(regular, 1));
        assertArrayEquals(ascii("moved..."), HeapPages.item(regular, 2));
        assertEquals(8184 - 8, Page.upper(regular));
        assertCorruption(desummarize.main(m -> m.zeros(10)).own(0), HeapPages.empty());
    }

    @Test
    void anImageReplacesThePageAndTakesTheRecordsLsn() {
        byte[] image = HeapPages.withTuples("one");
        byte[] page = HeapPages.empty();
        Page.setLsn(page, RecordValue.LSN + 5);
        RecordValue fpi = new RecordValue(Rmgr.XLOG, 0xB0).block(0, 4);
        fpi.image(image).applyTo(page, PgVersion.V16);
        assertEquals(RecordValue.LSN, Page.lsn(page));
        Page.setLsn(page, 0);
        assertArrayEquals(image, page);
        fpi.image(new byte[Page.SIZE]).applyTo(page, PgVersion.V16);
        assertArrayEquals(new byte[Page.SIZE], page);
    }

    @Test
    void onlyAHintMayComeWithoutAnImage() {
        for (byte[] page : new byte[][] {new byte[Page.SIZE], HeapPages.withTuples("one")}) {
            byte[] before = page.clone();
            new RecordValue(Rmgr.XLOG, 0xA0).block(0, 4).applyTo(page, PgVersion.V16);
            assertArrayEquals(before, page);
            assertCorruption(new RecordValue(Rmgr.XLOG, 0xB0).block(0, 4), page);
        }
    }

    @Test
    void aStoredImageIsAWholePage() {
        byte[] image = HeapPages.withTuples("one");
        byte[] value = RecordValue.bytes(out -> StoredValue.image(out, image, 0, image.length));
        byte[] page = new byte[Page.SIZE];
        PageRedo redo = new PageRedo(new RedoContext(PgVersion.V16, true));
        redo.apply(page, value, 0, value.length, 99);
        assertArrayEquals(image, page);
        assertThrows(
                PageserverException.class, () -> redo.apply(page, value, 0, value.length - 1, 99));
    }
}
