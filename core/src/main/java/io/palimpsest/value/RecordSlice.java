package io.palimpsest.value;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.wal.PageImage;
import io.palimpsest.wal.Rmgr;
import io.palimpsest.wal.WalRecord;
import org.jspecify.annotations.Nullable;

/**
 * A stored RECORD value as a view over its bytes: the record as redo of one of its blocks sees it.
 *
 * <pre>
 *  0 u8 kind = 1     1 u8 flags (1: initial)   2 u8 rmgr   3 u8 info   4 u32 xid
 *  8 u8 own index in the block list            9 u8 n blocks
 * 10 n x { u8 block id, u8 fork_flags, u32 block number }
 *    u16 length of this block's data
 *    u8  flags of the image to apply (PageImage), 0 = none; then if not 0
 *        { u16 stored length, u16 hole offset, u16 hole length, image }
 *    this block's data
 *    main data, to the end of the value
 * </pre>
 */
public final class RecordSlice {
    private static final int BLOCKS = 10;
    private static final int BLOCK_BYTES = 6;

    private byte[] b = new byte[0];
    private int at;
    private long endLsn;
    private int own;
    private int count;
    private int dataOffset;
    private int dataLength;
    private int imageFlags;
    private int imageOffset;
    private int imageLength;
    private int holeOffset;
    private int holeLength;
    private int mainOffset;
    private int mainLength;
    private byte @Nullable [] spare;
    private byte @Nullable [] spareTuple;

    /**
     * Looks at the value {@code bytes[offset .. offset+length)}.
     *
     * @param recordEndLsn the LSN it is stored at
     */
    public void wrap(byte[] bytes, int offset, int length, long recordEndLsn) {
        b = bytes;
        at = offset;
        endLsn = recordEndLsn;
        int limit = offset + length;
        try {
            own = u8(b, at + 8);
            count = u8(b, at + 9);
            int p = at + BLOCKS + count * BLOCK_BYTES;
            dataLength = u16(b, p);
            imageFlags = u8(b, p + 2);
            p += 3;
            imageLength = 0;
            if (imageFlags != 0) {
                imageLength = u16(b, p);
                holeOffset = u16(b, p + 2);
                holeLength = u16(b, p + 4);
                p += 6;
            }
            imageOffset = p;
            dataOffset = p + imageLength;
            mainOffset = dataOffset + dataLength;
            mainLength = limit - mainOffset;
        } catch (IndexOutOfBoundsException e) {
            throw new PageserverException(
                    io.palimpsest.base.ErrorCode.CORRUPTION,
                    "stored record slice is cut short: " + length + " bytes",
                    e);
        }
        if (own >= count || mainLength < 0 || u8(b, at) != StoredValue.RECORD) {
            throw PageserverException.corruption(
                    "stored record slice: block %d of %d, main data of %d bytes",
                    own, count, mainLength);
        }
    }

    /**
     * A page of memory in which redo may build what takes the page's place, so that no record makes
     * garbage. Whatever was in it still is.
     */
    public byte[] spare() {
        byte[] page = spare;
        if (page == null) {
            page = new byte[Page.SIZE];
            spare = page;
        }
        return page;
    }

    /** Another, for a tuple. */
    public byte[] spareTuple() {
        byte[] tuple = spareTuple;
        if (tuple == null) {
            tuple = new byte[Page.SIZE];
            spareTuple = tuple;
        }
        return tuple;
    }

    /** What {@link #dataOffset} and the like are offsets into. */
    public byte[] bytes() {
        return b;
    }

    public int rmid() {
        return u8(b, at + 2);
    }

    /** xl_info, all eight bits. */
    public int info() {
        return u8(b, at + 3);
    }

    public int xid() {
        return i32(b, at + 4);
    }

    public long endLsn() {
        return endLsn;
    }

    /** Id of the block that is redone. */
    public int blockId() {
        return u8(b, block(own));
    }

    public int blockNumber() {
        return i32(b, block(own) + 2);
    }

    public int fork() {
        return u8(b, block(own) + 1) & 0x0F;
    }

    public boolean willInit() {
        return (u8(b, block(own) + 1) & WalRecord.WILL_INIT) != 0;
    }

    public boolean hasBlock(int id) {
        return find(id) >= 0;
    }

    /** Number of the block with this id, which must be there. */
    public int blockNumber(int id) {
        int found = find(id);
        if (found < 0) {
            throw PageserverException.corruption(
                    "%s record info %02X: expected a block %d", Rmgr.name(rmid()), info(), id);
        }
        return i32(b, found + 2);
    }

    /** How many blocks the record refers to; each has an index below, in ascending id. */
    public int blockCount() {
        return count;
    }

    /** Index of the block that is redone. */
    public int ownIndex() {
        return own;
    }

    public int blockIdAt(int index) {
        return u8(b, block(index));
    }

    /** Fork and flags of the block as the record had them. */
    public int forkFlagsAt(int index) {
        return u8(b, block(index) + 1);
    }

    public int blockNumberAt(int index) {
        return i32(b, block(index) + 2);
    }

    private int block(int index) {
        return at + BLOCKS + index * BLOCK_BYTES;
    }

    private int find(int id) {
        for (int i = 0; i < count; i++) {
            if (u8(b, block(i)) == id) {
                return block(i);
            }
        }
        return -1;
    }

    public int dataOffset() {
        return dataOffset;
    }

    public int dataLength() {
        return dataLength;
    }

    public int mainOffset() {
        return mainOffset;
    }

    public int mainLength() {
        return mainLength;
    }

    public boolean appliesImage() {
        return imageFlags != 0;
    }

    /** Flags of the image to apply ({@link PageImage}), 0 if there is none. */
    public int imageFlags() {
        return imageFlags;
    }

    public int imageOffset() {
        return imageOffset;
    }

    /** Stored bytes of the image, 0 if there is none. */
    public int imageLength() {
        return imageLength;
    }

    public int holeOffset() {
        return holeOffset;
    }

    public int holeLength() {
        return holeLength;
    }

    /** Restores the image it carries, all but the page's LSN. */
    public void restoreImage(byte[] page) {
        PageImage.restore(b, imageOffset, imageLength, imageFlags, holeOffset, holeLength, page);
    }
}
