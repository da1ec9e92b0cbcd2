package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.putI32;

import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageItems;
import io.palimpsest.value.RecordSlice;

/**
 * Redo of SEQ records: a sequence is one page with one tuple, and every change logs it whole.
 *
 * <pre>
 * main data  0 relation (12)   12 the tuple, as it is on the page
 * page       header, one line pointer ... tuple, special area { u32 0x1717, pad }
 * </pre>
 *
 * Source: PostgreSQL's sequence.c.
 */
final class SequenceRedo {
    private static final int LOG = 0x00;
    private static final int MAGIC = 0x1717;
    private static final int SPECIAL = 4;
    private static final int RELATION = 12;

    private SequenceRedo() {}

    /**
     * Changes the page of the record's own block; true if it changed (then the caller stamps the
     * LSN).
     */
    static boolean redo(byte[] page, RecordSlice r, RedoContext context) {
        if ((r.info() & 0xF0) != LOG || r.blockId() != 0) {
            throw Expected.noSuchBlock(r);
        }
        Expected.mainLengthAtLeast(r, RELATION + 1);
        Expected.initPage(page, r, SPECIAL);
        putI32(page, Page.special(page), MAGIC);
        PageItems.insert(page, 1, r.bytes(), r.mainOffset() + RELATION, r.mainLength() - RELATION);
        return true;
    }
}
