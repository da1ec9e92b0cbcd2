package io.palimpsest.layer;

import io.palimpsest.base.Key;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * The keys of two tables without a common key, in order, each with its address.
 *
 * <p>Keys are gathered by relation (the upper two longs of a key), of which there are few, and each
 * relation's by radix on what its keys differ in, so that large ones take some walks through memory
 * in order instead of many comparisons.
 *
 * <pre>
 *   pairs   lo, address | lo, address | ...      one relation after the other
 *   ends    where the pairs of each relation end
 * </pre>
 */
final class SortedKeys {
    private final long[] pairs;
    private final long[] his;
    private final long[] mids;
    private final int[] ends;

    private SortedKeys(long[] pairs, long[] his, long[] mids, int[] ends) {
        this.pairs = pairs;
        this.his = his;
        this.mids = mids;
        this.ends = ends;
    }

    /** For the writer of the tables. */
    @SuppressWarnings("ReferenceEquality") // which of two arrays it is
    static SortedKeys of(KeyTable a, KeyTable b) {
        int n = Math.addExact(a.used(), b.used());
        Relations relations = new Relations();
        long[] found = new long[Math.multiplyExact(2, n)];
        int[] relationOf = gather(a, b, relations, found);
        int[] order = relations.sorted();
        long[] spare = new long[found.length];
        long[] pairs = found;
        if (order.length > 1) {
            int[] next = relations.starts(order);
            pairs = spare;
            for (int i = 0; i < n; i++) {
                int to = 2 * next[relationOf[i]]++;
                pairs[to] = found[2 * i];
                pairs[to + 1] = found[2 * i + 1];
            }
            spare = found;
        }
        long[] his = new long[order.length];
        long[] mids = new long[order.length];
        int[] ends = new int[order.length];
        int from = 0;
        for (int i = 0; i < order.length; i++) {
            int relation = order[i];
            int end = from + relations.counts[relation];
            long[] sorted = PairSort.sort(pairs, spare, from, end);
            if (sorted != pairs) {
                System.arraycopy(sorted, 2 * from, pairs, 2 * from, 2 * (end - from));
            }
            his[i] = relations.his[relation];
            mids[i] = relations.mids[relation];
            ends[i] = end;
            from = end;
        }
        return new SortedKeys(pairs, his, mids, ends);
    }

    /** The tables' pairs in no order; answers which relation each is of. */
    private static int[] gather(KeyTable a, KeyTable b, Relations relations, long[] found) {
        int[] relationOf = new int[found.length / 2];
        int n = 0;
        for (KeyTable t : new KeyTable[] {a, b}) {
            for (int slot = 0; slot < t.slots(); slot++) {
                long address = t.head(slot);
                if (address != 0) {
                    relationOf[n] = relations.count(t.hi(slot), t.mid(slot));
                    found[2 * n] = t.lo(slot);
                    found[2 * n + 1] = address;
                    n++;
                }
            }
        }
        return relationOf;
    }

    int size() {
        return pairs.length / 2;
    }

    int relations() {
        return ends.length;
    }

    long hi(int relation) {
        return his[relation];
    }

    long mid(int relation) {
        return mids[relation];
    }

    /** Index past the last key of a relation. */
    int end(int relation) {
        return ends[relation];
    }

    long lo(int i) {
        return pairs[2 * i];
    }

    long address(int i) {
        return pairs[2 * i + 1];
    }

    /** Numbers the pairs (hi, mid) there are, and counts the keys of each. */
    private static final class Relations {
        private KeyTable numbers = new KeyTable(64);
        private long[] his = new long[16];
        private long[] mids = new long[16];
        private int[] counts = new int[16];
        private int size;
        private int last = -1;

        int count(long hi, long mid) {
            if (last < 0 || mids[last] != mid || his[last] != hi) {
                last = number(hi, mid);
            }
            counts[last]++;
            return last;
        }

        private int number(long hi, long mid) {
            int slot = numbers.slot(hi, mid, 0);
            if (numbers.head(slot) != 0) {
                return (int) numbers.head(slot) - 1;
            }
            if (numbers.full()) {
                numbers = numbers.grown();
                slot = numbers.slot(hi, mid, 0);
            }
            if (size == counts.length) {
                his = Arrays.copyOf(his, 2 * size);
                mids = Arrays.copyOf(mids, 2 * size);
                counts = Arrays.copyOf(counts, 2 * size);
            }
            his[size] = hi;
            mids[size] = mid;
            numbers.put(slot, hi, mid, 0, size + 1);
            return size++;
        }

        int[] sorted() {
            return IntStream.range(0, size)
                    .boxed()
                    .sorted((x, y) -> Key.compare(his[x], mids[x], 0, his[y], mids[y], 0))
                    .mapToInt(Integer::intValue)
                    .toArray();
        }

        /** Where the keys of each begin when they lie in that order. */
        int[] starts(int[] order) {
            int[] starts = new int[size];
            int at = 0;
            for (int relation : order) {
                starts[relation] = at;
                at += counts[relation];
            }
            return starts;
        }
    }
}
