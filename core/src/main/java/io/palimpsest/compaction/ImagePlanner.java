package io.palimpsest.compaction;

import io.palimpsest.base.KeyRange;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Where reads go through many layers, and what an image would cost there: for each stretch of keys
 * the layers above its newest complete image (the height), and the bytes of that image and of all
 * above it, a layer's bytes spread evenly over its stretches. O(n log n) for n layers.
 */
final class ImagePlanner {
    /** Oldest top first, so that an image comes after all that it stands for. */
    private static final Comparator<LayerDescriptor> BY_TOP =
            Comparator.<LayerDescriptor>comparingLong(d -> top(d.name()) ^ Long.MIN_VALUE)
                    .thenComparing(d -> d.name().image())
                    .thenComparing(LayerDescriptor::complete);

    private final LayerInventory inventory;
    private final TenantConfig config;
    private final long lsn;
    private final List<LayerDescriptor> below = new ArrayList<>();
    private final KeyStretches stretches;
    private final long[] height;
    private final long[] bytes;

    /** The newest complete image's LSN, in signed order; its negative, for the least of a run. */
    private final StretchTree newest;

    private final StretchTree minusNewest;
    private final boolean[] blocked;

    ImagePlanner(LayerInventory inventory, TenantConfig config) {
        this.inventory = inventory;
        this.config = config;
        lsn = inventory.mergedLsn();
        for (LayerDescriptor d : inventory.layers()) {
            if (Long.compareUnsigned(d.name().startLsn(), lsn) <= 0) {
                below.add(d);
            }
        }
        below.sort(BY_TOP);
        stretches = new KeyStretches(below);
        int n = stretches.count();
        StretchTree heights = new StretchTree(n, 0);
        StretchTree sizes = new StretchTree(n, 0);
        newest = new StretchTree(n, NONE);
        minusNewest = new StretchTree(n, -NONE);
        int[] blocks = new int[n + 1];
        for (LayerDescriptor d : below) {
            int from = stretches.from(d);
            int to = stretches.to(d);
            long share = d.size() / (to - from);
            if (d.complete()) {
                long at = signed(d.name().startLsn());
                heights.set(from, to, 0);
                sizes.set(from, to, share);
                newest.set(from, to, at);
                minusNewest.set(from, to, -at);
            } else {
                heights.add(from, to, 1);
                sizes.add(from, to, share);
            }
            if (d.name().image() && d.name().startLsn() == lsn
                    || inventory.avoided().contains(d.name())) {
                blocks[from]++;
                blocks[to]--;
            }
        }
        height = heights.values();
        bytes = sizes.values();
        blocked = new boolean[n];
        int open = 0;
        for (int i = 0; i < n; i++) {
            open += blocks[i];
            blocked[i] = open > 0;
        }
    }

    /** Below the LSN of any image, and its negative is a number. */
    private static final long NONE = Long.MIN_VALUE + 1;

    private static long signed(long lsn) {
        return Math.max(lsn ^ Long.MIN_VALUE, NONE);
    }

    /** LSN of the newest value that the layer may hold. */
    private static long top(LayerName name) {
        return name.endLsn() - 1;
    }

    /**
     * The tallest stretch that is worth an image, with its neighbours that will soon be, as far as
     * the target size goes. Null if there is none.
     */
    CompactionPlan.@Nullable CreateImages plan() {
        int tallest = -1;
        for (int i = 0; i < height.length; i++) {
            if (isDue(i) && (tallest < 0 || height[i] > height[tallest])) {
                tallest = i;
            }
        }
        if (tallest < 0) {
            return null;
        }
        long worth = Math.max(1, (config.imageCreationThreshold() + 1) / 2);
        long room = config.compactionTargetBytes() - bytes[tallest];
        int from = tallest;
        int to = tallest + 1;
        while (to < height.length && !blocked[to] && height[to] >= worth && bytes[to] <= room) {
            room -= bytes[to++];
        }
        while (from > 0
                && !blocked[from - 1]
                && height[from - 1] >= worth
                && bytes[from - 1] <= room) {
            room -= bytes[--from];
        }
        return new CompactionPlan.CreateImages(stretches.keys(from, to), lsn, inputs(from, to));
    }

    private boolean isDue(int stretch) {
        return !blocked[stretch] && height[stretch] >= config.imageCreationThreshold();
    }

    /** Bytes of all that is worth an image. */
    long bytesDue() {
        long sum = 0;
        for (int i = 0; i < height.length; i++) {
            sum += isDue(i) ? bytes[i] : 0;
        }
        return sum;
    }

    private List<LayerDescriptor> inputs(int from, int to) {
        KeyRange keys = stretches.keys(from, to);
        List<LayerDescriptor> out = new ArrayList<>();
        for (LayerDescriptor d : below) {
            if (d.name().keys().overlaps(keys)) {
                int first = Math.max(from, stretches.from(d));
                int end = Math.min(to, stretches.to(d));
                if (!isShadowed(d, first, end)) {
                    out.add(d);
                }
            }
        }
        return out;
    }

    /** Do the newest complete images have all that the layer has in these stretches? */
    private boolean isShadowed(LayerDescriptor d, int from, int to) {
        long oldest = -minusNewest.max(from, to);
        long enough = signed(top(d.name()));
        if (d.complete() ? oldest <= enough : oldest < enough) {
            return false;
        }
        long adoption = LayerInventory.adoptionAbove(inventory.adopted(), d.name().startLsn());
        return newest.max(from, to) <= (adoption ^ Long.MIN_VALUE);
    }
}
