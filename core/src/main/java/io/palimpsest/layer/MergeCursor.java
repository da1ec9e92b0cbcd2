package io.palimpsest.layer;

import io.palimpsest.base.Key;
import java.util.List;

/**
 * The entries of several layers as if they were one: in order of key, then LSN. At the same key and
 * LSN those of an earlier cursor come first; give images last, since an image layer's content
 * includes what deltas hold at its LSN.
 */
public final class MergeCursor implements LayerCursor {
    /** A binary heap; the smallest entry's cursor is at 0. */
    private final LayerCursor[] heap;

    private final int[] rank;
    private int size;
    private boolean started;

    /** None of the cursors has been stepped yet. */
    public MergeCursor(List<? extends LayerCursor> cursors) {
        heap = new LayerCursor[cursors.size()];
        rank = new int[cursors.size()];
        for (int i = 0; i < heap.length; i++) {
            LayerCursor c = cursors.get(i);
            if (c.next()) {
                heap[size] = c;
                rank[size++] = i;
            }
        }
        for (int i = size / 2 - 1; i >= 0; i--) {
            sink(i);
        }
    }

    @Override
    public boolean next() {
        if (started && size > 0) {
            if (!heap[0].next()) {
                size--;
                heap[0] = heap[size];
                rank[0] = rank[size];
            }
            sink(0);
        }
        started = true;
        return size > 0;
    }

    private void sink(int from) {
        int i = from;
        while (true) {
            int least = i;
            for (int child = 2 * i + 1; child <= 2 * i + 2 && child < size; child++) {
                if (before(child, least)) {
                    least = child;
                }
            }
            if (least == i) {
                return;
            }
            LayerCursor c = heap[i];
            heap[i] = heap[least];
            heap[least] = c;
            int r = rank[i];
            rank[i] = rank[least];
            rank[least] = r;
            i = least;
        }
    }

    private boolean before(int i, int j) {
        LayerCursor a = heap[i];
        LayerCursor b = heap[j];
        int c = Key.compare(a.hi(), a.mid(), a.lo(), b.hi(), b.mid(), b.lo());
        c = c != 0 ? c : Long.compareUnsigned(a.lsn(), b.lsn());
        return c != 0 ? c < 0 : rank[i] < rank[j];
    }

    @Override
    public long hi() {
        return heap[0].hi();
    }

    @Override
    public long mid() {
        return heap[0].mid();
    }

    @Override
    public long lo() {
        return heap[0].lo();
    }

    @Override
    public long lsn() {
        return heap[0].lsn();
    }

    @Override
    public byte[] bytes() {
        return heap[0].bytes();
    }

    @Override
    public int offset() {
        return heap[0].offset();
    }

    @Override
    public int length() {
        return heap[0].length();
    }
}
