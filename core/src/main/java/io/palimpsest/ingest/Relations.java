package io.palimpsest.ingest;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.VisibilityMap;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalRecord;

/**
 * Relations' forks: created, extended, truncated, dropped, and their blocks' values.
 *
 * <p>Every block below a fork's size has an initial value that is younger than the last truncation
 * below it, so a read never falls through to what was there before. Where a record makes a block
 * exist without initialising it, a page of zeros is stored one byte below the record's end LSN: no
 * other record ends there, and no key gets two values at one LSN.
 */
final class Relations {
    /** PostgreSQL's SlotsPerFSMPage. Source: fsm_internals.h with blocks of 8192 bytes. */
    private static final int FSM_SLOTS = 4069;

    /**
     * Blocks that a fork may skip in any case: backends that extend a table at once take some
     * hundreds each. More than these, or than it has, is damage: a hash index grows in steps of up
     * to a quarter of itself, of which only the last block is logged, and nothing in larger ones.
     * Each skipped block is a value of its own.
     */
    private static final long FREE_GAP = 1 << 17;

    /** Of a visibility map, whose skipped pages are stored whole: those of 2 TiB of table. */
    private static final long FREE_MAP_GAP = 1 << 13;

    private static final byte[] EMPTY_MAP = emptyMap();

    private final Sizes sizes;

    Relations(Sizes sizes) {
        this.sizes = sizes;
    }

    private static byte[] emptyMap() {
        byte[] page = new byte[Page.SIZE];
        Page.init(page, 0);
        return page;
    }

    long size(int spc, int db, int rel, int fork) {
        return sizes.get(Keys.hi(Keys.REL_SIZE, spc), Keys.mid(db, rel), Keys.lo(fork, 0));
    }

    private void setSize(int spc, int db, int rel, int fork, long size) {
        sizes.put(Keys.hi(Keys.REL_SIZE, spc), Keys.mid(db, rel), Keys.lo(fork, 0), size);
    }

    /** An empty fork, if there is none. */
    void create(int spc, int db, int rel, int fork) {
        if (size(spc, db, rel, fork) == Sizes.ABSENT) {
            setSize(spc, db, rel, fork, 0);
        }
    }

    /** Removes all four forks. */
    void drop(int spc, int db, int rel, long lsn, Modifications out) {
        for (int fork = RelTag.MAIN; fork <= RelTag.INIT; fork++) {
            sizes.drop(Keys.hi(Keys.REL_SIZE, spc), Keys.mid(db, rel), Keys.lo(fork, 0), lsn, out);
        }
    }

    /** One value for each block that the record changes. */
    void blocks(WalRecord r, Modifications out) {
        boolean pageImages = r.rmid() == Rmgr.XLOG;
        for (int i = 0, n = r.blockCount(); i < n; i++) {
            if (pageImages && !r.appliesImage(i)) {
                if ((r.info() & 0xF0) == XlogInfo.FPI_FOR_HINT) {
                    // Redo takes no notice of it either.
                    continue;
                }
                throw PageserverException.corruption(
                        "XLOG record info %02X ending at %s: block %d without an image",
                        r.info(), Lsn.toString(r.endLsn()), r.blockId(i));
            }
            long block = r.blockNumber(i) & 0xFFFF_FFFFL;
            if (block >= size(r.spc(i), r.db(i), r.rel(i), r.fork(i))) {
                extend(r, i, out);
            }
            out.begin(
                    Keys.hi(Keys.REL_BLOCK, r.spc(i)),
                    Keys.mid(r.db(i), r.rel(i)),
                    Keys.lo(r.fork(i), r.blockNumber(i)),
                    r.endLsn());
            StoredValue.record(out.out(), r, i);
            out.end();
        }
    }

    /**
     * Makes the fork of block {@code first} large enough for all its blocks in this record (the
     * earlier ones exist).
     */
    private void extend(WalRecord r, int first, Modifications out) {
        int spc = r.spc(first);
        int db = r.db(first);
        int rel = r.rel(first);
        int fork = r.fork(first);
        long from = Math.max(0, size(spc, db, rel, fork));
        long last = 0;
        for (int i = first; i < r.blockCount(); i++) {
            if (sameFork(r, i, first)) {
                last = Math.max(last, r.blockNumber(i) & 0xFFFF_FFFFL);
            }
        }
        if (last == 0xFFFF_FFFFL) {
            throw PageserverException.corruption(
                    "%s record ending at %s: %s has no block 4294967295",
                    Rmgr.name(r.rmid()), Lsn.toString(r.endLsn()), new RelTag(spc, db, rel, fork));
        }
        long most = fork == RelTag.VM ? FREE_MAP_GAP : Math.max(FREE_GAP, from);
        if (last - from > most) {
            throw PageserverException.of(
                    ErrorCode.UNSUPPORTED,
                    "%s record ending at %s: %s grows from %d to %d blocks at once, at most %d",
                    Rmgr.name(r.rmid()),
                    Lsn.toString(r.endLsn()),
                    new RelTag(spc, db, rel, fork),
                    from,
                    last + 1,
                    most);
        }
        for (long block = from; block <= last; block++) {
            if (!initialised(r, first, block)) {
                empty(spc, db, rel, fork, (int) block, r.endLsn() - 1, out);
            }
        }
        setSize(spc, db, rel, fork, last + 1);
    }

