package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.u16;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.value.RecordSlice;
import java.util.Arrays;

/**
 * Redo of GENERIC records, which extensions write: pieces of the page to overwrite, and a hole that
 * is always zero.
 *
 * <pre>
 * block data  { u16 offset, u16 length, bytes }...
 * </pre>
 *
 * Source: PostgreSQL's generic_xlog.c.
 */
final class GenericRedo {
    private GenericRedo() {}

    /**
     * Changes the page of the record's own block; true if it changed (then the caller stamps the
     * LSN).
     */
    static boolean redo(byte[] page, RecordSlice r, RedoContext context) {
        byte[] b = r.bytes();
        int p = r.dataOffset();
        int end = p + r.dataLength();
        while (p < end) {
            Expected.dataLeft(r, p, 4);
            int offset = u16(b, p);
            int length = u16(b, p + 2);
            p += 4;
            Expected.dataLeft(r, p, length);
            System.arraycopy(b, p, page, offset, length);
            p += length;
        }
        int lower = Page.lower(page);
        int upper = Page.upper(page);
        if (lower > upper || upper > Page.SIZE) {
            throw PageserverException.corruption("page: a hole from %d to %d", lower, upper);
        }
        Arrays.fill(page, lower, upper, (byte) 0);
        return true;
    }
}
