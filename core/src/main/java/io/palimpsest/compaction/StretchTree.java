package io.palimpsest.compaction;

import java.util.Arrays;

/**
 * A number for each stretch of keys, changed and asked for by runs of stretches, each in O(log n):
 * a segment tree. What is set or added over a whole node waits there until someone goes below it.
 */
final class StretchTree {
    private final int size;
    private final long[] max;
    private final long[] added;

    /** The node's stretches all have the value {@code max}, whatever lies below. */
    private final boolean[] flat;

    StretchTree(int size, long initial) {
        this.size = size;
        int nodes = Math.max(2, Integer.highestOneBit(Math.max(1, size)) * 4);
        max = new long[nodes];
        added = new long[nodes];
        flat = new boolean[nodes];
        Arrays.fill(max, initial);
        Arrays.fill(flat, true);
    }

    void set(int from, int to, long value) {
        if (from < to) {
            change(1, 0, size, from, to, value, true);
        }
    }

    void add(int from, int to, long value) {
        if (from < to) {
            change(1, 0, size, from, to, value, false);
        }
    }

    /** The greatest of a run that is not empty. */
    long max(int from, int to) {
        return max(1, 0, size, from, to);
    }

    /** All of them, by stretch. */
    long[] values() {
        long[] out = new long[size];
        if (size > 0) {
            collect(1, 0, size, out);
        }
        return out;
    }

    private void change(
            int node, int low, int high, int from, int to, long value, boolean replace) {
        if (from <= low && high <= to) {
            if (replace) {
                max[node] = value;
                added[node] = 0;
                flat[node] = true;
            } else {
                max[node] += value;
                added[node] += value;
            }
            return;
        }
        pass(node);
        int mid = low + high >>> 1;
        if (from < mid) {
            change(2 * node, low, mid, from, to, value, replace);
        }
        if (to > mid) {
            change(2 * node + 1, mid, high, from, to, value, replace);
        }
        max[node] = Math.max(max[2 * node], max[2 * node + 1]);
    }

    private void pass(int node) {
        for (int child = 2 * node; child <= 2 * node + 1; child++) {
            if (flat[node]) {
                max[child] = max[node];
                added[child] = 0;
                flat[child] = true;
            } else {
                max[child] += added[node];
                added[child] += added[node];
            }
        }
        flat[node] = false;
        added[node] = 0;
    }

    private long max(int node, int low, int high, int from, int to) {
        if (flat[node] || from <= low && high <= to) {
            return max[node];
        }
        pass(node);
        int mid = low + high >>> 1;
        long m = Long.MIN_VALUE;
        if (from < mid) {
            m = max(2 * node, low, mid, from, to);
        }
        if (to > mid) {
            m = Math.max(m, max(2 * node + 1, mid, high, from, to));
        }
        return m;
    }

    private void collect(int node, int low, int high, long[] out) {
        if (flat[node]) {
            Arrays.fill(out, low, high, max[node]);
            return;
        }
        pass(node);
        int mid = low + high >>> 1;
        collect(2 * node, low, mid, out);
        collect(2 * node + 1, mid, high, out);
    }
}
