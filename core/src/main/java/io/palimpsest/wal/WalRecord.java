package io.palimpsest.wal;

import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.i64;
import static io.palimpsest.base.Bytes.u16;
import static io.palimpsest.base.Bytes.u8;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;

/**
 * One WAL record as a view over its bytes: set by {@link #parse}, valid until the bytes change.
 * Blocks are addressed by their index 0 .. {@link #blockCount()}-1, in ascending block id.
 *
 * <pre>
 *  0 u32 xl_tot_len  4 u32 xl_xid  8 u64 xl_prev  16 u8 xl_info  17 u8 xl_rmid  18 2 zero  20 u32 xl_crc
 * 24 { block header | main data header | origin | top-level xid } ...
 *    { block image, block data } for each block, then main data
 * </pre>
 *
 * Source: PostgreSQL's xlogrecord.h and the checks of its DecodeXLogRecord.
 */
public final class WalRecord {
    public static final int HEADER = 24;
    public static final int MAX_BLOCKS = 33;

    /** Flag of fork_flags: an image is present. */
    public static final int HAS_IMAGE = 0x10;

    public static final int HAS_DATA = 0x20;
    public static final int WILL_INIT = 0x40;
    public static final int SAME_REL = 0x80;
    static final int ID_MAIN_SHORT = 255;
    static final int ID_MAIN_LONG = 254;
    static final int ID_ORIGIN = 253;
    static final int ID_TOP_XID = 252;

    /** Opcodes of XLOG that framing itself depends on. */
    static final int XLOG_CHECKPOINT_SHUTDOWN = 0x00;

    /** Header, the length of main data in two bytes, the CheckPoint. */
    public static final int SHUTDOWN_CHECKPOINT_BYTES = HEADER + 2 + 88;

    static final int XLOG_SWITCH = 0x40;

    static final int XLOG_OVERWRITE_CONTRECORD = 0xD0;

    private byte[] bytes = new byte[0];
    private int at;
    private int length;
    private long startLsn;
    private long endLsn;
    private int mainOffset;
    private int mainLength;
    private int originId;
    private int topXid;
    private int blockCount;
    private final int[] id = new int[MAX_BLOCKS];
    private final int[] forkFlags = new int[MAX_BLOCKS];
    private final int[] spc = new int[MAX_BLOCKS];
    private final int[] db = new int[MAX_BLOCKS];
    private final int[] rel = new int[MAX_BLOCKS];
    private final int[] blockNumber = new int[MAX_BLOCKS];
    private final int[] dataOffset = new int[MAX_BLOCKS];
    private final int[] dataLength = new int[MAX_BLOCKS];
    private final int[] imageOffset = new int[MAX_BLOCKS];
    private final int[] imageLength = new int[MAX_BLOCKS];
    private final int[] holeOffset = new int[MAX_BLOCKS];
    private final int[] holeLength = new int[MAX_BLOCKS];

    /** PageImage.* flags, translated from the version's own. */
    private final int[] imageFlags = new int[MAX_BLOCKS];

    /**
     * Takes the record whose bytes are {@code b[offset .. offset+len)}; the CRC is the caller's
     * business.
     *
     * @throws PageserverException CORRUPTION if lengths or flags contradict each other
     */
    public void parse(byte[] b, int offset, int len, long start, long end, PgVersion version) {
        bytes = b;
        at = offset;
        length = len;
        startLsn = start;
        endLsn = end;
        mainOffset = offset + len;
        mainLength = 0;
        originId = 0;
        topXid = 0;
        blockCount = 0;
        int limit = offset + len;
        int p = offset + HEADER;
        long payload = 0;
        int lastId = -1;
        while (limit - p > payload) {
            int headerId = u8(b, p++);
            if (headerId == ID_MAIN_SHORT) {
                require(p + 1 <= limit, "main data length");
                mainLength = u8(b, p++);
                payload += mainLength;
                break;
            } else if (headerId == ID_MAIN_LONG) {
                require(p + 4 <= limit, "main data length");
                mainLength = i32(b, p);
                p += 4;
                require(mainLength >= 0, "main data length");
                payload += mainLength;
                break;
            } else if (headerId == ID_ORIGIN) {
                require(p + 2 <= limit, "origin");
                originId = u16(b, p);
                p += 2;
            } else if (headerId == ID_TOP_XID) {
                require(p + 4 <= limit, "top-level xid");
                topXid = i32(b, p);
                p += 4;
            } else {
                require(
                        headerId < MAX_BLOCKS && headerId > lastId,
                        "block ids in ascending order up to 32");
                lastId = headerId;
                p = parseBlock(headerId, p, limit, version);
                payload += dataLength[blockCount - 1] + imageLength[blockCount - 1];
            }
        }
        require(limit - p == payload, "lengths that add up to xl_tot_len");
        for (int i = 0; i < blockCount; i++) {
            imageOffset[i] = p;
            p += imageLength[i];
            dataOffset[i] = p;
            p += dataLength[i];
        }
        mainOffset = p;
    }

