package io.palimpsest.redo;

import static io.palimpsest.base.Bytes.putU16;
import static io.palimpsest.base.Bytes.u16;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageItems;
import java.util.Arrays;

/**
 * Leaf tuples of a B-tree that hold several heap TIDs for one key, and the building of new ones.
 *
 * <pre>
 * | index tuple header | key ... | TID, TID, ... (6 bytes each, ascending) | zeros up to 8 |
 *   info bit 0x2000 set
 *   TID's offset number: 0x2000 | number of TIDs;  TID's block: where in the tuple the TIDs start
 * </pre>
 *
 * Source: PostgreSQL's nbtree.h, nbtdedup.c.
 */
final class BtreePosting {
    private static final int ALTERNATIVE_TID = 0x2000;
    private static final int IS_POSTING = 0x2000;
    private static final int COUNT_MASK = 0x0FFF;

    private final byte[] tuple;
    private int keySize;
    private int tids;
    private int merged;

    /**
     * @param tuple a page of memory, where tuples are built
     */
    BtreePosting(byte[] tuple) {
        this.tuple = tuple;
    }

    static boolean isPosting(byte[] b, int at) {
        return (u16(b, at + 6) & ALTERNATIVE_TID) != 0 && (u16(b, at + 4) & IS_POSTING) != 0;
    }

    /** Number of TIDs of the posting tuple in {@code b[at .. at+size)}. */
    private static int count(byte[] b, int at) {
        return u16(b, at + 4) & COUNT_MASK;
    }

    /** Where in the posting tuple its TIDs start: all of them must be inside. */
    private static int tidsAt(byte[] b, int at, int size) {
        int list = IndexTuple.block(b, at);
        int count = count(b, at);
        if (!isPosting(b, at)
                || list < IndexTuple.HEADER
                || list > size
                || count == 0
                || IndexTuple.TID * count > size - list) {
            throw Page.damaged(
                    "tuple of %d bytes, a posting tuple with %d TIDs at %d is expected",
                    size, count, list);
        }
        return list;
    }

    private static int itemSize(byte[] page, int offset) {
        int item = Page.item(page, offset);
        return IndexTuple.size(page, item, item + Page.itemLength(page, offset));
    }

    /**
     * A new TID falls between those of a posting tuple: puts it at {@code position} of the page's
     * item, and gives back the last TID, which falls off for it.
     */
    static long swap(byte[] page, int offset, int position, long newTid) {
        int item = Page.item(page, offset);
        int list = item + tidsAt(page, item, itemSize(page, offset));
        int count = count(page, item);
        if (position < 1 || position >= count) {
            throw PageserverException.corruption(
                    "posting tuple of %d TIDs to split at %d", count, position);
        }
        int from = list + IndexTuple.TID * position;
        int last = list + IndexTuple.TID * (count - 1);
        long displaced = IndexTuple.rawTid(page, last);
        System.arraycopy(page, from, page, from + IndexTuple.TID, last - from);
        IndexTuple.putRawTid(page, from, newTid);
        return displaced;
    }

    /**
     * Rewrites the page's posting tuple without the TIDs at {@code deleted} positions ({@code
     * count} u16 at {@code at}, ascending). One that is left makes a plain tuple.
     */
    void update(byte[] page, int offset, byte[] b, int at, int count) {
        int item = Page.item(page, offset);
        int size = itemSize(page, offset);
        int list = tidsAt(page, item, size);
        begin(page, item, list);
        int next = 0;
        for (int i = 0, n = count(page, item); i < n; i++) {
            if (next < count && u16(b, at + 2 * next) == i) {
                next++;
            } else {
                append(page, item + list + IndexTuple.TID * i);
            }
        }
        if (next != count || tids == 0) {
            throw PageserverException.corruption(
                    "posting tuple of %d TIDs: %d of the %d to delete found",
                    count(page, item), next, count);
        }
        int newSize = form();
        PageItems.overwrite(page, offset, tuple, 0, Page.maxAlign(newSize));
    }

    /** Starts a tuple to merge others into: item {@code offset} gives the key. */
    void start(byte[] page, int offset) {
        int item = Page.item(page, offset);
        int size = itemSize(page, offset);
        begin(page, item, isPosting(page, item) ? tidsAt(page, item, size) : size);
        merge(page, offset);
    }

    /** Adds the TIDs of item {@code offset}. */
    void merge(byte[] page, int offset) {
        int item = Page.item(page, offset);
        int size = itemSize(page, offset);
        if (isPosting(page, item)) {
            int list = tidsAt(page, item, size);
            for (int i = 0, n = count(page, item); i < n; i++) {
                append(page, item + list + IndexTuple.TID * i);
            }
        } else {
            append(page, item);
        }
        merged++;
    }

    /** How many items went into the tuple. */
    int merged() {
        return merged;
    }

    /** Appends the merged tuple to a page. */
    void appendTo(byte[] page) {
        int size = form();
        PageItems.insert(page, Page.maxOffset(page) + 1, tuple, 0, size);
    }

    private void begin(byte[] b, int at, int key) {
        System.arraycopy(b, at, tuple, 0, key);
        keySize = key;
        tids = 0;
        merged = 0;
    }

    private void append(byte[] b, int at) {
        int to = keySize + IndexTuple.TID * tids;
        if (to + IndexTuple.TID > tuple.length || tids == COUNT_MASK) {
            throw PageserverException.corruption("posting tuple of more than %d TIDs", tids);
        }
        System.arraycopy(b, at, tuple, to, IndexTuple.TID);
        tids++;
    }

    /** Completes the tuple; its size. */
    private int form() {
        int info = u16(tuple, 6) & ~IndexTuple.SIZE_MASK;
        if (tids == 1) {
            IndexTuple.putRawTid(tuple, 0, IndexTuple.rawTid(tuple, keySize));
            putU16(tuple, 6, info & ~ALTERNATIVE_TID | keySize);
            Arrays.fill(tuple, keySize, Page.maxAlign(keySize), (byte) 0);
            return keySize;
        }
        int end = keySize + IndexTuple.TID * tids;
        int size = Page.maxAlign(end);
        if (size > IndexTuple.SIZE_MASK) {
            throw PageserverException.corruption("posting tuple of %d bytes", size);
        }
        Arrays.fill(tuple, end, size, (byte) 0);
        IndexTuple.setTid(tuple, 0, keySize, IS_POSTING | tids);
        putU16(tuple, 6, info | ALTERNATIVE_TID | size);
        return size;
    }
}
