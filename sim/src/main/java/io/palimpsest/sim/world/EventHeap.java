package io.palimpsest.sim.world;

import io.palimpsest.base.Check;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Events by (time, order of scheduling): a binary heap whose events know where they are. */
final class EventHeap {
    private @Nullable Event[] heap = new Event[64];
    private int size;
    private long sequence;

    /** Time of the first event, {@code Long.MAX_VALUE} if there is none. */
    long firstTime() {
        Event first = heap[0];
        return first == null ? Long.MAX_VALUE : first.time;
    }

    void add(Event e, long time) {
        Check.that(e.position < 0, "event scheduled twice");
        e.time = time;
        e.sequence = sequence++;
        if (size == heap.length) {
            heap = Arrays.copyOf(heap, 2 * size);
        }
        up(e, size++);
    }

    Event removeFirst() {
        Event first = at(0);
        remove(first);
        return first;
    }

    void remove(Event e) {
        int i = e.position;
        if (i < 0) {
            return;
        }
        e.position = -1;
        Event last = at(--size);
        heap[size] = null;
        if (i != size) {
            down(last, i);
            if (last.position == i) {
                up(last, i);
            }
        }
    }

    private Event at(int i) {
        Event e = heap[i];
        if (e == null) {
            throw new IllegalStateException("empty slot " + i);
        }
        return e;
    }

    private void up(Event e, int from) {
        int i = from;
        while (i > 0) {
            Event parent = at(i - 1 >>> 1);
            if (!before(e, parent)) {
                break;
            }
            place(parent, i);
            i = i - 1 >>> 1;
        }
        place(e, i);
    }

    private void down(Event e, int from) {
        int i = from;
        while (true) {
            int child = 2 * i + 1;
            if (child >= size) {
                break;
            }
            if (child + 1 < size && before(at(child + 1), at(child))) {
                child++;
            }
            if (!before(at(child), e)) {
                break;
            }
            place(at(child), i);
            i = child;
        }
        place(e, i);
    }

    private void place(Event e, int i) {
        heap[i] = e;
        e.position = i;
    }

    private static boolean before(Event a, Event b) {
        return a.time != b.time ? a.time < b.time : a.sequence < b.sequence;
    }
}
