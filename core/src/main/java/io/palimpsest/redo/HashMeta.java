package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.f64;
import static io.palimpsest.base.Bytes.i32;
import static io.palimpsest.base.Bytes.putF64;
import static io.palimpsest.base.Bytes.putI32;
import static io.palimpsest.base.Bytes.putU16;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;

/**
 * The metapage of a hash index, offsets from 24:
 *
 * <pre>
 *  0 magic  4 version  8 f64 tuples  16 u16 fill factor  18 u16 bytes a page  20 u16 bytes a bitmap
 * 22 u16 bitmap shift  24 max bucket  28 high mask  32 low mask  36 split point  40 first free
 * 44 number of bitmaps  48 hash procedure
 * 52 spares[98]: overflow pages allocated up to each split point   444 block of each bitmap [1024]
 * </pre>
 *
 * Buckets double with each group of split points; from group 10 on in four phases. Source:
 * PostgreSQL's hash.h, hashpage.c, hashutil.c.
 */
final class HashMeta {
    private static final int MAGIC = 0x6440640;
    private static final int VERSION = 4;
    private static final int BYTES = 4544;
    private static final int SPLIT_POINTS = 98;
    private static final int BITMAPS = 1024;
    private static final int MAX_BUCKETS = 0x40000000;
    private static final int ONE_PHASE_GROUPS = 10;
    private static final int META_FLAG = 8;

    private static final int TUPLES = Page.HEADER + 8;
    private static final int MAX_BUCKET = Page.HEADER + 24;
    private static final int HIGH_MASK = Page.HEADER + 28;
    private static final int LOW_MASK = Page.HEADER + 32;
    private static final int SPLIT_POINT = Page.HEADER + 36;
    private static final int FIRST_FREE = Page.HEADER + 40;
    private static final int BITMAP_COUNT = Page.HEADER + 44;
    private static final int SPARES = Page.HEADER + 52;
    private static final int BITMAP_BLOCKS = Page.HEADER + 444;

    private HashMeta() {}

    /** The metapage of an index made for so many tuples. */
    static void init(byte[] page, double tuples, int procedure, int fillFactor) {
        double wanted = tuples / fillFactor;
        if (!(wanted >= 0)) {
            throw PageserverException.corruption(
                    "hash index for %s tuples, %d a bucket", tuples, fillFactor);
        }
        int buckets;
        if (wanted <= 2) {
            buckets = 2;
        } else if (wanted >= MAX_BUCKETS) {
            buckets = MAX_BUCKETS;
        } else {
            buckets = bucketsUpTo(splitPoint((int) wanted));
        }
        int splitPoint = splitPoint(buckets);
        HashRedo.initPage(page, -1, -1, META_FLAG);
        putI32(page, Page.HEADER, MAGIC);
        putI32(page, Page.HEADER + 4, VERSION);
        putU16(page, Page.HEADER + 16, fillFactor);
        putU16(page, Page.HEADER + 18, 8152);
        putU16(page, Page.HEADER + 20, 4096);
        putU16(page, Page.HEADER + 22, 15);
        putI32(page, Page.HEADER + 48, procedure);
        setMaxBucket(page, buckets - 1);
        // The least power of two above the number of buckets, less one.
        int highMask = Integer.highestOneBit(buckets) * 2 - 1;
        setMasks(page, highMask >>> 1, highMask);
        setSplitPoint(page, splitPoint, 1);
        Page.setLower(page, Page.HEADER + BYTES);
    }

    /** The split point at which there are (at least) so many buckets. */
    static int splitPoint(int buckets) {
        int group = buckets <= 1 ? 0 : 32 - Integer.numberOfLeadingZeros(buckets - 1);
        if (group < ONE_PHASE_GROUPS) {
            return group;
        }
        int phase = buckets - 1 >>> group - 3 & 3;
        return ONE_PHASE_GROUPS + 4 * (group - ONE_PHASE_GROUPS) + phase;
    }

    /** How many buckets there are once a split point is reached. */
    static int bucketsUpTo(int splitPoint) {
        if (splitPoint < ONE_PHASE_GROUPS) {
            return 1 << splitPoint;
        }
        int group = ONE_PHASE_GROUPS + (splitPoint - ONE_PHASE_GROUPS) / 4;
        int half = 1 << group - 1;
        return half + half / 4 * ((splitPoint - ONE_PHASE_GROUPS & 3) + 1);
    }

    static double tuples(byte[] page) {
        return f64(page, TUPLES);
    }

    static void setTuples(byte[] page, double tuples) {
        HashRedo.opaque(page);
        putF64(page, TUPLES, tuples);
    }

    static int maxBucket(byte[] page) {
        return i32(page, MAX_BUCKET);
    }

    static void setMaxBucket(byte[] page, int bucket) {
        HashRedo.opaque(page);
        putI32(page, MAX_BUCKET, bucket);
    }

    static void setMasks(byte[] page, int low, int high) {
        putI32(page, LOW_MASK, low);
        putI32(page, HIGH_MASK, high);
    }

    static void setFirstFree(byte[] page, int bit) {
        HashRedo.opaque(page);
        putI32(page, FIRST_FREE, bit);
    }

    static void setSplitPoint(byte[] page, int splitPoint, int overflowPages) {
        putI32(page, spare(splitPoint), overflowPages);
        putI32(page, SPLIT_POINT, splitPoint);
    }

    /** One more overflow page at the present split point. */
    static void addSpare(byte[] page) {
        int at = spare(i32(page, SPLIT_POINT));
        putI32(page, at, i32(page, at) + 1);
    }

    static void addBitmap(byte[] page, int block) {
        HashRedo.opaque(page);
        int count = i32(page, BITMAP_COUNT);
        if (count < 0 || count >= BITMAPS) {
            throw PageserverException.corruption("hash index with %d bitmap pages", count);
        }
        putI32(page, BITMAP_BLOCKS + 4 * count, block);
        putI32(page, BITMAP_COUNT, count + 1);
    }

    private static int spare(int splitPoint) {
        if (splitPoint < 0 || splitPoint >= SPLIT_POINTS) {
            throw PageserverException.corruption("hash index at split point %d", splitPoint);
        }
        return SPARES + 4 * splitPoint;
    }
}
