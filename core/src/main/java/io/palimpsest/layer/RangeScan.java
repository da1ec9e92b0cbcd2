package io.palimpsest.layer;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Which layer files a scan of a range as of an LSN reads, and does it. Segment by segment: the
 * newest complete image at or below the LSN, and the deltas and partial images above it; if layers
 * were adopted from an ancestor (see {@link LayerMap#adopt}), the same again below where they end.
 * Segments next to each other that need the same of a file are read at once.
 */
final class RangeScan {
    /** A file's values of {@code floor <= LSN <= lsn} under keys from start to end. */
    private static final class Visit {
        final LayerFile file;
        final long floor;
        final long lsn;
        final Key start;
        Key end;

        Visit(LayerFile file, long floor, long lsn, Key start, Key end) {
            this.file = file;
            this.floor = floor;
            this.lsn = lsn;
            this.start = start;
            this.end = end;
        }
    }

    private final Stack l0;
    private final long[] adopted;
    private final ImageScan into;
    private List<Visit> growing = new ArrayList<>();
    private List<Visit> grown = new ArrayList<>();
    private Collected result = Collected.MORE;

    private RangeScan(Stack l0, long[] adopted, ImageScan into) {
        this.l0 = l0;
        this.adopted = adopted;
        this.into = into;
    }

    /**
     * @return MORE, or STALE
     */
    static Collected run(
            Coverage coverage, Stack l0, long[] adopted, KeyRange range, long lsn, ImageScan into) {
        RangeScan scan = new RangeScan(l0, adopted, into);
        coverage.forEachSegment(
                range,
                (start, end, c, s) -> {
                    scan.segment(max(start, range.start()), min(end, range.end()), c, s, lsn);
                    scan.read();
                });
        scan.read();
        return scan.result;
    }

    /** Notes what the segment needs; what only the segments before it needed stays in growing. */
    private void segment(Key start, Key end, Chunk c, int s, long atOrBelow) {
        long lsn = atOrBelow;
        while (true) {
            LayerFile image = newestComplete(c, s, lsn);
            long floor = image == null ? 0 : image.endLsn();
            for (Stack stack : List.of(l0, c.deltas, c.narrowDeltas, c.images, c.narrowImages)) {
                for (int i = stack.next(0, s, lsn + 1);
                        Long.compareUnsigned(stack.end(i), floor) > 0;
                        i = stack.next(i + 1, s, lsn + 1)) {
                    need(stack.files[i], floor, lsn, start, end);
                }
            }
            if (image == null) {
                return;
            }
            need(image, 0, lsn, start, end);
            lsn = LayerMap.adoptedBelow(adopted, image.startLsn());
            if (lsn == 0) {
                return;
            }
        }
    }

    private static @Nullable LayerFile newestComplete(Chunk c, int s, long lsn) {
        LayerFile a = complete(c.images, s, lsn);
        LayerFile b = complete(c.narrowImages, s, lsn);
        if (a == null || b == null) {
            return a == null ? b : a;
        }
        return Long.compareUnsigned(a.startLsn(), b.startLsn()) >= 0 ? a : b;
    }

    private static @Nullable LayerFile complete(Stack images, int s, long lsn) {
        int i = images.next(0, s, lsn + 1);
        while (i < images.size() && !images.files[i].complete()) {
            i = images.next(i + 1, s, lsn + 1);
        }
        return images.at(i);
    }

    private void need(LayerFile file, long floor, long lsn, Key start, Key end) {
        for (int i = 0; i < growing.size(); i++) {
            Visit v = growing.get(i);
            if (v.file == file && v.floor == floor && v.lsn == lsn && v.end.equals(start)) {
                v.end = end;
                grown.add(v);
                growing.remove(i);
                return;
            }
        }
        grown.add(new Visit(file, floor, lsn, start, end));
    }

    /** Reads what grows no further. */
    private void read() {
        for (Visit v : growing) {
            if (result == Collected.MORE) {
                result = v.file.scan(new KeyRange(v.start, v.end), v.floor, v.lsn, into);
            }
        }
        growing.clear();
        List<Visit> next = growing;
        growing = grown;
        grown = next;
    }

    private static Key max(Key a, Key b) {
        return a.compareTo(b) >= 0 ? a : b;
    }

    private static Key min(Key a, Key b) {
        return a.compareTo(b) <= 0 ? a : b;
    }
}
