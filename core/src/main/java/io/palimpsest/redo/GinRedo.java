package io.palimpsest.redo;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.value.RecordSlice;
import io.palimpsest.wal.Rmgr;

/** Redo of this resource manager's records: an explicit error until it is written. */
final class GinRedo {
    private GinRedo() {}

    /**
     * Changes the page of the record's own block; true if it changed (then the caller stamps the
     * LSN).
     */
    static boolean redo(byte[] page, RecordSlice r, RedoContext context) {
        throw PageserverException.of(
                ErrorCode.UNSUPPORTED,
                "no redo for %s record info %02X on %s",
                Rmgr.name(r.rmid()),
                r.info(),
                context.version());
    }
}
