package io.palimpsest.sim.world;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** All that happened in one run, for people: what nodes said, when they died, how far they were. */
public final class Recording {
    /** A node has said something, or has lost its power. */
    public record Mark(long nanos, String node, String event, String detail) {}

    /**
     * How far a node is with something.
     *
     * @param name of the curve
     * @param lsn at that moment
     */
    public record Watermark(long nanos, String node, String name, long lsn) {}

    /** What losing the power is called. */
    public static final String POWER_LOST = "power-lost";

    private final List<Mark> marks = new ArrayList<>();
    private final List<Watermark> watermarks = new ArrayList<>();

    Recording() {}

    void mark(Mark mark) {
        marks.add(mark);
    }

    void watermark(Watermark watermark) {
        watermarks.add(watermark);
    }

    /** In order of time. */
    public List<Mark> marks() {
        return Collections.unmodifiableList(marks);
    }

    /** In order of time. */
    public List<Watermark> watermarks() {
        return Collections.unmodifiableList(watermarks);
    }
}
