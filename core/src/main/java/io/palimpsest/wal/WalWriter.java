package io.palimpsest.wal;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.Lsn;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import java.util.zip.CRC32C;

/**
 * Records to WAL bytes, as a server would write them: page and segment headers, the chain of
 * xl_prev, checksums, records continued over pages.
 *
 * <pre>
 * writer.begin(Rmgr.HEAP, 0x00, xid);
 * writer.block(0, RelTag.MAIN, spc, db, rel, block);   // in ascending id
 * writer.blockData(...);  writer.mainData(...);
 * long lsn = writer.end();
 * </pre>
 *
 * Bytes are appended to {@link #out()}: its first byte ever is the WAL at the start LSN; the owner
 * may clear it between records. A misuse is a {@link Check} failure.
 */
public final class WalWriter {
    private final PgVersion version;
    private final int segmentSize;
    private final long systemIdentifier;
    private final int timelineId;
    private final ByteSink out;
    private final CRC32C crc = new CRC32C();
    private long lsn;
    private long previousLsn;
    private int nextPageFlags;

    private final ByteSink main = new ByteSink(256);

    /** Sub-headers and block payload of the record begun. */
    private final ByteSink headers = new ByteSink(256);

    private final ByteSink payload = new ByteSink(1024);
    private boolean open;
    private int rmid;
    private int info;
    private int xid;
    private int originId;
    private int topXid;

    /** Id of the block begun, -1 if none. */
    private int blockId;

    private int lastBlockId;

    private int fork;
    private int spc;
    private int db;
    private int rel;
    private int blockNumber;
    private boolean relationKnown;
    private int lastSpc;
    private int lastDb;
    private int lastRel;
    private int flags;
    private int imageFlags;
    private int holeOffset;
    private int holeLength;
    private final ByteSink blockData = new ByteSink(256);
    private final ByteSink image = new ByteSink(Page.SIZE);

    /**
     * @param startLsn a record boundary; at a page's start the page's header is written first
     * @param previousLsn what the first record's xl_prev says
     * @param out takes the bytes
     */
    public WalWriter(
            PgVersion version,
            long startLsn,
            int segmentSize,
            long systemIdentifier,
            int timelineId,
            long previousLsn,
            ByteSink out) {
        Check.that(WalPage.isSegmentSize(segmentSize), "segment size %d", segmentSize);
        Check.that(WalPage.isRecordBoundary(startLsn, segmentSize), "start at %x", startLsn);
        this.version = version;
        this.segmentSize = segmentSize;
        this.systemIdentifier = systemIdentifier;
        this.timelineId = timelineId;
        this.previousLsn = previousLsn;
        this.out = out;
        lsn = startLsn;
    }

    public ByteSink out() {
        return out;
    }

    /** LSN of the next byte to be written: the end of the last record. */
    public long position() {
        return lsn;
    }

    /** Start of the last record. */
    public long previousLsn() {
        return previousLsn;
    }

    /** Begins a record; what it carries follows, then {@link #end()}. */
    public void begin(int recordRmid, int recordInfo, int recordXid) {
        Check.that(!open, "the record before was not ended");
        open = true;
        rmid = recordRmid;
        info = recordInfo;
        xid = recordXid;
        originId = 0;
        topXid = 0;
        blockId = -1;
        lastBlockId = -1;
        relationKnown = false;
        main.clear();
        headers.clear();
        payload.clear();
    }

    /** Begins a block reference; ids ascend within a record. */
    public void block(int id, int blockFork, int spcOid, int dbOid, int relNumber, int block) {
        Check.that(open && id > lastBlockId && id < WalRecord.MAX_BLOCKS, "block id %d", id);
        closeBlock();
        blockId = id;
        lastBlockId = id;
        fork = blockFork;
        spc = spcOid;
        db = dbOid;
        rel = relNumber;
        blockNumber = block;
        flags = 0;
        imageFlags = 0;
        image.clear();
        blockData.clear();
    }

    /** The record initialises the page of the block begun. */
    public void willInit() {
        Check.that(blockId >= 0, "no block begun");
        flags |= WalRecord.WILL_INIT;
    }

    /** Adds to the data of the block begun; 65535 bytes in all at most. */
    public void blockData(byte[] b, int offset, int length) {
        Check.that(blockId >= 0, "no block begun");
        blockData.bytes(b, offset, length);
        Check.that(blockData.size() <= 0xFFFF, "block data of %d bytes", blockData.size());
    }

    /**
     * Adds a page image to the block begun, uncompressed.
     *
     * @param standard the page has a hole between pd_lower and pd_upper, which is cut out
     * @param apply redo restores it (else it is there to compare with)
     */
    public void image(byte[] page, boolean standard, boolean apply) {
        Check.that(page.length == Page.SIZE, "page of %d bytes", page.length);
        int lower = Page.lower(page);
        int upper = Page.upper(page);
        boolean hole = standard && lower >= Page.HEADER && upper > lower && upper <= Page.SIZE;
        int set = (hole ? PageImage.HAS_HOLE : 0) | (apply ? PageImage.APPLY : 0);
        int at = hole ? lower : 0;
        int length = hole ? upper - lower : 0;
        byte[] stored = new byte[Page.SIZE - length];
        System.arraycopy(page, 0, stored, 0, at);
        System.arraycopy(page, at + length, stored, at, stored.length - at);
        image(stored, set, at, length);
    }

    /** Adds a page image as it is stored, perhaps compressed, with its {@link PageImage} flags. */
    public void image(byte[] stored, int setFlags, int holeAt, int holeBytes) {
        Check.that(blockId >= 0 && image.size() == 0, "image of block %d", blockId);
        flags |= WalRecord.HAS_IMAGE;
        imageFlags = setFlags;
        holeOffset = holeAt;
        holeLength = holeBytes;
        image.bytes(stored);
    }

