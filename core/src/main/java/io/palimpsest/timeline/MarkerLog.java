package io.palimpsest.timeline;

import io.palimpsest.base.KeyRange;
import io.palimpsest.layer.ImageScan;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Marker;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The markers of a timeline, ancestors included, the newest first. They are looked for in stretches
 * of the history, each longer than the one above it, for there may be very many, and few are asked
 * for.
 */
final class MarkerLog {
    private static final long FIRST_STRETCH = 64L << 20;
    private static final int LONGER = 8;

    private final Timeline timeline;
    private final long oldest;

    /** Below it nothing was looked at. */
    private long reached;

    private long stretch = FIRST_STRETCH;

    /**
     * @param below at or above it nobody looks
     */
    MarkerLog(Timeline timeline, long below) {
        this.timeline = timeline;
        oldest = timeline.oldestReachableLsn();
        reached = Math.min(below, timeline.lastRecordLsn() + 1);
    }

    /** Those of the next stretch; empty does not mean that there are no more. */
    List<Marker> next() {
        long end = reached;
        reached = Math.max(oldest, end - stretch);
        stretch = Math.min(stretch * LONGER, 1L << 60);
        if (reached >= end) {
            return List.of();
        }
        ImageScan scan = new ImageScan();
        // At the oldest LSN there is nothing before it to go to.
        timeline.reads()
                .scan(
                        new KeyRange(Keys.marker(Math.max(reached, oldest + 1)), Keys.marker(end)),
                        end - 1,
                        scan);
        List<Marker> found = new ArrayList<>();
        scan.forEach((key, content) -> found.add(Marker.read(key.mid(), content)));
        found.removeIf(marker -> marker.before() < oldest);
        found.sort(Comparator.comparingLong(Marker::lsn).reversed());
        return found;
    }

    boolean more() {
        return reached > oldest;
    }
}
