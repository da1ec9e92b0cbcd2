package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.i64;
import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.putI64;
import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.Slru;
import io.palimpsest.pg.VisibilityMap;
import io.palimpsest.value.StoredValue;

/**
 * Applies the deltas that are not records: transaction status, multixacts, commit timestamps,
 * visibility-map bits. Layouts are drawn in {@link StoredValue}.
 */
final class StatusRedo {
    private StatusRedo() {}

    static void apply(byte[] page, byte[] b, int at, int length) {
        switch (StoredValue.kind(b, at)) {
            case StoredValue.VM_CLEAR -> clearVisibility(page, b, at, length);
            case StoredValue.VM_TRUNCATE -> truncateVisibility(page, b, at, length);
            case StoredValue.CLOG_STATUS -> status(page, b, at, length);
            case StoredValue.MULTIXACT_OFFSETS -> offsets(page, b, at, length);
            case StoredValue.MULTIXACT_MEMBERS -> members(page, b, at, length);
            case StoredValue.COMMIT_TS -> commitTimes(page, b, at, length);
            default ->
                    throw PageserverException.corruption(
                            "stored value of unknown kind %d, %d bytes",
                            StoredValue.kind(b, at), length);
        }
    }

    private static void clearVisibility(byte[] page, byte[] b, int at, int length) {
        int count = elements(b, at, length, 2, 4);
        initVisibilityMap(page);
        int bits = u8(b, at + 1) & (VisibilityMap.ALL_VISIBLE | VisibilityMap.ALL_FROZEN);
        for (int i = 0; i < count; i++) {
            VisibilityMap.clear(page, i32(b, at + 2 + 4 * i), bits);
        }
    }

    private static void truncateVisibility(byte[] page, byte[] b, int at, int length) {
        if (elements(b, at, length, 1, 4) != 1) {
            throw PageserverException.corruption("VM_TRUNCATE: expected 5 bytes, found %d", length);
        }
        initVisibilityMap(page);
        VisibilityMap.truncate(page, i32(b, at + 1));
    }

    /** The fork is created and its pages initialised by whoever reads them first. */
    private static void initVisibilityMap(byte[] page) {
        if (Page.isNew(page)) {
            Page.init(page, 0);
        }
    }

    /** pg_xact: 2 bits a transaction, the lowest bits of a byte first. */
    private static void status(byte[] page, byte[] b, int at, int length) {
        int count = elements(b, at, length, 10, 4);
        int status = u8(b, at + 1);
        if (status > Slru.XACT_SUB_COMMITTED) {
            throw PageserverException.corruption("transaction status %d", status);
        }
        for (int i = 0; i < count; i++) {
            int xid = i32(b, at + 10 + 4 * i);
            int index = Integer.remainderUnsigned(xid, Slru.XACTS_PER_PAGE);
            int shift = 2 * (index & 3);
            page[index >> 2] = (byte) (page[index >> 2] & ~(3 << shift) | status << shift);
        }
    }

    private static void offsets(byte[] page, byte[] b, int at, int length) {
        int count = elements(b, at, length, 1, 8);
        for (int i = 0; i < count; i++) {
            int multi = i32(b, at + 1 + 8 * i);
            int index = Integer.remainderUnsigned(multi, Slru.OFFSETS_PER_PAGE);
            putI32(page, 4 * index, i32(b, at + 5 + 8 * i));
        }
    }

    /** pg_multixact/members: groups of 4 status bytes and 4 xids. */
    private static void members(byte[] page, byte[] b, int at, int length) {
        int count = elements(b, at, length, 5, 5);
        int first = Integer.remainderUnsigned(i32(b, at + 1), Slru.MEMBERS_PER_PAGE);
        if (first + count > Slru.MEMBERS_PER_PAGE) {
            throw PageserverException.corruption(
                    "%d multixact members from member %d of a page of %d",
                    count, first, Slru.MEMBERS_PER_PAGE);
        }
        for (int i = 0; i < count; i++) {
            int p = at + 5 + 5 * i;
            int group = (first + i) / Slru.MEMBERS_PER_GROUP * Slru.MEMBER_GROUP_BYTES;
            int slot = (first + i) % Slru.MEMBERS_PER_GROUP;
            page[group + slot] = b[p + 4];
            putI32(page, group + Slru.MEMBERS_PER_GROUP + 4 * slot, i32(b, p));
        }
    }

    private static void commitTimes(byte[] page, byte[] b, int at, int length) {
        int count = elements(b, at, length, 11, 4);
        for (int i = 0; i < count; i++) {
            int xid = i32(b, at + 11 + 4 * i);
            int entry =
                    Integer.remainderUnsigned(xid, Slru.COMMIT_TS_PER_PAGE) * Slru.COMMIT_TS_BYTES;
            putI64(page, entry, i64(b, at + 1));
            putU16(page, entry + 8, u16(b, at + 9));
        }
    }

    /** How many elements of {@code size} bytes follow the {@code header}: at least one, no rest. */
    private static int elements(byte[] b, int at, int length, int header, int size) {
        int rest = length - header;
        if (rest <= 0 || rest % size != 0) {
            throw PageserverException.corruption(
                    "stored value of kind %d: expected %d + n * %d bytes, found %d",
                    StoredValue.kind(b, at), header, size, length);
        }
        return rest / size;
    }
}
