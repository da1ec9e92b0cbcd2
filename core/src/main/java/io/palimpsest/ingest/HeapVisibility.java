package io.palimpsest.ingest;

import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.VisibilityMap;
import io.palimpsest.value.Modifications;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalRecord;

/**
 * Heap records that clear visibility-map bits. Since 17.11 and 18.6 they register the map's page as
 * a block, which then is a block like any; before, flags in the main data say so. The record
 * decides, not the version.
 */
final class HeapVisibility {
    private final Relations relations;

    HeapVisibility(Relations relations) {
        this.relations = relations;
    }

    /** Adds what the HEAP or HEAP2 record clears. */
    void clear(WalRecord r, Modifications out) {
        int op = r.info() & 0x70;
        if (r.rmid() == Rmgr.HEAP) {
            switch (op) {
                case 0x00 -> clearOne(r, 2, VisibilityMap.ALL_VISIBLE, out); // insert
                case 0x10 -> clearOne(r, 7, VisibilityMap.ALL_VISIBLE, out); // delete
                case 0x20, 0x40 -> clearForUpdate(r, out);
                case 0x60 -> clearOne(r, 7, VisibilityMap.ALL_FROZEN, out); // lock
                default -> {}
            }
        } else if (op == 0x50) {
            clearOne(r, 0, VisibilityMap.ALL_VISIBLE, out); // multi-insert
        } else if (op == 0x60) {
            clearOne(r, 7, VisibilityMap.ALL_FROZEN, out); // lock updated
        }
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
    private void clearForUpdate(WalRecord r, Modifications out) {
        int flags = u8(r.bytes(), WalIngest.main(r, 14) + 7) & 3;
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
