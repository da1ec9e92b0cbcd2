package io.palimpsest.pg;

import static io.palimpsest.pg.Page.HEADER;
import static io.palimpsest.pg.Page.LP_NORMAL;
import static io.palimpsest.pg.Page.LP_UNUSED;
import static io.palimpsest.pg.Page.linePointer;
import static io.palimpsest.pg.Page.lower;
import static io.palimpsest.pg.Page.lpFlags;
import static io.palimpsest.pg.Page.lpLength;
import static io.palimpsest.pg.Page.lpOffset;
import static io.palimpsest.pg.Page.maxAlign;
import static io.palimpsest.pg.Page.maxOffset;
import static io.palimpsest.pg.Page.setLinePointer;
import static io.palimpsest.pg.Page.setLower;
import static io.palimpsest.pg.Page.setUpper;
import static io.palimpsest.pg.Page.special;
import static io.palimpsest.pg.Page.upper;

/**
 * Adding, replacing and deleting items of a page with the results PostgreSQL gets, byte for byte
 * (its bufpage.c is the source of the rules).
 */
public final class PageItems {
    private PageItems() {}

    /**
     * Adds an item at line pointer {@code offset}, moving later line pointers up by one; max+1
     * appends.
     */
    public static void insert(byte[] page, int offset, byte[] source, int at, int length) {
        int max = checkOffset(page, offset);
        int upper = allocate(page, length, 4);
        if (offset <= max) {
            int from = HEADER + 4 * (offset - 1);
            System.arraycopy(page, from, page, from + 4, lower(page) - from);
        }
        setLower(page, lower(page) + 4);
        setLinePointer(page, offset, linePointer(upper, LP_NORMAL, length));
        System.arraycopy(source, at, page, upper, length);
    }

    /**
     * Puts an item at line pointer {@code offset}, which must be unused (its slot is taken) or
     * max+1 (appends).
     */
    public static void insertOverwrite(byte[] page, int offset, byte[] source, int at, int length) {
        int start = reserveOverwrite(page, offset, length);
        System.arraycopy(source, at, page, start, length);
    }

    /**
     * As {@link #insertOverwrite}, but the item's bytes are the caller's to write: answers where
     * they start.
     */
    public static int reserveOverwrite(byte[] page, int offset, int length) {
        int max = checkOffset(page, offset);
        boolean append = offset > max;
        if (!append
                && (lpFlags(linePointer(page, offset)) != LP_UNUSED
                        || lpLength(linePointer(page, offset)) != 0)) {
            throw Page.damaged("item %d in use, an unused slot was expected", offset);
        }
        int upper = allocate(page, length, append ? 4 : 0);
        if (append) {
            setLower(page, lower(page) + 4);
        }
        setLinePointer(page, offset, linePointer(upper, LP_NORMAL, length));
        return upper;
    }

    /**
     * Deletes an item of an index page: later line pointers move down, the gap in the tuple area
     * closes.
     */
    public static void delete(byte[] page, int offset) {
        int start = storage(page, offset);
        int size = maxAlign(Page.itemLength(page, offset));
        int at = HEADER + 4 * (offset - 1);
        System.arraycopy(page, at + 4, page, at, lower(page) - at - 4);
        setLower(page, lower(page) - 4);
        closeGap(page, start, size);
    }

    /**
     * Deletes an item without renumbering: its line pointer becomes unused, or goes if it is the
     * last.
     */
    public static void deleteKeepNumbers(byte[] page, int offset) {
        int start = storage(page, offset);
        int size = maxAlign(Page.itemLength(page, offset));
        int max = maxOffset(page);
        if (offset == max) {
            setLower(page, lower(page) - 4);
        } else {
            setLinePointer(page, offset, 0);
        }
        closeGap(page, start, size);
    }

    /**
     * Deletes several items of an index page; {@code offsets} ascend. More than two are compacted
     * in line pointer order.
     *
     * @param spare as {@link #compact} has it
     */
    public static void deleteMany(byte[] page, int[] offsets, int count, byte[] spare) {
        if (count <= 2) {
            for (int i = count - 1; i >= 0; i--) {
                delete(page, offsets[i]);
            }
            return;
        }
        int max = maxOffset(page);
        int kept = 0;
        int next = 0;
        for (int offset = 1; offset <= max; offset++) {
            if (next < count && offsets[next] == offset) {
                next++;
            } else {
                setLinePointer(page, ++kept, linePointer(page, offset));
            }
        }
        if (next != count) {
            throw Page.damaged("offset %d to delete, the page has %d items", offsets[next], max);
        }
        setLower(page, HEADER + 4 * kept);
        compact(page, spare);
    }

    /**
     * Replaces an item in place, its line pointer's number kept; the tuple area moves if the size
     * differs.
     */
    public static void overwrite(byte[] page, int offset, byte[] source, int at, int length) {
        int start = storage(page, offset);
        int oldSize = maxAlign(Page.itemLength(page, offset));
        int delta = oldSize - maxAlign(length);
        int upper = upper(page);
        if (length <= 0 || upper + delta < lower(page)) {
            throw Page.damaged(
                    "lack of room for %d bytes in place of %d: lower %d, upper %d",
                    length, oldSize, lower(page), upper);
        }
        if (delta != 0) {
            System.arraycopy(page, upper, page, upper + delta, start - upper);
            setUpper(page, upper + delta);
            for (int i = 1, max = maxOffset(page); i <= max; i++) {
                int lp = linePointer(page, i);
                if (lpLength(lp) != 0 && lpOffset(lp) <= start) {
                    setLinePointer(
                            page, i, linePointer(lpOffset(lp) + delta, lpFlags(lp), lpLength(lp)));
                }
            }
        }
        int lp = linePointer(page, offset);
        setLinePointer(page, offset, Page.linePointer(lpOffset(lp), lpFlags(lp), length));
        System.arraycopy(source, at, page, lpOffset(lp), length);
    }