    private int parseBlock(int headerId, int start, int limit, PgVersion version) {
        int p = start;
        int i = blockCount++;
        byte[] b = bytes;
        require(p + 3 <= limit, "block header");
        int flags = u8(b, p);
        id[i] = headerId;
        forkFlags[i] = flags;
        dataLength[i] = u16(b, p + 1);
        p += 3;
        require(
                (flags & HAS_DATA) != 0 == (dataLength[i] != 0),
                "HAS_DATA to agree with the data length");
        imageLength[i] = 0;
        imageFlags[i] = 0;
        holeOffset[i] = 0;
        holeLength[i] = 0;
        if ((flags & HAS_IMAGE) != 0) {
            p = parseImageHeader(i, p, limit, version);
        }
        if ((flags & SAME_REL) == 0) {
            require(p + 12 <= limit, "relation");
            spc[i] = i32(b, p);
            db[i] = i32(b, p + 4);
            rel[i] = i32(b, p + 8);
            p += 12;
        } else {
            require(i > 0, "a relation before SAME_REL");
            spc[i] = spc[i - 1];
            db[i] = db[i - 1];
            rel[i] = rel[i - 1];
        }
        require((flags & 0x0F) <= RelTag.INIT, "a fork of 0 to 3");
        require(p + 4 <= limit, "block number");
        blockNumber[i] = i32(b, p);
        return p + 4;
    }

    private int parseImageHeader(int i, int start, int limit, PgVersion version) {
        int p = start;
        byte[] b = bytes;
        require(p + 5 <= limit, "image header");
        int len = u16(b, p);
        int hole = u16(b, p + 2);
        int info = u8(b, p + 4);
        p += 5;
        int f = PageImage.flags(info, version);
        boolean hasHole = (f & PageImage.HAS_HOLE) != 0;
        boolean compressed = (f & PageImage.COMPRESSION) != 0;
        require(Integer.bitCount(f & PageImage.COMPRESSION) <= 1, "one compression method");
        int holeLen = 0;
        if (compressed) {
            if (hasHole) {
                require(p + 2 <= limit, "hole length");
                holeLen = u16(b, p);
                p += 2;
            }
            require(len < Page.SIZE, "a compressed image below the page size");
        } else if (hasHole) {
            holeLen = Page.SIZE - len;
        } else {
            require(len == Page.SIZE, "a whole page as image");
        }
        if (hasHole) {
            require(
                    hole > 0 && holeLen > 0 && hole + holeLen <= Page.SIZE,
                    "a hole within the page");
        } else {
            require(hole == 0, "no hole offset without a hole");
        }
        require(len > 0, "an image that is not empty");
        imageLength[i] = len;
        imageFlags[i] = f;
        holeOffset[i] = hole;
        holeLength[i] = holeLen;
        return p;
    }

    private void require(boolean condition, String expected) {
        if (!condition) {
            throw PageserverException.corruption(
                    "WAL record at %s (%s, %d bytes): expected %s",
                    Lsn.toString(startLsn), Rmgr.name(rmid()), length, expected);
        }
    }

    public byte[] bytes() {
        return bytes;
    }

    /** Where the record starts in {@link #bytes()}. */
    public int offset() {
        return at;
    }

    /** xl_tot_len. */
    public int length() {
        return length;
    }

    /** The first byte of its header. */
    public long startLsn() {
        return startLsn;
    }

    /**
     * Start of the next record: the LSN that pages changed by this one get, and that its values are
     * stored at.
     */
    public long endLsn() {
        return endLsn;
    }

    public int xid() {
        return i32(bytes, at + 4);
    }

    public long prevLsn() {
        return i64(bytes, at + 8);
    }

    public int info() {
        return u8(bytes, at + 16);
    }

    public int rmid() {
        return u8(bytes, at + 17);
    }

    public int mainOffset() {
        return mainOffset;
    }

    public int mainLength() {
        return mainLength;
    }

    /** Replication origin, 0 if none. */
    public int originId() {
        return originId;
    }

    /** Top-level transaction, 0 if not logged. */
    public int topXid() {
        return topXid;
    }

    public int blockCount() {
        return blockCount;
    }

    public int blockId(int i) {
        return id[i];
    }

    /** Index of the block with this id, or -1. */
    public int blockWithId(int blockId) {
        for (int i = 0; i < blockCount; i++) {
            if (id[i] == blockId) {
                return i;
            }
        }
        return -1;
    }

    public int forkFlags(int i) {
        return forkFlags[i];
    }

    public int fork(int i) {
        return forkFlags[i] & 0x0F;
    }

    public int spc(int i) {
        return spc[i];
    }

    public int db(int i) {
        return db[i];
    }

    public int rel(int i) {
        return rel[i];
    }

    public int blockNumber(int i) {
        return blockNumber[i];
    }

    public boolean willInit(int i) {
        return (forkFlags[i] & WILL_INIT) != 0;
    }

    public boolean hasImage(int i) {
        return (forkFlags[i] & HAS_IMAGE) != 0;
    }

    /** The image is to be restored (else it is only there to compare with). */
    public boolean appliesImage(int i) {
        return hasImage(i) && (imageFlags[i] & PageImage.APPLY) != 0;
    }

    public int dataOffset(int i) {
        return dataOffset[i];
    }

    public int dataLength(int i) {
        return dataLength[i];
    }

    public int imageOffset(int i) {
        return imageOffset[i];
    }

    public int imageLength(int i) {
        return imageLength[i];
    }

    /** {@link PageImage} flags. */
    public int imageFlags(int i) {
        return imageFlags[i];
    }

    public int holeOffset(int i) {
        return holeOffset[i];
    }

    public int holeLength(int i) {
        return holeLength[i];
    }
}
