package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.i64;
import static io.palimpsest.base.Bytes.u16;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.Slru;
import io.palimpsest.pg.VisibilityMap;
import io.palimpsest.value.StoredValue;
import java.util.Arrays;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class StatusRedoTest {
    private static void apply(byte[] page, Consumer<ByteSink> writer) {
        byte[] value = RecordValue.bytes(writer);
        new PageRedo(new RedoContext(PgVersion.V16, true))
                .apply(page, value, 0, value.length, RecordValue.LSN);
    }

    private static void assertCorruption(Consumer<ByteSink> writer) {
        PageserverException e =
                assertThrows(PageserverException.class, () -> apply(new byte[Page.SIZE], writer));
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }

    @Test
    void visibilityBitsAreClearedAndTheLsnStays() {
        byte[] map = HeapPages.empty();
        for (int block = 4; block < 10; block++) {
            VisibilityMap.set(map, block, 3);
        }
        int far = 2 * VisibilityMap.HEAP_BLOCKS_PER_PAGE;
        apply(map, out -> StoredValue.vmClear(out, VisibilityMap.ALL_FROZEN, far + 5));
        apply(map, out -> StoredValue.vmClear(out, 3, far + 6, far + 8));
        assertEquals(3, VisibilityMap.status(map, 4));
        assertEquals(1, VisibilityMap.status(map, 5));
        assertEquals(0, VisibilityMap.status(map, 6));
        assertEquals(3, VisibilityMap.status(map, 7));
        assertEquals(0, VisibilityMap.status(map, 8));
        assertEquals(3, VisibilityMap.status(map, 9));
        assertEquals(0, Page.lsn(map));
        byte[] fresh = new byte[Page.SIZE];
        apply(fresh, out -> StoredValue.vmClear(out, 3, 1));
        assertArrayEquals(HeapPages.empty(), fresh);
    }

    @Test
    void theMapEndsWhereTheHeapIsTruncated() {
        byte[] map = HeapPages.empty();
        Arrays.fill(map, Page.HEADER, Page.SIZE, (byte) -1);
        byte[] whole = map.clone();
        apply(map, out -> StoredValue.vmTruncate(out, VisibilityMap.HEAP_BLOCKS_PER_PAGE + 4002));
        for (int block = 0; block < VisibilityMap.HEAP_BLOCKS_PER_PAGE; block++) {
            assertEquals(block < 4002 ? 3 : 0, VisibilityMap.status(map, block));
        }
        apply(whole, out -> StoredValue.vmTruncate(out, VisibilityMap.HEAP_BLOCKS_PER_PAGE));
        assertArrayEquals(HeapPages.empty(), whole);
    }

    @Test
    void transactionStatusIsTwoBitsEach() {
        byte[] page = new byte[Page.SIZE];
        int[] xids = {0, 3 * Slru.XACTS_PER_PAGE + 1, -1, 9};
        apply(page, out -> StoredValue.clogStatus(out, Slru.XACT_SUB_COMMITTED, 0, xids, 0, 3));
        apply(page, out -> StoredValue.clogStatus(out, Slru.XACT_COMMITTED, 77, xids, 1, 2));
        assertEquals(0b0111, page[0]);
        assertEquals((byte) 0b1100_0000, page[Page.SIZE - 1]);
        apply(page, out -> StoredValue.clogStatus(out, Slru.XACT_ABORTED, 0, xids, 2, 4));
        assertEquals((byte) 0b1000_0000, page[Page.SIZE - 1]);
        assertEquals(0b1000, page[2]);
        assertEquals(0b0111, page[0]);
        assertCorruption(out -> StoredValue.clogStatus(out, 4, 0, xids, 0, 1));
        assertCorruption(out -> StoredValue.clogStatus(out, 1, 0, xids, 0, 0));
    }

    @Test
    void multixactOffsetsAreAnArray() {
        byte[] page = new byte[Page.SIZE];
        apply(page, out -> StoredValue.multixactOffset(out, 2048 * 5 + 3, 1234));
        apply(page, out -> StoredValue.multixactOffsets(out, 2046, -7, 2047, 9));
        assertEquals(1234, i32(page, 12));
        assertEquals(-7, i32(page, Page.SIZE - 8));
        assertEquals(9, i32(page, Page.SIZE - 4));
    }

    @Test
    void multixactMembersAreInGroupsOfFour() {
        byte[] members =
                RecordValue.bytes(out -> {
                    for (int i = 0; i < 4; i++) {
                        out.i32(1000 + i);
                        out.i32(i);
                    }
                });
        byte[] page = new byte[Page.SIZE];
        int first = 2 * Slru.MEMBERS_PER_PAGE + 6;
        apply(page, out -> StoredValue.multixactMembers(out, first, members, 8, 3));
        assertEquals(1, page[20 + 2]);
        assertEquals(2, page[20 + 3]);
        assertEquals(3, page[40]);
        assertEquals(1001, i32(page, 24 + 8));
        assertEquals(1002, i32(page, 24 + 12));
        assertEquals(1003, i32(page, 44));
        int last = Slru.MEMBERS_PER_PAGE - 2;
        apply(page, out -> StoredValue.multixactMembers(out, last, members, 0, 2));
        assertEquals(1001, i32(page, 409 * 20 - 4));
        assertCorruption(out -> StoredValue.multixactMembers(out, last, members, 0, 3));
    }

    @Test
    void commitTimesHaveTheirOrigin() {
        byte[] page = new byte[Page.SIZE];
        int[] xids = {818, Slru.COMMIT_TS_PER_PAGE * 4};
        apply(page, out -> StoredValue.commitTs(out, -5, 40_000, xids, 0, 2));
        assertEquals(-5, i64(page, 0));
        assertEquals(40_000, u16(page, 8));
        assertEquals(-5, i64(page, 8180));
        assertEquals(0, u16(page, 8190));
        assertEquals(40_000, u16(page, 8188));
    }

    @Test
    void valuesCutShortOrUnknownAreRefused() {
        assertCorruption(out -> {});
        assertCorruption(out -> out.u8(99));
        for (int kind = StoredValue.VM_CLEAR; kind <= StoredValue.COMMIT_TS; kind++) {
            int k = kind;
            assertCorruption(out -> out.u8(k));
            assertCorruption(out -> {
                out.u8(k);
                out.zeros(15);
            });
        }
    }
}
