package io.palimpsest.value;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;

/**
 * What is stored under which key.
 *
 * <pre>
 * kind            field2 field3 field4  field5 field6   content
 * 00 REL_BLOCK    spc    db     rel     fork   block    page, 8192 bytes
 * 01 SLRU_BLOCK   slru   0      segment 0      page     page, 8192 bytes (page: within the segment, 0..31)
 * 02 REL_SIZE     spc    db     rel     fork   0        u32 blocks; empty: no such fork (this is the relation directory)
 * 03 SLRU_SIZE    slru   0      segment 0      0        u32 pages; empty: no such segment
 * 04 DATABASE     spc    db     0       0      0        one byte 1; empty: dropped
 * 05 RELMAP       spc    db     0       0      0        pg_filenode.map; empty: dropped
 * 06 TWO_PHASE    0      epoch  xid     0      0        state of a prepared transaction; empty: finished
 * 07 TABLESPACE   spc    0      0       0      0        its path in UTF-8; empty: dropped
 * 08 CONTROL_FILE 0      0      0       0      0        pg_control as imported
 * 09 CHECKPOINT   0      0      0       0      0        struct CheckPoint kept up to date by ingest, 88 bytes
 * 0A COMMIT_TIME  0      second 0      0       0        i64 us since 2000, u64 LSN: the first commit of that second (since 2000)
 * 0B MARKER       0      LSN high, low   0      0       what somebody may want to come back to: see Marker
 * </pre>
 *
 * REL_BLOCK and SLRU_BLOCK hold images and deltas, all other kinds only images. All of them are
 * inherited by branches. Directories are scans of a key range, so creating one of a million
 * relations rewrites nothing.
 */
public final class Keys {
    public static final int REL_BLOCK = 0;
    public static final int SLRU_BLOCK = 1;
    public static final int REL_SIZE = 2;
    public static final int SLRU_SIZE = 3;
    public static final int DATABASE = 4;
    public static final int RELMAP = 5;
    public static final int TWO_PHASE = 6;
    public static final int TABLESPACE = 7;
    public static final int COMMIT_TIME = 10;
    public static final int MARKER = 11;

    public static final Key CONTROL_FILE = Key.of(8, 0, 0, 0, 0, 0);
    public static final Key CHECKPOINT = Key.of(9, 0, 0, 0, 0, 0);

    private Keys() {}

    public static long hi(int kind, int field2) {
        return (long) kind << 32 | field2 & 0xFFFF_FFFFL;
    }

    public static long mid(int field3, int field4) {
        return (long) field3 << 32 | field4 & 0xFFFF_FFFFL;
    }

    public static long lo(int field5, int field6) {
        return (long) field5 << 32 | field6 & 0xFFFF_FFFFL;
    }

    public static Key block(RelTag tag, int block) {
        return Key.of(REL_BLOCK, tag.spc(), tag.db(), tag.rel(), tag.fork(), block);
    }

    public static Key relationSize(RelTag tag) {
        return Key.of(REL_SIZE, tag.spc(), tag.db(), tag.rel(), tag.fork(), 0);
    }

    /** {@code page} counts from the start of the store, not of a segment; unsigned. */
    public static Key slruPage(Slru slru, int page) {
        return Key.of(SLRU_BLOCK, slru.number(), 0, page >>> 5, 0, page & 31);
    }

    public static Key slruSize(Slru slru, int segment) {
        return Key.of(SLRU_SIZE, slru.number(), 0, segment, 0, 0);
    }

    public static Key database(int spc, int db) {
        return Key.of(DATABASE, spc, db, 0, 0, 0);
    }

    public static Key relmap(int spc, int db) {
        return Key.of(RELMAP, spc, db, 0, 0, 0);
    }

    public static Key twoPhase(int epoch, int xid) {
        return Key.of(TWO_PHASE, 0, epoch, xid, 0, 0);
    }

    /** Of a second since 2000, unsigned. */
    public static Key commitTime(long second) {
        return Key.of(COMMIT_TIME, 0, (int) second, 0, 0, 0);
    }

    /** Of the record that ends at that LSN. */
    public static Key marker(long lsn) {
        return new Key(hi(MARKER, 0), lsn, 0);
    }

    public static Key tablespace(int spc) {
        return Key.of(TABLESPACE, spc, 0, 0, 0, 0);
    }

    /** Is the key a page, that is: are there deltas under it? */
    public static boolean isPage(long hi) {
        return hi >>> 32 <= SLRU_BLOCK;
    }

    /** Is the key the size of a relation fork or an SLRU segment? */
    public static boolean isSize(long hi) {
        long kind = hi >>> 32;
        return kind == REL_SIZE || kind == SLRU_SIZE;
    }

    public static RelTag relation(Key key) {
        return new RelTag(key.field2(), key.field3(), key.field4(), key.field5());
    }

    public static KeyRange ofKind(int kind) {
        return new KeyRange(Key.of(kind, 0, 0, 0, 0, 0), Key.of(kind + 1, 0, 0, 0, 0, 0));
    }

    /** All keys of a kind that belong to one store (SLRU_SIZE, SLRU_BLOCK). */
    public static KeyRange ofSlru(int kind, Slru slru) {
        return new KeyRange(
                Key.of(kind, slru.number(), 0, 0, 0, 0),
                Key.of(kind, slru.number() + 1, 0, 0, 0, 0));
    }

    /** All keys of a kind that belong to one database in one tablespace (REL_SIZE, REL_BLOCK). */
    public static KeyRange ofDatabase(int kind, int spc, int db) {
        Key start = Key.of(kind, spc, db, 0, 0, 0);
        Key last = Key.of(kind, spc, db, -1, 0xFF, -1);
        return new KeyRange(start, last.next());
    }
}
