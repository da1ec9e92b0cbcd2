package io.palimpsest.compaction;

import io.palimpsest.base.TenantId;
import io.palimpsest.layer.LayerName;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Says which layer files leave the disk, of those that the object store has; it deletes none. */
public final class EvictionPlanner {
    /**
     * A layer on the disk that could leave it.
     *
     * @param what the planner knows nothing of it
     * @param idleNanos since it was last read
     * @param covered no read at the end of the timeline, or of a branch, needs it
     */
    public record Candidate<T>(
            T what, TenantId tenant, LayerName name, long bytes, long idleNanos, boolean covered) {}

    private EvictionPlanner() {}

    /** Those that nobody has read for so long. */
    public static <T> List<Candidate<T>> idle(List<Candidate<T>> all, long nanos) {
        return all.stream().filter(c -> c.idleNanos() >= nanos).toList();
    }

    /**
     * Enough to free that many bytes, if there is enough: covered layers first, then those that
     * were not read for longest. A tenant keeps its minimum while there is enough of others'.
     *
     * @param minResidentBytes of each tenant; -1: as much as its largest layer has
     */
    public static <T> List<Candidate<T>> toFree(
            List<Candidate<T>> all, long bytes, long minResidentBytes) {
        List<Candidate<T>> ordered = new ArrayList<>(all);
        ordered.sort(
                Comparator.comparing((Candidate<T> c) -> !c.covered())
                        .thenComparingLong(c -> -c.idleNanos())
                        .thenComparingLong(c -> -c.bytes())
                        .thenComparing(c -> c.name().toString())
                        .thenComparing(Candidate::tenant));
        Map<TenantId, Long> spare = spare(all, minResidentBytes);
        List<Candidate<T>> chosen = new ArrayList<>();
        List<Candidate<T>> kept = new ArrayList<>();
        long left = bytes;
        for (Candidate<T> c : ordered) {
            long of = spare.getOrDefault(c.tenant(), 0L);
            if (left > 0 && c.bytes() <= of) {
                spare.put(c.tenant(), of - c.bytes());
                chosen.add(c);
                left -= c.bytes();
            } else {
                kept.add(c);
            }
        }
        for (Candidate<T> c : kept) {
            if (left > 0) {
                chosen.add(c);
                left -= c.bytes();
            }
        }
        return chosen;
    }

    /** What may go of each tenant before it is down to its minimum. */
    private static <T> Map<TenantId, Long> spare(List<Candidate<T>> all, long minimum) {
        TreeMap<TenantId, Long> total = new TreeMap<>();
        TreeMap<TenantId, Long> largest = new TreeMap<>();
        for (Candidate<T> c : all) {
            total.merge(c.tenant(), c.bytes(), Long::sum);
            largest.merge(c.tenant(), c.bytes(), Math::max);
        }
        total.replaceAll(
                (tenant, sum) -> sum - (minimum < 0 ? largest.getOrDefault(tenant, 0L) : minimum));
        return total;
    }
}