    private static boolean sameFork(WalRecord r, int i, int j) {
        return r.rel(i) == r.rel(j)
                && r.fork(i) == r.fork(j)
                && r.db(i) == r.db(j)
                && r.spc(i) == r.spc(j);
    }

    private static boolean initialised(WalRecord r, int first, long block) {
        for (int i = first; i < r.blockCount(); i++) {
            if (r.blockNumber(i) == (int) block && sameFork(r, i, first)) {
                return r.appliesImage(i) || r.willInit(i);
            }
        }
        return false;
    }

    private static void empty(
            int spc, int db, int rel, int fork, int block, long lsn, Modifications out) {
        out.begin(Keys.hi(Keys.REL_BLOCK, spc), Keys.mid(db, rel), Keys.lo(fork, block), lsn);
        if (fork == RelTag.VM) {
            // Redo of "visible" initialises map pages on the way.
            StoredValue.image(out.out(), EMPTY_MAP, 0, Page.SIZE);
        } else {
            out.out().u8(StoredValue.IMAGE);
        }
        out.end();
    }

    /**
     * XLOG_SMGR_TRUNCATE: cuts the forks that {@code flags} name (1 main, 2 VM, 4 FSM) to what
     * {@code blocks} blocks of the main fork need. Never extends.
     */
    void truncate(int spc, int db, int rel, int blocks, int flags, long lsn, Modifications out) {
        create(spc, db, rel, RelTag.MAIN);
        if ((flags & 1) != 0) {
            shrink(spc, db, rel, RelTag.MAIN, blocks & 0xFFFF_FFFFL);
        }
        if ((flags & 2) != 0) {
            truncateMap(spc, db, rel, blocks, lsn, out);
        }
        if ((flags & 4) != 0) {
            truncateFreeSpace(spc, db, rel, blocks, lsn, out);
        }
    }

    private void shrink(int spc, int db, int rel, int fork, long blocks) {
        if (size(spc, db, rel, fork) > blocks) {
            setSize(spc, db, rel, fork, blocks);
        }
    }

    private void truncateMap(int spc, int db, int rel, int blocks, long lsn, Modifications out) {
        int page = VisibilityMap.mapBlock(blocks);
        long size = size(spc, db, rel, RelTag.VM);
        if (size <= page) {
            return;
        }
        if (Integer.remainderUnsigned(blocks, VisibilityMap.HEAP_BLOCKS_PER_PAGE) == 0) {
            shrink(spc, db, rel, RelTag.VM, page);
            return;
        }
        out.begin(Keys.hi(Keys.REL_BLOCK, spc), Keys.mid(db, rel), Keys.lo(RelTag.VM, page), lsn);
        StoredValue.vmTruncate(out.out(), blocks);
        out.end();
        shrink(spc, db, rel, RelTag.VM, page + 1L);
    }

    /**
     * The bottom page that the cut goes through is emptied rather than edited: it holds hints only,
     * and an empty one gives no block past the end. The upper levels mend themselves.
     */
    private void truncateFreeSpace(
            int spc, int db, int rel, int blocks, long lsn, Modifications out) {
        long leaf = (blocks & 0xFFFF_FFFFL) / FSM_SLOTS;
        // Pages of the three levels come depth first: each upper page precedes its FSM_SLOTS lower.
        long page = leaf + 1 + leaf / FSM_SLOTS + 1 + leaf / FSM_SLOTS / FSM_SLOTS;
        if (size(spc, db, rel, RelTag.FSM) <= page) {
            return;
        }
        if (Integer.remainderUnsigned(blocks, FSM_SLOTS) == 0) {
            shrink(spc, db, rel, RelTag.FSM, page);
            return;
        }
        empty(spc, db, rel, RelTag.FSM, (int) page, lsn, out);
        shrink(spc, db, rel, RelTag.FSM, page + 1);
    }

    /** Clears {@code bits} of a heap block in the old form: no LSN on the map page moves. */
    void clearVisibility(
            int spc, int db, int rel, int bits, int heapBlock, long lsn, Modifications out) {
        if (beginClear(spc, db, rel, heapBlock, lsn, out)) {
            StoredValue.vmClear(out.out(), bits, heapBlock);
            out.end();
        }
    }

    /** Clears {@code bits} of two heap blocks, whose bits are on the same or on two pages. */
    void clearVisibility(
            int spc,
            int db,
            int rel,
            int bits,
            int heapBlock,
            int other,
            long lsn,
            Modifications out) {
        if (VisibilityMap.mapBlock(heapBlock) != VisibilityMap.mapBlock(other)) {
            clearVisibility(spc, db, rel, bits, heapBlock, lsn, out);
            clearVisibility(spc, db, rel, bits, other, lsn, out);
        } else if (beginClear(spc, db, rel, heapBlock, lsn, out)) {
            StoredValue.vmClear(out.out(), bits, heapBlock, other);
            out.end();
        }
    }

    /**
     * False if the map has no such page: then no bit is set. PostgreSQL's redo would create the
     * page, empty; a reader cannot tell the two apart.
     */
    private boolean beginClear(
            int spc, int db, int rel, int heapBlock, long lsn, Modifications out) {
        int page = VisibilityMap.mapBlock(heapBlock);
        if (page >= size(spc, db, rel, RelTag.VM)) {
            return false;
        }
        out.begin(Keys.hi(Keys.REL_BLOCK, spc), Keys.mid(db, rel), Keys.lo(RelTag.VM, page), lsn);
        return true;
    }
}
