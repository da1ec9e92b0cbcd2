package io.palimpsest.ingest;

import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.VisibilityMap;
import io.palimpsest.value.Modifications;
import io.palimpsest.wal.HeapLayout;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalRecord;

/**
 * Heap records that clear visibility-map bits, stock ones and Neon's. Since 17.11 and 18.6 they
 * register the map's page as a block, which then is a block like any; before, flags in the main
 * data say so. The record decides, not the version.
 */
final class HeapVisibility {
    private static final int INSERT_FLAGS = 2;
    private static final int MULTI_INSERT_FLAGS = 0;
    private static final int UPDATE_FLAGS = 7;
    private static final int LOCK_UPDATED_FLAGS = 7;

    private final Relations relations;
    private final HeapLayout heap;

    /**
     * @param heap layout of HEAP and HEAP2 records
     */
    HeapVisibility(Relations relations, HeapLayout heap) {
        this.relations = relations;
        this.heap = heap;
    }

    /** Adds what the HEAP or HEAP2 record clears. */
    void clear(WalRecord r, Modifications out) {
        int op = r.info() & 0x70;
        if (r.rmid() == Rmgr.HEAP) {
            switch (op) {
                case 0x00 -> clearOne(r, INSERT_FLAGS, VisibilityMap.ALL_VISIBLE, out);
                case 0x10 -> clearForDelete(r, heap, out);
                case 0x20, 0x40 -> clearForUpdate(r, heap, out);
                case 0x60 -> clearForLock(r, heap, out);
                default -> {}
            }
        } else if (op == 0x50) {
            clearOne(r, MULTI_INSERT_FLAGS, VisibilityMap.ALL_VISIBLE, out);
        } else if (op == 0x60) {
            clearOne(r, LOCK_UPDATED_FLAGS, VisibilityMap.ALL_FROZEN, out);
        }
    }

    /**
     * Adds what the record of Neon's resource manager clears; false if there is no such record in
     * it.
     */
    boolean clearForNeon(WalRecord r, Modifications out) {
        HeapLayout layout = HeapLayout.NEON_RECORDS;
        switch (r.info() & 0x70) {
            case 0x00 -> clearOne(r, INSERT_FLAGS, VisibilityMap.ALL_VISIBLE, out);
            case 0x10 -> clearForDelete(r, layout, out);
            case 0x20, 0x30 -> clearForUpdate(r, layout, out);
            case 0x40 -> clearForLock(r, layout, out);
            case 0x50 -> clearOne(r, MULTI_INSERT_FLAGS, VisibilityMap.ALL_VISIBLE, out);
            default -> {
                return false;
            }
        }
        return true;
    }

    private void clearForDelete(WalRecord r, HeapLayout layout, Modifications out) {
        clearOne(r, layout.deleteInfobits() + 1, VisibilityMap.ALL_VISIBLE, out);
    }

    private void clearForLock(WalRecord r, HeapLayout layout, Modifications out) {
        clearOne(r, layout.lockInfobits() + 1, VisibilityMap.ALL_FROZEN, out);
    }

    /**
     * Clears the bits of heap block id 0 if flag 1 of the byte at {@code flagsAt} is set and the
     * map's page is not block id 1.
     */
    private void clearOne(WalRecord r, int flagsAt, int bit, Modifications out) {
        int main = WalIngest.main(r, flagsAt + 1L);
        if ((u8(r.bytes(), main + flagsAt) & 1) == 0 || r.blockWithId(1) >= 0) {
            return;
        }
        int heap = heapBlock(r, 0);
        relations.clearVisibility(
                r.spc(heap),
                r.db(heap),
                r.rel(heap),
                cleared(bit),
                r.blockNumber(heap),
                r.endLsn(),
                out);
    }

    /** What is no longer visible to all is not frozen for all either. */
    private static int cleared(int bit) {
        return bit == VisibilityMap.ALL_VISIBLE
                ? VisibilityMap.ALL_VISIBLE | VisibilityMap.ALL_FROZEN
                : bit;
    }

    /**
     * Flag 2: new tuple's block (id 0), flag 1: old tuple's block (id 1, or 0 if it is the same).
     * Map pages registered as ids 2 and 3 mean that all clearing is in them.
     */
    private void clearForUpdate(WalRecord r, HeapLayout layout, Modifications out) {
        int main = WalIngest.main(r, layout.updateLength());
        int flags = u8(r.bytes(), main + UPDATE_FLAGS) & 3;
        if (flags == 0 || r.blockWithId(2) >= 0 || r.blockWithId(3) >= 0) {
            return;
        }
        int heap = heapBlock(r, 0);
        int before = r.blockWithId(1) >= 0 ? heapBlock(r, 1) : heap;
        int newBlock = r.blockNumber(heap);
        int oldBlock = r.blockNumber(before);
        int bits = VisibilityMap.ALL_VISIBLE | VisibilityMap.ALL_FROZEN;
        int spc = r.spc(heap);
        int db = r.db(heap);
        int rel = r.rel(heap);
        if (flags == 3 && newBlock != oldBlock) {
            relations.clearVisibility(spc, db, rel, bits, newBlock, oldBlock, r.endLsn(), out);
        } else {
            int block = (flags & 2) != 0 ? newBlock : oldBlock;
            relations.clearVisibility(spc, db, rel, bits, block, r.endLsn(), out);
        }
    }

    private static int heapBlock(WalRecord r, int id) {
        int index = r.blockWithId(id);
        if (index < 0 || r.fork(index) != RelTag.MAIN) {
            throw PageserverException.corruption(
                    "%s record info %02X at %s: expected a heap block with id %d",
                    Rmgr.name(r.rmid()), r.info(), Lsn.toString(r.startLsn()), id);
        }
        return index;
    }
}