    /**
     * Packs all items with storage downward from the special area, in ascending line pointer order.
     *
     * @param spare another page of memory, to work in
     */
    public static void compact(byte[] page, byte[] spare) {
        int max = maxOffset(page);
        // Items that lie in the wanted order only move up, each into room that is free by then.
        byte[] old = page;
        if (!isInOrder(page, max)) {
            old = spare;
            System.arraycopy(page, 0, old, 0, Page.SIZE);
        }
        int upper = special(page);
        for (int i = 1; i <= max; i++) {
            int lp = linePointer(page, i);
            if (lpLength(lp) == 0) {
                continue;
            }
            int size = maxAlign(lpLength(lp));
            upper -= size;
            if (upper < lower(page)
                    || lpOffset(lp) < upper(page)
                    || lpOffset(lp) + size > special(page)) {
                throw Page.damaged(
                        "line pointer %x of item %d: lower %d, upper %d, special %d",
                        lp, i, lower(page), upper(page), special(page));
            }
            System.arraycopy(old, lpOffset(lp), page, upper, size);
            setLinePointer(page, i, linePointer(upper, lpFlags(lp), lpLength(lp)));
        }
        setUpper(page, upper);
    }

    private static boolean isInOrder(byte[] page, int max) {
        int above = Page.SIZE;
        for (int i = 1; i <= max; i++) {
            int lp = linePointer(page, i);
            if (lpLength(lp) != 0) {
                if (lpOffset(lp) + lpLength(lp) > above) {
                    return false;
                }
                above = lpOffset(lp);
            }
        }
        return true;
    }

    /**
     * What pruning a heap page ends with: items are packed, and the flag that there are unused line
     * pointers is set or cleared.
     *
     * @param truncate drop the unused line pointers at the end (PostgreSQL does since 15)
     * @param spare as {@link #compact} has it
     */
    public static void repairFragmentation(byte[] page, boolean truncate, byte[] spare) {
        int max = maxOffset(page);
        int unused = 0;
        int last = 0;
        for (int i = 1; i <= max; i++) {
            if (lpFlags(linePointer(page, i)) == LP_UNUSED) {
                setLinePointer(page, i, 0);
                unused++;
            } else {
                last = i;
            }
        }
        compact(page, spare);
        if (truncate) {
            setLower(page, HEADER + 4 * last);
            unused -= max - last;
        }
        hasFreeLines(page, unused > 0);
    }

    /**
     * What vacuuming a heap page ends with: drops the unused line pointers at its end, but never
     * the first; items stay where they are.
     */
    public static void truncateLinePointers(byte[] page) {
        int last = maxOffset(page);
        while (last > 1 && lpFlags(linePointer(page, last)) == LP_UNUSED) {
            last--;
        }
        boolean unused = false;
        for (int i = 1; i <= last && !unused; i++) {
            unused = lpFlags(linePointer(page, i)) == LP_UNUSED;
        }
        setLower(page, HEADER + 4 * last);
        hasFreeLines(page, unused);
    }

    private static void hasFreeLines(byte[] page, boolean unused) {
        if (unused) {
            Page.setFlag(page, Page.FLAG_HAS_FREE_LINES);
        } else {
            Page.clearFlag(page, Page.FLAG_HAS_FREE_LINES);
        }
    }

    private static int checkOffset(byte[] page, int offset) {
        int max = maxOffset(page);
        if (offset < 1 || offset > max + 1) {
            throw Page.damaged("offset %d to add at, the page has %d items", offset, max);
        }
        return max;
    }

    private static int allocate(byte[] page, int length, int linePointerBytes) {
        int upper = upper(page) - maxAlign(length);
        if (length <= 0 || upper < lower(page) + linePointerBytes || upper(page) > special(page)) {
            throw Page.damaged(
                    "lack of room for %d bytes: lower %d, upper %d",
                    length, lower(page), upper(page));
        }
        setUpper(page, upper);
        return upper;
    }

    /** Where the item starts, whose aligned storage is known to be in the tuple area. */
    private static int storage(byte[] page, int offset) {
        int start = Page.item(page, offset);
        int end = start + maxAlign(Page.itemLength(page, offset));
        if (start < upper(page) || start != maxAlign(start) || end > special(page)) {
            throw Page.damaged(
                    "item %d from %d to %d: upper %d, special %d",
                    offset, start, end, upper(page), special(page));
        }
        return start;
    }

    private static void closeGap(byte[] page, int start, int size) {
        int upper = upper(page);
        System.arraycopy(page, upper, page, upper + size, start - upper);
        setUpper(page, upper + size);
        for (int i = 1, max = maxOffset(page); i <= max; i++) {
            int lp = linePointer(page, i);
            if (lpLength(lp) != 0 && lpOffset(lp) <= start) {
                setLinePointer(
                        page, i, linePointer(lpOffset(lp) + size, lpFlags(lp), lpLength(lp)));
            }
        }
    }
}
