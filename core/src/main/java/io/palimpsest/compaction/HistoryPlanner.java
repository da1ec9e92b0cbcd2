package io.palimpsest.compaction;

import io.palimpsest.base.KeyRange;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Where history below the cutoff has not been reduced yet to what the retention needs, and whether
 * that pays.
 *
 * <p>What a stretch of keys holds below the cutoff is <i>settled</i> if it has the shape that
 * dropping history leaves, and <i>fresh</i> otherwise. Settled are the newest complete image at or
 * below the lowest retained LSN B, and a delta layer that starts at B + 1. All else is fresh, with
 * exceptions above the last point: the newest complete image there serves reads; and where there is
 * one above the cutoff nothing is counted, since it goes by itself, without being rewritten, once
 * the cutoff has passed that image.
 *
 * <p>A job pays if at least a third of the bytes it reads are fresh. Each byte is fresh once, so
 * dropping history reads at most three times the bytes that compaction and ingest have written, and
 * what is fresh and stays is less than half of what is settled. A layer's bytes are spread evenly
 * over its stretches. O(n log n) for n layers.
 */
final class HistoryPlanner {
    /** Of the bytes read one in so many is fresh, at least. */
    private static final int PAYS = 3;

    /** Layers of the target size that a job reads, about. */
    private static final int JOB_LAYERS = 16;

    /** A job that would not pay at that size may become so many times as large. */
    private static final int STRETCHED = 8;

    private final LayerInventory inventory;
    private final TenantConfig config;
    private final Retention retention;
    private final List<LayerDescriptor> below = new ArrayList<>();
    private final KeyStretches stretches;
    private final int count;

    /** Fresh bytes of the stretches before. */
    private final long[] fresh;

    /** Bytes of the layers that start with the stretch, and of all that overlap it. */
    private final long[] starting;

    private final long[] overlapping;
    private final boolean[] hasBase;
    private final boolean[] blocked;

    /**
     * Borders at which a job must not start, or end: an image that is cut there would leave a piece
     * with the name of another image.
     */
    private final boolean[] noStart;

    private final boolean[] noEnd;

    HistoryPlanner(LayerInventory inventory, Retention wanted, TenantConfig config) {
        this.inventory = inventory;
        this.config = config;
        long merged = inventory.mergedLsn();
        long cutoff = Long.compareUnsigned(merged, wanted.cutoff()) < 0 ? merged : wanted.cutoff();
        // No L0 is ever an input: they are over all keys. What was adopted stays at or below its
        // branch point: that is where readers go from an image that lacks a key.
        retention =
                Retention.of(
                        cutoff,
                        Stream.concat(wanted.points().stream(), inventory.adopted().stream())
                                .mapToLong(Long::longValue)
                                .toArray());
        List<LayerDescriptor> deep = new ArrayList<>();
        for (LayerDescriptor d : inventory.layers()) {
            if (!d.name().isL0()) {
                deep.add(d);
                if (Long.compareUnsigned(d.name().startLsn(), cutoff) <= 0) {
                    below.add(d);
                }
            }
        }
        stretches = new KeyStretches(deep);
        count = stretches.count();
        noStart = new boolean[count + 1];
        noEnd = new boolean[count + 1];
        markCorners();
        starting = new long[count + 1];
        overlapping = new long[count + 1];
        long[] bases = new long[count + 1];
        long[] blocks = new long[count + 1];
        long[] closed = new long[count + 1];
        long[] open = new long[count + 1];
        for (LayerDescriptor d : below) {
            count(d, bases, blocks, closed, open);
        }
        StretchTree keptClosed = new StretchTree(count, 0);
        StretchTree keptOpen = new StretchTree(count, 0);
        below.stream()
                .filter(LayerDescriptor::complete)
                .sorted(Comparator.comparingLong(d -> d.name().startLsn() ^ Long.MIN_VALUE))
                .forEach(d -> {
                    boolean base = atOrBelow(d.name().startLsn(), retention.lowest());
                    if (base || goesByItself(d.name())) {
                        (base ? keptClosed : keptOpen)
                                .set(stretches.from(d), stretches.to(d), share(d));
                    }
                });
        long[] imageAbove = new long[count + 1];
        for (LayerDescriptor d : deep) {
            if (d.complete() && !atOrBelow(d.name().startLsn(), cutoff)) {
                spread(imageAbove, d, 1);
            }
        }
        for (long[] a : List.of(overlapping, bases, blocks, closed, open, imageAbove)) {
            sum(a);
        }
        hasBase = new boolean[count];
        blocked = new boolean[count];
        fresh = new long[count + 1];
        long[] base = keptClosed.values();
        long[] newest = keptOpen.values();
        for (int i = 0; i < count; i++) {
            hasBase[i] = bases[i] > 0;
            blocked[i] = blocks[i] > 0;
            fresh[i + 1] =
                    fresh[i] + closed[i] - base[i] + (imageAbove[i] > 0 ? 0 : open[i] - newest[i]);
        }
    }

    /** Where an image starts, or ends, with a wider one of its LSN. */
    private void markCorners() {
        TreeMap<Long, List<LayerDescriptor>> images = new TreeMap<>();
        for (LayerDescriptor d : below) {
            if (d.name().image()) {
                images.computeIfAbsent(d.name().startLsn(), _ -> new ArrayList<>()).add(d);
            }
        }
        for (List<LayerDescriptor> together : images.values()) {
            TreeMap<Integer, Integer> lastEnd = new TreeMap<>();
            TreeMap<Integer, Integer> firstStart = new TreeMap<>();
            for (LayerDescriptor d : together) {
                lastEnd.merge(stretches.from(d), stretches.to(d), Math::max);
                firstStart.merge(stretches.to(d), stretches.from(d), Math::min);
            }
            for (LayerDescriptor d : together) {
                int from = stretches.from(d);
                int to = stretches.to(d);
                noStart[to] |= lastEnd.getOrDefault(from, to) > to;
                noEnd[from] |= firstStart.getOrDefault(to, from) < from;
            }
        }
    }

