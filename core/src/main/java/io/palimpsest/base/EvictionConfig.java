package io.palimpsest.base;

/**
 * How much of what is in the object store is kept on the disk too. Without a store nothing leaves
 * the disk, whatever this says.
 *
 * @param idleNanos a layer that nobody has read for so long leaves the disk; 0: no layer does for
 *     that
 * @param idlePeriodNanos how often such layers are looked for
 * @param pressure layers leave the disk when it is too full
 * @param maxUsagePercent so much of the disk may be used, by whomever
 * @param minAvailableBytes so much of it must be free
 * @param pressurePeriodNanos how often that is looked at
 * @param minResidentBytes of a tenant's layers that stay while those of others can go; -1: as much
 *     as its largest layer has
 */
public record EvictionConfig(
        long idleNanos,
        long idlePeriodNanos,
        boolean pressure,
        int maxUsagePercent,
        long minAvailableBytes,
        long pressurePeriodNanos,
        long minResidentBytes) {
    private static final long SECOND = 1_000_000_000L;

    public static final EvictionConfig DEFAULT =
            new EvictionConfig(0, 600 * SECOND, true, 80, 2_000_000_000L, 60 * SECOND, -1);

    public EvictionConfig {
        Check.that(idleNanos >= 0, "idleNanos %d", idleNanos);
        Check.that(idlePeriodNanos > 0, "idlePeriodNanos %d", idlePeriodNanos);
        Check.that(
                maxUsagePercent > 0 && maxUsagePercent <= 100,
                "maxUsagePercent %d",
                maxUsagePercent);
        Check.that(minAvailableBytes >= 0, "minAvailableBytes %d", minAvailableBytes);
        Check.that(pressurePeriodNanos > 0, "pressurePeriodNanos %d", pressurePeriodNanos);
        Check.that(minResidentBytes >= -1, "minResidentBytes %d", minResidentBytes);
    }
}
