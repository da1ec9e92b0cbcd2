package io.palimpsest.redo;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.value.RecordSlice;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.HeapLayout;
import io.palimpsest.wal.Rmgr;
import java.util.Arrays;
import java.util.Locale;

/**
 * Applies stored values to a page, oldest first, as PostgreSQL's own redo would.
 *
 * <p>For a record slice (PostgreSQL's XLogReadBufferForRedo is the source of the rule): an image to
 * apply replaces the page; else a record that initialises starts from zeros; else a page whose LSN
 * is at or past the record's end has the change already; else the resource manager changes it. A
 * changed page gets the record's end LSN.
 *
 * <p>One instance a reader: it is not shared between tasks. Best made by the thread that uses it:
 * in memory beside another reader's page or scratch, the two would share cache lines.
 */
public final class PageRedo {
    private static final int FPI_FOR_HINT = 0xA0;

    private final RedoContext context;
    private final HeapLayout heap;
    private final RecordSlice slice = new RecordSlice();

    public PageRedo(RedoContext context) {
        this.context = context;
        this.heap = HeapLayout.of(context.version(), context.origin());
    }

    /**
     * Applies the value {@code b[at .. at+length)} stored at {@code lsn} to the page.
     *
     * @throws PageserverException CORRUPTION if value and page do not fit together, UNSUPPORTED if
     *     there is no redo for the record
     */
    public void apply(byte[] page, byte[] b, int at, int length, long lsn) {
        Check.that(page.length == Page.SIZE, "page of %d bytes", page.length);
        if (length <= 0) {
            throw PageserverException.corruption("empty stored value at %s", Lsn.toString(lsn));
        }
        switch (StoredValue.kind(b, at)) {
            case StoredValue.IMAGE -> {
                if (length == 1) {
                    Arrays.fill(page, (byte) 0);
                    return;
                }
                if (length != Page.SIZE + 1) {
                    throw PageserverException.corruption(
                            "page image at %s: expected %d bytes, found %d",
                            Lsn.toString(lsn), Page.SIZE, length - 1);
                }
                System.arraycopy(b, at + 1, page, 0, Page.SIZE);
            }
            case StoredValue.RECORD -> {
                slice.wrap(b, at, length, lsn);
                applyRecord(page);
            }
            default -> StatusRedo.apply(page, b, at, length);
        }
    }

    private void applyRecord(byte[] page) {
        RecordSlice r = slice;
        try {
            if (r.appliesImage()) {
                r.restoreImage(page);
                if (!Page.isNew(page)) {
                    Page.setLsn(page, r.endLsn());
                }
                switch (r.rmid()) {
                    case Rmgr.HASH -> stamp(HashRedo.afterRestore(page, r), page, r);
                    case Rmgr.GIST -> stamp(GistRedo.afterRestore(page, r), page, r);
                    default -> {}
                }
                return;
            }
            if (r.willInit()) {
                Arrays.fill(page, (byte) 0);
            } else if (Page.isNew(page)) {
                startNew(page, r);
            } else if (Long.compareUnsigned(Page.lsn(page), r.endLsn()) >= 0) {
                return;
            }
            stamp(redo(page, r), page, r);
        } catch (PageserverException e) {
            throw new PageserverException(e.code(), describe(r) + ": " + e.getMessage(), e);
        } catch (IndexOutOfBoundsException | NegativeArraySizeException e) {
            throw new PageserverException(
                    ErrorCode.CORRUPTION,
                    describe(r) + ": reaches outside the page or the record",
                    e);
        }
    }

    /**
     * A page not yet there: visibility-map pages start by being written to, and a hint that brings
     * no image is void.
     */
    private static void startNew(byte[] page, RecordSlice r) {
        if (r.fork() == RelTag.VM && r.rmid() != Rmgr.XLOG) {
            Page.init(page, 0);
        } else if (r.rmid() != Rmgr.XLOG) {
            throw PageserverException.corruption("an uninitialised page");
        }
    }

    /** XLOG's records are their images; only a hint may come without one, and changes nothing. */
    private static boolean redoWithoutImage(RecordSlice r) {
        if ((r.info() & 0xF0) != FPI_FOR_HINT) {
            throw PageserverException.corruption("no page image");
        }
        return false;
    }

    private static void stamp(boolean changed, byte[] page, RecordSlice r) {
        if (changed) {
            Page.setLsn(page, r.endLsn());
        }
    }

    private boolean redo(byte[] page, RecordSlice r) {
        return switch (r.rmid()) {
            case Rmgr.XLOG -> redoWithoutImage(r);
            case Rmgr.HEAP -> HeapRedo.redo(page, r, heap, context);
            case Rmgr.HEAP2 -> Heap2Redo.redo(page, r, heap, context);
            case Rmgr.BTREE -> BtreeRedo.redo(page, r, context);
            case Rmgr.HASH -> HashRedo.redo(page, r, context);
            case Rmgr.GIN -> GinRedo.redo(page, r, context);
            case Rmgr.GIST -> GistRedo.redo(page, r, context);
            case Rmgr.SPGIST -> SpgistRedo.redo(page, r, context);
            case Rmgr.BRIN -> BrinRedo.redo(page, r, context);
            case Rmgr.SEQ -> SequenceRedo.redo(page, r, context);
            case Rmgr.GENERIC -> GenericRedo.redo(page, r, context);
            case Rmgr.NEON -> NeonRedo.redo(page, r, context);
            default ->
                    throw PageserverException.of(
                            ErrorCode.UNSUPPORTED, "no redo for this resource manager");
        };
    }

    private static String describe(RecordSlice r) {
        return String.format(
                Locale.ROOT,
                "redo of %s info %02X ending at %s, block id %d (block %s)",
                Rmgr.name(r.rmid()),
                r.info(),
                Lsn.toString(r.endLsn()),
                r.blockId(),
                Integer.toUnsignedString(r.blockNumber()));
    }
}
