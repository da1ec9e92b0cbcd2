package io.palimpsest.redo;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.value.RecordSlice;
import io.palimpsest.wal.PageImage;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalRecord;
import java.util.zip.CRC32C;

/**
 * Makes a WAL record again of the slice stored for one of its blocks, such that PostgreSQL's redo
 * of it changes that block as the whole record would.
 *
 * <p>All blocks are listed, in the block's relation (no record's blocks are in several), with the
 * slice's own data and image. What is known of the others is only that they are there, so they get
 * what lets redo pass over them:
 *
 * <ul>
 *   <li>where the record had an image, the image of a page of zeros, one byte long: GIN's split
 *       insists on images of all its blocks;
 *   <li>no WILL_INIT and no "initialises the page" for heap, whose redo would go on to read the
 *       block's data;
 *   <li>where redo of a block that is initialised reads data in any case, zeros that stand for no
 *       tuple.
 * </ul>
 *
 * Lost, and needed by no redo of pages: xl_prev, replication origin, top-level xid. One instance a
 * reader.
 */
public final class RecordAssembly {
    private static final int HEADER = 24;
    private static final int ID_SHORT_DATA = 255;
    private static final int ID_LONG_DATA = 254;
    private static final int HEAP_INIT_PAGE = 0x80;
    private static final int HEAP_OPCODE = 0x70;
    private static final int HEAP2_MULTI_INSERT = 0x50;

    /** sizeof(xl_btree_metadata), rounded up. */
    private static final int BTREE_META = 32;

    private final PgVersion version;
    private final CRC32C crc = new CRC32C();

    public RecordAssembly(PgVersion version) {
        this.version = version;
    }

    /**
     * Appends the record.
     *
     * @param spc tablespace of the slice's page, as its key says
     */
    public void append(ByteSink out, RecordSlice r, int spc, int db, int rel) {
        int start = out.reserve(HEADER);
        boolean noHeapInit = initialisesAnotherHeapPage(r);
        for (int i = 0; i < r.blockCount(); i++) {
            blockHeader(out, r, i, noHeapInit);
            if (i == 0) {
                out.i32(spc);
                out.i32(db);
                out.i32(rel);
            }
            out.i32(r.blockNumberAt(i));
        }
        if (r.mainLength() > 255) {
            out.u8(ID_LONG_DATA);
            out.i32(r.mainLength());
        } else if (r.mainLength() > 0) {
            out.u8(ID_SHORT_DATA);
            out.u8(r.mainLength());
        }
        for (int i = 0; i < r.blockCount(); i++) {
            if (i == r.ownIndex()) {
                out.bytes(r.bytes(), r.imageOffset(), r.imageLength());
                out.bytes(r.bytes(), r.dataOffset(), r.dataLength());
            } else {
                out.zeros(hasImage(r, i) ? 1 : 0);
                out.zeros(standInData(r, i));
            }
        }
        out.bytes(r.bytes(), r.mainOffset(), r.mainLength());
        int info = noHeapInit ? r.info() & ~HEAP_INIT_PAGE : r.info();
        header(out.array(), start, out.size() - start, r, info);
    }

    private void blockHeader(ByteSink out, RecordSlice r, int i, boolean noHeapInit) {
        boolean own = i == r.ownIndex();
        int flags = r.forkFlagsAt(i) & 0x0F;
        if (!(noHeapInit && r.blockIdAt(i) == 0)) {
            flags |= r.forkFlagsAt(i) & WalRecord.WILL_INIT;
        }
        boolean image = own ? r.appliesImage() : hasImage(r, i);
        int data = own ? r.dataLength() : standInData(r, i);
        flags |= image ? WalRecord.HAS_IMAGE : 0;
        flags |= data > 0 ? WalRecord.HAS_DATA : 0;
        flags |= i > 0 ? WalRecord.SAME_REL : 0;
        out.u8(r.blockIdAt(i));
        out.u8(flags);
        out.u16(data);
        if (image && own) {
            imageHeader(out, r.imageLength(), r.holeOffset(), r.holeLength(), r.imageFlags());
        } else if (image) {
            imageHeader(out, 1, 1, 0, PageImage.HAS_HOLE | PageImage.APPLY);
        }
    }

    private void imageHeader(ByteSink out, int length, int holeOffset, int holeLength, int flags) {
        out.u16(length);
        out.u16(holeOffset);
        out.u8(PageImage.info(flags, version));
        if ((flags & PageImage.COMPRESSION) != 0 && (flags & PageImage.HAS_HOLE) != 0) {
            out.u16(holeLength);
        }
    }

    /** An image of another block; which the record may only have had to be compared with. */
    private static boolean hasImage(RecordSlice r, int i) {
        return (r.forkFlagsAt(i) & WalRecord.HAS_IMAGE) != 0;
    }

    /** Heap's "initialises the page" is about block 0. */
    private static boolean initialisesAnotherHeapPage(RecordSlice r) {
        boolean canInit =
                r.rmid() == Rmgr.HEAP
                        || r.rmid() == Rmgr.HEAP2 && (r.info() & HEAP_OPCODE) == HEAP2_MULTI_INSERT;
        return canInit && (r.info() & HEAP_INIT_PAGE) != 0 && r.blockId() != 0;
    }

    /**
     * Bytes of zeros that redo of this other block must find: a metapage's content (B-tree), a
     * bucket number (hash), a count of tuples (GiST).
     */
    private static int standInData(RecordSlice r, int i) {
        int both = WalRecord.WILL_INIT | WalRecord.HAS_DATA;
        if ((r.forkFlagsAt(i) & both) != both) {
            return 0;
        }
        int id = r.blockIdAt(i);
        return switch (r.rmid()) {
            case Rmgr.BTREE -> id == 2 || id == 4 ? BTREE_META : 0;
            case Rmgr.HASH, Rmgr.GIST -> 4;
            default -> 0;
        };
    }

    private void header(byte[] b, int at, int length, RecordSlice r, int info) {
        Bytes.putI32(b, at, length);
        Bytes.putI32(b, at + 4, r.xid());
        Bytes.putI64(b, at + 8, 0);
        b[at + 16] = (byte) info;
        b[at + 17] = (byte) r.rmid();
        b[at + 18] = 0;
        b[at + 19] = 0;
        crc.reset();
        crc.update(b, at + HEADER, length - HEADER);
        crc.update(b, at, HEADER - 4);
        Bytes.putI32(b, at + 20, (int) crc.getValue());
    }
}
