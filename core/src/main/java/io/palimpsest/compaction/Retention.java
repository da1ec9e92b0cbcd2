package io.palimpsest.compaction;

import io.palimpsest.base.Check;
import java.util.Arrays;
import java.util.List;

/**
 * What of a timeline's history must stay readable: every LSN from the cutoff on, and below it
 * exactly the points, which branches hang on or leases hold.
 *
 * @param cutoff the oldest LSN of the window
 * @param points below the cutoff, ascending, each once
 */
public record Retention(long cutoff, List<Long> points) {
    public Retention {
        points = List.copyOf(points);
        for (int i = 0; i < points.size(); i++) {
            long point = points.get(i);
            long next = i + 1 < points.size() ? points.get(i + 1) : cutoff;
            Check.that(
                    Long.compareUnsigned(point, next) < 0,
                    "points of retention out of order, or at or above the cutoff %x: %x",
                    cutoff,
                    point);
        }
    }

    /** Of any LSNs, in any order: those at or above the cutoff are kept anyway. */
    public static Retention of(long cutoff, long[] points) {
        return new Retention(
                cutoff,
                Arrays.stream(points)
                        .filter(p -> Long.compareUnsigned(p, cutoff) < 0)
                        .boxed()
                        .sorted(Long::compareUnsigned)
                        .distinct()
                        .toList());
    }

    /** May history be read as of this LSN? */
    public boolean readable(long lsn) {
        return Long.compareUnsigned(lsn, cutoff) >= 0 || points.contains(lsn);
    }

    /** The lowest LSN that must stay readable. */
    public long lowest() {
        return points.isEmpty() ? cutoff : points.getFirst();
    }
}