    private void count(LayerDescriptor d, long[] bases, long[] blocks, long[] closed, long[] open) {
        LayerName name = d.name();
        long lowest = retention.lowest();
        long top = name.endLsn() - 1;
        boolean atLowest = name.image() && name.startLsn() == lowest;
        boolean settledDelta = !name.image() && name.startLsn() == lowest + 1;
        // What would be written could get the name of what is there; or the next image made after
        // this the name of one that this has taken away, as of the cutoff.
        boolean isBase = atLowest && d.complete();
        if (!isBase && (atLowest || name.image() && name.startLsn() == retention.cutoff())
                || settledDelta && top == retention.cutoff()
                || inventory.avoided().contains(name)) {
            spread(blocks, d, 1);
        }
        if (isBase) {
            spread(bases, d, 1);
        }
        starting[stretches.from(d)] += d.size();
        spread(overlapping, d, d.size());
        if (settledDelta || !atOrBelow(top, retention.cutoff())) {
            return;
        }
        boolean perhapsBase = d.complete() && atOrBelow(name.startLsn(), lowest);
        spread(goesByItself(name) && !perhapsBase ? open : closed, d, share(d));
    }

    /** Is it above the last point, so that an image above the cutoff will do in its place? */
    private boolean goesByItself(LayerName name) {
        return retention.points().isEmpty()
                || !atOrBelow(name.startLsn(), retention.points().getLast());
    }

    private static boolean atOrBelow(long lsn, long bound) {
        return Long.compareUnsigned(lsn, bound) <= 0;
    }

    private long share(LayerDescriptor d) {
        return d.size() / (stretches.to(d) - stretches.from(d));
    }

    private void spread(long[] a, LayerDescriptor d, long amount) {
        a[stretches.from(d)] += amount;
        a[stretches.to(d)] -= amount;
    }

    private static void sum(long[] a) {
        for (int i = 1; i < a.length; i++) {
            a[i] += a[i - 1];
        }
    }

    /** The first job that pays, in key order, or null. */
    CompactionPlan.@Nullable DropHistory plan() {
        int from = 0;
        while (from < count) {
            if (mayStart(from)) {
                int end = reach(from);
                int to = best(from, end);
                if (to > from) {
                    return plan(from, to);
                }
                from = nextStart(from, end);
            } else {
                from++;
            }
        }
        return null;
    }

    private boolean isFresh(int i) {
        return !blocked[i] && fresh[i + 1] > fresh[i];
    }

    private boolean mayStart(int i) {
        return isFresh(i) && !noStart[i];
    }

    private boolean pays(long freshBytes, long inputBytes) {
        return freshBytes >= config.compactionTargetBytes() && freshBytes * PAYS >= inputBytes;
    }

    /** As far as one job from here may go (exclusive). */
    private int reach(int from) {
        long most = JOB_LAYERS * config.compactionTargetBytes();
        long cost = overlapping[from];
        int to = from + 1;
        while (to < count && overlapping[to] > 0 && !blocked[to] && hasBase[to] == hasBase[from]) {
            long more = cost + starting[to];
            boolean paid = pays(fresh[to] - fresh[from], cost);
            if (more > (paid ? most : STRETCHED * most)) {
                break;
            }
            cost = more;
            to++;
        }
        return to;
    }

    /** Where to end a job from here, so that the share of fresh bytes is largest; or from. */
    private int best(int from, int end) {
        int best = from;
        double bestShare = 0;
        long cost = overlapping[from] - starting[from];
        for (int to = from + 1; to <= end; to++) {
            cost += starting[to - 1];
            long f = fresh[to] - fresh[from];
            double share = (double) f / cost;
            if (isFresh(to - 1) && !noEnd[to] && pays(f, cost) && share >= bestShare) {
                best = to;
                bestShare = share;
            }
        }
        return best;
    }

    /** Of the first half of what did not pay the border that the fewest bytes cross. */
    private int nextStart(int from, int end) {
        int next = from + 1;
        for (int i = next; i < Math.min(count, from + 1 + (end - from) / 2); i++) {
            if (overlapping[i] - starting[i] < overlapping[next] - starting[next]) {
                next = i;
            }
        }
        return next;
    }

    private CompactionPlan.DropHistory plan(int from, int to) {
        KeyRange keys = stretches.keys(from, to);
        List<LayerDescriptor> base = new ArrayList<>();
        List<LayerDescriptor> inputs = new ArrayList<>();
        for (LayerDescriptor d : below) {
            if (d.name().keys().overlaps(keys)) {
                boolean isBase = d.complete() && d.name().startLsn() == retention.lowest();
                (isBase ? base : inputs).add(d);
            }
        }
        return new CompactionPlan.DropHistory(keys, retention, base, inputs);
    }

    /** Bytes that jobs which pay would read. */
    long bytesDue() {
        long sum = 0;
        int from = 0;
        while (from < count) {
            int next = from + 1;
            if (mayStart(from)) {
                int end = reach(from);
                int to = best(from, end);
                if (to > from) {
                    sum += overlapping[from];
                    for (int i = from + 1; i < to; i++) {
                        sum += starting[i];
                    }
                    next = to;
                } else {
                    next = nextStart(from, end);
                }
            }
            from = next;
        }
        return sum;
    }
}
