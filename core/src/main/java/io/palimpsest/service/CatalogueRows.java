package io.palimpsest.service;

import io.palimpsest.base.Bytes;
import io.palimpsest.pg.HeapTuple;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.pg.Xid;
import io.palimpsest.timeline.PageBatch;
import io.palimpsest.timeline.Timeline;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * The rows of catalogues as of an LSN: those that a transaction would see which began there. A row
 * that is locked or updated by several at once counts as there, as it mostly is.
 */
final class CatalogueRows {
    private static final int XMIN_COMMITTED = 0x0100;
    private static final int XMIN_INVALID = 0x0200;
    private static final int NAME_BYTES = 64;

    private final Timeline timeline;
    private final long lsn;
    private final Map<Integer, byte[]> statusPages = new HashMap<>();

    /**
     * @param timeline that has the LSN in its own history
     */
    CatalogueRows(Timeline timeline, long lsn) {
        this.timeline = timeline;
        this.lsn = lsn;
    }

    /** Takes rows in the order of the file. */
    interface Visitor {
        /** The columns begin at {@code page[at]}, and {@code length} bytes of them are there. */
        void row(byte[] page, int at, int length);
    }

    /** How large a catalogue is; -1 if it is not there. */
    int blocks(RelTag table) {
        return timeline.relationBlocks(table, lsn);
    }

    void forEach(RelTag table, Visitor visitor) {
        int blocks = blocks(table);
        PageBatch batch = new PageBatch(timeline.batchPages());
        byte[] pages = new byte[timeline.batchPages() * Page.SIZE];
        byte[] page = new byte[Page.SIZE];
        for (int block = 0; block < blocks; ) {
            batch.clear();
            int n = 0;
            while (block < blocks && !batch.isFull()) {
                batch.add(table, block++, lsn, n++ * Page.SIZE);
            }
            timeline.readPages(batch, pages);
            for (int i = 0; i < n; i++) {
                System.arraycopy(pages, i * Page.SIZE, page, 0, Page.SIZE);
                rows(page, visitor);
            }
        }
    }

    private void rows(byte[] page, Visitor visitor) {
        if (Page.isNew(page)) {
            return;
        }
        for (int i = 1, max = Page.maxOffset(page); i <= max; i++) {
            int pointer = Page.linePointer(page, i);
            if (Page.lpFlags(pointer) != Page.LP_NORMAL
                    || Page.lpLength(pointer) < HeapTuple.HEADER) {
                continue;
            }
            int tuple = Page.item(page, i);
            if (visible(page, tuple)) {
                int hoff = HeapTuple.hoff(page, tuple);
                visitor.row(page, tuple + hoff, Page.lpLength(pointer) - hoff);
            }
        }
    }

    private boolean visible(byte[] page, int tuple) {
        int mask = HeapTuple.infomask(page, tuple);
        boolean made =
                (mask & XMIN_COMMITTED) != 0
                        || (mask & XMIN_INVALID) == 0 && committed(Bytes.i32(page, tuple));
        if (!made) {
            return false;
        }
        boolean stays =
                (mask & HeapTuple.XMAX_INVALID) != 0
                        || (mask & HeapTuple.XMAX_LOCK_ONLY) != 0
                        || (mask & HeapTuple.XMAX_IS_MULTI) != 0;
        return stays
                || (mask & HeapTuple.XMAX_COMMITTED) == 0 && !committed(Bytes.i32(page, tuple + 4));
    }

    private boolean committed(int xid) {
        if (!Xid.isNormal(xid)) {
            // The bootstrap's, and frozen; but none at all is no one's.
            return xid != 0;
        }
        byte[] page = statusPages.computeIfAbsent(Slru.clogPage(xid), this::statusPage);
        return Slru.xactStatus(page, xid) == Slru.XACT_COMMITTED;
    }

    /** Zeros if there is none: what is there then is of ids that nobody has. */
    private byte[] statusPage(int number) {
        byte[] page = new byte[Page.SIZE];
        int segment = number >>> 5;
        int index = number & Slru.PAGES_PER_SEGMENT - 1;
        if (index < timeline.slruBlocks(Slru.CLOG, segment, lsn)) {
            timeline.readSlruPage(Slru.CLOG, segment, index, lsn, page, 0);
        }
        return page;
    }

    /** A column of type name. */
    static String name(byte[] page, int at) {
        int length = 0;
        while (length < NAME_BYTES && page[at + length] != 0) {
            length++;
        }
        return new String(page, at, length, StandardCharsets.UTF_8);
    }
}
