package io.palimpsest.ingest;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.value.Modifications;
import io.palimpsest.value.ReadView;
import io.palimpsest.value.StoredValue;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;

/**
 * The sizes of relation forks and SLRU segments (REL_SIZE, SLRU_SIZE) as of the record being
 * ingested: what is committed, overlaid with what was changed since. It is the directory as well: a
 * fork exists if it has a size.
 *
 * <p>Two generations of a hash table over primitives. What is changed or looked up is in the young
 * one; when that is full at a commit, it becomes the old one, whose entries, all committed, are
 * forgotten. So at most {@code capacity} entries and what one batch changes are kept twice over.
 */
final class Sizes {
    static final long ABSENT = -1;
    private static final long UNKNOWN = -2;

    private final ReadView committed;
    private final int capacity;
    private Table young = new Table();
    private Table old = new Table();

    /** Keys whose size the current record has changed, three longs each, not written yet. */
    private long[] changed = new long[3 * 64];

    private int changes;

    Sizes(ReadView committed, int capacity) {
        Check.that(capacity > 0, "capacity %d", capacity);
        this.committed = committed;
        this.capacity = capacity;
    }

    /** Blocks (pages), or ABSENT. */
    long get(long hi, long mid, long lo) {
        long size = young.get(hi, mid, lo);
        if (size != UNKNOWN) {
            return size;
        }
        size = old.get(hi, mid, lo);
        if (size == UNKNOWN) {
            size = load(hi, mid, lo);
        }
        young.put(hi, mid, lo, size);
        return size;
    }

    private long load(long hi, long mid, long lo) {
        Key key = new Key(hi, mid, lo);
        byte[] content = committed.image(key);
        if (content == null) {
            return ABSENT;
        }
        if (content.length != 4) {
            throw PageserverException.corruption(
                    "size under key %s: expected 4 bytes, found %d", key, content.length);
        }
        return Bytes.u32(content, 0);
    }

    /** The size from the current record on; {@link #write} writes it once the record is done. */
    void put(long hi, long mid, long lo, long size) {
        Check.that(size >= 0 && size <= 0xFFFF_FFFFL, "size %d", size);
        young.put(hi, mid, lo, size);
        for (int i = 0; i < changes; i++) {
            if (changed[3 * i + 1] == mid && changed[3 * i] == hi && changed[3 * i + 2] == lo) {
                return;
            }
        }
        if (3 * changes == changed.length) {
            changed = Arrays.copyOf(changed, 2 * changed.length);
        }
        changed[3 * changes] = hi;
        changed[3 * changes + 1] = mid;
        changed[3 * changes + 2] = lo;
        changes++;
    }

    /** Removes what exists under the key; answers whether something did. */
    boolean drop(long hi, long mid, long lo, long lsn, Modifications out) {
        if (get(hi, mid, lo) == ABSENT) {
            return false;
        }
        young.put(hi, mid, lo, ABSENT);
        out.begin(hi, mid, lo, lsn);
        out.out().u8(StoredValue.IMAGE);
        out.end();
        return true;
    }

    void dropAll(KeyRange range, long lsn, Modifications out) {
        existing(range, key -> drop(key.hi(), key.mid(), key.lo(), lsn, out));
    }

    /** What exists in the range, in key order. */
    void existing(KeyRange range, Consumer<Key> visitor) {
        TreeSet<Key> keys = new TreeSet<>();
        committed.scan(range, (key, content) -> keys.add(key));
        old.overlay(range, keys);
        young.overlay(range, keys);
        keys.forEach(visitor);
    }

    /** Writes the sizes that the current record has changed, each once. */
    void write(long lsn, Modifications out) {
        for (int i = 0; i < changes; i++) {
            long hi = changed[3 * i];
            long mid = changed[3 * i + 1];
            long lo = changed[3 * i + 2];
            out.begin(hi, mid, lo, lsn);
            out.out().u8(StoredValue.IMAGE);
            out.out().i32((int) young.get(hi, mid, lo));
            out.end();
        }
        changes = 0;
    }

    /** The view now sees everything that was written so far. */
    void committed() {
        Check.that(changes == 0, "commit within a record: %d sizes", changes);
        if (young.count > capacity) {
            old = young;
            young = new Table();
        }
    }

    /** Forgets everything cached: the committed sizes were changed by someone else. */
    void forget() {
        Check.that(changes == 0, "sizes forgotten within a record: %d", changes);
        old = new Table();
        young = new Table();
    }

    /** Open addressing with linear probing; an entry is three longs of key and the size. */
    private static final class Table {
        private long[] slots = empty(256);
        private int count;

        private static long[] empty(int capacity) {
            long[] slots = new long[4 * capacity];
            for (int i = 3; i < slots.length; i += 4) {
                slots[i] = UNKNOWN;
            }
            return slots;
        }

        long get(long hi, long mid, long lo) {
            return slots[slot(hi, mid, lo) + 3];
        }

        void put(long hi, long mid, long lo, long size) {
            int at = slot(hi, mid, lo);
            if (slots[at + 3] == UNKNOWN) {
                if (8 * ++count > slots.length) {
                    grow();
                    at = slot(hi, mid, lo);
                }
                slots[at] = hi;
                slots[at + 1] = mid;
                slots[at + 2] = lo;
            }
            slots[at + 3] = size;
        }

        private int slot(long hi, long mid, long lo) {
            long h = (hi * 31 + mid) * 31 + lo;
            h *= 0x9E37_79B9_7F4A_7C15L;
            int mask = slots.length - 1;
            int at = (int) (h >>> 32) << 2 & mask;
            while (slots[at + 3] != UNKNOWN
                    && (slots[at + 1] != mid || slots[at] != hi || slots[at + 2] != lo)) {
                at = at + 4 & mask;
            }
            return at;
        }

        private void grow() {
            long[] before = slots;
            slots = empty(before.length / 2);
            for (int i = 0; i < before.length; i += 4) {
                if (before[i + 3] != UNKNOWN) {
                    System.arraycopy(
                            before, i, slots, slot(before[i], before[i + 1], before[i + 2]), 4);
                }
            }
        }

        /** Its order does not matter: the keys are sorted by the set. */
        void overlay(KeyRange range, Set<Key> keys) {
            for (int i = 0; i < slots.length; i += 4) {
                if (slots[i + 3] != UNKNOWN
                        && range.contains(slots[i], slots[i + 1], slots[i + 2])) {
                    Key key = new Key(slots[i], slots[i + 1], slots[i + 2]);
                    if (slots[i + 3] == ABSENT) {
                        keys.remove(key);
                    } else {
                        keys.add(key);
                    }
                }
            }
        }
    }
}
