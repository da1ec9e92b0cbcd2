package io.palimpsest.sim.world;

import java.util.ArrayList;
import java.util.List;

/**
 * All that happened, as one 64-bit number: two runs that did the same have the same hash. Keeps the
 * last events in words, for the report of a failure.
 */
public final class Trace {
    private static final int KEPT = 64;

    private long hash = 0x9E3779B97F4A7C15L;
    private long count;
    private final String[] last = new String[KEPT];

    Trace() {}

    /** Mixes a number in. */
    public void note(long value) {
        long h = (hash ^ value) * 0xD6E8FEB86659FD93L;
        hash = h ^ h >>> 32;
    }

    /** Mixes a text in. */
    public void note(String text) {
        note((long) text.length() << 32 | text.hashCode() & 0xFFFF_FFFFL);
    }

    /** Mixes the line in and keeps it among the last ones. */
    void event(long now, String line) {
        note(line);
        last[(int) (count++ % KEPT)] = String.format("%14d ns  %s", now, line);
    }

    public long hash() {
        return hash;
    }

    /** The last events, oldest first. */
    List<String> lastEvents() {
        List<String> out = new ArrayList<>();
        for (long i = Math.max(0, count - KEPT); i < count; i++) {
            out.add(last[(int) (i % KEPT)]);
        }
        return out;
    }
}
