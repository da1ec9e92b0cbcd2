package io.palimpsest.redo;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.value.RecordSlice;
import io.palimpsest.wal.HeapLayout;

/**
 * Redo of the records of Neon's own resource manager in 16 and 17, which stand in for those of HEAP
 * and HEAP2 and give tuples the command id they had in the compute's memory; see {@link
 * HeapLayout#NEON_RECORDS}. Not tried against Neon itself.
 *
 * <p>Source: neon_xlog.h of Neon's fork, and its neon_rmgr.c.
 */
final class NeonRedo {
    /** Without 0x80, which starts the page anew. */
    private static final int OPCODE = 0x70;

    private static final int INSERT = 0x00;
    private static final int DELETE = 0x10;
    private static final int UPDATE = 0x20;
    private static final int HOT_UPDATE = 0x30;
    private static final int LOCK = 0x40;
    private static final int MULTI_INSERT = 0x50;

    private NeonRedo() {}

    /**
     * Changes the page of the record's own block; true if it changed (then the caller stamps the
     * LSN).
     *
     * @throws PageserverException UNSUPPORTED if the cluster has no such resource manager, or it no
     *     such record
     */
    static boolean redo(byte[] page, RecordSlice r, RedoContext context) {
        if (!context.origin().hasNeonRecords(context.version())) {
            throw PageserverException.of(
                    ErrorCode.UNSUPPORTED,
                    "no such resource manager in PostgreSQL %d of origin %s",
                    context.version().major(),
                    context.origin());
        }
        HeapLayout layout = HeapLayout.NEON_RECORDS;
        return switch (r.info() & OPCODE) {
            case INSERT -> HeapRedo.insert(page, r, layout);
            case DELETE -> HeapRedo.delete(page, r, layout);
            case UPDATE -> HeapRedo.update(page, r, layout, false);
            case HOT_UPDATE -> HeapRedo.update(page, r, layout, true);
            case LOCK -> HeapRedo.lock(page, r, layout);
            case MULTI_INSERT -> Heap2Redo.multiInsert(page, r, layout);
            default -> throw RecordParts.unknownRecord(r, context);
        };
    }
}