    /** Adds to the main data. */
    public void mainData(byte[] b, int offset, int length) {
        Check.that(open, "no record begun");
        main.bytes(b, offset, length);
    }

    public void mainData(byte[] b) {
        mainData(b, 0, b.length);
    }

    public void origin(int id) {
        originId = id;
    }

    public void topXid(int top) {
        topXid = top;
    }

    /** Writes the record begun and answers its start; {@link #position()} is then its end. */
    public long end() {
        Check.that(open, "no record begun");
        closeBlock();
        if (originId != 0) {
            headers.u8(WalRecord.ID_ORIGIN);
            headers.u16(originId);
        }
        if (topXid != 0) {
            headers.u8(WalRecord.ID_TOP_XID);
            headers.i32(topXid);
        }
        if (main.size() > 0xFF) {
            headers.u8(WalRecord.ID_MAIN_LONG);
            headers.i32(main.size());
        } else if (main.size() > 0) {
            headers.u8(WalRecord.ID_MAIN_SHORT);
            headers.u8(main.size());
        }
        int length =
                Math.addExact(
                        WalRecord.HEADER + headers.size(),
                        Math.addExact(payload.size(), main.size()));
        byte[] head = new byte[WalRecord.HEADER];
        Bytes.putI32(head, 0, length);
        Bytes.putI32(head, 4, xid);
        Bytes.putI64(head, 8, previousLsn);
        Bytes.putU8(head, 16, info);
        Bytes.putU8(head, 17, rmid);
        crc.reset();
        crc.update(headers.array(), 0, headers.size());
        crc.update(payload.array(), 0, payload.size());
        crc.update(main.array(), 0, main.size());
        crc.update(head, 0, 20);
        Bytes.putI32(head, 20, (int) crc.getValue());

        startPage(0);
        long start = lsn;
        int left = write(head, head.length, length);
        left = write(headers.array(), headers.size(), left);
        left = write(payload.array(), payload.size(), left);
        left = write(main.array(), main.size(), left);
        Check.that(left == 0, "%d bytes of the record left", left);
        zerosTo(Lsn.align(lsn));
        previousLsn = start;
        open = false;
        return start;
    }

    /** Ends the segment: XLOG_SWITCH, then zeros to the next one's start. */
    public long switchSegment() {
        begin(Rmgr.XLOG, WalRecord.XLOG_SWITCH, 0);
        long start = end();
        zerosTo(lsn + segmentSize - 1 & -(long) segmentSize);
        return start;
    }

    /**
     * At a page's start, which a record reached that was never written to its end: says so in the
     * page's header and writes the record that names it.
     *
     * @param time microseconds since 2000
     */
    public long overwriteContrecord(long lostLsn, long time) {
        Check.that((lsn & WalPage.SIZE - 1) == 0, "at %d, not a page's start", lsn);
        nextPageFlags = WalPage.FIRST_IS_OVERWRITE_CONTRECORD;
        begin(Rmgr.XLOG, WalRecord.XLOG_OVERWRITE_CONTRECORD, 0);
        byte[] named = new byte[16];
        Bytes.putI64(named, 0, lostLsn);
        Bytes.putI64(named, 8, time);
        mainData(named);
        return end();
    }

    private void closeBlock() {
        if (blockId < 0) {
            return;
        }
        boolean same = relationKnown && spc == lastSpc && db == lastDb && rel == lastRel;
        headers.u8(blockId);
        headers.u8(
                fork
                        | flags
                        | (blockData.size() > 0 ? WalRecord.HAS_DATA : 0)
                        | (same ? WalRecord.SAME_REL : 0));
        headers.u16(blockData.size());
        if ((flags & WalRecord.HAS_IMAGE) != 0) {
            headers.u16(image.size());
            headers.u16(holeOffset);
            headers.u8(PageImage.info(imageFlags, version));
            if ((imageFlags & PageImage.COMPRESSION) != 0
                    && (imageFlags & PageImage.HAS_HOLE) != 0) {
                headers.u16(holeLength);
            }
            payload.bytes(image.array(), 0, image.size());
        }
        if (!same) {
            headers.i32(spc);
            headers.i32(db);
            headers.i32(rel);
        }
        headers.i32(blockNumber);
        payload.bytes(blockData.array(), 0, blockData.size());
        relationKnown = true;
        lastSpc = spc;
        lastDb = db;
        lastRel = rel;
        blockId = -1;
    }

    private int write(byte[] b, int length, int recordLeft) {
        int done = 0;
        while (done < length) {
            startPage(recordLeft - done);
            int room = WalPage.SIZE - ((int) lsn & WalPage.SIZE - 1);
            int n = Math.min(room, length - done);
            out.bytes(b, done, n);
            lsn += n;
            done += n;
        }
        return recordLeft - length;
    }

    /** At a page's start, writes its header. */
    private void startPage(int continued) {
        if ((lsn & WalPage.SIZE - 1) != 0) {
            return;
        }
        int size = WalPage.headerSize(lsn, segmentSize);
        int at = out.reserve(size);
        WalPage.putHeader(
                out.array(),
                at,
                version,
                nextPageFlags | (continued > 0 ? WalPage.FIRST_IS_CONTRECORD : 0),
                timelineId,
                lsn,
                continued,
                systemIdentifier,
                segmentSize);
        nextPageFlags = 0;
        lsn += size;
    }

    private void zerosTo(long to) {
        out.zeros(Math.toIntExact(to - lsn));
        lsn = to;
    }
}
