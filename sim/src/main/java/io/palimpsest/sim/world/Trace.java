package io.palimpsest.sim.world;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * All that happened, as one 64-bit number: two runs that did the same have the same hash. Keeps the
 * last events in words, for the report of a failure, and tells the whole story if that is asked
 * for: a line for each thing that is mixed in.
 */
public final class Trace {
    private static final int KEPT = 64;

    private long hash = 0x9E3779B97F4A7C15L;
    private long count;
    private final long[] times = new long[KEPT];
    private final String[] last = new String[KEPT];
    private final @Nullable Consumer<String> story;

    Trace(@Nullable Consumer<String> story) {
        this.story = story;
    }

    private void mix(long value) {
        long h = (hash ^ value) * 0xD6E8FEB86659FD93L;
        hash = h ^ h >>> 32;
    }

    /** Mixes a number in. */
    public void note(long value) {
        mix(value);
        if (story != null) {
            story.accept("  " + value);
        }
    }

    /** Mixes a text in. */
    public void note(String text) {
        mix((long) text.length() << 32 | text.hashCode() & 0xFFFF_FFFFL);
        if (story != null) {
            story.accept("  " + text);
        }
    }

    /** Mixes in who runs next, and when. */
    void step(long number, long now, SimTask task) {
        mix(now << 12 ^ task.id);
        if (story != null) {
            story.accept("step " + number + " at " + now + " ns: " + task);
        }
    }

    /** Mixes the line in and keeps it among the last ones. */
    void event(long now, String line) {
        note(line);
        int place = (int) (count++ % KEPT);
        times[place] = now;
        last[place] = line;
    }

    public long hash() {
        return hash;
    }

    /** The last events, oldest first. */
    List<String> lastEvents() {
        List<String> out = new ArrayList<>();
        for (long i = Math.max(0, count - KEPT); i < count; i++) {
            int place = (int) (i % KEPT);
            out.add(String.format(Locale.ROOT, "%14d ns  %s", times[place], last[place]));
        }
        return out;
    }
}
