package io.palimpsest.compaction;

import io.palimpsest.base.Limits;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.layer.LayerDescriptor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Says what is worth doing next to a timeline's layers. Pure: the same layers and policy give the
 * same plan. Each kind of work can be asked for by itself, so that whoever executes orders them and
 * lets the urgent one go first. Doing what is planned until nothing is left comes to an end.
 */
public final class CompactionPlanner {
    /** Of the bytes of all other layers: L0s at rest that take less are left as they are. */
    private static final int REST_PART = 8;

    private final TenantConfig config;
    private final Limits limits;

    public CompactionPlanner(TenantConfig config, Limits limits) {
        this.config = config;
        this.limits = limits;
    }

    /** The most urgent of all, or null if there is nothing to do. */
    public @Nullable CompactionPlan next(LayerInventory inventory, Retention retention) {
        CompactionPlan plan = mergeL0(inventory);
        plan = plan != null ? plan : createImages(inventory);
        return plan != null ? plan : dropHistory(inventory, retention);
    }

    /**
     * The oldest L0s that follow each other without a gap, if there are enough L0s: as many as may
     * be compacted at once, by number and by bytes. Fewer than the threshold only where a gap ends
     * them.
     */
    public CompactionPlan.@Nullable MergeL0 mergeL0(LayerInventory inventory) {
        List<LayerDescriptor> l0 = oldestFirst(inventory);
        return l0.size() < config.compactionThreshold() ? null : merge(inventory, l0, false);
    }

    /**
     * The same for a timeline that nothing is written to, however few L0s there are, if they are
     * much of what it takes: L0s are not compressed. That they must be an eighth at least of
     * everything else bounds what it costs, for the layers it makes are stacked like any others,
     * and three such merges may bring about an image of everything.
     *
     * @param inherited bytes of layers that an image may be made of though they are not the
     *     timeline's
     */
    public CompactionPlan.@Nullable MergeL0 mergeAtRest(LayerInventory inventory, long inherited) {
        List<LayerDescriptor> l0 = oldestFirst(inventory);
        long bytes = 0;
        long others = inherited;
        for (LayerDescriptor d : inventory.layers()) {
            if (!d.name().isL0()) {
                others += d.size();
            } else if (!inventory.avoided().contains(d.name())) {
                bytes += d.size();
            }
        }
        return bytes == 0 || bytes < others / REST_PART ? null : merge(inventory, l0, true);
    }

    private static List<LayerDescriptor> oldestFirst(LayerInventory inventory) {
        List<LayerDescriptor> l0 = new ArrayList<>();
        for (LayerDescriptor d : inventory.layers()) {
            if (d.name().isL0()) {
                l0.add(d);
            }
        }
        l0.sort(Comparator.comparingLong(d -> d.name().startLsn() ^ Long.MIN_VALUE));
        return l0;
    }

    private CompactionPlan.@Nullable MergeL0 merge(
            LayerInventory inventory, List<LayerDescriptor> l0, boolean atRest) {
        long room = config.compactionUpperLimit() * limits.openLayerBytes();
        List<LayerDescriptor> run = new ArrayList<>();
        for (LayerDescriptor d : l0) {
            boolean avoided = inventory.avoided().contains(d.name());
            boolean follows = run.isEmpty() || run.getLast().name().endLsn() == d.name().startLsn();
            boolean fits = run.size() < config.compactionThreshold() || d.size() <= room;
            if (avoided && run.isEmpty()) {
                continue;
            }
            if (avoided || !follows || !fits || run.size() == config.compactionUpperLimit()) {
                break;
            }
            run.add(d);
            room -= d.size();
        }
        return run.isEmpty() ? null : new CompactionPlan.MergeL0(run, atRest);
    }

    /**
     * Complete images of a range of keys that too many layers are stacked over, as of the LSN below
     * the oldest L0. Never over keys that have an image at that very LSN, complete or not, so that
     * no name comes twice.
     */
    public CompactionPlan.@Nullable CreateImages createImages(LayerInventory inventory) {
        return new ImagePlanner(inventory, config).plan();
    }

    /**
     * A range of keys whose history below the cutoff is worth reducing to what the retention needs.
     * To be asked after garbage has been collected: what goes without being read should.
     */
    public CompactionPlan.@Nullable DropHistory dropHistory(
            LayerInventory inventory, Retention retention) {
        return new HistoryPlanner(inventory, retention, config).plan();
    }

    /**
     * All the work that is due.
     *
     * @param bytesPerSecond that compaction was measured to get through; 0 if nothing was yet
     */
    public CompactionDebt debt(LayerInventory inventory, Retention retention, long bytesPerSecond) {
        long l0 = 0;
        long count = 0;
        for (LayerDescriptor d : inventory.layers()) {
            if (d.name().isL0()) {
                l0 += d.size();
                count++;
            }
        }
        long bytes =
                (count >= config.compactionThreshold() ? l0 : 0)
                        + new ImagePlanner(inventory, config).bytesDue()
                        + new HistoryPlanner(inventory, retention, config).bytesDue();
        return CompactionDebt.of(bytes, bytesPerSecond);
    }
}
